// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost ps, kill and jobs.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "exec.h"
#include "pvhost.h"

#define PS_MAX	(64u * 1024 * 1024)	/* bytes of a list */

static const struct option longopts[] = {
	{ "user", required_argument, NULL, 'u' },
	{ "of", required_argument, NULL, 'U' },
	{ "signal", required_argument, NULL, 's' },
	{ "job", no_argument, NULL, 'J' },
	{ "json", no_argument, NULL, 'j' },
	{ }
};

struct arguments {
	const char *user;
	const char *of;
	const char *signal;
	bool job;
};

static void parse(struct client *c, int argc, char **argv, const char *options,
		  struct arguments *a)
{
	int opt;

	while ((opt = getopt_long(argc, argv, options, longopts, NULL)) != -1) {
		if (opt == '?' || !strchr(options, opt))
			exit(USAGE);
		if ((opt == 'u' || opt == 'U') && (!*optarg || strlen(optarg) >= PVO_USER_MAX)) {
			fprintf(stderr, "pvhost: '%s' is no name of a user\n", optarg);
			exit(USAGE);
		}
		switch (opt) {
		case 'u':
			a->user = optarg;
			break;
		case 'U':
			a->of = optarg;
			break;
		case 's':
			a->signal = optarg;
			break;
		case 'J':
			a->job = true;
			break;
		case 'j':
			client_set_json(c);
			break;
		}
	}
}

static __u32 to_pid(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || !value || value > 4194304) {
		fprintf(stderr, "pvhost: '%s' is not the number of a process\n", text);
		exit(USAGE);
	}
	return value;
}

/* Time of day of today, else the day. */
static const char *start_text(__u64 began)
{
	static char text[16];
	time_t then = began, now = time(NULL);
	struct tm tm;

	if (!localtime_r(&then, &tm))
		return "?";
	strftime(text, sizeof(text), now - then < 86400 ? "%H:%M" : now - then < 86400 * 300 ?
		 "%b%d" : "%Y", &tm);
	return text;
}

/* Arguments have zero bytes between; a process without any is in brackets, as with ps(1). */
static const char *command_text(const pvo_ps_process *p)
{
	static char text[sizeof(p->command.bytes) + 1];
	size_t i;

	if (!p->command.size) {
		snprintf(text, sizeof(text), "[%s]", p->comm);
		return client_printable(text, strlen(text));
	}
	for (i = 0; i < p->command.size; i++)
		text[i] = p->command.bytes[i] ? (char)p->command.bytes[i] : ' ';
	return client_printable(text, p->command.size);
}

static void print_process(const pvo_ps_process *p, int width)
{
	char user[16], state = p->state > ' ' && p->state < 127 ? (char)p->state : '?';
	__u64 seconds = p->cpu_us / 1000000;

	if (*p->user)
		snprintf(user, sizeof(user), "%s", client_printable(p->user, strlen(p->user)));
	else
		snprintf(user, sizeof(user), "%u", p->uid);
	printf("%-8s %7u %7u %c %9llu %5llu:%02u %5s ", user, p->pid, p->ppid,
	       state, p->rss / 1024ull, seconds / 60ull,
	       (unsigned int)(seconds % 60), start_text(p->began));
	printf("%.*s\n", width > 56 ? width - 54 : width ? 4 : 1 << 16, command_text(p));
}

static void print_process_json(const pvo_ps_process *p)
{
	struct options opt = { .json = true };
	cJSON *object = cJSON_CreateObject();
	char state[2] = { (char)p->state, '\0' };

	add_int(object, "pid", p->pid);
	add_int(object, "ppid", p->ppid);
	add_int(object, "uid", p->uid);
	add_text(object, "user", client_printable(p->user, strlen(p->user)));
	add_text(object, "state", client_printable(state, 1));
	add_int(object, "rss", p->rss);
	add_int(object, "cpu_us", p->cpu_us);
	add_int(object, "began", p->began);
	add_int(object, "start_ticks", p->start_ticks);
	add_int(object, "threads", p->threads);
	add_text(object, "comm", client_printable(p->comm, strlen(p->comm)));
	add_text(object, "command", command_text(p));
	print_object(&opt, object);
}

