// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doer: a process of root that carries out one order. No byte of the host's record comes
 * here but the fields of struct system_order, each of which is checked.
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pvguest/protocol.h"
#include "../../include/uapi/pvguest/control_dev.h"
#include "../../include/uapi/pvguest/services.h"
#include "system.h"

#define CONTROL		"/dev/pvg_control"
#define TOLD_MS		2000u	/* the worker takes that long at most to send what it has */

static void say(struct doer *d, const struct system_report *rep)
{
	while (!d->alone && send(d->fd, rep, sizeof(*rep), MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			d->alone = true;
}

void doer_report(struct doer *d, const pvo_SystemRecord *rec)
{
	static struct system_report rep;

	memset(&rep, 0, sizeof(rep));
	rep.note = NOTE_RECORD;
	rep.record = *rec;
	say(d, &rep);
}

void doer_done(struct doer *d, __u32 status, const char *format, ...)
{
	static struct system_report rep;
	va_list args;

	memset(&rep, 0, sizeof(rep));
	rep.note = NOTE_DONE;
	rep.status = status;
	rep.failed = d->failed;
	va_start(args, format);
	vsnprintf(rep.text, sizeof(rep.text), format, args);
	va_end(args);
	if (*rep.text)
		log_line(status == PVC_OK ? 6 : 4, "%s", rep.text);
	say(d, &rep);
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

__u32 doer_wait(struct doer *d, __u32 ms)
{
	__u64 end = now_ms() + ms, now;
	struct pollfd fd = { d->alone ? -1 : d->fd, POLLIN, 0 };
	__u32 note;

	for (now = now_ms(); poll(&fd, 1, end > now ? end - now : 0) <= 0; now = now_ms())
		if (now >= end)
			return 0;
	/* A worker that is gone is no word of the host. */
	if (recv(d->fd, &note, sizeof(note), 0) != sizeof(note)) {
		d->alone = true;
		return 0;
	}
	if (note == NOTE_CANCEL)
		d->cancelled = true;
	return note;
}

void doer_going(struct doer *d)
{
	pvo_SystemRecord rec = { .which_what = pvo_SystemRecord_progress_tag };
	__u64 end = now_ms() + TOLD_MS;

	rec.what.progress.phase = pvo_SystemPhase_PHASE_GOING;
	doer_report(d, &rec);
	while (!d->alone && now_ms() < end)
		if (doer_wait(d, end - now_ms()) == NOTE_TOLD)
			break;
}

bool doer_frozen(struct doer *d, const char *verb)
{
	struct pvg_control_status st = { };
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	bool frozen;

	if (fd < 0)
		return false;
	frozen = !ioctl(fd, PVG_CONTROL_STATUS, &st) &&
		(st.state == PVC_LEASE_FREEZING || st.state == PVC_LEASE_FROZEN);
	close(fd);
	if (frozen)
		doer_done(d, PVC_BUSY, "%s: file systems are frozen under lease %u; 'pvhost thaw' first",
			  verb, st.lease);
	return frozen;
}

/* What none of them needs it gives up. A hook is the owner's own, and keeps all. */
static void drop(__u32 op)
{
	if (op == PVO_SYSTEM_SHUTDOWN || op == PVO_SYSTEM_REBOOT)
		return;
	capng_clear(CAPNG_SELECT_BOTH);
	/* FITRIM of any file system; the status of the control device */
	if (op == PVO_SYSTEM_FSTRIM || op == PVO_SYSTEM_SUSPEND)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_ADMIN);
	/* A mount point below a directory of a user */
	if (op == PVO_SYSTEM_FSTRIM)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_READ_SEARCH);
	if (capng_apply(CAPNG_SELECT_BOTH))
		_exit(1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void doer_main(int fd, __u32 op)
{
	static struct system_order order;
	struct doer d = { .fd = fd };

	/* Not of the terminal or process group of the worker, and not for its signals. */
	setsid();
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "pvguestd-doer");
	drop(op);
	/* A worker that ends without an order has refused the request. */
	if (recv(fd, &order, sizeof(order), 0) != (ssize_t)sizeof(order))
		_exit(0);
	if (order.op != op || !order_is_valid(&order))
		doer_done(&d, PVC_INVALID, "the order is out of range");
	else if (op == PVO_SYSTEM_SUSPEND)
		suspend_do(&d, &order);
	else if (op == PVO_SYSTEM_FSTRIM)
		trim_do(&d, &order);
	else if (op == PVO_SYSTEM_ONLINE)
		online_do(&d, &order);
	else
		power_do(&d, &order);
	_exit(0);
}
