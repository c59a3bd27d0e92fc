/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 */

#ifndef __KERNEL_CLIENT_BINDING_QUOTA_H
#define __KERNEL_CLIENT_BINDING_QUOTA_H

#include <config.h>
#include <kernel/tee_ta_manager.h>
#include <tee_api_types.h>

TEE_Result
client_binding_count_sessions(struct client_binding_event *event,
			      struct tee_ta_session *s, const TEE_UUID *uuid,
			      const struct tee_ta_session_head *open_sessions);

/*
 * Whether @s, which isn't linked yet, would be one more than its client may
 * have. @open_sessions are those of the normal world, or of a TA.
 */
static inline TEE_Result
client_binding_check_quota(struct client_binding_event *event,
			   struct tee_ta_session *s, const TEE_UUID *uuid,
			   const struct tee_ta_session_head *open_sessions)
{
	if (!IS_ENABLED(CFG_CLIENT_BINDING) || !CFG_CLIENT_BINDING_MAX_SESSIONS)
		return TEE_SUCCESS;

	return client_binding_count_sessions(event, s, uuid, open_sessions);
}

#endif /*__KERNEL_CLIENT_BINDING_QUOTA_H*/
