/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef USER_TA_HEADER_DEFINES_H
#define USER_TA_HEADER_DEFINES_H

#include "vault_c_ta.h"

#define TA_UUID		VAULT_C_UUID

#ifdef TA_UNBOUND
#define TA_FLAGS	(TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION)
#else
/* The flag is all that a TA needs to answer only to its client */
#define TA_FLAGS	(TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION | \
			 TA_FLAG_CLIENT_BOUND)
#endif

#define TA_STACK_SIZE	(4 * 1024)
#define TA_DATA_SIZE	(4 * 1024)
#define TA_VERSION	"0.1.0"
#define TA_DESCRIPTION	"A vault in C for one secret"

#endif /*USER_TA_HEADER_DEFINES_H*/
