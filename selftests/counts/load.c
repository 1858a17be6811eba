// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loads of the counts suite. Starting fio or iperf3 takes longer in an
 * emulated guest than one round of these tests; this program measures from its
 * first request to its last, so that all counters of the driver belong to it.
 *
 * It prints: requests or bytes, requests or bytes per second, and the mean,
 * median and 99th percentile of the latency in microseconds (0 for streams).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/types.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
"usage: load disk DEVICE SECONDS THREADS DEPTH RATE THINK_US BATCH\n"
"              random reads of 4 KiB, DEPTH outstanding in each thread, submitted\n"
"              BATCH at a time; RATE: at that many per second and thread,\n"
"              however many are outstanding (up to DEPTH; 0: as fast as it\n"
"              goes); THINK_US: pause after each read, for DEPTH 1\n"
"       load out|in|rr HOST SECONDS THREADS THINK_US\n"
"              TCP connections with `load serve`: send, receive, or one byte\n"
"              there and back, with a pause before the next\n"
"       load serve\n";

#define BLOCK		4096
#define DEPTH_MAX	256
#define THREADS_MAX	64
#define PORT		7710
#define STREAM		(128 * 1024)
#define LATENCIES	50000	/* us; what takes longer counts as the last */
#define NSEC_PER_SEC	1000000000ull
#define NSEC_PER_USEC	1000ull

static struct {
	const char *target;
	char verb;
	unsigned int depth, rate, think_us, batch;
	__u64 start, end;
	int fd;
} load;

struct worker {
	pthread_t thread;
	unsigned int number;
	int fd;
	__u64 random, count, sum_ns;
	__u32 latencies[LATENCIES];
};

static struct worker *workers;

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void sleep_ns(__u64 ns)
{
	struct timespec ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	nanosleep(&ts, NULL);
}

static void took(struct worker *w, __u64 ns)
{
	__u64 us = ns / NSEC_PER_USEC;

	w->latencies[us < LATENCIES ? us : LATENCIES - 1]++;
	w->sum_ns += ns;
	w->count++;
}

/* The same offsets in each run. */
static __u64 next_offset(struct worker *w)
{
	w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
	return (w->random >> 46) * BLOCK;
}

static void *aligned(size_t size)
{
	void *buf;

	if (posix_memalign(&buf, BLOCK, size))
		die("memory");
	return buf;
}

static void disk_sync(struct worker *w)
{
	void *buf = aligned(BLOCK);
	__u64 now = now_ns(), then;

	while (now < load.end) {
		if (pread(load.fd, buf, BLOCK, next_offset(w)) != BLOCK)
			die("read");
		then = now_ns();
		took(w, then - now);
		if (load.think_us)
			sleep_ns(load.think_us * NSEC_PER_USEC);
		now = load.think_us ? now_ns() : then;
	}
}

struct ring {
	aio_context_t context;
	struct iocb iocbs[DEPTH_MAX];
	__u64 since[DEPTH_MAX];
	unsigned int idle[DEPTH_MAX], idles;
	void *buf;
};

static void submit(struct worker *w, struct ring *r, unsigned int n)
{
	struct iocb *list[DEPTH_MAX];
	__u64 now = now_ns();
	unsigned int i, slot;

	for (i = 0; i < n; i++) {
		slot = r->idle[--r->idles];
		r->iocbs[slot] = (struct iocb) {
			.aio_data = slot,
			.aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_fildes = load.fd,
			.aio_buf = (uintptr_t)r->buf,
			.aio_nbytes = BLOCK,
			.aio_offset = next_offset(w),
		};
		r->since[slot] = now;
		list[i] = &r->iocbs[slot];
	}
	if (syscall(SYS_io_submit, r->context, (long)n, list) != (long)n)
		die("io_submit");
}

/* Waits for @min, until @until at the latest, takes at most @max. */
static void reap(struct worker *w, struct ring *r, unsigned int min,
		 unsigned int max, __u64 until)
{
	struct io_event events[DEPTH_MAX];
	struct timespec ts, *timeout = NULL;
	__u64 now = now_ns();
	long i, n;

	if (until) {
		now = until > now ? until - now : 0;
		ts.tv_sec = now / NSEC_PER_SEC;
		ts.tv_nsec = now % NSEC_PER_SEC;
		timeout = &ts;
	}
	n = syscall(SYS_io_getevents, r->context, (long)min, (long)max, events, timeout);
	if (n < 0 && errno != EINTR)
		die("io_getevents");
	now = now_ns();
	for (i = 0; i < n; i++) {
		if (events[i].res != BLOCK)
			die("read");
		took(w, now - r->since[events[i].data]);
		r->idle[r->idles++] = events[i].data;
	}
}

/* As fio does it: submit until the depth is reached, then wait for a batch. */
static void disk_closed(struct worker *w, struct ring *r)
{
	while (now_ns() < load.end) {
		while (r->idles >= load.batch)
			submit(w, r, load.batch);
		reap(w, r, load.batch, load.batch, 0);
	}
}

/* At regular times, whether earlier ones are back or not. */
static void disk_open(struct worker *w, struct ring *r)
{
	__u64 gap = NSEC_PER_SEC / load.rate, due, now;

	due = load.start + gap * w->number / THREADS_MAX;
	for (now = now_ns(); now < load.end; now = now_ns()) {
		if (now < due || !r->idles) {
			/* A time-out of its own, also with nothing outstanding. */
			reap(w, r, 1, DEPTH_MAX, now < due ? due : load.end);
			continue;
		}
		submit(w, r, 1);
		/* What the machine was too slow for is left out. */
		due += gap;
		if (due + 20 * gap < now)
			due = now + gap;
	}
}

