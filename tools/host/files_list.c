// SPDX-License-Identifier: GPL-2.0-only
/* ls and stat. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "files.h"
#include "pvhost.h"

struct list {
	struct client *c;
	const char *verb;
	bool all, details, json, whole_names, stat;
	const char *asked;	/* the only path, to leave it out; or NULL */
	pvo_file_entry entry;
	unsigned int seen, skip;	/* records, of which those before were printed already */
	bool failed;
};

static const char *type_name(__u32 mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFBLK:
		return "block";
	case S_IFCHR:
		return "character";
	default:
		return "unknown";
	}
}

static const char *mode_text(__u32 mode)
{
	static const char bits[] = "rwxrwxrwx";
	static char text[11];
	int i;

	text[0] = S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : S_ISFIFO(mode) ? 'p' :
		  S_ISSOCK(mode) ? 's' : S_ISBLK(mode) ? 'b' : S_ISCHR(mode) ? 'c' : '-';
	for (i = 0; i < 9; i++)
		text[i + 1] = mode & (0400u >> i) ? bits[i] : '-';
	if (mode & S_ISUID)
		text[3] = mode & 0100 ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & 010 ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & 1 ? 't' : 'T';
	return text;
}

static const char *time_text(__s64 seconds, __u32 ns)
{
	static char text[64];
	time_t t = seconds;
	struct tm tm;
	size_t len;

	if (!localtime_r(&t, &tm))
		return "?";
	len = strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	if (ns < 1000000000)
		snprintf(text + len, sizeof(text) - len, ".%09u", ns);
	return text;
}

