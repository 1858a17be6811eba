// SPDX-License-Identifier: GPL-2.0-only
/* ls, stat, mkdir, mv and rm, and what all verbs about files share. */
#include <errno.h>
#include <getopt.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "pvhost.h"

#define ASK_MS		100
#define ASKED_MAX	100	/* times, about 10 s: the guest lets it go on for 5 s */

static_assert(sizeof(((pvo_file_get *)0)->path) / sizeof(((pvo_file_get *)0)->path[0]) ==
	      PVO_FILE_PATHS_MAX, "as in file.options");

void usage(const char *verb, const char *text)
{
	fprintf(stderr, "pvhost: %s: %s; see pvhost %s --help\n", verb, text, verb);
	exit(USAGE);
}

void guest_path(const char *verb, const char *text, __u8 *bytes, pb_size_t *size)
{
	size_t len;

	if (!strncmp(text, "guest:", 6))
		text += 6;
	len = strlen(text);
	if (*text != '/') {
		fprintf(stderr, "pvhost: %s: '%s' is no absolute path in the guest\n", verb, text);
		exit(USAGE);
	}
	if (len > PVO_FILE_NAME_MAX) {
		fprintf(stderr, "pvhost: %s: a path has %zu bytes, %u at most\n", verb, len,
			PVO_FILE_NAME_MAX);
		exit(USAGE);
	}
	memcpy(bytes, text, len);
	*size = len;
}

bool is_pattern(const char *text)
{
	return strpbrk(text, "*?[");
}

size_t encode_record(const pb_msgdesc_t *fields, const void *message, __u8 *buf)
{
	pb_ostream_t out = pb_ostream_from_buffer(buf, PVO_ARGS_MAX);

	if (pb_encode(&out, fields, message))
		return out.bytes_written;
	fprintf(stderr, "pvhost: the request is too long\n");
	exit(FAILED);
}

void complain(const char *verb, const char *text)
{
	progress_clear();
	fprintf(stderr, "pvhost: %s: %s\n", verb, client_printable(text, strlen(text)));
}

void decode_summary(const void *body, size_t len, pvo_file_summary *summary)
{
	pb_istream_t in = pb_istream_from_buffer(body, len);

	if (!pb_decode(&in, pvo_file_summary_fields, summary))
		memset(summary, 0, sizeof(*summary));
}

void print_json(cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);

	if (text)
		puts(text);
	free(text);
	cJSON_Delete(object);
}

size_t file_reader_data(struct file_reader *r, const void *buf, size_t len)
{
	size_t used = 0;

	while (used < len && !r->bad) {
		bool whole;
		ssize_t n = record_take(&r->reader, (const __u8 *)buf + used, len - used,
					r->fields, r->message, &whole);

		if (n < 0) {
			r->bad = true;
			break;
		}
		used += n;
		if (whole && !r->taken(r->priv))
			r->bad = true;
	}
	return len;
}

/* A request under way. */
struct call_state {
	struct file_reader *reader;
	__u32 status;
	size_t len;
	__u8 body[LINK_BODY];
};

static size_t call_data(struct channel *ch, const void *buf, size_t len)
{
	struct call_state *state = channel_priv(ch);

	file_reader_data(state->reader, buf, len);
	if (state->reader->bad) {
		channel_reset(ch, PVC_CANCELLED);
		client_stop(channel_client(ch), FAILED);
	}
	return len;
}

static void call_done(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	struct call_state *state = channel_priv(ch);

	(void)flags;
	state->status = status;
	state->len = len < sizeof(state->body) ? len : sizeof(state->body);
	memcpy(state->body, body, state->len);
	client_stop(channel_client(ch), DONE);
}

static const struct channel_ops call_ops = {
	.data = call_data,
	.done = call_done,
};

static enum outcome call_once(struct client *c, const struct channel_request *req,
			      struct call_state *state)
{
	struct channel_request mine = *req;
	enum outcome out = client_session(c);

	if (out != DONE)
		return out;
	mine.priv = state;
	mine.nodata = true;
	mine.deadline_ms = client_timeout(c);
	state->reader->reader.have = 0;
	if (!channel_open(c, &mine, &call_ops)) {
		fprintf(stderr, "pvhost: the guest takes no more streams\n");
		return FAILED;
	}
	return client_run(c);
}

