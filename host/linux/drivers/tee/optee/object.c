// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions and memory as objects of an open file, see uapi/linux/optee.h
 *
 * They are names, and give no right: each operation is what it is with session
 * ids, and secure world is told who calls.
 */

#include <linux/array_size.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tee_core.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/uuid.h>
#include <linux/xarray.h>
#include <uapi/linux/optee.h>
#include "optee_private.h"

#define MAX_TA_PARAMS	4

static_assert(OPTEE_CALLBACK_MAX == OPTEE_CALLBACK_OCTETS);

/* client_binding.grant: a session with it is what a TA lends a client */
static const uuid_t grant_uuid =
	UUID_INIT(0xf382b691, 0xf352, 0x4a3f,
		  0xa9, 0xa6, 0xcd, 0x4d, 0x9a, 0x06, 0x7a, 0x9c);

/**
 * struct optee_object - what an id stands for
 * @refcount:	the table, and each call that uses it
 * @kind:	OPTEE_OBJREF_SESSION or OPTEE_OBJREF_MEMORY
 * @session:	id of the session
 * @login:	with which login method it was opened
 * @gid:	and as which group, if that takes one
 * @memory:	memref parameter, with a reference to its memory
 */
struct optee_object {
	refcount_t refcount;
	u32 kind;
	union {
		struct {
			u32 session;
			u32 login;
			kgid_t gid;
		};
		struct tee_param memory;
	};
};

/**
 * struct operation - an operation of an object
 * @ctx:	the open file
 * @op:		which one
 * @cancel_id:	by what it can be cancelled
 * @ret:	what came of it
 * @origin:	who says so
 * @num_params:	number of parameters
 * @params:	those of the caller
 * @ta_params:	what the TA gets instead
 * @used:	objects that @ta_params refer to
 * @of:		the session, if this is a command of one: may it have objects
 * @made:	objects that the TA is to hand out, until they are in the table
 * @ids:	the ids that they have
 * @inv:	which of @ta_params are objects that the TA is given
 * @offs:	where each UBUF's octets are in @buffer
 * @buffer:	octets of UBUFs, NULL if there are none
 * @is_cached:	flag if @buffer belongs to the open file
 */
struct operation {
	struct tee_context *ctx;
	u32 op;
	u32 cancel_id;
	u32 ret;
	u32 origin;
	size_t num_params;
	struct tee_param *params;
	struct tee_param ta_params[MAX_TA_PARAMS];
	struct optee_object *used[MAX_TA_PARAMS];
	const struct optee_object *of;
	struct optee_object *made[MAX_TA_PARAMS];
	u32 ids[MAX_TA_PARAMS];
	struct optee_invocation inv;
	size_t offs[MAX_TA_PARAMS];
	struct tee_shm *buffer;
	bool is_cached;
};

static struct optee_objects *objects_of(struct tee_context *ctx)
{
	struct optee_context_data *ctxdata = ctx->data;

	return &ctxdata->objects;
}

/*
 * The table of objects
 */

static void put_object(struct optee_object *obj)
{
	if (!refcount_dec_and_test(&obj->refcount))
		return;

	if (obj->kind == OPTEE_OBJREF_MEMORY)
		tee_shm_put(obj->memory.u.memref.shm);
	kfree(obj);
}

/* The object that a parameter refers to. @kind is what it has to be, or 0 */
static struct optee_object *get_object(struct optee_objects *objects,
				       const struct tee_param_objref *ref,
				       u32 kind)
{
	struct optee_object *obj = NULL;

	if (ref->id > S32_MAX)
		return NULL;

	xa_lock(&objects->table);
	obj = xa_load(&objects->table, ref->id);
	if (obj && ((kind && obj->kind != kind) ||
		    (ref->flags && obj->kind != ref->flags)))
		obj = NULL;
	if (obj)
		refcount_inc(&obj->refcount);
	xa_unlock(&objects->table);

	return obj;
}

