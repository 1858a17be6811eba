// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the system is, who uses it, and how much of CPU and memory there is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>

#include "info.h"

static void put_user(info_record *rec, const struct utmpx *ut)
{
	pvo_InfoUser *user = &rec->what.user;

	memset(rec, 0, sizeof(*rec));
	rec->which_what = pvo_InfoRecord_user_tag;
	set_bytes(user->name, ut->ut_user, strnlen(ut->ut_user, sizeof(ut->ut_user)));
	set_bytes(user->line, ut->ut_line, strnlen(ut->ut_line, sizeof(ut->ut_line)));
	set_bytes(user->host, ut->ut_host, strnlen(ut->ut_host, sizeof(ut->ut_host)));
	user->since = ut->ut_tv.tv_sec;
	user->pid = ut->ut_pid;
}

int users_collect(struct info_table *t, int utmp)
{
	static info_record rec;
	struct utmpx ut;
	off_t at = 0;
	__u32 n = 0;
	int ret = 0;

	table_begin(t, pvo_InfoSection_INFO_USERS);
	while (!ret && utmp >= 0 && at < (off_t)sizeof(ut) * 65536 &&
	       pread(utmp, &ut, sizeof(ut), at) == (ssize_t)sizeof(ut)) {
		at += sizeof(ut);
		if (ut.ut_type != USER_PROCESS || !ut.ut_user[0])
			continue;
		if (n++ >= INFO_USERS_MAX) {
			table_left_out(t, pvo_InfoSection_INFO_USERS);
			continue;
		}
		put_user(&rec, &ut);
		ret = table_put(t, pvo_InfoSection_INFO_USERS, &rec);
	}
	return ret ? ret : table_end(t, pvo_InfoSection_INFO_USERS);
}

/* Values of which there is one are no round: they do not go. */
int host_collect(struct info_table *t)
{
	info_record rec = { .which_what = pvo_InfoRecord_host_tag };
	char name[128];

	if (gethostname(name, sizeof(name)))
		return 0;
	name[sizeof(name) - 1] = '\0';
	set_bytes(rec.what.host.name, name, strlen(name));
	return table_put(t, pvo_InfoSection_INFO_OS, &rec);
}

/* tzset() looks at the file only when it has another name than before. */
static void load_zone(void)
{
	static unsigned int turn;

	setenv("TZ", turn++ % 2 ? ":/etc//localtime" : ":/etc/localtime", 1);
	tzset();
}

int zone_collect(struct info_table *t)
{
	info_record rec = { .which_what = pvo_InfoRecord_zone_tag };
	char target[256];
	const char *name;
	ssize_t len = readlink("/etc/localtime", target, sizeof(target) - 1);
	time_t now = time(NULL);
	struct tm tm;

	if (len > 0) {
		target[len] = '\0';
		name = strstr(target, "zoneinfo/");
		if (name) {
			name += strlen("zoneinfo/");
			set_bytes(rec.what.zone.name, name, strlen(name));
		}
	}
	load_zone();
	if (localtime_r(&now, &tm))
		rec.what.zone.offset = tm.tm_gmtoff;
	return table_put(t, pvo_InfoSection_INFO_OS, &rec);
}

/* The value of NAME=VALUE or NAME="VALUE" in os-release(5); its length, 0: there is none. */
static size_t release_value(const char *text, const char *name, char *value, size_t size)
{
	const char *line = text;
	size_t n = strlen(name), len = 0;
	char quote;

	while (strncmp(line, name, n) || line[n] != '=') {
		line = strchr(line, '\n');
		if (!line++)
			return 0;
	}
	line += n + 1;
	quote = *line == '"' || *line == '\'' ? *line++ : '\n';
	for (; *line && *line != quote && *line != '\n' && len < size; line++) {
		if (quote == '"' && *line == '\\' && line[1] && line[1] != '\n')
			line++;
		value[len++] = *line;
	}
	return len;
}

#define set_release(field, text, name) \
	((field).size = release_value(text, name, (char *)(field).bytes, sizeof((field).bytes)))

static void set_boot_id(pvo_InfoOs *os)
{
	char text[64];
	const char *p = text;
	unsigned int byte, i;
	int n;

	if (read_text("/proc/sys/kernel/random/boot_id", text, sizeof(text)) < 36)
		return;
	for (i = 0; i < 16; i++, p += n) {
		p += *p == '-';
		if (sscanf(p, "%2x%n", &byte, &n) != 1)
			return;
		os->boot_id.bytes[i] = byte;
	}
	os->boot_id.size = 16;
}

static __u64 clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* @to has room for @size bytes. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

int os_collect(struct info_table *t, const char *os_release)
{
	static info_record rec;
	pvo_InfoOs *os = &rec.what.os;
	struct utsname uts;

	memset(&rec, 0, sizeof(rec));
	rec.which_what = pvo_InfoRecord_os_tag;
	if (!uname(&uts)) {
		copy_text(os->release, sizeof(os->release), uts.release);
		copy_text(os->build, sizeof(os->build), uts.version);
		copy_text(os->machine, sizeof(os->machine), uts.machine);
	}
	set_release(os->id, os_release, "ID");
	set_release(os->version, os_release, "VERSION_ID");
	set_release(os->name, os_release, "PRETTY_NAME");
	set_boot_id(os);
	os->uptime_ms = clock_ns(CLOCK_BOOTTIME) / 1000000;
	os->realtime_ns = clock_ns(CLOCK_REALTIME);
	return table_put(t, pvo_InfoSection_INFO_OS, &rec);
}

__u64 meminfo_bytes(const char *text, const char *name)
{
	size_t n = strlen(name);
	const char *line = text;

	while (strncmp(line, name, n) || line[n] != ':') {
		line = strchr(line, '\n');
		if (!line++)
			return 0;
	}
	return strtoull(line + n + 1, NULL, 10) * 1024;
}

/* "0.10 0.05 0.01 1/123 4567" */
static void set_load(pvo_InfoLoad *load)
{
	unsigned int whole[3], part[3], running, tasks;
	char text[128];

	if (read_text("/proc/loadavg", text, sizeof(text)) <= 0 ||
	    sscanf(text, "%u.%2u %u.%2u %u.%2u %u/%u", &whole[0], &part[0], &whole[1], &part[1],
		   &whole[2], &part[2], &running, &tasks) != 8)
		return;
	load->load1 = whole[0] * 100 + part[0];
	load->load5 = whole[1] * 100 + part[1];
	load->load15 = whole[2] * 100 + part[2];
	load->running = running;
	load->tasks = tasks;
}

int load_collect(struct info_table *t)
{
	info_record rec = { .which_what = pvo_InfoRecord_load_tag };
	pvo_InfoLoad *load = &rec.what.load;
	char text[8192];

	if (read_text("/proc/meminfo", text, sizeof(text)) > 0) {
		load->memory = meminfo_bytes(text, "MemTotal");
		load->memory_available = meminfo_bytes(text, "MemAvailable");
		load->swap = meminfo_bytes(text, "SwapTotal");
		load->swap_free = meminfo_bytes(text, "SwapFree");
	}
	load->cpus = get_nprocs();
	load->cpus_present = get_nprocs_conf();
	set_load(load);
	return table_put(t, pvo_InfoSection_INFO_LOAD, &rec);
}
