// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost: what it prints. Everything is an object of named values: one line of
 * JSON with --json, otherwise a line for each value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pvhost.h"

static const char *pick(const char *const *names, __u32 nr, __u32 i)
{
	return i < nr && names[i] ? names[i] : "unknown";
}

const char *lease_name(__u32 state)
{
	static const char *const names[] = {
		[PVC_LEASE_NONE] = "none",
		[PVC_LEASE_FREEZING] = "freezing",
		[PVC_LEASE_FROZEN] = "frozen",
		[PVC_LEASE_THAWING] = "thawing",
	};

	return pick(names, sizeof(names) / sizeof(*names), state);
}

const char *lease_end_name(__u32 end)
{
	static const char *const names[] = {
		[PVC_LEASE_END_NONE] = "none",
		[PVC_LEASE_END_THAW] = "thaw",
		[PVC_LEASE_END_EXPIRED] = "expired",
		[PVC_LEASE_END_OWNER] = "owner-gone",
		[PVC_LEASE_END_SESSION] = "session-lost",
		[PVC_LEASE_END_FAILED] = "failed",
		[PVC_LEASE_END_RELEASED] = "released",
		[PVC_LEASE_END_POWER] = "shutdown",
	};

	return pick(names, sizeof(names) / sizeof(*names), end);
}

const char *notice_name(__u32 kind)
{
	static const char *const names[] = {
		[PVC_NOTICE_POWEROFF] = "poweroff",
		[PVC_NOTICE_REBOOT] = "reboot",
		[PVC_NOTICE_HALT] = "halt",
		[PVC_NOTICE_PANIC] = "panic",
		[PVC_NOTICE_SUSPEND] = "suspend",
		[PVC_NOTICE_THAWED] = "thawed",
	};

	return pick(names, sizeof(names) / sizeof(*names), kind);
}

static void check(const void *item)
{
	if (item)
		return;
	fprintf(stderr, "pvhost: out of memory\n");
	exit(FAILED);
}

/* cJSON's numbers are doubles, which are too short for nanoseconds. */
void add_int(cJSON *object, const char *name, __s64 value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	check(cJSON_AddRawToObject(object, name, text));
}

void add_hundredths(cJSON *object, const char *name, __u32 value)
{
	char text[32];

	snprintf(text, sizeof(text), "%u.%02u", value / 100, value % 100);
	check(cJSON_AddRawToObject(object, name, text));
}

void add_text(cJSON *object, const char *name, const char *value)
{
	check(cJSON_AddStringToObject(object, name, value));
}

void add_bool(cJSON *object, const char *name, bool value)
{
	check(cJSON_AddBoolToObject(object, name, value));
}

/* A boot id, as 32 hexadecimal digits. */
void add_bytes(cJSON *object, const char *name, const __u8 *bytes, __u32 len)
{
	char text[65];
	__u32 i;

	for (i = 0; i < len && i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[2 * i] = '\0';
	add_text(object, name, text);
}

/* Text from the guest, in a field filled up with zero bytes. */
void add_field(cJSON *object, const char *name, const __u8 *text, __u32 size)
{
	char copy[129];
	__u32 i;

	for (i = 0; i < size && i < sizeof(copy) - 1 && text[i]; i++)
		copy[i] = text[i] < ' ' || text[i] > '~' ? '?' : (char)text[i];
	copy[i] = '\0';
	add_text(object, name, copy);
}

void add_beat_flags(cJSON *object, __u32 flags)
{
	add_bool(object, "daemon", flags & PVC_BEAT_DAEMON);
	add_bool(object, "frozen", flags & PVC_BEAT_FROZEN);
	add_bool(object, "time_wanted", flags & PVC_BEAT_TIME_WANTED);
	add_bool(object, "restored", flags & PVC_BEAT_RESTORED);
	add_bool(object, "stopping", flags & PVC_BEAT_STOPPING);
}

/* As nanoseconds, and for people. */
void add_realtime(cJSON *object, __u64 ns)
{
	time_t seconds = ns / 1000000000;
	char text[64] = "unknown";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	add_text(object, "time", text);
	add_int(object, "time_ns", ns);
}

static void print_line(const cJSON *item)
{
	if (cJSON_IsString(item) || cJSON_IsRaw(item))
		printf("%-16s %s\n", item->string, item->valuestring);
	else if (cJSON_IsBool(item))
		printf("%-16s %s\n", item->string,
		       cJSON_IsTrue(item) ? "yes" : "no");
}

/* Prints the object, and frees it. */
void print_object(const struct options *opt, cJSON *object)
{
	const cJSON *item;
	char *text;

	check(object);
	if (opt->json) {
		text = cJSON_PrintUnformatted(object);
		check(text);
		puts(text);
		cJSON_free(text);
	} else {
		cJSON_ArrayForEach(item, object)
			print_line(item);
	}
	cJSON_Delete(object);
	fflush(stdout);
}

/* The guest answered, but not that it worked. */
enum outcome failed(const struct options *opt, const char *what,
		    const struct answer *answer)
{
	const char *status = pvc_status_name(answer->status);
	cJSON *object;

	fprintf(stderr, "pvhost: %s: the guest says %s\n", what, status);
	if (opt->json) {
		object = cJSON_CreateObject();
		add_text(object, "status", status);
		print_object(opt, object);
	}
	return FAILED;
}

enum outcome bad_answer(const char *what)
{
	fprintf(stderr, "pvhost: %s: the guest's answer is malformed\n", what);
	return FAILED;
}
