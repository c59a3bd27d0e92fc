# SPDX-License-Identifier: BSD-2-Clause
# make verify: why the decision can be trusted, with figures (docs/trust.md). Minutes, and more packages than make test needs.

# Every state of a small system (core/policy/tests/states.rs); every way to break policy
# and ABI a little: a mutant that no test notices is printed and fails. The other tests do, without the states. Before that, what
# make test checks too, with its figures, and fuzzing.
CARGO_MUTANTS := $(B)/tools/bin/cargo-mutants
CARGO_DENY := $(B)/tools/bin/cargo-deny
$(CARGO_MUTANTS): TOOL_VERSION := 27.1.0
$(CARGO_DENY): TOOL_VERSION := 0.20.2
$(CARGO_MUTANTS) $(CARGO_DENY): $(B)/tools/bin/%:
	@$(STEP) $* cargo install --locked --quiet --root $(B)/tools --target-dir $(B)/target-$* $* --version $(TOOL_VERSION)
	@rm -rf $(B)/target-$*

# Other people's crates: licences, sources, versions (deny.toml). Not part of make test: the tool takes too long to build.
.PHONY: check-deny
check-deny: $(CARGO_DENY)
	$(CARGO_DENY) --locked check bans licenses sources

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
