// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * Who lends, lists and takes back calls this pseudo TA. Commands, parameters
 * and records are those of the library, here's only where they go.
 */

#include <config.h>
#include <kernel/client_binding.h>
#include <kernel/client_binding_delegation.h>
#include <kernel/client_binding_object.h>
#include <kernel/mutex.h>
#include <kernel/pseudo_ta.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/ts_manager.h>
#include <kernel/user_access.h>
#include <kernel/user_ta.h>
#include <stdlib.h>
#include <string.h>
#include <tee/entry_std.h>
#include <util.h>

#define PTA_UUID \
	{ 0x93674269, 0xd5fe, 0x448f, \
	  { 0xa2, 0xf4, 0x01, 0xfd, 0x31, 0x0c, 0x91, 0xab } }

/* Others may write to the memory: it's copied once */
static TEE_Result copy_in(void *to, TEE_Param *from)
{
	if (!from->memref.size)
		return TEE_SUCCESS;
	if (is_caller_ta_with_pan())
		return copy_from_user(to, from->memref.buffer,
				      from->memref.size);

	memcpy(to, from->memref.buffer, from->memref.size);

	return TEE_SUCCESS;
}

/* The session that is being served by the TA that calls, NULL if none calls */
static struct tee_ta_session *serving(void)
{
	struct ts_session *ts_sess = ts_get_calling_session();

	if (!ts_sess)
		return NULL;

	return to_ta_session(ts_sess);
}

static struct client_binding_session *client(void)
{
	return &to_ta_session(ts_get_current_session())->client;
}

/* Needs tee_ta_mutex, as all below */
static struct tee_ta_session *find(uint32_t id)
{
	struct tee_ta_session_head *open_sessions = NULL;

	nsec_sessions_list_head(&open_sessions);

	return tee_ta_find_session(id, open_sessions);
}

static bool can_be_lent(struct tee_ta_session *s)
{
	return s && !s->unlink && s->ts_sess.ctx &&
	       is_user_ta_ctx(s->ts_sess.ctx) &&
	       !to_ta_ctx(s->ts_sess.ctx)->panicked;
}

/* Of a TA that has panicked nothing is lent any more (G8) */
static void end_of_panicked(void)
{
	struct tee_ta_session *s = NULL;
	uint64_t token = 0;
	size_t n = 0;

	for (n = 0; n < client_binding_grants.count; n++) {
		token = client_binding_slot_target(&client_binding_grants, n);
		s = (struct tee_ta_session *)(uintptr_t)token;
		if (s && to_ta_ctx(s->ts_sess.ctx)->panicked)
			client_binding_end_lending(s);
	}
}

/*
 * @s: the session that is served, or NULL
 * @object: the session that is lent if the request has no number, or 0
 */
static TEE_Result
lend_nolock(struct tee_ta_session *s, uint32_t object,
	    const uint8_t (*request)[CLIENT_BINDING_REQUEST_SIZE],
	    uint64_t *number)
{
	struct tee_ta_session *p = to_ta_session(ts_get_current_session());
	struct client_binding_lent lent = { };
	uint64_t parent = 0;
	uint32_t id = client_binding_requested(request, &parent);

	/* It's either of them */
	if (object && (id || parent))
		return TEE_ERROR_BAD_PARAMETERS;

	end_of_panicked();
	if (parent)
		s = client_binding_target(parent);
	else if (!s)
		s = find(id ? id : object);

	if (can_be_lent(s)) {
		lent.target = client_binding_token(s);
		lent.id = s->id;
	} else {
		s = p;
	}
	lent.session = &s->client;
	lent.lending = client_binding_allowed(s);

	return client_binding_lend(&client_binding_grants, request, &p->client,
				   &lent, client_binding_clock(), number);
}

static TEE_Result lend(struct tee_ta_session *s, uint32_t object,
		       TEE_Param params[TEE_NUM_PARAMS])
{
	uint8_t request[CLIENT_BINDING_REQUEST_SIZE] = { };
	TEE_Result res = TEE_SUCCESS;
	uint64_t number = 0;

	if (params[0].memref.size != sizeof(request))
		return TEE_ERROR_BAD_PARAMETERS;
	res = copy_in(request, params);
	if (res)
		return res;

	mutex_lock(&tee_ta_mutex);
	res = lend_nolock(s, object, &request, &number);
	mutex_unlock(&tee_ta_mutex);

	reg_pair_from_64(number, &params[1].value.b, &params[1].value.a);

	return res;
}

static TEE_Result revoke(struct tee_ta_session *s,
			 TEE_Param params[TEE_NUM_PARAMS])
{
	uint64_t number = reg_pair_to_64(params[0].value.b, params[0].value.a);
	uint64_t token = client_binding_token(s);
	uint32_t cancels = params[1].value.a;
	TEE_Result res = TEE_SUCCESS;
	bool running = false;

	if (cancels > 1 || params[1].value.b)
		return TEE_ERROR_BAD_PARAMETERS;

	mutex_lock(&tee_ta_mutex);
	s = client_binding_target(number);
	res = client_binding_revoke(&client_binding_grants, number, client(),
				    token, &running);
	if (running && cancels)
		s->delegation.loans->grantee->cancel = true;
	mutex_unlock(&tee_ta_mutex);

	params[1].value.a = running;

	return res;
}