/* Takes an id for an object that comes to be, or doesn't: unmake_object() */
static int reserve(struct optee_objects *objects, u32 *id)
{
	int rc = -ENOSPC;

	xa_lock(&objects->table);
	if (objects->count < OPTEE_OBJECT_MAX) {
		objects->count++;
		rc = __xa_alloc_cyclic(&objects->table, id, NULL,
				       XA_LIMIT(1, S32_MAX), &objects->next,
				       GFP_KERNEL);
		if (rc < 0)
			objects->count--;
	}
	xa_unlock(&objects->table);

	return rc < 0 ? rc : 0;
}

/* Takes an object out of the table, unless somebody else was faster */
static bool forget_object(struct optee_objects *objects, u32 id,
			  struct optee_object *obj)
{
	bool is_there;

	xa_lock(&objects->table);
	is_there = xa_load(&objects->table, id) == obj;
	if (is_there) {
		__xa_erase(&objects->table, id);
		objects->count--;
	}
	xa_unlock(&objects->table);
	if (is_there)
		put_object(obj);

	return is_there;
}

/* Once it's in the table, others can release it */
static void put_into(struct optee_objects *objects, u32 id,
		     struct optee_object *obj, struct tee_param *p)
{
	p->u.objref.id = id;
	p->u.objref.flags = obj->kind;
	/* Takes no memory: the id has a place */
	WARN_ON(xa_is_err(xa_store(&objects->table, id, obj, GFP_KERNEL)));
}

/* An object with an id, not yet in the table */
static struct optee_object *make_object(struct optee_objects *objects, u32 kind,
					u32 *id)
{
	struct optee_object *obj = kzalloc(sizeof(*obj), GFP_KERNEL_ACCOUNT);
	int rc;

	if (!obj)
		return ERR_PTR(-ENOMEM);
	rc = reserve(objects, id);
	if (rc) {
		kfree(obj);
		return ERR_PTR(rc);
	}
	refcount_set(&obj->refcount, 1);
	obj->kind = kind;

	return obj;
}

static void unmake_object(struct optee_objects *objects, u32 id,
			  struct optee_object *obj)
{
	xa_lock(&objects->table);
	__xa_erase(&objects->table, id);
	objects->count--;
	xa_unlock(&objects->table);
	kfree(obj);
}

/*
 * What a TA gets
 */

static bool is_ubuf(const struct tee_param *p)
{
	return p->attr >= TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT &&
	       p->attr <= TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT;
}

/* Nothing, not even an empty buffer */
static bool is_null(const struct tee_param *ubuf)
{
	return !ubuf->u.ubuf.uaddr && !ubuf->u.ubuf.size;
}

/* What a UBUF takes of the buffer */
static size_t room_for(const struct tee_param *ubuf)
{
	return is_null(ubuf) ? 0 : PAGE_ALIGN(max(ubuf->u.ubuf.size, 1));
}

static bool is_output(const struct tee_param *p)
{
	switch (p->attr) {
	case TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT:
	case TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT:
	case TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT:
	case TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT:
	case TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_OUTPUT:
	case TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT:
		return true;
	default:
		return false;
	}
}

/*
 * A buffer for UBUFs. One is kept for the open file; who comes while it's in
 * use gets another. None is shared between files: what's in it is the client's.
 */
static int get_buffer(struct operation *op, size_t size)
{
	struct optee *optee = tee_get_drvdata(op->ctx->teedev);
	struct optee_objects *objects = objects_of(op->ctx);
	struct tee_shm *shm = NULL;

	/* No mutex: it's kept while a TA may ask its client, who may be frozen */
	op->is_cached = !test_and_set_bit_lock(0, &objects->buffer_in_use);
	if (op->is_cached) {
		shm = objects->buffer;
		if (shm && shm->size < size) {
			tee_shm_free(shm);
			shm = NULL;
		}
	}
	if (!shm) {
		/* Of the driver's own context, which no file keeps */
		shm = tee_shm_alloc_kernel_buf(optee->ctx, size);
		if (op->is_cached)
			objects->buffer = IS_ERR(shm) ? NULL : shm;
	}
	if (IS_ERR(shm)) {
		if (op->is_cached)
			clear_bit_unlock(0, &objects->buffer_in_use);
		/* It says EINVAL when secure world has no memory for it */
		return -ENOMEM;
	}

	op->buffer = shm;

	return 0;
}

