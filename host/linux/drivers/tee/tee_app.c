// SPDX-License-Identifier: GPL-2.0-only
/*
 * The application a client is: a measurement of the executable it runs, and
 * whether that's all the code there is
 */

#define pr_fmt(fmt) "tee: " fmt

#include <linux/align.h>
#include <linux/compat.h>
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/elf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mount.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/tee_core.h>
#include <linux/user_namespace.h>
#include <crypto/hash.h>
#include <crypto/hash_info.h>
#include <crypto/sha2.h>
#include "tee_private.h"

/* What is hashed at each login, and for each stranger: a fraction of a second */
#define TEE_APP_MAX_SIZE	SZ_64M
#define TEE_APP_CHUNK_SIZE	SZ_16K

/*
 * File systems which hand out again what was written to a file. A server of a
 * user's, as with FUSE, or across a network may do otherwise.
 */
static const char *const trusted_types[] = {
	"btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "jffs2", "ramfs",
	"rootfs", "squashfs", "tmpfs", "ubifs", "xfs",
};

enum code {
	CODE_MISSING,	/* the file isn't mapped to be executed */
	CODE_OWN,	/* nothing else is */
	CODE_ANY,
};

/* The executable of the calling task, only to be compared */
static const struct file *current_exe(void)
{
	/* A kernel thread may borrow an mm, but isn't the program in it */
	if (!current->mm || current->flags & PF_KTHREAD)
		return NULL;

	return rcu_access_pointer(current->mm->exe_file);
}

/*
 * Whether a debugger has its hands on the memory of the calling task: by way
 * of this thread, another one, or any task else which shares the memory.
 */
static bool is_traced(void)
{
	const struct mm_struct *mm = current->mm;
	const struct task_struct *process;
	struct sighand_struct *sighand;
	struct task_struct *t;
	bool traced = false;
	int others;

	if (current->ptrace)
		return true;
	if (atomic_read(&mm->mm_users) == 1)
		return false;

	guard(rcu)();
	/* No thread comes or goes, so all who are counted are users just now */
	sighand = rcu_dereference(current->sighand);
	spin_lock_irq(&sighand->siglock);
	others = atomic_read(&mm->mm_users);
	for (t = current->group_leader; t; t = __next_thread(t)) {
		if (READ_ONCE(t->mm) != mm)
			continue;
		traced |= READ_ONCE(t->ptrace);
		others--;
	}
	spin_unlock_irq(&sighand->siglock);
	if (traced || !others)
		return traced;

	for_each_process(process)
		for (t = process->group_leader; t; t = __next_thread(t))
			if (READ_ONCE(t->mm) == mm && READ_ONCE(t->ptrace))
				return true;

	return false;
}

/*
 * Whether an interpreter may have got exe from exec, which opened it likewise.
 * Who creates a user namespace may choose interpreters in it, and in those
 * below, by mounting binfmt_misc; that isn't forgotten before the namespace is.
 */
static bool may_be_interpreted(const struct file *exe)
{
#if IS_ENABLED(CONFIG_BINFMT_MISC)
	const struct user_namespace *ns;

	for (ns = exe->f_cred->user_ns; ns->parent; ns = ns->parent)
		if (READ_ONCE(ns->binfmt_misc))
			return true;
#endif
	return false;
}

/* Why ownership means nothing where a file was found */
static const char *mount_objection(const struct file *file)
{
	const struct vfsmount *mnt = file->f_path.mnt;

	if (mnt->mnt_flags & MNT_NOSUID)
		return "its executable is on a nosuid mount, install it elsewhere";
	if (is_idmapped_mnt(mnt))
		return "its executable is on an idmapped mount, install it elsewhere";

	return NULL;
}

/*
 * Why somebody else than root may have had, or may get, a page of the inode in
 * hand. A page that is pinned by who may write to it can be written to long
 * after that right has gone, whatever was measured meanwhile.
 */
static const char *inode_objection(const struct inode *inode)
{
	const struct super_block *sb = inode->i_sb;

	if (!S_ISREG(inode->i_mode))
		return "its executable isn't a regular file";
	if (sb->s_user_ns != &init_user_ns)
		return "its executable is on a file system that was mounted in a user namespace";
	if (match_string(trusted_types, ARRAY_SIZE(trusted_types),
			 sb->s_type->name) < 0)
		return "its executable isn't on a local file system of a known type";
	if (!uid_eq(inode->i_uid, GLOBAL_ROOT_UID))
		return "its executable isn't root's, let root install a copy";
	/* With an ACL, the bits of the group are the most that it grants */
	if (inode->i_mode & 0022)
		return "not root alone may write to its executable, let root install a copy";

	return NULL;
}

/* Why a measurement of exe wouldn't tell what the calling task is */
static const char *objection(const struct file *exe)
{
	const char *why;

	if (is_traced())
		return "it's traced";

	/* Any file may be given to prctl(), but exec alone opens one like so */
	if (!(exe->f_flags & __FMODE_EXEC))
		return "its executable was exchanged by prctl()";

	if (may_be_interpreted(exe))
		return "its user namespace has a binfmt_misc of its own";

	if (d_unlinked(exe->f_path.dentry) || !file_inode(exe)->i_nlink)
		return "its executable was deleted, start it again";

	why = mount_objection(exe);
	if (why)
		return why;

	return inode_objection(d_real_inode(exe->f_path.dentry));
}

