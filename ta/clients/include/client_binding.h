/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a TA says and asks of delegation, docs/delegation.md, and asks objects of
 * its client, docs/objects.md. The same words in Rust are those of the crate
 * client-binding-clients.
 *
 * The core must be built with CFG_CLIENT_BINDING_DELEGATION=y, for
 * client_binding_call() with CFG_CLIENT_BINDING_OBJECTS=y. On any other one all
 * functions return TEE_ERROR_ITEM_NOT_FOUND.
 */
#ifndef CLIENT_BINDING_H
#define CLIENT_BINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tee_internal_api.h>

/* As many commands can a TA allow, and a grant name */
#define CLIENT_BINDING_MAX_COMMANDS	8
/* Any number of uses */
#define CLIENT_BINDING_UNLIMITED	UINT32_MAX
/* No end, as a lifetime */
#define CLIENT_BINDING_FOREVER		UINT64_MAX
/* A flag: it ends when the grantee closes a session that is for it */
#define CLIENT_BINDING_UNTIL_CLOSED	1u

/*
 * struct client_binding_invoker - who invokes the command that is being served
 * @client: login method and UUID of the session's client, or of a grantee
 * @grant:  number of the grant that is being used, 0 if it's the session's
 *          client who invokes
 * @badge:  what the grant's maker wants the TA to be told, 0 without a grant
 */
struct client_binding_invoker {
	TEE_Identity client;
	uint64_t grant;
	uint64_t badge;
};

/*
 * struct client_binding_offer - what a TA lends of the session it's serving:
 * zeroed, but for what is said
 * @grantee:  to whom: a login method other than TEE_LOGIN_PUBLIC, and a UUID
 * @commands: numbers of the commands, which the TA must have allowed
 * @count:    how many: 1 to CLIENT_BINDING_MAX_COMMANDS
 * @uses:     how often: at least once, or CLIENT_BINDING_UNLIMITED
 * @lifetime: how long: milliseconds, or CLIENT_BINDING_FOREVER
 * @badge:    a number that the TA is told at each use
 * @depth:    how often it may be passed on one after the other: 0 to 3
 * @flags:    0, or CLIENT_BINDING_UNTIL_CLOSED, as what a command puts out as
 *            an object is to be lent
 */
struct client_binding_offer {
	TEE_Identity grantee;
	const uint32_t *commands;
	size_t count;
	uint32_t uses;
	uint64_t lifetime;
	uint64_t badge;
	uint32_t depth;
	uint32_t flags;
};

/* Little-endian, as all numbers of client_binding.lend are */
static inline uint8_t *__client_binding_put(uint8_t *to, uint64_t number,
					    size_t octets)
{
	size_t n = 0;

	for (n = 0; n < octets; n++)
		*to++ = number >> (8 * n);

	return to;
}

/* A command of client_binding.lend, see core/abi/src/delegation.rs */
static inline TEE_Result
__client_binding_lend(uint32_t command, uint32_t types,
		      TEE_Param params[TEE_NUM_PARAMS])
{
	const TEE_UUID uuid = {
		0x93674269, 0xd5fe, 0x448f,
		{ 0xa2, 0xf4, 0x01, 0xfd, 0x31, 0x0c, 0x91, 0xab }
	};
	TEE_TASessionHandle session = TEE_HANDLE_NULL;
	TEE_Result res = TEE_SUCCESS;

	res = TEE_OpenTASession(&uuid, TEE_TIMEOUT_INFINITE, 0, NULL, &session,
				NULL);
	if (res)
		return res;

	res = TEE_InvokeTACommand(session, TEE_TIMEOUT_INFINITE, command, types,
				  params, NULL);
	TEE_CloseTASession(session);

	return res;
}

/* A property of the current client that is eight octets */
static inline TEE_Result __client_binding_number(const char *name,
						 uint64_t *number)
{
	uint8_t octets[sizeof(*number)] = { };
	size_t size = sizeof(octets);
	TEE_Result res = TEE_SUCCESS;

	/* With room for it: who asks for the size first is told BAD_FORMAT */
	res = TEE_GetPropertyAsBinaryBlock(TEE_PROPSET_CURRENT_CLIENT, name,
					   octets, &size);
	if (res)
		return res;
	if (size != sizeof(octets))
		return TEE_ERROR_BAD_FORMAT;

	*number = 0;
	while (size)
		*number = *number << 8 | octets[--size];

	return TEE_SUCCESS;
}

