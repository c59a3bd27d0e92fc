// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs answer what secure world asks while it runs a command of theirs
 *
 * A command may be given objects of its client, see uapi/linux/optee.h. When the
 * TA calls one, the thread that has given the command waits here, and whoever
 * holds the same open file and is the client of the session takes the request
 * and answers it. It never waits for the memory or the good will of that one:
 * there's a deadline, and until the answer is there the request can be given up.
 */

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tee_core.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include "optee_private.h"
#include "optee_rpc_cmd.h"

/* What secure world keeps to, too */
#define MAX_MSECS	(10 * 60 * 1000)

/* The number of threads in secure world if it doesn't tell */
#define MIN_THREADS	2

enum callback_state {
	CALLBACK_QUEUED,
	CALLBACK_TAKEN,
	CALLBACK_ANSWERED,
	CALLBACK_GIVEN_UP,
};

/**
 * struct callback - secure world calls an object
 * @node:	element of the requests of a file, as long as somebody waits
 * @refcount:	who waits for the answer, and who takes or answers it
 * @wait:	where the former waits
 * @state:	what became of it, with the lock of the file's requests, as are
 *		@ret, @answer_size and @answer
 * @number:	tells it from all others of the file
 * @deadline:	when it's given up, in jiffies
 * @session:	session in which the command was given
 * @id:		the object, as its owner has named it
 * @op:		operation
 * @ret:	result of the operation
 * @room:	how many octets the answer may have
 * @answer_size: how many it has, or would have had
 * @answer:	octets of the answer, NULL if there are none
 * @size:	number of @octets
 * @octets:	octets for the client, they don't change
 */
struct callback {
	struct list_head node;
	refcount_t refcount;
	wait_queue_head_t wait;
	enum callback_state state;
	u64 number;
	unsigned long deadline;
	u32 session;
	u32 id;
	u32 op;
	u32 ret;
	size_t room;
	size_t answer_size;
	u8 *answer;
	size_t size;
	u8 octets[] __counted_by(size);
};

static struct optee_callbacks *callbacks_of(struct tee_context *ctx)
{
	struct optee_context_data *ctxdata = ctx->data;

	return &ctxdata->callbacks;
}

static void put_callback(struct callback *cb)
{
	if (!refcount_dec_and_test(&cb->refcount))
		return;

	kfree_sensitive(cb->answer);
	kfree_sensitive(cb);
}

/*
 * Who asks
 */

/**
 * optee_invoke_with_objects() - Run a command that is given objects
 * @ctx:	the open file
 * @arg:	which command of which session
 * @param:	parameters, an object as a value
 * @inv:	which of them are objects
 *
 * Return: 0 on success or <0 on failure
 */
int optee_invoke_with_objects(struct tee_context *ctx,
			      struct tee_ioctl_invoke_arg *arg,
			      struct tee_param *param,
			      struct optee_invocation *inv)
{
	struct optee_callbacks *cbs = callbacks_of(ctx);
	int rc;

	inv->task = current;
	inv->session = arg->session;
	spin_lock(&cbs->lock);
	list_add(&inv->node, &cbs->invocations);
	spin_unlock(&cbs->lock);

	rc = optee_invoke(ctx, arg, param, inv->kinds);

	spin_lock(&cbs->lock);
	list_del(&inv->node);
	spin_unlock(&cbs->lock);

	return rc;
}

/* The command that the calling thread has given, it's alive as long as that */
static struct optee_invocation *find_invocation(struct optee_callbacks *cbs)
{
	struct optee_invocation *found = NULL;
	struct optee_invocation *inv;

	spin_lock(&cbs->lock);
	list_for_each_entry(inv, &cbs->invocations, node) {
		if (inv->task == current) {
			found = inv;
			break;
		}
	}
	spin_unlock(&cbs->lock);

	return found;
}

static bool is_callable(const struct optee_invocation *inv, u64 param)
{
	return param < ARRAY_SIZE(inv->ids) &&
	       (inv->kinds >> (4 * param) & 0xf) == OPTEE_MSG_OBJECT_CALLBACK;
}

/*
 * Each call that waits has a thread of secure world's, and nobody else waits for
 * what that thread has. One is left for all the others, who answers may be among
 * them, and one for system sessions if there are some.
 */
static bool take_thread(struct optee *optee)
{
	const struct optee_call_queue *cq = &optee->call_queue;
	int threads = cq->total_thread_count ?: MIN_THREADS;

	if (READ_ONCE(cq->sys_thread_req_count))
		threads--;
	if (atomic_inc_return(&optee->waiting_callbacks) < threads)
		return true;

	atomic_dec(&optee->waiting_callbacks);

	return false;
}

static void leave_thread(struct optee *optee)
{
	atomic_dec(&optee->waiting_callbacks);
}