enum outcome file_call(struct client *c, const struct channel_request *req, const char *verb,
		       struct file_reader *reader, void (*again)(void *priv),
		       pvo_file_summary *summary, __u32 *status)
{
	struct call_state state = { .reader = reader };
	unsigned int attempts = 0, asked = 0;
	enum outcome out;

	memset(summary, 0, sizeof(*summary));
	for (;;) {
		out = call_once(c, req, &state);
		if (reader->bad)
			fprintf(stderr, "pvhost: %s: the guest's answer is not understood\n", verb);
		if (out != DONE && out != NO_CONNECTION)
			return out;
		/* An attempt whose session was lost is at it; the same key has its answer later. */
		if (out == DONE && state.status == PVC_IN_PROGRESS && asked++ < ASKED_MAX) {
			usleep(ASK_MS * 1000);
			continue;
		}
		if (out == DONE && state.status != PVC_LOST)
			break;
		if (!copy_again(&attempts, false))
			return NO_CONNECTION;
		if (again)
			again(reader->priv);
	}
	*status = state.status;
	if (state.status == PVC_TIMED_OUT)
		return NO_ANSWER;
	if (state.status != PVC_OK)
		return client_refused(verb, NULL, state.status, state.body, state.len);
	decode_summary(state.body, state.len, summary);
	return DONE;
}

/* mkdir, rm, mv: the records are complaints. */
struct changes {
	const char *verb;
	pvo_file_entry entry;
};

static bool take_complaint(void *priv)
{
	struct changes *changes = priv;

	complain(changes->verb, changes->entry.text);
	return true;
}

static int change(struct client *c, const char *user, __u16 op, const char *verb,
		  const pb_msgdesc_t *fields, const void *message)
{
	static __u8 record[PVO_ARGS_MAX];
	static struct changes changes;
	struct channel_request req = {
		.service = PVO_SERVICE_FILE, .op = op, .user = user, .record = record,
		.record_len = encode_record(fields, message, record), .key = client_random(c),
	};
	struct file_reader reader = {
		.fields = pvo_file_entry_fields, .message = &changes.entry,
		.taken = take_complaint, .priv = &changes,
	};
	pvo_file_summary summary;
	enum outcome out;
	__u32 status;

	changes.verb = verb;
	out = file_call(c, &req, verb, &reader, NULL, &summary, &status);
	if (out != DONE)
		return out;
	return summary.errors ? FAILED : DONE;
}

/* The paths in @argv from optind on, as many at a time as a request takes. */
static int change_paths(struct client *c, const char *user, __u16 op, const char *verb,
			pvo_file_paths *msg, bool literal, int argc, char **argv)
{
	int out = DONE, one;

	if (optind >= argc)
		usage(verb, "no path was given");
	while (optind < argc) {
		__u32 flags = msg->flags;

		msg->path_count = 0;
		while (optind < argc && msg->path_count < PVO_FILE_PATHS_MAX) {
			if (!literal && is_pattern(argv[optind]))
				msg->flags |= PVO_FILE_GLOB;
			guest_path(verb, argv[optind], msg->path[msg->path_count].bytes,
				   &msg->path[msg->path_count].size);
			msg->path_count++;
			optind++;
			/* A pattern is alone, since others may have the characters by chance. */
			if (msg->flags & PVO_FILE_GLOB)
				break;
			if (optind < argc && !literal && is_pattern(argv[optind]))
				break;
		}
		one = change(c, user, op, verb, pvo_file_paths_fields, msg);
		msg->flags = flags;
		if (one != DONE && one != FAILED)
			return one;
		if (one != DONE)
			out = one;
	}
	return out;
}

static int verb_mkdir(struct client *c, int argc, char **argv)
{
	static pvo_file_paths msg;
	const char *user = NULL;
	char *end;
	int opt;

	while ((opt = getopt(argc, argv, "pm:u:")) != -1) {
		if (opt == 'p') {
			msg.flags |= PVO_FILE_PARENTS;
		} else if (opt == 'm') {
			msg.mode = strtoul(optarg, &end, 8);
			if (*end || end == optarg || !msg.mode || msg.mode > 07777)
				usage("mkdir", "the mode is an octal number up to 7777");
		} else if (opt == 'u') {
			user = optarg;
		} else {
			return USAGE;
		}
	}
	return change_paths(c, user, PVO_FILE_MKDIR, "mkdir", &msg, true, argc, argv);
}

