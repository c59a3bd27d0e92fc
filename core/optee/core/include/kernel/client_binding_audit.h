/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 */

#ifndef __KERNEL_CLIENT_BINDING_AUDIT_H
#define __KERNEL_CLIENT_BINDING_AUDIT_H

#include <kernel/client_binding.h>
#include <stdint.h>

/*
 * The last refusals, with CFG_CLIENT_BINDING_PTA=y. Locks them, with all
 * exceptions masked, until client_binding_unlock_denials().
 */
struct client_binding_denials *
client_binding_lock_denials(uint32_t *exceptions);

void client_binding_unlock_denials(uint32_t exceptions);

#endif /*__KERNEL_CLIENT_BINDING_AUDIT_H*/
