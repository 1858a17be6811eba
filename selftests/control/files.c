// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports as files: opening, reading, writing, polling, signals and splicing, and
 * what each of them does while the host is away. The ports pvg.a and pvg.b are
 * connected with each other on the host, so that one can play the host of the
 * other; the host of pvg.lone is never there. See `devices`.
 *
 * Run by files.sh in a VM; prints TAP 13.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "tap.h"

#define MIB	(1024 * 1024)

static atomic_int signals;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void on_signal(int number)
{
	(void)number;
	signals++;
}

/* A signal may come a little after what it tells of can be seen. */
static bool signalled(void)
{
	double until = now() + 20;

	while (!signals && now() < until)
		usleep(1000);
	return signals > 0;
}

static int open_port(const char *variable, int flags)
{
	const char *path = getenv(variable);
	int fd = path ? open(path, O_RDWR | flags) : -1;

	if (fd < 0)
		tap_give_up("%s=%s can be opened", variable, path ? path : "");
	return fd;
}

static short events(int fd, short wanted, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = wanted };

	return poll(&p, 1, timeout_ms) < 0 ? POLLNVAL : p.revents;
}

/* Asks the host to do something; see selftests/vm. */
static void host(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("@qmp ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
}

/* Single quotes will do for QEMU. */
#define CHANGE "{'execute': 'chardev-change', 'arguments': {'id': '%s', 'backend': "
#define PAIR "{'type': 'unix', 'data': {'path': '%s'}}"

static void host_leaves(void)
{
	host(CHANGE "{'type': 'null', 'data': {}}}}", getenv("PVG_CHARDEV"));
}

static void host_comes(void)
{
	host(CHANGE "{'type': 'socket', 'data': {'server': false, 'addr': " PAIR "}}}}",
	     getenv("PVG_CHARDEV"), getenv("PVG_SOCKET"));
}

static unsigned char pattern(unsigned long long offset)
{
	return (offset * 2654435761u) >> 13;
}

static void fill(unsigned char *buf, size_t len, unsigned long long offset)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = pattern(offset + i);
}

static bool matches(const unsigned char *buf, size_t len, unsigned long long offset)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] != pattern(offset + i))
			return false;
	return true;
}

/* Reads exactly @len bytes and compares them with the pattern. */
static bool read_pattern(int fd, size_t len, unsigned long long offset)
{
	static unsigned char buf[MIB];
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		if (!events(fd, POLLIN, 20000))
			return false;
		n = read(fd, buf, len - done < sizeof(buf) ? len - done :
							     sizeof(buf));
		if (n <= 0 || !matches(buf, n, offset + done))
			return false;
		done += n;
	}
	return true;
}

static void test_open(int a)
{
	char link[64];

	check(open(getenv("PORT_A"), O_RDWR) < 0 && errno == EBUSY,
	      "a second open is EBUSY");
	check(lseek(a, 0, SEEK_CUR) < 0 && errno == ESPIPE,
	      "a port cannot seek");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", a);
	check(open(link, O_RDONLY) < 0 && errno == EBUSY,
	      "an open through /proc/self/fd is EBUSY");
	check(read(a, link, 0) == 0 && write(a, link, 0) == 0,
	      "reading and writing 0 bytes returns 0");
}

static void test_data(int a, int b)
{
	struct iovec out[3] = { { "one ", 4 }, { "two ", 4 }, { "three", 5 } };
	void *nowhere = strtol("16", NULL, 0) + (char *)NULL;
	char x[7], y[16], buf[64];
	struct iovec in[2] = { { x, sizeof(x) }, { y, sizeof(y) } };

	check(events(a, POLLIN | POLLOUT, 0) == POLLOUT,
	      "poll of an idle port: writable, not readable");
	check(writev(a, out, 3) == 13, "writev takes all 13 bytes of three buffers");
	check(events(b, POLLIN, 20000) == POLLIN, "poll says readable when data came");
	check(readv(b, in, 2) == 13 && !memcmp(x, "one two", 7) &&
	      !memcmp(y, " three", 6), "readv fills one buffer after the other");
	check(write(a, "abcdef", 6) == 6 && events(b, POLLIN, 20000) == POLLIN,
	      "a message of 6 bytes arrives");
	check(read(b, buf, 2) == 2 && !memcmp(buf, "ab", 2) &&
	      events(b, POLLIN, 0) == POLLIN && read(b, buf, 64) == 4 &&
	      !memcmp(buf, "cdef", 4), "a message of 6 bytes is read in pieces of 2 and 4");
	check(events(b, POLLIN, 0) == 0, "poll says not readable once all was read");
	check(write(a, nowhere, 5) < 0 && errno == EFAULT,
	      "a bad address to write from is EFAULT");
	check(write(a, "q", 1) == 1 && events(b, POLLIN, 20000) == POLLIN &&
	      read(b, nowhere, 5) < 0 && errno == EFAULT &&
	      read(b, buf, 5) == 1 && buf[0] == 'q',
	      "a bad address to read to is EFAULT, and loses nothing");
}

