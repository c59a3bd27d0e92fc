# SPDX-License-Identifier: BSD-2-Clause
global-incdirs-y += ../clients/include
srcs-y += vault_c_ta.c
