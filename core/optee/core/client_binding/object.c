// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * By this pseudo TA a TA calls an object of the client whose command it is
 * serving. Commands, parameters and what is let through are the library's.
 */

#include <compiler.h>
#include <kernel/client_binding.h>
#include <kernel/client_binding_delegation.h>
#include <kernel/client_binding_object.h>
#include <kernel/mutex.h>
#include <kernel/pseudo_ta.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/thread.h>
#include <kernel/ts_manager.h>
#include <kernel/user_access.h>
#include <kernel/user_ta.h>
#include <optee_rpc_cmd.h>
#include <user_ta_header.h>
#include <util.h>

#define PTA_UUID \
	{ 0x68f823af, 0xc488, 0x497f, \
	  { 0xaf, 0xf5, 0x26, 0xb7, 0x0f, 0xf8, 0xad, 0x45 } }

/* The session that is being served by the user TA that calls, or NULL */
static struct tee_ta_session *serving(void)
{
	struct ts_session *ts_sess = ts_get_calling_session();

	if (!ts_sess || !is_user_ta_ctx(ts_sess->ctx))
		return NULL;

	return to_ta_session(ts_sess);
}

/*
 * Whether other clients wait for the thread that is in the TA: for the only
 * one, the instance, all single instances, or the session that it was lent
 */
static bool blocks_others(struct tee_ta_session *s)
{
	return CFG_NUM_THREADS < 2 ||
	       to_ta_ctx(s->ts_sess.ctx)->flags & TA_FLAG_SINGLE_INSTANCE ||
	       client_binding_invoker(s) != s;
}

/* Nobody waits for a session of which the TA asks its client */
static void set_asking(struct tee_ta_session *s, bool asks)
{
	mutex_lock(&tee_ta_mutex);
	s->asking.asks = asks;
	if (asks)
		condvar_broadcast(&s->lock_cv);
	mutex_unlock(&tee_ta_mutex);
}

static TEE_Result ask_client(struct tee_ta_session *s,
			     const struct client_binding_call *call,
			     TEE_Param params[TEE_NUM_PARAMS],
			     struct mobj *mobj, void *buf, size_t room)
{
	struct thread_param rpc[] = {
		THREAD_PARAM_VALUE(IN, call->param, params[0].value.b,
				   call->millis),
		THREAD_PARAM_MEMREF(INOUT, mobj, 0, room),
		THREAD_PARAM_VALUE(INOUT, call->size, call->room, 0),
	};
	TEE_Result res = TEE_SUCCESS;
	uint64_t size = 0;

	if (call->size)
		res = copy_from_user(buf, params[1].memref.buffer, call->size);
	if (res)
		return res;

	set_asking(s, true);
	res = thread_rpc_cmd(OPTEE_RPC_CMD_CLIENT_OBJECT, ARRAY_SIZE(rpc), rpc);
	set_asking(s, false);

	size = rpc[2].u.value.a;
	res = client_binding_call_answer(call, res, &size);
	params[2].memref.size = size;
	if (res)
		return res;
	params[3].value.a = rpc[2].u.value.b;
	if (size)
		res = copy_to_user(params[2].memref.buffer, buf, size);

	return res;
}

static TEE_Result call(TEE_Param params[TEE_NUM_PARAMS])
{
	struct tee_ta_session *s = serving();
	struct client_binding_call call = {
		.size = params[1].memref.size,
		.room = params[2].memref.size,
		.param = params[0].value.a,
		.millis = params[3].value.a,
		.objects = s->param ? client_binding_kinds(&s->param->objects) :
				      0,
		.blocks_others = blocks_others(s),
	};
	TEE_Result res = client_binding_call_check(&call);
	/* There's no memory without octets */
	size_t room = MAX(MAX(call.size, call.room), 1U);
	struct mobj *mobj = NULL;
	void *buf = NULL;

	if (res)
		return res;

	buf = thread_rpc_shm_cache_alloc(THREAD_SHM_CACHE_USER_CLIENT_OBJECT,
					 THREAD_SHM_TYPE_KERNEL_PRIVATE, room,
					 &mobj);
	if (!buf)
		return TEE_ERROR_OUT_OF_MEMORY;

	return ask_client(s, &call, params, mobj, buf, room);
}

static TEE_Result open_session(uint32_t types,
			       TEE_Param params[TEE_NUM_PARAMS] __unused,
			       void **ctx __unused)
{
	if (types)
		return TEE_ERROR_BAD_PARAMETERS;

	return TEE_SUCCESS;
}

static TEE_Result invoke_command(void *ctx __unused, uint32_t command,
				 uint32_t types,
				 TEE_Param params[TEE_NUM_PARAMS])
{
	/* No parameter is touched but those that the command takes */
	TEE_Result res = client_binding_object_check(command, types, serving());

	if (res)
		return res;

	if (command == CLIENT_BINDING_OBJECT_CALL)
		return call(params);

	params[0].value.a = CLIENT_BINDING_OBJECT_ABI;
	params[0].value.b = 0;

	return TEE_SUCCESS;
}

pseudo_ta_register(.uuid = PTA_UUID, .name = "client_binding.object",
		   /* Or it would wait for single-instance TAs to return */
		   .flags = PTA_DEFAULT_FLAGS | TA_FLAG_CONCURRENT,
		   .open_session_entry_point = open_session,
		   .invoke_command_entry_point = invoke_command);
