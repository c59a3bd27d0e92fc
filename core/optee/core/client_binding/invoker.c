// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * What a TA can ask about who invokes.
 */

#include <compiler.h>
#include <kernel/client_binding_delegation.h>
#include <kernel/mutex.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/user_access.h>
#include <tee/tee_svc.h>
#include <user_ta_header.h>
#include <util.h>

#define PROPERTY(_name, _type)						\
	{								\
		.name = "org.trustedfirmware.optee.client_binding." #_name, \
		.prop_type = USER_TA_PROP_TYPE_ ## _type,		\
		.get_prop_func = get_ ## _name				\
	}

static TEE_Result answer(void *buf, size_t *blen, const void *value,
			 size_t size)
{
	size_t room = *blen;

	*blen = size;
	if (room < size)
		return TEE_ERROR_SHORT_BUFFER;

	return copy_to_user(buf, value, size);
}

/* The number of the grant that is being used, or 0 */
static uint64_t used_grant(struct ts_session *sess)
{
	struct tee_ta_session *s = to_ta_session(sess);
	struct tee_ta_session *d = client_binding_invoker(s);

	if (d == s)
		return 0;

	return client_binding_number(d);
}

static TEE_Result get_invoker(struct ts_session *sess, void *buf, size_t *blen)
{
	struct tee_ta_session *s = client_binding_invoker(to_ta_session(sess));

	return answer(buf, blen, &s->clnt_id, sizeof(s->clnt_id));
}

static TEE_Result get_badge(struct ts_session *sess, void *buf, size_t *blen)
{
	uint64_t badge = 0;

	mutex_lock(&tee_ta_mutex);
	badge = client_binding_grant_badge(&client_binding_grants,
					   used_grant(sess));
	mutex_unlock(&tee_ta_mutex);

	return answer(buf, blen, &badge, sizeof(badge));
}

static TEE_Result get_grant(struct ts_session *sess, void *buf, size_t *blen)
{
	uint64_t number = used_grant(sess);

	return answer(buf, blen, &number, sizeof(number));
}

/* No U64: TEE_GetPropertyAsString(), which reads all of them, panics of it */
static const struct tee_props
properties[] __relrodata_unpaged("client_binding_properties") = {
	PROPERTY(invoker, IDENTITY),
	PROPERTY(badge, BINARY_BLOCK),
	PROPERTY(grant, BINARY_BLOCK),
};

/* A platform that has properties of its own there must merge the two */
const struct tee_vendor_props
vendor_props_client __relrodata_unpaged("vendor_props_client") = {
	.props = properties,
	.len = ARRAY_SIZE(properties),
};
