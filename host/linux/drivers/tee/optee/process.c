// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions that end with the process that opened them
 */

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/string.h>
#include <linux/tee_core.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "optee_private.h"

/* The client of a session has ended, maybe */
static int wake_reaper(struct wait_queue_entry *wait, unsigned int mode,
		       int sync, void *key)
{
	struct optee_watch *watch = container_of(wait, struct optee_watch,
						 exit_wait);

	queue_work(system_unbound_wq, &watch->optee->processes.reaper);

	return 0;
}

/**
 * optee_watch_session() - Let a session end with the process that opened it
 * @ctxdata:	what the driver keeps of the context
 * @sess:	the session, not in the tree so far
 * @ta:		UUID of the trusted application
 *
 * Does nothing if the client isn't a process.
 */
void optee_watch_session(struct optee_context_data *ctxdata,
			 struct optee_session *sess,
			 const u8 ta[TEE_IOCTL_UUID_LEN])
{
	struct optee_processes *processes = &ctxdata->optee->processes;
	struct optee_watch *watch = &sess->watch;

	/* Without client binding, a child may be closing it, too */
	if (sess->client.claim.login != TEE_IOCTL_LOGIN_PROCESS ||
	    !ctxdata->optee->client_binding)
		return;

	watch->optee = ctxdata->optee;
	memcpy(watch->ta, ta, sizeof(watch->ta));
	init_waitqueue_func_entry(&watch->exit_wait, wake_reaper);

	mutex_lock(&processes->mutex);
	if (!processes->stopped) {
		refcount_inc(&ctxdata->refcount);
		watch->ctxdata = ctxdata;
		list_add_tail(&watch->node, &processes->sessions);
		/* Poll of a pidfd waits here, too */
		add_wait_queue(&sess->client.process.tgid->wait_pidfd,
			       &watch->exit_wait);
	}
	mutex_unlock(&processes->mutex);
}

/* Requires the mutex of struct optee_processes to be held */
static void unwatch(struct optee_session *sess)
{
	struct optee_watch *watch = &sess->watch;
	struct optee_processes *processes;

	if (!watch->ctxdata)
		return;

	processes = &watch->optee->processes;
	remove_wait_queue(&sess->client.process.tgid->wait_pidfd,
			  &watch->exit_wait);
	list_del(&watch->node);
	if (watch->reaped) {
		atomic_inc(&processes->attempts);
		wake_up_all(&processes->wait);
	}
	optee_context_data_put(watch->ctxdata);
	watch->ctxdata = NULL;
}

/**
 * optee_unwatch_session() - Undo optee_watch_session()
 * @sess:	the session, closed or not: nobody is to wait for that any more
 */
void optee_unwatch_session(struct optee_session *sess)
{
	struct optee *optee = sess->watch.optee;

	if (!optee)
		return;

	mutex_lock(&optee->processes.mutex);
	unwatch(sess);
	mutex_unlock(&optee->processes.mutex);
}

/**
 * optee_unwatch_context() - Undo optee_watch_session() for those of a client
 * @ctxdata:	what the driver keeps of its context, to which nobody adds any
 */
void optee_unwatch_context(struct optee_context_data *ctxdata)
{
	struct optee_processes *processes = &ctxdata->optee->processes;
	struct optee_session *sess;
	struct optee_session *tmp;

	mutex_lock(&processes->mutex);
	mutex_lock(&ctxdata->mutex);
	rbtree_postorder_for_each_entry_safe(sess, tmp, &ctxdata->sessions,
					     node)
		unwatch(sess);
	mutex_unlock(&ctxdata->mutex);
	mutex_unlock(&processes->mutex);
}

/*
 * Lets a worker close the sessions of processes that are gone. Those with @ta
 * that it isn't closing yet go to @mine. Returns true if there are any with
 * @ta that it wasn't tried to close, out of the first @last that were reaped
 * since the driver was loaded; 0 becomes what the number is now.
 */
