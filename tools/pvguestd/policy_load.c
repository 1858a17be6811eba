// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of a policy's directory: which are read, and who may have written them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy_rules.h"

/**
 * struct loader - a directory being read
 * @policy: where its rules go
 * @dir: its name
 * @dirfd: it, open
 * @report: see policy_read(); NULL: nobody wants to know
 * @priv: see policy_read()
 */
struct loader {
	struct policy *policy;
	const char *dir;
	int dirfd;
	void (*report)(void *priv, const char *text);
	void *priv;
};

/* What the parser says, which knows no directory. */
static void report(void *priv, const char *what)
{
	struct loader *l = priv;
	char text[POLICY_TEXT_MAX];
	int len;

	len = snprintf(text, sizeof(text), "%s/%s", l->dir, what);
	if (len >= (int)sizeof(text))
		snprintf(text, sizeof(text), ".../%s", what);
	l->policy->closed = true;
	if (!l->policy->error[0])
		snprintf(l->policy->error, sizeof(l->policy->error), "%s", text);
	if (l->report)
		l->report(l->priv, text);
}

static void __attribute__((format(printf, 2, 3)))
wrong(struct loader *l, const char *format, ...)
{
	char what[POLICY_TEXT_MAX / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	report(l, what);
}

/* Only root may have written it. */
static const char *distrusted(const struct stat *st)
{
	if (st->st_uid)
		return "its owner is not root";
	if (st->st_mode & 022)
		return "its group or others may write to it";
	return NULL;
}

static bool same_time(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
		a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* All of the file into @text of POLICY_FILE_MAX + 1 bytes; NULL or what is wrong. */
static const char *read_all(int fd, char *text, size_t *len)
{
	struct stat before, after;
	const char *bad;
	ssize_t n;

	if (fstat(fd, &before))
		return strerror(errno);
	if (!S_ISREG(before.st_mode))
		return "it is not a regular file";
	bad = distrusted(&before);
	if (bad)
		return bad;
	*len = 0;
	do {
		n = read(fd, text + *len, POLICY_FILE_MAX + 1 - *len);
		if (n < 0)
			return strerror(errno);
		*len += n;
	} while (n && *len <= POLICY_FILE_MAX);
	if (*len > POLICY_FILE_MAX)
		return "it is larger than 65536 bytes";
	/* Half of one and half of another file is no policy. */
	if (fstat(fd, &after) || !same_time(&before, &after) || *len != (size_t)after.st_size)
		return "it changed while it was read";
	return NULL;
}

static void load_file(struct loader *l, const char *name)
{
	static const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	const char *bad = "out of memory";
	char *text;
	size_t len = 0;
	int fd;

	fd = syscall(SYS_openat2, l->dirfd, name, &how, sizeof(how));
	if (fd < 0) {
		wrong(l, "%s: %s", name, errno == EXDEV ? "it leads out of the directory" :
		      errno == ELOOP ? "it is a symbolic link that leads nowhere" :
		      strerror(errno));
		return;
	}
	text = malloc(POLICY_FILE_MAX + 1);
	if (text)
		bad = read_all(fd, text, &len);
	close(fd);
	if (bad)
		wrong(l, "%s: %s", name, bad);
	else
		policy_parse(l->policy, name, text, len, report, l);
	free(text);
}

/* Files whose names do not end in ".conf", or begin with ".", are none of the policy's. */
static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && !strcmp(entry->d_name + len - 5, ".conf");
}

static bool good_name(const char *name)
{
	return strlen(name) <= POLICY_NAME_MAX + 5 &&
		!name[strspn(name, POLICY_NAME_BYTES)];
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_files(struct loader *l)
{
	struct dirent **entries;
	int nr, i;

	nr = scandirat(l->dirfd, ".", &entries, is_conf, by_name);
	if (nr < 0) {
		wrong(l, ".: %s", strerror(errno));
		return;
	}
	if (nr > POLICY_FILES_MAX)
		wrong(l, ".: more than %d files", POLICY_FILES_MAX);
	for (i = 0; i < nr; i++) {
		if (!good_name(entries[i]->d_name))
			wrong(l, ".: a file's name is not of letters, digits and '._-', up to %d",
			      POLICY_NAME_MAX + 5);
		else if (i < POLICY_FILES_MAX)
			load_file(l, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static void load_dir(struct loader *l)
{
	const char *bad;
	struct stat st;

	l->dirfd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (l->dirfd < 0) {
		/* Even so a link that leads nowhere is wrong. */
		if (errno != ENOENT)
			wrong(l, ".: %s", strerror(errno));
		return;
	}
	bad = fstat(l->dirfd, &st) ? strerror(errno) : distrusted(&st);
	if (bad)
		wrong(l, ".: %s", bad);
	else
		load_files(l);
	close(l->dirfd);
}

struct policy *policy_closed(void)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	static struct policy none = {
		.closed = true,
		.error = "out of memory",
	};

	if (!policy)
		return &none;
	policy->last = &policy->rules;
	return policy;
}

struct policy *policy_read(const char *dir, void (*report_to)(void *priv, const char *text),
			   void *priv)
{
	struct loader l = {
		.policy = policy_closed(),
		.dir = dir,
		.report = report_to,
		.priv = priv,
	};

	if (l.policy->last)
		load_dir(&l);
	return l.policy;
}

struct policy *policy_load(const char *dir, char *error, size_t size)
{
	struct policy *policy = policy_read(dir, NULL, NULL);

	snprintf(error, size, "%s", policy->error);
	return policy;
}

static void free_list(struct entry *entry)
{
	struct entry *next;

	for (; entry; entry = next) {
		next = entry->next;
		free(entry);
	}
}

void policy_free(struct policy *policy)
{
	struct rule *rule, *next;
	enum list_id i;

	if (!policy || !policy->last)
		return;
	for (rule = policy->rules; rule; rule = next) {
		next = rule->next;
		for (i = 0; i < LIST_NR; i++)
			free_list(rule->list[i]);
		free(rule);
	}
	free(policy);
}
