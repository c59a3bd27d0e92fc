// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * Delegated sessions. Their context has operations of its own: entering it
 * enters the target, with the same parameters, which aren't mapped yet.
 */

#include <assert.h>
#include <compiler.h>
#include <kernel/client_binding.h>
#include <kernel/client_binding_delegation.h>
#include <kernel/mutex.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/tee_time.h>
#include <kernel/ts_manager.h>
#include <kernel/user_ta.h>
#include <optee_msg.h>
#include <stdlib.h>
#include <string.h>
#include <user_ta_header.h>
#include <util.h>

#define GRANT_UUID \
	{ 0xf382b691, 0xf352, 0x4a3f, \
	  { 0xa9, 0xa6, 0xcd, 0x4d, 0x9a, 0x06, 0x7a, 0x9c } }

/* The protection level of a clock that the normal world can't set */
#define PROTECTED_CLOCK		1000

static_assert(sizeof(struct client_binding_grant) == CLIENT_BINDING_GRANT_SIZE);
static_assert(sizeof(struct client_binding_lending) ==
	      CLIENT_BINDING_LENDING_SIZE);
static_assert(_Alignof(struct client_binding_grant) == sizeof(uint64_t));
/* An octet of a grant's number is its place */
static_assert(CFG_CLIENT_BINDING_GRANTS > 0 &&
	      CFG_CLIENT_BINDING_GRANTS <= 256);

static struct client_binding_grant grants[CFG_CLIENT_BINDING_GRANTS];

struct client_binding_grants client_binding_grants = {
	.grants = grants,
	.count = CFG_CLIENT_BINDING_GRANTS,
	.by_owner = CFG_CLIENT_BINDING_GRANTS_OWNER,
	.to_grantee = CFG_CLIENT_BINDING_GRANTS_GRANTEE,
};

uint64_t client_binding_clock(void)
{
	TEE_Time now = { };

	/* Asking another clock could mean to leave the secure world */
	if (tee_time_get_sys_time_protection_level() < PROTECTED_CLOCK ||
	    tee_time_get_sys_time(&now))
		return CLIENT_BINDING_NO_CLOCK;

	return (uint64_t)now.seconds * 1000 + now.millis;
}

struct tee_ta_session *client_binding_target(uint64_t number)
{
	/* A grant ends before its target is unlinked, and holds it till then */
	return (struct tee_ta_session *)(uintptr_t)
		client_binding_grant_target(&client_binding_grants, number);
}

/* It has the grant's number for a context, if a pointer has room for that */
#ifdef __LP64__
uint64_t client_binding_number(const struct tee_ta_session *d)
{
	return (uintptr_t)d->ts_sess.user_ctx;
}

static void set_number(struct tee_ta_session *d, uint64_t number)
{
	d->ts_sess.user_ctx = (void *)(uintptr_t)number;
}
#else
uint64_t client_binding_number(const struct tee_ta_session *d)
{
	return d->delegation.number;
}

static void set_number(struct tee_ta_session *d, uint64_t number)
{
	d->delegation.number = number;
}
#endif

const struct client_binding_lending *
client_binding_allowed(const struct tee_ta_session *s)
{
	static const struct client_binding_lending nothing;

	if (!s->delegation.loans)
		return &nothing;

	return &s->delegation.loans->allowed;
}

/* Whether @d may use its grant so. @s is the target, NULL if there is none */
static bool may_use(struct client_binding_event *event,
		    struct tee_ta_session *d, struct tee_ta_session *s,
		    uint32_t step, uint32_t command)
{
	struct client_binding_use use = {
		.number = client_binding_number(d),
		.target = client_binding_token(s),
		.now = client_binding_clock(),
		.command = command,
		.step = step,
	};

	if (IS_ENABLED(CFG_CLIENT_BINDING_DEBUG))
		client_binding_assert_locked();

	if (!s)
		s = d;

	if (!client_binding_use_grant(event, &client_binding_grants, &use,
				      &d->client, &s->client,
				      client_binding_allowed(s)))
		return true;

	client_binding_note_ta(event, s);

	return false;
}

/*
 * What the grantee is told. For libutee only what a TA answers is an answer: it
 * panics a TA that gets another one.
 */
