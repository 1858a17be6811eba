// SPDX-License-Identifier: GPL-2.0-only
/*
 * All that the host may ask for. Each concept has an array of operations in a file of its
 * own, which ends with an empty one.
 */
#include <string.h>

#include "files.h"
#include "info_ops.h"
#include "kv.h"
#include "system.h"
#include "worker.h"

extern const struct operation exec_operations[];
extern const struct operation forward_operations[];
#ifdef PVG_TEST
extern const struct operation test_operations[];
#endif

static const struct operation *const all[] = {
	exec_operations,
	forward_operations,
#ifdef PVG_TEST
	test_operations,
#endif
	file_operations,
	info_operations,
	system_operations,
	kv_operations,
	NULL
};

const struct operation *operation_at(unsigned int i)
{
	const struct operation *const *list;
	const struct operation *operation;

	for (list = all; *list; list++)
		for (operation = *list; operation->verb; operation++)
			if (!i--)
				return operation;
	return NULL;
}

const struct operation *operation_find(__u16 service, __u16 op)
{
	const struct operation *operation;
	unsigned int i;

	for (i = 0; (operation = operation_at(i)); i++)
		if (operation->service == service && operation->op == op)
			return operation;
	return NULL;
}

const struct operation *operation_by_verb(const char *verb)
{
	const struct operation *operation;
	unsigned int i;

	for (i = 0; (operation = operation_at(i)); i++)
		if (!strcmp(operation->verb, verb))
			return operation;
	return NULL;
}
