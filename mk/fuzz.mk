# SPDX-License-Identifier: BSD-2-Clause
# make fuzz: libFuzzer looks for octets that make the C face or the policy fail or differ from the naive model (core/fuzz).
# FUZZ_SECONDS for each target. `make test` replays the corpus without it.

FUZZ := $(B)/fuzz
FUZZ_TARGETS := claim history lend grant
FUZZ_SECONDS := 60
FUZZ_HOST = $(shell rustc --print host-tuple)
FUZZ_BIN = $(B)/target-fuzz/$(FUZZ_HOST)/release
# What cargo-fuzz would say; it wants to write beside the sources, which are read-only here. With a target named, what runs
# in the build itself is not instrumented.
FUZZ_RUSTFLAGS := --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=yes -Clto=no -Ccodegen-units=1

.PHONY: fuzz fuzz-build $(FUZZ_TARGETS:%=fuzz-%) fuzz-corpus
fuzz: $(FUZZ_TARGETS:%=fuzz-%)
fuzz-build:
	@RUSTFLAGS='$(FUZZ_RUSTFLAGS)' CARGO_PROFILE_RELEASE_LTO=off $(STEP) $@ cargo build --locked --release \
		--target $(FUZZ_HOST) --target-dir $(B)/target-fuzz -p client-binding-fuzz --features libfuzzer
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: fuzz-build
	@mkdir -p $(FUZZ)/$*
	@$(STEP) $@ $(FUZZ_BIN)/$* -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(FUZZ)/$*- $(FUZZ)/$* core/fuzz/corpus/$* || \
		{ echo 'To replay it: copy build/fuzz/$*-crash-... to core/fuzz/corpus/$*/NAME; cargo test -p client-binding-fuzz' >&2; false; }
	@sed -n 's/^Done/$*:/p' $(B)/log/$@.log

# The fewest inputs that reach what all of them reach. In core/fuzz/corpus they replace those that are named by their hash.
fuzz-corpus: fuzz-build
	@rm -rf $(FUZZ)/corpus
	@for t in $(FUZZ_TARGETS); do mkdir -p $(FUZZ)/$$t $(FUZZ)/corpus/$$t && \
		$(STEP) $@-$$t $(FUZZ_BIN)/$$t -set_cover_merge=1 -use_counters=0 \
			$(FUZZ)/corpus/$$t core/fuzz/corpus/$$t $(FUZZ)/$$t || exit 1; done
