// SPDX-License-Identifier: GPL-2.0-only
/*
 * The audit log, see audit.h. What bounds it is in audit_limit.c.
 */
#include <errno.h>
#include <linux/if_alg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>
#include <xxhash.h>

#include "audit.h"
#include "audit_limit.h"
#include "policy_rules.h"
#include "text.h"
#include "worker.h"
#include "pvguest/protocol.h"

#define SHOWN		192	/* bytes of the arguments, escaped */
#define DIGEST		32	/* bytes of SHA-256 */
#define LINE		4096

static int journal = -1, hash = -1;

static const struct {
	const char *name;
	const char *word;
	int priority;
} events[AUDIT_NR] = {
	[AUDIT_ALLOW] = { "allow", "allowed", LOG_INFO },
	[AUDIT_DENY] = { "deny", "denied", LOG_WARNING },
	[AUDIT_ERROR] = { "error", "refused", LOG_NOTICE },
	[AUDIT_END] = { "end", "ended", LOG_INFO },
};

static int open_journal(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, size = 1 << 16;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return fd;
}

/* A descriptor that takes bytes by write() and gives their SHA-256 by read(). */
static int open_hash(void)
{
	static const struct sockaddr_alg address = {
		.salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256",
	};
	int fd, op;

	fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	op = bind(fd, (const struct sockaddr *)&address, sizeof(address)) ? -1 :
	     accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	close(fd);
	return op;
}

void audit_open(const char *path, bool digest)
{
	journal = open_journal(path);
	hash = digest ? open_hash() : -1;
}

static void put_digest(struct text *t, const void *args, size_t len)
{
	unsigned char digest[DIGEST];
	XXH128_canonical_t weaker;
	char pair[3];
	int i, size = DIGEST;

	if (hash >= 0 && write(hash, args, len) == (ssize_t)len &&
	    read(hash, digest, sizeof(digest)) == DIGEST) {
		text_put(t, "sha256:");
	} else {
		/* A kernel without AF_ALG: good enough for whoever does not want to deceive. */
		XXH128_canonicalFromHash(&weaker, XXH3_128bits(args, len));
		memcpy(digest, weaker.digest, sizeof(weaker.digest));
		size = sizeof(weaker.digest);
		text_put(t, "xxh3:");
	}
	for (i = 0; i < size; i++) {
		snprintf(pair, sizeof(pair), "%02x", digest[i]);
		text_put(t, pair);
	}
}

/* As much of them as has room, for a person. */
static void put_args(struct text *t, const char *args, size_t len)
{
	char shown[SHOWN];
	struct text part = text_begin(shown, sizeof(shown));
	size_t told;

	/* The zero at the end of the last string is not told. */
	if (len && !args[len - 1])
		len--;
	told = text_bytes(&part, args, len, ' ');
	text_put(t, shown);
	if (told < len)
		text_put(t, "...");
}

static void put_message(struct text *t, const struct audit_line *line)
{
	text_put(t, line->verb);
	text_put(t, " by '");
	text_safe(t, line->principal);
	text_put(t, "'");
	if (*line->user) {
		text_put(t, " as ");
		text_safe(t, line->user);
	}
	text_put(t, ": ");
	text_put(t, events[line->event].word);
	if (line->event == AUDIT_END) {
		text_put(t, ": ");
		text_put(t, pvc_status_name(line->status));
		text_put(t, " after ");
		text_number(t, line->duration_ms);
		text_put(t, " ms");
	}
	if (line->args) {
		text_put(t, ": ");
		put_args(t, line->args, line->args_len);
	}
	if (line->why) {
		text_put(t, " (");
		text_safe(t, line->why);
		text_put(t, ")");
	}
}

static void put_field(struct text *t, const char *name, const char *value)
{
	text_put(t, name);
	text_put(t, "=");
	text_safe(t, value);
	text_put(t, "\n");
}

static void put_number_field(struct text *t, const char *name, unsigned long long value)
{
	text_put(t, name);
	text_put(t, "=");
	text_number(t, value);
	text_put(t, "\n");
}

