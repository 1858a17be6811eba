// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launcher: a process that was root's, gets a plan, and becomes the program of it. It acts
 * on the plan's head as root (cgroup, groups), reads the strings as the user, and asks the
 * policy itself, since what has parsed the host's record is not to be believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit.h"
#include "exec.h"
#include "policy.h"

void launch_fail(struct launch *launch, __u32 status, const char *format, ...)
{
	struct board *board = launch->board;
	va_list args;

	va_start(args, format);
	vsnprintf(board->text, sizeof(board->text), format, args);
	va_end(args);
	board->status = status;
	atomic_store(&board->state, BOARD_FAILED);
	_exit(1);
}

/* 0 to 2 are the program's from now on, no others, and the log is out of reach. */
static void give_descriptors(struct launch *launch)
{
	dup2(launch->in, STDIN_FILENO);
	dup2(launch->out, STDOUT_FILENO);
	dup2(launch->err, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

/* A program inherits what is ignored and blocked; see main.c: that is this one signal. */
static void reset_signals(void)
{
	signal(SIGPIPE, SIG_DFL);
}

static void read_control(struct launch *launch, void *buf, size_t len)
{
	char *at = buf;

	while (len) {
		ssize_t n = read(launch->control, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1);	/* the supervisor has refused the request */
		at += n;
		len -= n;
	}
}

/* The daemon may be protected from the kernel's OOM killer; what it starts is not. */
static void reset_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char was[16];
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, was, sizeof(was) - 1);
	if (n > 0 && strncmp(was, "0\n", 2))
		n = write(fd, "0", 1);
	close(fd);
}

static void read_strings(struct launch *launch, struct plan *plan)
{
	char *strings = malloc(plan->head.strings_len);
	const char *wrong;

	if (!strings)
		launch_fail(launch, PVC_FAILED, "exec: no memory");
	read_control(launch, strings, plan->head.strings_len);
	wrong = plan_split(plan, strings);
	if (wrong)
		launch_fail(launch, PVC_INVALID, "exec: the plan is wrong: %s", wrong);
}

/* The terminal becomes that of this session, and stdin, stdout and stderr. */
static int open_terminal(struct launch *launch, const struct plan_head *head)
{
	struct winsize size = {
		.ws_row = head->rows, .ws_col = head->columns,
		.ws_xpixel = head->xpixels, .ws_ypixel = head->ypixels,
	};
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1, unlock = 0;

	if (master >= 0 && !ioctl(master, TIOCSPTLCK, &unlock))
		slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		launch_fail(launch, PVC_FAILED, "exec: the guest gives no terminal: %s",
			    strerror(errno));
	if (head->rows || head->columns)
		ioctl(master, TIOCSWINSZ, &size);
	launch->in = slave;
	launch->out = slave;
	launch->err = slave;
	return master;
}

static void pass_on(struct launch *launch, int master, int cgroup)
{
	char which = (master >= 0 ? LAUNCH_FD_TTY : 0) | (cgroup >= 0 ? LAUNCH_FD_CGROUP : 0);
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = &which, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[2], n = 0;

	if (master >= 0)
		fds[n++] = master;
	if (cgroup >= 0)
		fds[n++] = cgroup;
	if (n) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
	}
	if (sendmsg(launch->control, &msg, MSG_NOSIGNAL) < 0)
		_exit(1);
	if (master >= 0)
		close(master);
	if (cgroup >= 0)
		close(cgroup);
}

static void no_stdin(struct launch *launch)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		launch_fail(launch, PVC_FAILED, "exec: /dev/null: %s", strerror(errno));
	launch->in = fd;
}

static void enter_directory(struct launch *launch, const struct plan *plan)
{
	if (*plan->cwd) {
		if (chdir(plan->cwd) < 0)
			launch_fail(launch, PVC_FAILED,
				    "exec: the working directory %s cannot be entered: %s",
				    plan->cwd, strerror(errno));
	} else if (chdir(launch->req->home) < 0 && chdir("/") < 0) {
		launch_fail(launch, PVC_FAILED, "exec: /: %s", strerror(errno));
	}
}

