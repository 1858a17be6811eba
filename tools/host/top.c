// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost top: what the guest is busy with.
 */
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pvhost.h"
#include "records.h"
#include "screen.h"
#include "top.h"

/* Lines of a turn where stdout is no terminal */
#define PLAIN_ROWS	60

struct top {
	struct client *c;
	struct channel *ch;
	pvo_TopRequest args;
	pvo_TopRecord rec;
	struct records reader;
	struct top_model model;
	struct top_look look;
	bool screen;		/* a terminal is drawn on */
	bool malformed;
	__u32 wanted;		/* turns; 0: no end */
	__u32 turns;		/* that there were */
	__u32 status;		/* how the stream ended */
	struct event *keys, *size, *stop, *cont;
};

static struct screen frame;

static void show(struct top *top)
{
	if (client_json(top->c)) {
		print_object(&(struct options){ .json = true }, top_json(&top->model.now));
		return;
	}
	if (top->screen)
		screen_size(&top->look.columns, &top->look.rows);
	top_render(&frame, &top->model, &top->look);
	if (top->screen) {
		screen_draw(frame.text, frame.len);
		return;
	}
	printf("%s%s", top->turns > 1 ? "\n" : "", frame.text);
	fflush(stdout);
}

static bool take_record(void *priv)
{
	struct top *top = priv;

	if (!top_take(&top->model, &top->rec))
		return true;
	top->turns++;
	if (!top->look.paused)
		show(top);
	return true;
}

static size_t take_data(struct channel *ch, const void *buf, size_t len)
{
	struct top *top = channel_priv(ch);

	if (records_take(&top->reader, buf, len))
		return len;
	top->malformed = true;
	channel_reset(ch, PVC_CANCELLED);
	client_stop(top->c, FAILED);
	return len;
}

static void done(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	struct top *top = channel_priv(ch);

	(void)flags;
	top->status = status;
	if (status != PVC_OK && status != PVC_LOST) {
		screen_end();
		client_refused("top", NULL, status, body, len);
	}
	client_stop(top->c, status == PVC_OK || status == PVC_LOST ? DONE : FAILED);
}

static void on_key(evutil_socket_t fd, short what, void *arg)
{
	struct top *top = arg;
	char keys[64];
	ssize_t n = read(fd, keys, sizeof(keys)), i;

	(void)what;
	if (n <= 0)
		event_del(top->keys);
	/* A sequence of a function key is none of ours. */
	for (i = 0; i < n && keys[i] != '\033'; i++) {
		if (keys[i] == 'q')
			exit(DONE);
		if (keys[i] == 'p')
			top->look.paused = !top->look.paused;
		if (keys[i] == 'm' || keys[i] == 'c')
			top->look.by_memory = keys[i] == 'm';
	}
	show(top);
}

static void on_size(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	show(arg);
}

/* Ctrl-Z, and back */
static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	(void)arg;
	screen_end();
	raise(SIGSTOP);
}

static void on_continue(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	screen_begin();
	show(arg);
}

static void begin_screen(struct top *top)
{
	struct event_base *base = client_base(top->c);

	top->screen = screen_begin();
	if (!top->screen)
		return;
	top->look.colour = true;
	if (isatty(STDIN_FILENO)) {
		top->keys = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_key, top);
		event_add(top->keys, NULL);
	}
	top->size = evsignal_new(base, SIGWINCH, on_size, top);
	event_add(top->size, NULL);
	top->stop = evsignal_new(base, SIGTSTP, on_stop, top);
	event_add(top->stop, NULL);
	top->cont = evsignal_new(base, SIGCONT, on_continue, top);
	event_add(top->cont, NULL);
}

static void end_screen(struct top *top)
{
	screen_end();
	if (top->keys)
		event_free(top->keys);
	if (top->size)
		event_free(top->size);
	if (top->stop)
		event_free(top->stop);
	if (top->cont)
		event_free(top->cont);
}

