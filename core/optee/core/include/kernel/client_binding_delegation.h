/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * Lets the client of a session lend single commands of it to others. Who was
 * lent something opens a session to client_binding.grant with the grant's
 * number: a delegated session. Its commands run in the session that is lent,
 * the target, each after the decision library said so. All of it is nothing
 * without CFG_CLIENT_BINDING_DELEGATION.
 */

#ifndef __KERNEL_CLIENT_BINDING_DELEGATION_H
#define __KERNEL_CLIENT_BINDING_DELEGATION_H

#include <compiler.h>
#include <kernel/client_binding.h>
#include <stdbool.h>
#include <stdint.h>
#include <tee_api_types.h>

struct tee_ta_call;
struct tee_ta_ctx;
struct tee_ta_session;
struct ts_ctx;
struct ts_session;

#ifdef CFG_CLIENT_BINDING_DELEGATION

/* Of a session of which something may be lent. tee_ta_mutex protects it */
struct client_binding_loans {
	/* What the TA allows to be lent */
	struct client_binding_lending allowed;
	/* A delegated session waits for this one */
	bool awaited;
	/* The delegated session whose command runs in this one */
	struct tee_ta_session *grantee;
};

/* What every session has of it. If it's not NULL it has a reference, too */
struct client_binding_delegation {
	struct client_binding_loans *loans;
#ifndef __LP64__
	/* The grant that a delegated session is for */
	uint64_t number;
#endif
};

/* All grants, with tee_ta_mutex held */
extern struct client_binding_grants client_binding_grants;

/* Milliseconds, if the normal world can't set that clock */
uint64_t client_binding_clock(void);

/* The grant that a delegated session is for */
uint64_t client_binding_number(const struct tee_ta_session *d);

/* The target of a grant, which isn't unlinked, or NULL */
struct tee_ta_session *client_binding_target(uint64_t number);

/* How the library knows a session by */
static inline uint64_t client_binding_token(const struct tee_ta_session *s)
{
	return (uintptr_t)s;
}

/* What may be lent of @s */
const struct client_binding_lending *
client_binding_allowed(const struct tee_ta_session *s);

/* Ends what is lent of @s, and cancels a command of it that runs there */
void client_binding_end_lending(struct tee_ta_session *s);

/*
 * What the sessions' own code calls, with tee_ta_mutex held
 */

bool is_delegated_ctx(struct ts_ctx *ctx);

/* Sets up the context for a delegated session if @uuid asks for one */
TEE_Result client_binding_init_delegated(const TEE_UUID *uuid,
					 struct tee_ta_session *s);

/* Before @call waits for @s: a close doesn't wait for those who come later */
void client_binding_wait(const struct tee_ta_call *call,
			 struct tee_ta_session *s);

/* Before somebody joins @ctx: if its TA disowned it, it may be nobody's now */
void client_binding_find_unused(struct tee_ta_ctx *ctx);

/* Whether a reference to @s, which is about to be unlinked, was dropped */
bool client_binding_unlend(struct tee_ta_session *s);

/*
 * The session in which the command that runs in @s was given, so that it's that
 * one's cancellation. For the thread that runs it, without tee_ta_mutex.
 */
struct tee_ta_session *client_binding_invoker(struct tee_ta_session *s);

#else /*CFG_CLIENT_BINDING_DELEGATION*/

struct client_binding_delegation { };

static inline bool is_delegated_ctx(struct ts_ctx *ctx __unused)
{
	return false;
}

static inline TEE_Result
client_binding_init_delegated(const TEE_UUID *uuid __unused,
			      struct tee_ta_session *s __unused)
{
	return TEE_ERROR_ITEM_NOT_FOUND;
}

static inline void client_binding_wait(const struct tee_ta_call *call __unused,
				       struct tee_ta_session *s __unused)
{
}

static inline void
client_binding_find_unused(struct tee_ta_ctx *ctx __unused)
{
}

static inline bool client_binding_unlend(struct tee_ta_session *s __unused)
{
	return false;
}

static inline struct tee_ta_session *
client_binding_invoker(struct tee_ta_session *s)
{
	return s;
}

#endif /*CFG_CLIENT_BINDING_DELEGATION*/
#endif /*__KERNEL_CLIENT_BINDING_DELEGATION_H*/
