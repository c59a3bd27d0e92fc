# SPDX-License-Identifier: BSD-2-Clause
# TAs and their clients.

export CARGO_HOME := $(H)/cargo
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER := aarch64-linux-gnu-gcc
export CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER := arm-linux-gnueabihf-gcc
GUEST_TARGET := $(if $(filter arm,$(CB_ARCH)),armv7-unknown-linux-gnueabihf,aarch64-unknown-linux-gnu)
# The root has a compiled std of one architecture alone.
GUEST_STD := $(if $(filter arm,$(CB_ARCH)),RUSTC_BOOTSTRAP=1)

# What the guest has of Debian, unpacked here: in the root there could be but one architecture's. The C library that programs for
# AArch32 are linked with belongs where its compiler looks: in the root.
SYSROOT := $(B)/sysroot
$(SYSROOT)/.unpacked: $(B)/dl/guest/.done
	@rm -rf $(@D); mkdir -p $(@D)
	@for p in $(B)/dl/guest/*.deb; do dpkg -x $$p $(@D) || exit; done
	@touch $@
MUSL := $(if $(filter arm,$(CB_ARCH)),/usr/bin/arm-linux-musleabihf-gcc)
$(MUSL): $(B)/dl/guest/.done
	@dpkg -x $(B)/dl/guest/musl-dev_*.deb /
	@touch $@

# The bench counts libteec's instructions. optee-teec looks for libteec in one folder only, Debian's is in another.
check-clippy-clients: export OPTEE_CLIENT_EXPORT := $(B)/libteec
$(B)/libteec/.copied: $(SYSROOT)/.unpacked
	@rm -rf $(@D); mkdir -p $(@D)/usr
	@mkdir $(@D)/usr/lib; cp -a $(SYSROOT)/usr/lib/$(TRIPLET)/libteec.so* $(@D)/usr/lib
	@touch $@

# Clients: programs for the guest.
CLIENTS := $(B)/clients
CLIENT_SOURCES := $(call cargo-sources,host ta/proto core/abi core/policy)
$(CLIENTS)/.built: $(MUSL) $(CLIENT_SOURCES) scripts/build-clients mk/rust.mk
	@$(STEP) clients scripts/build-clients $(CB_ARCH) $(@D) client-binding-ca client-binding-cli client-binding-test
	@touch $@

# Programs for here: what computes the identities that a TA names as its clients, and what judges and prints.
HOST_PROGRAMS := $(H)/client-id $(H)/demo-report $(H)/suite-report $(H)/xtest-report $(H)/bench-report $(H)/throughput-report
$(HOST_PROGRAMS): $(H)/%: $(CLIENT_SOURCES) mk/rust.mk
	@$(STEP) $* cargo build --locked --release -p client-binding-$(if $(filter client-id,$*),cli,evidence) --bin $*
	@cp --remove-destination $(CARGO_TARGET_DIR)/release/$* $@

# The vault's clients: the program vault as it was built here, executed by the guest's user "owner", and the relay. The list
# moves when it changes.
export VAULT_CLIENTS := $(B)/ta/vault-clients.rs
$(VAULT_CLIENTS).new: $(H)/client-id $(H)/xtask $(CLIENTS)/.built guest/etc/passwd mk/rust.mk
	@mkdir -p $(@D)
	@$< --rust --root guest user-app owner $(CLIENTS)/vault ta "$$($(H)/xtask uuid relay)" >$@
	@cmp -s $@ $(VAULT_CLIENTS) || cp $@ $(VAULT_CLIENTS)
$(VAULT_CLIENTS): $(VAULT_CLIENTS).new
	@:

# TAs, in two flavours: "bound" as written, "stock" without the flag that a stock core refuses.
export TA_DEV_KIT_DIR := $(TA_DEV_KIT)
RUST_TAS := whoami vault relay signer
$(B)/ta/.built: $(call cargo-sources,core/abi ta) $(VAULT_CLIENTS) $(B)/optee/bound/.built $(H)/xtask
	@$(STEP) tas $(H)/xtask tas --arch $(CB_ARCH) $(B)/ta $(RUST_TAS) vault-c
	@touch $@

$(B)/boot/ta-%.cpio: $(B)/ta/.built mk/guest.mk
	@mkdir -p $(@D)
	@$(call pack,$(B)/ta/$*,$@)
