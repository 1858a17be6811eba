// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the process of the key-value store begins, see kv.h.
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "kv.h"
#include "kv_serve.h"
#include "sandbox.h"
#include "worker.h"

#define NOBODY	65534

/* Of /etc/passwd and /etc/group alone: what else NSS knows runs code in a root process. */
static bool find_user(const char *name, struct kv_ids *ids)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *pw = NULL;

	while (file && (pw = fgetpwent(file)))
		if (!strcmp(pw->pw_name, name))
			break;
	if (pw) {
		ids->uid = pw->pw_uid;
		ids->gid = pw->pw_gid;
	}
	if (file)
		fclose(file);
	return pw;
}

static gid_t find_group(const char *name)
{
	FILE *file = fopen("/etc/group", "re");
	struct group *gr = NULL;
	gid_t gid = -1;

	while (file && (gr = fgetgrent(file)))
		if (!strcmp(gr->gr_name, name))
			break;
	if (gr)
		gid = gr->gr_gid;
	if (file)
		fclose(file);
	return gid;
}

struct kv_ids kv_ids(void)
{
	struct kv_ids ids = { .uid = NOBODY, .gid = NOBODY, .readers = find_group(KV_GROUP) };

	find_user(KV_USER, &ids);
	return ids;
}

int kv_give(int fd, uid_t uid, gid_t gid)
{
	static const char *const names[] = { "values", "values.old" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (fchownat(fd, names[i], uid, gid, AT_SYMLINK_NOFOLLOW) && errno != ENOENT)
			return -errno;
	return fchown(fd, uid, gid) ? -errno : 0;
}

/* What kv_serve.c and kv_file.c use, and nothing by which another file could be named. */
static int filter_calls(void)
{
	static const int calls[] = {
		SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(fsync),
		SCMP_SYS(openat), SCMP_SYS(unlinkat), SCMP_SYS(linkat), SCMP_SYS(renameat),
		SCMP_SYS(renameat2), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(accept4),
		SCMP_SYS(getsockopt), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(brk),
		SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
		SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
		SCMP_SYS(getpid), SCMP_SYS(futex), SCMP_SYS(restart_syscall),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group), SCMP_SYS(newfstatat),
		SCMP_SYS(fstat), SCMP_SYS(getrandom),
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = filter ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(*calls) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (!err)
		err = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return err;
}

int kv_confine(const struct kv_ids *ids, pid_t parent)
{
	int err;

	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_BOUNDS))
		return -EPERM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || setgroups(0, NULL) ||
	    setresgid(ids->gid, ids->gid, ids->gid) || setresuid(ids->uid, ids->uid, ids->uid))
		return -errno;
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	/* A change of the user forgets these. A daemon that is gone has no use for the process. */
	if (prctl(PR_SET_DUMPABLE, 0))
		return -errno;
	err = end_with(parent);
	return err ? err : filter_calls();
}

int kv_listen(const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	gid_t group = find_group(KV_GROUP);
	int fd, err;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/" KV_SOCKET, run_dir) >=
	    (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(address.sun_path);
	/* The umask leaves it to root. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64) ||
	    (group != (gid_t)-1 && (chown(address.sun_path, 0, group) ||
				    chmod(address.sun_path, 0660)))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

pid_t kv_start(int listener, const char *state_dir)
{
	pid_t parent = getpid(), pid = fork();
	sigset_t none;
	int err, fd;

	if (!pid) {
		sandbox_close(&listener, 1);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		kv_serve(listener, state_dir, parent);
	}
	if (pid > 0)
		return pid;
	err = -errno;
	/* Otherwise the broker would be told of the same connection at once. */
	fd = accept(listener, NULL, NULL);
	if (fd >= 0)
		close(fd);
	return err;
}