static struct callback *alloc_callback(const struct optee_invocation *inv,
				       const struct tee_param *params,
				       const void *octets)
{
	size_t size = params[2].u.value.a;
	struct callback *cb;

	cb = kzalloc(struct_size(cb, octets, size), GFP_KERNEL);
	if (!cb)
		return NULL;

	cb->size = size;
	memcpy(cb->octets, octets, size);
	/* One is for who waits, it's in the list as long as that */
	refcount_set(&cb->refcount, 1);
	init_waitqueue_head(&cb->wait);
	cb->state = CALLBACK_QUEUED;
	cb->session = inv->session;
	cb->id = inv->ids[params[0].u.value.a];
	cb->op = params[0].u.value.b;
	cb->room = params[2].u.value.b;
	cb->deadline = jiffies + msecs_to_jiffies(params[0].u.value.c);

	return cb;
}

/* The end of it, with an answer or without */
static bool is_answered(struct optee_callbacks *cbs, struct callback *cb)
{
	bool answered;

	spin_lock(&cbs->lock);
	answered = cb->state == CALLBACK_ANSWERED;
	if (!answered)
		cb->state = CALLBACK_GIVEN_UP;
	list_del(&cb->node);
	spin_unlock(&cbs->lock);

	return answered;
}

/* Waits for the answer. A task that's frozen or killed isn't kept from it */
static u32 wait_for_answer(struct optee_callbacks *cbs, struct callback *cb)
{
	long left = max_t(long, cb->deadline - jiffies, 1);

	spin_lock(&cbs->lock);
	cb->number = ++cbs->last;
	list_add_tail(&cb->node, &cbs->requests);
	spin_unlock(&cbs->lock);
	wake_up_all(&cbs->wait);

	/* As wait_event_killable_timeout(), but not in the way of a suspend */
	left = ___wait_event(cb->wait,
			     ___wait_cond_timeout(READ_ONCE(cb->state) ==
						  CALLBACK_ANSWERED),
			     (TASK_KILLABLE | TASK_FREEZABLE), 0, left,
			     __ret = schedule_timeout(__ret));

	if (is_answered(cbs, cb))
		return TEEC_SUCCESS;

	return left ? TEEC_ERROR_COMMUNICATION : TEE_ERROR_TIMEOUT;
}

static u32 call_client(struct optee *optee, struct optee_callbacks *cbs,
		       const struct optee_invocation *inv,
		       struct tee_param *params, void *octets)
{
	struct callback *cb;
	u32 ret;

	if (!take_thread(optee))
		return TEEC_ERROR_BUSY;
	cb = alloc_callback(inv, params, octets);
	if (!cb) {
		leave_thread(optee);
		return TEEC_ERROR_OUT_OF_MEMORY;
	}

	ret = wait_for_answer(cbs, cb);
	if (!ret) {
		params[2].u.value.a = cb->answer_size;
		params[2].u.value.b = cb->ret;
		if (cb->answer_size > cb->room)
			ret = TEEC_ERROR_SHORT_BUFFER;
		else if (cb->answer)
			memcpy(octets, cb->answer, cb->answer_size);
	}
	put_callback(cb);
	leave_thread(optee);

	return ret;
}

static bool is_meant(const struct tee_param *params)
{
	const struct tee_param_value *what = &params[0].u.value;
	const struct tee_param_value *sizes = &params[2].u.value;

	return params[0].attr == TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT &&
	       params[1].attr == TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT &&
	       params[2].attr == TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT &&
	       what->b <= U32_MAX && what->c && what->c <= MAX_MSECS &&
	       params[1].u.memref.shm &&
	       max(sizes->a, sizes->b) <= OPTEE_CALLBACK_OCTETS &&
	       max(sizes->a, sizes->b) <= params[1].u.memref.size;
}

/**
 * optee_callback_rpc() - OPTEE_RPC_CMD_CLIENT_OBJECT
 * @ctx:	context in which the calling thread has given a command
 * @optee:	main service struct
 * @arg:	the RPC
 */
void optee_callback_rpc(struct tee_context *ctx, struct optee *optee,
			struct optee_msg_arg *arg)
{
	const struct optee_invocation *inv;
	struct optee_callbacks *cbs;
	struct tee_param params[3];
	void *octets;

	if (arg->num_params != ARRAY_SIZE(params) ||
	    optee->ops->from_msg_param(optee, params, ARRAY_SIZE(params),
				       arg->params) ||
	    !is_meant(params)) {
		arg->ret = TEEC_ERROR_BAD_PARAMETERS;
		return;
	}
	octets = tee_shm_get_va(params[1].u.memref.shm,
				params[1].u.memref.shm_offs);
	if (IS_ERR(octets)) {
		arg->ret = TEEC_ERROR_BAD_PARAMETERS;
		return;
	}

