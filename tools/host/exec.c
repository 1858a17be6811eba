// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost exec, shell and attach: what is typed becomes a record.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <pb_encode.h>

#include "exec.h"
#include "pvhost.h"

#define STRINGS_MAX	4096u

extern char **environ;

/**
 * struct command_line - what was asked for
 * @msg: the record
 * @argv: the program's arguments, @argc of them
 * @env: NAME=VALUE, @envc of them
 * @user: in whose name
 * @no_stdin: -n
 * @no_tty: -T
 * @escape: -E
 */
struct command_line {
	pvo_exec_run msg;
	char **argv;
	__u32 argc;
	const char *env[STRINGS_MAX];
	__u32 envc;
	const char *user;
	bool no_stdin;
	bool no_tty;
	char escape;
};

static void usage(const char *format, const char *what)
	__attribute__((noreturn, format(printf, 1, 0)));

static void usage(const char *format, const char *what)
{
	fputs("pvhost: ", stderr);
	fprintf(stderr, format, what);
	fputs("\n", stderr);
	exit(EXIT_OWN);
}

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{ "as", RLIMIT_AS }, { "core", RLIMIT_CORE }, { "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA }, { "fsize", RLIMIT_FSIZE }, { "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE }, { "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS }, { "rtprio", RLIMIT_RTPRIO }, { "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING }, { "stack", RLIMIT_STACK },
};

/* A number with K, M, G or T of 1024; or all ones for "unlimited", where that may be. */
static __u64 to_size(const char *what, const char *text, const char **end, bool unlimited)
{
	static const char suffixes[] = "KMGT";
	unsigned long long value;
	const char *suffix;
	unsigned int shift;
	char *after;

	if (unlimited && !strncmp(text, "unlimited", 9)) {
		*end = text + 9;
		return ~0ull;
	}
	value = strtoull(text, &after, 10);
	suffix = *after ? strchr(suffixes, *after) : NULL;
	shift = suffix ? 10 * (suffix - suffixes + 1) : 0;
	if (after == text || *text == '-' || value >> (63 - shift)) {
		fprintf(stderr, "pvhost: %s is '%s', not a number, to which K, M, G or T may be added\n",
			what, text);
		exit(EXIT_OWN);
	}
	value <<= shift;
	*end = after + !!suffix;
	return value;
}

static __u64 to_whole_size(const char *what, const char *text)
{
	const char *end;
	__u64 value = to_size(what, text, &end, false);

	if (*end || !value)
		usage("'%s' is not a size", text);
	return value;
}

static double to_real(const char *what, const char *text, double least, double most)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= least && value <= most)) {
		fprintf(stderr, "pvhost: %s is '%s', not a number from %g to %g\n", what, text,
			least, most);
		exit(EXIT_OWN);
	}
	return value;
}

/* NAME=SOFT[:HARD] */
static void add_rlimit(pvo_exec_run *msg, const char *text)
{
	size_t len = strcspn(text, "="), i;
	const char *end;
	pvo_rlimit *limit;

	for (i = 0; i < sizeof(rlimits) / sizeof(*rlimits); i++)
		if (strlen(rlimits[i].name) == len && !strncmp(rlimits[i].name, text, len))
			break;
	if (i == sizeof(rlimits) / sizeof(*rlimits) || !text[len])
		usage("--rlimit %s: it takes NAME=SOFT[:HARD], such as nofile=64", text);
	if (msg->rlimits_count == 16)
		usage("--rlimit %s: there are 16 limits", text);
	limit = &msg->rlimits[msg->rlimits_count++];
	limit->resource = rlimits[i].resource;
	limit->soft = to_size("--rlimit", text + len + 1, &end, true);
	limit->hard = limit->soft;
	if (*end == ':')
		limit->hard = to_size("--rlimit", end + 1, &end, true);
	if (*end || limit->soft > limit->hard)
		usage("--rlimit %s: the soft limit is a number up to the hard one", text);
}

static void add_env(struct command_line *cl, const char *text)
{
	size_t len = strlen(text);
	char **at;

	if (!*text || *text == '=')
		usage("-e %s: it takes NAME=VALUE, or a NAME of pvhost's own environment", text);
	if (cl->envc == STRINGS_MAX)
		usage("-e %s: there may be 4096 variables", text);
	if (!strchr(text, '=')) {
		for (at = environ; *at; at++)
			if (!strncmp(*at, text, len) && (*at)[len] == '=')
				break;
		/* As with docker: what is not set here is not set there. */
		if (!*at)
			return;
		text = *at;
	}
	cl->env[cl->envc++] = text;
}

