# SPDX-License-Identifier: BSD-2-Clause
# The build, as it runs inside the build root (see scripts/in-root): the repository is /src, everything made is /build.
# Each rule leaves a file that moves only when its content may have changed, so a second run has nothing to do.

H := /build
# What the systems are made for: arm64, or arm (AArch32). What depends on it is in B, the rest in H.
CB_ARCH := arm64
export CB_ARCH
B := $(H)$(patsubst %,/%,$(filter-out arm64,$(CB_ARCH)))
TRIPLET := $(if $(filter arm,$(CB_ARCH)),arm-linux-gnueabihf,aarch64-linux-gnu)
CROSS := $(TRIPLET)-
STEP := scripts/step
XTASK := $(H)/xtask
JOBS := $(shell nproc)
export CARGO_TARGET_DIR := $(H)/target
VARIANTS := stock bound
SHELL := /bin/bash

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all FORCE
all: boot-files

# What a crate is made of.
cargo-sources = $(shell find $(1) Cargo.toml Cargo.lock -name '*.rs' -o -name '*.[ch]' -o -name '*.mk' -o -name Makefile -o -name 'Cargo.*')

$(H)/xtask: $(call cargo-sources,xtask ta/proto)
	@$(STEP) xtask cargo build --locked --release -p xtask
	@cp --remove-destination $(CARGO_TARGET_DIR)/release/xtask $@

# What bases.toml says about the foreign trees. It moves when that changes, and what was fetched stays until then.
$(H)/variables.mk: $(H)/xtask bases.toml
	@new=$@.$$$$; $(H)/xtask variables >$$new && { cmp -s $$new $@ && rm $$new || mv $$new $@; }
include $(H)/variables.mk
export SOURCE_DATE_EPOCH

# nearest-to,KIND,FOLDER: the base whose series a tree of the user's own gets
nearest-to = $(or $(shell . scripts/lib.sh && nearest $(1) $(2)),$(error $(2) has no version))

# What is fetched.
define fetch-rules
$(1)/dl/%/.done: $(H)/variables.mk
	@$(STEP) $$*-fetch scripts/fetch $$* $$(@D)
	@touch $$@
endef
$(foreach f,$(sort $(H) $(B)),$(eval $(call fetch-rules,$f)))

# The series as they are applied: patches whole, with the files that they bring. series-rules,KIND,PATCHES,FILES,BASE: how they come about.
define series-rules
$(1)_SERIES := $(patsubst $(2)/%,$(H)/series/$(1)/%,$(sort $(if $(2),$(shell find $(2) -name '*.patch'))))
$(H)/series/$(1)/.exported: $(H)/xtask bases.toml $(if $(2),$(shell find $(2) $(3) -type f)) $(H)/src/$(1).series
	@rm -rf $$(@D)
	@$(H)/xtask series export $(4) $$(@D)
	@touch $$@
$$($(1)_SERIES): $(H)/series/$(1)/.exported
	@:
# The list of patches: a patch that goes away must be noticed too.
$(H)/src/$(1).series: FORCE
	@mkdir -p $$(@D); echo "$(4) $$($(1)_SERIES)" | cmp -s - $$@ || echo "$(4) $$($(1)_SERIES)" >$$@
endef

# tree-rules,KIND,TOP: the rules of a foreign tree's source, in that folder. $(KIND_OWN) is not empty when the user gave a tree of their
# own; such a tree is looked through at each run.
define tree-rules
$(2)/src/$(1)-stock/.checked: $(2)/dl/$(1)/.done $(H)/src/$(1).origin scripts/prepare-tree $(if $($(1)_OWN),FORCE)
	@$(STEP) $(1)-unpack scripts/prepare-tree $(1) stock $$(@D) $(2)/dl/$(1)

$(2)/src/$(1)-bound/.checked: $(2)/src/$(1)-stock/.stamp $($(1)_SERIES) $(if $($(1)_SERIES),$(H)/src/$(1).series)
	@$(STEP) $(1)-patch scripts/prepare-tree $(1) bound $$(@D) $(2)/src/$(1)-stock $($(1)_SERIES)

$(2)/src/$(1)-%/.stamp: $(2)/src/$(1)-%/.checked
	@:

$(H)/src/$(1).origin: FORCE
	@mkdir -p $$(@D); echo "$($(1)_OWN)" | cmp -s - $$@ || echo "$($(1)_OWN)" >$$@
endef

# make release: what goes with a tag: each series as it can be given to git am; the library for cores that are built without Rust, with
# its header (CLIENT_BINDING_GLUE names the folder), once it came out the same a second time; the notes, with the hash of each.
release-tar = tar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --mode=u=rwX,go=rX --exclude=.exported -czf $(H)/release/$(1).tar.gz
.PHONY: release
release: $(BASES:%=$(H)/series/%/.exported) $(GLUES:%=check-%-again)
	@rm -rf $(H)/release; mkdir -p $(H)/release
	@for s in $(BASES); do $(call release-tar,series-$$s) -C $(H)/series $$s || exit; done
	@$(foreach g,$(GLUES),$(call release-tar,$g$(if $(GLUE_TARGET_$g),,-aarch64)) -C $(H) $(GLUE_FILES:%=$g/%) &&) :
	@awk '/^## / {n++} n == 1' CHANGELOG.md >$(H)/release/notes.md
	@cd $(H)/release && sha256sum *.tar.gz | tee SHA256SUMS | sed '1i \\n### SHA-256\n' | sed 's/^[0-9a-f]\{64\}/    &/' >>notes.md && ls

include mk/glue.mk
include mk/optee.mk
include mk/tfa.mk
include mk/linux.mk
include mk/hostile.mk
include mk/rust.mk
include mk/guest.mk
include mk/configs.mk
include mk/suite.mk
include mk/bench.mk
ifeq ($(CB_ARCH),arm64)
include mk/kernel.mk
include mk/xtest.mk
include mk/mutants.mk
include mk/rng.mk
include mk/fuzz.mk
include mk/verify.mk
include mk/boards.mk
-include mk/test.mk
endif
