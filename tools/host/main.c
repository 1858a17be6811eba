// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost: the host's command line to a guest that runs pvguest, over the
 * socket of the hypervisor's virtio-serial port.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "pvhost.h"
#include "pvguest/version.h"

/* All verbs, in the order of the help; each list ends with an empty command. */
static const struct command *const lists[] = {
	kernel_commands,
	info_commands,
	exec_commands,
	ps_commands,
	kv_commands,
	top_commands,
	system_commands,
	file_commands,
	connect_commands,
	forward_commands,
	serve_commands,
};

static const struct option longopts[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "timeout", required_argument, NULL, 't' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static void print_usage(FILE *to)
{
	const struct command *cmd;
	size_t i;

	fputs("usage: pvhost -s SOCKET [-j] [-t SECONDS] VERB [OPTION...]\n"
	      "       pvhost VERB --help\n\n"
	      "SOCKET is the unix socket of the guest's virtio-serial port "
	      PVC_PORT_NAME ",\nor that of pvhost serve, or a character device that leads "
	      "there.\n\n", to);
	for (i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		for (cmd = lists[i]; cmd->name; cmd++)
			fprintf(to, "  %-9s %s\n", cmd->name, cmd->help);
	fputs("\n"
	      "  -s, --socket=PATH    default: $PVHOST_SOCKET\n"
	      "  -j, --json           one line of JSON for each result\n"
	      "  -t, --timeout=SEC    give up after that, 0: never; default: 10 for a session to\n"
	      "                       begin, and for an answer of the guest's kernel\n"
	      "  -V, --version\n"
	      "\n"
	      "Exit status: 0 done, 1 the guest could or would not, 2 usage, 3 no\n"
	      "connection, 4 no answer in time, 5 no common version.\n", to);
}

static void print_verb(const struct command *cmd)
{
	printf("usage: pvhost [-s SOCKET] %s%s%s\n\n%s\n", cmd->name, *cmd->usage ? " " : "",
	       cmd->usage, cmd->help);
	if (cmd->options)
		printf("\n%s", cmd->options);
}

__u32 to_number(const char *what, const char *text, double least, double most, double unit)
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

void need_socket(const char *path)
{
	if (path)
		return;
	fprintf(stderr, "pvhost: no socket: pass -s or set PVHOST_SOCKET\n");
	exit(USAGE);
}

static const struct command *find_verb(const char *name)
{
	const struct command *cmd;
	size_t i;

	for (i = 0; name && i < sizeof(lists) / sizeof(*lists); i++)
		for (cmd = lists[i]; cmd->name; cmd++)
			if (!strcmp(cmd->name, name))
				return cmd;
	if (name)
		fprintf(stderr, "pvhost: no verb '%s'; pvhost --help lists them\n", name);
	else
		fprintf(stderr, "pvhost: no verb; pvhost --help lists them\n");
	exit(USAGE);
}

struct globals {
	const char *socket;
	__u32 timeout_ms;
	bool given_timeout;
	bool json;
};

static void parse(int argc, char **argv, struct globals *opt)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:s:t:jhV", longopts, NULL)) != -1) {
		switch (c) {
		case 's':
			opt->socket = optarg;
			break;
		case 't':
			opt->timeout_ms = to_number("--timeout", optarg, 0, 86400, 1000);
			opt->given_timeout = true;
			break;
		case 'j':
			opt->json = true;
			break;
		case 'h':
			print_usage(stdout);
			exit(DONE);
		case 'V':
			printf("pvhost %s\n", PVG_VERSION);
			exit(DONE);
		case ':':
			fprintf(stderr, "pvhost: %s needs a value; pvhost --help tells more\n",
				argv[optind - 1]);
			exit(USAGE);
		default:
			fprintf(stderr, "pvhost: unknown option '%s'; pvhost --help tells more\n",
				optopt ? (char []){ '-', optopt, 0 } : argv[optind - 1]);
			exit(USAGE);
		}
	}
	opterr = 1;
}

/* What was printed has to have been written, unless its reader wants no more. */
static int check_output(int out)
{
	struct pollfd pfd = { .fd = STDOUT_FILENO };
	bool lost = ferror(stdout);

	if (!fflush(stdout) && !lost)
		return out;
	if (poll(&pfd, 1, 0) == 1 && pfd.revents & POLLERR)
		return out;
	fprintf(stderr, "pvhost: not all could be written to stdout\n");
	return out == DONE ? FAILED : out;
}

int main(int argc, char **argv)
{
	struct globals opt = {
		.socket = getenv("PVHOST_SOCKET"),
		.timeout_ms = DEFAULT_TIMEOUT_MS,
	};
	const struct command *cmd;
	struct client *c;
	int out;

	parse(argc, argv, &opt);
	cmd = find_verb(argv[optind]);
	argc -= optind;
	argv += optind;
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		print_verb(cmd);
		return DONE;
	}
	/* Those of the kernel take it after the verb, too. */
	if (cmd->run != kernel_verb)
		need_socket(opt.socket);
	/* A socket that was closed is an error to report. */
	signal(SIGPIPE, SIG_IGN);
	c = client_new(opt.socket, opt.timeout_ms, opt.given_timeout, opt.json);
	optind = 0;
	out = cmd->run(c, argc, argv);
	link_explain(out, client_link(c));
	client_free(c);
	return check_output(out);
}
