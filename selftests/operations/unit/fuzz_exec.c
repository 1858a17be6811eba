// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the record of EXEC RUN, and of what the launcher makes of the supervisor's plan.
 * The first byte says which. What the decoder takes has to become a plan that the launcher
 * takes, whose strings are those of the record.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void free_plan(struct plan *plan)
{
	free(plan->argv);
	free(plan->env);
}

static void check_plan(const struct exec_request *exec)
{
	struct plan plan = { 0 };
	size_t cwd = strlen(exec->msg.cwd) + 1;
	char *strings;

	plan_fill(&plan.head, exec, true);
	if (plan_check(&plan.head)) {
		/* Of names the launcher alone knows what is one. */
		if (!*exec->msg.group && !exec->msg.groups_count)
			abort();
		return;
	}
	strings = malloc(plan.head.strings_len);
	memcpy(strings, exec->msg.cwd, cwd);
	memcpy(strings + cwd, exec->strings, exec->len);
	if (plan.head.strings_len != cwd + exec->len || plan_split(&plan, strings))
		abort();
	if (exec->argc && plan.argv[0] != strings + cwd)
		abort();
	free_plan(&plan);
	free(strings);
}

static void fuzz_record(const uint8_t *data, size_t size)
{
	struct exec_request exec;
	char text[REQUEST_TEXT_MAX] = "";
	uint8_t *record = malloc(size + 1);

	memcpy(record, data, size);
	if (exec_decode(&exec, record, size, text) == PVC_OK)
		check_plan(&exec);
	else if (!*text || !memchr(text, '\0', sizeof(text)))
		abort();
	free(exec.strings);
	free(record);
}

static void fuzz_plan(const uint8_t *data, size_t size)
{
	struct plan plan = { 0 };
	char *strings;
	uint32_t i;

	if (size < sizeof(plan.head))
		return;
	memcpy(&plan.head, data, sizeof(plan.head));
	plan.head.magic = PLAN_MAGIC;
	plan.head.strings_len = size - sizeof(plan.head);
	if (plan_check(&plan.head))
		return;
	strings = malloc(plan.head.strings_len);
	memcpy(strings, data + sizeof(plan.head), plan.head.strings_len);
	if (!plan_split(&plan, strings)) {
		/* All of it has an end. */
		for (i = 0; i < plan.head.argc; i++)
			if (plan.argv[i] + strlen(plan.argv[i]) >= strings + plan.head.strings_len)
				abort();
		for (i = 0; i < plan.head.envc; i++)
			if (!strchr(plan.env[i], '='))
				abort();
	}
	free_plan(&plan);
	free(strings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (*data & 1)
		fuzz_plan(data + 1, size - 1);
	else
		fuzz_record(data + 1, size - 1);
	return 0;
}
