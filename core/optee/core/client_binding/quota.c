// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 */

#include <kernel/client_binding.h>
#include <kernel/client_binding_quota.h>
#include <kernel/tee_ta_manager.h>
#include <sys/queue.h>
#include <util.h>

/* All sessions by client, so that few others have to be looked at */
static LIST_HEAD(, tee_ta_session) sessions_of[256];

TEE_Result client_binding_take_quota(struct client_binding_event *event,
				     struct tee_ta_session *s,
				     const TEE_UUID *uuid)
{
	size_t n = client_binding_quota_list(&s->client) %
		   ARRAY_SIZE(sessions_of);
	client_binding_quota left = CFG_CLIENT_BINDING_MAX_SESSIONS;
	const struct tee_ta_session *other = NULL;
	TEE_Result res = TEE_SUCCESS;

	LIST_FOREACH(other, sessions_of + n, quota.link)
		client_binding_quota_note(&left, &s->client, &other->client);

	event->happened = CLIENT_BINDING_COUNTED;
	event->number = left;
	res = client_binding_ask(event, s, NULL);
	if (res)
		event->ta = *uuid;
	else
		LIST_INSERT_HEAD(sessions_of + n, s, quota.link);

	return res;
}

void client_binding_give_back_quota(struct tee_ta_session *s)
{
	LIST_REMOVE(s, quota.link);
}