static const char *hex(const __u8 *bytes, unsigned int len)
{
	static char text[65];
	unsigned int i;

	for (i = 0; i < len && i < 32; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	text[2 * i] = 0;
	return text;
}

static const char *owner_text(const char *name, __u32 id)
{
	static char text[2][40];
	static unsigned int turn;

	turn = !turn;
	if (*name)
		snprintf(text[turn], sizeof(text[turn]), "%s",
			 client_printable(name, strlen(name)));
	else
		snprintf(text[turn], sizeof(text[turn]), "%u", id);
	return text[turn];
}

static void add_hash(cJSON *object, const char *name, const __u8 *bytes, unsigned int len)
{
	if (len)
		cJSON_AddStringToObject(object, name, hex(bytes, len));
}

static void list_json(const pvo_file_entry *entry)
{
	cJSON *object = cJSON_CreateObject(), *names;
	const pvo_file_attr *attr = &entry->attr;
	const char *name;
	pb_size_t i;

	cJSON_AddStringToObject(object, "name",
				client_printable(entry->name.bytes, entry->name.size));
	cJSON_AddStringToObject(object, "type", type_name(attr->mode));
	add_int(object, "mode", attr->mode & 07777);
	add_int(object, "uid", attr->uid);
	add_int(object, "gid", attr->gid);
	cJSON_AddStringToObject(object, "user",
				client_printable(entry->user, strlen(entry->user)));
	cJSON_AddStringToObject(object, "group",
				client_printable(entry->group, strlen(entry->group)));
	add_int(object, "size", entry->size);
	add_int(object, "allocated", entry->allocated);
	add_int(object, "links", entry->nlink);
	add_int(object, "inode", entry->inode);
	cJSON_AddNumberToObject(object, "mtime", attr->mtime + attr->mtime_ns / 1e9);
	cJSON_AddNumberToObject(object, "atime", attr->atime + attr->atime_ns / 1e9);
	cJSON_AddNumberToObject(object, "ctime", entry->ctime + entry->ctime_ns / 1e9);
	if (S_ISLNK(attr->mode))
		cJSON_AddStringToObject(object, "target",
					client_printable(entry->target.bytes, entry->target.size));
	add_hash(object, "xxh3", entry->xxh3.bytes, entry->xxh3.size);
	add_hash(object, "sha256", entry->sha256.bytes, entry->sha256.size);
	if (entry->xattr_count) {
		names = cJSON_AddArrayToObject(object, "xattrs");
		for (i = 0; i < entry->xattr_count; i++) {
			name = client_printable(entry->xattr[i], strlen(entry->xattr[i]));
			cJSON_AddItemToArray(names, cJSON_CreateString(name));
		}
	}
	print_json(object);
}

/* The name as it is told: of what is in the only directory, without that. */
static const char *shown_name(const struct list *list)
{
	const pvo_file_entry *entry = &list->entry;
	size_t len = list->asked ? strlen(list->asked) : 0;
	const char *name = (const char *)entry->name.bytes;
	size_t size = entry->name.size;

	while (len > 1 && list->asked[len - 1] == '/')
		len--;
	if (len && size > len && !memcmp(name, list->asked, len) &&
	    (name[len] == '/' || len == 1)) {
		len += name[len] == '/';
		return client_printable(name + len, size - len);
	}
	return client_printable(name, size);
}

static void list_details(struct list *list)
{
	const pvo_file_entry *entry = &list->entry;
	const pvo_file_attr *attr = &entry->attr;

	printf("%s %3u %-8s %-8s %10llu %.19s ", mode_text(attr->mode), entry->nlink,
	       owner_text(entry->user, attr->uid), owner_text(entry->group, attr->gid),
	       (unsigned long long)entry->size, time_text(attr->mtime, attr->mtime_ns));
	fputs(shown_name(list), stdout);
	if (S_ISLNK(attr->mode))
		printf(" -> %s", client_printable(entry->target.bytes, entry->target.size));
	putchar('\n');
}

static void stat_details(const pvo_file_entry *entry)
{
	const pvo_file_attr *attr = &entry->attr;
	pb_size_t i;

	printf("%s", client_printable(entry->name.bytes, entry->name.size));
	if (S_ISLNK(attr->mode))
		printf(" -> %s", client_printable(entry->target.bytes, entry->target.size));
	printf("\n  type       %s\n", type_name(attr->mode));
	printf("  mode       %04o %s\n", attr->mode & 07777, mode_text(attr->mode));
	printf("  owner      %s:%s (%u:%u)\n", owner_text(entry->user, attr->uid),
	       owner_text(entry->group, attr->gid), attr->uid, attr->gid);
	printf("  size       %llu\n", (unsigned long long)entry->size);
	printf("  allocated  %llu\n", (unsigned long long)entry->allocated);
	printf("  links      %u\n", entry->nlink);
	printf("  inode      %llu\n", (unsigned long long)entry->inode);
	printf("  modified   %s\n", time_text(attr->mtime, attr->mtime_ns));
	printf("  accessed   %s\n", time_text(attr->atime, attr->atime_ns));
	printf("  changed    %s\n", time_text(entry->ctime, entry->ctime_ns));
	if (entry->xxh3.size)
		printf("  xxh3       %s\n", hex(entry->xxh3.bytes, entry->xxh3.size));
	if (entry->sha256.size)
		printf("  sha256     %s\n", hex(entry->sha256.bytes, entry->sha256.size));
	for (i = 0; i < entry->xattr_count; i++)
		printf("  xattr      %s\n",
		       client_printable(entry->xattr[i], strlen(entry->xattr[i])));
}

/* Is it, or what it is in, hidden beneath what was asked for? */
static bool hidden(const struct list *list)
{
	const pvo_file_entry *entry = &list->entry;
	pb_size_t i = list->asked ? strlen(list->asked) : 0;

	for (i -= i > 0; list->asked && i + 1 < entry->name.size; i++)
		if (entry->name.bytes[i] == '/' && entry->name.bytes[i + 1] == '.')
			return true;
	return false;
}

static bool take_entry(void *priv)
{
	struct list *list = priv;
	const pvo_file_entry *entry = &list->entry;

	if (list->seen++ < list->skip)
		return true;
	if (entry->status) {
		complain(list->verb, entry->text);
		list->failed = true;
		return true;
	}
	if (!list->all && hidden(list))
		return true;
	if (list->json)
		list_json(entry);
	else if (list->stat)
		stat_details(entry);
	else if (list->details)
		list_details(list);
	else
		puts(shown_name(list));
	return true;
}

static void list_again(void *priv)
{
	struct list *list = priv;

	/* What was printed stays. */
	list->skip = list->seen > list->skip ? list->seen : list->skip;
	list->seen = 0;
}

static int run_list(struct list *list, __u16 op, const char *user, const pvo_file_list *msg)
{
	static __u8 record[PVO_ARGS_MAX];
	struct channel_request req = {
		.service = PVO_SERVICE_FILE, .op = op, .user = user, .record = record,
		.record_len = encode_record(pvo_file_list_fields, msg, record),
	};
	static struct file_reader reader;
	pvo_file_summary summary;
	enum outcome out;
	__u32 status;

	reader = (struct file_reader){
		.fields = pvo_file_entry_fields, .message = &list->entry,
		.taken = take_entry, .priv = list,
	};
	list->seen = 0;
	list->skip = 0;
	out = file_call(list->c, &req, list->verb, &reader, list_again, &summary, &status);
	return out;
}

static int list_paths(struct list *list, __u16 op, const char *user, __u32 flags, bool literal,
		      int argc, char **argv)
{
	static pvo_file_list msg;
	int out;

	if (optind >= argc)
		usage(list->verb, "no path was given");
	list->whole_names = argc - optind > 1;
	for (; optind < argc; optind++) {
		bool pattern = !literal && is_pattern(argv[optind]);

		msg.flags = flags | (pattern ? PVO_FILE_GLOB : 0);
		msg.path_count = 1;
		guest_path(list->verb, argv[optind], msg.path[0].bytes, &msg.path[0].size);
		list->asked = list->whole_names || pattern || (flags & PVO_FILE_DIRECTORY) ? NULL :
			      strchr(argv[optind], '/');
		out = run_list(list, op, user, &msg);
		if (out != DONE)
			return out;
	}
	return list->failed ? FAILED : DONE;
}

int verb_ls(struct client *c, int argc, char **argv)
{
	static struct list list;
	const char *user = NULL;
	bool literal = false;
	__u32 flags = 0;
	int opt;

	list.c = c;
	list.verb = "ls";
	list.json = client_json(c);
	while ((opt = getopt(argc, argv, "adlRLu:")) != -1) {
		switch (opt) {
		case 'a':
			list.all = true;
			break;
		case 'd':
			flags |= PVO_FILE_DIRECTORY;
			break;
		case 'l':
			list.details = true;
			break;
		case 'R':
			flags |= PVO_FILE_RECURSIVE;
			break;
		case 'L':
			literal = true;
			break;
		case 'u':
			user = optarg;
			break;
		default:
			return USAGE;
		}
	}
	return list_paths(&list, PVO_FILE_LIST, user, flags, literal, argc, argv);
}

int verb_stat(struct client *c, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "sum", no_argument, NULL, 's' },
		{ "sha256", no_argument, NULL, 'S' },
		{ }
	};
	static struct list list;
	const char *user = NULL;
	__u32 flags = PVO_FILE_DIRECTORY;
	int opt;

	list.c = c;
	list.verb = "stat";
	list.json = client_json(c);
	list.stat = true;
	list.all = true;
	while ((opt = getopt_long(argc, argv, "u:", longopts, NULL)) != -1) {
		if (opt == 's')
			flags |= PVO_FILE_CHECKSUM;
		else if (opt == 'S')
			flags |= PVO_FILE_SHA256;
		else if (opt == 'u')
			user = optarg;
		else
			return USAGE;
	}
	return list_paths(&list, PVO_FILE_STAT, user, flags, true, argc, argv);
}
