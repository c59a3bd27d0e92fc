// SPDX-License-Identifier: BSD-2-Clause
/*
 * A vault for one named secret that dies with its last session. It answers only
 * to its client because of TA_FLAG_CLIENT_BOUND in the header; a build with a
 * list of clients says who that may be. Its client can let others read: the
 * badge of a grant is the number of the one secret that may be read by it.
 */
#include <client_binding.h>
#include <tee_internal_api.h>
#include <tee_internal_api_extensions.h>

#include "vault_c_ta.h"

#if defined(VAULT_C_CLIENTS) && !defined(TA_UNBOUND)
#include VAULT_C_CLIENTS
#else
/* Whoever comes first */
static TEE_Result client_binding_require(void)
{
	return TEE_SUCCESS;
}
#endif

#define TYPES(p0, p1, p2) \
	TEE_PARAM_TYPES(TEE_PARAM_TYPE_##p0, TEE_PARAM_TYPE_##p1, \
			TEE_PARAM_TYPE_##p2, TEE_PARAM_TYPE_NONE)

static struct {
	uint32_t sessions;
	uint64_t number;	/* of the secret, which no other one ever has */
	size_t name_len;	/* 0: no secret */
	size_t secret_len;
	uint8_t name[VAULT_C_NAME_MAX];
	uint8_t secret[VAULT_C_SECRET_MAX];
} vault;

static bool is_held(const TEE_Param *name)
{
	return vault.name_len && vault.name_len == name->memref.size &&
	       !TEE_MemCompare(vault.name, name->memref.buffer,
			       vault.name_len);
}

static void wipe(void)
{
	TEE_MemFill(vault.secret, 0, sizeof(vault.secret));
	vault.secret_len = 0;
	vault.name_len = 0;
}

static TEE_Result put(TEE_Param params[TEE_NUM_PARAMS])
{
	/* The client can change its memory at any time: one copy, then use it */
	uint8_t name[VAULT_C_NAME_MAX] = { };
	TEE_Param copy = { .memref = { .buffer = name } };

	if (!params[0].memref.size || params[0].memref.size > sizeof(name))
		return TEE_ERROR_BAD_FORMAT;
	if (!params[1].memref.size)
		return TEE_ERROR_NO_DATA;
	if (params[1].memref.size > sizeof(vault.secret))
		return TEE_ERROR_EXCESS_DATA;

	copy.memref.size = params[0].memref.size;
	TEE_MemMove(name, params[0].memref.buffer, copy.memref.size);
	if (vault.name_len && !is_held(&copy))
		return TEE_ERROR_STORAGE_NO_SPACE;

	if (!vault.name_len)
		vault.number++;
	wipe();
	TEE_MemMove(vault.secret, params[1].memref.buffer,
		    params[1].memref.size);
	vault.secret_len = params[1].memref.size;
	TEE_MemMove(vault.name, name, copy.memref.size);
	vault.name_len = copy.memref.size;
	return TEE_SUCCESS;
}

static TEE_Result get(TEE_Param params[TEE_NUM_PARAMS])
{
	size_t room = params[1].memref.size;
	struct client_binding_invoker who = { };
	TEE_Result res = client_binding_invoker(&who);

	/* A core without delegation says that: then it's the client */
	if (res && res != TEE_ERROR_ITEM_NOT_FOUND)
		return res;

	if (who.grant) {
		/* A grantee learns nothing of names, and needs none */
		if (!vault.name_len || who.badge != vault.number ||
		    (params[0].memref.size && !is_held(params)))
			return TEE_ERROR_ACCESS_DENIED;
	} else if (!is_held(params)) {
		return TEE_ERROR_ITEM_NOT_FOUND;
	}
	params[1].memref.size = vault.secret_len;
	if (room < vault.secret_len)
		return TEE_ERROR_SHORT_BUFFER;
	TEE_MemMove(params[1].memref.buffer, vault.secret, vault.secret_len);
	return TEE_SUCCESS;
}

static TEE_Result number(TEE_Param params[TEE_NUM_PARAMS])
{
	if (!is_held(params))
		return TEE_ERROR_ITEM_NOT_FOUND;
	params[1].value.a = vault.number;
	params[1].value.b = vault.number >> 32;
	return TEE_SUCCESS;
}

static uint32_t be32(const uint8_t *octets)
{
	return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 |
	       (uint32_t)octets[2] << 8 | octets[3];
}

static TEE_Result whoami(TEE_Param params[TEE_NUM_PARAMS])
{
	TEE_Identity id = { };
	TEE_Result res = TEE_GetPropertyAsIdentity(TEE_PROPSET_CURRENT_CLIENT,
						   "gpd.client.identity", &id);

	if (res)
		return res;
	params[0].value.a = id.login;
	params[0].value.b = 0;
	params[1].value.a = id.uuid.timeLow;
	params[1].value.b = (uint32_t)id.uuid.timeMid << 16 |
			    id.uuid.timeHiAndVersion;
	params[2].value.a = be32(id.uuid.clockSeqAndNode);
	params[2].value.b = be32(id.uuid.clockSeqAndNode + 4);
	return TEE_SUCCESS;
}

/* The secret is lent to a user, whose UUID comes as whoami() tells one */
static TEE_Result mint(TEE_Param params[TEE_NUM_PARAMS])
{
	const uint32_t lent = VAULT_C_GET;
	struct client_binding_offer offer = {
		.grantee = {
			.login = TEE_LOGIN_USER,
			.uuid = {
				.timeLow = params[0].value.a,
				.timeMid = params[0].value.b >> 16,
				.timeHiAndVersion = params[0].value.b,
			},
		},
		.commands = &lent,
		.count = 1,
		.uses = CLIENT_BINDING_UNLIMITED,
		.lifetime = CLIENT_BINDING_FOREVER,
		.badge = vault.number,
	};
	TEE_Result res = TEE_SUCCESS;
	uint64_t grant = 0;
	size_t n = 0;

	for (n = 0; n < 4; n++) {
		uint8_t *node = offer.grantee.uuid.clockSeqAndNode;

		node[n] = params[1].value.a >> (24 - 8 * n);
		node[n + 4] = params[1].value.b >> (24 - 8 * n);
	}

	res = client_binding_mint(&offer, &grant);
	if (res)
		return res;
	params[2].value.a = grant;
	params[2].value.b = grant >> 32;
	return TEE_SUCCESS;
}

static TEE_Result revoke(TEE_Param params[TEE_NUM_PARAMS])
{
	uint64_t grant = (uint64_t)params[0].value.b << 32 | params[0].value.a;
	bool running = false;
	TEE_Result res = client_binding_revoke(grant, &running);

	params[1].value.a = running;
	params[1].value.b = 0;
	return res;
}

/* In slices: one long TEE_Wait() notices a cancellation only at its end */
static TEE_Result wait(uint32_t millis)
{
	TEE_UnmaskCancellation();
	while (millis) {
		uint32_t slice = millis < 50 ? millis : 50;
		TEE_Result res = TEE_SUCCESS;

		if (TEE_GetCancellationFlag())
			return TEE_ERROR_CANCEL;
		res = TEE_Wait(slice);
		if (res)
			return res;
		millis -= slice;
	}
	return TEE_SUCCESS;
}

TEE_Result TA_CreateEntryPoint(void)
{
	return TEE_SUCCESS;
}

void TA_DestroyEntryPoint(void)
{
	wipe();
}

TEE_Result TA_OpenSessionEntryPoint(uint32_t types __unused,
				    TEE_Param params[TEE_NUM_PARAMS] __unused,
				    void **session __unused)
{
	const uint32_t lent = VAULT_C_GET;
	TEE_Result res = client_binding_require();

	if (res)
		return res;

	res = client_binding_delegable(&lent, 1);
	if (res && res != TEE_ERROR_ITEM_NOT_FOUND)
		return res;

	vault.sessions++;
	return TEE_SUCCESS;
}

void TA_CloseSessionEntryPoint(void *session __unused)
{
	vault.sessions--;
}

TEE_Result TA_InvokeCommandEntryPoint(void *session __unused, uint32_t command,
				      uint32_t types,
				      TEE_Param params[TEE_NUM_PARAMS])
{
	switch (command) {
	case VAULT_C_PUT:
		if (types != TYPES(MEMREF_INPUT, MEMREF_INPUT, NONE))
			return TEE_ERROR_BAD_PARAMETERS;
		return put(params);
	case VAULT_C_GET:
		if (types != TYPES(MEMREF_INPUT, MEMREF_OUTPUT, NONE))
			return TEE_ERROR_BAD_PARAMETERS;
		return get(params);
	case VAULT_NUMBER:
		if (types != TYPES(MEMREF_INPUT, VALUE_OUTPUT, NONE))
			return TEE_ERROR_BAD_PARAMETERS;
		return number(params);
	case VAULT_C_STATUS:
		if (types != TYPES(VALUE_OUTPUT, NONE, NONE))
			return TEE_ERROR_BAD_PARAMETERS;
		params[0].value.a = vault.sessions;
		params[0].value.b = vault.name_len ? 1 : 0;
		return TEE_SUCCESS;
	case VAULT_C_WHOAMI:
		if (types != TYPES(VALUE_OUTPUT, VALUE_OUTPUT, VALUE_OUTPUT))
			return TEE_ERROR_BAD_PARAMETERS;
		return whoami(params);
	case VAULT_C_WAIT:
		if (types != TYPES(VALUE_INPUT, NONE, NONE))
			return TEE_ERROR_BAD_PARAMETERS;
		return wait(params[0].value.a);
	case VAULT_C_MINT:
		if (types != TYPES(VALUE_INPUT, VALUE_INPUT, VALUE_OUTPUT))
			return TEE_ERROR_BAD_PARAMETERS;
		return mint(params);
	case VAULT_C_REVOKE:
		if (types != TYPES(VALUE_INPUT, VALUE_OUTPUT, NONE))
			return TEE_ERROR_BAD_PARAMETERS;
		return revoke(params);
	default:
		return TEE_ERROR_NOT_SUPPORTED;
	}
}
