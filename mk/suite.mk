# SPDX-License-Identifier: BSD-2-Clause
# The regression suite: what it adds to the guest, and the program that judges its runs.

SUITE := $(B)/suite
SUITE_SOURCES := $(call cargo-sources,core/abi core/policy ta/kit ta/probe ta/proto host/identity host/raw host/test)
$(SUITE)/.built: $(SUITE_SOURCES) $(B)/ta/.built scripts/build-suite mk/suite.mk
	@$(STEP) suite-guest scripts/build-suite $(@D)
	@touch $@

$(SUITE)/suite-report: $(SUITE_SOURCES) $(call cargo-sources,host/test-report) mk/suite.mk
	@mkdir -p $(@D)
	@$(STEP) suite-report cargo build --locked --release --target-dir $(B)/target -p client-binding-test-report
	@cp $(B)/target/release/suite-report $@

.PHONY: suite
suite: boot-files $(SUITE)/.built $(SUITE)/suite-report
