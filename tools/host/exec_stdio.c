// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data of a program in the guest: from stdin, and to stdout and stderr. None of the three
 * is made non-blocking, since pvhost shares them with whoever started it: a pipe or terminal
 * that poll() calls writable takes 4096 bytes without waiting.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec.h"

#define PIECE	4096u

static bool is_ready(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, 0) == 1;
}

/* stdout is closed, such as by head(1), where the program would get SIGPIPE, or full. */
static void broke(struct sink *sink, int error)
{
	struct run *run = sink->run;

	sink->broken = true;
	if (sink == &run->out[0])
		run_cancel(run, error == EPIPE ? EXIT_SIGNAL + SIGPIPE : EXIT_OWN);
}

size_t stdio_write(struct sink *sink, const void *buf, size_t len)
{
	const char *at = buf;
	size_t done = 0;
	ssize_t n;

	while (done < len && !sink->broken) {
		if (!is_ready(sink->fd, POLLOUT)) {
			event_add(sink->ready, NULL);
			break;
		}
		n = write(sink->fd, at + done, min_t(size_t, len - done, PIECE));
		if (n > 0) {
			done += n;
		} else if (n < 0 && errno == EAGAIN) {
			event_add(sink->ready, NULL);
			break;
		} else if (n < 0 && errno != EINTR) {
			int error = errno;

			if (error != EPIPE)
				perror("pvhost: write");
			broke(sink, error);
		}
	}
	if (sink->broken)
		done = len;
	sink->got += done;
	return done;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sink *sink = arg;

	(void)fd;
	(void)what;
	if (sink->channel)
		channel_resume(sink->channel);
}

/* What was read and not sent, as much as there is in one piece. */
static size_t unsent(const struct source *in, const char **at)
{
	size_t from = in->sent % STDIN_KEPT;

	*at = in->kept + from;
	return min_t(__u64, in->read - in->sent, STDIN_KEPT - from);
}

/* True: all that was read has been sent. */
static bool send_some(struct run *run)
{
	struct source *in = &run->in;
	struct channel *ch = run->out[0].channel;
	const char *at;
	size_t len, n;

	while ((len = unsent(in, &at))) {
		n = channel_write(ch, at, len);
		in->sent += n;
		if (n < len)
			return false;	/* on until channel_ops.writable */
	}
	return true;
}

static void keep(struct source *in, const char *buf, size_t len)
{
	size_t from = in->read % STDIN_KEPT;
	size_t first = min_t(size_t, len, STDIN_KEPT - from);

	memcpy(in->kept + from, buf, first);
	memcpy(in->kept, buf + first, len - first);
	in->read += len;
}

static void help(void)
{
	static const char text[] =
		"\r\npvhost: ~. ends the program, ~d detaches from it, ~~ is a ~\r\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		return;
}

static void take(struct run *run, const char *buf, size_t len)
{
	char out[2 * PIECE];
	size_t taken, n;
	enum escape what;

	if (!run->escapes.character) {
		keep(&run->in, buf, len);
		return;
	}
	while (len) {
		what = escapes_filter(&run->escapes, buf, len, &taken, out, &n);
		keep(&run->in, out, n);
		buf += taken;
		len -= taken;
		if (what == ESCAPE_END)
			run_cancel(run, EXIT_SIGNAL + SIGHUP);
		else if (what == ESCAPE_DETACH)
			run_detach(run);
		else if (what == ESCAPE_HELP)
			help();
	}
}

/* Reads once; false: there is nothing now, or no more. */
static bool read_some(struct run *run)
{
	struct source *in = &run->in;
	char buf[PIECE];
	ssize_t n;

	if (in->eof || !is_ready(STDIN_FILENO, POLLIN))
		return false;
	n = read(STDIN_FILENO, buf, sizeof(buf));
	if (n > 0)
		take(run, buf, n);
	else if (!n || (errno != EINTR && errno != EAGAIN))
		in->eof = true;
	return n > 0;
}

void stdio_pump(struct run *run)
{
	struct source *in = &run->in;
	int i;

	if (!in->used || !run->out[0].channel || run->head_due)
		return;
	/* The others in the loop have their turn, too. */
	for (i = 0; i < 64; i++) {
		if (!send_some(run))
			return;
		if (!read_some(run))
			break;
		/* A key may have given it up. */
		if (!run->out[0].channel)
			return;
	}
	if (!run->out[0].channel || !send_some(run))
		return;
	if (!in->eof)
		event_add(in->ready, in->always ? &(struct timeval){ 0 } : NULL);
	else if (!in->eof_sent)
		channel_eof(run->out[0].channel);
	in->eof_sent = in->eof;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stdio_pump(arg);
}

bool stdio_rewind(struct run *run, __u64 at)
{
	struct source *in = &run->in;

	if (at > in->read || in->read - at > STDIN_KEPT)
		return false;
	in->sent = at;
	in->eof_sent = false;
	return true;
}

static void *check(void *p)
{
	if (!p) {
		fprintf(stderr, "pvhost: out of memory\n");
		exit(EXIT_OWN);
	}
	return p;
}

void stdio_begin(struct run *run)
{
	struct event_base *base = client_base(run->client);
	struct source *in = &run->in;
	struct stat st;
	int i;

	for (i = 0; i < 2; i++) {
		run->out[i].run = run;
		run->out[i].fd = i ? STDERR_FILENO : STDOUT_FILENO;
		run->out[i].ready = check(event_new(base, run->out[i].fd, EV_WRITE, on_writable,
						    &run->out[i]));
	}
	if (!in->used)
		return;
	in->kept = check(malloc(STDIN_KEPT));
	/* epoll takes no files, and those need none. */
	in->always = !fstat(STDIN_FILENO, &st) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ||
						   S_ISBLK(st.st_mode));
	in->ready = check(in->always ? evtimer_new(base, on_readable, run) :
			  event_new(base, STDIN_FILENO, EV_READ, on_readable, run));
}

void stdio_end(struct run *run)
{
	int i;

	for (i = 0; i < 2; i++)
		if (run->out[i].ready)
			event_free(run->out[i].ready);
	if (run->in.ready)
		event_free(run->in.ready);
	free(run->in.kept);
}
