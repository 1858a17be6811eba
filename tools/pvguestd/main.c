// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvguestd: what the host may have done in this guest, over the control channel.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "audit.h"
#include "broker.h"
#include "kv.h"
#include "filter.h"
#include "sandbox.h"
#include "pvguest/version.h"

static const char usage_text[] =
	"usage: pvguestd [OPTION]...\n"
	"\n"
	"Carries out what the host asks for over the control channel, as far as the policy\n"
	"allows it. Without an option it takes the kernel module's " MODULE_PATH " or,\n"
	"where that is not, the port " PORT_PATH ".\n"
	"\n"
	"  --module PATH    the module's device\n"
	"  --port PATH      a port of the host's, without the module\n"
	"  --listen SOCKET  a unix socket that takes the part of the port, for tests\n"
	"  --front SOCKET   where another process speaks on the port, started with --speak for\n"
	"                   each connection to this socket\n"
	"  --speak          be that process: the port is standard input or --listen's, the\n"
	"                   connection is descriptor 3; see pvguestd-front@.service\n"
	"  --policy DIR     instead of " POLICY_DIR "\n"
	"  --journal SOCKET instead of " AUDIT_JOURNAL "\n"
	"  --state DIR      instead of " STATE_DIR "\n"
	"  --run DIR        instead of " RUN_DIR "\n"
	"  --version\n"
	"  --help\n";

enum {
	OPT_MODULE = 1,
	OPT_PORT,
	OPT_LISTEN,
	OPT_FRONT,
	OPT_SPEAK,
	OPT_POLICY,
	OPT_JOURNAL,
	OPT_STATE,
	OPT_RUN,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option options[] = {
	{ "module", required_argument, NULL, OPT_MODULE },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "front", required_argument, NULL, OPT_FRONT },
	{ "speak", no_argument, NULL, OPT_SPEAK },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "journal", required_argument, NULL, OPT_JOURNAL },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "run", required_argument, NULL, OPT_RUN },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 }
};

static const char *module_path;
static bool speak;

static void parse(int argc, char **argv)
{
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":", options, NULL)) > 0) {
		switch (opt) {
		case OPT_MODULE:
			module_path = optarg;
			break;
		case OPT_PORT:
			broker.port.path = optarg;
			break;
		case OPT_LISTEN:
			broker.port.listen = optarg;
			break;
		case OPT_FRONT:
			broker.port.front = optarg;
			break;
		case OPT_SPEAK:
			speak = true;
			break;
		case OPT_POLICY:
			broker.policy_dir = optarg;
			break;
		case OPT_JOURNAL:
			broker.journal = optarg;
			break;
		case OPT_STATE:
			broker.state_dir = optarg;
			break;
		case OPT_RUN:
			broker.run_dir = optarg;
			break;
		case OPT_VERSION:
			puts("pvguestd " PVG_VERSION);
			exit(0);
		case OPT_HELP:
			fputs(usage_text, stdout);
			exit(0);
		case ':':
			fprintf(stderr, "pvguestd: %s needs a value; --help tells the options\n",
				argv[optind - 1]);
			exit(2);
		default:
			fprintf(stderr, "pvguestd: unknown option '%s'; --help tells the options\n",
				argv[optind - 1]);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "pvguestd: what is '%s'? --help tells the options\n",
			argv[optind]);
		exit(2);
	}
	if (!!module_path + !!broker.port.path + !!broker.port.listen > 1) {
		fputs("pvguestd: --module, --port and --listen exclude each other\n", stderr);
		exit(2);
	}
}

/* Descriptors 0 to 2 are there, so that no other gets their numbers. */
static void open_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
}

/* A directory of root's alone; members of group pvguest get through to the values' socket. */
static int make_run_dir(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0711) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(dir, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return -ENOTDIR;
	return chmod(dir, 0711) < 0 ? -errno : 0;
}

static int fail(const char *what, int err)
{
	log_line(LOG_ERR, "%s: %s", what, strerror(-err));
	return 1;
}

