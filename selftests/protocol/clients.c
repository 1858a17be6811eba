// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients of pvhost serve, good and bad.
 *
 *   clients SOCKET MODE
 *
 * echo    eight streams of 64 KiB each come back; exit status 0 if so
 * two     two of them
 * many    opens requests that the guest never answers; prints how many were taken, and waits
 * deaf    asks for endless data on 40 streams and reads nothing, for ever
 * die     opens 40 endless streams and ends without a word
 * who     prints the principal that the guest sees
 * These print a line when they are at it, and go on until they are killed:
 * hello   floods with HELLO and reads nothing
 * junk    has a session, then floods with bytes that are no frames, again and again
 * credit  has a session, then sends more data than there is credit for, again and again
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../tools/host/client.h"
#include "simstreams.h"

static struct client *client;
static unsigned int running, refused, right, lost;
static __u64 counts[256];		/* right bytes that came, by stream */
static unsigned int nr_counts;

static size_t count_data(struct channel *ch, const void *buf, size_t len)
{
	__u64 *got = channel_priv(ch);
	const __u8 *bytes = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (bytes[i] == sim_byte(*got))
			++*got;
	return len;
}

static void finished(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	__u64 *got = channel_priv(ch);

	(void)flags;
	refused += status == PVC_BUSY;
	lost += status == PVC_LOST;
	right += status == PVC_OK && *got == 65536;
	if (status == PVC_OK && len && !*got)
		printf("%s\n", client_printable(body, len));
	if (!--running)
		client_stop(client, DONE);
}

static const struct channel_ops ops = { .data = count_data, .done = finished };

static void start(enum sim_op op, __u64 bytes, bool nodata)
{
	__le64 record = cpu_to_le64(bytes);
	unsigned int at = nr_counts++ % 256;
	const struct channel_request req = {
		.service = SIM_SERVICE, .op = op, .record = &record,
		.record_len = sizeof(record), .nodata = nodata, .bulk = true,
		.priv = &counts[at],
	};
	static __u8 buf[65536];
	struct channel *ch;
	size_t i;

	if (client_session(client) != DONE)
		exit(3);
	ch = channel_open(client, &req, &ops);
	if (!ch) {
		refused++;
		return;
	}
	counts[at] = 0;
	running++;
	if (nodata)
		return;
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = sim_byte(i);
	channel_write(ch, buf, sizeof(buf));
	channel_eof(ch);
}

static void turns(__u32 ms)
{
	__u64 until = now_ms() + ms;

	while (now_ms() < until && link_turn(client_link(client), until) == DONE)
		;
}

/* A session may be lost on a machine that is busy: then once more. */
static int run_echo(unsigned int nr)
{
	unsigned int i, attempt;
	enum outcome out;

	for (attempt = 0; attempt < 5 && (!attempt || lost); attempt++) {
		lost = 0;
		right = 0;
		for (i = 0; i < nr; i++)
			start(SIM_ECHO, 0, false);
		out = client_run(client);
	}
	client_free(client);
	if (out != DONE || right != nr)
		printf("outcome %u, %u right, %u lost, %u refused\n", out, right, lost, refused);
	return out != DONE || right != nr;
}

static int run_many(void)
{
	unsigned int i;

	for (i = 0; i < 200; i++)
		start(SIM_HANG, 0, true);
	turns(1000);
	printf("%u\n", 200 - refused);
	fflush(stdout);
	turns(600000);
	return 0;
}

static int run_endless(bool die)
{
	unsigned int i;

	for (i = 0; i < 40; i++)
		start(SIM_SOURCE, ~0ull, true);
	turns(300);
	puts("at it");
	fflush(stdout);
	if (die)
		_exit(0);
	for (;;)
		pause();
}

static int run_who(void)
{
	enum outcome out;

	start(SIM_WHO, 0, true);
	out = client_run(client);
	client_free(client);
	return out;
}

/* Straight into the socket, whatever the core thinks. */
static void flood(const void *buf, size_t len, __u32 ms)
{
	__u64 until = now_ms() + ms;

	while (now_ms() < until)
		if (write(client_link(client)->fd, buf, len) < 0)
			usleep(100);
}

static int run_hello(void)
{
	static __u8 buf[PVC_SYNC_RUN];
	struct link *link = client_link(client);
	__u32 len = 0;

	if (link_open(link) != DONE)
		return 1;
	while (len != PVC_HEADER + sizeof(struct pvc_hello) + link->pvc.cfg.tlv_len)
		len = pvc_output(&link->pvc, buf, sizeof(buf), now_ms());
	puts("at it");
	fflush(stdout);
	flood(buf, len, 600000);
	return 0;
}

static int run_junk(void)
{
	static __u8 buf[32768];

	for (;;) {
		if (client_session(client) != DONE)
			return 1;
		fill_random(buf, sizeof(buf));
		puts("at it");
		fflush(stdout);
		flood(buf, sizeof(buf), 200);
		link_disconnect(client_link(client));
	}
	return 0;
}

static int run_credit(void)
{
	struct link *link = client_link(client);
	__u32 i;

	for (;;) {
		running = 0;
		start(SIM_SLOW, 0, false);
		turns(50);
		link->pvc.conn_tx_limit = ~0ull >> 1;
		for (i = 0; i < LINK_STREAMS; i++)
			link->streams[i].tx_limit = ~0ull >> 1;
		start(SIM_SLOW, 0, false);
		puts("at it");
		fflush(stdout);
		turns(200);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc == 3 ? argv[2] : "";

	signal(SIGPIPE, SIG_IGN);
	client = client_new(argv[1], 20000, false, false);
	if (!strcmp(mode, "echo"))
		return run_echo(8);
	if (!strcmp(mode, "two"))
		return run_echo(2);
	if (!strcmp(mode, "many"))
		return run_many();
	if (!strcmp(mode, "deaf") || !strcmp(mode, "die"))
		return run_endless(!strcmp(mode, "die"));
	if (!strcmp(mode, "who"))
		return run_who();
	if (!strcmp(mode, "hello"))
		return run_hello();
	if (!strcmp(mode, "junk"))
		return run_junk();
	if (!strcmp(mode, "credit"))
		return run_credit();
	return 2;
}
