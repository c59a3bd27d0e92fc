# SPDX-License-Identifier: BSD-2-Clause
# The decision library: Rust for S-EL1, built with the root's compiler and a `core` made from its source package.

GLUE_TARGET := aarch64-unknown-none-softfloat
GLUE_DIR := $(B)/glue
GLUE_LIB := $(GLUE_DIR)/libclient_binding_glue.a
GLUE_HEADER := $(GLUE_DIR)/client_binding_glue.h
GLUE_SOURCES := $(wildcard core/abi/src/*.rs core/policy/src/*.rs core/glue/src/*.rs core/*/Cargo.toml) Cargo.toml Cargo.lock
GLUE_SYSROOT := $(B)/glue-sysroot
GLUE_RUSTLIB := $(GLUE_SYSROOT)/lib/rustlib/$(GLUE_TARGET)/lib

# pic: the core relocates itself (ASLR). Frame pointers: OP-TEE's backtraces walk them. Unwind tables: nobody unwinds.
GLUE_RUSTFLAGS := -Crelocation-model=pic -Cforce-frame-pointers=yes -Cforce-unwind-tables=no

# Unstable features are what `core` is made of; RUSTC_BOOTSTRAP stays in this one rule. `compiler_builtins` must exist but
# stays empty: its weak memcpy and memset would come before OP-TEE's own in link order.
$(GLUE_SYSROOT)/.built: /usr/bin/rustc mk/glue.mk
	@rm -rf $(GLUE_SYSROOT); mkdir -p $(GLUE_RUSTLIB)
	@echo '#![no_std] #![feature(compiler_builtins)] #![compiler_builtins] #![allow(internal_features)]' \
		>$(GLUE_SYSROOT)/compiler_builtins.rs
	@export RUSTC_BOOTSTRAP=1; \
	rustc="rustc --edition=2024 --crate-type=rlib --target=$(GLUE_TARGET) -Cpanic=abort -Copt-level=s $(GLUE_RUSTFLAGS) \
		--cap-lints=allow --sysroot=$(GLUE_SYSROOT) --out-dir=$(GLUE_RUSTLIB)"; \
	src=$$(rustc --print=sysroot)/src/rustc-$$(rustc --version | cut -d' ' -f2)/library; \
	$(STEP) glue-core sh -c "$$rustc -Zforce-unstable-if-unmarked --crate-name=core $$src/core/src/lib.rs && \
		$$rustc --crate-name=compiler_builtins $(GLUE_SYSROOT)/compiler_builtins.rs"
	@touch $@

# Only one object is linked, and of its symbols only the API is global.
$(GLUE_LIB): $(GLUE_SOURCES) $(GLUE_SYSROOT)/.built mk/glue.mk
	@mkdir -p $(@D)
	@CARGO_HOME=$(B)/cargo CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_RUSTFLAGS='--sysroot=$(GLUE_SYSROOT) $(GLUE_RUSTFLAGS)' \
		$(STEP) glue cargo build --locked --release -p client-binding-glue --target $(GLUE_TARGET) --target-dir $(B)/glue-target
	@cd $(@D) && rm -rf objects && mkdir objects && cd objects && \
		aarch64-linux-gnu-ar x $(B)/glue-target/$(GLUE_TARGET)/release/$(@F) && \
		aarch64-linux-gnu-objcopy --wildcard --keep-global-symbol='client_binding_*' client_binding_glue-*.o glue.o && \
		aarch64-linux-gnu-ar rcsD $@.new glue.o
	@mv $@.new $@

$(GLUE_HEADER): $(GLUE_LIB) core/glue/cbindgen.toml
	@cd core/glue && CARGO_HOME=$(B)/cargo $(abspath $(STEP)) glue-header cbindgen --quiet --config cbindgen.toml \
		--crate client-binding-glue --output $@.new .
	@cmp -s $@.new $@ && touch $@ || mv $@.new $@

# What must hold for Rust in a kernel built with -mgeneral-regs-only; see the script.
.PHONY: check-glue
check-glue: $(GLUE_LIB) $(GLUE_HEADER) $(B)/optee/bound/.built
	@scripts/check-glue $(GLUE_LIB) $(GLUE_HEADER) $(B)/optee/bound/core/tee.elf
