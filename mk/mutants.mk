# SPDX-License-Identifier: BSD-2-Clause
# Bugs brought back, one at a time: "mutant" is the bound core or driver with one patch of host/test/mutants in it, or in
# the decision library. scripts/mutants changes the sources and looks which case of the suite complains.

.PHONY: mutant-optee mutant-rust mutant-linux mutants-system
mutants-system: suite hostile $(SUITE)/.kernel
	@scripts/mutants

mutant-optee mutant-rust: $(B)/boot/flash-mutant.bin
mutant-linux: $(B)/boot/driver-mutant.cpio

GLUE_MANIFEST_glue-mutant := --manifest-path $(B)/src/rust-mutant/Cargo.toml
$(B)/glue-mutant/libclient_binding_glue.a: FORCE
$(B)/optee/mutant/.built: $(B)/glue-mutant/libclient_binding_glue.a $(B)/glue-mutant/client_binding_glue.h FORCE
	@$(STEP) optee-mutant sh -c '$(call optee-make,$(B)/src/optee-mutant,$(@D),CFG_CLIENT_BINDING=y CFG_CLIENT_BINDING_PTA=y \
		CLIENT_BINDING_GLUE=$(B)/glue-mutant $(MUTANT_OPTIONS),$(OPTEE_BINARIES:%=$(@D)/%))'
	@touch $@
$(B)/src/linux-mutant/.stamp: FORCE
	@touch $@
