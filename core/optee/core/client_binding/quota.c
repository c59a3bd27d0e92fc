// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 */

#include <kernel/client_binding.h>
#include <kernel/tee_ta_manager.h>
#include <optee_msg.h>
#include <sys/queue.h>

TEE_Result
client_binding_count_sessions(const struct tee_ta_session *s,
			      const TEE_UUID *ta,
			      const struct tee_ta_session_head *open_sessions,
			      struct client_binding_call *call)
{
	client_binding_quota left = CFG_CLIENT_BINDING_MAX_SESSIONS;
	const struct tee_ta_session *other = NULL;
	uint32_t verdict = CLIENT_BINDING_GO;

	client_binding_assert_locked();
	TAILQ_FOREACH(other, open_sessions, link)
		client_binding_quota_note(&left, &s->client, &other->client);

	verdict = client_binding_quota_check(left);
	if (verdict == CLIENT_BINDING_GO)
		return TEE_SUCCESS; /* And who may have the TA isn't decided */

	call->operation = OPTEE_MSG_CMD_OPEN_SESSION;
	call->verdict = verdict;
	call->ta = *ta;
	call->claim.login = client_binding_session_login(&s->client);
	call->owner_login = call->claim.login;

	return client_binding_result(verdict);
}
