/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The broker: the daemon's root process. It looks at nothing that the host sent but struct
 * pvo_header, decides whether there is to be a worker, and starts it.
 */
#ifndef _PVGUESTD_BROKER_H
#define _PVGUESTD_BROKER_H

#include <time.h>

#include "channel.h"
#include "policy.h"
#include "worker.h"
#include "pvguest/services.h"

#define WORKERS_MAX	128	/* requests that are being dealt with at a time */
#define WORKERS_EACH	96	/* of these, of one principal */
#define KEPT_MAX	64	/* of these, jobs that have ended and keep their result */
#define KEPT_EACH	32	/* of these, of one principal */
#define RUN_DIR		"/run/pvguest"

/**
 * struct worker - a request that is being dealt with
 * @pid: of its process; 0: this slot is free
 * @control: socket whose other end is &request.broker
 * @watch: descriptor of the stream, or in port mode of its answer, that tells when the host
 *	has closed it; -1: it has
 * @closed_ms: when that was seen, CLOCK_MONOTONIC; valid with @watch -1
 * @key: of the request, until the worker has told its answer; NULL
 * @operation: what was asked for
 * @principal: see &struct request
 * @user: see &struct request
 * @job: see &struct request; 0: none
 * @began: CLOCK_REALTIME
 * @began_ms: CLOCK_MONOTONIC
 * @note: see job_note(), @note_len bytes
 * @note_len: see @note
 * @deaf: it has closed its end of @control
 * @kept: it only keeps a result: the number of that, in their order; 0: it does more
 */
struct worker {
	pid_t pid;
	int control;
	int watch;
	__u64 closed_ms;
	struct pvs_key *key;
	const struct operation *operation;
	char principal[PVC_PRINCIPAL_MAX + 1];
	char user[PVO_USER_MAX];
	__u64 job;
	time_t began;
	__u64 began_ms;
	__u32 note_len;
	__u8 note[JOB_NOTE_MAX];
	bool deaf;
	__u64 kept;
};

/**
 * struct keys - what is known of requests by their keys; a file
 * @magic: KEYS_MAGIC
 * @keys: all
 * @principals: whose each of @keys.entries is
 */
struct keys {
	__u64 magic;
	struct pvs_keys keys;
	char principals[PVS_KEYS][PVC_PRINCIPAL_MAX + 1];
};

/**
 * struct broker - all of it
 * @channel: where requests come from
 * @port: what @channel was made of, in port mode
 * @policy: of the guest
 * @policy_dir: where it is read from
 * @journal: socket of the journal
 * @state_dir: what outlives the boot: values of the key-value store
 * @kv: socket for those who want values; -1: none could be had
 * @kv_pid: the process that has the values, and listens in the broker's place; 0: none
 * @keys: of requests, in a file that outlives this process
 * @workers: some of them free
 */
struct broker {
	struct channel channel;
	struct port_config port;
	bool use_port;
	struct policy *policy;
	const char *policy_dir;
	const char *journal;
	const char *state_dir;
	int kv;
	pid_t kv_pid;
	const char *run_dir;
	struct keys *keys;
	struct worker workers[WORKERS_MAX];
};

extern struct broker broker;

/* broker.c: until SIGTERM; the exit status of the daemon. */
int broker_run(void);
/* Reads the policy; what is wrong with it goes to the log, and closes it. */
void broker_policy(void);

/*
 * limits.c: the slot for one more worker; NULL: a limit is reached, and @text of at most @size
 * bytes says which. @job: it is of an operation that may begin one.
 */
struct worker *limits_admit(const char *principal, const char *verb, bool job, char *text,
			    size_t size);
/* The job of @w has ended and keeps its result; the oldest of too many gives its own up. */
void limits_keep(struct worker *w);

/* keys.c: 0 or -errno. @dir: a directory that outlives the daemon, but not the boot. */
int keys_open(const char *dir);
/* True if @arrival has been answered: by what is known of its key, or since it only asked. */
bool keys_recall(const struct arrival *arrival);
/* Remembers that it is about to be carried out; *@key is NULL without one. False: no room. */
bool keys_begin(const struct arrival *arrival, struct pvs_key **key);

/* worker.c: the worker itself, in a process of its own; does not return. */
void worker_run(struct request *req, const __u8 *args, __u32 args_len)
	__attribute__((noreturn));

/* What a worker tells the broker. */
enum worker_message_type {
	WORKER_ANSWER = 1,	/* the status and body of its answer */
	WORKER_NOTE = 2,	/* job_note() */
	WORKER_KEPT = 3,	/* job_kept() */
};

struct worker_message {
	__u32 type;
	__u32 status;
	__u32 len;
	__u8 body[JOB_NOTE_MAX];
};

/* A stream for a job; one or two descriptors, and @record_len bytes, go with it. */
struct join_message {
	__u16 op;
	__u16 flags;
	__u32 record_len;
};

#endif /* _PVGUESTD_BROKER_H */