static void put_buffer(struct operation *op)
{
	if (!op->buffer)
		return;

	if (op->is_cached)
		clear_bit_unlock(0, &objects_of(op->ctx)->buffer_in_use);
	else
		tee_shm_free(op->buffer);
	op->buffer = NULL;
}

/* Copies the UBUFs' octets into a buffer, each to pages of its own */
static int copy_in(struct operation *op, size_t size)
{
	struct tee_param_memref *memref;
	size_t offs = 0;
	size_t n;
	u8 *va;
	int rc;

	rc = get_buffer(op, size);
	if (rc)
		return rc;
	va = tee_shm_get_va(op->buffer, 0);
	if (IS_ERR(va))
		return PTR_ERR(va);

	/* A TA gets whole pages, the last one may have been for another TA */
	memset(va, 0, size);
	for (n = 0; n < op->num_params; n++) {
		const struct tee_param *p = op->params + n;

		if (!is_ubuf(p) || is_null(p))
			continue;

		memref = &op->ta_params[n].u.memref;
		memref->shm = op->buffer;
		memref->shm_offs = offs;
		op->offs[n] = offs;
		if (p->attr != TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_OUTPUT &&
		    copy_from_user(va + offs, p->u.ubuf.uaddr, p->u.ubuf.size))
			return -EFAULT;
		offs += room_for(p);
	}

	return 0;
}

/* The TA gets a number, and secure world knows that it's an object */
static int give(struct operation *op, size_t n, u16 kind, u32 id)
{
	struct optee *optee = tee_get_drvdata(op->ctx->teedev);

	if (!op->of)
		return -EINVAL;
	if (!optee->client_objects)
		return -EOPNOTSUPP;

	op->ta_params[n].attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
	op->ta_params[n].u.value.a = id;
	op->inv.kinds |= kind << (4 * n);
	op->inv.ids[n] = id;

	return 0;
}

static int use_object(struct operation *op, size_t n)
{
	const struct tee_param_objref *ref = &op->params[n].u.objref;
	struct optee_object *obj;

	if (ref->flags == OPTEE_OBJREF_CALLBACK)
		return ref->id > U32_MAX ? -EINVAL :
		       give(op, n, OPTEE_MSG_OBJECT_CALLBACK, ref->id);

	obj = get_object(objects_of(op->ctx), ref, 0);
	if (!obj)
		return -EINVAL;
	op->used[n] = obj;
	if (obj->kind == OPTEE_OBJREF_SESSION)
		return optee_has_session(op->ctx, obj->session) ?
		       give(op, n, OPTEE_MSG_OBJECT_SESSION, obj->session) :
		       -EINVAL;
	op->ta_params[n] = obj->memory;

	return 0;
}

static bool is_limited(const struct tee_context *ctx)
{
#if IS_ENABLED(CONFIG_TEE_CLIENT_LIMIT)
	return ctx->limited;
#else
	return false;
#endif
}

/* The TA hands an object out. That it can't is said before the TA is called */
static int expect_object(struct operation *op, size_t n)
{
	struct optee *optee = tee_get_drvdata(op->ctx->teedev);
	struct optee_object *obj;

	if (!op->of)
		return -EINVAL;
	if (!optee->client_binding)
		return -EOPNOTSUPP;
	if (is_limited(op->ctx))
		return -EPERM;

	obj = make_object(objects_of(op->ctx), OPTEE_OBJREF_SESSION,
			  op->ids + n);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	obj->login = op->of->login;
	obj->gid = op->of->gid;
	op->made[n] = obj;
	op->ta_params[n].attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT;

	return 0;
}

