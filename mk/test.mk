# SPDX-License-Identifier: BSD-2-Clause
# make test: each check is a goal check-NAME; scripts/run-checks runs them all and counts.

CHECKS := build format clippy clippy-clients clippy-tas clippy-glue docs host-tests coverage unsafe shell reuse glue glue-again glue-arm glue-riscv64 \
	series-tool linux-style linux-parts bases optee-style optee-parts optee-off-parts boards guests mutants teec-series deny clients rng demo mixes bases-demo arm suite \
	objects quota reset xtest bench
T := $(B)/test
.PHONY: test check-further-series $(CHECKS:%=check-%)
test:
	@scripts/run-checks $(CHECKS)

check-build: boot-files

# Rust.
CLIPPY := --locked --all-targets -- -D warnings
check-format:
	cargo fmt --all --check
check-clippy:
	cargo clippy $(CLIPPY)
check-clippy-clients: $(B)/libteec/.copied
	cargo clippy --release --target $(GUEST_TARGET) -p client-binding-client -p client-binding-ca -p client-binding-test \
		-p client-binding-bench $(CLIPPY)
check-clippy-tas: $(VAULT_CLIENTS) $(B)/optee/bound/.built
	cargo clippy --release --target $(GUEST_TARGET) $(addprefix -p client-binding-ta-,$(RUST_TAS) probe bench) --locked -- -D warnings
check-clippy-glue: $(GLUE_SYSROOT)/.built
	CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_RUSTFLAGS='--sysroot=$(GLUE_SYSROOT)' \
		cargo clippy --release --target $(GLUE_TARGET) -p client-binding-glue --locked -- -D warnings
# What can be documented without a TA dev kit or libteec; check-host-tests compiles the examples.
check-docs:
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items \
		--workspace --exclude 'client-binding-ta-*' --exclude client-binding-bench
check-host-tests:
	cargo test --locked

# UNSAFE=--list prints what there is.
check-unsafe: $(GLUE_SYSROOT)/.built
	CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_RUSTFLAGS='--sysroot=$(GLUE_SYSROOT) --force-warn=unsafe-code' \
		scripts/unsafe $(UNSAFE) --release --target $(GLUE_TARGET) --target-dir $(B)/target-unsafe

# Each region of the decision, and each way out of each condition; COVERAGE=--totals says how many those are.
check-coverage:
	scripts/coverage $(COVERAGE)

