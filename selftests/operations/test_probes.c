// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tries what a worker may or may not do, and says for each what came of it: a line of NAME and
 * "ok" or the number of the error. The record is a directory that files may be under.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pvguestd/worker.h"
#include "test_operations.h"

static const char *dir;
static char path[4096];

static const char *below(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static long opened(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd;
}

static long open_etc(void)
{
	return opened("/etc/passwd", O_RDONLY);
}

static long open_proc(void)
{
	return opened("/proc/uptime", O_RDONLY);
}

static long open_memory(void)
{
	return opened("/proc/self/mem", O_RDWR);
}

static long read_below(void)
{
	return opened(below("there"), O_RDONLY);
}

static long write_below(void)
{
	return opened(below("made"), O_WRONLY | O_CREAT);
}

static long write_beside(void)
{
	return opened(below("../beside"), O_WRONLY | O_CREAT);
}

static long make_directory(void)
{
	return mkdir(below("directory"), 0700);
}

static long made(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd;
}

static long socket_inet(void)
{
	return made(socket(AF_INET, SOCK_STREAM, 0));
}

static long socket_unix(void)
{
	return made(socket(AF_UNIX, SOCK_STREAM, 0));
}

static long socket_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long socket_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long fork_(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}

/* A program that is not there: ENOENT is what may execute. */
static long execute(void)
{
	char *const none[] = { NULL };

	return execve("/nonexistent", none, none);
}

static long signal_own(void)
{
	return kill(getpid(), 0);
}

static long signal_parent(void)
{
	return kill(getppid(), 0);
}

static long map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long mount_(void)
{
	return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static long new_user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static long become_root(void)
{
	return setresuid(0, 0, 0);
}

static long push_input(void)
{
	return ioctl(STDERR_FILENO, TIOCSTI, "x");
}

static long peek(void)
{
	struct iovec iov = { .iov_base = path, .iov_len = 1 };

	return process_vm_readv(getppid(), &iov, 1, &iov, 1, 0);
}

#define RAW(function, number, ...)			\
static long function(void)				\
{							\
	return syscall(number, ##__VA_ARGS__);		\
}

RAW(chroot_, SYS_chroot, "/")
RAW(bpf, SYS_bpf, 0, NULL, 0)
RAW(keyctl, SYS_keyctl, 0, 0)
RAW(perf, SYS_perf_event_open, NULL, 0, -1, -1, 0)
RAW(load_module, SYS_init_module, NULL, 0, "")
RAW(kexec, SYS_kexec_load, 0, 0, NULL, ~0ul)
RAW(reboot_, SYS_reboot, 0, 0, 0, NULL)
RAW(uring, SYS_io_uring_setup, 1, NULL)
RAW(faults, SYS_userfaultfd, 0)
RAW(set_clock, SYS_clock_settime, 0, NULL)
RAW(set_name, SYS_sethostname, NULL, ~0ul)
RAW(by_handle, SYS_open_by_handle_at, -1, NULL, 0)
RAW(set_namespace, SYS_setns, -1, 0)
RAW(prctl_, SYS_prctl, 0, 0, 0, 0, 0)

static const struct {
	const char *name;
	long (*probe)(void);
} probes[] = {
	{ "open-etc", open_etc }, { "open-proc", open_proc }, { "open-memory", open_memory },
	{ "read-below", read_below }, { "write-below", write_below },
	{ "write-beside", write_beside }, { "mkdir", make_directory },
	{ "socket-inet", socket_inet }, { "socket-unix", socket_unix },
	{ "socket-packet", socket_packet }, { "socket-netlink", socket_netlink },
	{ "fork", fork_ }, { "exec", execute }, { "signal-own", signal_own },
	{ "signal-parent", signal_parent }, { "map-code", map_code }, { "ptrace", trace },
	{ "mount", mount_ }, { "new-user-namespace", new_user_namespace },
	{ "become-root", become_root }, { "tiocsti", push_input }, { "peek", peek },
	{ "chroot", chroot_ }, { "bpf", bpf }, { "keyctl", keyctl }, { "perf", perf },
	{ "load-module", load_module }, { "kexec", kexec }, { "reboot", reboot_ },
	{ "io-uring", uring }, { "userfaultfd", faults }, { "set-clock", set_clock },
	{ "set-hostname", set_name }, { "by-handle", by_handle }, { "setns", set_namespace },
	{ "prctl", prctl_ },
};

void run_probes(struct request *req)
{
	struct stream s = { .fd = req->stream, .answer = req->answer };
	static char name[4096], text[8192];
	size_t i, len = 0;

	memcpy(name, req->record, min_t(size_t, req->record_len, sizeof(name) - 1));
	dir = name;
	for (i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		errno = 0;
		if (probes[i].probe() < 0)
			len += snprintf(text + len, sizeof(text) - len, "%s %d\n",
					probes[i].name, errno);
		else
			len += snprintf(text + len, sizeof(text) - len, "%s ok\n",
					probes[i].name);
	}
	stream_write_all(&s, text, len);
	answer(req, PVC_OK, "", 0);
}
