// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions that have lost their client
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tee_core.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "optee_private.h"

/* How long to wait before another attempt to close what can't be closed now */
#define RETRY_DELAY	msecs_to_jiffies(100)

static struct workqueue_struct *release_wq;

static void give_up(struct list_head *list)
{
	struct optee_session *sess;
	struct optee_session *tmp;

	list_for_each_entry_safe(sess, tmp, list, list_node) {
		pr_err("session %u remains open\n", sess->session_id);
		list_del(&sess->list_node);
		optee_free_session(sess);
	}
}

static void release_work_fn(struct work_struct *work)
{
	struct optee_context_data *ctxdata =
		container_of(to_delayed_work(work), struct optee_context_data,
			     release_work);
	struct optee *optee = ctxdata->optee;
	/*
	 * The context may be gone. Secure world may ask tee-supplicant for
	 * something, which may be gone as well; the driver has to be able to
	 * be unloaded then.
	 */
	struct tee_context ctx = {
		.teedev = optee->teedev,
		.supp_nowait = true,
	};
	struct optee_session *sess;
	LIST_HEAD(failed);

	mutex_lock(&ctxdata->mutex);
	while (!list_empty(&ctxdata->released)) {
		sess = list_first_entry(&ctxdata->released,
					struct optee_session, list_node);
		/* On no list: it's being closed, the others wait for that */
		list_del_init(&sess->list_node);
		mutex_unlock(&ctxdata->mutex);

		if (optee_close_session_helper(&ctx, sess))
			list_add_tail(&sess->list_node, &failed);
		else
			optee_free_session(sess);

		mutex_lock(&ctxdata->mutex);
	}
	mutex_unlock(&ctxdata->mutex);

	if (READ_ONCE(optee->release.stopped))
		give_up(&failed);

	mutex_lock(&ctxdata->mutex);
	list_splice(&failed, &ctxdata->released);
	if (!list_empty(&ctxdata->released)) {
		queue_delayed_work(release_wq, &ctxdata->release_work,
				   RETRY_DELAY);
		mutex_unlock(&ctxdata->mutex);
		return;
	}
	ctxdata->release_queued = false;
	mutex_unlock(&ctxdata->mutex);

	optee_context_data_put(ctxdata);
}

/**
 * optee_close_later() - Let a worker close sessions
 * @ctxdata:	what the driver keeps of a context, not necessarily theirs
 * @list:	the sessions, nobody else knows them; empty then
 *
 * The worker tries until all of them are closed, or the driver is removed.
 */
void optee_close_later(struct optee_context_data *ctxdata,
		       struct list_head *list)
{
	mutex_lock(&ctxdata->mutex);
	list_splice_tail_init(list, &ctxdata->released);
	if (!ctxdata->release_queued) {
		ctxdata->release_queued = true;
		refcount_inc(&ctxdata->refcount);
		queue_delayed_work(release_wq, &ctxdata->release_work, 0);
	}
	mutex_unlock(&ctxdata->mutex);
}

/**
 * optee_context_data_alloc() - Allocate what the driver keeps of a context
 * @teedev:	device that the context is of
 *
 * Return: the struct with one reference, to be dropped by
 * optee_context_data_put(), or an ERR_PTR: there's no memory, or the driver is
 * removed
 */
struct optee_context_data *optee_context_data_alloc(struct tee_device *teedev)
{
	struct optee *optee = tee_get_drvdata(teedev);
	struct optee_release *release = &optee->release;
	struct optee_context_data *ctxdata;
	/* tee-supplicant has no sessions, and goes when its device does */
	bool counted = teedev == optee->teedev;
	bool stopped;

	ctxdata = kzalloc(sizeof(*ctxdata), GFP_KERNEL);
	if (!ctxdata)
		return ERR_PTR(-ENOMEM);

	spin_lock(&release->lock);
	stopped = release->stopped;
	if (!stopped && counted)
		atomic_inc(&release->contexts);
	spin_unlock(&release->lock);
	if (stopped) {
		kfree(ctxdata);
		return ERR_PTR(-ENODEV);
	}

	ctxdata->optee = optee;
	ctxdata->counted = counted;
	refcount_set(&ctxdata->refcount, 1);
	mutex_init(&ctxdata->mutex);
	ctxdata->sessions = RB_ROOT;
	INIT_LIST_HEAD(&ctxdata->released);
	INIT_DELAYED_WORK(&ctxdata->release_work, release_work_fn);

	return ctxdata;
}

/**
 * optee_context_data_put() - Drop a reference to what is kept of a context
 * @ctxdata:	what the driver keeps of it, freed with the last reference
 */
void optee_context_data_put(struct optee_context_data *ctxdata)
{
	struct optee_release *release = &ctxdata->optee->release;
	bool counted = ctxdata->counted;

	if (!refcount_dec_and_test(&ctxdata->refcount))
		return;

	kfree(ctxdata);
	if (counted) {
		atomic_dec(&release->contexts);
		wake_up_all(&release->wait);
	}
}

/**
 * optee_release_init() - Prepare to release sessions
 * @optee:	main service struct
 */
void optee_release_init(struct optee *optee)
{
	spin_lock_init(&optee->release.lock);
	init_waitqueue_head(&optee->release.wait);
}

/**
 * optee_release_stop() - Wait for clients, close what is left, or give up
 * @optee:	main service struct
 *
 * Sessions can only be closed as long as there's memory for messages. Who has
 * the device open goes on until it's closed, but nobody else opens it. Nobody
 * waits for tee-supplicant here: it's told to go when its device is removed.
 */
void optee_release_stop(struct optee *optee)
{
	spin_lock(&optee->release.lock);
	WRITE_ONCE(optee->release.stopped, true);
	spin_unlock(&optee->release.lock);

	wait_event(optee->release.wait,
		   atomic_read(&optee->release.contexts) == !!optee->ctx);
	/* Who woke us is done with @optee only then */
	flush_workqueue(release_wq);
}

/**
 * optee_release_wq_create() - Prepare to release sessions of any device
 *
 * Return: 0 on success or <0 on failure
 */
int optee_release_wq_create(void)
{
	release_wq = alloc_workqueue("optee_release", WQ_UNBOUND, 0);

	return release_wq ? 0 : -ENOMEM;
}

/**
 * optee_release_wq_destroy() - Undo optee_release_wq_create()
 */
void optee_release_wq_destroy(void)
{
	destroy_workqueue(release_wq);
}
