// SPDX-License-Identifier: GPL-2.0-only
/*
 * "pvguest kv": the guest's side of the key-value store.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "kv.h"
#include "worker.h"
#include "pvguest/protocol.h"

static const char usage_text[] =
	"usage: pvguest kv get KEY\n"
	"       pvguest kv set [-v] [-g GENERATION] KEY [VALUE]\n"
	"       pvguest kv delete [-g GENERATION] KEY\n"
	"       pvguest kv list [PREFIX]\n"
	"       pvguest kv watch [PREFIX]\n"
	"\n"
	"A small store of values that the host sees as well. A key is 1 to 128 bytes of letters,\n"
	"digits and '._/-', a value up to 65536 bytes of anything; without VALUE it is what stdin\n"
	"has. 256 keys, 1 MiB in all.\n"
	"\n"
	"  -v  the value is volatile: it is not kept when the guest stops\n"
	"  -g  only if the key has this generation, which list shows; 0: if there is no such key\n"
	"\n"
	"list and watch print: generation, size, v (volatile), h (of the host), key; watch prints\n"
	"current values, then changes, with - for the size of a key that was deleted. Exit status:\n"
	"0 done; 1 not, which is said; 2 wrong usage. root may do all that, members of group\n"
	KV_GROUP " may read.\n";

static uint8_t bytes[KV_VALUE_MAX + 1];
static pvo_kv_request request = pvo_kv_request_init_zero;
static struct kv_value value = { .data = bytes, .room = KV_VALUE_MAX };

static int usage(const char *verb, const char *wrong)
{
	fprintf(stderr, "pvguest: kv%s%s: %s; pvguest kv --help tells more\n", *verb ? " " : "",
		verb, wrong);
	return 2;
}

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "pvguest: kv: %s: %s\n", what, why);
	return 1;
}

static void print_record(const pvo_kv_record *record)
{
	printf("%llu\t", (unsigned long long)record->generation);
	if (record->event == pvo_kv_event_KV_DELETED)
		printf("-");
	else
		printf("%u", record->size);
	printf("\t%c%c\t%s\n", record->transient ? 'v' : '-', record->from_host ? 'h' : '-',
	       record->key);
}

/* The process's answers until the last one; the exit status. */
static int hear_all(int fd, const char *what)
{
	pvo_kv_record record;
	int err;

	for (;;) {
		value.room = KV_VALUE_MAX;
		err = kv_receive_record(fd, &record, &value);
		if (err)
			return fail(what, err > 0 ? "the process that has the values has ended" :
				    strerror(-err));
		if (record.event == pvo_kv_event_KV_END)
			break;
		if (record.event == pvo_kv_event_KV_LOST)
			printf("lost\n");
		else if (record.event == pvo_kv_event_KV_CURRENT)
			printf("current\n");
		else
			print_record(&record);
		if (fflush(stdout))
			return fail("stdout", strerror(errno));
	}
	if (record.status != PVC_OK) {
		fprintf(stderr, "pvguest: kv: %s: %s: %s\n", what, pvc_status_name(record.status),
			record.text);
		return 1;
	}
	if (request.op == PVO_KV_GET &&
	    (fwrite(bytes, 1, value.len, stdout) != value.len || fflush(stdout)))
		return fail("stdout", strerror(errno));
	return 0;
}

/* 0 or the exit status. */
static int read_value(void)
{
	ssize_t n;

	do {
		n = read(STDIN_FILENO, bytes + value.len, sizeof(bytes) - value.len);
		if (n < 0)
			return fail("stdin", strerror(errno));
		value.len += n;
	} while (n && value.len < sizeof(bytes));
	return value.len > KV_VALUE_MAX ? fail("stdin", "a value has at most 65536 bytes") : 0;
}

/* 0 or the exit status. */
static int parse(int argc, char **argv, const char **run_dir)
{
	char *end;
	int opt;

	opterr = 0;
	while ((opt = getopt(argc, argv, "vg:r:")) > 0) {
		if (opt == 'v') {
			request.transient = true;
		} else if (opt == 'g') {
			errno = 0;
			request.generation = strtoull(optarg, &end, 10);
			request.conditional = true;
			if (errno || end == optarg || *end || *optarg == '-')
				return fail(optarg, "a generation is a number");
		} else if (opt == 'r') {
			*run_dir = optarg;
		} else {
			return usage(argv[0], "an option is unknown, or without its value");
		}
	}
	return 0;
}

/* The arguments behind the options into the request; 0 or the exit status. */
static int take_arguments(int argc, char **argv, const char *verb)
{
	bool follows = request.op == PVO_KV_LIST || request.op == PVO_KV_WATCH;
	const char *key = argc ? argv[0] : "";
	const char *bad = follows && !argc ? NULL : kv_check_key(key);

	if ((!argc && !follows) || argc > (request.op == PVO_KV_SET ? 2 : 1))
		return usage(verb, "too few arguments, or too many");
	if (bad)
		return fail(key, bad);
	strcpy(request.key, key);
	if (request.op != PVO_KV_SET)
		return 0;
	if (argc == 1)
		return read_value();
	value.len = strlen(argv[1]);
	if (value.len > KV_VALUE_MAX)
		return fail(key, "a value has at most 65536 bytes");
	memcpy(bytes, argv[1], value.len);
	return 0;
}

static __u32 find_op(const char *name)
{
	static const char *const names[] = {
		[PVO_KV_GET] = "get", [PVO_KV_SET] = "set", [PVO_KV_DELETE] = "delete",
		[PVO_KV_LIST] = "list", [PVO_KV_WATCH] = "watch",
	};
	__u32 op;

	for (op = PVO_KV_GET; op <= PVO_KV_WATCH; op++)
		if (!strcmp(names[op], name))
			return op;
	return 0;
}

int kv_main(int argc, char **argv)
{
	const char *run_dir = RUN_DIR, *what;
	int err, fd;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return fputs(usage_text, stdout) < 0;
	request.op = argc > 1 ? find_op(argv[1]) : 0;
	if (!request.op)
		return usage("", "which of get, set, delete, list and watch");
	argc--;
	argv++;
	err = parse(argc, argv, &run_dir);
	if (!err)
		err = take_arguments(argc - optind, argv + optind, argv[0]);
	if (err)
		return err;
	fd = kv_connect(run_dir);
	if (fd < 0)
		return fail(run_dir, fd == -ENOENT || fd == -ECONNREFUSED ?
			    "pvguestd is not running" : strerror(-fd));
	err = kv_send_request(fd, &request, &value);
	what = *request.key ? request.key : argv[0];
	return err ? fail(what, strerror(-err)) : hear_all(fd, what);
}