static bool reap(struct optee *optee, const u8 *ta, struct list_head *mine,
		 u64 *last)
{
	struct optee_processes *processes = &optee->processes;
	struct optee_session *sess;
	struct optee_watch *watch;
	bool found = false;
	LIST_HEAD(list);

	mutex_lock(&processes->mutex);
	list_for_each_entry(sess, &processes->sessions, watch.node) {
		watch = &sess->watch;
		if (!watch->reaped && tee_process_is_gone(&sess->client.process)) {
			/* No thread is left that could be opening or closing it */
			mutex_lock(&watch->ctxdata->mutex);
			rb_erase(&sess->node, &watch->ctxdata->sessions);
			list_add(&sess->list_node, &list);
			mutex_unlock(&watch->ctxdata->mutex);
			watch->reaped = ++processes->reaped;
			optee_close_later(watch->ctxdata, &list);
		}
	}

	if (ta && !*last)
		*last = processes->reaped;
	list_for_each_entry(sess, &processes->sessions, watch.node) {
		watch = &sess->watch;
		/* Later ones may be without end */
		if (!ta || !watch->reaped || watch->reaped > *last ||
		    memcmp(watch->ta, ta, sizeof(watch->ta)))
			continue;
		found = true;
		if (watch->taken)
			continue;
		mutex_lock(&watch->ctxdata->mutex);
		/* On no list if the worker is closing it */
		if (!list_empty(&sess->list_node)) {
			watch->taken = true;
			list_move_tail(&sess->list_node, mine);
		}
		mutex_unlock(&watch->ctxdata->mutex);
	}
	mutex_unlock(&processes->mutex);

	return found;
}

static void reaper_fn(struct work_struct *work)
{
	reap(container_of(work, struct optee, processes.reaper), NULL, NULL,
	     NULL);
}

/**
 * optee_reap_sessions() - Close the sessions of processes that are gone
 * @ctx:	context of the caller
 * @ta:		UUID of a trusted application that the caller wants to open
 *
 * On return it was tried to close all such sessions with @ta: by a worker, so
 * that the caller can be killed, and in the context of the caller, where they
 * are not behind sessions with others that take longer.
 *
 * Return: 0 on success or <0 if the caller is being killed
 */
int optee_reap_sessions(struct tee_context *ctx,
			const u8 ta[TEE_IOCTL_UUID_LEN])
{
	struct optee *optee = tee_get_drvdata(ctx->teedev);
	struct optee_processes *processes = &optee->processes;
	LIST_HEAD(mine);
	int attempts;
	u64 last = 0;

	while (true) {
		attempts = atomic_read(&processes->attempts);
		if (!reap(optee, ta, &mine, &last))
			return 0;
		if (!list_empty(&mine))
			optee_close_later(ctx->data, &mine);
		if (wait_event_killable(processes->wait, attempts !=
					atomic_read(&processes->attempts)))
			return -EINTR;
	}
}

/**
 * optee_processes_init() - Prepare to watch processes
 * @optee:	main service struct
 */
void optee_processes_init(struct optee *optee)
{
	struct optee_processes *processes = &optee->processes;

	mutex_init(&processes->mutex);
	INIT_LIST_HEAD(&processes->sessions);
	INIT_WORK(&processes->reaper, reaper_fn);
	init_waitqueue_head(&processes->wait);
}

/**
 * optee_processes_stop() - Stop watching processes
 * @optee:	main service struct
 *
 * What is open, or is opened from now on, ends with its file.
 */
void optee_processes_stop(struct optee *optee)
{
	struct optee_processes *processes = &optee->processes;
	struct optee_session *sess;
	struct optee_session *tmp;

	mutex_lock(&processes->mutex);
	processes->stopped = true;
	list_for_each_entry_safe(sess, tmp, &processes->sessions, watch.node)
		unwatch(sess);
	mutex_unlock(&processes->mutex);

	cancel_work_sync(&processes->reaper);
}
