// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both ends of the network tests: "peer serve" answers on one side, the other
 * commands ask it. Whatever has to be waited for, is waited for twenty seconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

static const char usage[] =
"usage: peer serve\n"
"       peer sink ADDR BYTES           send a stream; it has to arrive intact\n"
"       peer source ADDR BYTES         the same the other way\n"
"       peer rr ADDR SECONDS [SIZE [IGNORE]]\n"
"                                      TCP, one message outstanding, after IGNORE\n"
"                                      seconds: number, mean and p99 latency (JSON)\n"
"       peer echo ADDR COUNT [SIZE [GAP_US]]\n"
"                                      UDP, one outstanding, contents checked\n"
"       peer send ADDR SECONDS SIZE [PORT]\n"
"                                      UDP as fast as it goes\n"
"       peer receive ADDR SECONDS SIZE [GAP_US BURST]\n"
"                                      the same the other way; counts\n"
"       peer push ADDR TO PORT COUNT SIZE [GAP_US [BURST [SECONDS]]]\n"
"                                      have ADDR send UDP to TO (0: here), and wait\n"
"                                      SECONDS at most for as many answers\n"
"       peer vlans DEV                 answer UDP on all VLANs of DEV\n"
"       peer stall                     stop QEMU's socket netdev; peer flow ADDR 1\n"
"                                      lets it go on, and 0 stops it again\n"
"       peer xsk DEV QUEUE MODE [FILL] send back through AF_XDP, MODE zerocopy or copy;\n"
"                                      with FILL frames at first, the rest a second\n"
"                                      after these were used\n"
"       peer map NAME                  counter of the BPF map\n"
"       peer rxhash DEV                an XDP program that asks for hashes, until SIGTERM;\n"
"                                      then what it was told (JSON)\n"
"Streams follow from PEER_SEED and from the length of the file PEER_STREAMS.\n";

static int fail(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	return 1;
}

static socklen_t parse_address(const char *host, __u16 port,
			       struct sockaddr_storage *to)
{
	struct sockaddr_in *in = (void *)to;
	struct sockaddr_in6 *in6 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	errno = EINVAL;
	return 0;
}

static int open_socket(const char *host, int type, __u16 port)
{
	struct sockaddr_storage to;
	socklen_t len = parse_address(host, port, &to);
	int fd, one = 1;

	fd = len ? socket(to.ss_family, type, 0) : -1;
	if (fd < 0)
		return -1;
	set_timeouts(fd);
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* Suspend interrupts what waits with a timeout; it can be waited for again. */
	while (connect(fd, (struct sockaddr *)&to, len)) {
		if (errno == EINTR)
			continue;
		close(fd);
		return -1;
	}
	return fd;
}