/* The reply's answer, or what went wrong; DONE: its status is PVC_OK. */
static int call(struct client *c, const char *verb, const char *what,
		const struct channel_request *req, struct reply *reply)
{
	enum outcome out = client_call(c, req, PS_MAX, reply);

	if (out != DONE)
		return out;
	if (reply->status == PVC_OK)
		return DONE;
	return client_refused(verb, what, reply->status, reply->body, reply->len);
}

static int bad_list(const char *verb)
{
	fprintf(stderr, "pvhost: %s: the guest's answer makes no sense\n", verb);
	return FAILED;
}

static int print_processes(struct client *c, const struct reply *reply)
{
	pb_istream_t in = pb_istream_from_buffer(reply->data, reply->data_len);
	struct winsize size = { .ws_col = 0 };
	bool json = client_json(c);
	pvo_ps_process p;

	if (isatty(STDOUT_FILENO))
		terminal_size(&size);
	if (!json)
		printf("%-8s %7s %7s S %9s %8s %5s COMMAND\n", "USER", "PID", "PPID", "RSS/KiB",
		       "TIME", "START");
	while (in.bytes_left) {
		if (!pb_decode_ex(&in, pvo_ps_process_fields, &p, PB_DECODE_DELIMITED))
			return bad_list("ps");
		if (json)
			print_process_json(&p);
		else
			print_process(&p, size.ws_col);
	}
	return DONE;
}

static int verb_ps(struct client *c, int argc, char **argv)
{
	pvo_ps_request msg = pvo_ps_request_init_zero;
	struct arguments a = { NULL };
	pb_byte_t buf[pvo_ps_request_size];
	pb_ostream_t os = pb_ostream_from_buffer(buf, sizeof(buf));
	struct reply reply = { 0 };
	struct channel_request req = {
		.service = PVO_SERVICE_EXEC, .op = PVO_EXEC_PS, .record = buf,
	};
	int out;

	parse(c, argc, argv, "u:U:j", &a);
	if (argc - optind > 1) {
		fputs("pvhost: ps: it takes the number of one process at most\n", stderr);
		return USAGE;
	}
	if (a.of)
		strcpy(msg.user, a.of);
	if (optind < argc)
		msg.pid = to_pid(argv[optind]);
	pb_encode(&os, pvo_ps_request_fields, &msg);
	req.user = a.user;
	req.record_len = os.bytes_written;
	out = call(c, "ps", argv[optind], &req, &reply);
	if (out == DONE)
		out = print_processes(c, &reply);
	free(reply.data);
	return out;
}

/* A number, or a name with or without SIG. */
static __u32 to_signal(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	int i;

	if (end != text && !*end && value < NSIG)
		return value;
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (i = 1; i < NSIG; i++)
		if (sigabbrev_np(i) && !strcasecmp(text, sigabbrev_np(i)))
			return i;
	fprintf(stderr, "pvhost: kill: there is no signal '%s'\n", text);
	exit(USAGE);
}

static int kill_one(struct client *c, const struct arguments *a, __u32 number, const char *what)
{
	pvo_kill_request process = { .signal = number };
	pvo_exec_signal job = { .signal = number };
	pb_byte_t buf[64];
	pb_ostream_t os = pb_ostream_from_buffer(buf, sizeof(buf));
	struct channel_request req = {
		.service = PVO_SERVICE_EXEC, .op = PVO_EXEC_KILL, .user = a->user,
		.record = buf, .key = client_random(c),
	};
	struct reply reply = { 0 };
	char *end;
	int out;

	if (a->job) {
		req.op = PVO_EXEC_SIGNAL;
		req.job = strtoull(what, &end, 16);
		if (*end || !req.job) {
			fprintf(stderr, "pvhost: '%s' is not the number of a job\n", what);
			return USAGE;
		}
		pb_encode(&os, pvo_exec_signal_fields, &job);
	} else {
		process.pid = to_pid(what);
		pb_encode(&os, pvo_kill_request_fields, &process);
	}
	req.record_len = os.bytes_written;
	out = call(c, "kill", what, &req, &reply);
	free(reply.data);
	return out;
}

