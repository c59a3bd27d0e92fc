# SPDX-License-Identifier: BSD-2-Clause
# A third driver, for tests alone: the bound one plus what host/hostile adds, see there. Boots with --driver hostile.

hostile_PATCHES := $(sort $(wildcard host/hostile/*.patch))
# hostile-rules,BASE. Two lines around a change are the same in all kernels.
define hostile-rules
$(B)/src/$(1)-hostile/.stamp: $(B)/src/$(1)-bound/.stamp $(hostile_PATCHES) mk/hostile.mk
	@rm -rf $$(@D); mkdir -p $$(@D)
	@rsync -rlpt $(patsubst %,--exclude='%',.stamp .checked $(LINUX_PRODUCTS)) $(B)/src/$(1)-bound/ $$(@D)/
	@for p in $(abspath $(hostile_PATCHES)); do git -C $$(@D) apply -C2 --whitespace=nowarn $$$$p || exit; done
	@touch $$@
endef
$(foreach b,$(LINUX_BASES),$(eval $(call hostile-rules,$b)))

.PHONY: hostile
hostile: $(B)/boot/driver-hostile.cpio
