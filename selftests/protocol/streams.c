// SPDX-License-Identifier: GPL-2.0-only
/*
 * What pvhost's verbs stand on, tools/host/client.h, against the streams of the simulated
 * guest: several at a time, flow control in both directions, resets, lost sessions.
 *
 *   streams SOCKET
 */
#include <pwd.h>
#include <zlib.h>

#include "../lib/tap.h"
#include "../../tools/host/client.h"
#include "simstreams.h"

static struct client *client;
static unsigned int running;	/* flows that are not done */

/* One stream, and what has become of it. */
struct flow {
	struct channel *ch;
	__u64 to_write, written, read, limit;
	__u64 ahead;		/* most that was accepted and has not come back */
	size_t bite;		/* taken of what is offered at a time; 0: all */
	bool held;		/* does not go on by itself */
	bool pausing, wrong, eof, done, ended;
	__u32 status, flags;
	__u64 count;
	struct event *timer;
};

static struct flow *flow_of(struct channel *ch)
{
	return channel_priv(ch);
}

static void pump(struct flow *f)
{
	__u8 buf[10000];
	size_t i, n, took;

	do {
		n = f->to_write - f->written < sizeof(buf) ? f->to_write - f->written : sizeof(buf);
		for (i = 0; i < n; i++)
			buf[i] = sim_byte(f->written + i);
		took = n ? channel_write(f->ch, buf, n) : 0;
		f->written += took;
		if (f->written - f->read > f->ahead)
			f->ahead = f->written - f->read;
	} while (took == n && n);
	if (f->written == f->to_write && !f->ended) {
		f->ended = true;
		channel_eof(f->ch);
	}
}

static size_t on_data(struct channel *ch, const void *buf, size_t len)
{
	struct flow *f = flow_of(ch);
	struct timeval tv = { .tv_usec = 100 };
	const __u8 *bytes = buf;
	size_t i, n = f->bite && f->bite < len ? f->bite : len;

	if (f->pausing)
		return 0;
	for (i = 0; i < n; i++)
		f->wrong |= bytes[i] != sim_byte(f->read + i);
	f->read += n;
	f->wrong |= f->eof || f->done;
	if (f->limit && f->read >= f->limit) {
		channel_reset(ch, PVC_CANCELLED);
		f->ch = NULL;
		running--;
	} else if (n < len) {
		f->pausing = true;
		if (!f->held)
			evtimer_add(f->timer, &tv);
	}
	return n;
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
	struct flow *f = arg;

	(void)fd;
	(void)what;
	f->pausing = false;
	if (f->ch)
		channel_resume(f->ch);
}

static void on_eof(struct channel *ch)
{
	flow_of(ch)->eof = true;
}

static void on_writable(struct channel *ch)
{
	pump(flow_of(ch));
}

static void on_done(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	struct flow *f = flow_of(ch);
	__le64 count = 0;

	memcpy(&count, body, len < sizeof(count) ? len : sizeof(count));
	f->count = le64_to_cpu(count);
	f->status = status;
	f->flags = flags;
	f->done = true;
	f->ch = NULL;
	if (!--running)
		client_stop(client, DONE);
}

static const struct channel_ops ops = {
	.data = on_data,
	.eof = on_eof,
	.writable = on_writable,
	.done = on_done,
};

/* Opens a stream that writes, or asks for, so many bytes. */
static void start(struct flow *f, enum sim_op op, __u64 bytes, bool bulk)
{
	__le64 record = cpu_to_le64(bytes);
	struct channel_request req = {
		.service = SIM_SERVICE, .op = op, .record = &record,
		.record_len = sizeof(record), .nodata = op == SIM_SOURCE, .bulk = bulk,
		.priv = f,
	};

	f->ch = channel_open(client, &req, &ops);
	if (!f->ch)
		tap_give_up("a stream is opened");
	running++;
	f->to_write = op == SIM_SOURCE ? 0 : bytes;
	f->timer = evtimer_new(client_base(client), on_pause, f);
	if (!req.nodata)
		pump(f);
}

static void finish(void)
{
	enum outcome out = running ? client_run(client) : DONE;

	if (out != DONE)
		tap_give_up("the loop runs until all streams are done: outcome %u", out);
}

static void end(struct flow *f)
{
	event_free(f->timer);
	memset(f, 0, sizeof(*f));
}

