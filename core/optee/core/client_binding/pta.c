// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * What the library tells the kernel and root. Commands, parameters and records
 * are those of the library, here's only where they go.
 */

#include <asan.h>
#include <initcall.h>
#include <kernel/client_binding.h>
#include <kernel/mutex.h>
#include <kernel/pseudo_ta.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/thread.h>
#include <kernel/ts_manager.h>
#include <kernel/user_ta.h>
#include <tee/uuid.h>
#include <util.h>

#define PTA_UUID \
	{ 0x55954ecb, 0x456c, 0x4c1c, \
	  { 0xb8, 0x42, 0x66, 0x15, 0x68, 0x32, 0xf6, 0xad } }

#ifdef CFG_CORE_SANITIZE_KADDRESS
/* KASAN doesn't know the library's own memory, which memcpy() is called for */
static TEE_Result tag_memory(void)
{
	size_t size = 0;
	const uint8_t *memory = client_binding_pta_memory(&size);

	asan_tag_access(memory, memory + size);

	return TEE_SUCCESS;
}
service_init(tag_memory);
#endif

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

/* @last is a parameter of one command only, NULL for the others */
static TEE_Result put_records(uint32_t command, TEE_Param *buffer,
			      TEE_Param *last)
{
	struct client_binding_records records = {
		.buffer = buffer->memref.buffer,
		.room = buffer->memref.size,
	};
	uint32_t exceptions = 0;
	uint64_t number = 0;

	if (last)
		number = reg_pair_to_64(last->value.b, last->value.a);

	if (command == CLIENT_BINDING_PTA_INSTANCES) {
		put_instances(&records);
	} else {
		/* Who holds the spinlock in there mustn't be put aside */
		exceptions = thread_mask_exceptions(THREAD_EXCP_FOREIGN_INTR);
		client_binding_pta_answer(command, &records, &number);
		thread_unmask_exceptions(exceptions);
	}

	buffer->memref.size = records.size;
	if (last)
		reg_pair_from_64(number, &last->value.b, &last->value.a);

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