static void copy_name(char *to, const char *what, const char *name)
{
	if (!*name || strlen(name) > 32)
		usage(what, name);
	strcpy(to, name);
}

static void add_groups(pvo_exec_run *msg, char *list)
{
	char *name, *save;

	for (name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		if (msg->groups_count == 16)
			usage("-G: there may be 16 groups%s", "");
		copy_name(msg->groups[msg->groups_count++], "-G: '%s' is no name of a group",
			  name);
	}
}

static void set_umask(pvo_exec_run *msg, const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	if (end == text || *end || value > 0777)
		usage("--umask '%s' is not an octal number up to 777", text);
	msg->set_umask = true;
	msg->umask = value;
}

enum { O_TIMEOUT = 256, O_MEMORY, O_PIDS, O_CPUS, O_RLIMIT, O_UMASK };

static const struct option longopts[] = {
	{ "user", required_argument, NULL, 'u' },
	{ "group", required_argument, NULL, 'g' },
	{ "groups", required_argument, NULL, 'G' },
	{ "cwd", required_argument, NULL, 'C' },
	{ "env", required_argument, NULL, 'e' },
	{ "command", required_argument, NULL, 'c' },
	{ "tty", no_argument, NULL, 't' },
	{ "no-tty", no_argument, NULL, 'T' },
	{ "no-stdin", no_argument, NULL, 'n' },
	{ "detach", no_argument, NULL, 'd' },
	{ "merge", no_argument, NULL, 'm' },
	{ "kill-group", no_argument, NULL, 'k' },
	{ "escape", required_argument, NULL, 'E' },
	{ "timeout", required_argument, NULL, O_TIMEOUT },
	{ "memory", required_argument, NULL, O_MEMORY },
	{ "pids", required_argument, NULL, O_PIDS },
	{ "cpus", required_argument, NULL, O_CPUS },
	{ "rlimit", required_argument, NULL, O_RLIMIT },
	{ "umask", required_argument, NULL, O_UMASK },
	{ "json", no_argument, NULL, 'j' },
	{ }
};

static void set_limit(pvo_exec_run *msg, int c)
{
	switch (c) {
	case O_TIMEOUT:
		msg->timeout_ms = to_real("--timeout", optarg, 0.001, 31536000) * 1000 + 0.5;
		break;
	case O_MEMORY:
		msg->memory_max = to_whole_size("--memory", optarg);
		break;
	case O_PIDS:
		msg->pids_max = to_real("--pids", optarg, 1, 4194304);
		break;
	case O_CPUS:
		msg->cpu_milli = to_real("--cpus", optarg, 0.01, 1000) * 1000 + 0.5;
		break;
	case O_RLIMIT:
		add_rlimit(msg, optarg);
		break;
	case O_UMASK:
		set_umask(msg, optarg);
		break;
	}
}

static void set_escape(struct command_line *cl)
{
	if (strcmp(optarg, "none") && strlen(optarg) != 1)
		usage("-E '%s': it takes a character, or none", optarg);
	cl->escape = optarg[1] ? 0 : optarg[0];
}

static void set_option(struct client *c, struct command_line *cl, int opt)
{
	pvo_exec_run *msg = &cl->msg;

	switch (opt) {
	case 'u':
		if (!*optarg || strlen(optarg) >= PVO_USER_MAX)
			usage("-u: '%s' is no name of a user", optarg);
		cl->user = optarg;
		break;
	case 'g':
		copy_name(msg->group, "-g: '%s' is no name of a group", optarg);
		break;
	case 'G':
		add_groups(msg, optarg);
		break;
	case 'C':
		if (*optarg != '/' || strlen(optarg) >= sizeof(msg->cwd))
			usage("-C: '%s' is no absolute path", optarg);
		strcpy(msg->cwd, optarg);
		break;
	case 'e':
		add_env(cl, optarg);
		break;
	case 't':
		msg->tty = true;
		break;
	case 'T':
		cl->no_tty = true;
		break;
	case 'n':
		cl->no_stdin = true;
		break;
	case 'd':
		msg->detach = true;
		break;
	case 'k':
		msg->kill_group = true;
		break;
	case 'E':
		set_escape(cl);
		break;
	case 'j':
		client_set_json(c);
		break;
	}
}

static void parse(struct client *c, int argc, char **argv, const char *options,
		  struct command_line *cl)
{
	static char *text[2];
	int opt;

