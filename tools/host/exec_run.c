// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program in the guest, from its begin to its end. When the session is lost on the way pvhost
 * attaches to the job in the next one, where both sides go on at the byte where they were; if
 * the guest has no such job it is asked by the request's key whether there ever was one, and
 * only then is it begun again.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "exec.h"
#include "pvhost.h"

#define PATIENCE_MS	60000	/* without a session; the guest waits as long for us */
#define AGAIN_MS	200
#define INTERRUPTS	3	/* in as many seconds, and pvhost gives up */

static void stop_if_done(struct run *run)
{
	if (run->cancelled || run->detached || run->lost ||
	    (run->finished && !run->out[0].channel && !run->out[1].channel))
		client_stop(run->client, DONE);
}

/* The first data of ATTACH: a record that says where both go on. Bytes of it. */
static size_t take_head(struct run *run, const __u8 *buf, size_t len)
{
	pvo_exec_attached msg = pvo_exec_attached_init_zero;
	size_t n = min_t(size_t, len, sizeof(run->head) - run->head_len), used;
	pb_istream_t in;

	memcpy(run->head + run->head_len, buf, n);
	in = pb_istream_from_buffer(run->head, run->head_len + n);
	if (!pb_decode_ex(&in, pvo_exec_attached_fields, &msg, PB_DECODE_DELIMITED)) {
		run->head_len += n;
		if (run->head_len < sizeof(run->head))
			return n;
		fprintf(stderr, "pvhost: %s: the guest's answer makes no sense\n", run->verb);
		run_cancel(run, EXIT_OWN);
		return len;
	}
	used = n - in.bytes_left;
	run->head_due = false;
	if (!run->replay && (msg.stdout_at > run->out[0].got || msg.stderr_at > run->out[1].got))
		fprintf(stderr, "pvhost: %s: %llu bytes of output were lost with the session\n",
			run->verb,
			(unsigned long long)(msg.stdout_at - run->out[0].got +
					     msg.stderr_at - run->out[1].got));
	run->out[0].got = msg.stdout_at;
	run->out[1].got = msg.stderr_at;
	run->tty = run->tty && msg.tty && !terminal_raw();
	/* Another pvhost's stdin is none of ours: what we have begins where it ended. */
	if (run->replay) {
		run->in.read += msg.stdin_at;
		run->in.sent += msg.stdin_at;
	} else if (run->in.used && !stdio_rewind(run, msg.stdin_at)) {
		fprintf(stderr, "pvhost: %s: input was lost with the session\n", run->verb);
		run_cancel(run, EXIT_OWN);
		return len;
	}
	if (run->out[1].channel)
		channel_resume(run->out[1].channel);
	stdio_pump(run);
	return used;
}

static size_t on_data(struct channel *ch, const void *buf, size_t len)
{
	struct sink *sink = channel_priv(ch);
	struct run *run = sink->run;
	size_t used = 0;

	if (run->cancelled)
		return len;
	/* Where stderr goes on is in the head, too. */
	if (sink == &run->out[1] && run->head_due)
		return 0;
	if (sink == &run->out[0] && run->head_due) {
		used = take_head(run, buf, len);
		if (run->head_due || run->cancelled)
			return used;
	}
	return used + stdio_write(sink, (const __u8 *)buf + used, len - used);
}

static void on_writable(struct channel *ch)
{
	struct sink *sink = channel_priv(ch);

	if (sink == &sink->run->out[0])
		stdio_pump(sink->run);
}

static void on_done(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	struct sink *sink = channel_priv(ch);
	struct run *run = sink->run;

	sink->channel = NULL;
	if (status == PVC_LOST) {
		/* An answer that has come is one. */
		run->lost = !run->finished;
	} else if (sink == &run->out[0]) {
		run->finished = true;
		run->status = status;
		run->flags = flags;
		run->body_len = min_t(size_t, len, sizeof(run->body));
		memcpy(run->body, body, run->body_len);
	}
	stop_if_done(run);
}

static const struct channel_ops ops = {
	.data = on_data,
	.writable = on_writable,
	.done = on_done,
};

