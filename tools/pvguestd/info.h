/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest is and has, for the verbs info and watch. Collectors put records into a
 * table of last values, which sends on what has changed.
 */
#ifndef _PVGUESTD_INFO_H
#define _PVGUESTD_INFO_H

#include <stdbool.h>

#include "record_out.h"
#include "info.pb.h"

/* How much of each there is for the host; what is more is counted. */
#define INFO_LINKS_MAX		256u
#define INFO_ADDRESSES_MAX	1024u
#define INFO_ROUTES_MAX		512u
#define INFO_FS_MAX		256u
#define INFO_USERS_MAX		128u

#define INFO_SECTIONS	(_pvo_InfoSection_ARRAYSIZE)

typedef pvo_InfoRecord info_record;

/* A value that the host knows. @key is the beginning of @bytes, which hold key and record. */
struct info_value {
	struct info_value *next;
	__u8 section;
	bool seen;
	__u16 key_len;
	__u16 len;
	__u8 bytes[];
};

/**
 * struct info_table - the last values of a stream
 * @out: where changes go
 * @seq: of the last record
 * @first: all values
 * @left_out: per section, what there was no room for in this round, and what the host knows
 */
struct info_table {
	struct record_out *out;
	__u64 seq;
	struct info_value *first;
	struct {
		__u32 now, told;
	} left_out[INFO_SECTIONS];
};

/*
 * A round of a section: begin, put all that there is, end. What was there before and was
 * not put is told as gone. A round that failed half way is not ended.
 */
void table_begin(struct info_table *t, pvo_InfoSection section);
/* 0 or -errno of the stream. */
int table_put(struct info_table *t, pvo_InfoSection section, const info_record *rec);
void table_left_out(struct info_table *t, pvo_InfoSection section);
int table_end(struct info_table *t, pvo_InfoSection section);
/* A record that is no value: it goes out as it is. */
int table_send(struct info_table *t, info_record *rec);
void table_free(struct info_table *t);

/**
 * struct info_files - what prepare() opened, since a worker may only open /proc and /sys
 * @utmp: who is logged in; -1: there is none
 * @changes: inotify: utmp and the time zone; -1: not for GET
 * @utmp_watch: of @changes
 * @events: netlink socket that hears of changes; NULL: not for GET
 * @dump: netlink socket to ask; NULL: there is none
 * @os_release: text of /etc/os-release
 */
struct info_files {
	int utmp;
	int changes;
	int utmp_watch;
	struct mnl_socket *events;
	struct mnl_socket *dump;
	char os_release[4096];
};

/* info_net.c: @links, addresses and routes in one round. */
struct mnl_socket *net_open(bool events);
int net_collect(struct info_table *t, struct mnl_socket *nl);
/* Empties the socket of events; true: something has changed. */
bool net_changed(struct mnl_socket *events);

/* info_fs.c */
int fs_collect(struct info_table *t);

/* info_sys.c: the rest; each is a round. 0 or -errno. */
int users_collect(struct info_table *t, int utmp);
int host_collect(struct info_table *t);
int zone_collect(struct info_table *t);
int os_collect(struct info_table *t, const char *os_release);
int load_collect(struct info_table *t);

/* meminfo.c: a line of /proc/meminfo, bytes; 0: it has none. */
__u64 meminfo_bytes(const char *text, const char *name);

#endif /* _PVGUESTD_INFO_H */
