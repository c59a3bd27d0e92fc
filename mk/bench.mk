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
# takes without what goes with it; two have room for 10,000 sessions. Each as people ship it, with asserts, and called through FF-A.
# TAs are at no random place, for how many of its regions the core walks through depends on that.
COUNTED_ARGS_shipped := CFG_TA_ASLR=n CFG_TEE_CORE_DEBUG=n
COUNTED_ARGS_asserts := CFG_TA_ASLR=n
COUNTED_ARGS_ffa := $(COUNTED_ARGS_shipped) CFG_CORE_SEL1_SPMC=y
CROWD_ARGS := CFG_TEE_RAM_VA_SIZE=0x00800000 CFG_CORE_HEAP_SIZE=0x00500000
COUNTED := stock bound off crowd-stock crowd-bound
# Of these the size is enough: without options, and with one.
SIZED := plain quota pta delegation objects
# Objects are for Linux 7.3, on which nothing is counted.
BENCH_ARGS_bound := $(OPTEE_ARGS_bound) CFG_CLIENT_BINDING_OBJECTS=n
BENCH_ARGS_plain := $(BENCH_ARGS_bound) CFG_CLIENT_BINDING_PTA=n CFG_CLIENT_BINDING_DELEGATION=n
BENCH_ARGS_quota := $(BENCH_ARGS_plain) CFG_CLIENT_BINDING_MAX_SESSIONS=4
BENCH_ARGS_pta := $(BENCH_ARGS_plain) CFG_CLIENT_BINDING_PTA=y
BENCH_ARGS_delegation := $(BENCH_ARGS_plain) CFG_CLIENT_BINDING_DELEGATION=y
BENCH_ARGS_objects := $(BENCH_ARGS_plain) CFG_CLIENT_BINDING_OBJECTS=y
BENCH_ARGS_crowd-stock := $(CROWD_ARGS)
BENCH_ARGS_crowd-bound := $(BENCH_ARGS_bound) $(CROWD_ARGS)
# bench-rules,NAME,TREE,ARGS
define bench-rules
$(B)/optee/$(1)/.built: $(H)/src/optee-$(2)/.stamp $(if $(findstring CLIENT_BINDING_GLUE,$(3)),$(GLUE_LIB) $(GLUE_HEADER)) mk/optee.mk mk/bench.mk
	@$(STEP) optee-$(1) sh -c '$$(call optee-make,$(H)/src/optee-$(2),$$(@D),$(3),$$(OPTEE_BINARIES:%=$$(@D)/%))'
	@touch $$@
endef
tree-of = $(if $(filter %stock,$(1)),stock,bound)
$(foreach k,shipped asserts ffa,$(foreach c,$(COUNTED) $(SIZED),$(eval $(call bench-rules,$k-$c,$(call tree-of,$c),$(COUNTED_ARGS_$k) $(BENCH_ARGS_$c)))))

# How fast clients are answered that wait for each other: with the suite's TAs, on the cores that people ship.
$(BENCH)/.probes: $(BENCH)/.program $(SUITE)/.probes
	@rm -rf $(@D)/probes
	@for v in $(VARIANTS); do to=$(@D)/probes/$$v/usr; mkdir -p $$to/lib && cp -r $(SUITE)/$$v/usr/lib/optee_armtz $$to/lib && \
		cp -r $(@D)/$$v/usr/bin $$to || exit; done
	@touch $@

.PHONY: bench bench-files bench-files-asserts bench-files-ffa bench-update check-bench throughput-files
# counted,BUILD
counted = $(COUNTED:%=$(B)/boot/flash-$(1)-%.bin) $(B)/optee/$(1)-plain/.built
BENCH_FILES := $(addprefix $(BENCH)/,.program .ta .plugin) $(H)/bench-report
bench-files: boot-files $(BENCH_FILES) $(call counted,shipped)
bench-files-asserts: bench-files $(call counted,asserts)
bench-files-ffa: bench-files $(call counted,ffa) $(B)/boot/Image-small $(VARIANTS:%=$(B)/boot/driver-small-%.cpio)

# Five boots must say the same; one is enough to see a rise.
bench: bench-files-asserts throughput-files $(SIZED:%=$(B)/optee/shipped-%/.built) $(if $(filter arm64,$(CB_ARCH)),bench-files-ffa)
	@$(if $(filter arm64,$(CB_ARCH)),$(XTASK) bench --ffa)
	@$(XTASK) bench --arch $(CB_ARCH) --boots 5 --asserts
	@$(XTASK) bench --arch $(CB_ARCH) --boots 5
	@$(XTASK) throughput --arch $(CB_ARCH)
throughput-files: boot-files $(BENCH)/.probes $(H)/throughput-report $(patsubst %,$(B)/boot/flash-shipped-%.bin,stock bound)
bench-update: bench-files
	@$(XTASK) bench --arch $(CB_ARCH) --update
# Without the cores that have room for 10,000 sessions, which take as long as the rest of it.
check-bench: boot-files $(BENCH_FILES) $(filter-out %crowd-stock.bin %crowd-bound.bin,$(call counted,shipped))
	$(XTASK) bench --no-crowd