	/*
	 * Whatever secure world says: nobody else's objects are called. Who
	 * closes sessions that are left has no file.
	 */
	cbs = ctx->data ? callbacks_of(ctx) : NULL;
	inv = cbs ? find_invocation(cbs) : NULL;
	if (!inv || !is_callable(inv, params[0].u.value.a)) {
		arg->ret = TEEC_ERROR_ITEM_NOT_FOUND;
		return;
	}

	arg->ret = call_client(optee, cbs, inv, params, octets);
	if (optee->ops->to_msg_param(optee, arg->params, ARRAY_SIZE(params),
				     params))
		arg->ret = TEEC_ERROR_BAD_PARAMETERS;
}

/*
 * Who answers
 */

/*
 * The next request after @seen that nobody has taken, with a reference. @number
 * is what it is now: it gets another one if it's put back.
 */
static struct callback *get_queued(struct optee_callbacks *cbs, u64 seen,
				   u64 *number)
{
	struct callback *found = NULL;
	struct callback *cb;

	spin_lock(&cbs->lock);
	list_for_each_entry(cb, &cbs->requests, node) {
		if (cb->number > seen && cb->state == CALLBACK_QUEUED) {
			refcount_inc(&cb->refcount);
			*number = cb->number;
			found = cb;
			break;
		}
	}
	spin_unlock(&cbs->lock);

	return found;
}

/* One that was taken, by its number */
static struct callback *get_taken(struct optee_callbacks *cbs, u64 number)
{
	struct callback *found = NULL;
	struct callback *cb;

	spin_lock(&cbs->lock);
	list_for_each_entry(cb, &cbs->requests, node) {
		if (cb->number == number && cb->state == CALLBACK_TAKEN) {
			refcount_inc(&cb->refcount);
			found = cb;
			break;
		}
	}
	spin_unlock(&cbs->lock);

	return found;
}

static bool take(struct optee_callbacks *cbs, struct callback *cb)
{
	bool taken;

	spin_lock(&cbs->lock);
	taken = cb->state == CALLBACK_QUEUED;
	if (taken)
		cb->state = CALLBACK_TAKEN;
	spin_unlock(&cbs->lock);

	return taken;
}

/* Lets others take it who may have seen later ones */
static void requeue(struct optee_callbacks *cbs, struct callback *cb)
{
	spin_lock(&cbs->lock);
	if (cb->state == CALLBACK_TAKEN) {
		cb->state = CALLBACK_QUEUED;
		cb->number = ++cbs->last;
		list_move_tail(&cb->node, &cbs->requests);
	}
	spin_unlock(&cbs->lock);
	wake_up_all(&cbs->wait);
}

/* Waits for a request that's the caller's to answer, and takes it */
static struct callback *take_callback(struct tee_context *ctx, size_t size,
				      u64 stops)
{
	struct optee_callbacks *cbs = callbacks_of(ctx);
	struct callback *cb;
	u64 seen = 0;
	u64 number;
	int rc;

	while (true) {
		rc = wait_event_interruptible(cbs->wait,
					      (cb = get_queued(cbs, seen,
							       &number)) ||
					      READ_ONCE(cbs->stops) != stops);
		if (rc)
			return ERR_PTR(rc);
		if (!cb)
			return ERR_PTR(-ESHUTDOWN);

		rc = optee_is_client(ctx, cb->session);
		if (rc > 0 && cb->size > size)
			rc = -EMSGSIZE;
		else if (rc > 0 && take(cbs, cb))
			return cb;
		put_callback(cb);

		/* Others who hold the file may not even see it */
		if (!rc)
			seen = number;
		/* Its session is back, or the call over, in a moment */
		if (rc == -EAGAIN && !schedule_timeout_interruptible(1))
			continue;
		if (rc < 0)
			return ERR_PTR(rc == -EAGAIN ? -ERESTARTSYS : rc);
	}
}

#define META_VALUE_INOUT	(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT | \
				 TEE_IOCTL_PARAM_ATTR_META)

/**
 * optee_callback_recv() - TEE_IOC_SUPPL_RECV by a client
 * @ctx:	the open file
 * @func:	operation
 * @num_params:	number of parameters
 * @params:	where the octets go, and what they are
 *
 * Return: 0 on success or <0 on failure
 */
int optee_callback_recv(struct tee_context *ctx, u32 *func, u32 *num_params,
			struct tee_param *params)
{
	struct optee *optee = tee_get_drvdata(ctx->teedev);
	struct optee_callbacks *cbs = callbacks_of(ctx);
	void __user *octets;
	struct callback *cb;
	long left;
	u32 n;

