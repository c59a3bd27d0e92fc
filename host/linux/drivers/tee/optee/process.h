/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions that end with the process that opened them
 */

#ifndef OPTEE_PROCESS_H
#define OPTEE_PROCESS_H

#include <linux/atomic.h>
#include <linux/kconfig.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/tee.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct optee;
struct optee_context_data;
struct optee_session;
struct tee_context;

#if IS_ENABLED(CONFIG_TEE_CLIENT_PROCESS)

/**
 * struct optee_processes - processes that sessions end with
 * @mutex:	serializes access to the members below, and to struct
 *		optee_watch; is taken before that of a context
 * @sessions:	sessions that are watched
 * @stopped:	flag if no more sessions are to be watched
 * @reaped:	counts the sessions whose process is gone
 * @reaper:	looks for such processes
 * @attempts:	counts how many of @reaped were tried to be closed
 * @wait:	woken when @attempts has changed
 */
struct optee_processes {
	/* Serializes access to this struct, and to struct optee_watch */
	struct mutex mutex;
	struct list_head sessions;
	bool stopped;
	u64 reaped;
	struct work_struct reaper;
	atomic_t attempts;
	wait_queue_head_t wait;
};

/**
 * struct optee_watch - what a session needs to end with a process
 * @optee:	main service struct, NULL if the session was never watched
 * @ctxdata:	context of the session, only if watched: the process that
 *		opened it is the client, and is alive or not noticed to be gone,
 *		or it wasn't tried yet to close the session
 * @node:	element of sessions in struct optee_processes
 * @exit_wait:	waits for the exit of the process
 * @ta:		UUID of the trusted application
 * @reaped:	not 0 if the process is gone and the session is among those to
 *		be closed later: the how manieth that was
 * @taken:	flag if these are no more those of @ctxdata
 */
struct optee_watch {
	struct optee *optee;
	struct optee_context_data *ctxdata;
	struct list_head node;
	struct wait_queue_entry exit_wait;
	u8 ta[TEE_IOCTL_UUID_LEN];
	u64 reaped;
	bool taken;
};

void optee_processes_init(struct optee *optee);
void optee_processes_stop(struct optee *optee);
void optee_watch_session(struct optee_context_data *ctxdata,
			 struct optee_session *sess,
			 const u8 ta[TEE_IOCTL_UUID_LEN]);
void optee_unwatch_session(struct optee_session *sess);
void optee_unwatch_context(struct optee_context_data *ctxdata);
int optee_reap_sessions(struct tee_context *ctx,
			const u8 ta[TEE_IOCTL_UUID_LEN]);

/* Spares who opens a session the call above, mostly */
static inline bool optee_is_watching(const struct optee_processes *processes)
{
	return !list_empty(&processes->sessions);
}

#else

struct optee_processes { };

struct optee_watch { };

static inline void optee_processes_init(struct optee *optee)
{
}

static inline void optee_processes_stop(struct optee *optee)
{
}

static inline void optee_watch_session(struct optee_context_data *ctxdata,
				       struct optee_session *sess,
				       const u8 ta[TEE_IOCTL_UUID_LEN])
{
}

static inline void optee_unwatch_session(struct optee_session *sess)
{
}

static inline void optee_unwatch_context(struct optee_context_data *ctxdata)
{
}

static inline int optee_reap_sessions(struct tee_context *ctx,
				      const u8 ta[TEE_IOCTL_UUID_LEN])
{
	return 0;
}

static inline bool optee_is_watching(const struct optee_processes *processes)
{
	return false;
}

#endif

#endif /* OPTEE_PROCESS_H */