static int verb_kill(struct client *c, int argc, char **argv)
{
	struct arguments a = { .signal = "TERM" };
	int out = DONE, one;
	__u32 number;

	parse(c, argc, argv, "u:s:Jj", &a);
	number = to_signal(a.signal);
	if (optind == argc) {
		fputs("pvhost: kill: it takes numbers of processes, or with -J of jobs\n", stderr);
		return USAGE;
	}
	for (; optind < argc; optind++) {
		one = kill_one(c, &a, number, argv[optind]);
		if (one != DONE)
			out = one;
		if (one != DONE && one != FAILED)
			break;
	}
	return out;
}

static const char *state_text(const pvo_exec_job *job)
{
	static char text[32];

	switch (job->state) {
	case PVO_EXEC_ATTACHED:
		return "attached";
	case PVO_EXEC_DETACHED:
		return "detached";
	case PVO_EXEC_CUT_OFF:
		return "cut off";
	case PVO_EXEC_EXITED:
		if (job->result.signal)
			snprintf(text, sizeof(text), "signal %u", job->result.signal);
		else
			snprintf(text, sizeof(text), "exited %u", job->result.code);
		return text;
	default:
		return "begins";
	}
}

static void print_job(struct client *c, const pvo_exec_job *job)
{
	struct options opt = { .json = true };
	cJSON *object;
	char id[17];

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)job->job);
	if (!client_json(c)) {
		printf("%s %-8s ", id, client_printable(job->user, strlen(job->user)));
		printf("%7u %-10s %5s ", job->pid, state_text(job), start_text(job->began));
		printf("%s\n", client_printable(job->command, strlen(job->command)));
		return;
	}
	object = cJSON_CreateObject();
	add_text(object, "job", id);
	add_text(object, "verb", client_printable(job->verb, strlen(job->verb)));
	add_text(object, "user", client_printable(job->user, strlen(job->user)));
	add_int(object, "pid", job->pid);
	add_int(object, "began", job->began);
	add_text(object, "state", job->state == PVO_EXEC_EXITED ? "exited" : state_text(job));
	if (job->state == PVO_EXEC_EXITED) {
		add_int(object, "code", job->result.code);
		add_int(object, "signal", job->result.signal);
	}
	add_text(object, "command", client_printable(job->command, strlen(job->command)));
	print_object(&opt, object);
}

static int verb_jobs(struct client *c, int argc, char **argv)
{
	struct arguments a = { NULL };
	struct reply reply = { 0 };
	struct channel_request req = { .service = PVO_SERVICE_EXEC, .op = PVO_EXEC_JOBS };
	pvo_exec_job job;
	pb_istream_t in;
	int out;

	parse(c, argc, argv, "u:j", &a);
	if (optind < argc) {
		fputs("pvhost: jobs: it takes no argument\n", stderr);
		return USAGE;
	}
	req.user = a.user;
	out = call(c, "jobs", NULL, &req, &reply);
	if (out == DONE && !client_json(c))
		printf("%-16s %-8s %7s %-10s %5s COMMAND\n", "JOB", "USER", "PID", "STATE",
		       "START");
	in = pb_istream_from_buffer(reply.data, out == DONE ? reply.data_len : 0);
	while (out == DONE && in.bytes_left) {
		if (pb_decode_ex(&in, pvo_exec_job_fields, &job, PB_DECODE_DELIMITED))
			print_job(c, &job);
		else
			out = bad_list("jobs");
	}
	free(reply.data);
	return out;
}

const struct command ps_commands[] = {
	{
		.name = "ps", .usage = "[-u USER] [-U USER] [PID]",
		.help = "the guest's processes",
		.run = verb_ps,
		.options =
		"  -u, --user=USER      who looks, default root\n"
		"  -U, --of=USER        only this user's\n"
		"  -j, --json           a line for each\n",
	}, {
		.name = "kill", .usage = "[-u USER] [-s SIGNAL] PID... | -J JOB...",
		.help = "send a signal to processes or jobs of the guest",
		.run = verb_kill,
		.options =
		"  -u, --user=USER      who sends it, default root\n"
		"  -s, --signal=SIGNAL  a name or number, default TERM\n"
		"  -J, --job            to the process groups of jobs\n",
	}, {
		.name = "jobs", .usage = "",
		.help = "what runs in the guest for you, or has ended and keeps its result",
		.run = verb_jobs,
		.options =
		"  -j, --json           a line for each\n",
	}, { }
};
