// SPDX-License-Identifier: GPL-2.0-only
/*
 * See filter.h. What is not listed is EPERM; what the C library falls back from is ENOSYS.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"
#include "worker.h"
#include "../../include/uapi/pvguest/control_dev.h"

#define FILTERS_MAX	32
#define LEN_MAX		4096	/* instructions, what the kernel takes */

static struct filter {
	__u32 keep;
	struct sock_fprog prog;
} filters[FILTERS_MAX];
static unsigned int nr_filters;

/* Memory, time, waiting, and what there is a descriptor of. */
static const int base[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(pwritev),
	SCMP_SYS(splice), SCMP_SYS(tee), SCMP_SYS(sendfile), SCMP_SYS(copy_file_range),
	SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(fstat),
	SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(pipe2),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(eventfd2), SCMP_SYS(signalfd4),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(shutdown), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(getsockopt),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigpending), SCMP_SYS(sigaltstack),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday),
	SCMP_SYS(time), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getgroups),
	SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(umask),
	SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* To look at what is under /proc and /sys, or the roots of the policy. */
static const int look[] = {
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(stat),
	SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(newfstatat), SCMP_SYS(statfs),
	SCMP_SYS(fstatfs), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64),
	SCMP_SYS(getcwd), SCMP_SYS(chdir), SCMP_SYS(fchdir), SCMP_SYS(fadvise64),
};

static const int files[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(creat),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat),
	SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(chown),
	SCMP_SYS(fchown), SCMP_SYS(lchown), SCMP_SYS(fchownat), SCMP_SYS(utimensat),
	SCMP_SYS(truncate), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(syncfs), SCMP_SYS(flock),
	SCMP_SYS(getxattr), SCMP_SYS(lgetxattr), SCMP_SYS(fgetxattr), SCMP_SYS(listxattr),
	SCMP_SYS(llistxattr), SCMP_SYS(flistxattr), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr),
	SCMP_SYS(fsetxattr), SCMP_SYS(removexattr), SCMP_SYS(lremovexattr),
	SCMP_SYS(fremovexattr),
};

static const int net[] = {
	SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
};

static const int signals[] = {
	SCMP_SYS(kill), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal), SCMP_SYS(waitid),
	SCMP_SYS(wait4), SCMP_SYS(tgkill),
};

static const int processes[] = {
	SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(wait4),
	SCMP_SYS(waitid), SCMP_SYS(setpgid), SCMP_SYS(getpgid), SCMP_SYS(setsid),
	SCMP_SYS(set_tid_address), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal),
};

/* What an executed program needs before it is itself. */
static const int execute[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(mmap), SCMP_SYS(mprotect),
	SCMP_SYS(arch_prctl), SCMP_SYS(set_tid_address), SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq), SCMP_SYS(prlimit64), SCMP_SYS(getpgrp), SCMP_SYS(getsid),
};

/* The streams, and what is asked of any descriptor. */
static const unsigned long ioctls[] = {
	PVG_STREAM_REPLY, PVG_STREAM_REPLY_MORE, PVG_STREAM_RESET, PVG_STREAM_SHUTDOWN,
	PVG_STREAM_STATUS, FIONREAD, FIONBIO,
};

#define ADD(ctx, list)	add(ctx, list, sizeof(list) / sizeof(*(list)))

static int add(scmp_filter_ctx ctx, const int *list, size_t n)
{
	int err = 0;

	while (n-- && !err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, list[n], 0);
	return err;
}

static int add_ioctls(scmp_filter_ctx ctx)
{
	size_t i;
	int err = 0;

	for (i = 0; i < sizeof(ioctls) / sizeof(*ioctls) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, ioctls[i]));
	return err;
}

/* Memory that nothing can be executed from; fstat() as the C library calls it. */
static int add_restricted(scmp_filter_ctx ctx, __u32 keep)
{
	int err = 0;

	if (!(keep & KEEP_EXEC)) {
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		if (!err)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
					       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	}
	if (!err && !(keep & (KEEP_FILES | KEEP_PROC | KEEP_EXEC)))
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				       SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	return err;
}

/* Files that exist, to be read. */
static int add_open_to_read(scmp_filter_ctx ctx)
{
	const unsigned int changes = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
	int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				   SCMP_A2(SCMP_CMP_MASKED_EQ, changes, O_RDONLY));

	return err ? err : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
					    SCMP_A1(SCMP_CMP_MASKED_EQ, changes, O_RDONLY));
}

static int add_sockets(scmp_filter_ctx ctx)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };
	int i, err = 0;

	for (i = 0; i < 3 && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, families[i]));
	return err;
}

