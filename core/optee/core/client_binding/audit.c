// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * What was refused is counted here and told to the log.
 */

#include <assert.h>
#include <config.h>
#include <kernel/client_binding.h>
#include <kernel/tee_time.h>
#include <kernel/thread.h>
#include <optee_msg.h>
#include <tee/uuid.h>
#include <trace.h>
#include <util.h>

static_assert(sizeof(struct client_binding_refused) ==
	      CLIENT_BINDING_REFUSED_SIZE);

/* Whether the refusal may be logged */
static bool count_refusal(const struct client_binding_event *event,
			  const TEE_Time *now, uint64_t *count,
			  uint32_t *unlogged)
{
	struct client_binding_refused refused = {
		.time = (uint64_t)now->seconds * 1000 + now->millis,
		.operation = event->operation,
		.refusal = event->verdict,
		.claim = event->claim.login,
		.owner = event->number,
	};
	uint32_t exceptions = 0;
	bool may_log = false;

	if (!IS_ENABLED(CFG_CLIENT_BINDING_PTA))
		return client_binding_count_refusal(now->seconds, count,
						    unlogged);

	tee_uuid_to_octets((uint8_t *)refused.ta, &event->ta);
	/* Who holds the spinlock in there mustn't be put aside */
	exceptions = thread_mask_exceptions(THREAD_EXCP_FOREIGN_INTR);
	may_log = client_binding_record_refusal(&refused, count, unlogged);
	thread_unmask_exceptions(exceptions);

	return may_log;
}

void client_binding_report(const struct client_binding_event *event)
{
	static const char *const operation[] = {
		[OPTEE_MSG_CMD_OPEN_SESSION] = "open",
		[OPTEE_MSG_CMD_INVOKE_COMMAND] = "invoke",
		[OPTEE_MSG_CMD_CLOSE_SESSION] = "close",
		[OPTEE_MSG_CMD_CANCEL] = "cancel",
	};
	TEE_Time now = { };
	uint64_t count = 0;
	uint32_t unlogged = 0;

	if (!client_binding_is_refused(event))
		return;

	/* Should that fail, time stands still and the log stays quiet */
	tee_time_get_sys_time(&now);
	if (!count_refusal(event, &now, &count, &unlogged))
		return;

	assert(event->operation < ARRAY_SIZE(operation));
	EMSG("Refused %s of TA %pUl: %s, login %#"PRIx32", owner's %#"PRIx32
	     ", refusal %"PRIu64" since boot, %"PRIu32" unlogged before",
	     operation[event->operation], (void *)&event->ta,
	     client_binding_reason(event->verdict),
	     (uint32_t)event->claim.login, event->number, count, unlogged);
}
