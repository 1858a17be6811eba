// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines for the journal, on stderr. What the host causes must not fill a disk: a process
 * writes LINES_BURST at once and then LINES_SECOND a second, and says how many it left out.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

#define LINE_MAX_	1024
#define LINES_BURST	100
#define LINES_SECOND	10

static bool may_write(unsigned int *left_out)
{
	static unsigned int budget = LINES_BURST, dropped;
	static time_t last;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec != last) {
		time_t passed = now.tv_sec - last;

		budget = passed >= LINES_BURST / LINES_SECOND ? LINES_BURST :
			 min_t(unsigned int, LINES_BURST, budget + passed * LINES_SECOND);
		last = now.tv_sec;
	}
	if (!budget) {
		dropped++;
		return false;
	}
	budget--;
	*left_out = dropped;
	dropped = 0;
	return true;
}

/* One line, whatever the text has: it may be the host's. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void log_line(int priority, const char *format, ...)
{
	char line[LINE_MAX_];
	unsigned int left_out;
	int len, saved = errno;
	va_list args;

	if (!may_write(&left_out))
		return;
	len = snprintf(line, sizeof(line), "<%d>", priority);
	if (left_out)
		len += snprintf(line + len, sizeof(line) - len, "(%u lines left out) ", left_out);
	va_start(args, format);
	vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	make_printable(line);
	len = strlen(line);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		/* There is nowhere to say so. */
	}
	errno = saved;
}
