// SPDX-License-Identifier: GPL-2.0-only
/*
 * The plan of an exec. Its writer has parsed what the host sent, so its reader believes
 * nothing: a fixed head of numbers and short names, and strings, all within bounds of the
 * reader's own.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

static void fill_limits(struct plan_head *head, const pvo_exec_run *msg)
{
	pb_size_t i;

	head->memory_max = msg->memory_max;
	head->pids_max = msg->pids_max;
	head->cpu_milli = msg->cpu_milli;
	head->nrlimits = msg->rlimits_count;
	for (i = 0; i < msg->rlimits_count; i++) {
		head->rlimits[i].resource = msg->rlimits[i].resource;
		head->rlimits[i].soft = msg->rlimits[i].soft;
		head->rlimits[i].hard = msg->rlimits[i].hard;
	}
	head->ngroups = msg->groups_count;
	memcpy(head->group, msg->group, sizeof(head->group));
	for (i = 0; i < msg->groups_count; i++)
		memcpy(head->groups[i], msg->groups[i], sizeof(head->groups[i]));
}

void plan_fill(struct plan_head *head, const struct exec_request *exec, bool stdin_data)
{
	const pvo_exec_run *msg = &exec->msg;

	memset(head, 0, sizeof(*head));
	head->magic = PLAN_MAGIC;
	head->flags = (msg->shell ? PLAN_SHELL : 0) | (msg->login ? PLAN_LOGIN : 0) |
		      (msg->tty ? PLAN_TTY : 0) | (stdin_data ? PLAN_STDIN : 0) |
		      (msg->separate ? 0 : PLAN_MERGE) | (msg->detach ? PLAN_DETACH : 0) |
		      (msg->timeout_ms || msg->kill_group ? PLAN_CGROUP : 0);
	head->argc = exec->argc;
	head->envc = exec->envc;
	head->strings_len = strlen(msg->cwd) + 1 + exec->len;
	head->umask = msg->set_umask ? msg->umask : 022;
	head->rows = msg->size.rows;
	head->columns = msg->size.columns;
	head->xpixels = msg->size.xpixels;
	head->ypixels = msg->size.ypixels;
	fill_limits(head, msg);
}

/* Letters, digits, and what else is in names of groups; or empty. Ends within EXEC_NAME. */
static bool is_name(const char *name)
{
	size_t len = strnlen(name, EXEC_NAME), i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_-.$", name[i]))
			return false;
	return len < EXEC_NAME && *name != '-';
}

static const char *wrong_names(const struct plan_head *head)
{
	__u32 i;

	if (!is_name(head->group))
		return "the group has no name";
	for (i = 0; i < head->ngroups; i++)
		if (!*head->groups[i] || !is_name(head->groups[i]))
			return "a group has no name";
	return NULL;
}

const char *plan_check(const struct plan_head *head)
{
	__u32 i;

	if (head->magic != PLAN_MAGIC || head->flags & ~PLAN_FLAGS || head->reserved)
		return "it is none";
	if (head->argc > EXEC_STRINGS || head->envc > EXEC_STRINGS ||
	    head->strings_len > EXEC_BYTES + EXEC_CWD || !head->strings_len)
		return "too many strings";
	if (head->flags & PLAN_LOGIN ? head->argc || head->flags & PLAN_SHELL :
	    !head->argc || (head->flags & PLAN_SHELL && head->argc != 1))
		return "a wrong number of arguments";
	if (head->umask > 0777 || head->ngroups > EXEC_GROUPS || head->nrlimits > EXEC_RLIMITS)
		return "a number out of range";
	for (i = 0; i < head->nrlimits; i++)
		if (head->rlimits[i].resource >= RLIM_NLIMITS || head->rlimits[i].reserved ||
		    head->rlimits[i].soft > head->rlimits[i].hard)
			return "a resource limit out of range";
	if (head->memory_max > INT64_MAX || head->pids_max > PLAN_PIDS_MAX ||
	    head->cpu_milli > 1000000)
		return "a limit out of range";
	return wrong_names(head);
}

/* @n strings at *@at into @list, which NULL ends; false: there are not as many. */
static bool split(char **at, char *end, char **list, __u32 n)
{
	__u32 i;

	for (i = 0; i < n; i++) {
		char *zero = *at < end ? memchr(*at, '\0', end - *at) : NULL;

		if (!zero)
			return false;
		list[i] = *at;
		*at = zero + 1;
	}
	list[n] = NULL;
	return true;
}

const char *plan_split(struct plan *plan, char *strings)
{
	const struct plan_head *head = &plan->head;
	char *at = strings, *end = strings + head->strings_len;
	char *cwd[2];
	__u32 i;

	plan->argv = calloc(head->argc + 1, sizeof(*plan->argv));
	plan->env = calloc(head->envc + 1, sizeof(*plan->env));
	if (!plan->argv || !plan->env)
		return "no memory";
	if (!split(&at, end, cwd, 1) || !split(&at, end, plan->argv, head->argc) ||
	    !split(&at, end, plan->env, head->envc) || at != end)
		return "the strings are not as many as it says";
	plan->cwd = cwd[0];
	if (*plan->cwd && *plan->cwd != '/')
		return "the working directory is not absolute";
	if (head->argc && !*plan->argv[0])
		return "the command is empty";
	for (i = 0; i < head->envc; i++)
		if (*plan->env[i] == '=' || !strchr(plan->env[i], '='))
			return "a variable without a name";
	return NULL;
}
