// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a program at a terminal and plays the person before it: lines of stdin are what it does.
 *
 *	pty ROWS COLUMNS COMMAND [ARGUMENT...]
 *
 *	expect TEXT	until the program has printed TEXT
 *	type TEXT	with escapes \n \r \e \xNN
 *	size ROWS COLUMNS
 *	signal NUMBER	to the program
 *	exit		until it ends
 *
 * Prints what the program prints, then "status N" and whether the terminal is "restored" or
 * "raw". Ends with 0, or with 1 and what it waited for in vain for 15 s.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS	15000
#define SCREEN		(1 << 20)

static char screen[SCREEN + 1];
static size_t len, from;
static int master, slave;
static pid_t pid;

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void set_size(int rows, int columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	ioctl(master, TIOCSWINSZ, &size);
}

static void start(char **argv)
{
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) || unlockpt(master))
		exit(2);
	/* Held open, so that its settings are there when the program has gone. */
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	pid = fork();
	if (pid)
		return;
	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	dup2(slave, 0);
	dup2(slave, 1);
	dup2(slave, 2);
	execvp(argv[0], argv);
	_exit(127);
}

/* Takes what the program prints, for @ms at most; false: nothing came. */
static bool take(int ms)
{
	struct pollfd pfd = { .fd = master, .events = POLLIN };
	ssize_t n;

	if (poll(&pfd, 1, ms) < 1 || !(pfd.revents & POLLIN) || len == SCREEN)
		return false;
	n = read(master, screen + len, SCREEN - len);
	if (n <= 0)
		return false;
	fwrite(screen + len, 1, n, stdout);
	fflush(stdout);
	len += n;
	screen[len] = '\0';
	return true;
}

static bool expect(const char *text)
{
	long until = now_ms() + LIMIT_MS;
	char *at;

	while (!(at = strstr(screen + from, text))) {
		take(100);
		if (now_ms() > until)
			return false;
	}
	from = at - screen + strlen(text);
	return true;
}

static void type(const char *text)
{
	for (; *text; text++) {
		char c = *text;

		if (c == '\\' && text[1] == 'x') {
			c = strtol((char []){ text[2], text[3], '\0' }, NULL, 16);
			text += 3;
		} else if (c == '\\') {
			text++;
			c = *text == 'n' ? '\n' : *text == 'r' ? '\r' : *text == 'e' ? 27 : *text;
		}
		if (write(master, &c, 1) != 1)
			exit(2);
	}
}

static int finish(void)
{
	long until = now_ms() + LIMIT_MS;
	struct termios now;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		take(50);
		if (now_ms() > until)
			return 1;
	}
	while (take(0))
		;
	tcgetattr(slave, &now);
	printf("\nstatus %d\n%s\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 +
	       WTERMSIG(status), now.c_lflag & ICANON && now.c_lflag & ECHO ? "restored" : "raw");
	return 0;
}

static int play(char *line)
{
	char *rest = strchr(line, ' ');
	int rows, columns;

	rest = rest ? rest + 1 : "";
	if (!strncmp(line, "expect ", 7))
		return !expect(rest);
	if (!strncmp(line, "type ", 5))
		type(rest);
	else if (!strncmp(line, "size ", 5) && sscanf(rest, "%d %d", &rows, &columns) == 2)
		set_size(rows, columns);
	else if (!strncmp(line, "signal ", 7))
		kill(pid, atoi(rest));
	else if (!strcmp(line, "exit"))
		return finish();
	else if (*line)
		return 2;
	return 0;
}

int main(int argc, char **argv)
{
	char line[4096];
	int err;

	if (argc < 4)
		return 2;
	start(argv + 3);
	set_size(atoi(argv[1]), atoi(argv[2]));
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		err = play(line);
		if (err) {
			printf("\npty: in vain: %s\n", line);
			kill(pid, SIGKILL);
			return err;
		}
	}
	return 0;
}
