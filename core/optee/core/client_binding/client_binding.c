// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 */

#include <assert.h>
#include <compiler.h>
#include <config.h>
#include <kernel/client_binding.h>
#include <kernel/mutex.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/user_ta.h>
#include <tee/uuid.h>
#include <user_ta_header.h>

/* What this version of the series was written for */
static_assert(CLIENT_BINDING_GLUE_VERSION == 3);
static_assert(sizeof(struct client_binding_session) ==
	      CLIENT_BINDING_RECORD_SIZE);
static_assert(sizeof(struct client_binding_instance) ==
	      CLIENT_BINDING_RECORD_SIZE);
static_assert(_Alignof(struct client_binding_session) == sizeof(uint64_t));
static_assert(_Alignof(struct client_binding_instance) == sizeof(uint64_t));
static_assert(sizeof(struct client_binding_claim) == CLIENT_BINDING_CLAIM_SIZE);
static_assert(offsetof(struct client_binding_claim, login) ==
	      CLIENT_BINDING_CLAIM_LOGIN);
/* Zeroed memory must be an instance nobody owns */
static_assert(!TEE_LOGIN_PUBLIC);

void client_binding_assert_locked(void)
{
	assert(mutex_is_locked(&tee_ta_mutex));
}

TEE_Result client_binding_refusal(const struct client_binding_event *event)
{
	client_binding_report(event);

	return client_binding_result(event->verdict);
}

void client_binding_note_ta(struct client_binding_event *event,
			    const struct tee_ta_session *s)
{
	if (s->ts_sess.ctx)
		event->ta = s->ts_sess.ctx->uuid;
}

bool client_binding_may_others_use(struct client_binding_event *event,
				   struct client_binding_session *client,
				   const struct tee_ta_session *s)
{
	if (client_binding_decide(event, client, NULL) == CLIENT_BINDING_GO)
		return true;

	client_binding_note_ta(event, s);

	return false;
}

TEE_Result client_binding_ask(struct client_binding_event *event,
			      struct tee_ta_session *s,
			      struct client_binding_instance *instance)
{
	if (IS_ENABLED(CFG_CLIENT_BINDING_DEBUG))
		client_binding_assert_locked();

	client_binding_decide(event, &s->client, instance);
	if (!client_binding_is_refused(event))
		return TEE_SUCCESS;

	return client_binding_result(event->verdict);
}

TEE_Result client_binding_begin(struct client_binding_event *event,
				struct tee_ta_session *s, const TEE_UUID *uuid)
{
	TEE_Result res = TEE_SUCCESS;

	if (event->happened == CLIENT_BINDING_BEGIN_BY_TA) {
		tee_uuid_to_octets((uint8_t *)event->claim.uuid,
				   &s->clnt_id.uuid);
		event->claim.login = s->clnt_id.login;
	}

	res = client_binding_ask(event, s, NULL);
	if (res)
		event->ta = *uuid;

	return res;
}

uint32_t client_binding_of(struct tee_ta_ctx *ctx)
{
	if (!is_user_ta_ctx(&ctx->ts_ctx))
		return CLIENT_BINDING_UNBOUND;
	if (ctx->flags & TA_FLAG_CLIENT_BOUND)
		return CLIENT_BINDING_BY_HEADER;
	if (IS_ENABLED(CFG_CLIENT_BINDING_ALL))
		return CLIENT_BINDING_BY_IMAGE;

	return CLIENT_BINDING_UNBOUND;
}

static TEE_Result ask_for_instance(struct client_binding_event *event,
				   struct tee_ta_session *s,
				   struct tee_ta_ctx *ctx)
{
	TEE_Result res = TEE_SUCCESS;

	event->number = client_binding_of(ctx);
	res = client_binding_ask(event, s, &ctx->client_owner);
	if (res)
		event->ta = ctx->ts_ctx.uuid;

	return res;
}

TEE_Result client_binding_enter(struct client_binding_event *event,
				struct tee_ta_session *s,
				struct tee_ta_ctx *ctx)
{
	event->happened = CLIENT_BINDING_ENTER;

	return ask_for_instance(event, s, ctx);
}

TEE_Result client_binding_enter_loaded(struct client_binding_event *event,
				       struct tee_ta_session *s, TEE_Result res)
{
	struct tee_ta_ctx *ctx = NULL;

	if (res)
		return res;

	ctx = to_ta_ctx(s->ts_sess.ctx);
	mutex_lock(&tee_ta_mutex);
	res = client_binding_enter(event, s, ctx);
	if (res && ctx->init_waiters) {
		/* It wasn't entered: leave it to those who wait for it */
		s->ts_sess.ctx = NULL;
		ctx->ref_count--;
	} else if (res && ctx->ref_count == 1 && !ctx->is_releasing &&
		   !client_binding_instance_is_owned(&ctx->client_owner)) {
		/* Nothing to be kept alive either */
		TAILQ_REMOVE(&tee_ctxes, ctx, link);
		ctx->is_releasing = true;
	}
	mutex_unlock(&tee_ta_mutex);

	return res;
}

void client_binding_set_owner(struct client_binding_event *event,
			      struct tee_ta_session *s, struct tee_ta_ctx *ctx)
{
	event->happened = CLIENT_BINDING_ACCEPTED;
	ask_for_instance(event, s, ctx);
}
