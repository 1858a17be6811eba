// SPDX-License-Identifier: GPL-2.0-only
/*
 *   stall [begin SECONDS]
 *
 * While the host's main loop stands still, nothing that a program does with a
 * port or a console takes long: the kernel does not wait for the host. Run by
 * stall.sh, with the ports as PORT_A and PORT_B and the console's tty as TTY. With
 * "begin", for console.sh, it only has the host stop, and ends when that has.
 *
 * No timer of the guest fires meanwhile, so nothing here sleeps: the clock is
 * read in a loop.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STALL	8	/* seconds */

static double longest;
static const char *what;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/*
 * Have the host's main loop stop, and wait until it has: then no timer fires, and
 * the clock that ticks move stands still. The time is counted in small steps, so
 * that a machine that did something else meanwhile is not mistaken for it.
 */
static bool begin_stall(int seconds)
{
	double begin = now(), last = begin, still = 0, t;
	struct timespec tick, seen = { 0 };

	printf("@stall %d\n", seconds);
	fflush(stdout);
	while (still < 1 && last - begin < 60) {
		clock_gettime(CLOCK_MONOTONIC_COARSE, &tick);
		t = now();
		if (tick.tv_sec != seen.tv_sec || tick.tv_nsec != seen.tv_nsec)
			still = 0;
		else
			still += t - last < 0.01 ? t - last : 0.01;
		seen = tick;
		last = t;
	}
	return still >= 1;
}

static void took(const char *name, double start)
{
	double t = now() - start;

	if (t > longest) {
		longest = t;
		what = name;
	}
}

static int open_or_die(const char *variable, int flags)
{
	int fd = open(getenv(variable), flags);

	if (fd < 0) {
		printf("not ok 1 - %s=%s can be opened (%s)\n1..1\n", variable,
		       getenv(variable), strerror(errno));
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static char buf[32768];
	struct pollfd p = { .events = POLLIN };
	int a, b, tty, kmsg, i;
	double start, end;

	if (argc == 3)
		return !begin_stall(atoi(argv[2]));
	a = open_or_die("PORT_A", O_RDWR | O_NONBLOCK);
	tty = open_or_die("TTY", O_RDWR | O_NOCTTY | O_NONBLOCK);
	kmsg = open("/dev/kmsg", O_WRONLY);
	if (!begin_stall(STALL)) {
		printf("not ok 1 - the host stands still\n1..1\n");
		return 1;
	}
	for (i = 0; i < 40; i++) {
		start = now();
		b = open(getenv("PORT_B"), O_RDWR | O_NONBLOCK);
		took("opening a port", start);
		start = now();
		if (write(a, buf, sizeof(buf)) < 0 && errno != EAGAIN)
			break;
		took("writing to a port", start);
		start = now();
		if (write(tty, buf, 1000) < 0 && errno != EAGAIN)
			break;
		took("writing to a console", start);
		start = now();
		if (write(kmsg, "<5>while the host stands still\n", 31) != 31)
			break;
		took("a line of the kernel's", start);
		start = now();
		if (b < 0 || close(b))
			break;
		took("closing a port", start);
	}
	printf("%sok 1 - all of it can be done (%d of 40: %s)\n",
	       i == 40 ? "" : "not ", i, strerror(errno));
	printf("%sok 2 - in 0.5 s each (longest: %s, %.3f s)\n",
	       longest < 0.5 ? "" : "not ", what, longest);

	/* Was it so? Data arrives only when the host goes on. */
	end = now();
	p.fd = open_or_die("PORT_B", O_RDWR);
	if (write(a, "x", 1) < 0)
		errno = 0;
	poll(&p, 1, 60000);
	printf("%sok 3 - before the host goes on (%.1f s later)\n",
	       p.revents & POLLIN && now() - end > 0.5 ? "" : "not ",
	       now() - end);
	printf("1..3\n");
	return 0;
}
