/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * Parameters of a command that are objects of its client. The normal world says
 * which, in the claim of the command. All of it is nothing without
 * CFG_CLIENT_BINDING_OBJECTS.
 */

#ifndef __KERNEL_CLIENT_BINDING_OBJECT_H
#define __KERNEL_CLIENT_BINDING_OBJECT_H

#include <compiler.h>
#include <kernel/client_binding.h>
#include <optee_msg.h>
#include <stdbool.h>
#include <stdint.h>
#include <tee_api_types.h>
#include <util.h>

#ifdef CFG_CLIENT_BINDING_OBJECTS

#define CLIENT_OBJECTS_SMC_SEC_CAP	OPTEE_SMC_SEC_CAP_CLIENT_OBJECTS
#define CLIENT_OBJECTS_FFA_SEC_CAP	OPTEE_FFA_SEC_CAP_CLIENT_OBJECTS

/* The number of an event: no more than sixteen bits otherwise */
#define CLIENT_BINDING_GAVE_UP		BIT(16)

/* Which parameters are objects. As the library reads it, 0 if none is */
struct client_binding_objects {
	uint16_t kinds;
};

/* Takes what it says of objects off the claim of a command */
static inline void
client_binding_split_objects(struct client_binding_event *event)
{
	uint64_t kinds = SHIFT_U64(UINT16_MAX, CLIENT_BINDING_OBJECTS_SHIFT);

	event->number = (event->claim.login & kinds) >>
			CLIENT_BINDING_OBJECTS_SHIFT;
	event->claim.login &= ~kinds;
}

/* Tells those whom parameters of these types are for, if it can be so */
static inline TEE_Result
client_binding_note_objects(const struct client_binding_event *event,
			    uint32_t types,
			    struct client_binding_objects *objects)
{
	objects->kinds = event->number;
	if (!event->number)
		return TEE_SUCCESS;

	return client_binding_objects_check(event->number, types);
}

static inline uint16_t
client_binding_kinds(const struct client_binding_objects *objects)
{
	return objects->kinds;
}

/* Whether a TA waits for its client. tee_ta_mutex protects it */
struct client_binding_asking {
	bool asks;
};

/*
 * Whether who waits for a session gives up: it could take as long as the client
 * likes, who has the threads of all others for it otherwise. @event is NULL if
 * it's a grantee. Nobody is left to try again when a client is gone, but then
 * nothing asks it either.
 */
static inline bool
client_binding_gives_up(struct client_binding_event *event,
			const struct client_binding_asking *asking)
{
	if (!asking->asks)
		return false;
	if (!event)
		return true;
	if (event->operation != OPTEE_MSG_CMD_INVOKE_COMMAND &&
	    event->operation != OPTEE_MSG_CMD_CLOSE_SESSION)
		return false;
	if (event->claim.login & OPTEE_MSG_LOGIN_RELEASE)
		return false;

	event->number = CLIENT_BINDING_GAVE_UP;

	return true;
}

/* What the client is told that has no session: @res unless it gave up */
static inline TEE_Result
client_binding_no_session(const struct client_binding_event *event,
			  TEE_Result res)
{
	if (event->number == CLIENT_BINDING_GAVE_UP)
		return TEE_ERROR_BUSY;

	return res;
}

#else /*CFG_CLIENT_BINDING_OBJECTS*/

#define CLIENT_OBJECTS_SMC_SEC_CAP	0
#define CLIENT_OBJECTS_FFA_SEC_CAP	0

struct client_binding_objects { };

static inline void
client_binding_split_objects(struct client_binding_event *event __unused)
{
}

static inline TEE_Result
client_binding_note_objects(const struct client_binding_event *event __unused,
			    uint32_t types __unused,
			    struct client_binding_objects *objects __unused)
{
	return TEE_SUCCESS;
}

static inline uint16_t
client_binding_kinds(const struct client_binding_objects *objects __unused)
{
	return 0;
}

struct client_binding_asking { };

static inline bool
client_binding_gives_up(struct client_binding_event *event __unused,
			const struct client_binding_asking *asking __unused)
{
	return false;
}

static inline TEE_Result
client_binding_no_session(const struct client_binding_event *event __unused,
			  TEE_Result res)
{
	return res;
}

#endif /*CFG_CLIENT_BINDING_OBJECTS*/
#endif /*__KERNEL_CLIENT_BINDING_OBJECT_H*/
