# SPDX-License-Identifier: BSD-2-Clause
# Linux: Debian's kernel as it is, and tee.ko and optee.ko built as modules for it, without and with the series.

linux_OWN := $(LINUX_SRC)
$(eval $(call series-rules,linux,$(LINUX_SERIES_PATCHES),$(LINUX_SERIES_FILES)))
$(eval $(call tree-rules,linux))

# The exact version is known once the packages are there, hence the shell.
KERNEL = $$(cat $(B)/dl/linux/version)

# The headers cannot be installed (they ask for a native arm64 compiler), only unpacked. They belong to the root: a new
# root has to get them again.
KERNEL_HEADERS := /usr/src/.client-binding-headers
$(KERNEL_HEADERS): $(B)/dl/linux/.done
	@for p in $(B)/dl/linux/linux-headers-*.deb $(B)/dl/linux/linux-kbuild-*.deb; do dpkg -x $$p /; done
	@touch $@

$(B)/boot/Image: $(B)/dl/linux/.done
	@mkdir -p $(@D)
	@dpkg --fsys-tarfile $(B)/dl/linux/linux-image-*.deb | tar -xO --wildcards './boot/vmlinuz-*' >$@.new
	@mv $@.new $@

# The options that the series adds. They are off in a tree that nobody configures, and no configuration of ours knows them.
LINUX_OPTIONS ?= TEE_CLIENT_LIMIT TEE_CLIENT_PROCESS TEE_CLIENT_APPLICATION

# linux-flags,TREE. The tree's own headers come before those of the kernel, for the series may change them.
linux-flags = NOSTDINC_FLAGS='-nostdinc -I$(1)/include -I$(1)/include/uapi $(LINUX_OPTIONS:%=-DCONFIG_%=1)' $(LINUX_OPTIONS:%=CONFIG_%=y)

# linux-make,TREE,ARGS[,GOALS]. BTF needs the whole kernel.
linux-make = $(MAKE) -C /usr/src/linux-headers-$(KERNEL)-arm64 M=$(1)/drivers/tee -j$(JOBS) ARCH=arm64 \
	CROSS_COMPILE=aarch64-linux-gnu- CONFIG_DEBUG_INFO_BTF_MODULES= $(call linux-flags,$(1)) $(2) $(or $(3),modules)

$(B)/linux/%/.built: $(B)/src/linux-%/.stamp $(KERNEL_HEADERS) mk/linux.mk
	@$(STEP) linux-$* $(call linux-make,$(B)/src/linux-$*)
	@mkdir -p $(@D)
	@cp $(B)/src/linux-$*/drivers/tee/tee.ko $(B)/src/linux-$*/drivers/tee/optee/optee.ko $(@D)
	@touch $@
