// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * What was refused is counted here and told to the log.
 */

#include <assert.h>
#include <config.h>
#include <kernel/client_binding.h>
#include <kernel/client_binding_audit.h>
#include <kernel/spinlock.h>
#include <kernel/tee_time.h>
#include <optee_msg.h>
#include <trace.h>
#include <util.h>

struct client_binding_denials {
	uint64_t record[CLIENT_BINDING_DENIALS_SIZE / sizeof(uint64_t)];
};

static_assert(sizeof(struct client_binding_denials) ==
	      CLIENT_BINDING_DENIALS_SIZE);

/* Zeroed memory says that nothing was refused. What is below needs the lock */
static unsigned int audit_lock = SPINLOCK_UNLOCK;
static struct client_binding_log audit_log;
static struct client_binding_denials audit_denials;

struct client_binding_denials *
client_binding_lock_denials(uint32_t *exceptions)
{
	*exceptions = cpu_spin_lock_xsave(&audit_lock);

	return &audit_denials;
}

void client_binding_unlock_denials(uint32_t exceptions)
{
	cpu_spin_unlock_xrestore(&audit_lock, exceptions);
}

/* Whether the refusal may be logged */
static bool count_refusal(const struct client_binding_event *event,
			  const TEE_Time *now, uint64_t *count,
			  uint32_t *unlogged)
{
	uint64_t time = (uint64_t)now->seconds * 1000 + now->millis;
	uint32_t exceptions = cpu_spin_lock_xsave(&audit_lock);
	bool may_log = false;

	may_log = client_binding_log_count(&audit_log, now->seconds, count,
					   unlogged);
	if (IS_ENABLED(CFG_CLIENT_BINDING_PTA))
		client_binding_denials_record(&audit_denials, event, time);

	cpu_spin_unlock_xrestore(&audit_lock, exceptions);

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
