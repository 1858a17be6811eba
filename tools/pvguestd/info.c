// SPDX-License-Identifier: GPL-2.0-only
/*
 * INFO GET and WATCH. The worker has no privileges and opens nothing but /proc and /sys: what
 * else it needs is open before.
 */
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <pb_decode.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "pvguest/version.h"
#include "info.h"
#include "info_ops.h"
#include "mounts.h"
#include "policy.h"

/* _PATH_UTMP is in /var/run, which is a link to here, or an old directory. */
#define UTMP	"/run/utmp"

#define BIT(section)	(1u << (section))
#define ALL_SECTIONS	(BIT(INFO_SECTIONS) - 1)

/*
 * Changes that come in bursts go out together. The first of them is not delayed; one that
 * follows within that time of a round waits for its end. It saves a look at all there is for
 * each, and is below what a person notices.
 */
#define ROUND_MS	200

static __u32 open_files(struct request *req, bool watch)
{
	struct info_files *f = calloc(1, sizeof(*f));

	if (!f)
		return PVC_FAILED;
	req->priv = f;
	f->utmp = open(UTMP, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	read_text("/etc/os-release", f->os_release, sizeof(f->os_release));
	mounts_load();
	f->dump = net_open(false);
	f->changes = -1;
	f->utmp_watch = -1;
	if (!watch)
		return PVC_OK;
	f->events = net_open(true);
	f->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (f->changes >= 0) {
		f->utmp_watch = inotify_add_watch(f->changes, UTMP, IN_MODIFY);
		inotify_add_watch(f->changes, "/etc", IN_CREATE | IN_MOVED_TO | IN_DELETE);
	}
	return PVC_OK;
}

__u32 info_prepare(struct request *req)
{
	return open_files(req, false);
}

__u32 watch_prepare(struct request *req)
{
	return open_files(req, true);
}

static void append(char *list, size_t size, const char *word)
{
	size_t used = strlen(list);

	if (used + strlen(word) + 2 <= size)
		snprintf(list + used, size - used, "%s%s", used ? " " : "", word);
}

/* What the policy allows, as far as it can be said without arguments. */
static void set_verbs(const struct request *req, pvo_InfoTools *tools)
{
	const struct operation *op;
	struct verdict verdict;
	unsigned int i;

	for (i = 0; (op = operation_at(i)); i++) {
		policy_verb(req->policy, req->principal, op->verb, req->user, &verdict);
		if (verdict.allowed)
			append(tools->allowed, sizeof(tools->allowed), op->verb);
		else
			append(tools->denied, sizeof(tools->denied), op->verb);
	}
}

static int tools_collect(struct info_table *t, const struct request *req)
{
	static info_record rec;
	pvo_InfoTools *tools = &rec.what.tools;

	memset(&rec, 0, sizeof(rec));
	rec.which_what = pvo_InfoRecord_tools_tag;
	snprintf(tools->version, sizeof(tools->version), "%s", PVG_VERSION);
	tools->mode = req->answer < 0 ? pvo_InfoMode_INFO_MODE_MODULE :
					pvo_InfoMode_INFO_MODE_PORT;
	set_verbs(req, tools);
	return table_put(t, pvo_InfoSection_INFO_TOOLS, &rec);
}

/* A section of which this guest has nothing is no error. */
static int collect(struct info_table *t, const struct request *req, __u32 sections)
{
	const struct info_files *f = req->priv;
	int ret = 0;

	if (sections & BIT(pvo_InfoSection_INFO_TOOLS))
		ret = tools_collect(t, req);
	if (!ret && sections & BIT(pvo_InfoSection_INFO_OS)) {
		ret = os_collect(t, f->os_release);
		if (!ret)
			ret = host_collect(t);
		if (!ret)
			ret = zone_collect(t);
	}
	if (!ret && sections & BIT(pvo_InfoSection_INFO_LOAD))
		ret = load_collect(t);
	if (!ret && sections & BIT(pvo_InfoSection_INFO_USERS))
		ret = users_collect(t, f->utmp);
	if (!ret && sections & BIT(pvo_InfoSection_INFO_NET) && f->dump)
		ret = net_collect(t, f->dump);
	if (!ret && sections & BIT(pvo_InfoSection_INFO_FS))
		ret = fs_collect(t);
	return ret;
}

/* Which sections, 0: it was refused. */
static __u32 parse(struct request *req)
{
	pb_istream_t from = pb_istream_from_buffer(req->record, req->record_len);
	pvo_InfoRequest args = pvo_InfoRequest_init_zero;

	if (!pb_decode(&from, pvo_InfoRequest_fields, &args)) {
		refuse(req, PVC_INVALID, "%s: the request is malformed", req->operation->verb);
		return 0;
	}
	if (args.sections & ~ALL_SECTIONS) {
		refuse(req, PVC_UNSUPPORTED, "%s: sections 0x%x are not known, 0x%x are",
		       req->operation->verb, args.sections & ~ALL_SECTIONS, ALL_SECTIONS);
		return 0;
	}
	return args.sections ? args.sections : ALL_SECTIONS;
}

void info_run(struct request *req)
{
	static struct record_out out;
	struct info_table table = { .out = &out };
	pvo_InfoEnd end = pvo_InfoEnd_init_zero;
	__u32 sections = parse(req);
	int ret;

	if (!sections)
		return;
	record_out_init(&out, req);
	ret = collect(&table, req, sections);
	end.records = table.seq;
	if (ret && !out.error)
		refuse_errno(req, ret, "the guest's state");
	else
		record_end(req, &out, pvo_InfoEnd_fields, &end);
	table_free(&table);
}

enum { WATCH_STREAM, WATCH_BROKER, WATCH_NET, WATCH_FILES, WATCH_MOUNTS, WATCH_HOST, WATCH_NR };

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* In /etc, only what names the time zone is of interest. */
static bool files_changed(const struct info_files *f, bool *users, bool *zone)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n = read(f->changes, buf, sizeof(buf));
	char *at = buf;

	for (; at < buf + n; at += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)at;
		if (event->mask & IN_Q_OVERFLOW)
			*users = *zone = true;
		else if (event->wd == f->utmp_watch)
			*users = true;
		else if (event->len && !strcmp(event->name, "localtime"))
			*zone = true;
	}
	return n > 0;
}

