/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 */

#ifndef __USER_TA_CLIENT_BINDING_H
#define __USER_TA_CLIENT_BINDING_H

/* Answers only to the client that owns the instance, see CFG_CLIENT_BINDING */
#define TA_FLAG_CLIENT_BOUND		BIT32(30)

/* Without client binding a TA with that flag isn't loaded */
#ifdef CFG_CLIENT_BINDING
#define TA_FLAGS_CLIENT_BINDING		TA_FLAG_CLIENT_BOUND
#else
#define TA_FLAGS_CLIENT_BINDING		0
#endif

#endif /*__USER_TA_CLIENT_BINDING_H*/