static TEE_Result list(TEE_Param params[TEE_NUM_PARAMS])
{
	struct client_binding_records records = {
		.buffer = params[0].memref.buffer,
		.room = params[0].memref.size,
	};
	struct tee_ta_session *s = NULL;
	uint64_t token = 0;
	size_t n = 0;

	mutex_lock(&tee_ta_mutex);
	end_of_panicked();
	for (n = 0; n < client_binding_grants.count; n++) {
		token = client_binding_slot_target(&client_binding_grants, n);
		s = (struct tee_ta_session *)(uintptr_t)token;
		if (!s)
			continue;
		client_binding_put_grant(&records, &client_binding_grants, n,
					 client(), &s->ts_sess.ctx->uuid,
					 client_binding_clock());
	}
	mutex_unlock(&tee_ta_mutex);

	params[0].memref.size = records.size;

	return client_binding_pta_result(&records);
}

static TEE_Result
allow_nolock(struct tee_ta_session *s,
	     const uint8_t (*octets)[CLIENT_BINDING_ALLOW_SIZE], size_t size)
{
	struct client_binding_loans *loans = s->delegation.loans;

	if (!loans) {
		loans = calloc(1, sizeof(*loans));
		if (!loans)
			return TEE_ERROR_OUT_OF_MEMORY;
		s->delegation.loans = loans;
		s->ref_count++;
	}

	return client_binding_allow(&loans->allowed, octets, size);
}

static TEE_Result allow(struct tee_ta_session *s,
			TEE_Param params[TEE_NUM_PARAMS])
{
	uint8_t octets[CLIENT_BINDING_ALLOW_SIZE] = { };
	size_t size = params[0].memref.size;
	TEE_Result res = TEE_SUCCESS;

	if (size > sizeof(octets))
		return TEE_ERROR_BAD_PARAMETERS;
	res = copy_in(octets, params);
	if (res)
		return res;

	mutex_lock(&tee_ta_mutex);
	res = allow_nolock(s, &octets, size);
	mutex_unlock(&tee_ta_mutex);

	return res;
}

static TEE_Result disown(struct tee_ta_session *s)
{
	struct tee_ta_ctx *ctx = to_ta_ctx(s->ts_sess.ctx);
	TEE_Result res = TEE_SUCCESS;

	mutex_lock(&tee_ta_mutex);
	res = client_binding_disown(&ctx->client_owner);
	mutex_unlock(&tee_ta_mutex);

	return res;
}

static TEE_Result limits(TEE_Param params[TEE_NUM_PARAMS])
{
	params[0].value.a = client_binding_grants.count;
	params[0].value.b = client_binding_grants.by_owner;
	params[1].value.a = client_binding_grants.to_grantee;
	params[1].value.b = 0;

	return TEE_SUCCESS;
}

static TEE_Result open_session(uint32_t types,
			       TEE_Param params[TEE_NUM_PARAMS] __unused,
			       void **ctx __unused)
{
	/* Who may do what depends on the session or grant that it's about */
	if (types)
		return TEE_ERROR_BAD_PARAMETERS;

	return TEE_SUCCESS;
}

/* Which parameters of a command are objects, if it takes any */
static uint16_t objects_of(uint32_t command)
{
	struct tee_ta_session *p = NULL;

	if (command != CLIENT_BINDING_LEND_OBJECT)
		return 0;

	p = to_ta_session(ts_get_current_session());
	if (!p->param)
		return 0;

	return client_binding_kinds(&p->param->objects);
}

static TEE_Result invoke_command(void *ctx __unused, uint32_t command,
				 uint32_t types,
				 TEE_Param params[TEE_NUM_PARAMS])
{
	struct tee_ta_session *s = serving();
	TEE_Result res = TEE_SUCCESS;

	/* No parameter is touched but those that the command takes */
	res = client_binding_lend_check(command, types, s, objects_of(command));
	if (res)
		return res;

	if (command == CLIENT_BINDING_LEND_OBJECT)
		return lend(s, params[2].value.a, params);

	switch (command) {
	case CLIENT_BINDING_LEND:
		return lend(s, 0, params);
	case CLIENT_BINDING_REVOKE:
		return revoke(s, params);
	case CLIENT_BINDING_LIST:
		return list(params);
	case CLIENT_BINDING_ALLOW:
		return allow(s, params);
	case CLIENT_BINDING_DISOWN:
		return disown(s);
	case CLIENT_BINDING_LIMITS:
		return limits(params);
	default:
		params[0].value.a = CLIENT_BINDING_LEND_ABI;
		params[0].value.b = 0;
		return TEE_SUCCESS;
	}
}

pseudo_ta_register(.uuid = PTA_UUID, .name = "client_binding.lend",
		   /* Or it would wait for single-instance TAs to return */
		   .flags = PTA_DEFAULT_FLAGS | TA_FLAG_CONCURRENT,
		   .open_session_entry_point = open_session,
		   .invoke_command_entry_point = invoke_command);
