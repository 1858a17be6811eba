/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP version 13 for test programs written in C that a shell test runs with
 * tap_forward() of tap.sh:
 *
 *   tap_begin(); tap_watchdog(60);
 *   check(ok, "subject and expectation"); tap_skip("reason", "subject");
 *   return tap_end();
 *
 * Exit status: 0 when no check failed, 1 otherwise.
 */
#ifndef _SELFTESTS_LIB_TAP_H
#define _SELFTESTS_LIB_TAP_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int tap_count;
static int tap_failures;
/* What the watchdog prints: prepared, since it runs in a signal handler. */
static char tap_late_text[2][96];
static int tap_late;	/* the one that is complete */

static inline void tap_prepare_late(void)
{
	snprintf(tap_late_text[!tap_late], sizeof(tap_late_text[0]),
		 "not ok %d - the program ends in time\n1..%d\n", tap_count + 1,
		 tap_count + 1);
	tap_late = !tap_late;
}

static inline void tap_on_alarm(int number)
{
	const char *text = tap_late_text[tap_late];

	(void)number;
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(2);
	_exit(1);
}

/* tap_watchdog - if the program still runs in @seconds, that is a failed check */
static inline void tap_watchdog(unsigned int seconds)
{
	signal(SIGALRM, tap_on_alarm);
	alarm(seconds);
}

/* tap_begin - before all else; each line of output goes out at once */
static inline void tap_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	tap_prepare_late();
}

/* check - reports one check; a failed one with errno. Returns @ok. */
static inline bool check(bool ok, const char *format, ...)
{
	int saved = errno;
	va_list args;

	va_start(args, format);
	printf("%sok %d - ", ok ? "" : "not ", ++tap_count);
	vprintf(format, args);
	printf("\n");
	va_end(args);
	if (!ok) {
		tap_failures++;
		printf("# errno %d: %s\n", saved, strerror(saved));
	}
	tap_prepare_late();
	return ok;
}

/* tap_skip - one check cannot run on this machine */
static inline void tap_skip(const char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("ok %d - ", ++tap_count);
	vprintf(format, args);
	printf(" # SKIP %s\n", reason);
	va_end(args);
	tap_prepare_late();
}

/* tap_end - prints the plan. Returns the exit status. */
static inline int tap_end(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures > 0;
}

/* tap_give_up - a check that nothing else can run without; does not return */
static inline void tap_give_up(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	check(false, "%s", text);
	exit(tap_end());
}

#endif /* _SELFTESTS_LIB_TAP_H */
