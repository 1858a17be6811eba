// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost: the host's command line to a guest that runs pvguest, over the
 * socket of the hypervisor's virtio-serial port.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "pvhost.h"

#define COMMON	"s:t:jh"

static const struct verb verbs[] = {
	{ "ping", "c:i:", "round trips to the guest's kernel: [-c N] [-i MS]",
	  verb_ping, false },
	{ "status", "", "what the guest says of itself", verb_status, false },
	{ "watch", "c:T", "heartbeats and notices as they come: [-c N] [-T]",
	  verb_watch, false },
	{ "time", "SRn", "how far its clock is off; -S: step it: [-S [-R]] [-n]",
	  verb_time, false },
	{ "shutdown", "fw", "power off: [-f] [-w]", verb_shutdown, false },
	{ "reboot", "fw", "boot again: [-f] [-w]", verb_reboot, false },
	{ "thaw", "l", "thaw what a freeze lease holds: [-l N]", verb_thaw, false },
	{ "renew", "l", "renew a freeze lease: [-l N] SECONDS", verb_renew, true },
};

static const struct option longopts[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "timeout", required_argument, NULL, 't' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "count", required_argument, NULL, 'c' },
	{ "interval", required_argument, NULL, 'i' },
	{ "serve-time", no_argument, NULL, 'T' },
	{ "sync", no_argument, NULL, 'S' },
	{ "restored", no_argument, NULL, 'R' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "force", no_argument, NULL, 'f' },
	{ "wait", no_argument, NULL, 'w' },
	{ "lease", required_argument, NULL, 'l' },
	{ }
};

static void print_usage(FILE *to)
{
	size_t i;

	fputs("usage: pvhost -s SOCKET [-j] [-t SECONDS] VERB [OPTION...]\n\n"
	      "SOCKET is the unix socket of the guest's virtio-serial port "
	      PVC_PORT_NAME ",\nor a character device that leads there.\n\n", to);
	for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		fprintf(to, "  %-9s %s\n", verbs[i].name, verbs[i].help);
	fputs("\n"
	      "  -s, --socket=PATH    default: $PVHOST_SOCKET\n"
	      "  -j, --json           one line of JSON for each result\n"
	      "  -t, --timeout=SEC    give up after that, 0: never; default 10, watch 0\n"
	      "  -c, --count=N        so many pings (1), or heartbeats (no end)\n"
	      "  -i, --interval=MS    between pings, default 1000\n"
	      "  -T, --serve-time     give the guest the time when it asks for it\n"
	      "  -S, --sync           have the guest step its clock, if its policy allows\n"
	      "  -R, --restored       a snapshot was restored: backward too\n"
	      "  -n, --dry-run        say what --sync would do\n"
	      "  -f, --force          if user space cannot do it the kernel does\n"
	      "  -w, --wait           until the guest is off, or has booted\n"
	      "  -l, --lease=N        this freeze lease and no other; default: the last one\n"
	      "\n"
	      "Exit status: 0 done, 1 the guest could or would not, 2 usage, 3 no\n"
	      "connection, 4 no answer in time, 5 no common version.\n", to);
}

static __u32 to_number(const char *what, const char *text, double least,
		       double most, double unit)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (errno || end == text || *end || !(value >= least && value <= most)) {
		fprintf(stderr, "pvhost: %s is '%s', not a number from %g to %g\n",
			what, text, least, most);
		exit(USAGE);
	}
	return (__u32)(value * unit + 0.5);
}

static void set_option(struct options *opt, int c)
{
	switch (c) {
	case 's':
		opt->socket = optarg;
		break;
	case 't':
		opt->timeout_ms = to_number("--timeout", optarg, 0, 86400, 1000);
		break;
	case 'j':
		opt->json = true;
		break;
	case 'c':
		opt->count = to_number("--count", optarg, 1, 1e9, 1);
		break;
	case 'i':
		opt->interval_ms = to_number("--interval", optarg, 0, 3600000, 1);
		break;
	case 'T':
		opt->serve_time = true;
		break;
	case 'S':
		opt->sync = true;
		break;
	case 'R':
		opt->restored = true;
		break;
	case 'n':
		opt->dry_run = true;
		break;
	case 'f':
		opt->force = true;
		break;
	case 'w':
		opt->wait = true;
		break;
	case 'l':
		opt->lease = to_number("--lease", optarg, 1, 4294967295.0, 1);
		break;
	}
}

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; name && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	fprintf(stderr, name ? "pvhost: no verb '%s'\n" :
			       "pvhost: no verb given%s\n", name ? name : "");
	print_usage(stderr);
	exit(USAGE);
}

/* Which options were given is known before the verb that has to take them. */
static const struct verb *parse(int argc, char **argv, struct options *opt)
{
	const struct verb *verb;
	char given[32] = "";
	int c, n = 0;

	while ((c = getopt_long(argc, argv, COMMON "c:i:TSRnfwl:", longopts,
				NULL)) != -1) {
		if (c == 'h') {
			print_usage(stdout);
			exit(DONE);
		}
		if (c == '?')
			exit(USAGE);
		set_option(opt, c);
		if (!strchr(COMMON, c) && n < (int)sizeof(given) - 1)
			given[n++] = c;
	}
	verb = find_verb(argv[optind]);
	for (n = 0; given[n]; n++) {
		if (strchr(verb->flags, given[n]))
			continue;
		fprintf(stderr, "pvhost: %s takes no option -%c\n", verb->name,
			given[n]);
		exit(USAGE);
	}
	if (argc - optind - 1 != verb->number) {
		fprintf(stderr, "pvhost: %s takes %s\n", verb->name,
			verb->number ? "a number of seconds" : "no argument");
		exit(USAGE);
	}
	if (verb->number)
		opt->seconds = to_number("SECONDS", argv[optind + 1], 1,
					 PVC_LEASE_MAX_MS / 1000, 1);
	return verb;
}

static void set_defaults(struct options *opt, const struct verb *verb)
{
	bool watch = verb->run == verb_watch;

	if (opt->timeout_ms == ~0u)
		opt->timeout_ms = watch ? 0 : 10000;
	if (!opt->count && !watch)
		opt->count = 1;
	if (opt->socket)
		return;
	fprintf(stderr, "pvhost: no socket: pass -s or set PVHOST_SOCKET\n");
	exit(USAGE);
}

static void explain(enum outcome out, const struct link *link)
{
	const struct pvc_peer *peer = &link->pvc.peer;

	if (out == NO_CONNECTION)
		fprintf(stderr, "pvhost: the hypervisor closed the socket\n");
	else if (out == NO_ANSWER)
		fprintf(stderr, "pvhost: no answer in time (%s)\n",
			link->pvc.state == PVC_UP ? "there is a session" :
			"no session: is pvguest running in the guest?");
	else if (out == REFUSED)
		fprintf(stderr, "pvhost: refused (%s): the guest speaks versions %u to %u, we %u\n",
			pvc_status_name(link->refused), peer->version_min,
			peer->version_max, PVC_VERSION);
}

int main(int argc, char **argv)
{
	struct options opt = {
		.socket = getenv("PVHOST_SOCKET"),
		.timeout_ms = ~0u,
		.interval_ms = 1000,
	};
	const struct verb *verb = parse(argc, argv, &opt);
	static struct link link;
	enum outcome out;

	set_defaults(&opt, verb);
	/* A socket that was closed is an error to report. */
	signal(SIGPIPE, SIG_IGN);
	out = link_open(&link, opt.socket, opt.timeout_ms);
	if (out != DONE)
		return out;
	out = verb->run(&link, &opt);
	explain(out, &link);
	link_close(&link);
	return out;
}
