# SPDX-License-Identifier: BSD-2-Clause
# The decision library: Rust for S-EL1, built with the root's compiler and a `core` made from its source package. Once for each
# kind of core: "glue" for AArch64, "glue-bti" for such a core that checks branch targets (CFG_CORE_BTI), "glue-arm" for AArch32,
# "glue-riscv64" for RV64.

GLUES := glue glue-bti glue-arm glue-riscv64
GLUE_TARGET := aarch64-unknown-none-softfloat
GLUE_TARGET_glue-arm := thumbv7a-none-eabi
# Its platforms with user TAs set CFG_RISCV_FPU, which makes their ABI lp64d; the linker mixes no two. Nobody uses a register of it.
GLUE_TARGET_glue-riscv64 := riscv64gc-unknown-none-elf
# Binutils.
GLUE_TOOLS := aarch64-linux-gnu-
GLUE_TOOLS_glue-arm := arm-linux-gnueabihf-
GLUE_TOOLS_glue-riscv64 := riscv64-linux-gnu-
# What holds for one, or for AArch64.
glue-target = $(or $(GLUE_TARGET_$(1)),$(GLUE_TARGET))
glue-tools = $(or $(GLUE_TOOLS_$(1)),$(GLUE_TOOLS))
GLUE_DIR := $(H)/glue$(patsubst %,-%,$(filter-out arm64,$(CB_ARCH)))
GLUE_LIB := $(GLUE_DIR)/libclient_binding_glue.a
GLUE_HEADER := $(GLUE_DIR)/client_binding_glue.h
GLUE_SOURCES := $(wildcard core/abi/src/*.rs core/policy/src/*.rs core/audit/src/*.rs core/glue/src/*.rs core/*/Cargo.toml) Cargo.toml Cargo.lock
GLUE_SYSROOT := $(H)/glue-sysroot

# pic: the core relocates itself (ASLR). Frame pointers: OP-TEE's backtraces walk them. Unwind tables: nobody unwinds.
GLUE_RUSTFLAGS := -Crelocation-model=pic -Cforce-frame-pointers=yes -Cforce-unwind-tables=no
# Without it the linker of such a core refuses the library. The flag is not stable yet.
GLUE_RUSTFLAGS_glue-bti := -Zbranch-protection=bti,pac-ret
GLUE_ENV_glue-bti := RUSTC_BOOTSTRAP=1
# No table of addresses, which would be writable data here; AArch64 has tables of offsets.
GLUE_RUSTFLAGS_glue-arm := -Cjump-tables=no
GLUE_RUSTFLAGS_glue-riscv64 := -Cjump-tables=no
# Each once more, from a copy in another folder: what differs then would differ at somebody else's.
GLUE_COPY := $(H)/src/glue-again
$(foreach g,$(GLUES),$(foreach v,TARGET TOOLS RUSTFLAGS ENV,$(eval GLUE_$v_$g-again := $(GLUE_$v_$g)))$(eval GLUE_TREE_$g-again := $(GLUE_COPY)))
glue-rustlib = $(H)/$(1)-sysroot/lib/rustlib/$(glue-target)/lib

# Unstable features are what `core` is made of; RUSTC_BOOTSTRAP stays in this rule (but for BTI). `compiler_builtins` must
# exist but stays empty: its weak memcpy and memset would come before OP-TEE's own in link order.
$(H)/%-sysroot/.built: /usr/bin/rustc mk/glue.mk
	@rm -rf $(@D); mkdir -p $(call glue-rustlib,$*)
	@echo '#![no_std] #![feature(compiler_builtins)] #![compiler_builtins] #![allow(internal_features)]' \
		>$(@D)/compiler_builtins.rs
	@export RUSTC_BOOTSTRAP=1; \
	rustc="rustc --edition=2024 --crate-type=rlib --target=$(call glue-target,$*) -Cpanic=abort -Copt-level=s $(GLUE_RUSTFLAGS) \
		$(GLUE_RUSTFLAGS_$*) --cap-lints=allow --sysroot=$(@D) --out-dir=$(call glue-rustlib,$*)"; \
	src=$$(rustc --print=sysroot)/src/rustc-$$(rustc --version | cut -d' ' -f2)/library; \
	$(STEP) $*-core sh -c "$$rustc -Zforce-unstable-if-unmarked --crate-name=core $$src/core/src/lib.rs && \
		$$rustc --crate-name=compiler_builtins $(@D)/compiler_builtins.rs"
	@touch $@

