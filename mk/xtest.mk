# SPDX-License-Identifier: BSD-2-Clause
# Upstream's own suite, xtest, on our systems: what is put over the guest, and the program that compares the runs.

XTEST := $(B)/xtest

# The package has the suite's TAs; pkcs11's comes from the tree that the core is built from.
PKCS11_TA := ta/pkcs11/fd02c9da-306c-48c7-a49c-bbd827ae86ee.ta
$(XTEST)/tas/.built: $(H)/src/optee-stock/.stamp mk/optee.mk mk/xtest.mk
	@$(STEP) xtest-pkcs11 sh -c '$(call optee-make,$(H)/src/optee-stock,$(@D),CFG_BUILD_IN_TREE_TA=y,$(@D)/$(PKCS11_TA))'
	@touch $@

# The libraries of xtest's suite replace the guest's: xtest executes itself, and would not find them elsewhere.
$(XTEST)/.overlay: $(H)/dl/xtest/.done $(XTEST)/tas/.built mk/xtest.mk
	@rm -rf $(XTEST)/overlay; mkdir -p $(XTEST)/overlay
	@for p in $(H)/dl/xtest/*.deb; do dpkg -x $$p $(XTEST)/overlay || exit; done
	@rm -rf $(XTEST)/overlay/{etc,usr/share,usr/lib/$(TRIPLET)/gconv}
	@cp $(XTEST)/tas/$(PKCS11_TA) $(XTEST)/overlay/usr/lib/optee_armtz/
	@touch $@

# The first is what the others are compared with. "all" binds every TA.
XTEST_CONFIGS := stock:stock:debian:stock bound:bound:debian:bound
.PHONY: xtest test-xtest check-xtest
xtest: boot-files $(XTEST)/.overlay $(H)/xtest-report
# What takes longest, pkcs11's, is test-xtest's.
check-xtest: xtest
	$(XTASK) xtest --only regression $(XTEST_CONFIGS)
test-xtest: xtest $(B)/boot/flash-all.bin
	@$(XTASK) xtest $(XTEST_CONFIGS) all:all:debian:bound