static TEE_Result answer(struct tee_ta_session *d,
			 const struct client_binding_event *event,
			 TEE_Result res)
{
	if (client_binding_is_refused(event))
		res = client_binding_refusal(event);

	if (d->clnt_id.login == TEE_LOGIN_TRUSTED_APP)
		d->err_origin = TEE_ORIGIN_TRUSTED_APP;
	else
		d->err_origin = TEE_ORIGIN_TEE;

	return res;
}

/* Others never meet it: it's on no thread's stack of sessions */
static struct tee_ta_session *to_delegated_session(struct ts_session *ts_sess)
{
	assert(is_delegated_ctx(ts_sess->ctx));

	return container_of(ts_sess, struct tee_ta_session, ts_sess);
}

static TEE_Result delegated_enter_open_session(struct ts_session *ts_sess)
{
	struct tee_ta_session *d = to_delegated_session(ts_sess);
	struct client_binding_event event = {
		.operation = OPTEE_MSG_CMD_OPEN_SESSION,
	};
	struct tee_ta_session *s = NULL;
	uint64_t number = 0;

	/* Anything else is the number of no grant */
	if (d->param && d->param->types == CLIENT_BINDING_GRANT_TYPES)
		number = reg_pair_to_64(d->param->u[0].val.b,
					d->param->u[0].val.a);
	set_number(d, number);

	mutex_lock(&tee_ta_mutex);
	s = client_binding_target(number);
	if (s && to_ta_ctx(s->ts_sess.ctx)->panicked) {
		client_binding_end_lending(s);
		s = client_binding_target(number);
	}
	may_use(&event, d, s, CLIENT_BINDING_TAKE_UP, 0);
	mutex_unlock(&tee_ta_mutex);

	return answer(d, &event, TEE_SUCCESS);
}

/* Waits till the target and its TA are free, if nobody else does so */
static TEE_Result wait_for_target(struct client_binding_event *event,
				  struct tee_ta_session *d, uint32_t cmd,
				  struct tee_ta_session *s)
{
	TEE_Result res = TEE_SUCCESS;

	/* That it's in use isn't told to those who may not use it (G10) */
	if (!may_use(event, d, s, CLIENT_BINDING_CHECK, cmd))
		return TEE_ERROR_ACCESS_DENIED;

	/*
	 * More than one would keep the threads from all others, and who waits
	 * for what this thread has must not be waited for (G7).
	 */
	if (s->delegation.loans->awaited || ts_get_current_session_may_fail())
		return TEE_ERROR_BUSY;

	s->delegation.loans->awaited = true;
	res = tee_ta_enter_session_nolock(s, true);
	/* Nobody frees it before tee_ta_mutex is let go */
	if (res == TEE_ERROR_ITEM_NOT_FOUND && s->unlink) {
		/* It's closed, and with it the grant, as can be told now */
		may_use(event, d, NULL, CLIENT_BINDING_CHECK, cmd);
		return res;
	}

	s->delegation.loans->awaited = false;
	if (res == TEE_ERROR_ITEM_NOT_FOUND) {
		/* Its TA asks its client. The grant may be over by now */
		if (!may_use(event, d, s, CLIENT_BINDING_CHECK, cmd))
			return TEE_ERROR_ACCESS_DENIED;
		return TEE_ERROR_BUSY;
	}

	return res;
}

/* Has the target and its TA for a command of @d, if that may be let in */
static TEE_Result enter_target(struct client_binding_event *event,
			       struct tee_ta_session *d, uint32_t cmd,
			       struct tee_ta_session **target)
{
	struct tee_ta_session *s = NULL;
	TEE_Result res = TEE_ERROR_BUSY;
	struct tee_ta_ctx *ctx = NULL;

	s = client_binding_target(client_binding_number(d));
	if (s && !s->delegation.loans->awaited)
		res = tee_ta_enter_session_nolock(s, false);
	if (res == TEE_ERROR_BUSY)
		res = wait_for_target(event, d, cmd, s);
	if (res)
		return res;

	ctx = container_of(s->ts_sess.ctx, struct tee_ta_ctx, ts_ctx);
	if (ctx->panicked)
		client_binding_end_lending(s);
	if (!may_use(event, d, s, CLIENT_BINDING_LET_IN, cmd)) {
		tee_ta_leave_session_nolock(s);
		return TEE_ERROR_ACCESS_DENIED;
	}

	s->delegation.loans->grantee = d;
	*target = s;

	return TEE_SUCCESS;
}