	cl->escape = '~';
	cl->msg.separate = true;
	while ((opt = getopt_long(argc, argv, options, longopts, NULL)) != -1) {
		if (opt == '?' || (opt < 256 && !strchr(options, opt)))
			exit(EXIT_OWN);
		if (opt == 'c') {
			text[0] = optarg;
			cl->msg.shell = true;
		} else if (opt == 'm') {
			cl->msg.separate = false;
		} else if (opt >= O_TIMEOUT) {
			set_limit(&cl->msg, opt);
		} else {
			set_option(c, cl, opt);
		}
	}
	cl->argv = cl->msg.shell ? text : argv + optind;
	cl->argc = cl->msg.shell ? 1 : argc - optind;
	if (cl->msg.shell && optind < argc)
		usage("exec: -c takes all of the text as one argument, and then there is '%s'",
		      argv[optind]);
}

/* Strings of a list, for nanopb. */
struct list {
	const char *const *strings;
	__u32 n;
};

static bool put_strings(pb_ostream_t *os, const pb_field_t *field, void *const *arg)
{
	const struct list *list = *arg;
	__u32 i;

	for (i = 0; i < list->n; i++)
		if (!pb_encode_tag_for_field(os, field) ||
		    !pb_encode_string(os, (const pb_byte_t *)list->strings[i],
				      strlen(list->strings[i])))
			return false;
	return true;
}

/* The record, in memory that lasts; exits if it is too long. */
static void *encode(struct command_line *cl, size_t *len)
{
	struct list argv = { (const char *const *)cl->argv, cl->argc };
	struct list env = { cl->env, cl->envc };
	pb_byte_t *buf = malloc(PVO_ARGS_MAX);
	pb_ostream_t os;
	size_t total = 0;
	__u32 i;

	for (i = 0; i < cl->argc; i++)
		total += strlen(cl->argv[i]) + 1;
	for (i = 0; i < cl->envc; i++)
		total += strlen(cl->env[i]) + 1;
	cl->msg.argv.funcs.encode = put_strings;
	cl->msg.argv.arg = &argv;
	cl->msg.env.funcs.encode = put_strings;
	cl->msg.env.arg = &env;
	os = pb_ostream_from_buffer(buf, PVO_ARGS_MAX);
	if (!buf || !pb_encode(&os, pvo_exec_run_fields, &cl->msg)) {
		fprintf(stderr,
			"pvhost: %zu bytes of arguments and variables in %u strings: with 4 for each there may be %u\n",
			total, cl->argc + cl->envc, PVO_ARGS_MAX);
		exit(EXIT_OWN);
	}
	*len = os.bytes_written;
	return buf;
}

static void use_tty(struct command_line *cl)
{
	const char *term = getenv("TERM");
	struct winsize size;
	static char entry[128];
	__u32 i;

	cl->msg.tty = true;
	cl->msg.separate = false;
	if (terminal_size(&size)) {
		cl->msg.has_size = true;
		cl->msg.size.rows = size.ws_row;
		cl->msg.size.columns = size.ws_col;
		cl->msg.size.xpixels = size.ws_xpixel;
		cl->msg.size.ypixels = size.ws_ypixel;
	}
	for (i = 0; i < cl->envc; i++)
		if (!strncmp(cl->env[i], "TERM=", 5))
			return;
	if (!term || !*term || strlen(term) > 100 || cl->envc == STRINGS_MAX)
		return;
	snprintf(entry, sizeof(entry), "TERM=%s", term);
	cl->env[cl->envc++] = entry;
}

static int run(struct client *c, const char *verb, struct command_line *cl)
{
	struct run run = {
		.client = c, .verb = verb, .user = cl->user, .key = client_random(c),
		.what = cl->argc && !cl->msg.shell ? cl->argv[0] : NULL,
	};

	if (cl->msg.tty && cl->no_tty)
		usage("%s: -t and -T exclude each other", verb);
	if (cl->msg.tty)
		use_tty(cl);
	run.job = run.key;
	run.record = encode(cl, &run.record_len);
	run.separate = cl->msg.separate;
	run.in.used = !cl->no_stdin && !cl->msg.detach;
	run.tty = cl->msg.tty && !cl->msg.detach && isatty(STDIN_FILENO);
	run.escapes.character = run.tty ? cl->escape : 0;
	return run_program(&run);
}

static int verb_exec(struct client *c, int argc, char **argv)
{
	static struct command_line cl;

	parse(c, argc, argv, "+u:g:G:C:e:c:tTndmkE:j", &cl);
	if (!cl.argc)
		usage("%s: it takes a command, such as: pvhost exec -- ls -l", argv[0]);
	if (cl.argc > STRINGS_MAX)
		usage("%s: there may be 4096 arguments", argv[0]);
	return run(c, "exec", &cl);
}

