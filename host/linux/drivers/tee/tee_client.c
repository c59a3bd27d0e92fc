// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who a client is: determined when it logs in, compared with who calls later on
 */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/tee_core.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <linux/uuid.h>
#include "tee_private.h"

#define NAME_SIZE	256

static bool names_user(u32 login)
{
	return login == TEE_IOCTL_LOGIN_USER ||
	       login == TEE_IOCTL_LOGIN_USER_APPLICATION;
}

static bool names_group(u32 login)
{
	return login == TEE_IOCTL_LOGIN_GROUP ||
	       login == TEE_IOCTL_LOGIN_GROUP_APPLICATION;
}

/*
 * What a client UUID is made of: "uid=" and the effective user of the calling
 * task, or "gid=" and the group of the claim, or what the login method says of
 * the task, or one of the former, a colon, and the latter. IDs are those of the
 * initial user namespace, as hexadecimal numbers.
 */
static int make_name(char name[NAME_SIZE], const struct tee_claim *claim,
		     const struct tee_client *client,
		     const struct tee_login_ops *ops)
{
	char *task = NULL;
	int len = 0;

	if (ops) {
		task = ops->name(client);
		if (IS_ERR(task))
			return PTR_ERR(task);
	}

	if (names_user(claim->login))
		len = snprintf(name, NAME_SIZE, "uid=%x", current_euid().val);
	else if (names_group(claim->login))
		len = snprintf(name, NAME_SIZE, "gid=%x", claim->gid.val);

	if (task) {
		len += snprintf(name + len, NAME_SIZE - len, "%s%s",
				len ? ":" : "", task);
		kfree(task);
	}

	return len < NAME_SIZE ? len : -E2BIG;
}

/* Makes the UUID of the calling task, or of @client if that's known to be it */
static int calc_uuid(struct tee_claim *claim, const struct tee_client *client)
{
	const struct tee_login_ops *ops = NULL;
	char name[NAME_SIZE];
	int len;

	switch (claim->login) {
	case TEE_IOCTL_LOGIN_PUBLIC:
	case TEE_IOCTL_LOGIN_REE_KERNEL:
		/* Nil UUID to be passed to TEE environment */
		uuid_copy(&claim->uuid, &uuid_null);
		return 0;

	case TEE_IOCTL_LOGIN_USER:
	case TEE_IOCTL_LOGIN_GROUP:
		break;

	default:
		ops = tee_login_ops(claim->login);
		if (!ops)
			return -EINVAL;
		break;
	}

	if (names_group(claim->login) &&
	    (!gid_valid(claim->gid) || !in_egroup_p(claim->gid)))
		return -EPERM;

	len = make_name(name, claim, client, ops);
	if (len < 0)
		return len;

	return tee_client_calc_uuid(&claim->uuid, name, len);
}

int tee_client_init(struct tee_client *client, u32 login,
		    const u8 connection_data[TEE_IOCTL_UUID_LEN])
{
	const struct tee_login_ops *ops = tee_login_ops(login);
	gid_t gid;
	int rc;

	*client = (struct tee_client){ .claim.login = login };

	if (names_user(login)) {
		client->claim.uid = current_euid();
	} else if (names_group(login)) {
		memcpy(&gid, connection_data, sizeof(gid));
		client->claim.gid = make_kgid(current_user_ns(), gid);
	}

	if (ops) {
		rc = ops->init(client);
		if (rc)
			return rc;
	}

	rc = calc_uuid(&client->claim, client);
	if (rc)
		tee_client_put(client);

	return rc;
}
EXPORT_SYMBOL_GPL(tee_client_init);

void tee_client_put(struct tee_client *client)
{
	const struct tee_login_ops *ops = tee_login_ops(client->claim.login);

	if (ops)
		ops->put(client);
}
EXPORT_SYMBOL_GPL(tee_client_put);

bool tee_claim_has_credentials(const struct tee_claim *claim)
{
	if (names_user(claim->login))
		return uid_eq(claim->uid, current_euid());
	if (names_group(claim->login))
		return in_egroup_p(claim->gid);

	return true;
}
EXPORT_SYMBOL_GPL(tee_claim_has_credentials);

bool __tee_client_is_current(const struct tee_client *client)
{
	const struct tee_login_ops *ops = tee_login_ops(client->claim.login);

	if (!tee_claim_has_credentials(&client->claim))
		return false;
	if (ops)
		return ops->is_current && ops->is_current(client);

	/* Public and kernel clients are told apart by nothing, no others are */
	return client->claim.login == TEE_IOCTL_LOGIN_GROUP ||
	       client->claim.login == TEE_IOCTL_LOGIN_PUBLIC ||
	       client->claim.login == TEE_IOCTL_LOGIN_REE_KERNEL;
}
EXPORT_SYMBOL_GPL(__tee_client_is_current);

int tee_claim_of_current(struct tee_claim *claim)
{
	int rc;

	rc = calc_uuid(claim, NULL);
	if (rc && rc != -ENOMEM && rc != -EINTR) {
		uuid_copy(&claim->uuid, &uuid_null);
		rc = 0;
	}

	return rc;
}
EXPORT_SYMBOL_GPL(tee_claim_of_current);
