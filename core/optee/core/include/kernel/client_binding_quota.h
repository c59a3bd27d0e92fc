/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 */

#ifndef __KERNEL_CLIENT_BINDING_QUOTA_H
#define __KERNEL_CLIENT_BINDING_QUOTA_H

#include <compiler.h>
#include <sys/queue.h>
#include <tee_api_types.h>

struct client_binding_event;
struct tee_ta_session;

#if defined(CFG_CLIENT_BINDING) && CFG_CLIENT_BINDING_MAX_SESSIONS

/* Where a session stands among those that its client may be the client of */
struct client_binding_quota_entry {
	LIST_ENTRY(tee_ta_session) link;
};

/*
 * Counts @s, which is about to be linked, unless that is one more than its
 * client may have; until it's unlinked. With tee_ta_mutex held.
 */
TEE_Result client_binding_take_quota(struct client_binding_event *event,
				     struct tee_ta_session *s,
				     const TEE_UUID *uuid);

void client_binding_give_back_quota(struct tee_ta_session *s);

#else

struct client_binding_quota_entry { };

static inline TEE_Result
client_binding_take_quota(struct client_binding_event *event __unused,
			  struct tee_ta_session *s __unused,
			  const TEE_UUID *uuid __unused)
{
	return TEE_SUCCESS;
}

static inline void
client_binding_give_back_quota(struct tee_ta_session *s __unused)
{
}

#endif
#endif /*__KERNEL_CLIENT_BINDING_QUOTA_H*/
