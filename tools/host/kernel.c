// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verbs for the services of the guest's kernel. Unlike others they take the common options
 * after the verb, too, and share the options of their own.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "pvhost.h"

#define COMMON	"s:t:j"

static const struct verb verbs[] = {
	{ "ping", "c:i:", verb_ping, false },
	{ "status", "", verb_status, false },
	{ "watch", "c:TK", verb_watch, false },
	{ "time", "SRn", verb_time, false },
	{ "shutdown", "fwgHmn", verb_shutdown, false },
	{ "reboot", "fwgHmn", verb_reboot, false },
	{ "thaw", "l", verb_thaw, false },
	{ "renew", "l", verb_renew, true },
};

#define POWER_OPTIONS \
	"  -g, --grace=SEC      until hooks run, 0 to 3600, default 0; users are told. Ctrl-C\n" \
	"                       cancels\n" \
	"  -m, --message=TEXT   to the users\n" \
	"  -H, --hook-timeout=SEC  for each hook, 1 to 300, default 30\n" \
	"  -n, --dry-run        say which hooks would run\n" \
	"  -f, --force          no hooks, no grace; what user space cannot do the kernel does\n" \
	"  -w, --wait           until the guest is off, or has booted\n"
#define LEASE_OPTIONS \
	"  -l, --lease=N        this freeze lease and no other; default: the last one\n"

const struct command kernel_commands[] = {
	{ "ping", "[-c N] [-i MS]", "round trips to the guest's kernel", kernel_verb,
	  "  -c, --count=N        so many pings (1)\n"
	  "  -i, --interval=MS    between pings, default 1000\n" },
	{ "status", "", "what the guest says of itself", kernel_verb, NULL },
	{ "watch", "[-c N] [-K] [-T]", "heartbeats, notices, and what changes in the guest",
	  kernel_verb,
	  "  -c, --count=N        end after so many heartbeats; default: no end\n"
	  "  -K, --kernel         only what the kernel tells: nothing of the daemon\n"
	  "  -T, --serve-time     give the guest the time when it asks for it\n" },
	{ "time", "[-S [-R]] [-n]", "how far its clock is off; -S: step it", kernel_verb,
	  "  -S, --sync           have the guest step its clock, if its policy allows\n"
	  "  -R, --restored       a snapshot was restored: backward too\n"
	  "  -n, --dry-run        say what --sync would do\n" },
	{ "shutdown", "[-g SEC] [-m TEXT] [-f] [-w] [-n]", "power off", kernel_verb,
	  POWER_OPTIONS },
	{ "reboot", "[-g SEC] [-m TEXT] [-f] [-w] [-n]", "boot again", kernel_verb, POWER_OPTIONS },
	{ "thaw", "[-l N]", "thaw what a freeze lease holds", kernel_verb, LEASE_OPTIONS },
	{ "renew", "[-l N] SECONDS", "renew a freeze lease", kernel_verb, LEASE_OPTIONS },
	{ }
};

static const struct option longopts[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "timeout", required_argument, NULL, 't' },
	{ "json", no_argument, NULL, 'j' },
	{ "count", required_argument, NULL, 'c' },
	{ "interval", required_argument, NULL, 'i' },
	{ "serve-time", no_argument, NULL, 'T' },
	{ "kernel", no_argument, NULL, 'K' },
	{ "sync", no_argument, NULL, 'S' },
	{ "restored", no_argument, NULL, 'R' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "force", no_argument, NULL, 'f' },
	{ "wait", no_argument, NULL, 'w' },
	{ "lease", required_argument, NULL, 'l' },
	{ "grace", required_argument, NULL, 'g' },
	{ "message", required_argument, NULL, 'm' },
	{ "hook-timeout", required_argument, NULL, 'H' },
	{ }
};

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
	case 'K':
		opt->plain = true;
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
	case 'g':
		opt->grace_s = to_number("--grace", optarg, 0, 3600, 1);
		break;
	case 'm':
		opt->message = optarg;
		break;
	case 'H':
		opt->hook_timeout_s = to_number("--hook-timeout", optarg, 1, 300, 1);
		break;
	case 'l':
		opt->lease = to_number("--lease", optarg, 1, 4294967295.0, 1);
		break;
	}
}

static const struct verb *find_verb(const char *name)
{
	const struct verb *verb = verbs;

	while (strcmp(verb->name, name))
		verb++;
	return verb;
}

/* The options that the verb takes, and its argument. */
static void parse(const struct verb *verb, int argc, char **argv, struct options *opt)
{
	char given[32] = "";
	int c, n = 0;

	while ((c = getopt_long(argc, argv, COMMON "c:i:TKSRnfwl:g:m:H:", longopts, NULL)) != -1) {
		if (c == '?')
			exit(USAGE);
		set_option(opt, c);
		if (!strchr(COMMON, c) && n < (int)sizeof(given) - 1)
			given[n++] = c;
	}
	for (n = 0; given[n]; n++) {
		if (strchr(verb->flags, given[n]))
			continue;
		fprintf(stderr, "pvhost: %s takes no option -%c\n", verb->name, given[n]);
		exit(USAGE);
	}
	if (argc - optind != verb->number) {
		fprintf(stderr, "pvhost: %s takes %s\n", verb->name,
			verb->number ? "a number of seconds" : "no argument");
		exit(USAGE);
	}
	if (verb->number)
		opt->seconds = to_number("SECONDS", argv[optind], 1, PVC_LEASE_MAX_MS / 1000, 1);
}

int kernel_verb(struct client *c, int argc, char **argv)
{
	const struct verb *verb = find_verb(argv[0]);
	struct link *link = client_link(c);
	struct options opt = {
		.client = c,
		.socket = link->path,
		.json = client_json(c),
		.timeout_ms = client_timeout_given(c) ? link->timeout_ms :
			      verb->run == verb_watch ? 0 : DEFAULT_TIMEOUT_MS,
		.interval_ms = 1000,
		.count = verb->run == verb_watch ? 0 : 1,
	};
	enum outcome out;

	parse(verb, argc, argv, &opt);
	need_socket(opt.socket);
	link->path = opt.socket;
	link_set_timeout(link, opt.timeout_ms);
	out = link_open(link);
	return out == DONE ? verb->run(link, &opt) : out;
}