static int verb_rm(struct client *c, int argc, char **argv)
{
	static pvo_file_paths msg;
	const char *user = NULL;
	bool literal = false;
	int opt;

	while ((opt = getopt(argc, argv, "rfLu:")) != -1) {
		if (opt == 'r')
			msg.flags |= PVO_FILE_RECURSIVE;
		else if (opt == 'f')
			msg.flags |= PVO_FILE_FORCE;
		else if (opt == 'L')
			literal = true;
		else if (opt == 'u')
			user = optarg;
		else
			return USAGE;
	}
	return change_paths(c, user, PVO_FILE_REMOVE, "rm", &msg, literal, argc, argv);
}

static int verb_mv(struct client *c, int argc, char **argv)
{
	static pvo_file_rename msg;
	const char *user = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "nu:")) != -1) {
		if (opt == 'n')
			msg.flags |= PVO_FILE_NO_REPLACE;
		else if (opt == 'u')
			user = optarg;
		else
			return USAGE;
	}
	if (argc - optind != 2)
		usage("mv", "two paths in the guest are needed");
	guest_path("mv", argv[optind], msg.from.bytes, &msg.from.size);
	guest_path("mv", argv[optind + 1], msg.to.bytes, &msg.to.size);
	return change(c, user, PVO_FILE_RENAME, "mv", pvo_file_rename_fields, &msg);
}

#define USER_OPTION	"  -u USER       in the name of this user of the guest\n"
#define COPY_OPTIONS	\
	"  -p            preserve mode, times, extended attributes and ACLs; owners as root in\n" \
	"                the guest\n" \
	"  --sha256      check SHA-256, too, beside XXH3-128\n" \
	"  -n            leave alone what is there already, which is an error\n" \
	"  --no-resume   begin again when the session was lost\n" \
	"  -q            no progress on the terminal\n" \
	USER_OPTION

const struct command file_commands[] = {
	{ "put", "[-rpnq] [--sha256] [-u USER] LOCAL... GUESTPATH", "Copy files into the guest.",
	  verb_put,
	  "  -r            directories, with what is in them; LOCAL/. is its content alone\n"
	  COPY_OPTIONS },
	{ "get", "[-rpnqL] [--sha256] [-u USER] GUESTPATH... LOCAL",
	  "Copy files from the guest. GUESTPATH may be a pattern.", verb_get,
	  "  -r            directories, with what is in them; GUESTPATH/. is its content alone\n"
	  "  --owner       set owners and all mode bits as the guest has them, as root\n"
	  "  -L            paths are no patterns\n"
	  COPY_OPTIONS },
	{ "sync", "[-nq] [--checksum] [--delete] [-u USER] DIR guest:DIR | guest:DIR DIR",
	  "Make the second directory like the first one, by copying what differs.", verb_sync,
	  "  --checksum    compare the content, not size and time\n"
	  "  --delete      remove what the first one does not have\n"
	  "  -n            tell what would be done, and do nothing\n"
	  "  -q            no progress on the terminal\n"
	  USER_OPTION },
	{ "ls", "[-adlRL] [-u USER] GUESTPATH...", "List files. GUESTPATH may be a pattern.",
	  verb_ls,
	  "  -a            also names that begin with a dot\n"
	  "  -d            directories themselves, not what is in them\n"
	  "  -l            mode, owner, size and time\n"
	  "  -R            also what is in directories beneath\n"
	  "  -L            paths are no patterns\n"
	  USER_OPTION },
	{ "stat", "[--sum] [--sha256] [-u USER] GUESTPATH...", "Tell all about files.", verb_stat,
	  "  --sum         with the XXH3-128 of the content\n"
	  "  --sha256      with XXH3-128 and SHA-256\n"
	  USER_OPTION },
	{ "mkdir", "[-p] [-m MODE] [-u USER] GUESTPATH...", "Make directories.", verb_mkdir,
	  "  -p            parents, too, and it is no error if they are there\n"
	  "  -m MODE       an octal number\n"
	  USER_OPTION },
	{ "mv", "[-n] [-u USER] GUESTPATH GUESTPATH",
	  "Rename, or move into a directory, within a file system.", verb_mv,
	  "  -n            what is there is not replaced\n"
	  USER_OPTION },
	{ "rm", "[-rfL] [-u USER] GUESTPATH...", "Remove files. GUESTPATH may be a pattern.",
	  verb_rm,
	  "  -r            directories, with what is in them\n"
	  "  -f            what is not there is no error\n"
	  "  -L            paths are no patterns\n"
	  USER_OPTION },
	{ .name = NULL }
};
