// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVO_EXEC_PS and PVO_EXEC_KILL: the guest's processes, as /proc shows them to the user, and
 * signals to them, as far as the user may send any.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "exec.h"
#include "exec_list.h"

#define USERS_MAX	4096	/* names that are known; the others are numbers */
#define BATCH		16384	/* bytes that are sent in one go */

struct user_name {
	uid_t uid;
	char name[PVO_USER_MAX];
};

/**
 * struct names - what prepare() leaves for run()
 * @count: of @users
 * @boot: CLOCK_REALTIME when the guest was booted, seconds
 * @ticks: of a process's times, per second
 * @page: bytes
 * @users: of /etc/passwd
 */
struct names {
	unsigned int count;
	__u64 boot;
	long ticks, page;
	struct user_name users[USERS_MAX];
};

static struct names names;

__u32 ps_prepare(struct request *req)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct timespec now, up;
	struct passwd *pw;

	while (file && names.count < USERS_MAX && (pw = fgetpwent(file))) {
		struct user_name *user = &names.users[names.count];

		if (strlen(pw->pw_name) >= sizeof(user->name))
			continue;
		user->uid = pw->pw_uid;
		strcpy(user->name, pw->pw_name);
		names.count++;
	}
	if (file)
		fclose(file);
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	names.boot = now.tv_sec - up.tv_sec;
	names.ticks = sysconf(_SC_CLK_TCK);
	names.page = sysconf(_SC_PAGESIZE);
	req->priv = &names;
	return PVC_OK;
}

static const char *user_name(uid_t uid)
{
	unsigned int i;

	for (i = 0; i < names.count; i++)
		if (names.users[i].uid == uid)
			return names.users[i].name;
	return "";
}

/* A file of /proc/PID; bytes, with a zero byte behind them, or -errno. */
static ssize_t read_file(int dir, const char *name, char *buf, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = '\0';
	close(fd);
	return n;
}

/* @text: /proc/PID/stat, whose second field may have anything in its parentheses. */
static bool parse_stat(char *text, pvo_ps_process *p)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long user, system, start;
	long threads, rss;
	unsigned int ppid;
	char state;

	if (!open || !close || close < open)
		return false;
	*close = '\0';
	if (sscanf(close + 1,
		   " %c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %ld %*d %llu %*u %ld",
		   &state, &ppid, &user, &system, &threads, &start, &rss) != 7)
		return false;
	snprintf(p->comm, sizeof(p->comm), "%s", open + 1);
	p->state = (unsigned char)state;
	p->ppid = ppid;
	p->threads = threads;
	p->start_ticks = start;
	p->rss = (__u64)rss * names.page;
	p->cpu_us = (user + system) * 1000000ull / names.ticks;
	p->began = names.boot + start / names.ticks;
	return true;
}

/* False: it has ended, or the user may not see it. */
static bool read_process(const char *pid, pvo_ps_process *p)
{
	char path[32], text[1024];
	struct stat st;
	ssize_t n;
	bool ok;
	int dir;

	snprintf(path, sizeof(path), "/proc/%.16s", pid);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return false;
	*p = (pvo_ps_process)pvo_ps_process_init_zero;
	p->pid = strtoul(pid, NULL, 10);
	ok = !fstat(dir, &st) && read_file(dir, "stat", text, sizeof(text)) > 0 &&
	     parse_stat(text, p);
	if (ok) {
		p->uid = st.st_uid;
		snprintf(p->user, sizeof(p->user), "%s", user_name(st.st_uid));
		n = read_file(dir, "cmdline", (char *)p->command.bytes,
			      sizeof(p->command.bytes));
		while (n > 0 && !p->command.bytes[n - 1])
			n--;
		p->command.size = n > 0 ? n : 0;
	}
	close(dir);
	return ok;
}

struct batch {
	struct stream stream;
	size_t len;
	pb_byte_t buf[BATCH];
};

static bool flush(struct batch *batch)
{
	size_t len = batch->len;

	batch->len = 0;
	return !len || !stream_write_all(&batch->stream, batch->buf, len);
}