/* The user's shell with its arguments, where the plan says so; the name to look for. */
static const char *shell_arguments(struct launch *launch, struct plan *plan)
{
	const char *shell = launch->req->shell;
	const char *slash = strrchr(shell, '/');
	const char *base = slash ? slash + 1 : shell;
	char **argv;

	if (!(plan->head.flags & (PLAN_SHELL | PLAN_LOGIN)))
		return plan->argv[0];
	argv = calloc(4, sizeof(*argv));
	if (!argv || *shell != '/')
		launch_fail(launch, PVC_FAILED, "exec: user %s has no shell", launch->req->user);
	if (plan->head.flags & PLAN_LOGIN) {
		if (asprintf(&argv[0], "-%s", base) < 0)
			launch_fail(launch, PVC_FAILED, "exec: no memory");
	} else {
		argv[0] = (char *)base;
		argv[1] = "-c";
		argv[2] = plan->argv[0];
	}
	plan->argv = argv;
	return shell;
}

/* Whoever may run a shell may set any variable: there is no harm that it could add. */
static void check_environment(struct launch *launch, const struct plan *plan)
{
	const struct request *req = launch->req;
	const char *unsafe = launch_unsafe_env(plan->env);
	char *argv[] = { "sh", NULL };
	struct program shell = { .path = "" };
	struct verdict verdict = { .allowed = false };
	size_t len = unsafe ? strcspn(unsafe, "=") : 0;

	if (!unsafe)
		return;
	if (!program_find(&shell, "/bin/sh", NULL)) {
		policy_command(req->policy, req->principal, req->user, shell.path, argv,
			       &verdict);
		close(shell.dir);
	}
	if (verdict.allowed)
		return;
	snprintf(verdict.text, sizeof(verdict.text),
		 "the policy allows no %.64s, and so of variables only LANG, LC_*, TERM, COLORTERM, NO_COLOR, COLUMNS and LINES, without '/' and '%%'",
		 *shell.path ? shell.path : "/bin/sh");
	audit_verdict(req, &verdict, unsafe, len);
	launch_fail(launch, PVC_DENIED, "exec: %.*s may not be set: %s",
		    (int)min_t(size_t, 64, len), unsafe, verdict.text);
}

/* The arguments in one piece, each with its zero byte. */
static void write_audit(struct launch *launch, const struct plan *plan,
			const struct verdict *verdict)
{
	size_t len = 0, n;
	char *text, *const *arg;

	for (arg = plan->argv; *arg; arg++)
		len += strlen(*arg) + 1;
	text = malloc(len + 1);
	if (!text)
		launch_fail(launch, PVC_FAILED, "exec: no memory");
	for (len = 0, arg = plan->argv; *arg; arg++, len += n) {
		n = strlen(*arg) + 1;
		memcpy(text + len, *arg, n);
	}
	audit_verdict(launch->req, verdict, text, len);
	free(text);
}

static void ask_policy(struct launch *launch, const struct plan *plan,
		       const struct program *program)
{
	const struct request *req = launch->req;
	struct verdict verdict;

	policy_command(req->policy, req->principal, req->user, program->path, plan->argv,
		       &verdict);
	write_audit(launch, plan, &verdict);
	if (!verdict.allowed)
		launch_fail(launch, PVC_DENIED, "exec: %s", verdict.text);
	check_environment(launch, plan);
}

static void set_limits(struct launch *launch, const struct plan_head *head)
{
	__u32 i;

	for (i = 0; i < head->nrlimits; i++) {
		struct rlimit limit = {
			.rlim_cur = head->rlimits[i].soft, .rlim_max = head->rlimits[i].hard,
		};

		if (setrlimit(head->rlimits[i].resource, &limit) < 0)
			launch_fail(launch, errno == EPERM ? PVC_DENIED : PVC_FAILED,
				    "exec: resource limit %u cannot be set: %s%s",
				    head->rlimits[i].resource, strerror(errno),
				    errno == EPERM ? ": only root may raise one" : "");
	}
}