/* What is due for a look, from what poll() has said. */
static __u32 changed(const struct info_files *f, const struct pollfd *fds, bool *host, bool *zone)
{
	__u32 due = 0;
	bool users = false;

	if (fds[WATCH_NET].revents && net_changed(f->events))
		due |= BIT(pvo_InfoSection_INFO_NET);
	if (fds[WATCH_FILES].revents)
		while (files_changed(f, &users, zone))
			;
	if (users)
		due |= BIT(pvo_InfoSection_INFO_USERS);
	if (fds[WATCH_MOUNTS].revents)
		due |= BIT(pvo_InfoSection_INFO_FS);
	if (fds[WATCH_HOST].revents)
		*host = true;
	return due;
}

static int open_watched(const struct request *req, __u32 sections, struct pollfd *fds)
{
	const struct info_files *f = req->priv;
	bool os = sections & BIT(pvo_InfoSection_INFO_OS);
	bool net = sections & BIT(pvo_InfoSection_INFO_NET) && f->events;
	int i;

	for (i = 0; i < WATCH_NR; i++)
		fds[i] = (struct pollfd){ .fd = -1 };
	fds[WATCH_STREAM].fd = req->stream;
	fds[WATCH_BROKER].fd = req->broker;
	if (net)
		fds[WATCH_NET] = (struct pollfd){ mnl_socket_get_fd(f->events), POLLIN, 0 };
	if (os || sections & BIT(pvo_InfoSection_INFO_USERS))
		fds[WATCH_FILES] = (struct pollfd){ f->changes, POLLIN, 0 };
	if (sections & BIT(pvo_InfoSection_INFO_FS))
		fds[WATCH_MOUNTS] = (struct pollfd){
			open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), POLLPRI, 0 };
	if (os)
		fds[WATCH_HOST] = (struct pollfd){
			open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC), POLLPRI, 0 };
	/* The first poll() only says that the files are there. */
	poll(fds, WATCH_NR, 0);
	return 0;
}

/* One round of all that is due; 0 or -errno of the stream. */
static int look(struct info_table *t, const struct request *req, __u32 due, bool host, bool zone)
{
	int ret = collect(t, req, due);

	if (!ret && host)
		ret = host_collect(t);
	if (!ret && zone)
		ret = zone_collect(t);
	return ret ? ret : record_flush(t->out);
}

/* Until the stream is closed, or something failed. */
static int follow(struct info_table *t, const struct request *req, __u32 sections,
		  struct pollfd *fds)
{
	bool host = false, zone = false;
	__u64 next = 0, now;
	__u32 due = 0;
	int wait, ret = 0;

	while (!ret) {
		now = now_ms();
		wait = !due && !host && !zone ? -1 : next > now ? (int)(next - now) : 0;
		if (poll(fds, WATCH_NR, wait) < 0 && errno != EINTR)
			return -errno;
		if (fds[WATCH_STREAM].revents || fds[WATCH_BROKER].revents)
			return -EPIPE;
		due |= changed(req->priv, fds, &host, &zone) & sections;
		if ((!due && !host && !zone) || now_ms() < next)
			continue;
		ret = look(t, req, due, host, zone);
		due = 0;
		host = false;
		zone = false;
		next = now_ms() + ROUND_MS;
	}
	return ret;
}

void watch_run(struct request *req)
{
	static struct record_out out;
	struct info_table table = { .out = &out };
	info_record synced = { .which_what = pvo_InfoRecord_synced_tag };
	struct pollfd fds[WATCH_NR];
	__u32 sections = parse(req);
	int ret;

	if (!sections)
		return;
	if (sections == BIT(pvo_InfoSection_INFO_LOAD)) {
		refuse(req, PVC_INVALID, "watch: load is not watched, top shows it");
		return;
	}
	sections &= ~BIT(pvo_InfoSection_INFO_LOAD);
	record_out_init(&out, req);
	/* Opened before the first look, so that no change falls between. */
	open_watched(req, sections, fds);
	ret = collect(&table, req, sections);
	synced.what.synced.records = table.seq;
	if (!ret)
		ret = table_send(&table, &synced);
	if (!ret)
		ret = record_flush(&out);
	if (!ret)
		ret = follow(&table, req, sections, fds);
	if (ret && ret != -EPIPE && !out.error)
		refuse_errno(req, ret, "the guest's state");
	table_free(&table);
}