/* Return: a connection on which @rq was sent. A link may be down for a while. */
static int ask(const char *host, struct peer_request *rq)
{
	int fd = open_socket(host, SOCK_STREAM, PEER_PORT), tries;

	for (tries = 0; fd < 0 && tries < 100; tries++) {
		if (errno != ENETUNREACH && errno != EHOSTUNREACH)
			break;
		usleep(50000);
		fd = open_socket(host, SOCK_STREAM, PEER_PORT);
	}
	rq->magic = PEER_MAGIC;
	if (fd >= 0 && send_all(fd, rq, sizeof(*rq))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int report(__u64 differs, const struct peer_request *rq)
{
	if (differs == PEER_INTACT) {
		printf("%llu bytes intact\n", rq->bytes);
		return 0;
	}
	fprintf(stderr, "peer: byte %llu of %llu of the stream with seed %llu differs\n",
		differs, rq->bytes, rq->seed);
	return 1;
}

static int do_sink(char **arg)
{
	struct peer_request rq = {
		.op = PEER_SINK, .bytes = strtoull(arg[1], NULL, 0),
		.seed = stream_seed(),
	};
	int fd = ask(arg[0], &rq);
	__u64 differs;

	if (fd < 0)
		return fail("connect");
	if (stream_send(fd, rq.seed, rq.bytes))
		return fail("send");
	if (recv_all(fd, &differs, sizeof(differs)))
		return fail("answer");
	return report(differs, &rq);
}

static int do_source(char **arg)
{
	struct peer_request rq = {
		.op = PEER_SOURCE, .bytes = strtoull(arg[1], NULL, 0),
		.seed = stream_seed(),
	};
	int fd = ask(arg[0], &rq);
	__u64 differs;

	if (fd < 0)
		return fail("connect");
	if (stream_check(fd, rq.seed, rq.bytes, &differs))
		return fail("receive");
	return report(differs, &rq);
}

/* Latencies in microseconds; what takes longer counts as the last. */
#define LATENCIES 1000000

static __u32 latencies[LATENCIES];

static void report_latencies(__u64 n, __u64 ns, __u64 sum)
{
	__u64 seen = 0, median, p99 = 0;

	while (p99 < LATENCIES - 1 && seen + latencies[p99] < (n + 1) / 2)
		seen += latencies[p99++];
	median = p99;
	while (p99 < LATENCIES - 1 && seen + latencies[p99] < n - n / 100)
		seen += latencies[p99++];
	printf("{\"transactions\": %llu, \"seconds\": %.3f, ", n, ns / 1e9);
	printf("\"mean_us\": %.1f, \"median_us\": %llu, \"p99_us\": %llu}\n",
	       n ? sum / 1e3 / n : 0.0, median, p99);
}

static void count_latency(__u64 ns)
{
	__u64 us = ns / 1000;

	latencies[us < LATENCIES ? us : LATENCIES - 1]++;
}

static int do_rr(char **arg)
{
	struct peer_request rq = { .op = PEER_ECHO, .size = 1 };
	static char buf[PEER_SIZE_MAX];
	__u64 start, now, end, t, n = 0, sum = 0;
	int fd;

	if (arg[2])
		rq.size = atoi(arg[2]);
	if (!rq.size || rq.size > sizeof(buf))
		return fail("size");
	fd = ask(arg[0], &rq);
	if (fd < 0)
		return fail("connect");
	now = now_ns();
	start = now + (arg[2] && arg[3] ? strtod(arg[3], NULL) * 1e9 : 0);
	end = start + strtod(arg[1], NULL) * 1e9;
	while (now < end) {
		if (send_all(fd, buf, rq.size) || recv_all(fd, buf, rq.size))
			return fail("request");
		t = now_ns();
		if (now >= start) {
			count_latency(t - now);
			sum += t - now;
			n++;
		}
		now = t;
	}
	report_latencies(n, now - start, sum);
	return 0;
}

static int do_echo(char **arg)
{
	static char out[PEER_SIZE_MAX], in[PEER_SIZE_MAX];
	__u64 count = strtoull(arg[1], NULL, 0), i, t, sum = 0, from = now_ns();
	size_t size = arg[2] ? strtoul(arg[2], NULL, 0) : 64, k;
	unsigned int gap = arg[2] && arg[3] ? strtoul(arg[3], NULL, 0) : 0;
	int fd = open_socket(arg[0], SOCK_DGRAM, PEER_PORT);

	if (fd < 0)
		return fail("socket");
	if (!size || size > sizeof(out))
		return fail("size");
	for (i = 0; i < count; i++) {
		for (k = 0; k < size; k++)
			out[k] = k * 7 + i;
		t = now_ns();
		if (send(fd, out, size, 0) < 0)
			return fail("send");
		if (recv(fd, in, sizeof(in), 0) != (ssize_t)size)
			return fail("receive");
		if (memcmp(in, out, size)) {
			fprintf(stderr, "peer: answer %llu differs\n", i);
			return 1;
		}
		t = now_ns() - t;
		count_latency(t);
		sum += t;
		if (gap)
			usleep(gap);
	}
	report_latencies(count, now_ns() - from, sum);
	return 0;
}

static int do_send(char **arg)
{
	static char buf[PEER_SIZE_MAX];
	__u64 start = now_ns(), end = start + strtod(arg[1], NULL) * 1e9;
	__u64 n = 0, refused = 0;
	size_t size = strtoul(arg[2], NULL, 0);
	int fd = open_socket(arg[0], SOCK_DGRAM,
			     arg[3] ? atoi(arg[3]) : PEER_DISCARD);

	if (fd < 0)
		return fail("socket");
	if (size > sizeof(buf))
		return fail("size");
	do {
		if (send(fd, buf, size, 0) >= 0)
			n++;
		else if (errno == ENOBUFS || errno == EAGAIN || errno == ECONNREFUSED)
			refused++;
		else
			return fail("send");
	} while ((n + refused) % 16 || now_ns() < end);
	printf("{\"sent\": %llu, \"refused\": %llu, \"seconds\": %.3f}\n",
	       n, refused, (now_ns() - start) / 1e9);
	return 0;
}

/* Return: a UDP socket, and the port that it has. */
static int open_receiver(__u16 *port)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), space = 4 << 20;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof(space));
	set_timeouts(fd);
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    getsockname(fd, (struct sockaddr *)&any, &len))
		return -1;
	*port = ntohs(any.sin_port);
	return fd;
}