/* Only comes back if the program cannot be executed. */
static void execute(struct launch *launch, const struct plan *plan,
		    const struct program *program, char **env)
{
	int err;

	give_descriptors(launch);
	atomic_store(&launch->board->state, BOARD_EXECUTING);
	syscall(SYS_execveat, program->dir, program->name, plan->argv, env,
		AT_SYMLINK_NOFOLLOW);
	err = errno;
	/*
	 * An interpreter could not open the script in a directory that it does not have; and a
	 * path without links is as good, see exec_path.c.
	 */
	if (err == ENOENT) {
		execve(program->path, plan->argv, env);
		err = errno;
	}
	if (err == E2BIG)
		launch_fail(launch, PVC_INVALID,
			    "exec: the guest's kernel takes no argument list that long");
	launch_fail(launch, PVC_UNSUPPORTED, "exec: %s cannot be executed: %s%s", program->path,
		    strerror(err), err == ENOEXEC ?
		    ": neither a program nor a script that begins with #!" : "");
}

/* As the user. */
static void launch_program(struct launch *launch, struct plan *plan)
{
	struct program program;
	const char *name;
	char **env;
	int err;

	enter_directory(launch, plan);
	name = shell_arguments(launch, plan);
	env = launch_environment(launch, plan);
	err = program_find(&program, name, launch_getenv(env, "PATH"));
	if (err == -ENOENT || err == -ENOTDIR)
		launch_fail(launch, PVC_NOT_FOUND, "exec: there is no command '%.256s'", name);
	if (err)
		launch_fail(launch, PVC_DENIED, "exec: '%.256s' cannot be executed: %s", name,
			    strerror(-err));
	ask_policy(launch, plan, &program);
	umask(plan->head.umask);
	set_limits(launch, &plan->head);
	execute(launch, plan, &program, env);
}

/* The policy's limit of processes holds, whatever the plan has. */
static void limit_processes(struct launch *launch, struct plan_head *head)
{
	const struct request *req = launch->req;
	unsigned long most = policy_limit(req->policy, req->principal, "processes");

	if (!most)
		launch_fail(launch, PVC_DENIED,
			    "exec: the policy lets a job of '%s' have no process",
			    req->principal);
	/* The kernel takes no more than this, and that is as many as there can be. */
	if (most <= PLAN_PIDS_MAX && (!head->pids_max || head->pids_max > most))
		head->pids_max = most;
}

void launcher_run(struct launch *launch)
{
	static struct plan plan;
	int master = -1, cgroup = -1;
	const char *wrong;

	setsid();
	reset_signals();
	read_control(launch, &plan.head, sizeof(plan.head));
	wrong = plan_check(&plan.head);
	if (wrong)
		launch_fail(launch, PVC_INVALID, "exec: the plan is wrong: %s", wrong);
	reset_oom();
	limit_processes(launch, &plan.head);
	if (plan.head.memory_max || plan.head.pids_max || plan.head.cpu_milli ||
	    plan.head.flags & PLAN_CGROUP)
		cgroup = launch_cgroup(launch, &plan.head);
	launch_groups(launch, &plan.head);
	/* What nobody watches and no host hears of any more does not go on. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != launch->supervisor)
		_exit(1);
	read_strings(launch, &plan);
	if (plan.head.flags & PLAN_TTY)
		master = open_terminal(launch, &plan.head);
	else if (!(plan.head.flags & PLAN_STDIN))
		no_stdin(launch);
	if (plan.head.flags & PLAN_MERGE)
		launch->err = launch->out;
	if (plan.head.flags & (PLAN_TTY | PLAN_CGROUP) || cgroup >= 0)
		pass_on(launch, master, cgroup);
	launch_program(launch, &plan);
	_exit(1);
}
