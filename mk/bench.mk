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

# The cores that are counted: stock, bound, "off", which has the series but not the option, and "plain", whose size tells what the option
# takes without what goes with it; two have room for 10,000 sessions. Each as people ship it, and with asserts. TAs are at no random
# place, for how many of its regions the core walks through depends on that.
COUNTED_ARGS_shipped := CFG_TA_ASLR=n CFG_TEE_CORE_DEBUG=n
COUNTED_ARGS_asserts := CFG_TA_ASLR=n
CROWD_ARGS := CFG_TEE_RAM_VA_SIZE=0x00800000 CFG_CORE_HEAP_SIZE=0x00500000
COUNTED := stock bound off plain crowd-stock crowd-bound
BENCH_ARGS_bound := $(OPTEE_ARGS_bound)
BENCH_ARGS_plain := $(OPTEE_ARGS_bound) CFG_CLIENT_BINDING_PTA=n CFG_CLIENT_BINDING_DELEGATION=n
BENCH_ARGS_crowd-stock := $(CROWD_ARGS)
BENCH_ARGS_crowd-bound := $(OPTEE_ARGS_bound) $(CROWD_ARGS)
# bench-rules,NAME,TREE,ARGS
define bench-rules
$(B)/optee/$(1)/.built: $(H)/src/optee-$(2)/.stamp $(if $(findstring CLIENT_BINDING_GLUE,$(3)),$(GLUE_LIB) $(GLUE_HEADER)) mk/optee.mk mk/bench.mk
	@$(STEP) optee-$(1) sh -c '$$(call optee-make,$(H)/src/optee-$(2),$$(@D),$(3),$$(OPTEE_BINARIES:%=$$(@D)/%))'
	@touch $$@
endef
tree-of = $(if $(filter %stock,$(1)),stock,bound)
$(foreach k,shipped asserts,$(foreach c,$(COUNTED),$(eval $(call bench-rules,$k-$c,$(call tree-of,$c),$(COUNTED_ARGS_$k) $(BENCH_ARGS_$c)))))

.PHONY: bench bench-files bench-files-asserts bench-update check-bench
# counted,BUILD: the size of "plain" is enough.
counted = $(patsubst %,$(B)/boot/flash-$(1)-%.bin,$(filter-out plain,$(COUNTED))) $(B)/optee/$(1)-plain/.built
bench-files: boot-files $(addprefix $(BENCH)/,.program .ta .plugin) $(H)/bench-report $(call counted,shipped)
bench-files-asserts: bench-files $(call counted,asserts)

# Five boots must say the same; one is enough to see a rise.
bench: bench-files-asserts
	@$(XTASK) bench --arch $(CB_ARCH) --boots 5 --asserts
	@$(XTASK) bench --arch $(CB_ARCH) --boots 5
bench-update: bench-files
	@$(XTASK) bench --arch $(CB_ARCH) --update
check-bench: bench-files
	$(XTASK) bench
