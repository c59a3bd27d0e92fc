# SPDX-License-Identifier: BSD-2-Clause
# Every platform that OP-TEE's tree knows, whether it boots here or not: stock, and with client binding. `xtask boards` finds them
# and says what came of it.

# Of all of them, these are among the checks: an AArch64 board of each of four vendors, one of AArch32 and one of RISC-V. They are not
# compared with stock, which would take as long again.
BOARD_SAMPLE := k3-am62x/arm64 rockchip-rk3588 imx-mx8mpevk zynqmp-zcu102/arm64 stm32mp1-157C_DK2 virt

.PHONY: boards check-boards board-files board
boards: board-files
	$(XTASK) boards
check-boards: board-files
	$(XTASK) boards --ours-only $(BOARD_SAMPLE)
board-files: $(H)/src/optee-stock/.stamp $(H)/src/optee-bound/.stamp $(foreach g,$(GLUES),$(GLUE_FILES:%=$(H)/$g/%))

# For `xtask boards`: BOARD_FILE of a core with BOARD_ARGS, and with the library in BOARD_GLUE if there is one. What most boards
# have in common is compiled once: the folder is the same for all, and there is nothing for a debugger, whose data would tell more.
# Of the TAs in the tree those are built that a core has in it, as hikey's does.
BOARD_OUT := $(H)/boards/out
board: export CCACHE_DIR := $(H)/boards/ccache
board: export CCACHE_NOHASHDIR := 1
board:
	$(MAKE) -s -C $(H)/src/optee-$(if $(BOARD_GLUE),bound,stock) -j$(JOBS) O=$(BOARD_OUT) CFG_DEBUG_INFO=n \
		CROSS_COMPILE32='ccache $(GLUE_TOOLS_glue-arm)' \
		CROSS_COMPILE64='ccache $(if $(filter ARCH=riscv,$(BOARD_ARGS)),$(GLUE_TOOLS_glue-riscv64),$(GLUE_TOOLS))' \
		TEE_IMPL_VERSION=$(OPTEE_IMPL_VERSION) TEE_IMPL_GIT_SHA1=0x0 $(BOARD_ARGS) \
		$(if $(BOARD_GLUE),$(BINDING_ARGS) CLIENT_BINDING_GLUE=$(H)/$(BOARD_GLUE)) $(BOARD_OUT)/$(BOARD_FILE)
