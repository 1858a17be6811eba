/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pvhost: what its verbs share.
 */
#ifndef _TOOLS_HOST_PVHOST_H
#define _TOOLS_HOST_PVHOST_H

#include <cjson/cJSON.h>

#include "client.h"

#define DEFAULT_TIMEOUT_MS	10000

/* main.c */

/* @text as a number from @least to @most, times @unit; or says that @what is none, and exits. */
__u32 to_number(const char *what, const char *text, double least, double most, double unit);
/* Exits if there is no socket. */
void need_socket(const char *path);

/*
 * The verbs of the guest's kernel: kernel.c
 */
extern const struct command kernel_commands[];
extern const struct command info_commands[];	/* info.c */
extern const struct command top_commands[];	/* top.c */
extern const struct command kv_commands[];	/* kv.c */
extern const struct command system_commands[];	/* system.c */
/* exec.c, ps.c */
extern const struct command exec_commands[];
extern const struct command ps_commands[];
int kernel_verb(struct client *c, int argc, char **argv);

/* connect.c and forward.c */
extern const struct command connect_commands[];
extern const struct command forward_commands[];
/* serve.c */
extern const struct command serve_commands[];

/* From the command line. */
struct options {
	struct client *client;
	const char *socket;
	bool json;
	__u32 timeout_ms;	/* 0: none */
	/* of the verb */
	__u32 count;
	__u32 interval_ms;
	bool force;
	bool wait;
	bool sync;
	bool restored;
	bool dry_run;
	bool serve_time;
	bool plain;		/* watch: without the daemon's events */
	__u32 grace_s;
	__u32 hook_timeout_s;	/* 0: the guest's default */
	const char *message;	/* to the guest's users; NULL: none */
	__u32 seconds;
	__u32 lease;		/* 0: whichever there is */
};

/**
 * struct verb - something the guest's kernel can do
 * @name: as it is typed
 * @flags: the options it takes besides the common ones, as in getopt()
 * @run: does it over an open link
 * @number: it takes a number of seconds as its argument
 */
struct verb {
	const char *name;
	const char *flags;
	enum outcome (*run)(struct link *link, const struct options *opt);
	bool number;
};

enum outcome verb_ping(struct link *link, const struct options *opt);
enum outcome verb_status(struct link *link, const struct options *opt);
enum outcome verb_watch(struct link *link, const struct options *opt);
enum outcome verb_time(struct link *link, const struct options *opt);
enum outcome verb_shutdown(struct link *link, const struct options *opt);
enum outcome verb_reboot(struct link *link, const struct options *opt);
enum outcome verb_thaw(struct link *link, const struct options *opt);
enum outcome verb_renew(struct link *link, const struct options *opt);

/* time.c */
enum outcome sync_time(struct link *link, __u32 flags, __s64 *offset,
		       __u32 *action);
const char *action_name(__u32 action);

/* output.c */
enum outcome failed(const struct options *opt, const char *what,
		    const struct answer *answer);
enum outcome bad_answer(const char *what);
void print_object(const struct options *opt, cJSON *object);
void add_int(cJSON *object, const char *name, __s64 value);
void add_text(cJSON *object, const char *name, const char *value);
/* @value hundredths, as a number */
void add_hundredths(cJSON *object, const char *name, __u32 value);
void add_bool(cJSON *object, const char *name, bool value);
void add_bytes(cJSON *object, const char *name, const __u8 *bytes, __u32 len);
void add_field(cJSON *object, const char *name, const __u8 *text, __u32 size);
void add_beat_flags(cJSON *object, __u32 flags);
void add_realtime(cJSON *object, __u64 ns);
const char *lease_name(__u32 state);
const char *lease_end_name(__u32 end);
const char *notice_name(__u32 kind);

#endif /* _TOOLS_HOST_PVHOST_H */
