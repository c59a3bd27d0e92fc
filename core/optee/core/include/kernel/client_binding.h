/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * Lets a session be used, and a TA instance be joined, only by the client that
 * opened it. What happens is told to the decision library as an event, and its
 * verdict is obeyed. Nothing is decided here, and all of it is nothing without
 * CFG_CLIENT_BINDING.
 */

#ifndef __KERNEL_CLIENT_BINDING_H
#define __KERNEL_CLIENT_BINDING_H

#include <compiler.h>
#include <config.h>
#include <io.h>
#include <optee_msg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tee_api_types.h>

struct tee_ta_ctx;
struct tee_ta_session;

#ifdef CFG_CLIENT_BINDING

#include <client_binding_glue.h>

#define CLIENT_BINDING_SMC_SEC_CAP	OPTEE_SMC_SEC_CAP_CLIENT_BINDING
#define CLIENT_BINDING_FFA_SEC_CAP	OPTEE_FFA_SEC_CAP_CLIENT_BINDING

/* All that touches a record needs tee_ta_mutex */
void client_binding_assert_locked(void);

static inline bool
client_binding_is_refused(const struct client_binding_event *event)
{
	return event->verdict != CLIENT_BINDING_GO &&
	       event->verdict != CLIENT_BINDING_UNDECIDED;
}

/* Logs and counts a refusal. Not to be called with a lock held */
void client_binding_report(const struct client_binding_event *event);

/*
 * Messages from the normal world
 */

/* Copies the claim @params may start with, returns how many of them it takes */
static __always_inline size_t
client_binding_read_claim(struct client_binding_event *event,
			  uint32_t operation, size_t num_params,
			  const struct optee_msg_param *params)
{
	event->operation = operation;

	/* Shared memory: each word is read once */
	if (!num_params || READ_ONCE(params[0].attr) !=
			   (OPTEE_MSG_ATTR_META |
			    OPTEE_MSG_ATTR_TYPE_VALUE_INPUT)) {
		event->happened = CLIENT_BINDING_USE;
		return 0;
	}

	event->happened = CLIENT_BINDING_CLAIMED_USE;
	event->claim.uuid[0] = READ_ONCE(params[0].u.value.a);
	event->claim.uuid[1] = READ_ONCE(params[0].u.value.b);
	event->claim.login = READ_ONCE(params[0].u.value.c);

	return 1;
}

/* A copy of the client's META parameter of an open */
static inline void
client_binding_note_open(struct client_binding_event *event, uint64_t a,
			 uint64_t b, uint64_t c)
{
	event->happened = CLIENT_BINDING_BEGIN;
	event->claim.uuid[0] = a;
	event->claim.uuid[1] = b;
	event->claim.login = c;
}

/* Whether any login method may be read: what is none is refused later */
static inline bool client_binding_reads_any_login(void)
{
	return true;
}

/* Reports a refusal and returns what the client is told */
TEE_Result client_binding_refusal(const struct client_binding_event *event);

/* What the client is told: @res unless the use of a session was refused */
static inline TEE_Result
client_binding_answer(const struct client_binding_event *event, TEE_Result res)
{
	if (event->verdict == CLIENT_BINDING_GO)
		return res;

	return client_binding_refusal(event);
}

/*
 * Uses of a session
 */

void client_binding_note_ta(struct client_binding_event *event,
			    const struct tee_ta_session *s);

/* Asks the library. @client is that of @s */
bool client_binding_may_others_use(struct client_binding_event *event,
				   struct client_binding_session *client,
				   const struct tee_ta_session *s);

/* The same, but for the client itself it's a short way */
static inline bool client_binding_may_use(struct client_binding_event *event,
					  struct client_binding_session *client,
					  const struct tee_ta_session *s)
{
	if (IS_ENABLED(CFG_CLIENT_BINDING_DEBUG))
		client_binding_assert_locked();

	if (event->happened == CLIENT_BINDING_CLAIMED_USE &&
	    client_binding_recognizes(client, event->claim.uuid[0],
				      event->claim.uuid[1],
				      event->claim.login))
		return true;

	return client_binding_may_others_use(event, client, s);
}

/*
 * An open. Who can't succeed is told at once, when the instance is found or
 * loaded. Unless that decided it, it's decided again by who has the TA, and
 * once more when the TA has accepted the session: only then there's an owner.
 */

/* Asks the library, with tee_ta_mutex held. @instance may be NULL */
TEE_Result client_binding_ask(struct client_binding_event *event,
			      struct tee_ta_session *s,
			      struct client_binding_instance *instance);

