// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that pvguest's drivers have: their counters in sysfs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "top.h"

#define DEVICES	"/sys/bus/virtio/devices"

/* In this order in struct top_line; the last is no counter. */
static const char *const names[] = {
	"interrupts", "spurious", "submissions", "completions", "doorbells",
	"doorbells_suppressed", "timer_fires", "inflight",
};

#define NAMES	(sizeof(names) / sizeof(*names))

/* Lines of "name: value"; others are skipped. */
static void parse(const char *text, __u64 *value)
{
	const char *colon;
	size_t i, len;

	memset(value, 0, NAMES * sizeof(*value));
	while ((colon = strchr(text, ':'))) {
		len = colon - text;
		for (i = 0; i < NAMES; i++)
			if (strlen(names[i]) == len && !memcmp(names[i], text, len))
				value[i] = strtoull(colon + 1, NULL, 10);
		text = strchr(colon, '\n');
		if (!text++)
			break;
	}
}

static __u64 read_number(int dir, const char *path, bool *there)
{
	char text[32];

	*there = read_text_at(dir, path, text, sizeof(text)) > 0;
	return *there ? strtoull(text, NULL, 10) : 0;
}

static void set_driver(pvo_TopDevice *dev, int dir)
{
	char target[256];
	const char *name;
	ssize_t len = readlinkat(dir, "driver", target, sizeof(target) - 1);

	if (len <= 0)
		return;
	target[len] = '\0';
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	set_bytes(dev->driver, name, strlen(name));
}

static int put_device(struct top *top, const struct top_line *line, int dir)
{
	static top_record rec;
	pvo_TopDevice *dev = &rec.what.device;
	__u64 rise[NAMES];
	bool there;
	size_t i;

	for (i = 0; i < NAMES; i++)
		rise[i] = top_rise(line->now[i], line->before[i]);
	memset(&rec, 0, sizeof(rec));
	rec.which_what = pvo_TopRecord_device_tag;
	set_bytes(dev->name, line->name, strlen(line->name));
	set_driver(dev, dir);
	dev->interrupts = rise[0];
	dev->spurious = rise[1];
	dev->submissions = rise[2];
	dev->completions = rise[3];
	dev->doorbells = rise[4];
	dev->doorbells_suppressed = rise[5];
	dev->timer_fires = rise[6];
	dev->inflight = line->now[7];
	dev->balloon_actual = read_number(dir, "balloon/actual", &dev->balloon);
	dev->balloon_target = read_number(dir, "balloon/target", &there);
	return top_put(top, &rec);
}

static int take_device(struct top *top, struct top_lines *devices, const char *name, int dir)
{
	struct top_line *line;
	char text[4096];

	if (read_text_at(dir, "moderation/stats", text, sizeof(text)) <= 0)
		return 0;
	line = top_lines_add(devices, name);
	if (!line) {
		top->end.devices_left_out++;
		return 0;
	}
	parse(text, line->now);
	return line->old ? put_device(top, line, dir) : 0;
}

int top_devices(struct top *top)
{
	static struct top_line room[TOP_DEVICES_MAX];
	static struct top_lines devices = { .max = TOP_DEVICES_MAX, .line = room };
	DIR *all = opendir(DEVICES);
	const struct dirent *entry;
	int dir, ret = 0;

	top_lines_begin(&devices);
	while (all && !ret && (entry = readdir(all))) {
		if (entry->d_name[0] == '.')
			continue;
		dir = openat(dirfd(all), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			continue;
		ret = take_device(top, &devices, entry->d_name, dir);
		close(dir);
	}
	if (all)
		closedir(all);
	top_lines_end(&devices);
	return ret;
}
