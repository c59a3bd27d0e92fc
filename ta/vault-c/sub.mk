# SPDX-License-Identifier: BSD-2-Clause
srcs-y += vault_c_ta.c