/* Makes the TA's parameters of the caller's, to be followed by clean_up() */
static int prepare(struct operation *op)
{
	size_t octets = 0;
	size_t size = 0;
	size_t n;
	int rc;

	if (op->num_params > MAX_TA_PARAMS)
		return -EINVAL;

	for (n = 0; n < op->num_params; n++) {
		const struct tee_param *p = op->params + n;
		struct tee_param *ta = op->ta_params + n;

		switch (p->attr) {
		case TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT:
		case TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT:
			/* A TA would get half of it */
			if (p->u.value.a > U32_MAX || p->u.value.b > U32_MAX ||
			    p->u.value.c)
				return -EINVAL;
			*ta = *p;
			break;
		case TEE_IOCTL_PARAM_ATTR_TYPE_NONE:
		case TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT:
		case TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT:
		case TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT:
		case TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT:
			*ta = *p;
			break;
		case TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT:
		case TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_OUTPUT:
		case TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT:
			if (p->u.ubuf.size > OPTEE_OBJECT_UBUF_MAX - octets)
				return -E2BIG;
			if (is_null(p) && !op->ctx->cap_memref_null)
				return -EINVAL;
			octets += p->u.ubuf.size;
			size += room_for(p);
			ta->attr = p->attr -
				   TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT +
				   TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
			ta->u.memref.size = p->u.ubuf.size;
			break;
		case TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INPUT:
			rc = use_object(op, n);
			if (rc)
				return rc;
			break;
		case TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT:
			rc = expect_object(op, n);
			if (rc)
				return rc;
			break;
		default:
			return -EINVAL;
		}
	}

	return size ? copy_in(op, size) : 0;
}

/* Tells the caller what the TA has changed. Octets are the TA's alone */
static int copy_out(struct operation *op, u32 ret, u32 origin)
{
	bool from_ta = !ret || origin == TEEC_ORIGIN_TRUSTED_APP;
	const u8 *va;
	size_t size;
	size_t n;

	for (n = 0; n < op->num_params; n++) {
		const struct tee_param *ta = op->ta_params + n;
		struct tee_param *p = op->params + n;

		if (!is_output(p))
			continue;
		if (!is_ubuf(p)) {
			/* The memory stays the caller's to put */
			if (p->attr <= TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT)
				p->u.value = ta->u.value;
			else
				p->u.memref.size = ta->u.memref.size;
			continue;
		}

		size = ta->u.memref.size;
		if (from_ta && size && size <= p->u.ubuf.size) {
			va = tee_shm_get_va(op->buffer, op->offs[n]);
			if (IS_ERR(va))
				return PTR_ERR(va);
			if (copy_to_user(p->u.ubuf.uaddr, va, size))
				return -EFAULT;
		}
		p->u.ubuf.size = size;
	}

	return 0;
}

static void clean_up(struct operation *op)
{
	size_t n;

	put_buffer(op);
	for (n = 0; n < MAX_TA_PARAMS; n++) {
		if (op->used[n])
			put_object(op->used[n]);
		if (op->made[n])
			unmake_object(objects_of(op->ctx), op->ids[n],
				      op->made[n]);
	}
}

/*
 * What a TA hands out
 */

static bool is_handed_out(const struct operation *op, size_t n)
{
	const struct tee_param_value *number = &op->ta_params[n].u.value;

	/* 0 is the number of no grant: the TA has nothing for it */
	return op->made[n] && (number->a || number->b);
}

/* Opens a session for a grant that the TA says is the client's */
static bool take_up(struct operation *op, size_t n)
{
	struct optee_object *obj = op->made[n];
	struct tee_ioctl_open_session_arg arg = {
		.clnt_login = obj->login,
		.num_params = 1,
	};
	struct tee_param number = {
		.attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
		.u.value = op->ta_params[n].u.value,
	};
	gid_t gid = from_kgid(current_user_ns(), obj->gid);
	int rc;

	export_uuid(arg.uuid, &grant_uuid);
	memcpy(arg.clnt_uuid, &gid, sizeof(gid));

	rc = tee_user_open_session(op->ctx, &arg, &number);
	if (!rc && !arg.ret) {
		obj->session = arg.session;
		return true;
	}

	/* The TA was called: there's a result, whatever comes of this */
	op->ret = arg.ret;
	op->origin = arg.ret_origin;
	if (rc) {
		op->ret = rc == -ENOMEM ? TEEC_ERROR_OUT_OF_MEMORY :
					  TEEC_ERROR_COMMUNICATION;
		op->origin = TEEC_ORIGIN_COMMS;
	}

	return false;
}