static void drop_channels(struct run *run, __u32 status)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (run->out[i].channel)
			channel_reset(run->out[i].channel, status);
		run->out[i].channel = NULL;
	}
}

void run_cancel(struct run *run, int exit)
{
	if (run->cancelled)
		return;
	run->cancelled = true;
	run->exit = exit;
	drop_channels(run, PVC_CANCELLED);
	client_stop(run->client, DONE);
}

/* A request to the job whose answer is not waited for. */
static void tell_job(struct run *run, __u16 op, const pb_msgdesc_t *fields, const void *msg,
		     const struct channel_ops *told)
{
	pb_byte_t buf[64];
	pb_ostream_t os = pb_ostream_from_buffer(buf, sizeof(buf));
	struct channel_request req = {
		.service = PVO_SERVICE_EXEC, .op = op, .user = run->user, .job = run->job,
		.record = buf, .nodata = true, .priv = run,
	};

	if (!run->out[0].channel || !pb_encode(&os, fields, msg))
		return;
	req.record_len = os.bytes_written;
	channel_open(run->client, &req, told);
}

static void on_told(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	struct run *run = channel_priv(ch);

	(void)flags;
	/* Too late, or too early, is no news. */
	if (status != PVC_OK && status != PVC_LOST && status != PVC_NOT_FOUND)
		client_refused(run->verb, "the signal", status, body, len);
}

static void on_detached(struct channel *ch, __u32 status, __u32 flags, const void *body,
			size_t len)
{
	struct run *run = channel_priv(ch);

	(void)flags;
	if (status != PVC_OK && status != PVC_LOST)
		client_refused(run->verb, "detach", status, body, len);
}

static const struct channel_ops told_ops = { .done = on_told };
static const struct channel_ops size_ops = { 0 };
static const struct channel_ops detach_ops = { .done = on_detached };

/* The answer of RUN then says that it goes on. */
void run_detach(struct run *run)
{
	pvo_exec_signal msg = { .detach = true };

	tell_job(run, PVO_EXEC_SIGNAL, pvo_exec_signal_fields, &msg, &detach_ops);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct run *run = arg;
	pvo_exec_signal msg = { .signal = number };
	__u64 now = now_ms();

	(void)what;
	if (number == SIGINT) {
		if (now - run->interrupt_at > INTERRUPTS * 1000)
			run->interrupts = 0;
		if (!run->interrupts++)
			run->interrupt_at = now;
		if (run->interrupts == INTERRUPTS) {
			run_cancel(run, EXIT_SIGNAL + SIGINT);
			return;
		}
	}
	/* Between two sessions there is nothing to send it to. */
	if (!run->out[0].channel)
		run_cancel(run, EXIT_SIGNAL + number);
	else
		tell_job(run, PVO_EXEC_SIGNAL, pvo_exec_signal_fields, &msg, &told_ops);
}

static void on_winch(evutil_socket_t number, short what, void *arg)
{
	struct run *run = arg;
	struct winsize size;
	pvo_winsize msg = pvo_winsize_init_zero;

	(void)number;
	(void)what;
	if (!run->tty || !terminal_size(&size))
		return;
	msg.rows = size.ws_row;
	msg.columns = size.ws_col;
	msg.xpixels = size.ws_xpixel;
	msg.ypixels = size.ws_ypixel;
	tell_job(run, PVO_EXEC_WINSIZE, pvo_winsize_fields, &msg, &size_ops);
}

static size_t attach_record(struct run *run, __u64 token, pb_byte_t *buf, size_t size)
{
	pvo_exec_attach msg = {
		.token = token,
		.stdout_at = run->out[0].got, .stderr_at = run->out[1].got,
		.replay = run->replay, .separate = true,
	};
	pb_ostream_t os = pb_ostream_from_buffer(buf, size);
	struct winsize ws;

	if (run->tty && terminal_size(&ws)) {
		msg.has_size = true;
		msg.size.rows = ws.ws_row;
		msg.size.columns = ws.ws_col;
		msg.size.xpixels = ws.ws_xpixel;
		msg.size.ypixels = ws.ws_ypixel;
	}
	pb_encode(&os, pvo_exec_attach_fields, &msg);
	return os.bytes_written;
}

