# SPDX-License-Identifier: BSD-2-Clause
# TAs and their clients.

export CARGO_HOME := $(B)/cargo
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER := aarch64-linux-gnu-gcc
GUEST_TARGET := aarch64-unknown-linux-gnu

# The bench counts libteec's instructions. optee-teec looks for libteec in one folder only, Debian's is in another.
check-clippy-clients: export OPTEE_CLIENT_EXPORT := $(B)/libteec
$(B)/libteec/.copied: /usr/lib/aarch64-linux-gnu/libteec.so
	@rm -rf $(@D); mkdir -p $(@D)/usr
	@mkdir $(@D)/usr/lib; cp -a /usr/lib/aarch64-linux-gnu/libteec.so* $(@D)/usr/lib
	@touch $@

# Clients: programs for the guest.
CLIENTS := $(B)/clients
CLIENT_SOURCES := $(call cargo-sources,host ta/proto core/abi core/policy)
$(CLIENTS)/.built: $(CLIENT_SOURCES) scripts/build-clients mk/rust.mk
	@$(STEP) clients scripts/build-clients $(@D) client-binding-ca client-binding-cli client-binding-test
	@touch $@

# Programs for here: what computes the identities that a TA names as its clients, and what judges and prints.
HOST_PROGRAMS := $(B)/client-id $(B)/demo-report $(B)/suite-report $(B)/xtest-report $(B)/bench-report
$(HOST_PROGRAMS): $(B)/%: $(CLIENT_SOURCES) mk/rust.mk
	@$(STEP) $* cargo build --locked --release -p client-binding-$(if $(filter client-id,$*),cli,evidence) --bin $*
	@cp --remove-destination $(CARGO_TARGET_DIR)/release/$* $@

# The vault's clients: the program vault as it was built here, executed by the guest's user "owner", and the relay. The list
# moves when it changes.
export VAULT_CLIENTS := $(B)/ta/vault-clients.rs
$(VAULT_CLIENTS).new: $(B)/client-id $(B)/xtask $(CLIENTS)/.built guest/etc/passwd mk/rust.mk
	@mkdir -p $(@D)
	@$< --rust --root guest user-app owner $(CLIENTS)/vault ta "$$($(B)/xtask uuid relay)" >$@
	@cmp -s $@ $(VAULT_CLIENTS) || cp $@ $(VAULT_CLIENTS)
$(VAULT_CLIENTS): $(VAULT_CLIENTS).new
	@:

# TAs, in two flavours: "bound" as written, "stock" without the flag that a stock core refuses.
export TA_DEV_KIT_DIR := $(TA_DEV_KIT)
RUST_TAS := whoami vault relay
$(B)/ta/.built: $(call cargo-sources,core/abi ta) $(VAULT_CLIENTS) $(B)/optee/bound/.built $(B)/xtask
	@$(STEP) tas $(B)/xtask tas $(B)/ta $(RUST_TAS) vault-c
	@touch $@

$(B)/boot/ta-%.cpio: $(B)/ta/.built mk/guest.mk
	@mkdir -p $(@D)
	@$(call pack,$(B)/ta/$*,$@)