#define BATCH	32

static int do_receive(char **arg)
{
	struct peer_request rq = { .op = PEER_PUSH, .size = atoi(arg[2]) };
	static char bufs[BATCH][2048];
	struct iovec iov[BATCH];
	struct mmsghdr msgs[BATCH] = {};
	__u64 start, end, n = 0;
	struct timespec ts = { .tv_sec = 1 };
	int udp, fd, i, got;

	if (arg[3] && arg[4]) {
		rq.gap_us = atoi(arg[3]);
		rq.burst = atoi(arg[4]);
	}
	udp = open_receiver(&rq.port);
	fd = udp < 0 ? -1 : ask(arg[0], &rq);
	if (fd < 0)
		return fail("connect");
	for (i = 0; i < BATCH; i++) {
		iov[i].iov_base = bufs[i];
		iov[i].iov_len = sizeof(bufs[i]);
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	start = now_ns();
	end = start + strtod(arg[1], NULL) * 1e9;
	while (now_ns() < end) {
		got = recvmmsg(udp, msgs, BATCH, MSG_WAITFORONE, &ts);
		if (got < 0 && errno != EINTR)
			return fail("receive");
		n += got > 0 ? got : 0;
	}
	printf("{\"received\": %llu, \"seconds\": %.3f}\n", n,
	       (now_ns() - start) / 1e9);
	/* Closing the connection ends it. */
	return 0;
}

static int do_push(char **arg)
{
	struct peer_request rq = {
		.op = PEER_PUSH, .addr = inet_addr(arg[1]), .port = atoi(arg[2]),
		.count = atoi(arg[3]), .size = atoi(arg[4]),
	};
	__u32 counts[2];
	int fd;

	if (arg[5]) {
		rq.gap_us = atoi(arg[5]);
		rq.burst = arg[6] ? atoi(arg[6]) : 1;
		rq.patience = arg[6] && arg[7] ? atoi(arg[7]) : 0;
	}
	fd = ask(arg[0], &rq);
	if (fd < 0)
		return fail("connect");
	if (recv_all(fd, counts, sizeof(counts)))
		return fail("answer");
	printf("%u sent, %u answered\n", counts[0], counts[1]);
	return 0;
}

static int do_map(char **arg)
{
	__u64 count;

	if (count_of_map(arg[0], &count))
		return fail("no such map");
	printf("%llu\n", count);
	return 0;
}

static int do_flow(char **arg)
{
	int fd = open_socket(arg[0], SOCK_DGRAM, PEER_STALLED);

	if (fd < 0 || send(fd, arg[1], 1, 0) != 1)
		return fail("send");
	return 0;
}

static int do_vlans(char **arg)
{
	return serve_vlans(arg[0]);
}

static int do_xsk(char **arg)
{
	return serve_xsk(arg[0], atoi(arg[1]), arg[2], arg[3] ? atoi(arg[3]) : 0);
}

static int do_rxhash(char **arg)
{
	return ask_for_hashes(arg[0]);
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{ "sink", 2, do_sink }, { "source", 2, do_source }, { "rr", 2, do_rr },
	{ "echo", 2, do_echo }, { "send", 3, do_send },
	{ "receive", 3, do_receive }, { "push", 5, do_push },
	{ "map", 1, do_map }, { "flow", 2, do_flow }, { "vlans", 1, do_vlans },
	{ "xsk", 3, do_xsk }, { "rxhash", 1, do_rxhash },
};

int main(int argc, char **argv)
{
	/* So that what was not given is NULL. */
	char *arg[8] = {};
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 2 && !strcmp(argv[1], "stall"))
		return serve_stalled();
	for (i = 0; argc > 2 && argc <= 10 && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[1], commands[i].name) || argc - 2 < commands[i].args)
			continue;
		memcpy(arg, argv + 2, (argc - 2) * sizeof(*arg));
		return commands[i].run(arg);
	}
	fputs(usage, stderr);
	return 2;
}
