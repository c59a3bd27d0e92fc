# SPDX-License-Identifier: BSD-2-Clause
# What client binding costs, counted: a plugin for QEMU, the program and the TA that are measured, and the report.

BENCH := $(B)/bench
$(BENCH)/.program: export OPTEE_CLIENT_EXPORT := $(B)/libteec
$(BENCH)/.program: $(call cargo-sources,core/abi ta/proto host/client host/raw host/test host/bench) $(B)/libteec/.copied
	@$(STEP) bench-program $(GUEST_STD:%=env %) cargo build --locked --release --target $(GUEST_TARGET) $(GUEST_STD:%=-Z build-std=std,panic_abort) -p client-binding-bench
	@for v in $(VARIANTS); do mkdir -p $(@D)/$$v/usr/bin && \
		cp $(CARGO_TARGET_DIR)/$(GUEST_TARGET)/release/binding-bench $(@D)/$$v/usr/bin/ || exit; done
	@touch $@
$(BENCH)/.ta: $(call cargo-sources,core/abi ta/clients ta/kit ta/proto ta/bench) $(B)/ta/.built $(H)/xtask
	@$(STEP) bench-ta $(H)/xtask tas --arch $(CB_ARCH) $(@D) bench
	@touch $@
$(BENCH)/.plugin: $(call cargo-sources,ta/proto host/bench-plugin)
	@$(STEP) bench-plugin cargo build --locked --release -p client-binding-bench-plugin
	@mkdir -p $(@D)
	@cp $(CARGO_TARGET_DIR)/release/libclient_binding_bench_plugin.so $(@D)
	@touch $@

# Cores with room for 10,000 sessions.
CROWD_ARGS := CFG_TEE_RAM_VA_SIZE=0x00800000 CFG_CORE_HEAP_SIZE=0x00500000
$(B)/optee/crowd-%/.built: $(H)/src/optee-%/.stamp $(B)/optee/%/.built mk/bench.mk
	@$(STEP) optee-crowd-$* sh -c '$(call optee-make,$(H)/src/optee-$*,$(@D),$(OPTEE_ARGS_$*) $(CROWD_ARGS),$(OPTEE_BINARIES:%=$(@D)/%))'
	@touch $@

# A core without asserts.
$(B)/optee/nodebug/.built: $(H)/src/optee-bound/.stamp $(GLUE_LIB) $(GLUE_HEADER) mk/optee.mk mk/bench.mk
	@$(STEP) optee-nodebug sh -c '$(call optee-make,$(H)/src/optee-bound,$(@D),$(OPTEE_ARGS_bound) CFG_TEE_CORE_DEBUG=n,$(OPTEE_BINARIES:%=$(@D)/%))'
	@touch $@

.PHONY: bench bench-files bench-update check-bench
bench-files: boot-files $(addprefix $(BENCH)/,.program .ta .plugin) $(H)/bench-report $(patsubst %,$(B)/boot/flash-%.bin,$(VARIANTS:%=crowd-%) nodebug) \
		$(B)/optee/plain/.built

# Five boots must say the same; one is enough to see a rise.
bench: bench-files
	@$(XTASK) bench --arch $(CB_ARCH) --boots 5
bench-update: bench-files
	@$(XTASK) bench --arch $(CB_ARCH) --update
# A boot may differ from others as a whole, once in a while: what rose has to do so again.
check-bench: bench-files
	$(XTASK) bench || $(XTASK) bench
