/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy in memory: between the parser (policy_parse.c) and the decisions (policy.c).
 */
#ifndef _PVGUESTD_POLICY_RULES_H
#define _PVGUESTD_POLICY_RULES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

/* Bounds of what is read; each is an error that names it. */
#define POLICY_FILES_MAX	64
#define POLICY_FILE_MAX		65536	/* bytes of a file */
#define POLICY_LINE_MAX		190	/* bytes of a line; libinih takes 198 */
#define POLICY_RULES_MAX	256	/* sections of all files */
#define POLICY_ENTRIES_MAX	64	/* of one key of one rule */
#define POLICY_WORDS_MAX	32	/* of a line */
/* What names of rules and files are of. */
#define POLICY_NAME_BYTES \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define POLICY_NAME_MAX		32	/* bytes of the name of a rule, a file less ".conf" */

/* What a verb works on, and so which keys a rule for it needs and takes. */
enum verb_kind {
	KIND_PLAIN,	/* nothing that a rule could name */
	KIND_EXEC,	/* command */
	KIND_FILE,	/* root */
	KIND_FORWARD,	/* target */
	KIND_KEY,	/* key */
};

/**
 * struct verb - what a rule can allow or deny
 * @name: in the policy and in struct operation
 * @group: that it is of, with the "@"
 * @kind: what it works on
 * @open: allowed where no rule says anything
 * @as_user: a rule that allows it says in whose name
 */
struct verb {
	const char *name;
	const char *group;
	enum verb_kind kind;
	bool open;
	bool as_user;
};

/* Its index is its bit in &rule.verbs; policy_verbs.c. NULL: no more. */
const struct verb *verb_at(unsigned int i);
/* -1: there is none of that name. */
int verb_find(const char *name);
/* The bits of a verb or @group; 0: there is none. */
uint64_t verb_bits(const char *name);

#define MODE_READ	1u
#define MODE_WRITE	2u

/**
 * struct entry - one value of a key
 * @next: of the same key
 * @mode: of a root: MODE_*
 * @nr: how many words
 * @word: the words; what they point to is in the same piece of memory
 */
struct entry {
	struct entry *next;
	unsigned int mode;
	unsigned int nr;
	char *word[];
};

enum list_id {
	LIST_PRINCIPAL,
	LIST_USER,
	LIST_COMMAND,
	LIST_ROOT,
	LIST_TARGET,
	LIST_KEY,
	LIST_NR
};

enum limit {
	LIMIT_JOBS,
	LIMIT_PROCESSES,
	LIMIT_BYTES,
	LIMIT_RATE,
	LIMIT_NR
};

extern const char *const limit_names[LIMIT_NR];

/**
 * struct rule - a section
 * @next: in the order of reading
 * @name: as the section has it
 * @file: its file's name, without the directory
 * @line: of its head
 * @is_limits: it sets limits, and nothing that follows but @list[LIST_PRINCIPAL] counts
 * @has_allow: it has the key allow
 * @has_deny: it has the key deny
 * @verbs: which it allows or denies
 * @list: values of the keys; NULL: the key is not there
 * @limit: POLICY_UNLIMITED: not set
 */
struct rule {
	struct rule *next;
	char name[POLICY_NAME_MAX + 1];
	char file[POLICY_NAME_MAX + sizeof(".conf")];
	unsigned int line;
	bool is_limits;
	bool has_allow;
	bool has_deny;
	uint64_t verbs;
	struct entry *list[LIST_NR];
	unsigned long limit[LIMIT_NR];
};

/**
 * struct policy - all rules
 * @closed: something is wrong; no rule allows anything
 * @error: the first thing that is
 * @rules: in the order of reading
 * @last: where the next rule goes
 * @nr_rules: how many
 */
struct policy {
	bool closed;
	char error[POLICY_TEXT_MAX];
	struct rule *rules;
	struct rule **last;
	unsigned int nr_rules;
};

/**
 * struct target - a target, or a pattern of targets
 * @path: of unix:; NULL: it is tcp:
 * @any: tcp:*, whatever the address
 * @local: tcp:localhost, the loopback addresses
 * @address: IPv4 addresses as ::ffff:a.b.c.d
 * @prefix: how many bits of @address count, 0 to 128
 * @port_low: of the range
 * @port_high: see @port_low
 */
struct target {
	const char *path;
	bool any;
	bool local;
	struct in6_addr address;
	unsigned int prefix;
	unsigned int port_low;
	unsigned int port_high;
};

/*
 * target.c. NULL if @text could be taken apart, else what is wrong. @pattern: it is one, of a
 * rule; else one target.
 */
const char *target_parse(const char *text, bool pattern, struct target *target);
/* Is @target one of @pattern's? */
bool target_matches(const struct target *pattern, const struct target *target);
/* Does a socket that listens at @target get what comes for an address and port of @pattern? */
bool target_includes(const struct target *target, const struct target *pattern);
/* To connect to the unspecified address is to connect to the loopback address. */
void target_connect(struct target *target);

/*
 * policy_parse.c: adds the rules of a file to @policy. @name: the file's, less than
 * POLICY_NAME_MAX + 6 bytes. @report is given "NAME:LINE: what is wrong"; the policy is closed
 * then.
 */
void policy_parse(struct policy *policy, const char *name, const char *text, size_t len,
		  void (*report)(void *priv, const char *text), void *priv);

#endif /* _PVGUESTD_POLICY_RULES_H */
