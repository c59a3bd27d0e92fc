// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contexts that are limited to sessions with one trusted application
 */

#include <linux/errno.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tee_core.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include "tee_private.h"

/* By these names of GP's a client library tells why a session isn't opened */
#define TEEC_ERROR_ACCESS_DENIED	0xFFFF0001
#define TEEC_ORIGIN_COMMS		0x00000002

/* Taken to change what a context keeps of its limit */
static DEFINE_SPINLOCK(limit_lock);

static bool is_same_ta(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, TEE_IOCTL_UUID_LEN);
}

static bool has_param(const struct tee_ioctl_limit_data *limit)
{
	return limit->param.attr != TEE_IOCTL_PARAM_ATTR_TYPE_NONE;
}

static bool is_valid(const struct tee_ioctl_limit_data *limit)
{
	if (!memchr_inv(limit->uuid, 0, sizeof(limit->uuid)))
		return false;
	if (has_param(limit))
		return limit->param.attr == TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;

	return !limit->param.a && !limit->param.b && !limit->param.c;
}

/* Does the context lose nothing but rights by that limit? */
static bool is_narrower(const struct tee_ioctl_limit_data *limit,
			const struct tee_context *ctx)
{
	if (!ctx->limited)
		return true;

	return is_same_ta(limit->uuid, ctx->limit.uuid) &&
	       !has_param(&ctx->limit);
}

int tee_ioctl_limit(struct tee_context *ctx,
		    struct tee_ioctl_limit_data __user *udata)
{
	struct tee_ioctl_limit_data limit;
	int rc = 0;

	/* The supplicant opens no sessions */
	if (ctx->teedev->desc->flags & TEE_DESC_PRIVILEGED)
		return -EINVAL;

	if (copy_from_user(&limit, udata, sizeof(limit)))
		return -EFAULT;

	if (!is_valid(&limit))
		return -EINVAL;

	spin_lock(&limit_lock);
	if (ctx->limited && !memcmp(&limit, &ctx->limit, sizeof(limit)))
		goto out;
	if (!is_narrower(&limit, ctx)) {
		rc = -EPERM;
	} else if (ctx->used) {
		rc = -EBUSY;
	} else {
		ctx->limit = limit;
		ctx->limited = true;
	}
out:
	spin_unlock(&limit_lock);
	return rc;
}

/* Of what was copied from user space, which can't change it any more */
static bool is_allowed(const struct tee_context *ctx,
		       const struct tee_ioctl_open_session_arg *arg,
		       const struct tee_param *params)
{
	const struct tee_ioctl_limit_data *limit = &ctx->limit;

	if (!ctx->limited)
		return true;
	if (!is_same_ta(arg->uuid, limit->uuid))
		return false;
	if (!has_param(limit))
		return true;

	return arg->num_params && params->attr == limit->param.attr &&
	       params->u.value.a == limit->param.a &&
	       params->u.value.b == limit->param.b &&
	       params->u.value.c == limit->param.c;
}

/*
 * May the context open that session? If so its limit stays what it is: whoever
 * gets the file is to find no session in it of a kind that it can't open.
 */
static bool use(struct tee_context *ctx,
		const struct tee_ioctl_open_session_arg *arg,
		const struct tee_param *params)
{
	bool allowed;

	/* What doesn't change any more is read without the lock */
	if (smp_load_acquire(&ctx->used))
		return is_allowed(ctx, arg, params);

	spin_lock(&limit_lock);
	allowed = is_allowed(ctx, arg, params);
	if (allowed)
		/* Pairs with the smp_load_acquire() above */
		smp_store_release(&ctx->used, true);
	spin_unlock(&limit_lock);

	return allowed;
}

int tee_limit_open_session(struct tee_context *ctx,
			   struct tee_ioctl_open_session_arg *arg,
			   struct tee_param *params)
{
	if (use(ctx, arg, params))
		return ctx->teedev->desc->ops->open_session(ctx, arg, params);

	arg->ret = TEEC_ERROR_ACCESS_DENIED;
	arg->ret_origin = TEEC_ORIGIN_COMMS;
	return 0;
}
