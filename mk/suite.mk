# SPDX-License-Identifier: BSD-2-Clause
# The regression suite: what it adds to the guest beside its program, which any guest has.

SUITE := $(B)/suite
$(SUITE)/.clients: $(MUSL) $(wildcard host/test/client/*) scripts/build-suite mk/suite.mk
	@$(STEP) suite-clients scripts/build-suite $(TRIPLET) $(@D)
	@touch $@

# Two TAs name each kind of client once. The program is the suite's, the TA is the probe called "private".
SUITE_PROGRAM := $(CLIENTS)/binding-test
SUITE_CLIENTS := user owner group clients app $(SUITE_PROGRAM) user-app owner $(SUITE_PROGRAM) \
	group-app clients $(SUITE_PROGRAM) kernel
export PROBE_CLIENTS := $(SUITE)/clients.rs
$(SUITE)/clients.rs $(SUITE)/clients.h: $(SUITE)/clients.%: $(H)/client-id $(H)/xtask $(CLIENTS)/.built guest/etc/passwd guest/etc/group mk/suite.mk
	@mkdir -p $(@D)
	@$< $(if $(filter rs,$*),--rust,--c) --root guest $(SUITE_CLIENTS) \
		ta "$$($(H)/xtask uuid private)" >$@

# After the other TAs, which notice a new dev kit.
$(SUITE)/.probes: $(call cargo-sources,core/abi ta/clients ta/kit ta/probe ta/proto ta/vault-c) $(SUITE)/clients.rs $(SUITE)/clients.h \
		$(B)/ta/.built $(H)/xtask mk/suite.mk
	@$(STEP) suite-probes $(H)/xtask tas --arch $(CB_ARCH) $(@D) probe vault-c --clients $(SUITE)/clients.h
	@touch $@

# A client inside of each of Debian's kernels; the driver's series does not change what it sees of tee.ko.
# suite-kernel-rules,BASE
define suite-kernel-rules
$(SUITE)/.kernel-$(1): $(wildcard host/test/kernel/*) $(B)/$(1)/stock/.built $(call kernel-headers,$(1)) mk/suite.mk
	@rm -rf $$(@D)/kernel-$(1); mkdir -p $$(@D)/kernel-$(1)
	@cp host/test/kernel/* $$(@D)/kernel-$(1)/
	@$(STEP) suite-kernel-$(1) $$(call modules-make,$(1),$$(@D)/kernel-$(1),KBUILD_EXTRA_SYMBOLS=$(B)/src/$(1)-stock/drivers/tee/Module.symvers modules)
	@for v in $(VARIANTS); do to=$$(@D)/$$$$v/usr/lib/modules/$$$$(cat $(B)/dl/$(1)/version)-$(KERNEL_FLAVOUR); \
		mkdir -p $$$$to && cp $$(@D)/kernel-$(1)/kernel_client.ko $$$$to/ || exit; done
	@touch $$@
endef
$(foreach b,$(LINUX_BASES),$(eval $(call suite-kernel-rules,$b)))

.PHONY: suite suite-bases test-suite test-full test-full-arm
suite: boot-files $(addprefix $(SUITE)/,.clients .probes .kernel-linux) $(H)/suite-report
# The same on the further kernels.
suite-bases: suite bases hostile $(LINUX_FURTHER:%=$(SUITE)/.kernel-%) $(LINUX_FURTHER:linux-%=$(B)/boot/driver-debian-%-hostile.cpio)

# On the four mixes of B13, with all cases; then what else there is, the attacks where they must succeed, and everything
# with many rounds. Where the driver is the bound one it is host/hostile, or chapter 6 could not run.
SUITE_CONFIGS := stock:stock:debian:stock bound:bound:debian:hostile stock-core:stock:debian:hostile stock-driver:bound:debian:stock
# A further kernel, stock, bound and on both mixes; with a further libteec where both halves are alike.
BASE_CONFIGS := $(foreach v,$(LINUX_FURTHER:linux-%=%),stock-$v:stock:debian-$v:stock:$(lastword $(LIBTEECS)) \
	bound-$v:bound:debian-$v:hostile:$(lastword $(LIBTEECS)) stock-core-$v:stock:debian-$v:hostile stock-driver-$v:bound:debian-$v:stock)
FULL_CONFIGS := $(CONFIGS) swapped:stock:debian:hostile bound-full:bound:debian:hostile
test-suite: suite hostile
	@$(XTASK) suite $(SUITE_CONFIGS) -- $(CASES)
test-full: suite hostile configs check-quota suite-bases check-linux-series check-optee-series check-optee-off check-further-series boards
	@for base in $(LINUX_FURTHER); do $(XTASK) demo --mixes --kernel debian$${base#linux} || exit; done
	@$(XTASK) suite $(SUITE_CONFIGS) $(FULL_CONFIGS) $(BASE_CONFIGS) -- $(CASES)
	@$(MAKE) --no-print-directory -f mk/main.mk test-xtest test-full-arm

# Where all is for AArch32; then TAs and programs alone. There the attacks come late: it is a slow machine.
test-full-arm: suite hostile
	@$(MAKE) --no-print-directory -f mk/main.mk CB_ARCH=arm suite hostile configs
	@$(XTASK) suite --arch arm --timeout 3000 $(SUITE_CONFIGS) $(ARM_CONFIGS) -- $(CASES)
	@$(XTASK) suite --user arm --timeout 3000 $(SUITE_CONFIGS) -- $(CASES)
