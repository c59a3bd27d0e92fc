# SPDX-License-Identifier: BSD-2-Clause
# make verify: why the decision can be trusted, with figures (docs/trust.md). Minutes, and more packages than make test needs.

# Every state of a small system (core/policy/tests/states.rs); every way to break policy
# and ABI a little: a mutant that no test notices is printed and fails. The other tests do, without the states. Before that, what
# make test checks too, with its figures, and fuzzing.
CARGO_MUTANTS := $(H)/tools/bin/cargo-mutants
CARGO_DENY := $(H)/tools/bin/cargo-deny
$(CARGO_MUTANTS): TOOL := cargo-mutants --version 27.1.0
# Built without optimizations, which would take longer than the two seconds that it runs for.
$(CARGO_DENY): TOOL := cargo-deny --version 0.20.2 --debug
$(CARGO_MUTANTS) $(CARGO_DENY): mk/verify.mk
	@CARGO_PROFILE_DEV_DEBUG=0 $(STEP) $(@F) cargo install --locked --quiet --root $(H)/tools --target-dir $(B)/target-$(@F) $(TOOL)
	@rm -rf $(B)/target-$(@F); touch $@

# A copy, to be changed in place: the sources are read-only here.
MUTATED := $(B)/mutants-src
.PHONY: verify
verify: export CARGO_TARGET_DIR := $(B)/target-mutants
verify: $(CARGO_MUTANTS)
	$(MAKE) --no-print-directory -f mk/main.mk check-coverage COVERAGE=--totals check-unsafe UNSAFE=--list check-glue LINKED=--table \
		check-deny fuzz
	cargo test --locked --quiet -p client-binding-policy --test states -- --nocapture
	rm -rf $(MUTATED) $(CARGO_TARGET_DIR)
	rsync -a --exclude=/build --exclude=/target --exclude=/.git ./ $(MUTATED)/
	cd $(MUTATED)/core/policy && $(CARGO_MUTANTS) mutants --in-place --no-shuffle -o $(B)/mutants -- --locked --lib --test naive_model
	cd $(MUTATED)/core/audit && $(CARGO_MUTANTS) mutants --in-place --no-shuffle -o $(B)/mutants-audit -- --locked --lib
	cd $(MUTATED)/core/abi && $(CARGO_MUTANTS) mutants --in-place --no-shuffle -o $(B)/mutants-abi -- --locked --lib
