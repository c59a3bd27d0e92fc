# SPDX-License-Identifier: BSD-2-Clause
# Kernels of our own, from the source of Debian's: "small" has what Debian's lacks (FF-A) and boots sooner, "debug" watches
# the drivers. Both are built from one source tree, by their fragments mk/kernel-*.config, and each gets the same drivers.

KERNELS = small debug
kernel_FRAGMENTS_small := mk/kernel-small.config
kernel_FRAGMENTS_debug := mk/kernel-small.config mk/kernel-debug.config

# Most of one graphics driver's headers are left out: a fifth of the tree.
$(B)/src/kernel/.stamp: $(B)/dl/linux/.done
	@rm -rf $(@D); mkdir -p $(@D)
	@$(STEP) kernel-unpack sh -c 'dpkg --fsys-tarfile $(B)/dl/linux/linux-source-*.deb | \
		tar -xO --wildcards "./usr/src/*.tar.xz" | \
		tar -xJ --strip-components=1 -C $(@D) --exclude="*/drivers/gpu/drm/amd/include"'
	@touch $@

# The build's user, host and date are pinned, as everywhere.
kernel-make = $(MAKE) -C $(B)/src/kernel O=$(1) -j$(JOBS) ARCH=arm64 CROSS_COMPILE=$(CROSS) \
	KBUILD_BUILD_USER=build KBUILD_BUILD_HOST=root KBUILD_BUILD_TIMESTAMP=@$(SOURCE_DATE_EPOCH)

# A line of a fragment that the configuration does not take is an error, not a surprise at run time.
define kernel-rules
$(B)/kernel/$(1)/.config: $(kernel_FRAGMENTS_$(1)) $(B)/src/kernel/.stamp
	@mkdir -p $$(@D)
	@cat $(kernel_FRAGMENTS_$(1)) >$$(@D)/fragment
	@$(STEP) kernel-$(1)-config $$(call kernel-make,$$(@D)) \
		KCONFIG_ALLCONFIG=$$(@D)/fragment allnoconfig
	@! grep '^CONFIG_' $$(@D)/fragment | grep -vxFf $$@ || { echo 'kernel $(1) does not take these options' >&2; false; }

# The modules are built to have the list of exported symbols.
$(B)/kernel/$(1)/.built: $(B)/kernel/$(1)/.config mk/kernel.mk
	@$(STEP) kernel-$(1) $$(call kernel-make,$$(@D)) Image modules
	@touch $$@

$(B)/boot/Image-$(1): $(B)/kernel/$(1)/.built
	@mkdir -p $$(@D)
	@cp $(B)/kernel/$(1)/arch/arm64/boot/Image $$@.new
	@mv $$@.new $$@

# A module is built where its source is, so each kernel has a copy of the drivers' sources.
$(B)/linux/$(1)-%/.built: $(B)/src/linux-%/.stamp $(B)/kernel/$(1)/.built
	@mkdir -p $$(@D)/src
	@rsync -rlpt --delete $(patsubst %,--exclude='%',.stamp .checked $(LINUX_PRODUCTS)) $(B)/src/linux-$$*/ $$(@D)/src/
	@$(STEP) linux-$(1)-$$* $$(call kernel-make,$(B)/kernel/$(1)) M=$$(@D)/src/drivers/tee \
		$$(call linux-flags,$$(@D)/src) modules
	@cp $$(@D)/src/drivers/tee/tee.ko $$(@D)/src/drivers/tee/optee/optee.ko $$(@D)
	@touch $$@
endef
$(foreach k,$(KERNELS),$(eval $(call kernel-rules,$k)))