/*
 * What a command that succeeds hands out becomes objects, all of it or nothing.
 * It's taken up even if that's in vain: what is closed is lent no longer.
 */
static void hand_out(struct operation *op, bool in_vain)
{
	bool taken_up[MAX_TA_PARAMS] = { };
	bool failed = op->ret;
	size_t n;

	/* What a command puts there that fails means nothing */
	for (n = 0; n < op->num_params && !failed; n++)
		if (is_handed_out(op, n))
			taken_up[n] = take_up(op, n);

	for (n = 0; n < op->num_params; n++) {
		if (!op->made[n])
			continue;
		op->params[n].u.objref.id = TEE_OBJREF_NULL;
		op->params[n].u.objref.flags = 0;
		if (!taken_up[n])
			continue;
		if (op->ret || in_vain) {
			optee_close_session(op->ctx, op->made[n]->session);
			continue;
		}
		put_into(objects_of(op->ctx), op->ids[n], op->made[n],
			 op->params + n);
		op->made[n] = NULL;
	}
}

/*
 * Operations
 */

static int invoke(struct operation *op, const struct optee_object *of)
{
	struct tee_ioctl_invoke_arg arg = {
		.func = op->op,
		.session = of->session,
		.cancel_id = op->cancel_id,
		.num_params = op->num_params,
	};
	int rc;

	op->of = of;
	rc = prepare(op);
	if (!rc && op->inv.kinds)
		rc = optee_invoke_with_objects(op->ctx, &arg, op->ta_params,
					       &op->inv);
	else if (!rc)
		rc = optee_invoke_func(op->ctx, &arg, op->ta_params);
	op->ret = arg.ret;
	op->origin = arg.ret_origin;
	if (!rc) {
		rc = copy_out(op, arg.ret, arg.ret_origin);
		hand_out(op, rc);
	}
	clean_up(op);

	return rc;
}

/* What secure world refuses in its own name has no answer but an errno */
static int refused(struct operation *op, int rc)
{
	if (rc != -EACCES)
		return rc;

	op->ret = TEEC_ERROR_ACCESS_DENIED;
	op->origin = TEEC_ORIGIN_TEE;

	return 0;
}

static int root_version(struct operation *op)
{
	struct optee *optee = tee_get_drvdata(op->ctx->teedev);
	struct tee_param *p = op->params;

	p->u.value.a = OPTEE_OBJECT_VERSION;
	p->u.value.b = optee->client_objects ? OPTEE_OBJECT_GIVEN : 0;
	p->u.value.c = OPTEE_OBJECT_UBUF_MAX;

	return 0;
}

/* The first three parameters are ours, the others the TA's */
#define NUM_OPEN_PARAMS	3

static int open_session(struct operation *op, struct optee_object *obj)
{
	struct tee_ioctl_open_session_arg arg = {
		.cancel_id = op->cancel_id,
	};
	const struct tee_param *uuid = op->params;
	const struct tee_param *login = op->params + 1;
	u32 gid = login->u.value.b;
	int rc;

	if (uuid->u.ubuf.size != sizeof(arg.uuid) ||
	    login->u.value.a > U32_MAX || login->u.value.b > U32_MAX ||
	    login->u.value.c)
		return -EINVAL;
	if (copy_from_user(arg.uuid, uuid->u.ubuf.uaddr, sizeof(arg.uuid)))
		return -EFAULT;
	arg.clnt_login = login->u.value.a;
	memcpy(arg.clnt_uuid, &gid, sizeof(gid));

	op->params += NUM_OPEN_PARAMS;
	op->num_params -= NUM_OPEN_PARAMS;
	arg.num_params = op->num_params;

	rc = prepare(op);
	if (!rc)
		rc = tee_user_open_session(op->ctx, &arg, op->ta_params);
	if (!rc) {
		rc = copy_out(op, arg.ret, arg.ret_origin);
		if (rc && !arg.ret)
			optee_close_session(op->ctx, arg.session);
	}
	clean_up(op);

	obj->session = arg.session;
	obj->login = arg.clnt_login;
	obj->gid = make_kgid(current_user_ns(), gid);
	op->ret = arg.ret;
	op->origin = arg.ret_origin;

	return rc;
}

