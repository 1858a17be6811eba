/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest is busy with, for the verb top: samples of counters, and records of what they
 * rose by between two of them.
 */
#ifndef _PVGUESTD_TOP_H
#define _PVGUESTD_TOP_H

#include <stdbool.h>

#include "record_out.h"
#include "top.pb.h"

#define TOP_INTERVAL_MIN_MS	100u
#define TOP_INTERVAL_MAX_MS	60000u
#define TOP_PROCESSES_MAX	200u	/* that are told, by CPU time and by memory each */
#define TOP_SEEN_MAX		65536u	/* that are looked at */
#define TOP_DISKS_MAX		64u
#define TOP_NICS_MAX		64u
#define TOP_DEVICES_MAX		64u
#define TOP_CPUS_MAX		64u

typedef pvo_TopRecord top_record;

/**
 * struct top - a stream of INFO TOP
 * @out: where records go
 * @seq: of the last
 * @turn: that is under way, from 1; 0: the counters are read for the first time
 * @processes: to be told
 * @interval_ns: since the last sample
 * @end: of this turn
 */
struct top {
	struct record_out *out;
	__u64 seq;
	__u64 turn;
	__u32 processes;
	__u64 interval_ns;
	pvo_TopEnd end;
};

/*
 * Each reads its counters and, but for turn 0, puts its records. 0 or -errno of the stream; a
 * counter that this guest has not is no error.
 */
int top_system(struct top *top);
int top_disks(struct top *top);
int top_nics(struct top *top);
int top_devices(struct top *top);
int top_processes(struct top *top);
/* As root, before the rest: the names of users. */
void top_read_users(void);

int top_put(struct top *top, top_record *rec);
__u64 top_clock_ns(void);

/* What a free-running counter rose by; 0 where it was set back. */
static inline __u64 top_rise(__u64 now, __u64 before)
{
	return now > before ? now - before : 0;
}

/* top_lines.c: the counters of named things before, and now. */
#define TOP_COUNTERS	12

struct top_line {
	char name[32];
	bool seen;
	bool old;		/* there was a sample before */
	__u64 now[TOP_COUNTERS];
	__u64 before[TOP_COUNTERS];
};

struct top_lines {
	unsigned int nr, max;
	struct top_line *line;
};

/*
 * A sample: begin, one after the other, end, which forgets those that are there no more.
 * NULL: there is no room.
 */
void top_lines_begin(struct top_lines *lines);
struct top_line *top_lines_add(struct top_lines *lines, const char *name);
void top_lines_end(struct top_lines *lines);

#endif /* _PVGUESTD_TOP_H */