static bool add(struct batch *batch, const pvo_ps_process *p)
{
	pb_ostream_t os;

	if (BATCH - batch->len < pvo_ps_process_size + 5 && !flush(batch))
		return false;
	os = pb_ostream_from_buffer(batch->buf + batch->len, BATCH - batch->len);
	if (!pb_encode_ex(&os, pvo_ps_process_fields, p, PB_ENCODE_DELIMITED))
		return false;
	batch->len += os.bytes_written;
	return true;
}

static bool is_wanted(const pvo_ps_request *msg, const pvo_ps_process *p)
{
	return (!msg->pid || msg->pid == p->pid) && (!*msg->user || !strcmp(msg->user, p->user));
}

/* Decodes the record of @req into @msg; false: it was refused. */
static bool decode(struct request *req, const pb_msgdesc_t *fields, void *msg, __u32 max)
{
	pb_istream_t in = pb_istream_from_buffer(req->record, req->record_len);
	const char *verb = req->operation->verb;

	if (!exec_known_fields(req->record, req->record_len, max)) {
		refuse(req, PVC_UNSUPPORTED,
		       "%s: the record has an option that this pvguestd does not know", verb);
		return false;
	}
	if (pb_decode(&in, fields, msg))
		return true;
	refuse(req, PVC_INVALID, "%s: the record is malformed: %s", verb, PB_GET_ERROR(&in));
	return false;
}

void ps_run(struct request *req)
{
	static struct batch batch;
	pvo_ps_request msg = pvo_ps_request_init_zero;
	pvo_ps_process p;
	struct dirent *entry;
	bool any = false;
	DIR *proc;

	if (!decode(req, pvo_ps_request_fields, &msg, pvo_ps_request_user_tag))
		return;
	batch.stream = stream_of(req);
	proc = opendir("/proc");
	if (!proc) {
		refuse_errno(req, errno, "/proc");
		return;
	}
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)*entry->d_name) ||
		    !read_process(entry->d_name, &p) || !is_wanted(&msg, &p))
			continue;
		any = true;
		if (!add(&batch, &p))
			return;
	}
	closedir(proc);
	if (msg.pid && !any)
		refuse(req, PVC_NOT_FOUND, "ps: there is no process %u", msg.pid);
	else if (flush(&batch))
		answer(req, PVC_OK, "", 0);
}

/* The process that had the number when it was told: another one may have it by now. */
static bool is_same(const pvo_kill_request *msg)
{
	pvo_ps_process p;
	char pid[16];

	if (!msg->start_ticks)
		return true;
	snprintf(pid, sizeof(pid), "%u", msg->pid);
	names.ticks = 100;
	return read_process(pid, &p) && p.start_ticks == msg->start_ticks;
}

void kill_run(struct request *req)
{
	pvo_kill_request msg = pvo_kill_request_init_zero;
	int fd;

	if (!decode(req, pvo_kill_request_fields, &msg, pvo_kill_request_start_ticks_tag))
		return;
	if (!msg.pid || msg.pid > 4194304 || msg.signal >= NSIG) {
		refuse(req, PVC_INVALID,
		       "kill: a process has a number from 1 to 4194304, a signal one from 0 to %d",
		       NSIG - 1);
		return;
	}
	fd = syscall(SYS_pidfd_open, msg.pid, 0);
	if ((fd < 0 && errno == ESRCH) || (fd >= 0 && !is_same(&msg))) {
		refuse(req, PVC_NOT_FOUND, "kill: there is no process %u%s", msg.pid,
		       msg.start_ticks ? " that began then" : "");
	} else if (fd < 0) {
		refuse(req, PVC_INVALID, "kill: %u is not the number of a process: %s", msg.pid,
		       strerror(errno));
	} else if (syscall(SYS_pidfd_send_signal, fd, msg.signal, NULL, 0) < 0) {
		if (errno == EPERM)
			refuse(req, PVC_DENIED,
			       "kill: process %u is not one of user %s; only its own user and root may send it a signal",
			       msg.pid, req->user);
		else
			refuse_errno(req, errno, "the signal");
	} else {
		answer(req, PVC_OK, "", 0);
	}
	if (fd >= 0)
		close(fd);
}