/* Both streams in one go, so that they share a doorbell. */
static bool open_streams(struct run *run)
{
	pvo_exec_stderr msg = { .token = run->attach ? client_random(run->client) : 0 };
	pb_byte_t buf[pvo_exec_attach_size], err_buf[pvo_exec_stderr_size];
	pb_ostream_t os = pb_ostream_from_buffer(err_buf, sizeof(err_buf));
	struct channel_request req = {
		.service = PVO_SERVICE_EXEC, .op = PVO_EXEC_RUN, .user = run->user,
		.job = run->job, .record = run->record, .record_len = run->record_len,
		.nodata = !run->in.used, .key = run->key, .priv = &run->out[0],
	};
	struct channel_request err = {
		.service = PVO_SERVICE_EXEC, .op = PVO_EXEC_STDERR, .user = run->user,
		.job = run->job, .record = err_buf, .nodata = true, .priv = &run->out[1],
	};

	if (run->attach) {
		req.op = PVO_EXEC_ATTACH;
		req.key = 0;
		req.record = buf;
		req.record_len = attach_record(run, msg.token, buf, sizeof(buf));
	}
	pb_encode(&os, pvo_exec_stderr_fields, &msg);
	err.record_len = os.bytes_written;
	run->head_due = run->attach;
	run->head_len = 0;
	run->lost = false;
	run->finished = false;
	run->out[0].channel = channel_open(run->client, &req, &ops);
	if (run->out[0].channel && (run->separate || run->attach))
		run->out[1].channel = channel_open(run->client, &err, &ops);
	if (run->out[0].channel)
		return true;
	run->lost = true;
	return false;
}

/* A session, for as long as the guest waits for us; false: none. */
static bool reconnect(struct run *run)
{
	__u64 until = now_ms() + PATIENCE_MS;

	while (client_session(run->client) != DONE) {
		if (run->cancelled || now_ms() > until)
			return false;
		usleep(AGAIN_MS * 1000);
	}
	return !run->cancelled;
}

/*
 * The guest has no such job: what became of the request? True: something is to be tried again;
 * false: it is known, in @run->status, or nothing is.
 */
static bool ask(struct run *run)
{
	struct channel_request req = {
		.service = PVO_SERVICE_EXEC, .op = PVO_EXEC_RUN, .user = run->user,
		.key = run->key,
	};
	struct reply reply = { 0 };

	if (!run->key)
		return false;
	if (client_ask(run->client, &req, run->boot_id, &reply) != DONE) {
		fprintf(stderr, "pvhost: %s: the session was lost; whether it was run is not known\n",
			run->verb);
		run->status = PVC_LOST;
		return false;
	}
	free(reply.data);
	if (reply.status == PVC_NOT_FOUND && stdio_rewind(run, 0)) {
		run->attach = false;
		return true;
	}
	if (reply.status == PVC_IN_PROGRESS) {
		usleep(AGAIN_MS * 1000);
		return true;
	}
	run->status = reply.status;
	run->flags = reply.flags;
	run->body_len = reply.len;
	memcpy(run->body, reply.body, reply.len);
	return false;
}

/* After a turn of the loop: is there another one? */
static bool again(struct run *run)
{
	if (run->cancelled || run->detached)
		return false;
	if (run->lost) {
		drop_channels(run, PVC_CANCELLED);
		if (!reconnect(run)) {
			if (!run->cancelled)
				fprintf(stderr, "pvhost: %s: the session was lost, and there is no other\n",
					run->verb);
			run->status = PVC_LOST;
			return false;
		}
		run->attach = true;
		run->replay = false;
		return true;
	}
	if (run->attach && run->status == PVC_NOT_FOUND)
		return ask(run);
	if (!run->attach && run->status == PVC_IN_PROGRESS) {
		run->attach = true;
		usleep(AGAIN_MS * 1000);
		return true;
	}
	/* The new key is one that the guest cannot tell from an old one. */
	if (!run->attach && run->status == PVC_FORGOTTEN && run->key && !run->out[0].got) {
		run->key = client_random(run->client);
		run->job = run->key;
		return true;
	}
	return false;
}