static int add_kept(scmp_filter_ctx ctx, __u32 keep)
{
	int err = 0;

	if (keep & (KEEP_FILES | KEEP_PROC | KEEP_EXEC))
		err = ADD(ctx, look);
	if (!err && keep & KEEP_PROC)
		err = add_open_to_read(ctx);
	if (!err && keep & (KEEP_FILES | KEEP_EXEC))
		err = ADD(ctx, files);
	if (!err && keep & KEEP_NET)
		err = ADD(ctx, net);
	if (!err && keep & KEEP_NET)
		err = add_sockets(ctx);
	if (!err && keep & KEEP_SIGNAL)
		err = ADD(ctx, signals);
	/* The terminal of what gets the signals. */
	if (!err && keep & KEEP_SIGNAL)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSWINSZ));
	if (!err && keep & KEEP_FORK)
		err = ADD(ctx, processes);
	if (!err && keep & KEEP_EXEC)
		err = ADD(ctx, execute);
	return err;
}

static int add_front(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
				SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
}

/* The C library tries these and does without. */
static int add_missing(scmp_filter_ctx ctx)
{
	static const int missing[] = {
		SCMP_SYS(clone3), SCMP_SYS(faccessat2), SCMP_SYS(statx), SCMP_SYS(rseq),
		SCMP_SYS(membarrier), SCMP_SYS(prlimit64),
	};
	size_t i;

	for (i = 0; i < sizeof(missing) / sizeof(*missing); i++)
		/* -EEXIST or -EACCES: it is allowed. */
		seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), missing[i], 0);
	return 0;
}

static int make(__u32 keep, int fd)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!ctx)
		return -ENOMEM;
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = ADD(ctx, base);
	if (!err)
		err = add_ioctls(ctx);
	if (!err)
		err = keep == FILTER_FRONT ? add_front(ctx) : add_kept(ctx, keep);
	if (!err)
		err = add_restricted(ctx, keep == FILTER_FRONT ? 0 : keep);
	if (!err)
		err = add_missing(ctx);
	if (!err)
		err = seccomp_export_bpf(ctx, fd);
	seccomp_release(ctx);
	return err;
}

/* In a process of its own: the filter goes to @fd. */
static void make_and_exit(__u32 keep, int fd)
{
	_exit(make(keep, fd) ? 1 : 0);
}

static int read_filter(struct filter *f, int fd)
{
	static struct sock_filter code[LEN_MAX];
	size_t size = 0;
	ssize_t n;

	while ((n = read(fd, (char *)code + size, sizeof(code) - size)) > 0)
		size += n;
	if (n < 0 || !size || size % sizeof(*code) || size == sizeof(code))
		return -EIO;
	f->prog.filter = malloc(size);
	if (!f->prog.filter)
		return -ENOMEM;
	memcpy(f->prog.filter, code, size);
	f->prog.len = size / sizeof(*code);
	return 0;
}

static struct filter *find(__u32 keep)
{
	unsigned int i;

	for (i = 0; i < nr_filters; i++)
		if (filters[i].keep == keep)
			return &filters[i];
	return NULL;
}

static int make_one(__u32 keep)
{
	int fds[2], err, status;
	pid_t pid;

	if (find(keep))
		return 0;
	if (nr_filters == FILTERS_MAX)
		return -E2BIG;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (!pid)
		make_and_exit(keep, fds[1]);
	close(fds[1]);
	err = pid < 0 ? -EAGAIN : read_filter(&filters[nr_filters], fds[0]);
	close(fds[0]);
	if (pid > 0 && (waitpid(pid, &status, 0) != pid || status) && !err)
		err = -EIO;
	if (!err)
		filters[nr_filters++].keep = keep;
	return err;
}

int filter_make_front(void)
{
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	/* A pipe has room for 64 KiB, and a filter 32 at most. */
	err = make(FILTER_FRONT, fds[1]);
	close(fds[1]);
	if (!err)
		err = read_filter(&filters[0], fds[0]);
	close(fds[0]);
	if (!err)
		filters[nr_filters++].keep = FILTER_FRONT;
	return err;
}

int filters_make(void)
{
	const struct operation *operation;
	unsigned int i;
	int err = make_one(FILTER_FRONT);

	for (i = 0; !err && (operation = operation_at(i)); i++)
		err = make_one(operation->keep & ~(KEEP_ROOT | KEEP_NOBODY));
	return err;
}

int filter_enter(__u32 keep)
{
	struct filter *f = find(keep & ~(KEEP_ROOT | KEEP_NOBODY));

	if (!f)
		return -ENOENT;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f->prog) < 0)
		return -errno;
	return 0;
}
