// SPDX-License-Identifier: BSD-2-Clause
/*
 * An entropy source for TF-A on QEMU's virt machine, which has none in the secure world: FEAT_RNG of the CPU model. It lets
 * OP-TEE offer a random number generator to Linux, and thereby a kernel client exist. TF-A's own, should it get one, wins.
 */

#include <stdbool.h>
#include <stdint.h>

#include <arch_helpers.h>
#include <lib/smccc.h>
#include <plat/common/platform.h>
#include <services/trng_svc.h>
#include <smccc_helpers.h>

#pragma weak plat_get_entropy
#pragma weak plat_entropy_setup

/* Version 4, random */
DEFINE_SVC_UUID2(qemu_trng_uuid, 0x9be1b2f4, 0x1f4d, 0x4e0a, 0x92, 0x35,
		 0x5c, 0x21, 0x7d, 0x0e, 0x4b, 0x66);

uuid_t plat_trng_uuid;

void plat_entropy_setup(void)
{
	plat_trng_uuid = qemu_trng_uuid;
}

bool plat_get_entropy(uint64_t *out)
{
	*out = read_rndr();

	return true;
}
