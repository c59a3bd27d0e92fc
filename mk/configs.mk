# SPDX-License-Identifier: BSD-2-Clause
# Everything the suite runs on beside what `make` builds: cores with other options, kernels of our own. Nothing of it is
# built unless asked for: `make configs`, or scripts/qemu-run.sh --core NAME --kernel NAME.

# Cores: the bound tree with more options. "ffa" is called through FF-A, which needs one of our own kernels; "quota" lets a
# client have four sessions.
CORES = debug lockdep pager bti kasan all concurrent ffa quota
# Two are AArch64's alone.
ONLY_ARM64 = bti ffa
core_ARGS_debug := DEBUG=1 CFG_TEE_CORE_DEBUG=y CFG_CLIENT_BINDING_DEBUG=y
core_ARGS_lockdep := $(core_ARGS_debug) CFG_LOCKDEP=y
core_ARGS_pager := CFG_WITH_PAGER=y
core_ARGS_bti := CFG_CORE_BTI=y
core_ARGS_kasan := CFG_CORE_SANITIZE_KADDRESS=y CFG_CORE_ASLR=n
core_ARGS_all := CFG_CLIENT_BINDING_ALL=y
core_ARGS_concurrent := CFG_CONCURRENT_SINGLE_INSTANCE_TA=y
core_ARGS_ffa := CFG_CORE_SEL1_SPMC=y
core_ARGS_quota := CFG_CLIENT_BINDING_MAX_SESSIONS=4
core_GLUE_bti := glue-bti

CORES_HERE := $(if $(filter arm,$(CB_ARCH)),$(filter-out $(ONLY_ARM64),$(CORES)),$(CORES))

# core-rules,NAME,GLUE
define core-rules
$(B)/optee/$(1)/.built: $(H)/src/optee-bound/.stamp $(H)/$(2)/libclient_binding_glue.a $(H)/$(2)/client_binding_glue.h \
		mk/optee.mk mk/configs.mk
	@$(STEP) optee-$(1) sh -c '$$(call optee-make,$(H)/src/optee-bound,$$(@D),$(BINDING_ARGS) \
		CLIENT_BINDING_GLUE=$(H)/$(2) $(core_ARGS_$(1)),$$(OPTEE_BINARIES:%=$$(@D)/%))'
	@touch $$@
endef
# For guests of a hypervisor, which is not here: it is built and looked at (check-guests).
core_ARGS_guests := CFG_NS_VIRTUALIZATION=y
$(foreach c,$(CORES_HERE) guests,$(eval $(call core-rules,$c,$(or $(core_GLUE_$c),$(notdir $(GLUE_DIR))))))

# What `make test-full` runs the suite on beside SUITE_CONFIGS: name:core:kernel:driver. The small kernel where the kernel
# is not the point: it boots sooner.
CONFIGS := \
	debug:debug:debian:hostile \
	lockdep:lockdep:small:hostile \
	pager:pager:small:hostile \
	bti:bti:small:hostile \
	kasan:kasan:small:hostile \
	all:all:debian:hostile \
	concurrent:concurrent:debian:hostile \
	small:bound:small:bound \
	small-debug:bound:debug:bound \
	ffa:ffa:small:hostile \
	ffa-debug:ffa:debug:bound

# The same for AArch32.
ARM_CONFIGS := $(foreach c,debug lockdep pager kasan all concurrent,$c:$c:debian:hostile)

.PHONY: configs
configs: boot-files $(CORES_HERE:%=$(B)/boot/flash-%.bin)
ifeq ($(CB_ARCH),arm64)
configs: check-glue-bti $(foreach k,$(KERNELS),$(B)/boot/Image-$k $(foreach v,$(VARIANTS),$(B)/boot/driver-$k-$v.cpio)) \
	$(B)/boot/driver-small-hostile.cpio
endif