	/* Nobody else puts what these parameters refer to */
	for (n = 0; n < *num_params; n++)
		if (tee_param_is_memref(params + n) && params[n].u.memref.shm)
			tee_shm_put(params[n].u.memref.shm);
	if (*num_params != 2 || params[0].attr != META_VALUE_INOUT ||
	    params[1].attr != TEE_IOCTL_PARAM_ATTR_TYPE_NONE)
		return -EINVAL;
	if (!optee->client_objects)
		return -EOPNOTSUPP;

	cb = take_callback(ctx, params[0].u.value.b, params[0].u.value.c);
	if (IS_ERR(cb))
		return PTR_ERR(cb);

	octets = u64_to_user_ptr(params[0].u.value.a);
	if (cb->size && copy_to_user(octets, cb->octets, cb->size)) {
		requeue(cbs, cb);
		put_callback(cb);
		return -EFAULT;
	}

	*func = cb->op;
	params[0].u.value.a = cb->id;
	params[0].u.value.b = cb->number;
	params[0].u.value.c = cb->size;
	left = cb->deadline - jiffies;
	params[1].attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
	params[1].u.value.a = cb->room;
	params[1].u.value.b = left > 0 ? jiffies_to_msecs(left) : 0;
	params[1].u.value.c = 0;
	put_callback(cb);

	return 0;
}

/* Octets that are too many stay where they are: their number is the answer */
static u8 *copy_answer(const struct callback *cb, u64 uaddr, u64 size)
{
	if (!size || size > cb->room)
		return NULL;

	return memdup_user(u64_to_user_ptr(uaddr), size);
}

/**
 * optee_callback_send() - TEE_IOC_SUPPL_SEND by a client
 * @ctx:	the open file
 * @ret:	result of the operation
 * @num_params:	number of parameters
 * @params:	which request, and the octets of the answer
 *
 * Return: 0 if secure world gets the answer, or <0 on failure
 */
int optee_callback_send(struct tee_context *ctx, u32 ret, u32 num_params,
			struct tee_param *params)
{
	const struct tee_param_value *value = &params[0].u.value;
	struct optee_callbacks *cbs = callbacks_of(ctx);
	struct callback *cb;
	int rc = -ENOENT;
	u8 *answer;

	if (num_params != 1 || params[0].attr != META_VALUE_INOUT)
		return -EINVAL;
	if (value->c > OPTEE_CALLBACK_OCTETS)
		return -E2BIG;

	cb = get_taken(cbs, value->a);
	if (!cb)
		return rc;
	rc = optee_is_client(ctx, cb->session);
	if (rc <= 0) {
		rc = rc ?: -ENOENT;
		goto out;
	}
	rc = -ENOENT;
	answer = copy_answer(cb, value->b, value->c);
	if (IS_ERR(answer)) {
		rc = PTR_ERR(answer);
		goto out;
	}

	spin_lock(&cbs->lock);
	if (cb->state == CALLBACK_TAKEN) {
		WRITE_ONCE(cb->state, CALLBACK_ANSWERED);
		cb->ret = ret;
		cb->answer_size = value->c;
		cb->answer = answer;
		answer = NULL;
		rc = 0;
	}
	spin_unlock(&cbs->lock);
	wake_up(&cb->wait);
	kfree_sensitive(answer);
out:
	put_callback(cb);

	return rc;
}

/**
 * optee_callback_stop() - Let those who wait for requests know that it's over
 * @ctx:	the open file
 * @stops:	how many times, may be 0
 *
 * Return: how many times that was until now
 */
u32 optee_callback_stop(struct tee_context *ctx, u32 stops)
{
	struct optee_callbacks *cbs = callbacks_of(ctx);
	u32 now;

	spin_lock(&cbs->lock);
	now = cbs->stops + stops;
	WRITE_ONCE(cbs->stops, now);
	spin_unlock(&cbs->lock);
	wake_up_all(&cbs->wait);

	return now;
}

bool __optee_waits_for_client(struct tee_context *ctx, u32 session)
{
	struct optee_callbacks *cbs = callbacks_of(ctx);
	struct callback *cb;
	bool found = false;

	spin_lock(&cbs->lock);
	list_for_each_entry(cb, &cbs->requests, node)
		if (cb->session == session && cb->state != CALLBACK_ANSWERED)
			found = true;
	spin_unlock(&cbs->lock);

	return found;
}

/**
 * optee_callbacks_init() - Prepare to have requests
 * @cbs:	what a file has
 */
void optee_callbacks_init(struct optee_callbacks *cbs)
{
	spin_lock_init(&cbs->lock);
	INIT_LIST_HEAD(&cbs->invocations);
	INIT_LIST_HEAD(&cbs->requests);
	init_waitqueue_head(&cbs->wait);
}