/* One session; DONE with @status PVC_LOST: there may be another one. */
static enum outcome follow(struct top *top)
{
	static const struct channel_ops ops = { .data = take_data, .done = done };
	__u8 record[pvo_TopRequest_size];
	struct channel_request req = {
		.service = PVO_SERVICE_INFO, .op = PVO_INFO_TOP, .record = record,
		.nodata = true, .priv = top,
	};
	enum outcome out = client_session(top->c);

	if (out != DONE)
		return out;
	top->reader = (struct records){
		.fields = pvo_TopRecord_fields, .record = &top->rec, .each = take_record,
		.priv = top,
	};
	top->args.turns = top->wanted ? top->wanted - top->turns : 0;
	req.record_len = record_encode(pvo_TopRequest_fields, &top->args, record, sizeof(record));
	top->status = PVC_LOST;
	top->ch = channel_open(top->c, &req, &ops);
	if (!top->ch)
		return FAILED;
	return client_run(top->c);
}

static const struct option longopts[] = {
	{ "interval", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'c' },
	{ "processes", required_argument, NULL, 'n' },
	{ "memory", no_argument, NULL, 'm' },
	{ "once", no_argument, NULL, '1' },
	{ "json", no_argument, NULL, 'j' },
	{ }
};

static enum outcome parse(struct top *top, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "i:c:n:m1j", longopts, NULL)) != -1) {
		switch (opt) {
		case 'i':
			top->args.interval_ms = to_number("--interval", optarg, 0.1, 60, 1000);
			break;
		case 'c':
			top->wanted = to_number("--count", optarg, 1, 1e9, 1);
			break;
		case 'n':
			top->args.processes = to_number("--processes", optarg, 0, 200, 1);
			break;
		case 'm':
			top->look.by_memory = true;
			break;
		case '1':
			top->wanted = 1;
			break;
		case 'j':
			client_set_json(top->c);
			break;
		default:
			return USAGE;
		}
	}
	if (optind == argc)
		return DONE;
	fprintf(stderr, "pvhost: top takes no argument\n");
	return USAGE;
}

/* A terminal that shows one turn need not be a screen. */
static int verb_top(struct client *c, int argc, char **argv)
{
	static struct top top;
	enum outcome out;

	top.c = c;
	top.args.interval_ms = 1000;
	top.args.processes = 50;
	top.look = (struct top_look){ .columns = 80, .rows = PLAIN_ROWS, .utf8 = use_utf8() };
	out = parse(&top, argc, argv);
	if (out != DONE)
		return out;
	if (isatty(STDOUT_FILENO))
		screen_size(&top.look.columns, &top.look.rows);
	else if (getenv("COLUMNS"))
		top.look.columns = to_number("COLUMNS", getenv("COLUMNS"), 20, 1000, 1);
	if (!client_json(c) && !top.wanted)
		begin_screen(&top);
	if (top.screen)
		show(&top);
	do {
		out = follow(&top);
	} while ((out == DONE || out == NO_CONNECTION) && top.status == PVC_LOST &&
		 !top.malformed && (!top.wanted || top.turns < top.wanted));
	end_screen(&top);
	return top.malformed ? bad_answer("top") : out;
}

const struct command top_commands[] = {
	{ "top", "[-i SECONDS] [-c N] [-n PROCESSES] [-m] [--once]",
	  "what the guest is busy with: processes, disks, interfaces", verb_top,
	  "  -i, --interval=SEC   0.1 to 60, default 1\n"
	  "  -c, --count=N        end after so many intervals; default: no end\n"
	  "      --once           the same as -c 1\n"
	  "  -n, --processes=N    the first N by CPU time and by memory, 0 to 200, default 50\n"
	  "  -m, --memory         sort by memory first\n"
	  "  -j, --json           one object a line for each interval\n"
	  "Keys: q quits, p pauses, m and c sort by memory and CPU time\n" },
	{ }
};