static void log_refusal(const char *why)
{
	char comm[TASK_COMM_LEN];

	get_task_comm(comm, current);
	/* Anybody may put anything there, and make it a line of its own */
	pr_warn_ratelimited("%*pE[%d] is no application: %s\n",
			    (int)strlen(comm), comm, task_pid_nr(current), why);
}

/* Has it been written to, be it through a debugger or mprotect()? */
static bool is_modified(const struct vm_area_struct *vma)
{
	/* Private pages need one, and no executable mapping is shared for writing */
	return vma->anon_vma;
}

/* The vDSO and the like: only the kernel names what has no file */
static bool is_kernels(const struct vm_area_struct *vma)
{
	return !vma->vm_file && vma->vm_ops && vma->vm_ops->name;
}

/*
 * What the calling task can execute. Below a stacking file system, what is
 * mapped is the file that holds the bytes.
 *
 * Needs mmap_lock. If file isn't NULL it gets the file that exec has mapped, not
 * referenced. Another one of the same inode may have come by a descriptor, and
 * who has that says how it's read: O_DIRECT goes past the pages that run.
 */
static enum code look_at_code(const struct inode *inode, struct file **file)
{
	VMA_ITERATOR(vmi, current->mm, 0);
	enum code code = CODE_MISSING;
	struct vm_area_struct *vma;
	bool any = false;

	for_each_vma(vmi, vma) {
		if (!(vma->vm_flags & VM_EXEC))
			continue;

		if (vma->vm_file && file_inode(vma->vm_file) == inode) {
			if (file && vma->vm_file->f_flags & __FMODE_EXEC)
				*file = vma->vm_file;
			code = CODE_OWN;
			any |= is_modified(vma);
		} else {
			any |= !is_kernels(vma) || is_modified(vma);
		}
		if (any && code == CODE_OWN && (!file || *file))
			return CODE_ANY;
	}

	return code;
}

/* Is a program that is linked when it's executed told from one that isn't? */
static int read_linked(struct file *file, bool *linked)
{
	unsigned int num, size, known_size, i;
	union {
		struct elf32_hdr h32;
		struct elf64_hdr h64;
	} elf;
	u32 type;
	loff_t table;
	loff_t pos = 0;
	ssize_t n;

	/* What isn't understood may well be */
	*linked = true;

	n = kernel_read(file, &elf, sizeof(elf), &pos);
	if (n < 0)
		return n;
	if (n != sizeof(elf) || memcmp(elf.h64.e_ident, ELFMAG, SELFMAG))
		return 0;

	/* Exec doesn't look at the class: what it took the file for counts */
	if (elf.h64.e_ident[EI_CLASS] !=
	    (in_compat_syscall() ? ELFCLASS32 : ELF_CLASS))
		return 0;

	if (elf.h64.e_ident[EI_CLASS] == ELFCLASS32) {
		known_size = sizeof(struct elf32_phdr);
		table = elf.h32.e_phoff;
		size = elf.h32.e_phentsize;
		num = elf.h32.e_phnum;
	} else {
		known_size = sizeof(struct elf64_phdr);
		table = elf.h64.e_phoff;
		size = elf.h64.e_phentsize;
		num = elf.h64.e_phnum;
	}
	/* As exec has it. Nothing else is executed, or read here without end */
	if (table < 0 || size != known_size || !num || num * size > SZ_64K)
		return 0;

	BUILD_BUG_ON(offsetof(struct elf32_phdr, p_type) ||
		     offsetof(struct elf64_phdr, p_type));
	for (i = 0; i < num; i++) {
		pos = table + i * size;
		n = kernel_read(file, &type, sizeof(type), &pos);
		if (n < 0)
			return n;
		if (n != sizeof(type) || type == PT_INTERP)
			return 0;
	}
	*linked = false;

	return 0;
}

/*
 * Gets the application of the calling task. Fails if a measurement of the
 * executable wouldn't tell what the task is: it's traced, the executable was
 * deleted or exchanged, others than root could have a page of it in hand, or
 * that can't be known. The log says why. Ends early if the task is being killed.
 */
