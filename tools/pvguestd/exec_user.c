// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who the program of an exec is, and what it finds around itself: what a login would give it.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec.h"

#define ROOT_PATH	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define USER_PATH	"/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"

/* Names of a plan, and what /etc/group knows of them. */
struct wanted {
	const char *name;
	gid_t gid;
	bool found;
	bool member;
};

static void look_up(struct launch *launch, struct wanted *wanted, __u32 n)
{
	const struct request *req = launch->req;
	FILE *file = accounts_open("/etc/group");
	struct group *gr;
	__u32 i;
	int m;

	while (file && (gr = fgetgrent(file))) {
		bool member = gr->gr_gid == req->gid || !req->uid;

		for (m = 0; !member && gr->gr_mem[m]; m++)
			member = !strcmp(gr->gr_mem[m], req->user);
		for (i = 0; i < n; i++) {
			if (wanted[i].found || strcmp(wanted[i].name, gr->gr_name))
				continue;
			wanted[i].gid = gr->gr_gid;
			wanted[i].found = true;
			wanted[i].member = member;
		}
	}
	if (file)
		fclose(file);
	for (i = 0; i < n; i++) {
		if (!wanted[i].found)
			launch_fail(launch, PVC_INVALID, "exec: /etc/group has no group '%s'",
				    wanted[i].name);
		if (!wanted[i].member)
			launch_fail(launch, PVC_DENIED,
				    "exec: user %s is not in group '%s'; only root may use other groups than its own",
				    req->user, wanted[i].name);
	}
}

void launch_groups(struct launch *launch, const struct plan_head *head)
{
	const struct request *req = launch->req;
	struct wanted wanted[EXEC_GROUPS + 1];
	gid_t groups[ACCOUNT_GROUPS + EXEC_GROUPS], gid = req->gid;
	__u32 n = 0, i;
	int count = 0, err;

	if (!*head->group && !head->ngroups) {
		err = become_user(req);
		if (err)
			launch_fail(launch, PVC_FAILED, "exec: cannot become user %s: %s",
				    req->user, strerror(-err));
		return;
	}
	for (i = 0; i < head->ngroups; i++)
		wanted[n++] = (struct wanted){ .name = head->groups[i] };
	if (*head->group)
		wanted[n++] = (struct wanted){ .name = head->group };
	look_up(launch, wanted, n);
	if (*head->group)
		gid = wanted[n - 1].gid;
	if (!head->ngroups) {
		count = req->ngroups;
		memcpy(groups, req->groups, count * sizeof(*groups));
	}
	for (i = 0; i < head->ngroups; i++)
		groups[count++] = wanted[i].gid;
	if (setgroups(count, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(req->uid, req->uid, req->uid) < 0)
		launch_fail(launch, PVC_FAILED, "exec: cannot become user %s: %s", req->user,
			    strerror(errno));
}

const char *launch_getenv(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++)
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

/* LANG as the guest's owner has set it for logins; NULL: not at all. Static. */
static const char *guest_lang(void)
{
	static const char *const files[] = { "/etc/default/locale", "/etc/locale.conf" };
	static char line[256];
	const char *lang = NULL;
	size_t i;

	for (i = 0; i < 2 && !lang; i++) {
		FILE *file = fopen(files[i], "re");

		while (file && !lang && fgets(line, sizeof(line), file)) {
			if (strncmp(line, "LANG=", 5))
				continue;
			lang = line + 5 + strspn(line + 5, "\"'");
			line[lang - line + strcspn(lang, "\"'\n")] = '\0';
		}
		if (file)
			fclose(file);
	}
	return lang;
}

/* Is the variable of @entry set in @env, or again further on in its own list @rest? */
static bool overridden(const char *entry, char *const *env)
{
	size_t len = strcspn(entry, "=") + 1;

	for (; *env; env++)
		if (!strncmp(*env, entry, len))
			return true;
	return false;
}

static char *variable(const char *name, const char *value)
{
	char *entry;

	return asprintf(&entry, "%s=%s", name, value) < 0 ? NULL : entry;
}

char **launch_environment(struct launch *launch, const struct plan *plan)
{
	const struct request *req = launch->req;
	const char *lang = launch_getenv(plan->env, "LANG") ? NULL : guest_lang();
	char *base[] = {
		variable("PATH", req->uid ? USER_PATH : ROOT_PATH),
		variable("HOME", req->home),
		variable("USER", req->user),
		variable("LOGNAME", req->user),
		variable("SHELL", req->shell),
		lang ? variable("LANG", lang) : NULL,
	};
	char **env = calloc(plan->head.envc + 7, sizeof(*env));
	size_t n = 0, i;

	for (i = 0; i < sizeof(base) / sizeof(*base); i++) {
		if (!env || (!base[i] && i < 5))
			launch_fail(launch, PVC_FAILED, "exec: no memory");
		if (base[i] && !overridden(base[i], plan->env))
			env[n++] = base[i];
	}
	/* The last of several with one name counts. */
	for (i = 0; i < plan->head.envc; i++)
		if (!overridden(plan->env[i], plan->env + i + 1))
			env[n++] = plan->env[i];
	return env;
}

static bool is_safe(const char *entry)
{
	static const char *const safe[] = {
		"LANG=", "LANGUAGE=", "LC_", "TERM=", "COLORTERM=", "NO_COLOR=", "COLUMNS=",
		"LINES=",
	};
	const char *value = strchr(entry, '=');
	size_t i;

	for (i = 0; i < sizeof(safe) / sizeof(*safe); i++)
		if (!strncmp(entry, safe[i], strlen(safe[i])))
			return !strpbrk(value, "/%");
	return false;
}

const char *launch_unsafe_env(char *const *env)
{
	for (; *env; env++)
		if (!is_safe(*env))
			return *env;
	return NULL;
}