/*
 * How much is there to be read at a time is up to the host, which may be slow:
 * it has several chances to have more than a little.
 */
static void test_many_reads(int a, int b)
{
	static unsigned char buf[256 * 1024];
	ssize_t n = 0, most = 0;
	bool right = true;
	int i;

	for (i = 0; i < 10 && right && most <= 4096; i++) {
		fill(buf, 65536, 0);
		if (write(a, buf, 65536) != 65536)
			break;
		right = events(b, POLLIN, 20000);
		usleep(500 * 1000);
		n = right ? read(b, buf, sizeof(buf)) : 0;
		right = n > 0 && n <= 65536 && matches(buf, n, 0) &&
			read_pattern(b, 65536 - n, n);
		most = n > most ? n : most;
	}
	check(most > 4096, "one read returns more than 4 KiB (most: %zd)", most);
	check(right, "reads of 256 KiB return the bytes that were sent, in order");
}

/*
 * Writes until there is no room. There may be again at any time, as the host
 * takes what was written at its own pace; what is certain is that no other
 * writer uses up the room that poll() told of. Returns false where it was not there.
 */
static bool write_until_full(int fd, unsigned long long *sent)
{
	static unsigned char buf[65536];
	bool told = false;
	ssize_t n;

	while (*sent < 64 * MIB) {
		fill(buf, sizeof(buf), *sent);
		n = write(fd, buf, sizeof(buf));
		if (n > 0) {
			*sent += n;
			told = false;
			continue;
		}
		if (told || n == 0 || errno != EAGAIN)
			return false;
		told = events(fd, POLLOUT, 1000) & POLLOUT;
		if (!told)
			break;
	}
	return true;
}

static void test_nonblocking(int a, int b)
{
	unsigned long long sent = 0;
	bool right;

	fcntl(a, F_SETFL, O_NONBLOCK);
	check(read(a, &(char){ 0 }, 1) < 0 && errno == EAGAIN,
	      "a non-blocking read of an empty port is EAGAIN");
	right = write_until_full(a, &sent);
	check(sent > 256 * 1024 && sent < 16 * MIB,
	      "a host that does not read ends in EAGAIN (after %llu KiB)",
	      sent / 1024);
	check(right, "a non-blocking write succeeds when poll says writable");
	check(read_pattern(b, sent, 0), "what non-blocking writes took arrives whole");
	check(events(a, POLLOUT, 20000) == POLLOUT, "poll says writable once the host has read");
	fcntl(a, F_SETFL, 0);
}

struct writer {
	int fd;
	atomic_bool started;
	size_t len;
	ssize_t written;
	int error;
	double took;
	double end;
};

static void *write_much(void *arg)
{
	struct writer *w = arg;
	unsigned char *buf = malloc(w->len);

	fill(buf, w->len, 0);
	w->written = write(w->fd, buf, w->len);
	w->error = errno;
	w->end = now();
	free(buf);
	return NULL;
}

static void test_blocking(int a, int b)
{
	struct itimerval second = { { 1, 0 }, { 1, 0 } }, off = { 0 };
	struct sigaction interrupt = { .sa_handler = on_signal };
	struct writer w = { .fd = a, .len = 8 * MIB };
	unsigned int left;
	pthread_t thread;
	double start;
	char c;

	pthread_create(&thread, NULL, write_much, &w);
	check(read_pattern(b, w.len, 0), "8 MiB of one blocking write arrive whole");
	pthread_join(thread, NULL);
	check(w.written == (ssize_t)w.len,
	      "a blocking write of 8 MiB returns its length (%zd)", w.written);

	signals = 0;
	w = (struct writer){ .fd = b, .len = 8 * MIB };
	pthread_create(&thread, NULL, write_much, &w);
	/* From then on it writes, and does not end. */
	events(a, POLLIN, 20000);
	sleep(1);
	start = now();
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	check(signals == 1 && w.written > 0 && w.written < (ssize_t)w.len,
	      "a signal ends a write that waits, with what it wrote (%zd bytes)", w.written);
	check(w.end - start < 10,
	      "a signal ends a write that waits within 10 s (%.1f s)", w.end - start);
	check(read_pattern(a, w.written, 0), "what an interrupted write took arrives whole");

	/* The first signal may come before the read. */
	signals = 0;
	left = alarm(0);
	sigaction(SIGALRM, &interrupt, NULL);
	setitimer(ITIMER_REAL, &second, NULL);
	check(read(a, &c, 1) < 0 && errno == EINTR && signals > 0,
	      "a signal ends a read that waits with EINTR");
	setitimer(ITIMER_REAL, &off, NULL);
	tap_watchdog(left);
}

static void test_sigio(int a, int b)
{
	signals = 0;
	signal(SIGIO, on_signal);
	fcntl(a, F_SETOWN, getpid());
	fcntl(a, F_SETFL, O_ASYNC);
	check(write(b, "x", 1) == 1 && signalled() &&
	      events(a, POLLIN, 20000) == POLLIN, "SIGIO comes when there is data");
	fcntl(a, F_SETFL, 0);
	check(read_pattern(a, 0, 0) && read(a, &(char){ 0 }, 1) == 1,
	      "the data of which SIGIO told can be read");
}

