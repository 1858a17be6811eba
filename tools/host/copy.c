// SPDX-License-Identifier: GPL-2.0-only
/* What put, get and sync have in common. */
#include <stdio.h>
#include <sys/stat.h>

#include "files.h"

#define ATTEMPTS	20	/* sessions that were lost in turn with nothing having come over */

bool copy_again(unsigned int *attempts, bool moved)
{
	if (moved)
		*attempts = 0;
	return ++*attempts < ATTEMPTS;
}

mode_t copy_umask(void)
{
	static mode_t mask;
	static bool known;

	if (!known)
		mask = umask(0);
	known = true;
	return mask;
}

int copy_report(struct client *c, const struct copy_options *opt,
		const pvo_file_summary *summary, double seconds)
{
	if (client_json(c)) {
		cJSON *object = cJSON_CreateObject();

		cJSON_AddNumberToObject(object, "files", summary->files);
		cJSON_AddNumberToObject(object, "directories", summary->directories);
		cJSON_AddNumberToObject(object, "bytes", summary->bytes);
		cJSON_AddNumberToObject(object, "removed", summary->removed);
		cJSON_AddNumberToObject(object, "errors", summary->errors);
		cJSON_AddNumberToObject(object, "seconds", seconds);
		print_json(object);
	} else if (!opt->quiet) {
		printf("%llu file%s, %s", (unsigned long long)summary->files,
		       summary->files == 1 ? "" : "s", human_size(summary->bytes));
		if (summary->removed)
			printf(", %llu removed", (unsigned long long)summary->removed);
		printf(", %.2f s", seconds);
		if (seconds > 0)
			printf(", %s/s", human_size(summary->bytes / seconds));
		putchar('\n');
	}
	return summary->errors ? FAILED : DONE;
}
