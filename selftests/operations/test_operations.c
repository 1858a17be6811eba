// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations of pvguestd-test, by which the tests see what the daemon's core does. They are
 * not in pvguestd.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pvguestd/worker.h"
#include "test_operations.h"

/* All data comes back; the answer is how much there was. */
static void run_echo(struct request *req)
{
	struct stream s = { .fd = req->stream, .answer = req->answer };
	static char buf[65536];
	__le64 total;
	__u64 sum = 0;
	ssize_t n;

	while ((n = read(s.fd, buf, sizeof(buf))) > 0) {
		if (stream_write_all(&s, buf, n))
			return;
		sum += n;
	}
	if (n < 0)
		return;
	total = cpu_to_le64(sum);
	answer(req, PVC_OK, &total, sizeof(total));
}

/* The record comes back as data. */
static void run_record(struct request *req)
{
	struct stream s = { .fd = req->stream, .answer = req->answer };

	if (!stream_write_all(&s, req->record, req->record_len))
		answer(req, PVC_OK, "", 0);
}

/* Uses the CPU until it is killed. */
static void run_burn(struct request *req)
{
	(void)req;
	for (;;)
		__asm__ volatile("");
}

/* Dies, in a way that is no complaint of the kernel's to the lab. */
static void run_crash(struct request *req)
{
	volatile int *volatile nowhere = (volatile int *)8;

	(void)req;
	signal(SIGSEGV, SIG_DFL);
	*nowhere = 0;
}

/* Waits until its stream is closed by the host. */
static void run_sleep(struct request *req)
{
	struct pollfd pfd = { .fd = req->stream };

	poll(&pfd, 1, -1);
}

/* Says the record of each stream that joins it, until one is empty. */
static void run_job(struct request *req)
{
	static struct joined joined;
	struct stream s = { .fd = req->stream, .answer = req->answer };

	job_note(req, req->record, req->record_len <= JOB_NOTE_MAX ? req->record_len : 0);
	while (!job_next(req, &joined)) {
		stream_write_all(&s, joined.record, joined.record_len);
		stream_reply(&joined.stream, PVC_OK, joined.record, joined.record_len);
		stream_close(&joined.stream);
		if (!joined.record_len)
			break;
	}
	answer(req, PVC_OK, "", 0);
}

/* The notes of the principal's jobs. */
static void run_jobs(struct request *req)
{
	struct stream s = { .fd = req->stream, .answer = req->answer };
	struct job_info info;
	unsigned int i;

	for (i = 0; job_at(i, &info); i++)
		if (!strcmp(info.principal, req->principal))
			stream_write_all(&s, info.note, info.note_len);
	answer(req, PVC_OK, "", 0);
}

/* A byte at the end of the file that the record names. */
static void run_append(struct request *req)
{
	static char path[4096];
	int fd;

	memcpy(path, req->record, min_t(size_t, req->record_len, sizeof(path) - 1));
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1)
		refuse_errno(req, errno, path);
	else
		answer(req, PVC_OK, "done", 4);
}

const struct operation test_operations[] = {
	{ TEST_SERVICE, TEST_ECHO, "test", .run = run_echo },
	{ TEST_SERVICE, TEST_BURN, "test", .run = run_burn },
	{ TEST_SERVICE, TEST_CRASH, "test", .run = run_crash },
	{ TEST_SERVICE, TEST_SLEEP, "test", .run = run_sleep },
	{ TEST_SERVICE, TEST_JOB, "test", .job = true, .run = run_job },
	{ TEST_SERVICE, TEST_JOBS, "test", .run = run_jobs },
	{ TEST_SERVICE, TEST_RECORD, "test", .run = run_record },
	{ TEST_SERVICE, TEST_APPEND, "test-file", KEEP_FILES, .run = run_append },
	{ TEST_SERVICE, TEST_PROBE, "test", .run = run_probes },
	{ TEST_SERVICE, TEST_PROBE_ROOT, "test", KEEP_ROOT, .run = run_probes },
	{ TEST_SERVICE, TEST_PROBE_FORK, "test", KEEP_FORK, .run = run_probes },
	{ TEST_SERVICE, TEST_PROBE_NET, "test", KEEP_NET, .run = run_probes },
	{ TEST_SERVICE, TEST_PROBE_FILES, "test-file", KEEP_FILES, .run = run_probes },
	{ TEST_SERVICE, TEST_PROBE_PROC, "test", KEEP_PROC, .run = run_probes },
	{ TEST_SERVICE, TEST_PROBE_SIGNAL, "test", KEEP_SIGNAL, 1ull << CAP_KILL,
	  .run = run_probes },
	{ TEST_SERVICE, TEST_PROBE_EXEC, "test", KEEP_EXEC, .run = run_probes },
	{ 0 }
};
