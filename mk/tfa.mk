# SPDX-License-Identifier: BSD-2-Clause
# TF-A, once for all cores that are called by SMC and once for the one that speaks FF-A: otherwise only the image package
# in the flash differs.

tfa_OWN := $(TFA_SRC)
$(eval $(call tree-rules,tfa,$(H)))

TFA_ARGS := PLAT=qemu CROSS_COMPILE=$(CROSS) BL32_RAM_LOCATION=tdram DEBUG=0 BUILD_STRING=client-binding \
	'BUILD_MESSAGE_TIMESTAMP="$(SOURCE_DATE_EPOCH)"'
ifeq ($(CB_ARCH),arm64)
TFA_ARGS += ENABLE_PIE=0 QEMU_USE_GIC_DRIVER=QEMU_GICV3 PRELOADED_BL33_BASE=0x60000000 ARM_LINUX_KERNEL_AS_BL33=1 \
	ARM_PRELOADED_DTB_BASE=0x40000000
TFA_ARGS_tfa := SPD=opteed
TFA_GOALS := bl1 bl2 bl31 fiptool
TFA_MONITOR = --soc-fw $(1)/qemu/release/bl31.bin
else
# OP-TEE is the monitor, too. Linux gets its registers from it: ARM_LINUX_KERNEL_AS_BL33 would be an AArch64 kernel's.
TFA_ARGS += ARCH=aarch32 ARM_ARCH_MAJOR=7 AARCH32_SP=optee PRELOADED_BL33_BASE=0x42000000
TFA_GOALS := bl1 bl2 fiptool
endif
TFA_ARGS_tfa-ffa := SPD=spmd SPMC_OPTEE=1 SPMD_SPM_AT_SEL2=0 CTX_INCLUDE_EL2_REGS=0 ENABLE_SME_FOR_NS=0 ENABLE_SME_FOR_SWD=0
FIPTOOL := $(H)/src/tfa-stock/tools/fiptool/fiptool

$(B)/tfa/.built $(B)/tfa-ffa/.built: $(B)/%/.built: $(H)/src/tfa-stock/.stamp mk/tfa.mk
	@$(STEP) $* $(MAKE) -C $(H)/src/tfa-stock -j$(JOBS) $(TFA_ARGS) $(TFA_ARGS_$*) BUILD_BASE=$(@D) $(TFA_GOALS)
	@touch $@

# flash,TFA,OPTEE,FIPTOOL-ARGS. 256 KiB of bl1, then the image package, to the 64 MiB the machine has. Written aside and
# renamed, because a running emulator may have the old one mapped.
define flash
@mkdir -p $(@D)
@$(FIPTOOL) create --tb-fw $(1)/qemu/release/bl2.bin $(TFA_MONITOR) \
	--tos-fw $(2)/core/tee-header_v2.bin --tos-fw-extra1 $(2)/core/tee-pager_v2.bin \
	--tos-fw-extra2 $(2)/core/tee-pageable_v2.bin $(3) $@.fip
@cp $(1)/qemu/release/bl1.bin $@.new
@truncate -s 256K $@.new
@cat $@.fip >>$@.new
@truncate -s 64M $@.new
@rm $@.fip
@mv $@.new $@
endef

$(B)/boot/flash-%.bin: $(B)/optee/%/.built $(B)/tfa/.built
	$(call flash,$(B)/tfa,$(B)/optee/$*)

# Who speaks FF-A is described to TF-A by a manifest.
$(B)/tfa-ffa/manifest.dtb: mk/spmc-manifest.dts $(B)/tfa-ffa/.built
	@dtc -q -I dts -O dtb -o $@ $<
FFA_FLASH = $(call flash,$(B)/tfa-ffa,$(B)/optee/$(1),--tos-fw-config $(B)/tfa-ffa/manifest.dtb)
$(B)/boot/flash-ffa.bin: $(B)/optee/ffa/.built $(B)/tfa-ffa/manifest.dtb
	$(call FFA_FLASH,ffa)
$(B)/boot/flash-ffa-%.bin: $(B)/optee/ffa-%/.built $(B)/tfa-ffa/manifest.dtb
	$(call FFA_FLASH,ffa-$*)
