/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the processes of an exec have in common. The supervisor (exec.c, exec_pump.c) is the
 * worker: it parses the host's record, without privileges, and moves the data. The launcher
 * (exec_launch.c) is its child, forked before any of the record was known: it gets a plan,
 * checks it again, becomes the user, asks the policy, and becomes the program.
 *
 *	broker --fork--> supervisor --fork--> launcher --execve--> program
 *	                     |  plan, descriptors  |                  |
 *	                     |<------------------->|                  |
 *	                     |  stdin, stdout, stderr, or a terminal  |
 *	                     |<-------------------------------------->|
 */
#ifndef _PVGUESTD_EXEC_H
#define _PVGUESTD_EXEC_H

#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "worker.h"
#include "generated/exec.pb.h"

#define EXEC_STRINGS	4096u		/* of argv, and of env */
#define EXEC_BYTES	PVO_ARGS_MAX	/* of both together, with the zero bytes */
#define EXEC_GROUPS	16u
#define EXEC_NAME	33u		/* bytes of a group's name, with the zero */
#define EXEC_RLIMITS	RLIM_NLIMITS
#define EXEC_CWD	4096u

/* exec_record.c: what the host asks for */

/**
 * struct exec_request - a record that is well-formed and within all bounds
 * @msg: its fields but argv and env
 * @argc: number of arguments
 * @envc: number of variables
 * @strings: those of argv, then those of env, each with its zero byte; malloc()ed
 * @len: bytes of @strings
 */
struct exec_request {
	pvo_exec_run msg;
	__u32 argc;
	__u32 envc;
	char *strings;
	__u32 len;
};

/*
 * PVC_OK, or what to answer, with @text for a person. @exec->strings is to be freed in either
 * case.
 */
__u32 exec_decode(struct exec_request *exec, const __u8 *record, __u32 len,
		  char text[REQUEST_TEXT_MAX]);
/* False: @record has a field with a number above @max, which is unknown here. */
bool exec_known_fields(const __u8 *record, __u32 len, __u32 max);

/* exec_plan.c: the plan, from the supervisor to the launcher */

#define PLAN_MAGIC	0x4e4c5031u
#define PLAN_SHELL	0x0001u		/* the only argument is text for the user's shell */
#define PLAN_LOGIN	0x0002u		/* the user's shell, no arguments */
#define PLAN_TTY	0x0004u
#define PLAN_STDIN	0x0008u		/* the host has data; else /dev/null */
#define PLAN_MERGE	0x0010u		/* stderr goes where stdout goes */
#define PLAN_CGROUP	0x0020u		/* it gets a cgroup, though nothing is limited */
#define PLAN_DETACH	0x0040u
#define PLAN_FLAGS	0x007fu

#define PLAN_PIDS_MAX	4194304u	/* of pids.max, other than "max" */

/**
 * struct plan_head - the part of a plan that the launcher acts on as root
 * @magic: PLAN_MAGIC
 * @flags: PLAN_*
 * @argc: strings of the arguments
 * @envc: strings of the environment
 * @strings_len: bytes of all strings, which follow: the working directory (empty: the user's
 *	home), the arguments, the environment
 * @umask: 0 to 0777
 * @ngroups: of @groups; 0 and an empty @group: as the user has them
 * @nrlimits: of @rlimits
 * @rows: of the terminal, like what follows
 * @columns: see @rows
 * @xpixels: see @rows
 * @ypixels: see @rows
 * @cpu_milli: limit of the cgroup, thousandths of a CPU; 0: none, like the others
 * @memory_max: bytes
 * @pids_max: tasks
 * @group: the main group's name
 * @groups: the other groups' names
 * @rlimits: resource, soft limit, hard limit
 */
struct plan_head {
	__u32 magic;
	__u32 flags;
	__u32 argc;
	__u32 envc;
	__u32 strings_len;
	__u32 umask;
	__u32 ngroups;
	__u32 nrlimits;
	__u16 rows, columns, xpixels, ypixels;
	__u32 cpu_milli;
	__u32 reserved;
	__u64 memory_max;
	__u64 pids_max;
	char group[EXEC_NAME];
	char groups[EXEC_GROUPS][EXEC_NAME];
	struct {
		__u32 resource;
		__u32 reserved;
		__u64 soft;
		__u64 hard;
	} rlimits[EXEC_RLIMITS];
};

