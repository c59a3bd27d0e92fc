# SPDX-License-Identifier: BSD-2-Clause
# The guest: an initramfs in parts that the runner concatenates: base, one driver, one flavour of TAs, then the job. The
# clients are on a disk: an initramfs has no fs-verity, which makes applications of them.

G := $(B)/guest
GUEST_FILES := $(shell find guest -type f)
LIBS := /usr/lib/aarch64-linux-gnu

# pack,DIR,FILE: everything belongs to root, times do not matter.
pack = find $(1) -exec touch -h -d @$(SOURCE_DATE_EPOCH) {} + && cd $(1) && \
	find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -H newc -o >$(2).new && mv $(2).new $(2)

$(B)/boot/base.cpio: $(GUEST_FILES) mk/guest.mk $(CLIENTS)/.built
	@rm -rf $(G)/base; mkdir -p $(G)/base/{clients,dev,etc,job,proc,root,run,sys,tmp,var/lib/tee,usr/bin,usr/sbin,usr/lib/modules,usr/lib/optee_armtz,usr/lib/aarch64-linux-gnu}
	@cd $(G)/base && ln -s usr/bin usr/sbin usr/lib .
	@cp guest/init $(G)/base/init && chmod 755 $(G)/base/init && cp guest/etc/* $(G)/base/etc/
	@cp /usr/bin/busybox $(G)/base/usr/bin/
	@cp /usr/sbin/tee-supplicant $(G)/base/usr/sbin/
	@cp -a $(LIBS)/libc.so.6 $(LIBS)/libm.so.6 $(LIBS)/libgcc_s.so.1 $(LIBS)/libteec.so.2* $(LIBS)/ld-linux-aarch64.so.1 \
		$(LIBS)/lib{dl,pthread,rt}.so.? $(G)/base/usr/lib/aarch64-linux-gnu/
	@ln -s aarch64-linux-gnu/ld-linux-aarch64.so.1 $(G)/base/usr/lib/ld-linux-aarch64.so.1
	@for c in $(CLIENTS)/*; do ln -s /clients/$$(basename $$c) $(G)/base/usr/bin/; done
	@$(call pack,$(G)/base,$@)

# Most of it is room for what tests put there. A journal would be of no use to a disk that lives as long as a boot.
$(B)/boot/clients.img: $(CLIENTS)/.built mk/guest.mk
	@rm -rf $(G)/clients $@.new; mkdir -p $(G)/clients $(@D)
	@cp $(CLIENTS)/* $(G)/clients/
	@chmod 755 $(G)/clients/*
	@/usr/sbin/mke2fs -q -t ext4 -O verity,^has_journal -b 4096 -E root_owner=0:0,hash_seed=$(DISK_ID) -U $(DISK_ID) \
		-d $(G)/clients $@.new 32M
	@mv $@.new $@
DISK_ID := 6ad6ce0e-5b3c-4a26-8f2b-3c1f6d0a9e41

# What of Debian's kernel is a module: what it needs to read the disk, in the order of loading, and what systemd and
# mounting load on any Debian. Our own kernels have it built in.
DISK_MODULES := crypto/crc32c_generic lib/crc16 fs/mbcache fs/jbd2/jbd2 fs/ext4/ext4 drivers/block/virtio_blk drivers/block/loop fs/binfmt_misc \
	fs/overlayfs/overlay
$(B)/boot/modules.cpio: $(B)/dl/linux/.done mk/guest.mk
	@rm -rf $(G)/modules; mkdir -p $(G)/modules/usr/lib/modules/disk $(@D)
	@n=0; for m in $(DISK_MODULES); do n=$$((n + 1)); \
		dpkg --fsys-tarfile $(B)/dl/linux/linux-image-*.deb | tar -xO --wildcards "*/kernel/$$m.ko.xz" | \
		xz -d >$(G)/modules/usr/lib/modules/disk/$$n-$$(basename $$m).ko || exit; done
	@$(call pack,$(G)/modules,$@)

$(B)/boot/driver-%.cpio: $(B)/linux/%/.built mk/guest.mk
	@rm -rf $(G)/driver-$*; mkdir -p $(G)/driver-$*/usr/lib/modules
	@for m in tee optee; do aarch64-linux-gnu-strip -g -o $(G)/driver-$*/usr/lib/modules/$$m.ko $(B)/linux/$*/$$m.ko; done
	@$(call pack,$(G)/driver-$*,$@)

BOOT_FILES := Image modules.cpio base.cpio clients.img $(foreach v,$(VARIANTS),flash-$v.bin driver-$v.cpio ta-$v.cpio)
.PHONY: boot-files
boot-files: $(addprefix $(B)/boot/,$(BOOT_FILES)) $(B)/demo-report
