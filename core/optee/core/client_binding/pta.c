// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * What the library tells the kernel and root. Commands, parameters and records
 * are those of the library, here's only where they go.
 */

#include <config.h>
#include <kernel/client_binding.h>
#include <kernel/client_binding_audit.h>
#include <kernel/mutex.h>
#include <kernel/pseudo_ta.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/ts_manager.h>
#include <kernel/user_ta.h>
#include <tee/uuid.h>
#include <util.h>

#define PTA_UUID \
	{ 0x55954ecb, 0x456c, 0x4c1c, \
	  { 0xb8, 0x42, 0x66, 0x15, 0x68, 0x32, 0xf6, 0xad } }

static void put_instances(struct client_binding_records *records)
{
	struct tee_ta_ctx *ctx = NULL;

	mutex_lock(&tee_ta_mutex);
	TAILQ_FOREACH(ctx, &tee_ctxes, link) {
		struct client_binding_context context = {
			.binding = client_binding_of(ctx),
			.ta_flags = ctx->flags,
			.sessions = ctx->ref_count,
		};

		tee_uuid_to_octets((uint8_t *)context.ta, &ctx->ts_ctx.uuid);
		if (is_user_ta_ctx(&ctx->ts_ctx))
			context.state |= CLIENT_BINDING_PTA_USER_TA;
		if (ctx->panicked)
			context.state |= CLIENT_BINDING_PTA_PANICKED;
		if (ctx->is_initializing)
			context.state |= CLIENT_BINDING_PTA_LOADING;

		if (IS_ENABLED(CFG_CLIENT_BINDING_DEBUG))
			client_binding_assert_locked();
		client_binding_pta_put_instance(records, &context,
						&ctx->client_owner);
	}
	mutex_unlock(&tee_ta_mutex);
}

static TEE_Result open_session(uint32_t types,
			       TEE_Param params[TEE_NUM_PARAMS] __unused,
			       void **ctx __unused)
{
	struct tee_ta_session *s = to_ta_session(ts_get_current_session());
	TEE_Result res = TEE_SUCCESS;

	mutex_lock(&tee_ta_mutex);
	res = client_binding_pta_open(&s->client, types);
	mutex_unlock(&tee_ta_mutex);

	return res;
}

/* One at a time, so that nobody is kept waiting for the lock for long */
static void put_denials(struct client_binding_records *records,
			uint64_t *number)
{
	struct client_binding_reader reader = { .known = *number };
	struct client_binding_denials *denials = NULL;
	uint32_t exceptions = 0;
	bool more = true;
	size_t n = 0;

	/* More than are kept there can be if others come meanwhile */
	for (n = 0; more && n < CLIENT_BINDING_PTA_KEPT; n++) {
		denials = client_binding_lock_denials(&exceptions);
		more = client_binding_pta_put_denial(records, denials, &reader);
		client_binding_unlock_denials(exceptions);
	}

	*number = reader.lost;
}

static void put_counters(struct client_binding_records *records)
{
	struct client_binding_denials *denials = NULL;
	uint32_t exceptions = 0;

	denials = client_binding_lock_denials(&exceptions);
	client_binding_pta_put_counters(records, denials);
	client_binding_unlock_denials(exceptions);
}

/* @last is a parameter of one command only, NULL for the others */
static TEE_Result put_records(uint32_t command, TEE_Param *buffer,
			      TEE_Param *last)
{
	struct client_binding_records records = {
		.buffer = buffer->memref.buffer,
		.room = buffer->memref.size,
	};
	uint64_t number = 0;

	switch (command) {
	case CLIENT_BINDING_PTA_INSTANCES:
		put_instances(&records);
		break;
	case CLIENT_BINDING_PTA_DENIALS:
		number = reg_pair_to_64(last->value.b, last->value.a);
		put_denials(&records, &number);
		reg_pair_from_64(number, &last->value.b, &last->value.a);
		break;
	default:
		put_counters(&records);
		break;
	}

	buffer->memref.size = records.size;

	return client_binding_pta_result(&records);
}

static TEE_Result invoke_command(void *ctx __unused, uint32_t command,
				 uint32_t types,
				 TEE_Param params[TEE_NUM_PARAMS])
{
	/* No parameter is touched but those that the command takes */
	TEE_Result res = client_binding_pta_check(command, types);

	if (res)
		return res;

	switch (command) {
	case CLIENT_BINDING_PTA_VERSION:
		params[0].value.a = CLIENT_BINDING_PTA_ABI;
		params[0].value.b = 0;
		return TEE_SUCCESS;
	case CLIENT_BINDING_PTA_DENIALS:
		return put_records(command, params, params + 1);
	default:
		return put_records(command, params, NULL);
	}
}

pseudo_ta_register(.uuid = PTA_UUID, .name = "client_binding.pta",
		   /* Or it would wait for single-instance TAs to return */
		   .flags = PTA_DEFAULT_FLAGS | TA_FLAG_CONCURRENT,
		   .open_session_entry_point = open_session,
		   .invoke_command_entry_point = invoke_command);
