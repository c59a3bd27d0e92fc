# SPDX-License-Identifier: BSD-2-Clause
# The guest: an initramfs in parts that the runner concatenates: base, one driver, one flavour of TAs, then the job. The
# clients are on a disk: an initramfs has no fs-verity, which makes applications of them.

G := $(B)/guest
GUEST_FILES := $(shell find guest -type f)
LIBS := $(SYSROOT)/usr/lib/$(TRIPLET)
LOADER := $(if $(filter arm,$(CB_ARCH)),ld-linux-armhf.so.3,ld-linux-aarch64.so.1)

# pack,DIR,FILE: everything belongs to root, times do not matter.
pack = find $(1) -exec touch -h -d @$(SOURCE_DATE_EPOCH) {} + && cd $(1) && \
	find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -H newc -o >$(2).new && mv $(2).new $(2)

$(B)/boot/base.cpio: $(GUEST_FILES) mk/guest.mk $(CLIENTS)/.built $(SYSROOT)/.unpacked
	@rm -rf $(G)/base; mkdir -p $(G)/base/{clients,dev,etc,job,proc,root,run,sys,tmp,var/lib/tee,usr/bin,usr/sbin,usr/lib/modules,usr/lib/optee_armtz,usr/lib/$(TRIPLET)}
	@cd $(G)/base && ln -s usr/bin usr/sbin usr/lib .
	@cp guest/init $(G)/base/init && chmod 755 $(G)/base/init && cp guest/etc/* $(G)/base/etc/
	@cp $(SYSROOT)/usr/bin/busybox $(G)/base/usr/bin/
	@cp $(SYSROOT)/usr/sbin/tee-supplicant $(G)/base/usr/sbin/
	@cp -a $(LIBS)/libc.so.6 $(LIBS)/libm.so.6 $(LIBS)/libgcc_s.so.1 $(LIBS)/libteec.so.2* $(LIBS)/$(LOADER) \
		$(LIBS)/lib{dl,pthread,rt}.so.? $(G)/base/usr/lib/$(TRIPLET)/
	@ln -s $(TRIPLET)/$(LOADER) $(G)/base/usr/lib/$(LOADER)
	@for c in $(CLIENTS)/*; do ln -s /clients/$$(basename $$c) $(G)/base/usr/bin/; done
	@$(call pack,$(G)/base,$@)

# A further libteec lies over the guest's own: libteec-rules,VERSION
LIBTEECS := $(subst _,.,$(patsubst LIBTEEC_%_SUITE,%,$(filter LIBTEEC_%_SUITE,$(.VARIABLES))))
define libteec-rules
$(B)/boot/libteec-$(1).cpio: $(B)/dl/libteec-$(1)/.done mk/guest.mk
	@rm -rf $(G)/libteec-$(1); mkdir -p $(G)/libteec-$(1)
	@for p in $(B)/dl/libteec-$(1)/*.deb; do dpkg -x $$$$p $(G)/libteec-$(1) || exit; done
	@rm -rf $(G)/libteec-$(1)/etc $(G)/libteec-$(1)/usr/share
	@$$(call pack,$(G)/libteec-$(1),$$@)
endef
$(foreach v,$(LIBTEECS),$(eval $(call libteec-rules,$v)))

# Most of it is room for what tests put there. A journal would be of no use to a disk that lives as long as a boot.
$(B)/boot/clients.img: $(CLIENTS)/.built mk/guest.mk
	@rm -rf $(G)/clients $@.new; mkdir -p $(G)/clients $(@D)
	@cp $(CLIENTS)/* $(G)/clients/
	@chmod 755 $(G)/clients/*
	@/usr/sbin/mke2fs -q -t ext4 -O verity,^has_journal -b 4096 -E root_owner=0:0,hash_seed=$(DISK_ID) -U $(DISK_ID) \
		-d $(G)/clients $@.new 32M
	@mv $@.new $@
DISK_ID := 6ad6ce0e-5b3c-4a26-8f2b-3c1f6d0a9e41

# What of Debian's kernel is a module: what it needs to read the disk and for optee.ko, in the order of loading, and what systemd
# and mounting load on any Debian. Our own kernels have it built in.
DISK_MODULES := fs/mbcache fs/jbd2/jbd2 fs/ext4/ext4 drivers/block/virtio_blk drivers/block/loop fs/binfmt_misc fs/overlayfs/overlay
DISK_MODULES_linux := crypto/crc32c_generic lib/crc16 $(DISK_MODULES)
DISK_MODULES_linux-7.3 := lib/crc/crc16 $(DISK_MODULES) drivers/firmware/arm_ffa/ffa-core

# guest-rules,BASE,DIR: what a kernel of Debian's adds, its modules and the drivers for it
define guest-rules
$(B)/boot/modules$(call suffix-of,$(1)).cpio: $(B)/dl/$(1)/.done mk/guest.mk
	@rm -rf $(2); mkdir -p $(2)/usr/lib/modules/disk $$(@D)
	@$$(call linux-package,$(1),image modules) | tar -xC $(2)/usr/lib/modules/disk --transform='s,.*/,,' --wildcards \
		$(DISK_MODULES_$(1):%='*/kernel/%.ko.xz')
	@cd $(2)/usr/lib/modules/disk && n=10 && for m in $(notdir $(DISK_MODULES_$(1))); do n=$$$$((n + 1)) && \
		xz -dc $$$$m.ko.xz >$$$$n-$$$$m.ko && rm $$$$m.ko.xz || exit; done
	@$$(call pack,$(2),$$@)

$(B)/boot/driver$(call suffix-of,$(1))-%.cpio: $(B)/$(1)/%/.built mk/guest.mk
	@rm -rf $(G)/driver$(call suffix-of,$(1))-$$*; mkdir -p $(G)/driver$(call suffix-of,$(1))-$$*/usr/lib/modules
	@for m in tee optee; do $(CROSS)strip -g -o $(G)/driver$(call suffix-of,$(1))-$$*/usr/lib/modules/$$$$m.ko \
		$(B)/$(1)/$$*/$$$$m.ko || exit; done
	@$$(call pack,$(G)/driver$(call suffix-of,$(1))-$$*,$$@)
endef
$(foreach b,$(LINUX_BASES),$(eval $(call guest-rules,$b,$(G)/modules$(call suffix-of,$b))))

BOOT_FILES := Image modules.cpio base.cpio clients.img $(foreach v,$(VARIANTS),flash-$v.bin driver-$v.cpio ta-$v.cpio)
.PHONY: boot-files bases
boot-files: $(addprefix $(B)/boot/,$(BOOT_FILES)) $(H)/demo-report

# What it takes to boot on the further bases.
bases: boot-files $(foreach b,$(LINUX_FURTHER),$(B)/boot/Image$(call suffix-of,$b) \
	$(B)/boot/modules$(call suffix-of,$b).cpio $(VARIANTS:%=$(B)/boot/driver$(call suffix-of,$b)-%.cpio)) \
	$(LIBTEECS:%=$(B)/boot/libteec-%.cpio)