static void disk_async(struct worker *w)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		die("memory");
	r->buf = aligned(BLOCK);
	if (syscall(SYS_io_setup, DEPTH_MAX, &r->context))
		die("io_setup");
	while (r->idles < load.depth) {
		r->idle[r->idles] = r->idles;
		r->idles++;
	}
	if (load.rate)
		disk_open(w, r);
	else
		disk_closed(w, r);
	while (r->idles < load.depth)
		reap(w, r, 1, DEPTH_MAX, 0);
}

static void *disk_worker(void *arg)
{
	struct worker *w = arg;

	w->random = w->number + 1;
	if (load.depth == 1 && !load.rate)
		disk_sync(w);
	else
		disk_async(w);
	return NULL;
}

static int dial(const char *host)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1)
		die("address");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (send(fd, &load.verb, 1, 0) != 1)
		die("send");
	return fd;
}

static void net_rr(struct worker *w)
{
	__u64 now = now_ns(), then;
	char byte = 0;

	while (now < load.end) {
		if (send(w->fd, &byte, 1, 0) != 1 || recv(w->fd, &byte, 1, 0) != 1)
			die("request");
		then = now_ns();
		took(w, then - now);
		if (load.think_us)
			sleep_ns(load.think_us * NSEC_PER_USEC);
		now = load.think_us ? now_ns() : then;
	}
}

static void *net_worker(void *arg)
{
	struct worker *w = arg;
	char *buf = aligned(STREAM);
	ssize_t n;

	memset(buf, 0, STREAM);
	if (load.verb == 'r') {
		net_rr(w);
		return NULL;
	}
	while (now_ns() < load.end) {
		n = load.verb == 'o' ? send(w->fd, buf, STREAM, 0) :
				       recv(w->fd, buf, STREAM, 0);
		if (n <= 0)
			die("stream");
		w->count += n;
	}
	return NULL;
}

static void serve_one(int fd)
{
	char *buf = aligned(STREAM), verb;
	ssize_t n;

	memset(buf, 0, STREAM);
	if (recv(fd, &verb, 1, 0) != 1)
		exit(1);
	do {
		n = verb == 'i' ? send(fd, buf, STREAM, 0) : recv(fd, buf, STREAM, 0);
		if (n > 0 && verb == 'r')
			n = send(fd, buf, n, 0);
	} while (n > 0);
	exit(0);
}

static int serve(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;

	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 64))
		die("port");
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!fork())
			serve_one(fd);
		close(fd);
	}
	die("accept");
	return 1;
}

static unsigned int percentile(const __u32 *latencies, __u64 rank)
{
	__u64 seen = 0;
	unsigned int us;

	for (us = 0; us < LATENCIES - 1; us++) {
		seen += latencies[us];
		if (seen >= rank)
			break;
	}
	return us;
}

static void report(unsigned int threads, __u64 ns)
{
	struct worker *all = &workers[0];
	unsigned int i, us;

	for (i = 1; i < threads; i++) {
		all->count += workers[i].count;
		all->sum_ns += workers[i].sum_ns;
		for (us = 0; us < LATENCIES; us++)
			all->latencies[us] += workers[i].latencies[us];
	}
	if (!all->count) {
		fputs("load: nothing was done\n", stderr);
		exit(1);
	}
	if (!all->sum_ns) {
		printf("%llu %.1f 0 0 0\n", (unsigned long long)all->count,
		       all->count * 1e9 / ns);
		return;
	}
	printf("%llu %.1f %.1f %u %u\n", (unsigned long long)all->count,
	       all->count * 1e9 / ns, all->sum_ns / 1e3 / all->count,
	       percentile(all->latencies, (all->count + 1) / 2),
	       percentile(all->latencies, all->count - all->count / 100));
}

static void run(const char *seconds, unsigned int threads, void *(*work)(void *arg))
{
	unsigned int i;

	if (!threads || threads > THREADS_MAX)
		die("threads");
	workers = calloc(threads, sizeof(*workers));
	if (!workers)
		die("memory");
	for (i = 0; i < threads; i++)
		workers[i].fd = work == net_worker ? dial(load.target) : -1;
	load.start = now_ns();
	load.end = load.start + strtod(seconds, NULL) * NSEC_PER_SEC;
	for (i = 0; i < threads; i++) {
		workers[i].number = i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("thread");
	}
	for (i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	report(threads, now_ns() - load.start);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 9 && !strcmp(argv[1], "disk")) {
		load.fd = open(argv[2], O_RDONLY | O_DIRECT);
		if (load.fd < 0)
			die(argv[2]);
		load.depth = atoi(argv[5]);
		load.rate = atoi(argv[6]);
		load.think_us = atoi(argv[7]);
		load.batch = atoi(argv[8]);
		if (!load.depth || load.depth > DEPTH_MAX || !load.batch ||
		    load.batch > load.depth)
			die("depth");
		run(argv[3], atoi(argv[4]), disk_worker);
		return 0;
	}
	if (argc == 6 && (!strcmp(argv[1], "out") || !strcmp(argv[1], "in") ||
			  !strcmp(argv[1], "rr"))) {
		load.target = argv[2];
		load.verb = argv[1][0];
		load.think_us = atoi(argv[5]);
		run(argv[3], atoi(argv[4]), net_worker);
		return 0;
	}
	fputs(usage, stderr);
	return 2;
}
