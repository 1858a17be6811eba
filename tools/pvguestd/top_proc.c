// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes. Their names and arguments are what any user of the guest wants them to be, and
 * each may be gone between two reads.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "top.h"

#define USERS_MAX	4096

/**
 * struct proc - a process in a sample
 * @pid: samples are in the order of it
 * @start: when it began, ticks since boot: tells apart two with the same number
 * @ticks: CPU time it has had
 * @rise: of @ticks since the sample before
 * @rss: pages
 * @by_cpu: chosen
 * @by_memory: chosen
 */
struct proc {
	__u32 pid;
	bool by_cpu, by_memory;
	__u64 start;
	__u64 ticks;
	__u64 rise;
	__u64 rss;
};

struct procs {
	size_t nr, room;
	struct proc *proc;
};

/* What else stat has of one. */
struct details {
	__u32 parent;
	__u32 threads;
	char state;
	size_t comm_len;
	char comm[64];
};

static struct user {
	uid_t uid;
	char name[32];
} *users;
static size_t users_nr;

/* Of /etc/passwd itself: a name service may ask a server, and start a thread. */
void top_read_users(void)
{
	FILE *passwd = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	users = passwd ? calloc(USERS_MAX, sizeof(*users)) : NULL;
	while (users && users_nr < USERS_MAX && (pw = fgetpwent(passwd))) {
		users[users_nr].uid = pw->pw_uid;
		snprintf(users[users_nr++].name, sizeof(users->name), "%s", pw->pw_name);
	}
	if (passwd)
		fclose(passwd);
}

static const char *user_name(uid_t uid)
{
	size_t i;

	for (i = 0; i < users_nr; i++)
		if (users[i].uid == uid)
			return users[i].name;
	return "";
}

/*
 * "PID (COMM) S PPID ...": COMM may have spaces and brackets in it, so the last bracket ends
 * it. 0, or -errno when there is no such process, or it is something else.
 */
static int parse_stat(const char *text, struct proc *p, struct details *d)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long utime, stime, start;
	unsigned int parent;
	long threads, rss;
	char state;

	if (!open || !close || close < open ||
	    sscanf(close + 1, " %c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %ld %*d %llu %*u %ld",
		   &state, &parent, &utime, &stime, &threads, &start, &rss) != 7)
		return -EINVAL;
	p->ticks = utime + stime;
	p->start = start;
	p->rss = rss > 0 ? rss : 0;
	if (!d)
		return 0;
	d->parent = parent;
	d->state = state;
	d->threads = threads > 0 ? threads : 0;
	d->comm_len = close - open - 1;
	if (d->comm_len > sizeof(d->comm))
		d->comm_len = sizeof(d->comm);
	memcpy(d->comm, open + 1, d->comm_len);
	return 0;
}

static int read_proc(int dir, struct proc *p, struct details *d)
{
	char path[32], text[1024];
	ssize_t len;

	snprintf(path, sizeof(path), "%u/stat", p->pid);
	len = read_text_at(dir, path, text, sizeof(text));
	return len < 0 ? len : parse_stat(text, p, d);
}

static struct proc *make_room(struct procs *procs)
{
	size_t room = procs->room ? 2 * procs->room : 256;
	struct proc *more;

	if (procs->nr == TOP_SEEN_MAX)
		return NULL;
	if (procs->nr == procs->room) {
		more = realloc(procs->proc, room * sizeof(*more));
		if (!more)
			return NULL;
		procs->proc = more;
		procs->room = room;
	}
	return &procs->proc[procs->nr];
}

static int by_pid(const void *a, const void *b)
{
	const struct proc *p = a, *q = b;

	return (p->pid > q->pid) - (p->pid < q->pid);
}

static void read_all(struct top *top, DIR *all, struct procs *procs)
{
	const struct dirent *entry;
	struct proc *p;

	procs->nr = 0;
	rewinddir(all);
	while ((entry = readdir(all))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		top->end.processes++;
		p = make_room(procs);
		if (!p) {
			top->end.processes_unseen++;
			continue;
		}
		memset(p, 0, sizeof(*p));
		p->pid = strtoul(entry->d_name, NULL, 10);
		if (!read_proc(dirfd(all), p, NULL))
			procs->nr++;
	}
	/* The kernel lists them in that order; nothing says that it has to. */
	qsort(procs->proc, procs->nr, sizeof(*procs->proc), by_pid);
}