static void test_together(void)
{
	struct flow source = {}, echo = {}, sink = {};

	start(&source, SIM_SOURCE, 8 << 20, true);
	start(&echo, SIM_ECHO, 3 << 20, false);
	start(&sink, SIM_SINK, (5 << 20) + 7, true);
	finish();
	check(source.status == PVC_OK && source.read == 8 << 20 && !source.wrong && source.eof,
	      "8 MiB of a source come as sent, with their end");
	check(echo.status == PVC_OK && echo.read == 3 << 20 && !echo.wrong && echo.count == 3 << 20,
	      "3 MiB come back from an echo as sent");
	check(sink.status == PVC_OK && sink.count == (5 << 20) + 7,
	      "5 MiB and 7 bytes arrive in a sink as sent");
	check(echo.ahead <= 1 << 20,
	      "a writer is accepted less than 1 MiB ahead of an echo: %llu bytes",
	      (unsigned long long)echo.ahead);
	end(&source);
	end(&echo);
	end(&sink);
}

static void test_slow(void)
{
	struct flow reader = { .bite = 4001, .held = true }, stuck = {}, writer = {}, quick = {};

	start(&reader, SIM_SOURCE, 1 << 20, true);
	start(&stuck, SIM_HANG, 1 << 20, false);
	start(&writer, SIM_SLOW, 1 << 20, true);
	start(&quick, SIM_ECHO, 1 << 20, false);
	while (!quick.done)
		link_turn(client_link(client), ~0ull);
	check(quick.status == PVC_OK && !reader.done && reader.read == 4001,
	      "an echo ends beside a verb that takes no more, and a guest that takes nothing");
	check(!stuck.done && stuck.written < 1 << 19,
	      "%llu of 1 MiB were accepted for a guest that takes nothing",
	      (unsigned long long)stuck.written);
	channel_reset(stuck.ch, PVC_CANCELLED);
	running--;
	reader.held = false;
	on_pause(-1, 0, &reader);
	finish();
	check(reader.read == 1 << 20 && !reader.wrong && reader.eof && reader.status == PVC_OK,
	      "1 MiB comes as sent to a verb that takes 4001 bytes at a time, before the answer");
	check(writer.status == PVC_OK && writer.count == 1 << 20,
	      "1 MiB arrives as sent at a guest that takes 4 KiB each millisecond");
	end(&reader);
	end(&stuck);
	end(&writer);
	end(&quick);
}

static void test_many(void)
{
	__u32 i, good = 0, most = client_link(client)->pvc.peer.max_streams;
	__u32 nr = most < 200 ? most : 200;
	struct flow *flows = calloc(nr, sizeof(*flows));

	for (i = 0; i < nr; i++)
		start(&flows[i], i & 1 ? SIM_ECHO : SIM_SOURCE, 50000 + i, i & 2);
	finish();
	for (i = 0; i < nr; i++) {
		good += flows[i].status == PVC_OK && flows[i].read == 50000 + i && !flows[i].wrong;
		end(&flows[i]);
	}
	check(good == nr, "%u streams at once carry their data: %u do", nr, good);
	free(flows);
}

static void test_resets(void)
{
	struct flow echo = {}, reset = {}, given_up = { .limit = 100000 };

	start(&given_up, SIM_SOURCE, 1 << 30, true);
	start(&reset, SIM_RESET, 0, false);
	start(&echo, SIM_ECHO, 1 << 20, false);
	finish();
	check(reset.done && reset.status == PVC_DENIED, "a stream that the guest resets is denied");
	check(!given_up.done && given_up.read >= 100000,
	      "a stream that the verb resets in data() is not told done()");
	check(echo.status == PVC_OK && echo.read == 1 << 20,
	      "an echo beside streams that are reset is complete");
	end(&echo);
	end(&reset);
	end(&given_up);
}

static enum outcome call(enum sim_op op, const void *record, size_t len, __u64 key,
			 __u32 deadline_ms, struct reply *reply)
{
	const struct channel_request req = {
		.service = SIM_SERVICE, .op = op, .record = record, .record_len = len,
		.key = key, .deadline_ms = deadline_ms,
	};

	return client_call(client, &req, 100000, reply);
}