/* Before @s can be found by others. Fails for what is no login method */
TEE_Result client_binding_begin(struct client_binding_event *event,
				struct tee_ta_session *s, const TEE_UUID *uuid);

/* Whether @s may be let into @ctx */
TEE_Result client_binding_enter(struct client_binding_event *event,
				struct tee_ta_session *s,
				struct tee_ta_ctx *ctx);

/*
 * The same for the TA that was loaded for @s, if @res is TEE_SUCCESS: before,
 * it wasn't known whether it's bound. Takes tee_ta_mutex. If refused, @s leaves
 * the context to those who wait for it, or nobody finds it any more.
 */
TEE_Result client_binding_enter_loaded(struct client_binding_event *event,
				       struct tee_ta_session *s,
				       TEE_Result res);

/* The same for who has the TA: an owner may have appeared */
static inline bool client_binding_refuses(struct client_binding_event *event,
					  struct tee_ta_session *s,
					  struct tee_ta_ctx *ctx)
{
	return event->verdict == CLIENT_BINDING_UNDECIDED &&
	       client_binding_enter(event, s, ctx);
}

void client_binding_set_owner(struct client_binding_event *event,
			      struct tee_ta_session *s, struct tee_ta_ctx *ctx);

/* The TA isn't left yet, and has accepted @s if @res is TEE_SUCCESS */
static inline void client_binding_opened(struct client_binding_event *event,
					 struct tee_ta_session *s,
					 struct tee_ta_ctx *ctx, TEE_Result res)
{
	if (event->verdict == CLIENT_BINDING_UNDECIDED && !res)
		client_binding_set_owner(event, s, ctx);
}

/* As client_binding_answer(), with an origin */
static inline void
client_binding_answer_open(const struct client_binding_event *event,
			   TEE_Result *res, TEE_ErrorOrigin *err)
{
	if (client_binding_is_refused(event)) {
		*res = client_binding_refusal(event);
		*err = TEE_ORIGIN_TEE;
	}
}

/* CLIENT_BINDING_UNBOUND or why instances of that TA are bound */
uint32_t client_binding_of(struct tee_ta_ctx *ctx);

#else /*CFG_CLIENT_BINDING*/

#define CLIENT_BINDING_SMC_SEC_CAP	0
#define CLIENT_BINDING_FFA_SEC_CAP	0

struct client_binding_session { };
struct client_binding_instance { };
struct client_binding_event { };

static inline bool
client_binding_is_refused(const struct client_binding_event *event __unused)
{
	return false;
}

static inline void
client_binding_report(const struct client_binding_event *event __unused)
{
}

static inline size_t
client_binding_read_claim(struct client_binding_event *event __unused,
			  uint32_t operation __unused,
			  size_t num_params __unused,
			  const struct optee_msg_param *params __unused)
{
	return 0;
}

static inline void
client_binding_note_open(struct client_binding_event *event __unused,
			 uint64_t a __unused, uint64_t b __unused,
			 uint64_t c __unused)
{
}

static inline bool client_binding_reads_any_login(void)
{
	return false;
}

static inline TEE_Result
client_binding_answer(const struct client_binding_event *event __unused,
		      TEE_Result res)
{
	return res;
}

static inline bool
client_binding_may_use(struct client_binding_event *event __unused,
		       struct client_binding_session *client __unused,
		       const struct tee_ta_session *s __unused)
{
	return true;
}

static inline TEE_Result
client_binding_begin(struct client_binding_event *event __unused,
		     struct tee_ta_session *s __unused,
		     const TEE_UUID *uuid __unused)
{
	return TEE_SUCCESS;
}

static inline TEE_Result
client_binding_enter(struct client_binding_event *event __unused,
		     struct tee_ta_session *s __unused,
		     struct tee_ta_ctx *ctx __unused)
{
	return TEE_SUCCESS;
}

static inline TEE_Result
client_binding_enter_loaded(struct client_binding_event *event __unused,
			    struct tee_ta_session *s __unused, TEE_Result res)
{
	return res;
}

static inline bool
client_binding_refuses(struct client_binding_event *event __unused,
		       struct tee_ta_session *s __unused,
		       struct tee_ta_ctx *ctx __unused)
{
	return false;
}

static inline void
client_binding_opened(struct client_binding_event *event __unused,
		      struct tee_ta_session *s __unused,
		      struct tee_ta_ctx *ctx __unused, TEE_Result res __unused)
{
}

static inline void
client_binding_answer_open(const struct client_binding_event *event __unused,
			   TEE_Result *res __unused,
			   TEE_ErrorOrigin *err __unused)
{
}

#endif /*CFG_CLIENT_BINDING*/
#endif /*__KERNEL_CLIENT_BINDING_H*/