$(GLUE_COPY)/.copied: $(GLUE_SOURCES)
	@mkdir -p $(@D); rsync -a --delete --exclude=/build --exclude=/target --exclude=/.git ./ $(@D)/
	@touch $@
$(GLUES:%=$(H)/%-again/client_binding_glue.h): $(GLUE_COPY)/.copied

$(H)/%/client_binding_glue.h: $(GLUE_SOURCES) core/glue/cbindgen.toml
	@mkdir -p $(@D)
	@cd $(or $(GLUE_TREE_$*),.)/core/glue && CARGO_HOME=$(H)/cargo $(abspath $(STEP)) $*-header cbindgen --quiet --config cbindgen.toml \
		--crate client-binding-glue --output $@.new .
	@cmp -s $@.new $@ && touch $@ || mv $@.new $@

# Only one object is linked, and of its symbols only the API is global, and one that says to which header it belongs.
$(H)/%/libclient_binding_glue.a: $(H)/%/client_binding_glue.h $(H)/%-sysroot/.built mk/glue.mk
	@CARGO_HOME=$(H)/cargo $(GLUE_ENV_$*) \
		RUSTFLAGS='--sysroot=$(H)/$*-sysroot $(GLUE_RUSTFLAGS) $(GLUE_RUSTFLAGS_$*)' \
		$(STEP) $* cargo build $(GLUE_TREE_$*:%=--manifest-path %/Cargo.toml) --locked --profile glue -p client-binding-glue \
			--target $(call glue-target,$*) --target-dir $(H)/$*-target
	@cd $(@D) && rm -rf objects && mkdir objects && cd objects && \
		$(call glue-tools,$*)ar x $(H)/$*-target/$(call glue-target,$*)/glue/$(@F) && \
		$(call glue-tools,$*)objcopy --wildcard --keep-global-symbol='client_binding_*' \
			--add-symbol client_binding_header_$$(sha256sum <$(@D)/client_binding_glue.h | cut -c1-16)=0,global client_binding_glue-*.o glue.o && \
		$(call glue-tools,$*)ar rcsD $@.new glue.o
	@mv $@.new $@

# What must hold for the Rust library, the C files beside it and the core that all is linked into, if that is an AArch64 one;
# LINKED=--table says how much stack each function takes.
linked = cargo run --locked --quiet -p client-binding-evidence --bin linked -- $(LINKED) \
	$(H)/$(1)/libclient_binding_glue.a $(H)/$(1)/client_binding_glue.h $(if $(2),$(B)/optee/$(2)/core/tee.elf $(B)/optee/$(2)/core/client_binding/*.o) \
	--series $(optee_SERIES)
# Whoever builds it again gets the same octets.
GLUE_FILES := libclient_binding_glue.a client_binding_glue.h
.PHONY: $(foreach g,$(GLUES),check-$g check-$g-again) check-guests
$(GLUES:%=check-%-again): check-%-again: $(addprefix $(H)/%/,$(GLUE_FILES)) $(addprefix $(H)/%-again/,$(GLUE_FILES))
	@for f in $(GLUE_FILES); do cmp $(H)/$*/$$f $(H)/$*-again/$$f || exit; done
check-glue: $(GLUE_LIB) $(GLUE_HEADER) $(B)/optee/bound/.built $(B)/optee/stock/.built
	@$(call linked,glue,bound) --stock $(B)/optee/stock/core/tee.elf
check-glue-bti: $(H)/glue-bti/libclient_binding_glue.a $(H)/glue-bti/client_binding_glue.h $(B)/optee/bti/.built
	@$(call linked,glue-bti,bti)
check-glue-arm check-glue-riscv64: check-%: $(addprefix $(H)/%/,$(GLUE_FILES))
	@$(call linked,$*)
# What one guest of a hypervisor has done is nothing to another.
check-guests: $(B)/optee/guests/.built
	@$(call linked,glue,guests) --guests
