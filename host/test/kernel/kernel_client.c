// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client of OP-TEE inside of the kernel, for the regression suite. It does
 * what is written to /dev/kernel-client, in whatever task writes it or, for a
 * line that starts with '@', in a kernel worker, and answers with
 * "error result origin value":
 *
 *   open UUID LOGIN      value: the session
 *   ask SESSION          value: the login that the TA sees (its command 0)
 *   close SESSION
 */

#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/tee_drv.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/workqueue.h>

static DEFINE_MUTEX(lock);
static struct tee_context *ctx;
static char answer[64];

struct job {
	struct work_struct work;
	const char *line;
};

static int open_session(const char *line, struct tee_ioctl_open_session_arg *arg)
{
	char text[UUID_STRING_LEN + 1];
	uuid_t uuid;

	if (sscanf(line, "open %36s %x", text, &arg->clnt_login) != 2 ||
	    uuid_parse(text, &uuid))
		return -EINVAL;
	export_uuid(arg->uuid, &uuid);

	return tee_client_open_session(ctx, arg, NULL);
}

static int ask(u32 session, struct tee_ioctl_invoke_arg *arg, u64 *login)
{
	struct tee_param param[4] = { };
	int rc, n;

	for (n = 0; n < 3; n++)
		param[n].attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT;
	arg->session = session;
	arg->num_params = ARRAY_SIZE(param);

	rc = tee_client_invoke_func(ctx, arg, param);
	*login = param[0].u.value.a;
	return rc;
}

static void do_line(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work);
	struct tee_ioctl_open_session_arg open = { };
	struct tee_ioctl_invoke_arg invoke = { };
	u32 session, ret = 0, origin = 0;
	u64 value = 0;
	int rc;

	if (sscanf(job->line, "ask %u", &session) == 1) {
		rc = ask(session, &invoke, &value);
		ret = invoke.ret;
		origin = invoke.ret_origin;
	} else if (sscanf(job->line, "close %u", &session) == 1) {
		rc = tee_client_close_session(ctx, session);
	} else {
		rc = open_session(job->line, &open);
		ret = open.ret;
		origin = open.ret_origin;
		value = open.session;
	}
	snprintf(answer, sizeof(answer), "%d %u %u %llu\n", rc, ret, origin,
		 value);
}

static ssize_t write_line(struct file *file, const char __user *from,
			  size_t size, loff_t *pos)
{
	char *line __free(kfree) = memdup_user_nul(from, min(size, 128));
	struct job job = { };

	if (IS_ERR(line))
		return PTR_ERR(no_free_ptr(line));

	guard(mutex)(&lock);
	INIT_WORK_ONSTACK(&job.work, do_line);
	if (line[0] == '@') {
		job.line = line + 1;
		schedule_work(&job.work);
		flush_work(&job.work);
	} else {
		job.line = line;
		do_line(&job.work);
	}
	destroy_work_on_stack(&job.work);

	return size;
}

static ssize_t read_answer(struct file *file, char __user *to, size_t size,
			   loff_t *pos)
{
	guard(mutex)(&lock);
	return simple_read_from_buffer(to, size, pos, answer, strlen(answer));
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.read = read_answer,
	.write = write_line,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kernel-client",
	.mode = 0666,
	.fops = &operations,
};

static int is_optee(struct tee_ioctl_version_data *version, const void *data)
{
	return version->impl_id == TEE_IMPL_ID_OPTEE;
}

static int __init kernel_client_init(void)
{
	int rc;

	ctx = tee_client_open_context(NULL, is_optee, NULL, NULL);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);

	rc = misc_register(&device);
	if (rc)
		tee_client_close_context(ctx);
	return rc;
}
module_init(kernel_client_init);

static void __exit kernel_client_exit(void)
{
	misc_deregister(&device);
	tee_client_close_context(ctx);
}
module_exit(kernel_client_exit);

MODULE_DESCRIPTION("A client of OP-TEE inside of the kernel, for tests");
MODULE_LICENSE("GPL");