static void leave_target(struct tee_ta_session *d, struct tee_ta_session *s)
{
	s->delegation.loans->grantee = NULL;
	client_binding_grant_left(&client_binding_grants,
				  client_binding_number(d));
	tee_ta_leave_session_nolock(s);
}

static TEE_Result delegated_enter_invoke_cmd(struct ts_session *ts_sess,
					     uint32_t cmd)
{
	struct tee_ta_session *d = to_delegated_session(ts_sess);
	struct client_binding_event event = {
		.operation = OPTEE_MSG_CMD_INVOKE_COMMAND,
	};
	struct tee_ta_session *s = NULL;
	TEE_Result res = TEE_SUCCESS;

	mutex_lock(&tee_ta_mutex);
	res = enter_target(&event, d, cmd, &s);
	mutex_unlock(&tee_ta_mutex);
	if (res)
		return answer(d, &event, res);

	res = tee_ta_run_command(s, cmd, d->param, &d->err_origin);

	mutex_lock(&tee_ta_mutex);
	leave_target(d, s);
	mutex_unlock(&tee_ta_mutex);

	return res;
}

static void delegated_enter_close_session(struct ts_session *ts_sess)
{
	struct tee_ta_session *d = to_delegated_session(ts_sess);

	mutex_lock(&tee_ta_mutex);
	client_binding_grant_closed(&client_binding_grants,
				    client_binding_number(d), &d->client);
	mutex_unlock(&tee_ta_mutex);
}

static void delegated_destroy(struct ts_ctx *ctx)
{
	free(container_of(ctx, struct tee_ta_ctx, ts_ctx));
}

static const struct ts_ops
delegated_ops __relrodata_unpaged("delegated_ops") = {
	.enter_open_session = delegated_enter_open_session,
	.enter_invoke_cmd = delegated_enter_invoke_cmd,
	.enter_close_session = delegated_enter_close_session,
	.destroy = delegated_destroy,
};

bool __noprof is_delegated_ctx(struct ts_ctx *ctx)
{
	return ctx->ops == &delegated_ops;
}

TEE_Result client_binding_init_delegated(const TEE_UUID *uuid,
					 struct tee_ta_session *s)
{
	static const TEE_UUID grant_uuid = GRANT_UUID;
	struct tee_ta_ctx *ctx = NULL;

	if (memcmp(uuid, &grant_uuid, sizeof(grant_uuid)))
		return TEE_ERROR_ITEM_NOT_FOUND;

	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return TEE_ERROR_OUT_OF_MEMORY;

	ctx->ref_count = 1;
	/* Concurrent: what is to be waited for is the target's */
	ctx->flags = TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION |
		     TA_FLAG_INSTANCE_KEEP_ALIVE | TA_FLAG_CONCURRENT;
	ctx->ts_ctx.uuid = grant_uuid;
	ctx->ts_ctx.ops = &delegated_ops;
	s->ts_sess.ctx = &ctx->ts_ctx;
	TAILQ_INSERT_TAIL(&tee_ctxes, ctx, link);

	return TEE_SUCCESS;
}

void client_binding_end_lending(struct tee_ta_session *s)
{
	if (client_binding_end_grants(&client_binding_grants,
				      client_binding_token(s)))
		s->delegation.loans->grantee->cancel = true;
}

void client_binding_wait(const struct tee_ta_call *call,
			 struct tee_ta_session *s)
{
	if (s->delegation.loans && call && call->clnt_id == NSAPP_IDENTITY &&
	    call->event.operation == OPTEE_MSG_CMD_CLOSE_SESSION)
		client_binding_end_lending(s);
}

bool client_binding_unlend(struct tee_ta_session *s)
{
	if (!s->delegation.loans)
		return false;

	client_binding_end_lending(s);
	free(s->delegation.loans);
	s->delegation.loans = NULL;
	s->ref_count--;

	return true;
}

void client_binding_find_unused(struct tee_ta_ctx *ctx)
{
	/* What the TA has open was opened for the owner */
	if (!ctx->ref_count && is_user_ta_ctx(&ctx->ts_ctx) &&
	    TAILQ_EMPTY(&to_user_ta_ctx(&ctx->ts_ctx)->open_sessions))
		client_binding_instance_unused(&ctx->client_owner);
}

struct tee_ta_session *client_binding_invoker(struct tee_ta_session *s)
{
	if (s->delegation.loans && s->delegation.loans->grantee)
		return s->delegation.loans->grantee;

	return s;
}