static int app_get(struct tee_app *app)
{
	const char *why = NULL;
	enum code code;
	int rc;

	memset(app, 0, sizeof(*app));
	if (current_exe()) {
		rcu_read_lock();
		app->exe = get_file_rcu(&current->mm->exe_file);
		rcu_read_unlock();
	}
	if (!app->exe)
		return -EPERM;

	rc = -EPERM;
	why = objection(app->exe);
	if (why)
		goto err_put_exe;

	if (mmap_read_lock_killable(current->mm)) {
		rc = -EINTR;
		goto err_put_exe;
	}
	code = look_at_code(d_real_inode(app->exe->f_path.dentry), &app->file);
	if (app->file)
		get_file(app->file);
	mmap_read_unlock(current->mm);

	if (!app->file) {
		why = "its executable isn't mapped or was copied up, start it again";
		goto err_put_exe;
	}
	why = mount_objection(app->file) ?:
	      inode_objection(file_inode(app->file));
	if (why)
		goto err_put_file;

	/* Exec has done that, but not below a stacking file system */
	if (deny_write_access(app->file)) {
		why = "somebody writes to its executable";
		goto err_put_file;
	}

	rc = read_linked(app->file, &app->linked);
	if (rc) {
		tee_app_put(app);
		return rc;
	}
	app->own_code = code == CODE_OWN && !app->linked;

	return 0;

err_put_file:
	fput(app->file);
err_put_exe:
	if (why)
		log_refusal(why);
	fput(app->exe);
	memset(app, 0, sizeof(*app));

	return rc;
}

void tee_app_put(struct tee_app *app)
{
	if (!app->exe)
		return;

	allow_write_access(app->file);
	fput(app->file);
	fput(app->exe);
	memset(app, 0, sizeof(*app));
}
EXPORT_SYMBOL_GPL(tee_app_put);

bool tee_app_get_if_run(struct tee_app *app, const struct tee_app *known)
{
	memset(app, 0, sizeof(*app));
	if (current_exe() != known->exe || deny_write_access(known->file))
		return false;

	*app = *known;
	get_file(app->file);
	get_file(app->exe);

	return true;
}
EXPORT_SYMBOL_GPL(tee_app_get_if_run);

bool tee_app_is_current(const struct tee_app *app)
{
	enum code code;

	if (objection(app->exe) || mmap_read_lock_killable(current->mm))
		return false;
	code = look_at_code(d_real_inode(app->exe->f_path.dentry), NULL);
	mmap_read_unlock(current->mm);

	return code != CODE_MISSING &&
	       app->own_code == (code == CODE_OWN && !app->linked);
}
EXPORT_SYMBOL_GPL(tee_app_is_current);

static int hash_file(struct file *file, u8 digest[SHA256_DIGEST_SIZE])
{
	loff_t size = i_size_read(file_inode(file));
	struct crypto_shash *tfm;
	SHASH_DESC_ON_STACK(desc, tfm);
	loff_t pos = 0;
	ssize_t n;
	void *buf;
	int rc;

	if (size > TEE_APP_MAX_SIZE) {
		log_refusal("its executable is larger than 64 MiB, enable fs-verity on it");
		return -EFBIG;
	}

	tfm = crypto_alloc_shash("sha256", 0, 0);
	if (IS_ERR(tfm))
		return PTR_ERR(tfm);

	desc->tfm = tfm;
	buf = kmalloc(TEE_APP_CHUNK_SIZE, GFP_KERNEL);
	rc = buf ? crypto_shash_init(desc) : -ENOMEM;

	while (!rc && pos < size) {
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		n = kernel_read(file, buf, TEE_APP_CHUNK_SIZE, &pos);
		if (n <= 0)
			rc = n ?: -EIO;
		else
			rc = crypto_shash_update(desc, buf, n);
		cond_resched();
	}
	if (!rc)
		rc = crypto_shash_final(desc, digest);

	shash_desc_zero(desc);
	kfree(buf);
	crypto_free_shash(tfm);

	return rc;
}

/*
 * Measures the executable of the calling task's application. The measurement
 * doesn't depend on where that is found: paths and names are up to whoever
 * mounts, links and renames. What it consists of is the kind of application, the
 * method, the algorithm and the digest.
 */
static char *app_id(const struct tee_app *app)
{
	u8 digest[HASH_MAX_DIGESTSIZE];
	const char *method = "verity";
	enum hash_algo algo;
	char *id;
	int len;
	int rc;

	len = fsverity_get_digest(file_inode(app->file), digest, NULL, &algo);
	if (!len) {
		method = "file";
		algo = HASH_ALGO_SHA256;
		len = SHA256_DIGEST_SIZE;
		rc = hash_file(app->file, digest);
		if (rc)
			return ERR_PTR(rc);
	}

	id = kasprintf(GFP_KERNEL, "%s=%s-%s:%*phN",
		       app->own_code ? "app" : "app-any-code", method,
		       hash_algo_name[algo], len, digest);

	return id ?: ERR_PTR(-ENOMEM);
}

static int app_init(struct tee_client *client)
{
	return app_get(&client->app);
}

static void app_put(struct tee_client *client)
{
	tee_app_put(&client->app);
}

static char *app_name(const struct tee_client *client)
{
	struct tee_app app;
	char *id;
	int rc;

	if (client)
		return app_id(&client->app);

	rc = app_get(&app);
	if (rc)
		return ERR_PTR(rc);
	id = app_id(&app);
	tee_app_put(&app);

	return id;
}

/* Mappings can't be looked at with a lock that others wait for */
const struct tee_login_ops tee_app_ops = {
	.init = app_init,
	.put = app_put,
	.name = app_name,
};