/* The strings of a plan, in memory of the launcher's. @argv and @env end with NULL. */
struct plan {
	struct plan_head head;
	char *cwd;
	char **argv;
	char **env;
};

/* Head and strings of @exec; @stdin_data: the host will send some. */
void plan_fill(struct plan_head *head, const struct exec_request *exec, bool stdin_data);
/* NULL, or what is wrong with @head. */
const char *plan_check(const struct plan_head *head);
/* Splits @head.strings_len bytes at @strings; NULL, or what is wrong. Allocates. */
const char *plan_split(struct plan *plan, char *strings);

/* exec_launch.c: the launcher */

enum board_state {
	BOARD_BEGUN,		/* forked */
	BOARD_EXECUTING,	/* it is about to execute the program, or has */
	BOARD_FAILED,		/* @status and @text say why it did not */
};

/* Memory that supervisor and launcher share, until the program has replaced the launcher. */
struct board {
	atomic_uint state;
	__u32 status;
	char text[REQUEST_TEXT_MAX];
};

/**
 * struct launch - what the launcher is born with; all descriptors are closed on execution
 * @req: the request; no record
 * @control: socket on which the plan comes
 * @board: shared
 * @supervisor: its process
 * @in: what becomes the program's stdin: the read end of a pipe
 * @out: the same for stdout: a write end
 * @err: and for stderr
 */
struct launch {
	const struct request *req;
	int control;
	struct board *board;
	pid_t supervisor;
	int in, out, err;
};

