# SPDX-License-Identifier: BSD-2-Clause
# The regression suite: what it adds to the guest, and the program that judges its runs.

SUITE := $(B)/suite
SUITE_SOURCES := $(call cargo-sources,core/abi core/policy ta/proto host/identity host/raw host/test)
$(SUITE)/.program: $(SUITE_SOURCES) scripts/build-suite mk/suite.mk
	@$(STEP) suite-program scripts/build-suite $(@D) program
	@touch $@

# After the other TAs, which notice a new dev kit.
$(SUITE)/.probes: $(call cargo-sources,core/abi ta/kit ta/probe ta/proto) $(B)/ta/.built scripts/build-suite mk/suite.mk
	@$(STEP) suite-probes scripts/build-suite $(@D) probes
	@touch $@

$(SUITE)/suite-report: $(SUITE_SOURCES) $(call cargo-sources,host/test-report) mk/suite.mk
	@mkdir -p $(@D)
	@$(STEP) suite-report cargo build --locked --release --target-dir $(B)/target -p client-binding-test-report
	@cp $(B)/target/release/suite-report $@

.PHONY: suite test-suite test-full
suite: boot-files $(SUITE)/.program $(SUITE)/.probes $(SUITE)/suite-report

# Each boot takes about two minutes. Everything, many rounds of it, and the proof that its attacks can fail: test-full.
SUITE_CONFIGS := stock:stock:debian:stock bound:bound:debian:bound stock-core:stock:debian:bound stock-driver:bound:debian:stock
test-suite: suite
	@scripts/suite $(SUITE_CONFIGS) -- $(CASES)
test-full: suite configs
	@scripts/suite swapped:stock:debian:stock
	@scripts/suite --full $(SUITE_CONFIGS) $(CONFIGS) -- $(CASES)
