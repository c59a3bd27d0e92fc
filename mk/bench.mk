# SPDX-License-Identifier: BSD-2-Clause
# What client binding costs, counted: a plugin for QEMU, the program and the TA that are measured, and the report.

BENCH := $(B)/bench
$(BENCH)/.program: $(call cargo-sources,core/abi ta/proto host/identity host/raw host/bench-calls host/bench) scripts/build-bench
	@$(STEP) bench-program scripts/build-bench $(@D) program
	@touch $@
$(BENCH)/.ta: $(call cargo-sources,core/abi ta/clients ta/kit ta/proto ta/bench) $(B)/ta/.built scripts/build-bench
	@$(STEP) bench-ta scripts/build-bench $(@D) ta
	@touch $@
$(BENCH)/.plugin: $(call cargo-sources,host/bench-calls host/bench-plugin host/bench-report) scripts/build-bench
	@$(STEP) bench-plugin scripts/build-bench $(@D) plugin
	@touch $@

.PHONY: bench bench-files bench-update check-bench
bench-files: boot-files $(addprefix $(BENCH)/,.program .ta .plugin)

# Five boots must say the same; one is enough to see a rise.
bench: bench-files
	@scripts/bench --boots 5
bench-update: bench-files
	@scripts/bench --update
check-bench: bench-files
	scripts/bench