static int root_open(struct operation *op)
{
	struct optee_objects *objects = objects_of(op->ctx);
	struct tee_param *ref = op->params + 2;
	struct optee_object *obj;
	u32 id;
	int rc;

	obj = make_object(objects, OPTEE_OBJREF_SESSION, &id);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	rc = open_session(op, obj);
	if (rc || op->ret) {
		ref->u.objref.id = TEE_OBJREF_NULL;
		unmake_object(objects, id, obj);
		return rc;
	}

	put_into(objects, id, obj, ref);

	return 0;
}

static int root_release(struct operation *op)
{
	struct optee_objects *objects = objects_of(op->ctx);
	const struct tee_param *p = op->params;
	struct optee_object *obj;
	int rc = 0;

	obj = get_object(objects, &p->u.objref, 0);
	if (!obj)
		return -EINVAL;

	/* It's in use until secure world has agreed: others may try, too */
	if (obj->kind == OPTEE_OBJREF_SESSION)
		rc = optee_close_session(op->ctx, obj->session);
	/* It may have been closed by its number, or with its process */
	if (rc == -EINVAL)
		rc = optee_has_session(op->ctx, obj->session) ? -EIO : 0;
	if (!rc && !forget_object(objects, p->u.objref.id, obj))
		rc = -EINVAL;
	put_object(obj);

	return refused(op, rc);
}

static int root_memory(struct operation *op)
{
	struct optee_objects *objects = objects_of(op->ctx);
	const struct tee_param *memory = op->params;
	struct optee_object *obj;
	u32 id;

	/* What is of another context is a part of the driver's, kept by a file */
	if (!memory->u.memref.shm || memory->u.memref.shm->ctx != op->ctx)
		return -EINVAL;

	obj = make_object(objects, OPTEE_OBJREF_MEMORY, &id);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	/* Who called us has a reference until we return */
	refcount_inc(&memory->u.memref.shm->refcount);
	obj->memory = *memory;
	put_into(objects, id, obj, op->params + 1);

	return 0;
}

static int root_cancel(struct operation *op)
{
	const struct tee_param *what = op->params + 1;
	struct optee_object *obj;
	int rc;

	if (what->u.value.a > U32_MAX || what->u.value.b || what->u.value.c)
		return -EINVAL;

	obj = get_object(objects_of(op->ctx), &op->params->u.objref,
			 OPTEE_OBJREF_SESSION);
	if (!obj)
		return -EINVAL;

	rc = optee_cancel_req(op->ctx, what->u.value.a, obj->session);
	put_object(obj);

	return refused(op, rc);
}

static int root_stop(struct operation *op)
{
	struct tee_param_value *stops = &op->params->u.value;

	if (stops->a > 1 || stops->b || stops->c)
		return -EINVAL;

	stops->a = optee_callback_stop(op->ctx, stops->a);

	return 0;
}

/* The operations of the root object: their parameters, and whether more follow */
static const struct root_op {
	int (*run)(struct operation *op);
	u32 op;
	bool has_more;
	u8 num_types;
	u8 types[NUM_OPEN_PARAMS];
} root_ops[] = {
	{
		.run = root_version,
		.op = OPTEE_ROOT_VERSION,
		.num_types = 1,
		.types = {
			TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
		},
	},
	{
		.run = root_open,
		.op = OPTEE_ROOT_OPEN,
		.has_more = true,
		.num_types = NUM_OPEN_PARAMS,
		.types = {
			TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT,
			TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
			TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT,
		},
	},
	{
		.run = root_release,
		.op = OPTEE_ROOT_RELEASE,
		.num_types = 1,
		.types = {
			TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INPUT,
		},
	},
	{
		.run = root_memory,
		.op = OPTEE_ROOT_MEMORY,
		.num_types = 2,
		.types = {
			TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
			TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT,
		},
	},
	{
		.run = root_memory,
		.op = OPTEE_ROOT_MEMORY,
		.num_types = 2,
		.types = {
			TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
			TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT,
		},
	},
	{
		.run = root_cancel,
		.op = OPTEE_ROOT_CANCEL,
		.num_types = 2,
		.types = {
			TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INPUT,
			TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
		},
	},
	{
		.run = root_stop,
		.op = OPTEE_ROOT_STOP,
		.num_types = 1,
		.types = {
			TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
		},
	},
};

