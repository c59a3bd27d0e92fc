# SPDX-License-Identifier: BSD-2-Clause
# What client binding costs, counted: a plugin for QEMU, the program and the TA that are measured, and the report.

BENCH := $(B)/bench
$(BENCH)/.program: export OPTEE_CLIENT_EXPORT := $(B)/libteec
$(BENCH)/.program: $(call cargo-sources,core/abi ta/proto host/client host/raw host/test host/bench) $(B)/libteec/.copied \
		scripts/build-bench
	@$(STEP) bench-program scripts/build-bench $(@D) program
	@touch $@
$(BENCH)/.ta: $(call cargo-sources,core/abi ta/clients ta/kit ta/proto ta/bench) $(B)/ta/.built scripts/build-bench
	@$(STEP) bench-ta scripts/build-bench $(@D) ta
	@touch $@
$(BENCH)/.plugin: $(call cargo-sources,ta/proto host/bench-plugin host/evidence) scripts/build-bench
	@$(STEP) bench-plugin scripts/build-bench $(@D) plugin
	@touch $@

# Cores with room for 10,000 sessions.
CROWD_ARGS := CFG_TEE_RAM_VA_SIZE=0x00800000 CFG_CORE_HEAP_SIZE=0x00500000
$(B)/optee/crowd-%/.built: $(B)/src/optee-%/.stamp $(B)/optee/%/.built mk/bench.mk
	@$(STEP) optee-crowd-$* sh -c '$(call optee-make,$(B)/src/optee-$*,$(@D),$(OPTEE_ARGS_$*) $(CROWD_ARGS),$(OPTEE_BINARIES:%=$(@D)/%))'
	@touch $@

.PHONY: bench bench-files bench-update check-bench
bench-files: boot-files $(addprefix $(BENCH)/,.program .ta .plugin) $(VARIANTS:%=$(B)/boot/flash-crowd-%.bin) \
		$(B)/optee/plain/.built

# Five boots must say the same; one is enough to see a rise.
bench: bench-files
	@scripts/bench --boots 5
bench-update: bench-files
	@scripts/bench --update
check-bench: bench-files
	scripts/bench