/*
 * client_binding_delegable() - allow commands of a session to be lent
 * @commands: their numbers
 * @count:    how many: 0 to CLIENT_BINDING_MAX_COMMANDS
 *
 * For the session that is being opened or served; in place of those before, and
 * what is no longer among them can't be used any more by whom it was lent to.
 *
 * Returns TEE_ERROR_BAD_PARAMETERS if there are too many,
 * TEE_ERROR_OUT_OF_MEMORY if the core has no room to keep them.
 */
static inline TEE_Result client_binding_delegable(const uint32_t *commands,
						  size_t count)
{
	uint8_t octets[CLIENT_BINDING_MAX_COMMANDS * sizeof(uint32_t)] = { };
	TEE_Param params[TEE_NUM_PARAMS] = { };
	uint8_t *end = octets;
	size_t n = 0;

	if (count > CLIENT_BINDING_MAX_COMMANDS)
		return TEE_ERROR_BAD_PARAMETERS;

	for (n = 0; n < count; n++)
		end = __client_binding_put(end, commands[n], sizeof(uint32_t));
	params[0].memref.buffer = octets;
	params[0].memref.size = end - octets;

	return __client_binding_lend(4,
				     TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT,
						     TEE_PARAM_TYPE_NONE,
						     TEE_PARAM_TYPE_NONE,
						     TEE_PARAM_TYPE_NONE),
				     params);
}

/*
 * client_binding_invoker() - ask who invokes the command that is being served
 * @who: the answer
 *
 * "gpd.client.identity" is the session's client all the time.
 */
static inline TEE_Result
client_binding_invoker(struct client_binding_invoker *who)
{
	struct client_binding_invoker seen = { };
	TEE_Result res = TEE_SUCCESS;

	res = TEE_GetPropertyAsIdentity(TEE_PROPSET_CURRENT_CLIENT,
					"org.trustedfirmware.optee.client_binding.invoker",
					&seen.client);
	if (res)
		return res;
	res = __client_binding_number("org.trustedfirmware.optee.client_binding.grant",
				      &seen.grant);
	if (res)
		return res;
	if (seen.grant) {
		res = __client_binding_number("org.trustedfirmware.optee.client_binding.badge",
					      &seen.badge);
		if (res)
			return res;
	}
	*who = seen;

	return TEE_SUCCESS;
}

/*
 * client_binding_mint() - lend commands of the session that is being served
 * @offer:  what is lent, and to whom
 * @number: the grant's number, with which the grantee takes it up
 *
 * While a grantee is being served, what is minted is passed on from what that
 * one has: it must be within that, and have the same badge.
 *
 * Returns TEE_ERROR_BAD_PARAMETERS for terms that mean nothing or a grantee who
 * is nobody, TEE_ERROR_ACCESS_CONFLICT for more than the TA has allowed or the
 * grantee has, TEE_ERROR_ACCESS_DENIED for a session that can't be lent: a TA's
 * or PUBLIC's, TEE_ERROR_NOT_SUPPORTED for a lifetime without a clock that the
 * normal world can't set, TEE_ERROR_BUSY if there are too many grants.
 */
static inline TEE_Result
client_binding_mint(const struct client_binding_offer *offer, uint64_t *number)
{
	const TEE_UUID *uuid = &offer->grantee.uuid;
	uint8_t request[96] = { };
	TEE_Param params[TEE_NUM_PARAMS] = { };
	TEE_Result res = TEE_SUCCESS;
	uint8_t *to = request;
	size_t n = 0;

	if (offer->count > CLIENT_BINDING_MAX_COMMANDS)
		return TEE_ERROR_BAD_PARAMETERS;

	to = __client_binding_put(to, 0, 8);	/* No grant is passed on */
	to = __client_binding_put(to, offer->badge, 8);
	to = __client_binding_put(to, offer->lifetime, 8);
	/* A UUID is as it's written out, most significant octet first */
	for (n = 0; n < 4; n++)
		*to++ = uuid->timeLow >> (24 - 8 * n);
	*to++ = uuid->timeMid >> 8;
	*to++ = uuid->timeMid;
	*to++ = uuid->timeHiAndVersion >> 8;
	*to++ = uuid->timeHiAndVersion;
	for (n = 0; n < sizeof(uuid->clockSeqAndNode); n++)
		*to++ = uuid->clockSeqAndNode[n];
	to = __client_binding_put(to, 0, 4);	/* The session being served */
	to = __client_binding_put(to, offer->grantee.login, 4);
	to = __client_binding_put(to, offer->uses, 4);
	to = __client_binding_put(to, offer->depth, 4);
	to = __client_binding_put(to, offer->count, 4);
	to = __client_binding_put(to, offer->flags, 4);
	for (n = 0; n < offer->count; n++)
		to = __client_binding_put(to, offer->commands[n], 4);

	params[0].memref.buffer = request;
	params[0].memref.size = sizeof(request);
	res = __client_binding_lend(0,
				    TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT,
						    TEE_PARAM_TYPE_VALUE_OUTPUT,
						    TEE_PARAM_TYPE_NONE,
						    TEE_PARAM_TYPE_NONE),
				    params);
	if (res)
		return res;
	*number = (uint64_t)params[1].value.b << 32 | params[1].value.a;

	return TEE_SUCCESS;
}

