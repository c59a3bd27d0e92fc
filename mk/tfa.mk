# SPDX-License-Identifier: BSD-2-Clause
# TF-A, once for all cores: only the image package in the flash differs.

tfa_OWN := $(TFA_SRC)
$(eval $(call tree-rules,tfa))

TFA_OUT := $(B)/tfa/qemu/release
TFA_ARGS := PLAT=qemu CROSS_COMPILE=aarch64-linux-gnu- ENABLE_PIE=0 SPD=opteed BL32_RAM_LOCATION=tdram \
	QEMU_USE_GIC_DRIVER=QEMU_GICV3 PRELOADED_BL33_BASE=0x60000000 ARM_LINUX_KERNEL_AS_BL33=1 \
	ARM_PRELOADED_DTB_BASE=0x40000000 DEBUG=0 BUILD_BASE=$(B)/tfa BUILD_STRING=client-binding \
	'BUILD_MESSAGE_TIMESTAMP="$(SOURCE_DATE_EPOCH)"'
FIPTOOL := $(B)/src/tfa-stock/tools/fiptool/fiptool

$(B)/tfa/.built: $(B)/src/tfa-stock/.stamp mk/tfa.mk
	@$(STEP) tfa $(MAKE) -C $(B)/src/tfa-stock -j$(JOBS) $(TFA_ARGS) bl1 bl2 bl31 fiptool
	@touch $@

# flash: 256 KiB of bl1, then the image package, to the 64 MiB the machine has. Written aside and renamed, because a
# running emulator may have the old one mapped.
$(B)/boot/flash-%.bin: $(B)/optee/%/.built $(B)/tfa/.built
	@mkdir -p $(@D)
	@$(FIPTOOL) create --tb-fw $(TFA_OUT)/bl2.bin --soc-fw $(TFA_OUT)/bl31.bin \
		--tos-fw $(B)/optee/$*/core/tee-header_v2.bin --tos-fw-extra1 $(B)/optee/$*/core/tee-pager_v2.bin \
		--tos-fw-extra2 $(B)/optee/$*/core/tee-pageable_v2.bin $@.fip
	@cp $(TFA_OUT)/bl1.bin $@.new
	@truncate -s 256K $@.new
	@cat $@.fip >>$@.new
	@truncate -s 64M $@.new
	@rm $@.fip
	@mv $@.new $@