void launcher_run(struct launch *launch) __attribute__((noreturn));
/* Ends the launcher: tells @status, and the text, on the board. */
void launch_fail(struct launch *launch, __u32 status, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

/* Descriptors that the launcher passes on to the supervisor, in this order. */
#define LAUNCH_FD_TTY		0x1u	/* the master's side of the terminal */
#define LAUNCH_FD_CGROUP	0x2u	/* cgroup.kill of the job's own cgroup */

/* exec_path.c: the program, found */

/**
 * struct program - a file to execute
 * @dir: descriptor of the directory that it is in
 * @path: absolute, without symbolic links
 * @name: its last component
 */
struct program {
	int dir;
	char path[4096];
	const char *name;
};

/*
 * Finds @name: in the directories of @path where it has no slash, else relative to the working
 * directory. 0; -ENOENT, -EACCES and so on.
 */
int program_find(struct program *program, const char *name, const char *path);

/* exec_user.c: groups, environment, limits of the user; by the launcher */

/* As root: the groups of the plan, or the user's. Ends the launcher where they cannot be. */
void launch_groups(struct launch *launch, const struct plan_head *head);
/* The environment of a login, with that of the plan over it; ends with NULL. Allocates. */
char **launch_environment(struct launch *launch, const struct plan *plan);
/* Does @env have only what may be set where the policy allows no shell? Else its name. */
const char *launch_unsafe_env(char *const *env);
/* The value of @name in @env, or NULL. */
const char *launch_getenv(char *const *env, const char *name);

/* exec_cgroup.c: by the launcher, as root */

/*
 * Makes a cgroup for the job and moves this process there. Its descriptor of cgroup.kill; -1:
 * there can be none, and the plan has no limit that needs one. Ends the launcher if a limit
 * cannot be set. Something that removes the cgroup once it is empty stays behind.
 */
int launch_cgroup(struct launch *launch, const struct plan_head *head);

/* exec_ring.c: the last of an output */

#define RING_SIZE	(512u * 1024)	/* bytes kept */
/*
 * What the host may be missing of what was given to its stream: the stream's window, and what
 * waits in the kernel or, in port mode, in two sockets. A host whose session is lost has the
 * rest of RING_SIZE still to hear.
 */
#define RING_UNSENT	(64u * 1024)	/* bytes that may wait for the host */

/**
 * struct ring - an output of the program
 * @data: RING_SIZE bytes
 * @head: bytes that the program has written
 * @sent: bytes of these that were given to the host, or skipped
 */
struct ring {
	char *data;
	__u64 head;
	__u64 sent;
};

bool ring_init(struct ring *ring);
/* Where the oldest byte is that the ring still has. */
__u64 ring_oldest(const struct ring *ring);
/* From @fd, at most @max bytes; as read(). */
ssize_t ring_read(struct ring *ring, int fd, size_t max);
/* To @fd, what was not sent; as write(). */
ssize_t ring_write(struct ring *ring, int fd);
/* Sending goes on at byte @at, or at the oldest there is; where it does. */
__u64 ring_rewind(struct ring *ring, __u64 at);

/* exec_pump.c and exec_job.c: the supervisor */

enum { OUT, ERR, OUTS };

/**
 * struct output - stdout or stderr of the program, or its terminal
 * @ring: what was read of it
 * @fd: of the pipe; -1: it has ended
 * @stream: where it goes; fd -1: nowhere now
 * @left: once the program has exited: bytes that are still to be read
 */
struct output {
	struct ring ring;
	int fd;
	struct stream stream;
	__u64 left;
};

/**
 * struct job - a program under its supervisor
 * @req: the request that began it
 * @exec: what was asked for
 * @board: shared with the launcher
 * @control: socket to the launcher; -1: not needed any more
 * @pid: of the program; its process group's number, too
 * @pidfd: of it
 * @in: for stdin; -1: closed, or there is a terminal, which is @out[OUT].fd
 * @out: stdout and stderr
 * @in_buf: what came of the host and stdin did not take, from @in_at to @in_len
 * @in_at: see @in_buf
 * @in_len: see @in_buf
 * @in_bytes: taken from the host
 * @in_eof: the host's data has ended
 * @in_ended: and the program at a terminal was told
 * @kill_fd: cgroup.kill; -1: no cgroup
 * @started: CLOCK_MONOTONIC, us
 * @deadline: when timeout_ms is over, ms; 0: never
 * @patience: when a job without a host, or a result without one, ends, ms; 0: never
 * @kill_at: when what was told to end is killed, ms; 0: nothing was told
 * @err_by: when a result goes without the stream for stderr that the host has not opened, ms
 * @answered: the request was
 * @abandoned: the host has given it up: it ends
 * @detached: it goes on without a host
 * @noted: the broker has a note of it
 * @kept: the broker knows that its result waits for a host
 * @wait_err: the host said that PVO_EXEC_STDERR follows, and it has not
 * @err_token: that names the stream which it waits for
 * @exited: the program has ended, and @result is known
 * @timed_out: timeout_ms was over
 * @result: see @exited
 */
struct job {
	struct request *req;
	struct exec_request exec;
	struct board *board;
	int control;
	pid_t pid;
	int pidfd;
	int in;
	struct output out[OUTS];
	char in_buf[65536];
	__u32 in_at, in_len;
	__u64 in_bytes;
	bool in_eof;
	bool in_ended;
	int kill_fd;
	__u64 started;
	__u64 deadline;
	__u64 patience;
	__u64 kill_at;
	__u64 err_by;
	bool answered;
	bool abandoned;
	bool detached;
	bool noted;
	bool kept;
	bool wait_err;
	__u64 err_token;
	bool exited;
	bool timed_out;
	pvo_exec_result result;
};

#define REATTACH_MS	60000u		/* a job whose session was lost waits so long */
#define GRACE_MS	5000u		/* from SIGHUP or SIGTERM to SIGKILL */
#define STOP_MS		1000u		/* the same when the daemon ends */
#define KEEP_MS		600000u		/* a status that was not fetched is kept */
#define NOTE_MS		1000u		/* a job that lasts so long is noted */

#define ERR_MS		5000u		/* a result waits so long for the stream of stderr */

__u64 exec_now_us(void);
/* Until there is nothing more to do. */
void job_pump(struct job *job);
/* The program is told to end, and is made to in GRACE_MS. */
void job_abandon(struct job *job);
/* exec_job.c, the rest of this file: a stream that joins, over the broker's socket. */
void job_join(struct job *job);
/* The job has a host that hears its output. */
bool job_attached(const struct job *job);
/* Ends the streams of the job: the last of them gets @status and @result. */
void job_answer(struct job *job, const pvo_exec_result *result);
/* The streams are closed; whether that ends the job is for the caller. */
void job_leave(struct job *job);
/* Sends @signal to the group of the program; 0 or -errno. */
int job_signal(struct job *job, int signal);
/* Kills all of it: the cgroup where there is one, else the process group. */
void job_kill(struct job *job);
/* Tells the broker what the list of jobs says of it. */
void job_tell(struct job *job);

#endif /* _PVGUESTD_EXEC_H */