static __u64 count_of(const struct reply *reply)
{
	__le64 count = 0;

	memcpy(&count, reply->body, reply->len < sizeof(count) ? reply->len : sizeof(count));
	return le64_to_cpu(count);
}

static void test_calls(void)
{
	static struct reply reply;
	static __u8 record[PVO_ARGS_MAX];
	const struct passwd *pw = getpwuid(getuid());
	__le64 n = cpu_to_le64(100000);
	size_t i;

	check(call(SIM_SOURCE, &n, sizeof(n), 0, 0, &reply) == DONE && reply.data_len == 100000 &&
	      reply.data[99999] == sim_byte(99999), "client_call() collects 100000 bytes of data");
	free(reply.data);
	n = cpu_to_le64(100001);
	check(call(SIM_SOURCE, &n, sizeof(n), 0, 0, &reply) == FAILED,
	      "client_call() fails when the guest sends a byte more than the limit");
	free(reply.data);
	for (i = 0; i < sizeof(record); i++)
		record[i] = sim_byte(i * 3);
	check(call(SIM_RECORD, record, sizeof(record), 0, 0, &reply) == DONE &&
	      reply.status == PVC_OK && count_of(&reply) == crc32(0, record, sizeof(record)),
	      "a record of 256 KiB arrives as sent");
	check(call(SIM_RECORD, record, 3896, 0, 0, &reply) == DONE &&
	      count_of(&reply) == crc32(0, record, 3896), "a record that just fits OPEN arrives");
	check(call(SIM_RECORD, record, 3897, 0, 0, &reply) == DONE &&
	      count_of(&reply) == crc32(0, record, 3897), "a record a byte longer arrives");
	check(call(SIM_HANG, NULL, 0, 0, 100, &reply) == NO_ANSWER,
	      "a request that is not answered ends with its deadline");
	check(call(SIM_WHO, NULL, 0, 0, 0, &reply) == DONE && pw &&
	      reply.len == strlen(pw->pw_name) &&
	      !memcmp(reply.body, pw->pw_name, reply.len), "the principal is the user's name");
	check(call(SIM_REFUSE, NULL, 0, 0, 0, &reply) == DONE && reply.status == PVC_DENIED &&
	      !strcmp(client_printable(reply.body, reply.len),
		      "no rule\\x1b[31m allows \xc3\xa4 \\xff"),
	      "a refusal's text is made printable: %s", client_printable(reply.body, reply.len));
}

static void test_lost(void)
{
	static struct reply reply;
	struct flow source = {};
	__u64 before;

	call(SIM_ONCE, NULL, 0, 0, 0, &reply);
	before = count_of(&reply);
	check(call(SIM_ONCE, "x", 1, client_random(client), 0, &reply) == DONE &&
	      reply.status == PVC_OK && reply.flags & PVC_RESULT_REPLAYED &&
	      count_of(&reply) == before + 1,
	      "client_call() with a key has its answer though the connection was cut");
	call(SIM_ONCE, NULL, 0, 0, 0, &reply);
	check(count_of(&reply) == before + 2, "a request with a key was carried out once");
	start(&source, SIM_SOURCE, 1 << 30, true);
	while (source.read < 1 << 20)
		link_turn(client_link(client), ~0ull);
	call(SIM_ONCE, "x", 1, client_random(client), 0, &reply);
	check(source.done && source.status == PVC_LOST,
	      "a stream of a session that was cut off is told PVC_LOST");
	end(&source);
	start(&source, SIM_SOURCE, 1 << 20, true);
	finish();
	check(source.status == PVC_OK && source.read == 1 << 20,
	      "a stream of the next session carries 1 MiB");
	end(&source);
}

int main(int argc, char **argv)
{
	struct flow left = {};

	if (argc != 2)
		return 2;
	tap_begin();
	tap_watchdog(120);
	signal(SIGPIPE, SIG_IGN);
	client = client_new(argv[1], 30000, false, false);
	check(client_session(client) == DONE, "there is a session");
	test_together();
	test_slow();
	test_many();
	test_resets();
	test_calls();
	test_lost();
	/* What is open when the verb ends is not called any more. */
	start(&left, SIM_SOURCE, 1 << 30, true);
	while (left.read < 1 << 20)
		link_turn(client_link(client), ~0ull);
	event_free(left.timer);
	client_free(client);
	check(!left.done, "a stream that is open when the client ends is not told done()");
	return tap_end();
}
