// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 */

#include <kernel/client_binding.h>
#include <kernel/client_binding_quota.h>
#include <kernel/tee_ta_manager.h>
#include <sys/queue.h>

TEE_Result
client_binding_count_sessions(struct client_binding_event *event,
			      struct tee_ta_session *s, const TEE_UUID *uuid,
			      const struct tee_ta_session_head *open_sessions)
{
	client_binding_quota left = CFG_CLIENT_BINDING_MAX_SESSIONS;
	const struct tee_ta_session *other = NULL;
	TEE_Result res = TEE_SUCCESS;

	TAILQ_FOREACH(other, open_sessions, link)
		client_binding_quota_note(&left, &s->client, &other->client);

	event->happened = CLIENT_BINDING_COUNTED;
	event->number = left;
	res = client_binding_ask(event, s, NULL);
	if (res)
		event->ta = *uuid;

	return res;
}
