/* SPDX-License-Identifier: BSD-2-Clause */
/* The same numbers stand in ta/proto/src/vault.rs and vault_c.rs */
#ifndef VAULT_C_TA_H
#define VAULT_C_TA_H

#ifdef VAULT_C_CLIENTS
#define VAULT_C_UUID \
	{ 0x56695acc, 0x42a3, 0x4414, \
	  { 0x9f, 0x4d, 0xd1, 0xfd, 0x39, 0x7e, 0xef, 0x6f } }
#else
#define VAULT_C_UUID \
	{ 0xc8b63858, 0xf173, 0x4618, \
	  { 0xbf, 0xb8, 0xb0, 0xe5, 0x84, 0x15, 0xf1, 0x3d } }
#endif

#define VAULT_C_NAME_MAX	32
#define VAULT_C_SECRET_MAX	1024

#define VAULT_C_PUT		0	/* name, secret */
#define VAULT_C_GET		1	/* name, room for the secret; can be lent */
#define VAULT_C_STATUS		4	/* out: sessions, secrets */
#define VAULT_C_WHOAMI		5	/* out: login, client UUID */
#define VAULT_NUMBER		6	/* name, out: the secret's number */
#define VAULT_C_WAIT		0x7000	/* for tests: milliseconds */
#define VAULT_C_MINT		0x7001	/* for tests: user's UUID, out: grant */
#define VAULT_C_REVOKE		0x7002	/* for tests: grant, out: is it running */

#endif /*VAULT_C_TA_H*/