check-shell:
	shellcheck -x $$(grep -lE '^#!/bin/(ba)?sh' scripts/* .ci/run)
	shellcheck -s sh guest/init guest/check-clients

# Each file says under which licence it is, or REUSE.toml does. Of a copy, since build/ is no part of the repository, and git is
# not always there to say so.
check-reuse:
	@mkdir -p $(T)
	rsync -a --delete --exclude=/build --exclude=/target --exclude=/.git ./ $(T)/reuse/
	reuse --root $(T)/reuse lint

# Other people's crates: licences, sources, versions.
check-deny: $(CARGO_DENY)
	$(CARGO_DENY) --locked check bans licenses sources

# Style, as each project's own checker sees it; it reads its rules from the folder it is started in. There is no history to
# look up commits in. What kernel-doc says of the series it must say of the stock tree, too.
CHECKPATCH := perl $(B)/src/linux-stock/scripts/checkpatch.pl
LINUX_PATCHES := $(foreach b,$(LINUX_BASES),$($b_SERIES))
check-linux-style: $(B)/src/linux-stock/.stamp $(B)/src/linux-bound/.stamp $(LINUX_PATCHES)
	cd $(B)/src/linux-stock && $(CHECKPATCH) --no-tree --strict --no-summary --ignore=FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID $(LINUX_PATCHES)
	@mkdir -p $(T)
	@for v in $(VARIANTS); do (cd $(B)/src/linux-$$v && find drivers include -name '*.[ch]' ! -name '*.mod.c' | sort | \
		xargs perl $(B)/src/linux-stock/scripts/kernel-doc -none -Wall) 2>&1 | sed 's/:[0-9]*:/:/' | sort >$(T)/kernel-doc-$$v; done
	@! comm -13 $(VARIANTS:%=$(T)/kernel-doc-%) | grep .
check-optee-style: $(H)/src/optee-stock/.stamp $(B)/src/linux-stock/.stamp $(optee_SERIES)
	cd $(H)/src/optee-stock && $(CHECKPATCH) --typedefsfile typedefs.checkpatch --no-summary $(optee_SERIES)

# The series, patch by patch or part by part. What was checked once is not checked again until something changes.
.PHONY: check-linux-series check-optee-series check-optee-off
CHECK_SERIES := xtask/src/check.rs xtask/src/tool.rs
check-linux-series check-linux-parts check-optee-series check-optee-parts check-optee-off check-optee-off-parts: check-%: $(T)/.%
PARTS = $(if $(findstring parts,$@),--parts)
$(T)/.linux-series $(T)/.linux-parts: $(B)/src/linux-bound/.checked $(call kernel-headers,linux) $(CHECK_SERIES) mk/linux.mk
	$(XTASK) series check linux $(PARTS) $(B)/src/linux-stock $(T)/linux $(linux_SERIES)
	@touch $@
$(T)/.optee-series $(T)/.optee-parts: $(H)/src/optee-bound/.checked $(GLUE_LIB) $(GLUE_HEADER) $(CHECK_SERIES) mk/optee.mk
	$(XTASK) series check optee $(PARTS) $(H)/src/optee-stock $(T)/optee $(optee_SERIES)
	@touch $@
$(T)/.optee-off $(T)/.optee-off-parts: $(H)/src/optee-bound/.checked $(CHECK_SERIES) mk/optee.mk
	$(XTASK) series check optee-off $(PARTS) $(H)/src/optee-stock $(T)/optee-off $(optee_SERIES)
	@touch $@

# A further base's series: what it changes is what the tree's own does, and each of its patches builds.
check-bases: $(H)/xtask
	@for base in $(LINUX_FURTHER); do $(XTASK) series compare linux $$base || exit; done
check-further-series: $(LINUX_FURTHER:%=$(T)/.%-series)
$(T)/.linux-%-series: $(B)/src/linux-%-bound/.checked $(call kernel-headers,linux-%) $(CHECK_SERIES) mk/linux.mk
	$(XTASK) series check linux --base linux-$* $(B)/src/linux-$*-stock $(T)/linux-$* $(linux-$*_SERIES)
	@touch $@

# What stands in the repository is what comes back from a git tree, to the byte.
check-series-tool: $(H)/xtask $(patsubst %,$(B)/src/%-stock/.stamp,$(filter-out $(OPTEE_FURTHER),$(BASES)))
	@rm -rf $(T)/series; mkdir -p $(T)/series
	@for name in $(filter-out $(OPTEE_FURTHER),$(BASES)); do \
		$(H)/xtask series checkout $$name $(T)/series/$$name --base $(B)/src/$$name-stock && \
		$(H)/xtask series save --check $$name $(T)/series/$$name || exit; done

# The crate is among what cargo fetched.
teec_SERIES := $(sort $(wildcard host/teec/patches/optee-teec-*/*.patch))
check-teec-series: $(T)/.teec-series
$(T)/.teec-series: $(teec_SERIES) Cargo.lock $(CHECK_SERIES)
	cargo fetch --locked --quiet
	$(XTASK) series check teec $(CARGO_HOME)/registry/src/*/$(notdir $(patsubst %/,%,$(dir $(firstword $(teec_SERIES))))) $(T)/teec $(teec_SERIES)
	@touch $@

# For `xtask series check`, which builds trees of its own with the same lines, given in the environment.
.PHONY: series-build-linux series-build-optee
series-build-linux:
	$(call linux-make,$(SERIES_BASE),$(SERIES_TREE),KCFLAGS=-Werror $(SERIES_ARGS))
series-build-optee:
	$(call optee-make,$(SERIES_TREE),$(SERIES_OUT),$(SERIES_ARGS),$(SERIES_OUT)/core/tee.bin)

check-clients: boot-files
	$(XTASK) boot --name clients -- sh -c "$$(cat guest/check-clients)"

check-demo: boot-files
	$(XTASK) demo
check-mixes: boot-files
	$(XTASK) demo --mixes
# The further bases; what else is played on them: test-full.
check-bases-demo: bases
	for base in $(LINUX_FURTHER); do $(XTASK) demo --kernel debian$${base#linux} --libteec $(lastword $(LIBTEECS)) || exit; done

# Where all is for AArch32, and where TAs and programs alone are; the whole suite there: test-full-arm.
check-arm: boot-files
	$(MAKE) --no-print-directory -f mk/main.mk CB_ARCH=arm boot-files
	$(XTASK) demo --arch arm
	$(XTASK) demo --user arm

# The chapters of the suite that are quick; the bound stack is attacked through the kernel as well. All of it: test-suite, test-full.
check-suite: suite hostile
	$(XTASK) suite stock:stock:debian:stock bound:bound:debian:hostile -- 1xxx 2xxx 3xxx 41xx 5011 5012 6xxx 7xxx 8xxx 9xxx 10xxx 11xxx

# Objects are there on further kernels alone. They need nothing of OP-TEE, so a stock core shows what attacks do.
check-objects: suite-bases
	$(XTASK) suite $(foreach v,$(LINUX_FURTHER:linux-%=%),bound-$v:bound:debian-$v:hostile stock-core-$v:stock:debian-$v:hostile) -- 12xxx

# Where a client may have four sessions, most other cases could not run.
check-quota: suite $(B)/boot/flash-quota.bin
	$(XTASK) suite quota:quota:debian:bound -- 101xx

# The machine is reset in the middle of an open; what boots then is as good as new.
check-reset: suite
	$(XTASK) boot --name reset --smp 4 --reset-at '* binding_4041' --overlay $(SUITE)/bound -- binding-test 4041 1001 3001 4011
