// SPDX-License-Identifier: GPL-2.0-only
/*
 * INFO TOP: turns of an interval each, until the host ends the stream.
 */
#include <errno.h>
#include <pb_decode.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "info_ops.h"
#include "top.h"

/*
 * A turn reads two or three files for each process, 10 to 20 us apiece. So that a guest with
 * thousands of them is not slowed down by who looks at it, an interval is at least this many
 * times the CPU time that the last turn took; the host is told what the next one will be.
 */
#define COST_SHARE	20

__u64 top_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static __u64 cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

int top_put(struct top *top, top_record *rec)
{
	rec->seq = ++top->seq;
	return record_put(top->out, pvo_TopRecord_fields, rec);
}

__u32 top_prepare(struct request *req)
{
	(void)req;
	top_read_users();
	return PVC_OK;
}

static bool parse(struct request *req, pvo_TopRequest *args)
{
	pb_istream_t from = pb_istream_from_buffer(req->record, req->record_len);

	if (!pb_decode(&from, pvo_TopRequest_fields, args))
		refuse(req, PVC_INVALID, "top: the request is malformed");
	else if (args->interval_ms < TOP_INTERVAL_MIN_MS || args->interval_ms > TOP_INTERVAL_MAX_MS)
		refuse(req, PVC_INVALID, "top: an interval of %u ms, allowed are %u to %u",
		       args->interval_ms, TOP_INTERVAL_MIN_MS, TOP_INTERVAL_MAX_MS);
	else if (args->processes > TOP_PROCESSES_MAX)
		refuse(req, PVC_INVALID, "top: %u processes, allowed are 0 to %u",
		       args->processes, TOP_PROCESSES_MAX);
	else
		return true;
	return false;
}

/* All counters; from turn 1 on their records. */
static int sample(struct top *top, const pvo_TopRequest *args)
{
	__u64 from = cpu_ns();
	int ret = top_system(top);

	memset(&top->end, 0, sizeof(top->end));
	if (!ret)
		ret = top_disks(top);
	if (!ret)
		ret = top_nics(top);
	if (!ret)
		ret = top_devices(top);
	if (!ret && args->processes)
		ret = top_processes(top);
	top->end.turn = top->turn;
	top->end.cost_ns = cpu_ns() - from;
	top->end.interval_ms = args->interval_ms;
	if (top->end.cost_ns / 1000000 * COST_SHARE > args->interval_ms)
		top->end.interval_ms = top->end.cost_ns / 1000000 * COST_SHARE;
	return ret;
}

static int send_end(struct top *top)
{
	top_record rec = { .which_what = pvo_TopRecord_end_tag };

	rec.what.end = top->end;
	top_put(top, &rec);
	return record_flush(top->out);
}

/* Waits until @until; false: the host has ended the stream, or there is no broker. */
static bool wait_until(const struct request *req, __u64 until)
{
	struct pollfd fds[] = { { req->stream, 0, 0 }, { req->broker, 0, 0 } };
	struct timespec ts;
	__u64 now;

	while ((now = top_clock_ns()) < until) {
		ts.tv_sec = (until - now) / 1000000000;
		ts.tv_nsec = (until - now) % 1000000000;
		if (ppoll(fds, 2, &ts, NULL) > 0)
			return false;
	}
	return true;
}

void top_run(struct request *req)
{
	static struct record_out out;
	struct top top = { .out = &out };
	pvo_TopRequest args = pvo_TopRequest_init_zero;
	pvo_TopEnd end;
	__u64 last, now, next;
	int ret;

	if (!parse(req, &args))
		return;
	record_out_init(&out, req);
	top.processes = args.processes;
	last = top_clock_ns();
	next = last;
	ret = sample(&top, &args);
	while (!ret && (!args.turns || top.turn < args.turns)) {
		next += top.end.interval_ms * 1000000ull;
		now = top_clock_ns();
		/* A host that was slow to read does not get what it missed all at once. */
		if (next < now)
			next = now;
		if (!wait_until(req, next))
			return;
		now = top_clock_ns();
		top.turn++;
		top.interval_ns = now - last;
		last = now;
		ret = sample(&top, &args);
		if (!ret)
			ret = send_end(&top);
	}
	end = top.end;
	if (!ret)
		record_end(req, &out, pvo_TopEnd_fields, &end);
	else if (!out.error)
		refuse_errno(req, ret, "the guest's counters");
}
