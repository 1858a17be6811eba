// SPDX-License-Identifier: GPL-2.0-only
/* A line on the terminal that says how far a copy is. Nothing where stderr is none. */
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "files.h"

#define INTERVAL_MS	200

static struct {
	bool shown;		/* there is a terminal */
	bool line;		/* the line is there */
	__u64 begun, told;	/* ms */
	__u64 total, done;
} progress;

const char *human_size(double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	static char text[32];
	unsigned int unit = 0;

	while (bytes >= 1024 && unit < 4) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, sizeof(text), unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return text;
}

void progress_begin(bool quiet)
{
	memset(&progress, 0, sizeof(progress));
	progress.shown = !quiet && isatty(STDERR_FILENO);
	progress.begun = now_ms();
}

void progress_total(__u64 total)
{
	progress.total = total;
}

void progress_clear(void)
{
	if (!progress.line)
		return;
	fputs("\r\033[K", stderr);
	progress.line = false;
}

static unsigned int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

void progress_add(const char *name, __u64 bytes)
{
	__u64 now;
	unsigned long left;
	double rate;
	char text[128];
	int len;

	progress.done += bytes;
	if (!progress.shown)
		return;
	now = now_ms();
	if (now - progress.told < INTERVAL_MS || now - progress.begun < INTERVAL_MS)
		return;
	progress.told = now;
	rate = progress.done * 1000.0 / (now - progress.begun);
	len = snprintf(text, sizeof(text), "  %s", human_size(progress.done));
	len += snprintf(text + len, sizeof(text) - len, "  %s/s", human_size(rate));
	if (progress.total >= progress.done && rate > 0 && progress.total) {
		left = (progress.total - progress.done) / rate;
		len += snprintf(text + len, sizeof(text) - len, "  %3.0f%%  %lu:%02lu left",
				100.0 * progress.done / progress.total, left / 60, left % 60);
	}
	fprintf(stderr, "\r\033[K%.*s%s", (int)(columns() > 60u ? columns() - 50u : 10u),
		client_printable(name, strlen(name)), text);
	fflush(stderr);
	progress.line = true;
}

double progress_end(void)
{
	progress_clear();
	return (now_ms() - progress.begun) / 1000.0;
}