static void test_splice(int a, int b)
{
	static unsigned char buf[32768];
	size_t done = 0;
	ssize_t n;
	int p[2];

	if (pipe(p))
		exit(2);
	fill(buf, sizeof(buf), 7);
	check(write(p[1], buf, sizeof(buf)) == sizeof(buf) &&
	      splice(p[0], NULL, a, NULL, sizeof(buf), 0) == sizeof(buf),
	      "splice moves 32 KiB from a pipe to a port");
	while (done < sizeof(buf)) {
		n = splice(b, NULL, p[1], NULL, sizeof(buf) - done, 0);
		if (n <= 0)
			break;
		done += n;
	}
	check(done == sizeof(buf) && read_pattern(p[0], done, 7),
	      "splice moves 32 KiB from a port to a pipe");
	close(p[0]);
	close(p[1]);
}

static void *write_one(void *arg)
{
	struct writer *w = arg;
	double start = now();

	w->started = true;
	w->written = write(w->fd, "late", 4);
	w->error = errno;
	w->took = now() - start;
	return NULL;
}

static void test_hangup(int a, int b)
{
	struct writer w = { .fd = a };
	pthread_t thread;
	double until;
	char buf[8];

	signals = 0;
	fcntl(a, F_SETOWN, getpid());
	fcntl(a, F_SETFL, O_ASYNC);
	/* What is not here when the host leaves need not come any more. */
	check(write(b, "last", 4) == 4 && signalled() &&
	      events(a, POLLIN, 20000) & POLLIN, "data of the host arrives before it leaves");
	signals = 0;
	host_leaves();
	while (!(events(a, 0, 20000) & POLLHUP))
		;
	check(events(a, POLLIN | POLLOUT, 0) == (POLLIN | POLLHUP),
	      "poll says POLLHUP and readable when the host leaves");
	check(signalled(), "SIGIO comes when the host leaves");
	fcntl(a, F_SETFL, 0);
	check(read(a, buf, 8) == 4 && !memcmp(buf, "last", 4),
	      "what the host sent before it left is read first");
	check(read(a, buf, 8) == 0 && read(a, buf, 8) == 0,
	      "reads return end of file after the host left");
	fcntl(a, F_SETFL, O_NONBLOCK);
	check(write(a, "x", 1) < 0 && errno == EAGAIN,
	      "a non-blocking write is EAGAIN after the host left");
	fcntl(a, F_SETFL, 0);

	pthread_create(&thread, NULL, write_one, &w);
	while (!w.started)
		usleep(1000);
	sleep(1);
	host_comes();
	for (until = now() + 20; now() < until && events(a, 0, 0) & POLLHUP;)
		usleep(10000);
	check(events(a, POLLOUT, 20000) == POLLOUT, "poll says writable when the host comes back");
	pthread_join(thread, NULL);
	check(w.written == 4 && w.took > 0.5,
	      "a write that waited for the host ends when it comes back (%.1f s)", w.took);
	check(events(b, POLLIN, 20000) & POLLIN && read(b, buf, 8) == 4 &&
	      !memcmp(buf, "late", 4), "a write that waited for the host arrives whole");
}

static void test_reopen(int *a, int b)
{
	char buf[8];

	check(write(b, "stale", 5) == 5 && events(*a, POLLIN, 20000) == POLLIN,
	      "data arrives and is left unread before the close");
	close(*a);
	*a = open_port("PORT_A", 0);
	check(events(*a, POLLIN, 200) == 0,
	      "data left unread at the close is gone after the next open");
	check(write(b, "fresh", 5) == 5 && events(*a, POLLIN, 20000) == POLLIN &&
	      read(*a, buf, 8) == 5 && !memcmp(buf, "fresh", 5),
	      "data arrives after the next open");
}

static void test_lone(void)
{
	int fd = open_port("PORT_LONE", O_NONBLOCK);
	char c;

	check(events(fd, POLLIN | POLLOUT, 0) == (POLLIN | POLLHUP),
	      "poll of a port without a host: POLLHUP and readable");
	check(read(fd, &c, 1) == 0, "a read of a port without a host returns end of file");
	check(write(fd, "x", 1) < 0 && errno == EAGAIN,
	      "a non-blocking write to a port without a host is EAGAIN");
	close(fd);
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	int a, b;

	tap_begin();
	tap_watchdog(getenv("PVG_SLOW") ? 1500 : 180);
	sigaction(SIGUSR1, &action, NULL);
	a = open_port("PORT_A", 0);
	b = open_port("PORT_B", 0);
	test_open(a);
	test_data(a, b);
	test_many_reads(a, b);
	test_nonblocking(a, b);
	test_blocking(a, b);
	test_sigio(a, b);
	test_splice(a, b);
	test_reopen(&a, b);
	test_lone();
	if (getenv("PVG_CHARDEV"))
		test_hangup(a, b);
	else
		tap_skip("no selftests/vm to end the host's connection",
			 "a host that leaves and comes back");
	return tap_end();
}
