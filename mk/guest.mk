# SPDX-License-Identifier: BSD-2-Clause
# The guest: an initramfs in parts that the runner concatenates: base, one driver, one flavour of TAs, then the job.

G := $(B)/guest
GUEST_FILES := $(shell find guest -type f)
LIBS := /usr/lib/aarch64-linux-gnu

# pack,DIR,FILE: everything belongs to root, times do not matter.
pack = find $(1) -exec touch -h -d @$(SOURCE_DATE_EPOCH) {} + && cd $(1) && \
	find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -H newc -o >$(2).new && mv $(2).new $(2)

$(B)/boot/base.cpio: $(GUEST_FILES) mk/guest.mk $(CLIENTS)/.built
	@rm -rf $(G)/base; mkdir -p $(G)/base/{dev,etc,job,proc,root,run,sys,tmp,var/lib/tee,usr/bin,usr/sbin,usr/lib/modules,usr/lib/optee_armtz,usr/lib/aarch64-linux-gnu}
	@cd $(G)/base && ln -s usr/bin usr/sbin usr/lib .
	@cp guest/init $(G)/base/init && chmod 755 $(G)/base/init && cp guest/etc/* $(G)/base/etc/
	@cp /usr/bin/busybox $(G)/base/usr/bin/
	@cp /usr/sbin/tee-supplicant $(G)/base/usr/sbin/
	@cp -a $(LIBS)/libc.so.6 $(LIBS)/libm.so.6 $(LIBS)/libgcc_s.so.1 $(LIBS)/libteec.so.2* $(LIBS)/ld-linux-aarch64.so.1 \
		$(LIBS)/lib{dl,pthread,rt}.so.? $(G)/base/usr/lib/aarch64-linux-gnu/
	@ln -s aarch64-linux-gnu/ld-linux-aarch64.so.1 $(G)/base/usr/lib/ld-linux-aarch64.so.1
	@cp $(CLIENTS)/* $(G)/base/usr/bin/
	@$(call pack,$(G)/base,$@)

$(B)/boot/driver-%.cpio: $(B)/linux/%/.built mk/guest.mk
	@rm -rf $(G)/driver-$*; mkdir -p $(G)/driver-$*/usr/lib/modules
	@for m in tee optee; do aarch64-linux-gnu-strip -g -o $(G)/driver-$*/usr/lib/modules/$$m.ko $(B)/linux/$*/$$m.ko; done
	@$(call pack,$(G)/driver-$*,$@)

BOOT_FILES := Image base.cpio $(foreach v,$(VARIANTS),flash-$v.bin driver-$v.cpio ta-$v.cpio)
.PHONY: boot-files
boot-files: $(addprefix $(B)/boot/,$(BOOT_FILES)) $(B)/demo-report
