// SPDX-License-Identifier: GPL-2.0-only
/*
 * SYSTEM, the worker's side: it parses the host's record, gives the doer its order, and passes
 * on what the doer reports.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "record_out.h"
#include "system.h"

/* As root: the doer, which has nothing of the request but its end of a socket. */
static __u32 prepare(struct request *req)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return PVC_FAILED;
	pid = fork();
	if (!pid) {
		if (dup2(pair[1], 3) < 0)
			_exit(1);
		close_range(4, ~0u, 0);
		doer_main(3, req->op);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return PVC_FAILED;
	}
	req->priv = (void *)(long)pair[0];
	return PVC_OK;
}

static void tell(int doer, __u32 note)
{
	send(doer, &note, sizeof(note), MSG_NOSIGNAL);
}

/* A record on its way to the host; it does not wait for more of them. */
static void pass_record(struct record_out *out, int doer, const pvo_SystemRecord *rec)
{
	record_put(out, pvo_SystemRecord_fields, rec);
	record_flush(out);
	if (rec->which_what == pvo_SystemRecord_progress_tag &&
	    rec->what.progress.phase == pvo_SystemPhase_PHASE_GOING)
		tell(doer, NOTE_TOLD);
}

static void finish(struct request *req, struct record_out *out, const struct system_report *rep)
{
	pvo_SystemEnd end = pvo_SystemEnd_init_zero;

	if (rep->status != PVC_OK) {
		refuse(req, rep->status, "%.*s", (int)sizeof(rep->text) - 1, rep->text);
		return;
	}
	end.records = out->count;
	end.failed = rep->failed;
	end.slept_ms = rep->slept_ms;
	record_end(req, out, pvo_SystemEnd_fields, &end);
}

/* One report; false: it was the last. */
static bool pass(struct request *req, struct record_out *out, int doer)
{
	static struct system_report rep;
	ssize_t n = recv(doer, &rep, sizeof(rep), 0);

	/* RESET: it has ended with a note unread, and what it told follows. */
	if (n < 0 && (errno == EINTR || errno == ECONNRESET))
		return true;
	if (n != (ssize_t)sizeof(rep)) {
		refuse(req, PVC_ABORTED, "%s: what carried it out is gone", req->operation->verb);
		return false;
	}
	if (rep.note == NOTE_RECORD) {
		pass_record(out, doer, &rep.record);
		return true;
	}
	finish(req, out, &rep);
	return false;
}

/*
 * A host that cancels, or whose deadline is over, ends what has not begun. One that is lost
 * does not: it asked for a shutdown, and gets it.
 */
static void closed(struct request *req, int doer)
{
	struct stream s = { req->stream, req->answer };
	__u32 why = stream_closed(&s);

	if (why == PVC_CANCELLED || why == PVC_TIMED_OUT)
		tell(doer, NOTE_CANCEL);
}

static void run(struct request *req)
{
	static struct system_order order;
	static struct record_out out;
	int doer = (long)req->priv;
	struct pollfd fds[] = { { doer, POLLIN, 0 }, { req->stream, 0, 0 } };

	if (!order_parse(req, &order))
		return;
	record_out_init(&out, req);
	if (send(doer, &order, sizeof(order), MSG_NOSIGNAL) != (ssize_t)sizeof(order)) {
		refuse(req, PVC_FAILED, "%s: no process carries it out", req->operation->verb);
		return;
	}
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents) {
			closed(req, doer);
			fds[1].fd = -1;
		}
		if (fds[0].revents && !pass(req, &out, doer))
			break;
	}
}

const struct operation system_operations[] = {
	{
		.service = PVO_SERVICE_SYSTEM, .op = PVO_SYSTEM_SHUTDOWN, .verb = "shutdown",
		.keep = KEEP_NOBODY, .prepare = prepare, .run = run,
	}, {
		.service = PVO_SERVICE_SYSTEM, .op = PVO_SYSTEM_REBOOT, .verb = "reboot",
		.keep = KEEP_NOBODY, .prepare = prepare, .run = run,
	}, {
		.service = PVO_SERVICE_SYSTEM, .op = PVO_SYSTEM_SUSPEND, .verb = "suspend",
		.keep = KEEP_NOBODY, .prepare = prepare, .run = run,
	}, {
		.service = PVO_SERVICE_SYSTEM, .op = PVO_SYSTEM_FSTRIM, .verb = "fstrim",
		.keep = KEEP_NOBODY, .prepare = prepare, .run = run,
	}, {
		.service = PVO_SERVICE_SYSTEM, .op = PVO_SYSTEM_ONLINE, .verb = "online",
		.keep = KEEP_NOBODY, .prepare = prepare, .run = run,
	},
	{ }
};
