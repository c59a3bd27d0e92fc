# SPDX-License-Identifier: BSD-2-Clause
# The regression suite: what it adds to the guest beside its program, which any guest has.

SUITE := $(B)/suite
$(SUITE)/.clients: $(wildcard host/test/client/*) scripts/build-suite mk/suite.mk
	@$(STEP) suite-clients scripts/build-suite $(@D)
	@touch $@

# Two TAs name each kind of client once. The program is the suite's, the TA is the probe called "private".
SUITE_PROGRAM := $(CLIENTS)/binding-test
SUITE_CLIENTS := user owner group clients app $(SUITE_PROGRAM) user-app owner $(SUITE_PROGRAM) \
	group-app clients $(SUITE_PROGRAM) kernel
export PROBE_CLIENTS := $(SUITE)/clients.rs
$(SUITE)/clients.rs $(SUITE)/clients.h: $(SUITE)/clients.%: $(B)/client-id $(B)/xtask $(CLIENTS)/.built guest/etc/passwd guest/etc/group mk/suite.mk
	@$< $(if $(filter rs,$*),--rust,--c) --root guest $(SUITE_CLIENTS) \
		ta "$$($(B)/xtask uuid private)" >$@

# After the other TAs, which notice a new dev kit.
$(SUITE)/.probes: $(call cargo-sources,core/abi ta/clients ta/kit ta/probe ta/proto ta/vault-c) $(SUITE)/clients.rs $(SUITE)/clients.h \
		$(B)/ta/.built $(B)/xtask mk/suite.mk
	@$(STEP) suite-probes $(B)/xtask tas $(@D) probe vault-c --clients $(SUITE)/clients.h
	@touch $@

# A client inside of Debian's kernel; the driver's series does not change what it sees of tee.ko.
$(SUITE)/.kernel: $(wildcard host/test/kernel/*) $(B)/linux/stock/.built mk/suite.mk
	@rm -rf $(@D)/kernel; mkdir -p $(@D)/{kernel,stock/usr/lib/modules,bound/usr/lib/modules}
	@cp host/test/kernel/* $(@D)/kernel/
	@$(STEP) suite-kernel $(MAKE) -C /usr/src/linux-headers-$(KERNEL)-arm64 M=$(@D)/kernel ARCH=arm64 \
		CROSS_COMPILE=aarch64-linux-gnu- CONFIG_DEBUG_INFO_BTF_MODULES= \
		KBUILD_EXTRA_SYMBOLS=$(B)/src/linux-stock/drivers/tee/Module.symvers modules
	@for v in stock bound; do cp $(@D)/kernel/kernel_client.ko $(@D)/$$v/usr/lib/modules/; done
	@touch $@

.PHONY: suite test-suite test-full
suite: boot-files $(addprefix $(SUITE)/,.clients .probes .kernel) $(B)/suite-report

# On the four mixes of B13, with all cases; then what else there is, the attacks where they must succeed, and everything
# with many rounds. Where the driver is the bound one it is host/hostile, or chapter 6 could not run.
SUITE_CONFIGS := stock:stock:debian:stock bound:bound:debian:hostile stock-core:stock:debian:hostile stock-driver:bound:debian:stock
FULL_CONFIGS := $(CONFIGS) swapped:stock:debian:hostile bound-full:bound:debian:hostile
test-suite: suite hostile
	@$(XTASK) suite $(SUITE_CONFIGS) -- $(CASES)
test-full: suite hostile configs check-quota
	@$(XTASK) suite $(SUITE_CONFIGS) $(FULL_CONFIGS) -- $(CASES)
