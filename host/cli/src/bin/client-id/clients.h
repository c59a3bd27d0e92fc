/* SPDX-License-Identifier: BSD-2-Clause */
/* Made by client-id */
#ifndef CLIENT_BINDING_CLIENTS_H
#define CLIENT_BINDING_CLIENTS_H

#include <tee_internal_api.h>

/* The clients that may own this TA */
static const TEE_Identity client_binding_clients[] = {
@clients@
};

/*
 * For the beginning of TA_OpenSessionEntryPoint(): TEE_ERROR_ACCESS_DENIED
 * unless the client is one of them. Who is refused here has never owned the TA.
 */
static inline TEE_Result client_binding_require(void)
{
	TEE_Identity id = { };
	TEE_Result res = TEE_GetPropertyAsIdentity(TEE_PROPSET_CURRENT_CLIENT,
						   "gpd.client.identity", &id);
	size_t n = 0;

	if (res)
		return res;

	for (n = 0; n < sizeof(client_binding_clients) / sizeof(id); n++)
		if (id.login == client_binding_clients[n].login &&
		    !TEE_MemCompare(&id.uuid, &client_binding_clients[n].uuid,
				    sizeof(id.uuid)))
			return TEE_SUCCESS;

	return TEE_ERROR_ACCESS_DENIED;
}

#endif /*CLIENT_BINDING_CLIENTS_H*/
