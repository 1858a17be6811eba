// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of disks, interfaces and devices, from one sample to the next.
 */
#include <stdio.h>
#include <string.h>

#include "top.h"

void top_lines_begin(struct top_lines *lines)
{
	unsigned int i;

	for (i = 0; i < lines->nr; i++)
		lines->line[i].seen = false;
}

struct top_line *top_lines_add(struct top_lines *lines, const char *name)
{
	struct top_line *line = lines->line;
	unsigned int i;

	for (i = 0; i < lines->nr; i++, line++) {
		if (strcmp(line->name, name))
			continue;
		memcpy(line->before, line->now, sizeof(line->before));
		line->old = true;
		line->seen = true;
		return line;
	}
	if (lines->nr == lines->max)
		return NULL;
	memset(line, 0, sizeof(*line));
	snprintf(line->name, sizeof(line->name), "%s", name);
	line->seen = true;
	lines->nr++;
	return line;
}

void top_lines_end(struct top_lines *lines)
{
	unsigned int i, n = 0;

	for (i = 0; i < lines->nr; i++)
		if (lines->line[i].seen)
			lines->line[n++] = lines->line[i];
	lines->nr = n;
}
