# SPDX-License-Identifier: BSD-2-Clause
# OP-TEE OS: "stock" is Debian's source as it is, "bound" has the series of core/patches on top: fixes of bugs that are the
# base's own, refactoring, speed, the binding, its options. The first three parts are not behind CFG_CLIENT_BINDING.

optee_OWN := $(OPTEE_OS_SRC)
upper = $(shell tr a-z A-Z <<<'$(1)' | tr -c 'A-Z0-9\n' _)
# optee-series,NAME,BASE: that base's, for the trees of that name
optee-series = $(eval $(call series-rules,$(1),$($(call upper,$(2))_SERIES_PATCHES),$($(call upper,$(2))_SERIES_FILES),$(2)))
$(call optee-series,optee,$(if $(optee_OWN),$(call nearest-to,optee,/ext/optee-os),optee))
# Further bases are of those who have such a tree.
OPTEE_FURTHER := $(filter optee-%,$(BASES))
$(foreach b,$(OPTEE_FURTHER),$(call optee-series,$b,$b))
$(eval $(call tree-rules,optee,$(H)))

# The signing scripts import a module of OpenSSL's that Debian's build has not.
export CRYPTOGRAPHY_OPENSSL_NO_LEGACY := 1
# In-tree TAs are not needed. Version and date are pinned. Statistics of TAs let tests see a leak; four threads, as many
# as the machine may have processors.
OPTEE_MACHINE_arm64 := PLATFORM=vexpress-qemu_armv8a CROSS_COMPILE64=$(CROSS) CFG_ARM64_core=y CFG_USER_TA_TARGETS=ta_arm64 CFG_ARM_GICV3=y
OPTEE_MACHINE_arm := PLATFORM=vexpress-qemu_virt CROSS_COMPILE32=$(CROSS) CFG_ARM32_core=y CFG_USER_TA_TARGETS=ta_arm32
OPTEE_ARGS := $(OPTEE_MACHINE_$(CB_ARCH)) CROSS_COMPILE=$(CROSS) CFG_TEE_CORE_LOG_LEVEL=2 DEBUG=0 \
	CFG_TA_STATS=y CFG_NUM_THREADS=4 CFG_BUILD_IN_TREE_TA=n TEE_IMPL_VERSION=$(OPTEE_IMPL_VERSION) TEE_IMPL_GIT_SHA1=0x0
OPTEE_ARGS_stock :=
BINDING_ARGS := CFG_CLIENT_BINDING=y CFG_CLIENT_BINDING_PTA=y CFG_CLIENT_BINDING_DELEGATION=y CFG_CLIENT_BINDING_OBJECTS=y
OPTEE_ARGS_bound := $(if $(optee_SERIES),$(BINDING_ARGS) CLIENT_BINDING_GLUE=$(GLUE_DIR))
OPTEE_BINARIES := $(addprefix core/,tee.elf tee.bin tee-header_v2.bin tee-pager_v2.bin tee-pageable_v2.bin)

# optee-make,TREE,OUT,ARGS,GOALS. The build count would tell a second build from a first.
optee-make = rm -f $(2)/core/.buildcount && $(MAKE) -C $(1) -j$(JOBS) O=$(2) $(OPTEE_ARGS) $(3) $(4)

$(B)/optee/stock/.built: $(H)/src/optee-stock/.stamp mk/optee.mk
	@$(STEP) optee-stock sh -c '$(call optee-make,$(H)/src/optee-stock,$(@D),$(OPTEE_ARGS_stock),$(OPTEE_BINARIES:%=$(@D)/%))'
	@touch $@

# The TA dev kit comes from the bound tree: it knows the flag. Its TAs without the flag run on the stock core.
TA_DEV_KIT := $(B)/optee/bound/export-$(if $(filter arm,$(CB_ARCH)),ta_arm32,ta_arm64)
$(B)/optee/bound/.built: $(H)/src/optee-bound/.stamp $(GLUE_LIB) $(GLUE_HEADER) mk/optee.mk
	@$(STEP) optee-bound sh -c '$(call optee-make,$(H)/src/optee-bound,$(@D),$(OPTEE_ARGS_bound),$(OPTEE_BINARIES:%=$(@D)/%) ta_dev_kit)'
	@touch $@