static bool is_meant(const struct root_op *root, const struct operation *op)
{
	size_t n;

	if (op->op != root->op || op->num_params < root->num_types ||
	    (op->num_params > root->num_types && !root->has_more))
		return false;
	for (n = 0; n < root->num_types; n++)
		if (op->params[n].attr != root->types[n])
			return false;

	return true;
}

static int invoke_root(struct operation *op)
{
	size_t n;

	for (n = 0; n < ARRAY_SIZE(root_ops); n++)
		if (is_meant(root_ops + n, op))
			return root_ops[n].run(op);

	return -EINVAL;
}

static int invoke_object(struct operation *op, u64 id)
{
	const struct tee_param_objref ref = { .id = id };
	struct optee_object *obj;
	int rc;

	obj = get_object(objects_of(op->ctx), &ref, OPTEE_OBJREF_SESSION);
	if (!obj)
		return -EINVAL;
	rc = invoke(op, obj);
	put_object(obj);

	return rc;
}

/* Takes the parameter that says how it went off the others, if it's there */
static struct tee_param *take_status(struct operation *op)
{
	struct tee_param *status = op->params;

	if (!op->num_params ||
	    status->attr != (TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT |
			     TEE_IOCTL_PARAM_ATTR_META))
		return NULL;

	op->cancel_id = status->u.value.a;
	op->params++;
	op->num_params--;

	return status;
}

/**
 * optee_object_invoke_func() - TEE_IOC_OBJECT_INVOKE
 * @ctx:	the open file
 * @arg:	which object, and what of it
 * @param:	parameters
 *
 * Return: 0 if there's a result in @arg, or <0 on failure
 */
int optee_object_invoke_func(struct tee_context *ctx,
			     struct tee_ioctl_object_invoke_arg *arg,
			     struct tee_param *param)
{
	struct operation op = {
		.ctx = ctx,
		.op = arg->op,
		.origin = TEEC_ORIGIN_COMMS,
		.params = param,
		.num_params = arg->num_params,
	};
	struct tee_param *status = take_status(&op);
	int rc;

	if (status && (status->u.value.a > U32_MAX || status->u.value.b ||
		       status->u.value.c))
		return -EINVAL;

	if (arg->id == TEE_OBJREF_NULL)
		rc = invoke_root(&op);
	else
		rc = invoke_object(&op, arg->id);
	if (rc)
		return rc;

	arg->ret = op.ret;
	if (status) {
		/* As META it wouldn't be copied back */
		status->attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT;
		status->u.value.a = op.origin;
	}

	return 0;
}

/**
 * optee_objects_init() - Prepare to have objects
 * @objects:	what a file has
 */
void optee_objects_init(struct optee_objects *objects)
{
	xa_init_flags(&objects->table, XA_FLAGS_ALLOC1);
}

/**
 * optee_objects_close() - Forget the objects of a file that is closed
 * @objects:	the objects, which nobody uses any more
 *
 * Memory goes, which would keep the context of the file otherwise. Sessions are
 * closed as others are.
 */
void optee_objects_close(struct optee_objects *objects)
{
	struct optee_object *obj;
	unsigned long id;

	xa_for_each(&objects->table, id, obj)
		put_object(obj);
	xa_destroy(&objects->table);
	if (objects->buffer)
		tee_shm_free(objects->buffer);
}
