# SPDX-License-Identifier: BSD-2-Clause
# One more system, for one check: OP-TEE with a random number generator that Linux may use, so that a client inside of the
# kernel, Debian's own optee-rng, can be seen at work. TF-A provides the entropy.

$(B)/tfa-rng/.built: $(H)/src/tfa-stock/.stamp $(B)/tfa/.built guest/rng/qemu_trng.c mk/tfa.mk mk/rng.mk
	@BL31_SOURCES=$(abspath guest/rng/qemu_trng.c) $(STEP) tfa-rng $(MAKE) -C $(H)/src/tfa-stock -j$(JOBS) $(TFA_ARGS) \
		$(TFA_ARGS_tfa) TRNG_SUPPORT=1 BUILD_BASE=$(@D) bl1 bl2 bl31
	@touch $@

$(B)/optee/rng/.built: $(H)/src/optee-bound/.stamp $(GLUE_LIB) $(GLUE_HEADER) mk/optee.mk mk/rng.mk
	@$(STEP) optee-rng sh -c '$(call optee-make,$(H)/src/optee-bound,$(@D),$(OPTEE_ARGS_bound) CFG_WITH_SOFTWARE_PRNG=n \
		CFG_ARM_SMCCC_TRNG=y CFG_HWRNG_PTA=y CFG_HWRNG_QUALITY=1024,$(OPTEE_BINARIES:%=$(@D)/%))'
	@touch $@

$(B)/boot/flash-rng.bin: $(B)/optee/rng/.built $(B)/tfa-rng/.built
	$(call flash,$(B)/tfa-rng,$(B)/optee/rng)

$(B)/rng/.module: $(B)/dl/linux/.done
	@mkdir -p $(@D)/overlay
	@$(call linux-package,linux,image modules) | tar -xO --wildcards '*/optee-rng.ko*' >$(@D)/optee-rng.ko.xz
	@xz -dcf $(@D)/optee-rng.ko.xz >$(@D)/overlay/optee-rng.ko
	@touch $@

.PHONY: check-rng
check-rng: boot-files $(B)/boot/flash-rng.bin $(B)/rng/.module
	$(XTASK) boot --core rng --name rng --overlay $(B)/rng/overlay -- sh -euc ' \
		insmod /optee-rng.ko; \
		grep -q optee-rng /sys/class/misc/hw_random/rng_current; \
		first=$$(head -c 32 /dev/hwrng | md5sum); \
		[ "$$first" != "$$(head -c 32 /dev/hwrng | md5sum)" ]'
