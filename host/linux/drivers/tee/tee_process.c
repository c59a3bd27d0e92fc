// SPDX-License-Identifier: GPL-2.0-only
/*
 * The login method of a single process
 */

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/once.h>
#include <linux/pid.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/tee_core.h>
#include <linux/types.h>
#include <linux/uuid.h>
#include "tee_private.h"

static int process_init(struct tee_client *client)
{
	/* A struct pid with a reference isn't used for another process */
	client->process.tgid = get_pid(task_tgid(current));
	client->process.exec_id = current->self_exec_id;

	return 0;
}

static void process_put(struct tee_client *client)
{
	put_pid(client->process.tgid);
	client->process.tgid = NULL;
}

static bool process_is_current(const struct tee_client *client)
{
	return client->process.tgid == task_tgid(current) &&
	       client->process.exec_id == current->self_exec_id;
}

static char *process_name(const struct tee_client *client)
{
	/* Keeps the UUIDs of processes from coming back after a reboot */
	static uuid_t boot_id;
	char *name;

	get_random_once(&boot_id, sizeof(boot_id));

	name = kasprintf(GFP_KERNEL, "boot=%pUb:tgid=%x:start=%llx:exec=%llx",
			 &boot_id, task_tgid_nr(current),
			 current->group_leader->start_boottime,
			 current->self_exec_id);

	return name ?: ERR_PTR(-ENOMEM);
}

const struct tee_login_ops tee_process_ops = {
	.init = process_init,
	.put = process_put,
	.is_current = process_is_current,
	.name = process_name,
};

bool tee_process_is_gone(const struct tee_process *process)
{
	struct task_struct *task;
	bool gone = true;

	rcu_read_lock();
	task = pid_task(process->tgid, PIDTYPE_TGID);
	if (task)
		gone = !atomic_read(&task->signal->live) ||
		       READ_ONCE(task->self_exec_id) != process->exec_id;
	rcu_read_unlock();

	return gone;
}
EXPORT_SYMBOL_GPL(tee_process_is_gone);
