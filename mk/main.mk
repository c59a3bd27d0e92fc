# SPDX-License-Identifier: BSD-2-Clause
# The build, as it runs inside the build root (see scripts/in-root): the repository is /src, everything made is /build.
# Each rule leaves a file that moves only when its content may have changed, so a second run has nothing to do.

B := /build
STEP := scripts/step
XTASK := $(B)/xtask
JOBS := $(shell nproc)
export CARGO_TARGET_DIR := $(B)/target
VARIANTS := stock bound
SHELL := /bin/bash

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all FORCE
all: boot-files

# What a crate is made of.
cargo-sources = $(shell find $(1) Cargo.toml Cargo.lock -name '*.rs' -o -name '*.[ch]' -o -name '*.mk' -o -name Makefile -o -name 'Cargo.*')

$(B)/xtask: $(call cargo-sources,xtask ta/proto)
	@$(STEP) xtask cargo build --locked --release -p xtask
	@cp --remove-destination $(CARGO_TARGET_DIR)/release/xtask $@

# What bases.toml says about the foreign trees. It moves when that changes, and what was fetched stays until then.
$(B)/variables.mk: $(B)/xtask bases.toml
	@new=$@.$$$$; $(B)/xtask variables >$$new && { cmp -s $$new $@ && rm $$new || mv $$new $@; }
include $(B)/variables.mk
export SOURCE_DATE_EPOCH

# The series as they are applied: patches whole, with the files that they bring. series-rules,KIND: how they come about.
define series-rules
$(1)_SERIES := $(patsubst $(2)/%,$(B)/series/$(1)/%,$(sort $(if $(2),$(shell find $(2) -name '*.patch'))))
$(B)/series/$(1)/.exported: $(B)/xtask bases.toml $(if $(2),$(shell find $(2) $(3) -type f)) $(B)/src/$(1).series
	@rm -rf $$(@D)
	@$(B)/xtask series export $(1) $$(@D)
	@touch $$@
$$($(1)_SERIES): $(B)/series/$(1)/.exported
	@:
endef

# tree-rules,KIND: the rules of a foreign tree's source. $(KIND_OWN) is not empty when the user gave a tree of their own; such
# a tree is looked through at each run.
define tree-rules
$(B)/dl/$(1)/.done: $(B)/variables.mk
	@$(STEP) $(1)-fetch scripts/fetch $(1) $$(@D)
	@touch $$@

$(B)/src/$(1)-stock/.checked: $(B)/dl/$(1)/.done $(B)/src/$(1).origin scripts/prepare-tree $(if $($(1)_OWN),FORCE)
	@$(STEP) $(1)-unpack scripts/prepare-tree $(1) stock $$(@D)

$(B)/src/$(1)-bound/.checked: $(B)/src/$(1)-stock/.stamp $($(1)_SERIES) $(B)/src/$(1).series
	@$(STEP) $(1)-patch scripts/prepare-tree $(1) bound $$(@D) $(B)/src/$(1)-stock $($(1)_SERIES)

$(B)/src/$(1)-%/.stamp: $(B)/src/$(1)-%/.checked
	@:

$(B)/src/$(1).origin: FORCE
	@mkdir -p $$(@D); echo "$($(1)_OWN)" | cmp -s - $$@ || echo "$($(1)_OWN)" >$$@
# The list of patches: a patch that goes away must be noticed too.
$(B)/src/$(1).series: FORCE
	@mkdir -p $$(@D); echo "$($(1)_SERIES)" | cmp -s - $$@ || echo "$($(1)_SERIES)" >$$@
endef

# make release: what goes with a tag: each series as it can be given to git am; the library for cores that are built without Rust, with
# its header (CLIENT_BINDING_GLUE names the folder), once it came out the same a second time; the notes, with the hash of each.
release-tar = tar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --mode=u=rwX,go=rX --exclude=.exported -czf $(B)/release/$(1).tar.gz
.PHONY: release
release: $(BASES:%=$(B)/series/%/.exported) $(GLUES:%=check-%-again)
	@rm -rf $(B)/release; mkdir -p $(B)/release
	@for s in $(BASES); do $(call release-tar,series-$$s) -C $(B)/series $$s || exit; done
	@$(foreach g,$(GLUES),$(call release-tar,$g$(if $(GLUE_TARGET_$g),,-aarch64)) -C $(B) $(GLUE_FILES:%=$g/%) &&) :
	@awk '/^## / {n++} n == 1' CHANGELOG.md >$(B)/release/notes.md
	@cd $(B)/release && sha256sum *.tar.gz | tee SHA256SUMS | sed '1i \\n### SHA-256\n' | sed 's/^[0-9a-f]\{64\}/    &/' >>notes.md && ls

include mk/glue.mk
include mk/optee.mk
include mk/tfa.mk
include mk/linux.mk
include mk/hostile.mk
include mk/kernel.mk
include mk/rust.mk
include mk/guest.mk
include mk/configs.mk
include mk/suite.mk
include mk/xtest.mk
include mk/mutants.mk
include mk/rng.mk
include mk/fuzz.mk
include mk/verify.mk
include mk/bench.mk
-include mk/test.mk