static int refused(struct run *run)
{
	if (run->status == PVC_LOST)
		return EXIT_OWN;
	client_refused(run->verb, run->what, run->status, run->body, run->body_len);
	if (run->status == PVC_NOT_FOUND && !run->attach)
		return EXIT_NO_PROGRAM;
	if (run->status == PVC_DENIED || run->status == PVC_UNSUPPORTED)
		return EXIT_CANNOT;
	return EXIT_OWN;
}

static void print_json(const struct run *run, const pvo_exec_result *r)
{
	cJSON *object = cJSON_CreateObject();
	char id[17], *text;

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)run->job);
	add_text(object, "job", id);
	add_int(object, "pid", r->pid);
	add_bool(object, "running", r->running);
	add_int(object, "code", r->code);
	add_int(object, "signal", r->signal);
	add_bool(object, "core", r->core);
	add_bool(object, "timed_out", r->timed_out);
	add_int(object, "stdout_bytes", r->stdout_bytes);
	add_int(object, "stderr_bytes", r->stderr_bytes);
	add_int(object, "elapsed_us", r->elapsed_us);
	add_int(object, "user_us", r->user_us);
	add_int(object, "system_us", r->system_us);
	add_int(object, "max_rss", r->max_rss);
	text = cJSON_PrintUnformatted(object);
	fprintf(stderr, "%s\n", text ? text : "");
	free(text);
	cJSON_Delete(object);
}

static int conclude(struct run *run)
{
	pvo_exec_result result = pvo_exec_result_init_zero;
	pb_istream_t in = pb_istream_from_buffer(run->body, run->body_len);

	if (run->cancelled)
		return run->exit;
	if (run->status != PVC_OK)
		return refused(run);
	if (!pb_decode(&in, pvo_exec_result_fields, &result)) {
		fprintf(stderr, "pvhost: %s: the guest's answer makes no sense\n", run->verb);
		return EXIT_OWN;
	}
	if (client_json(run->client))
		print_json(run, &result);
	if (result.running) {
		printf("%016llx\n", (unsigned long long)run->job);
		/* Nothing else has the number. */
		return fflush(stdout) ? EXIT_OWN : DONE;
	}
	if (result.stdout_bytes > run->out[0].got || result.stderr_bytes > run->out[1].got) {
		fprintf(stderr,
			"pvhost: %s: it has ended (%s %u), and its last output was lost with the session\n",
			run->verb, result.signal ? "signal" : "exit status",
			result.signal ? result.signal : result.code);
		return EXIT_OWN;
	}
	if (result.timed_out)
		return EXIT_TIMED_OUT;
	return result.signal ? EXIT_SIGNAL + (int)result.signal : (int)result.code;
}

/* The signals of a terminal are keys of the guest's, when it has one. */
static void watch_signals(struct run *run, struct event *events[])
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH };
	struct event_base *base = client_base(run->client);
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		events[i] = evsignal_new(base, numbers[i],
					 numbers[i] == SIGWINCH ? on_winch : on_signal, run);
		if (events[i])
			event_add(events[i], NULL);
	}
}

int run_program(struct run *run)
{
	struct event *signals[5] = { NULL };
	enum outcome out;
	size_t i;

	out = client_session(run->client);
	if (out != DONE) {
		link_explain(out, client_link(run->client));
		return EXIT_OWN;
	}
	memcpy(run->boot_id, client_boot_id(run->client), sizeof(run->boot_id));
	stdio_begin(run);
	watch_signals(run, signals);
	/* Whether a job has one it says when we are attached. */
	if (run->tty && !run->attach && terminal_raw() < 0)
		run->tty = false;
	do {
		if (!open_streams(run) && !reconnect(run))
			break;
		stdio_pump(run);
		if (!run->lost && client_run(run->client) != DONE)
			run->lost = true;
	} while (again(run));
	terminal_restore();
	for (i = 0; i < 5; i++)
		if (signals[i])
			event_free(signals[i]);
	drop_channels(run, PVC_CANCELLED);
	stdio_end(run);
	return conclude(run);
}
