// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks of a shutdown: programs of the guest's owner, in /etc/pvguest/hooks.d/shutdown.d. They
 * run as root, so nobody else may be able to write to them, or to a directory above. Nothing
 * that a hook does stops the shutdown.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "system.h"

#define HOOKS		"/etc/pvguest/hooks.d/shutdown.d"
#define HOOKS_MAX	64
/* All of them together: a shutdown waits no longer for hooks. */
#define HOOKS_TOTAL_MS	900000u

static const char *unsafe(const struct stat *st)
{
	if (st->st_uid)
		return "does not belong to root";
	if (st->st_mode & (S_IWGRP | S_IWOTH) && !S_ISLNK(st->st_mode))
		return "can be written to by others than root";
	return NULL;
}

static void report(struct doer *d, const char *name, pvo_HookResult result, int status, __u32 ms,
		   const char *text, size_t len)
{
	static pvo_SystemRecord rec;
	pvo_SystemHook *hook = &rec.what.hook;
	size_t name_len = strlen(name);

	memset(&rec, 0, sizeof(rec));
	rec.which_what = pvo_SystemRecord_hook_tag;
	if (name_len > sizeof(hook->name.bytes))
		name_len = sizeof(hook->name.bytes);
	memcpy(hook->name.bytes, name, name_len);
	hook->name.size = name_len;
	hook->result = result;
	hook->status = status;
	hook->ms = ms;
	if (len > sizeof(hook->text.bytes))
		len = sizeof(hook->text.bytes);
	memcpy(hook->text.bytes, text, len);
	hook->text.size = len;
	if (result != pvo_HookResult_HOOK_DONE && result != pvo_HookResult_HOOK_WOULD_RUN)
		d->failed++;
	doer_report(d, &rec);
}

static void refuse_hook(struct doer *d, const char *name, const char *why)
{
	report(d, name, pvo_HookResult_HOOK_REFUSED, 0, 0, why, strlen(why));
	log_line(4, "hook %s was not run: it %s", name, why);
}

/* The directory, if it and all above are root's; -ENOENT: there is none; -EPERM: was told. */
static int open_hooks(struct doer *d)
{
	static const char *const parts[] = { "etc", "pvguest", "hooks.d", "shutdown.d" };
	int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), next, error;
	const char *why;
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(*parts) && dir >= 0; i++) {
		next = openat(dir, parts[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		error = errno;
		close(dir);
		if (next < 0)
			return -error;
		why = fstat(next, &st) ? "cannot be looked at" : unsafe(&st);
		if (why) {
			refuse_hook(d, parts[i], why);
			close(next);
			return -EPERM;
		}
		dir = next;
	}
	return dir < 0 ? -errno : dir;
}

/* As run-parts(8) has it: what an editor or a package leaves behind is no hook. */
static int is_hook(const struct dirent *entry)
{
	const char *c = entry->d_name;

	for (; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *c))
			return 0;
	return c != entry->d_name;
}

static const char *check(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is no regular file";
	if (!(st.st_mode & S_IXUSR))
		return "is not executable";
	return unsafe(&st);
}

static void run_hook(struct doer *d, const char *name, const char *action, __u32 timeout_ms)
{
	char path[sizeof(HOOKS) + 256];
	char *argv[] = { path, (char *)action, NULL };
	struct run run = { .path = path, .argv = argv, .timeout_ms = timeout_ms };
	int ret;

	snprintf(path, sizeof(path), HOOKS "/%s", name);
	ret = run_program(&run);
	if (ret)
		refuse_hook(d, name, strerror(-ret));
	else if (run.timed_out)
		report(d, name, pvo_HookResult_HOOK_TIMED_OUT, 0, run.ms, run.tail, run.tail_len);
	else if (WIFSIGNALED(run.status))
		report(d, name, pvo_HookResult_HOOK_SIGNAL, WTERMSIG(run.status), run.ms,
		       run.tail, run.tail_len);
	else
		report(d, name, WEXITSTATUS(run.status) ? pvo_HookResult_HOOK_FAILED :
		       pvo_HookResult_HOOK_DONE, WEXITSTATUS(run.status), run.ms,
		       run.tail, run.tail_len);
}

static __u64 boot_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

void hooks_run(struct doer *d, const char *action, __u32 timeout_s, bool dry_run)
{
	__u64 end = boot_ms() + HOOKS_TOTAL_MS, now;
	struct dirent **list = NULL;
	int dir = open_hooks(d), n, i;
	const char *why;

	n = dir < 0 ? 0 : scandirat(dir, ".", &list, is_hook, alphasort);
	for (i = 0; i < n; i++) {
		now = boot_ms();
		why = i >= HOOKS_MAX ? "is one too many: 64 are allowed" :
			now >= end ? "comes too late: all hooks have 900 s" :
			check(dir, list[i]->d_name);
		if (why)
			refuse_hook(d, list[i]->d_name, why);
		else if (dry_run)
			report(d, list[i]->d_name, pvo_HookResult_HOOK_WOULD_RUN, 0, 0, "", 0);
		else
			run_hook(d, list[i]->d_name, action,
				 end - now < timeout_s * 1000ull ? end - now : timeout_s * 1000);
		free(list[i]);
	}
	free(list);
	if (dir >= 0)
		close(dir);
}