static int verb_shell(struct client *c, int argc, char **argv)
{
	static struct command_line cl;

	parse(c, argc, argv, "+u:g:G:C:e:TE:j", &cl);
	if (cl.argc)
		usage("shell: it takes no command, such as '%s'; see pvhost exec", cl.argv[0]);
	cl.msg.login = true;
	cl.msg.tty = !cl.no_tty && isatty(STDIN_FILENO);
	return run(c, "shell", &cl);
}

static int verb_attach(struct client *c, int argc, char **argv)
{
	static const struct option attach_opts[] = {
		{ "user", required_argument, NULL, 'u' },
		{ "no-stdin", no_argument, NULL, 'n' },
		{ "escape", required_argument, NULL, 'E' },
		{ "json", no_argument, NULL, 'j' },
		{ }
	};
	static struct command_line cl = { .escape = '~' };
	struct run run = { .client = c, .verb = "attach", .attach = true, .replay = true };
	char *end = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "u:nE:j", attach_opts, NULL)) != -1) {
		if (opt == '?')
			exit(EXIT_OWN);
		set_option(c, &cl, opt);
	}
	if (argc - optind == 1)
		run.job = strtoull(argv[optind], &end, 16);
	if (!end || *end || !run.job)
		usage("%s: it takes the number of a job, as exec --detach and jobs print it",
		      argv[0]);
	run.user = cl.user;
	run.what = argv[optind];
	run.in.used = !cl.no_stdin;
	run.tty = isatty(STDIN_FILENO);
	run.escapes.character = run.tty ? cl.escape : 0;
	return run_program(&run);
}

#define COMMON \
	"  -u, --user=USER      default: root\n" \
	"  -g, --group=GROUP    main group; -G, --groups=A,B: the others; of the user's, root: any\n" \
	"  -C, --cwd=DIR        default: the user's home\n" \
	"  -e, --env=NAME=VALUE beside what a login has; NAME: as it is here\n"

#define EXIT_STATUSES \
	"\n" \
	"Exit status: that of the program, or 128 and the number of the signal that ended it;\n" \
	"124 it took longer than --timeout, 125 pvhost, the connection or the guest's daemon,\n" \
	"126 the program may not be executed or cannot, 127 there is none of this name.\n"

#define ESCAPES \
	"  -E, --escape=CHAR    for the keys of pvhost, at the begin of a line, default ~, or none:\n" \
	"                       ~. ends the program, ~d detaches, ~? prints this\n"

const struct command exec_commands[] = {
	{
		.name = "exec", .usage = "[OPTION...] [--] COMMAND [ARGUMENT...]",
		.help = "run a program in the guest, with its input and output here",
		.run = verb_exec,
		.options =
		COMMON
		"  -c, --command=TEXT   for the user's shell, in place of COMMAND\n"
		"  -t, --tty            with a terminal of the guest's; -T: without, the default\n"
		"  -n, --no-stdin       its input is /dev/null\n"
		"  -m, --merge          stderr goes with stdout, in the order that it was written\n"
		"  -d, --detach         print the number of the job and go; the last 512 KiB of its\n"
		"                       output are kept, its exit status 10 minutes: see attach, jobs\n"
		"  -k, --kill-group     what the program leaves running when it exits is killed;\n"
		"                       without, it stays, and can write to nothing any more\n"
		"      --timeout=SEC    then SIGTERM, and SIGKILL to all of it after 5 s or its exit\n"
		"      --memory=SIZE    --pids=N, --cpus=N: limits of a cgroup of its own\n"
		"      --rlimit=NAME=SOFT[:HARD]  as prlimit(1) names them, or unlimited\n"
		"      --umask=OCTAL    default: 022\n"
		"  -j, --json           the result, a line on stderr\n"
		ESCAPES
		"\n"
		"SIGINT, SIGTERM, SIGHUP and SIGQUIT go to the program; a third SIGINT within 3 s\n"
		"ends pvhost, and then the program. A lost session is resumed, within a minute.\n"
		EXIT_STATUSES,
	}, {
		.name = "shell", .usage = "[OPTION...]",
		.help = "a login shell in the guest",
		.run = verb_shell,
		.options =
		COMMON
		"  -T, --no-tty         without a terminal, as when stdin is none\n"
		ESCAPES
		EXIT_STATUSES,
	}, {
		.name = "attach", .usage = "[-n] JOB",
		.help = "go on with a job: the last of its output, and what follows",
		.run = verb_attach,
		.options =
		"  -u, --user=USER      as when it was begun\n"
		"  -n, --no-stdin       do not read stdin\n"
		"  -j, --json           the result, a line on stderr\n"
		ESCAPES
		EXIT_STATUSES,
	}, { }
};