static void put_fields(struct text *t, const struct audit_line *line)
{
	put_field(t, "PVGUEST_EVENT", events[line->event].name);
	put_field(t, "PVGUEST_VERB", line->verb);
	put_field(t, "PVGUEST_PRINCIPAL", line->principal);
	put_field(t, "PVGUEST_USER", line->user);
	if (line->job)
		put_number_field(t, "PVGUEST_JOB", line->job);
	if (line->why)
		put_field(t, "PVGUEST_REASON", line->why);
	if (line->event == AUDIT_END) {
		put_field(t, "PVGUEST_STATUS", pvc_status_name(line->status));
		put_number_field(t, "PVGUEST_DURATION_MS", line->duration_ms);
	}
	if (!line->args)
		return;
	text_put(t, "PVGUEST_ARGS=");
	put_args(t, line->args, line->args_len);
	text_put(t, "\nPVGUEST_DIGEST=");
	put_digest(t, line->args, line->args_len);
	text_put(t, "\n");
}

/* @text: fields for the journal; @message: the same for people, and for stderr. */
static void send_line(int priority, const char *message, const char *fields)
{
	char text[LINE];
	struct text t = text_begin(text, sizeof(text));

	if (journal >= 0) {
		text_put(&t, "MESSAGE=");
		text_put(&t, message);
		text_put(&t, "\nSYSLOG_IDENTIFIER=pvguestd\n");
		put_number_field(&t, "PRIORITY", priority);
		text_put(&t, fields);
		if (write(journal, text, strlen(text)) >= 0)
			return;
		/* The journal is not there, or behind: stderr may still lead somewhere. */
		t = text_begin(text, sizeof(text));
	}
	text_put(&t, "<");
	text_number(&t, priority);
	text_put(&t, ">audit: ");
	text_put(&t, message);
	text_put(&t, "\n");
	/* If that fails there is nowhere to say so. */
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static void tell_left_out(const char *principal, unsigned int denials, unsigned int others)
{
	char message[LINE / 4], fields[LINE / 4];
	struct text t = text_begin(message, sizeof(message));

	text_put(&t, "of '");
	text_safe(&t, principal);
	text_put(&t, "' left out, with what their workers had to say: denials ");
	text_number(&t, denials);
	text_put(&t, ", other lines ");
	text_number(&t, others);
	t = text_begin(fields, sizeof(fields));
	put_field(&t, "PVGUEST_EVENT", "left-out");
	put_field(&t, "PVGUEST_PRINCIPAL", principal);
	put_number_field(&t, "PVGUEST_DENIALS", denials);
	put_number_field(&t, "PVGUEST_OTHERS", others);
	send_line(LOG_WARNING, message, fields);
}

void audit_worker(const char *principal)
{
	audit_limit_worker(principal);
}

void audit(const struct audit_line *line)
{
	char message[LINE / 4], fields[LINE / 2];
	int saved = errno;
	struct text t;

	if (audit_limit(line->principal, line->event == AUDIT_DENY, tell_left_out)) {
		t = text_begin(message, sizeof(message));
		put_message(&t, line);
		t = text_begin(fields, sizeof(fields));
		put_fields(&t, line);
		send_line(events[line->event].priority, message, fields);
	}
	errno = saved;
}

int audit_flush(void)
{
	return audit_limit_flush(tell_left_out);
}

void audit_verdict(const struct request *req, const struct verdict *verdict, const void *args,
		   size_t args_len)
{
	struct audit_line line = {
		.event = verdict->allowed ? AUDIT_ALLOW : AUDIT_DENY,
		.principal = req->principal,
		.verb = req->operation->verb,
		.user = req->user,
		.job = req->job,
		.why = verdict->text,
		.args = args,
		.args_len = args_len,
	};

	audit(&line);
}

bool audit_by_verb(const char *verb)
{
	int i = verb_find(verb);

	return i < 0 || verb_at(i)->kind == KIND_PLAIN;
}
