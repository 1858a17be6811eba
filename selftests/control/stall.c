// SPDX-License-Identifier: GPL-2.0-only
/*
 *   stall [begin SECONDS]
 *
 * While the host's main loop is stopped, nothing that a program does with a
 * port or a console takes long: the kernel does not wait for the host. Run by
 * stall.sh, with the ports as PORT_A and PORT_B and the console's tty as TTY. With
 * "begin", for console.sh, it only has the host stop, and ends when that has.
 *
 * No timer of the guest fires meanwhile, so nothing here sleeps: the clock is
 * read in a loop.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include "tap.h"

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
 * the clock that ticks move does not change. The time is counted in small steps, so
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

	if (fd < 0)
		tap_give_up("%s=%s can be opened", variable, getenv(variable));
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
	tap_begin();
	/* Its timer starts once the host goes on. */
	tap_watchdog(300);
	a = open_or_die("PORT_A", O_RDWR | O_NONBLOCK);
	tty = open_or_die("TTY", O_RDWR | O_NOCTTY | O_NONBLOCK);
	kmsg = open("/dev/kmsg", O_WRONLY);
	if (!begin_stall(STALL))
		tap_give_up("selftests/vm stops the event loop of the host within 60 s");
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
		if (write(kmsg, "<5>while the host is stopped\n", 29) != 29)
			break;
		took("a line of the kernel's", start);
		start = now();
		if (b < 0 || close(b))
			break;
		took("closing a port", start);
	}
	check(i == 40,
	      "ports, console and log work while the host is stopped (%d of 40 rounds)",
	      i);
	check(longest < 0.5,
	      "no operation takes 0.5 s while the host is stopped (longest: %s, %.3f s)",
	      what ? what : "none", longest);

	/* Was it so? Data arrives only when the host goes on. */
	end = now();
	p.fd = open_or_die("PORT_B", O_RDWR);
	if (write(a, "x", 1) < 0)
		errno = 0;
	poll(&p, 1, 60000);
	check(p.revents & POLLIN && now() - end > 0.5,
	      "the host stayed stopped until all was done (data came %.1f s later)",
	      now() - end);
	return tap_end();
}
