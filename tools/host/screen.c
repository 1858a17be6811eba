// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal as a screen: see screen.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "screen.h"

/* The alternate page, no cursor, no wrapping at the edge; and back. */
#define BEGIN	"\033[?1049h\033[?25l\033[?7l\033[H\033[2J"
#define END	"\033[0m\033[?7h\033[?25h\033[?1049l"

static struct termios before;
static bool have_keys;		/* stdin is a terminal, and @before its state */
static volatile sig_atomic_t active;

static void put(const char *text, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (n > 0) {
			text += n;
			len -= n;
		}
	}
}

void screen_end(void)
{
	if (!active)
		return;
	active = 0;
	put(END, sizeof(END) - 1);
	if (have_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* A signal that ends pvhost, or a bug of it, after which it goes on as usual. */
static void on_fatal(int sig)
{
	screen_end();
	raise(sig);
}

static void catch_fatal(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT, SIGHUP,
		SIGTERM, SIGINT };
	struct sigaction sa = { .sa_handler = on_fatal, .sa_flags = SA_RESETHAND | SA_NODEFER };
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &sa, NULL);
}

bool screen_begin(void)
{
	static bool once;
	struct termios raw;

	if (!isatty(STDOUT_FILENO))
		return false;
	if (!once) {
		once = true;
		have_keys = !tcgetattr(STDIN_FILENO, &before);
		atexit(screen_end);
		catch_fatal();
	}
	active = 1;
	if (have_keys) {
		raw = before;
		raw.c_lflag &= ~(ICANON | ECHO);
		raw.c_cc[VMIN] = 1;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	put(BEGIN, sizeof(BEGIN) - 1);
	return true;
}

void screen_size(unsigned int *columns, unsigned int *rows)
{
	struct winsize size = { };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*columns = size.ws_col ? size.ws_col : 80;
	*rows = size.ws_row ? size.ws_row : 24;
}

void screen_draw(const char *text, size_t len)
{
	static char frame[131072];
	const char *end = text + len, *lf;
	size_t n = 3;

	memcpy(frame, "\033[H", n);
	for (; text < end; text = lf + 1) {
		lf = memchr(text, '\n', end - text);
		if (!lf || n + (lf - text) + 16 > sizeof(frame))
			break;
		memcpy(frame + n, text, lf - text);
		n += lf - text;
		/* The last one stays on its row, or the page would scroll. */
		n += lf + 1 == end ? 3 : 5;
		memcpy(frame + n - (lf + 1 == end ? 3 : 5), "\033[K\r\n", lf + 1 == end ? 3 : 5);
	}
	memcpy(frame + n, "\033[J", 3);
	put(frame, n + 3);
}
