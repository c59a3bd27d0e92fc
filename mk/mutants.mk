# SPDX-License-Identifier: BSD-2-Clause
# Bugs brought back, one at a time: "mutant" is the bound core or driver with one patch of host/test/mutants in it, or in
# the decision library. `xtask mutants` changes the sources and looks which case of the suite complains.

.PHONY: mutant-optee mutant-rust mutants-system check-mutants mutant-compile-optee mutant-compile-rust
mutants-system: suite suite-bases
	@$(XTASK) mutants

mutant-optee mutant-rust: $(B)/boot/flash-mutant.bin

GLUE_TREE_glue-mutant := $(B)/src/rust-mutant
$(B)/glue-mutant/client_binding_glue.h: FORCE
$(B)/optee/mutant/.built: $(B)/glue-mutant/libclient_binding_glue.a $(B)/glue-mutant/client_binding_glue.h FORCE
	@$(STEP) optee-mutant sh -c '$(call optee-make,$(H)/src/optee-mutant,$(@D),$(BINDING_ARGS) \
		CLIENT_BINDING_GLUE=$(B)/glue-mutant $(MUTANT_OPTIONS),$(OPTEE_BINARIES:%=$(@D)/%))'
	@touch $@

# That they still apply and compile is seen without a boot. What `xtask mutants` asks for: MUTANT_GOALS in a mutated tree, with
# MUTANT_OPTIONS below MUTANT_OUT.
check-mutants: $(H)/src/optee-bound/.stamp $(LINUX_BASES:%=$(B)/src/%-hostile/.stamp) $(foreach b,$(LINUX_BASES),$(call kernel-headers,$b)) \
		$(GLUE_LIB) $(GLUE_HEADER)
	$(XTASK) mutants --compile
mutant-compile-optee:
	$(call optee-make,$(H)/src/optee-mutant,$(MUTANT_OUT),$(BINDING_ARGS) \
		CLIENT_BINDING_GLUE=$(B)/glue $(MUTANT_OPTIONS),$(MUTANT_GOALS:%=$(MUTANT_OUT)/%))
mutant-compile-rust:
	CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_RUSTFLAGS='--sysroot=$(GLUE_SYSROOT)' cargo check --locked --release \
		--manifest-path $(B)/src/rust-mutant/Cargo.toml -p client-binding-glue --target $(GLUE_TARGET) --target-dir $(B)/mutants/target

# mutant-linux-rules,BASE
define mutant-linux-rules
.PHONY: mutant-$(1) mutant-compile-$(1)
mutant-$(1): $(B)/boot/driver$(call suffix-of,$(1))-mutant.cpio
mutant-compile-$(1):
	$$(call linux-make,$(1),$(B)/src/$(1)-mutant,,$$(MUTANT_GOALS))
$(B)/src/$(1)-mutant/.stamp: FORCE
	@touch $$@
endef
$(foreach b,$(LINUX_BASES),$(eval $(call mutant-linux-rules,$b)))
