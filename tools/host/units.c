// SPDX-License-Identifier: GPL-2.0-only
/* Quantities for people. */
#include <stdio.h>
#include <time.h>

#include "units.h"

char *bytes_text(char *to, size_t size, __u64 bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes;
	int i;

	for (i = 0; value >= 999.5 && i < 6; i++)
		value /= 1024;
	snprintf(to, size, i && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[i]);
	return to;
}

char *duration_text(char *to, size_t size, __u64 seconds)
{
	unsigned long long minutes = seconds / 60;

	if (seconds < 60)
		snprintf(to, size, "%llu s", (unsigned long long)seconds);
	else if (minutes < 1440)
		snprintf(to, size, "%llu:%02llu h", minutes / 60, minutes % 60);
	else
		snprintf(to, size, "%llu d %llu:%02llu h", minutes / 1440, minutes / 60 % 24,
			 minutes % 60);
	return to;
}

char *time_text(char *to, size_t size, __s64 seconds)
{
	time_t t = seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(to, size, "%Y-%m-%d %H:%M UTC", &tm))
		snprintf(to, size, "unknown");
	return to;
}