/* One that was not there has had all its CPU time since. */
static void set_rise(struct procs *now, const struct procs *before)
{
	size_t i, old = 0;
	struct proc *p;

	for (i = 0; i < now->nr; i++) {
		p = &now->proc[i];
		while (old < before->nr && before->proc[old].pid < p->pid)
			old++;
		if (old < before->nr && before->proc[old].pid == p->pid &&
		    before->proc[old].start == p->start)
			p->rise = top_rise(p->ticks, before->proc[old].ticks);
		else
			p->rise = p->ticks;
	}
}

static int by_rise(const void *a, const void *b)
{
	const struct proc *p = *(struct proc *const *)a, *q = *(struct proc *const *)b;

	if (p->rise != q->rise)
		return p->rise < q->rise ? 1 : -1;
	return by_pid(p, q);
}

static int by_rss(const void *a, const void *b)
{
	const struct proc *p = *(struct proc *const *)a, *q = *(struct proc *const *)b;

	if (p->rss != q->rss)
		return p->rss < q->rss ? 1 : -1;
	return by_pid(p, q);
}

/* Marks the first @n by CPU time, of those that have had some, and the first by memory. */
static void choose(struct procs *procs, size_t n)
{
	struct proc **order = malloc((procs->nr + 1) * sizeof(*order));
	size_t i;

	if (!order)
		return;
	for (i = 0; i < procs->nr; i++)
		order[i] = &procs->proc[i];
	qsort(order, procs->nr, sizeof(*order), by_rise);
	for (i = 0; i < procs->nr && i < n && order[i]->rise; i++)
		order[i]->by_cpu = true;
	qsort(order, procs->nr, sizeof(*order), by_rss);
	for (i = 0; i < procs->nr && i < n && order[i]->rss; i++)
		order[i]->by_memory = true;
	free(order);
}

/* Whose it is: the effective one of "Uid: real effective saved fs". */
static uid_t read_uid(int dir, __u32 pid)
{
	char path[32], text[2048];
	unsigned int uid = (uid_t)-1;
	const char *line;

	snprintf(path, sizeof(path), "%u/status", pid);
	if (read_text_at(dir, path, text, sizeof(text)) <= 0)
		return uid;
	/* The name is before it, in which the kernel escapes a newline. */
	line = strstr(text, "\nUid:");
	if (line)
		sscanf(line, "\nUid: %*u %u", &uid);
	return uid;
}

/* Arguments with a space between them. */
static void set_command(pvo_TopProcess *process, int dir, __u32 pid)
{
	char path[32], text[sizeof(process->command.bytes) + 1];
	ssize_t len, i;

	snprintf(path, sizeof(path), "%u/cmdline", pid);
	len = read_text_at(dir, path, text, sizeof(text));
	while (len > 0 && !text[len - 1])
		len--;
	for (i = 0; i < len; i++)
		if (!text[i])
			text[i] = ' ';
	if (len > 0)
		set_bytes(process->command, text, (size_t)len);
}

static int put_process(struct top *top, int dir, const struct proc *chosen)
{
	static top_record rec;
	pvo_TopProcess *process = &rec.what.process;
	const __u64 tick_ns = 1000000000ull / sysconf(_SC_CLK_TCK);
	struct details details;
	struct proc p = *chosen;
	const char *user;

	/* Gone meanwhile, or another with its number */
	if (read_proc(dir, &p, &details) || p.start != chosen->start)
		return 0;
	memset(&rec, 0, sizeof(rec));
	rec.which_what = pvo_TopRecord_process_tag;
	process->pid = p.pid;
	process->parent = details.parent;
	process->uid = read_uid(dir, p.pid);
	user = user_name(process->uid);
	set_bytes(process->user, user, strlen(user));
	set_bytes(process->comm, details.comm, details.comm_len);
	set_command(process, dir, p.pid);
	process->state = details.state;
	process->threads = details.threads;
	process->cpu_ns = chosen->rise * tick_ns;
	process->cpu_total_ns = chosen->ticks * tick_ns;
	process->rss = chosen->rss * sysconf(_SC_PAGESIZE);
	process->by_cpu = chosen->by_cpu;
	process->by_memory = chosen->by_memory;
	return top_put(top, &rec);
}

int top_processes(struct top *top)
{
	static struct procs sample[2];
	static DIR *all;
	struct procs *now = &sample[top->turn % 2], *before = &sample[(top->turn + 1) % 2];
	size_t i;
	int ret = 0;

	if (!all)
		all = opendir("/proc");
	if (!all)
		return 0;
	read_all(top, all, now);
	if (!top->turn)
		return 0;
	set_rise(now, before);
	choose(now, top->processes);
	for (i = 0; i < now->nr && !ret; i++)
		if (now->proc[i].by_cpu || now->proc[i].by_memory)
			ret = put_process(top, dirfd(all), &now->proc[i]);
	return ret;
}