/* The channel: what was asked for, or the module, or the port. */
static int open_channel(void)
{
	int err;

	if (!broker.port.path && !broker.port.listen) {
		err = module_open(&broker.channel, module_path ? module_path : MODULE_PATH);
		if (!err)
			return 0;
		if (module_path || (err != -ENOENT && err != -ENXIO && err != -ENODEV))
			return fail(module_path ? module_path : MODULE_PATH, err);
		broker.port.path = PORT_PATH;
	}
	err = port_open(&broker.port);
	if (err == -ENOENT && !broker.port.listen) {
		log_line(LOG_ERR, "no %s: the hypervisor has to supply a port of that name",
			 broker.port.path);
		return 1;
	}
	if (err)
		return fail(broker.port.listen ? broker.port.listen : broker.port.path, err);
	broker.use_port = true;
	return 0;
}

/* The process that speaks on the port, which a service manager has started. */
static int speak_on_port(void)
{
	static struct port_config config;
	int flags, broker_fd = fcntl(3, F_DUPFD_CLOEXEC, 4), err;

	config.listen = broker.port.listen;
	if (config.listen)
		err = port_open(&config);
	else
		err = (config.fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 4)) < 0 ? -errno : 0;
	if (broker_fd < 0 || err)
		return fail("--speak", err ? err : -EBADF);
	flags = fcntl(config.fd, F_GETFL);
	if ((flags & O_ACCMODE) != O_RDWR || fcntl(config.fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return fail("--speak: the port", -EBADF);
	open_standard();
	err = filter_make_front();
	if (err)
		return fail("the filter of system calls", err);
	front_run(&config, broker_fd);
}

/*
 * The buffers of all operations are beside each other and hardly used by the broker. Where
 * huge pages are had without asking, a touch of one would cost 2 MiB.
 */
static void use_small_pages(void)
{
	extern char __bss_start[], _end[];
	unsigned long page = sysconf(_SC_PAGESIZE);
	unsigned long from = ((unsigned long)__bss_start + page - 1) & ~(page - 1);
	unsigned long to = ((unsigned long)_end + page - 1) & ~(page - 1);

	if (to > from)
		madvise((void *)from, to - from, MADV_NOHUGEPAGE);
}

/*
 * Signals that are ignored are so for all that is executed from here, too: none but SIGPIPE,
 * whatever has started the daemon. The C library keeps 32 and 33 for itself.
 */
static void ignore_signals(void)
{
	/* As the kernel has them: the handler is first, all zero is SIG_DFL. */
	static const unsigned long standard[4];
	unsigned long action[4];
	int i;

	for (i = 1; i < NSIG; i++)
		if (!syscall(SYS_rt_sigaction, i, NULL, action, (NSIG - 1) / 8) &&
		    action[0] == (unsigned long)SIG_IGN)
			syscall(SYS_rt_sigaction, i, standard, NULL, (NSIG - 1) / 8);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	int err;

	use_small_pages();

	if (argc > 1 && !strcmp(argv[1], "policy"))
		return policy_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "kv"))
		return kv_main(argc - 1, argv + 1);
	broker.policy_dir = POLICY_DIR;
	broker.journal = AUDIT_JOURNAL;
	broker.state_dir = STATE_DIR;
	broker.run_dir = RUN_DIR;
	broker.port.fd = -1;
	parse(argc, argv);
	umask(077);
	ignore_signals();
	if (speak)
		return speak_on_port();
	if (geteuid()) {
		fputs("pvguestd: it has to be started by root\n", stderr);
		return 1;
	}
	open_standard();
	audit_open(broker.journal, false);
	prctl(PR_SET_DUMPABLE, 0);
	err = make_run_dir(broker.run_dir);
	if (!err)
		err = keys_open(broker.run_dir);
	if (err)
		return fail(broker.run_dir, err);
	err = filters_make();
	if (err)
		return fail("the filters of system calls", err);
	broker.kv = kv_listen(broker.run_dir);
	if (broker.kv < 0)
		log_line(LOG_ERR, "kv: %s: %s", broker.run_dir, strerror(-broker.kv));
	landlock_tell();
	err = open_channel();
	if (err)
		return err;
	return broker_run();
}