/*
 * client_binding_revoke() - take a grant back, and all passed on from it
 * @number:  the grant's number; it must be of the session being served
 * @running: set if a command of those is in the TA; may be NULL
 *
 * Returns TEE_ERROR_ACCESS_DENIED if there is no such grant of that session.
 */
static inline TEE_Result client_binding_revoke(uint64_t number, bool *running)
{
	TEE_Param params[TEE_NUM_PARAMS] = { };
	TEE_Result res = TEE_SUCCESS;

	params[0].value.a = number;
	params[0].value.b = number >> 32;
	res = __client_binding_lend(1,
				    TEE_PARAM_TYPES(TEE_PARAM_TYPE_VALUE_INPUT,
						    TEE_PARAM_TYPE_VALUE_INOUT,
						    TEE_PARAM_TYPE_NONE,
						    TEE_PARAM_TYPE_NONE),
				    params);
	if (!res && running)
		*running = params[1].value.a;

	return res;
}

/*
 * client_binding_call() - call an object of the client
 * @param:     which parameter of the command that is being served it is, from 0
 * @operation: what it's to do
 * @octets:    what it's told, up to 4096 octets; @size how many
 * @room:      where its answer goes, or NULL
 * @answered:  size of @room, up to 4096, and then that of the answer; NULL if
 *             there's no room
 * @millis:    for how many milliseconds the TA waits: 1 to 600000
 * @result:    what the client says of it
 *
 * The session takes no other command meanwhile, and a request to cancel this one
 * reaches the TA when the answer does.
 *
 * Returns TEE_ERROR_ITEM_NOT_FOUND if that parameter is no object that can be
 * called, whatever number it has, TEE_ERROR_NOT_SUPPORTED if other clients would
 * wait: from a TA with one instance for all of them, or that serves a grantee;
 * TEE_ERROR_SHORT_BUFFER if the answer is larger
 * than @room, TEE_ERROR_TIMEOUT (0xffff3001), TEE_ERROR_COMMUNICATION or
 * TEE_ERROR_BUSY if nobody answers or too many are waited for.
 */
static inline TEE_Result client_binding_call(uint32_t param, uint32_t operation,
					     const void *octets, size_t size,
					     void *room, size_t *answered,
					     uint32_t millis, uint32_t *result)
{
	const TEE_UUID uuid = { 0x68f823af, 0xc488, 0x497f,
				{ 0xaf, 0xf5, 0x26, 0xb7, 0x0f, 0xf8, 0xad, 0x45 } };
	TEE_TASessionHandle session = TEE_HANDLE_NULL;
	TEE_Param params[TEE_NUM_PARAMS] = { };
	TEE_Result res = TEE_SUCCESS;

	res = TEE_OpenTASession(&uuid, TEE_TIMEOUT_INFINITE, 0, params,
				&session, NULL);
	if (res)
		return res;

	params[0].value.a = param;
	params[0].value.b = operation;
	params[1].memref.buffer = (void *)octets;
	params[1].memref.size = size;
	params[2].memref.buffer = room;
	params[2].memref.size = answered ? *answered : 0;
	params[3].value.a = millis;
	res = TEE_InvokeTACommand(session, TEE_TIMEOUT_INFINITE, 0,
				  TEE_PARAM_TYPES(TEE_PARAM_TYPE_VALUE_INPUT,
						  TEE_PARAM_TYPE_MEMREF_INPUT,
						  TEE_PARAM_TYPE_MEMREF_OUTPUT,
						  TEE_PARAM_TYPE_VALUE_INOUT),
				  params, NULL);
	TEE_CloseTASession(session);
	if (answered && (!res || res == TEE_ERROR_SHORT_BUFFER))
		*answered = params[2].memref.size;
	if (!res)
		*result = params[3].value.a;

	return res;
}

/*
 * client_binding_disown() - let the TA's instance go to its next owner
 *
 * Whoever opens a session when the instance's last one is closed owns it then.
 * The TA must have wiped what is the owner's.
 */
static inline TEE_Result client_binding_disown(void)
{
	TEE_Param params[TEE_NUM_PARAMS] = { };

	return __client_binding_lend(5, 0, params);
}

#endif /*CLIENT_BINDING_H*/
