# SPDX-License-Identifier: BSD-2-Clause
# A third driver, for tests alone: the bound one plus what host/hostile adds, see there. Boots with --driver hostile.

hostile_PATCHES := $(sort $(wildcard host/hostile/*.patch))
LINUX_PRODUCTS := *.o *.ko *.mod *.mod.c *.cmd .tmp_* modules.order Module.symvers

$(B)/src/linux-hostile/.stamp: $(B)/src/linux-bound/.stamp $(hostile_PATCHES) mk/hostile.mk
	@rm -rf $(@D); mkdir -p $(@D)
	@rsync -rlpt $(patsubst %,--exclude='%',.stamp .checked $(LINUX_PRODUCTS)) $(B)/src/linux-bound/ $(@D)/
	@for p in $(abspath $(hostile_PATCHES)); do git -C $(@D) apply --whitespace=nowarn $$p || exit; done
	@touch $@

.PHONY: hostile
hostile: $(B)/boot/driver-hostile.cpio
