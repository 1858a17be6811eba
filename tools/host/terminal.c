// SPDX-License-Identifier: GPL-2.0-only
/*
 * See terminal.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "terminal.h"

static struct termios saved;
static volatile sig_atomic_t is_raw;

void terminal_restore(void)
{
	if (!is_raw)
		return;
	is_raw = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
}

/* Of signals that pvhost has no other use for; tcsetattr() may be called here. */
static void on_fatal(int number)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	signal(number, SIG_DFL);
	raise(number);
}

int terminal_raw(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
	struct sigaction action = { .sa_handler = on_fatal, .sa_flags = SA_NODEFER };
	static bool registered;
	struct termios raw;
	size_t i;

	if (is_raw)
		return 0;
	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return -errno;
	raw = saved;
	cfmakeraw(&raw);
	if (!registered) {
		registered = true;
		atexit(terminal_restore);
		for (i = 0; i < sizeof(fatal) / sizeof(*fatal); i++)
			sigaction(fatal[i], &action, NULL);
	}
	is_raw = 1;
	return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0 ? -errno : 0;
}

bool terminal_size(struct winsize *size)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (!ioctl(fd, TIOCGWINSZ, size))
			return true;
	return false;
}

static enum escape meaning(char c)
{
	switch (c) {
	case '.':
		return ESCAPE_END;
	case 'd':
		return ESCAPE_DETACH;
	case '?':
		return ESCAPE_HELP;
	default:
		return ESCAPE_NONE;
	}
}

enum escape escapes_filter(struct escapes *e, const char *buf, size_t len, size_t *taken,
			   char *out, size_t *out_len)
{
	enum escape what;
	size_t i, n = 0;

	*taken = len;
	for (i = 0; i < len; i++) {
		char c = buf[i];

		if (e->state == LINE_BEGIN && e->character && c == e->character) {
			e->state = LINE_ESCAPE;
			continue;
		}
		if (e->state == LINE_ESCAPE) {
			what = meaning(c);
			if (what != ESCAPE_NONE) {
				e->state = LINE_BEGIN;
				*taken = i + 1;
				*out_len = n;
				return what;
			}
			/* Typed twice it is itself. */
			if (c != e->character)
				out[n++] = e->character;
		}
		out[n++] = c;
		e->state = c == '\r' || c == '\n' ? LINE_BEGIN : LINE_REST;
	}
	*out_len = n;
	return ESCAPE_NONE;
}
