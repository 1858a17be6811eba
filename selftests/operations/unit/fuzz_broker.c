// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of all that the broker looks at of a request: what the channel says of it, its header,
 * and what the process that speaks the protocol sends. No worker is started; a job runs, which
 * requests may join. Each request has to be answered once, or have reached the job.
 */
#include "broker.c"
#include "../../../include/uapi/pvguest/control_dev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct operation operations[] = {
	{ PVO_SERVICE_EXEC, PVO_EXEC_RUN, "exec", .job = true },
	{ PVO_SERVICE_INFO, PVO_INFO_GET, "info" },
	{ PVO_SERVICE_KV, PVO_KV_GET, "kv-get" },
};

static unsigned int admitted;

const struct operation *operation_find(__u16 service, __u16 op)
{
	size_t i;

	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (operations[i].service == service && operations[i].op == op)
			return &operations[i];
	return NULL;
}

/* What passes all checks is busy: there is no fork() in a fuzzer. */
struct worker *limits_admit(const char *principal, const char *verb, bool job, char *text,
			    size_t size)
{
	(void)job;
	admitted++;
	snprintf(text, size, "%s %s", principal, verb);
	return NULL;
}

void worker_run(struct request *req, const __u8 *record, __u32 len)
{
	(void)req;
	(void)record;
	(void)len;
	abort();
}

void audit(const struct audit_line *line)
{
	if (strlen(line->principal) > PVC_PRINCIPAL_MAX || strlen(line->user) >= PVO_USER_MAX)
		abort();
}

int audit_flush(void)
{
	return -1;
}

bool audit_by_verb(const char *verb)
{
	return verb;
}

void log_line(int priority, const char *format, ...)
{
	(void)priority;
	(void)format;
}

void sandbox_close(const int *keep, int n)
{
	(void)keep;
	(void)n;
}

pid_t kv_start(int fd, const char *dir)
{
	(void)fd;
	(void)dir;
	return -1;
}

void limits_keep(struct worker *w)
{
	w->kept = 1;
}

int port_open(struct port_config *config)
{
	(void)config;
	return -ENODEV;
}

int port_start(struct channel *ch, const struct port_config *config)
{
	(void)ch;
	(void)config;
	return -1;
}

static void set_up(int *job)
{
	static struct keys keys;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		abort();
	broker.keys = &keys;
	broker.policy = policy_closed();
	broker.workers[0] = (struct worker){
		.pid = 1, .control = pair[0], .watch = -1, .operation = &operations[0],
		.principal = "p", .job = 0x3131313131313131,
	};
	*job = pair[1];
}

/* How many streams the job has got, whose descriptors are closed. */
static unsigned int drain_job(int job)
{
	struct request req = { .broker = job };
	static struct joined joined;
	struct pollfd pfd = { .fd = job, .events = POLLIN };
	unsigned int n = 0;

	while (poll(&pfd, 1, 0) == 1 && !job_next(&req, &joined)) {
		if (joined.record_len > sizeof(joined.record))
			abort();
		stream_close(&joined.stream);
		n++;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int job = -1;
	struct arrival arrival = { 0 };
	unsigned int answers = 0, joined;
	int stream[2], answer[2];
	__u8 buf[8192];

	if (job < 0)
		set_up(&job);
	if (size < 32 || size - 32 > ARGS_MAX)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, stream) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, answer))
		abort();
	arrival.stream = stream[1];
	arrival.answer = answer[1];
	memcpy(&arrival.service, data, 2);
	memcpy(&arrival.op, data + 2, 2);
	memcpy(&arrival.flags, data + 4, 2);
	memcpy(&arrival.key, data + 8, 8);
	memcpy(arrival.principal, data + 16, 16);
	arrival.args_len = size - 32;
	memcpy(args, data + 32, arrival.args_len);
	dispatch(&arrival);
	close(stream[1]);
	close(answer[1]);
	joined = drain_job(job);
	while (recv(answer[0], buf, sizeof(buf), 0) > 0)
		answers++;
	if (answers + joined != 1)
		abort();
	close(stream[0]);
	close(answer[0]);
	return 0;
}
