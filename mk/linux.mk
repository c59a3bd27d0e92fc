# SPDX-License-Identifier: BSD-2-Clause
# Linux: Debian's kernels as they are, and tee.ko and optee.ko built as modules for each, without and with its series.

# The tree's own base, and the further ones. The kernel of "linux" is called "debian" where systems are named, that of
# "linux-7.3" "debian-7.3".
LINUX_BASES := $(filter linux linux-%,$(BASES))
LINUX_FURTHER := $(filter-out linux,$(LINUX_BASES))
debian-of = $(patsubst linux%,debian%,$(1))
# What files of a kernel are called by: nothing if it is the tree's own, else "-debian-7.3".
suffix-of = $(patsubst %,-%,$(filter-out debian,$(call debian-of,$(1))))

# A tree of the user's own takes the place of the nearest one's, and is built for that one's kernel.
$(if $(LINUX_SRC),$(eval $(call nearest-to,linux,/ext/linux)_OWN := $(LINUX_SRC)))

# The options that the series adds. They are off in a tree that nobody configures, and no configuration of ours knows them.
LINUX_OPTIONS ?= TEE_CLIENT_LIMIT TEE_CLIENT_PROCESS TEE_CLIENT_APPLICATION OPTEE_OBJECTS

# linux-flags,TREE. The tree's own headers come before those of the kernel, for the series may change them.
linux-flags = NOSTDINC_FLAGS='-nostdinc -I$(1)/include -I$(1)/include/uapi $(LINUX_OPTIONS:%=-DCONFIG_%=1)' $(LINUX_OPTIONS:%=CONFIG_%=y)

# Debian's name for the kernel, which ends that of its version.
KERNEL_FLAVOUR := $(if $(filter arm,$(CB_ARCH)),armmp,arm64)

# The headers cannot be installed (they ask for a native compiler of that machine), only unpacked. They belong to the root: a new
# root has to get them again.
kernel-headers = /usr/src/.client-binding-headers-$(1)-$(KERNEL_FLAVOUR)

# modules-make,BASE,FOLDER,ARGS. The exact version is known once the packages are there, hence the shell. BTF needs the whole kernel.
modules-make = $(MAKE) -C /usr/src/linux-headers-$$(cat $(B)/dl/$(1)/version)-$(KERNEL_FLAVOUR) M=$(2) -j$(JOBS) ARCH=$(CB_ARCH) \
	CROSS_COMPILE=$(CROSS) CONFIG_DEBUG_INFO_BTF_MODULES= $(if $(filter arm,$(CB_ARCH)),CONFIG_TEE=m CONFIG_OPTEE=m MODPOST=$(B)/modpost-$(1)/scripts/mod/modpost) $(3)

# linux-make,BASE,TREE,ARGS[,GOALS]
linux-make = $(call modules-make,$(1),$(2)/drivers/tee,$(call linux-flags,$(2)) $(3) $(or $(4),modules))

LINUX_PRODUCTS := *.o *.ko *.mod *.mod.c *.cmd .tmp_* modules.order Module.symvers

# linux-package,BASE,PARTS: what a kernel's package of one of these names has; newer kernels are not in "image", but in "binary"
# and "modules".
linux-package = dpkg --fsys-tarfile $$(ls $(patsubst %,$(B)/dl/$(1)/linux-%-*.deb,$(2)) 2>/dev/null)

# linux-rules,BASE,VARIABLES' PREFIX
define linux-rules
$(eval $(call series-rules,$(1),$($(2)_SERIES_PATCHES),$($(2)_SERIES_FILES),$(1)))
$(eval $(call tree-rules,$(1),$(B)))

$(call kernel-headers,$(1)): $(B)/dl/$(1)/.done
	@for p in $(B)/dl/$(1)/linux-headers-*.deb $(B)/dl/$(1)/linux-kbuild-*.deb; do dpkg -x $$$$p /; done
	@$(if $(filter arm,$(CB_ARCH)),$(STEP) $(1)-modpost scripts/build-modpost $(B)/modpost-$(1) $(B)/dl/$(1) $(CROSS))
	@touch $$@

$(B)/boot/Image$(call suffix-of,$(1)): $(B)/dl/$(1)/.done
	@mkdir -p $$(@D)
	@$$(call linux-package,$(1),image binary) | tar -xO --wildcards '*/vmlinuz*' >$$@.new
	@mv $$@.new $$@

$(B)/$(1)/%/.built: $(B)/src/$(1)-%/.stamp $(call kernel-headers,$(1)) mk/linux.mk
	@$(STEP) $(1)-$$* $$(call linux-make,$(1),$(B)/src/$(1)-$$*)
	@mkdir -p $$(@D)
	@cp $(B)/src/$(1)-$$*/drivers/tee/tee.ko $(B)/src/$(1)-$$*/drivers/tee/optee/optee.ko $$(@D)
	@touch $$@
endef
$(foreach b,$(LINUX_BASES),$(eval $(call linux-rules,$b,$(call upper,$b))))
