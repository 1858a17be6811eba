// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost kv: the guest's key-value store, from the host.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kv_wire.h"
#include "pvhost.h"
#include "records.h"

#define VALUE_MAX	65536u		/* the guest's limit */
#define LIST_MAX	(4u << 20)	/* bytes of a list: its limit of all values, and some */

/**
 * struct kv - a call of the verb
 * @client: see &struct command
 * @what: the key, or the prefix
 * @op: enum pvo_kv_op
 * @request: for the guest
 * @value: to set, or as the last record had it
 * @record: the last one
 * @reader: of records
 * @opt: what print_object() has to know
 * @count: of watch: events until it ends; 0: no end
 * @listed: of list: something was printed
 * @status: of watch: how its stream ended
 */
struct kv {
	struct client *client;
	const char *what;
	__u32 op;
	pvo_kv_request request;
	struct kv_value value;
	pvo_kv_record record;
	struct records reader;
	struct options opt;
	__u32 count;
	bool ended;
	__u32 status;
	enum outcome outcome;
};

static __u8 bytes[VALUE_MAX + 1];

/* The value as text, if it is, else in hexadecimal digits. */
static void add_value(cJSON *object, const __u8 *value, size_t len)
{
	char *text = malloc(2 * len + 1);
	size_t i;

	if (!text)
		return;
	memcpy(text, value, len);
	text[len] = '\0';
	for (i = 0; i < len && value[i] >= ' ' && value[i] < 0x7f; i++)
		;
	if (i == len) {
		add_text(object, "value", text);
	} else {
		for (i = 0; i < len; i++)
			snprintf(text + 2 * i, 3, "%02x", value[i]);
		add_text(object, "value_hex", text);
	}
	free(text);
}

static const char *event_name(pvo_kv_event event)
{
	switch (event) {
	case pvo_kv_event_KV_VALUE:
		return "value";
	case pvo_kv_event_KV_DELETED:
		return "deleted";
	case pvo_kv_event_KV_CURRENT:
		return "current";
	case pvo_kv_event_KV_LOST:
		return "lost";
	default:
		return "unknown";
	}
}

static cJSON *json_of(const pvo_kv_record *record)
{
	cJSON *object = cJSON_CreateObject();

	if (record->key[0])
		add_text(object, "key", client_printable(record->key, strlen(record->key)));
	add_int(object, "generation", record->generation);
	if (!record->time_ms)
		return object;
	add_int(object, "size", record->size);
	add_bool(object, "volatile", record->transient);
	add_text(object, "by", record->from_host ? "host" : "guest");
	add_int(object, "time_ms", record->time_ms);
	return object;
}

static void print_line(const pvo_kv_record *record, const char *event)
{
	printf("%s%-20s %llu", event, client_printable(record->key, strlen(record->key)),
	       (unsigned long long)record->generation);
	if (record->time_ms)
		printf(" %u bytes by the %s%s", record->size,
		       record->from_host ? "host" : "guest",
		       record->transient ? ", volatile" : "");
	putchar('\n');
}

static bool show_listed(void *priv)
{
	struct kv *kv = priv;
	cJSON *object;

	if (kv->record.event != pvo_kv_event_KV_VALUE)
		return true;
	if (client_json(kv->client)) {
		object = json_of(&kv->record);
		if (kv->request.values)
			add_value(object, kv->value.data, kv->value.len);
		print_object(&kv->opt, object);
	} else if (kv->request.values) {
		printf("%s=%s\n", kv->record.key, client_printable(kv->value.data, kv->value.len));
	} else {
		print_line(&kv->record, "");
	}
	kv->value.len = 0;
	return true;
}

static bool show_event(void *priv)
{
	struct kv *kv = priv;
	const char *name = event_name(kv->record.event);
	char head[16];
	cJSON *object;

	if (client_json(kv->client)) {
		object = json_of(&kv->record);
		add_text(object, "event", name);
		if (kv->record.event == pvo_kv_event_KV_VALUE)
			add_value(object, kv->value.data, kv->value.len);
		print_object(&kv->opt, object);
	} else if (kv->record.key[0]) {
		snprintf(head, sizeof(head), "%-8s ", name);
		print_line(&kv->record, head);
	} else {
		puts(name);
	}
	fflush(stdout);
	kv->value.len = 0;
	return !kv->count || --kv->count;
}

/* Bytes of the request in @buf of RECORD_MAX bytes. */
static size_t encode(struct kv *kv, __u8 *buf)
{
	kv->request.value.funcs.encode = kv_encode_value;
	kv->request.value.arg = kv->op == PVO_KV_SET ? &kv->value : NULL;
	return record_encode(pvo_kv_request_fields, &kv->request, buf, RECORD_MAX);
}

static void begin_reading(struct kv *kv, bool (*each)(void *priv))
{
	kv->value = (struct kv_value){ .data = bytes, .room = VALUE_MAX };
	kv->record.value.funcs.decode = kv_decode_value;
	kv->record.value.arg = &kv->value;
	kv->reader.fields = pvo_kv_record_fields;
	kv->reader.record = &kv->record;
	kv->reader.each = each;
	kv->reader.priv = kv;
	kv->reader.used = 0;
	kv->reader.stopped = false;
}

static enum outcome show_answer(struct kv *kv, const struct reply *reply)
{
	pb_istream_t in = pb_istream_from_buffer(reply->body, reply->len);
	cJSON *object;

	if (!pb_decode(&in, pvo_kv_record_fields, &kv->record))
		return bad_answer("kv");
	if (client_json(kv->client)) {
		object = json_of(&kv->record);
		if (kv->op == PVO_KV_GET)
			add_value(object, reply->data, reply->data_len);
		print_object(&kv->opt, object);
	} else if (kv->op == PVO_KV_GET) {
		fwrite(reply->data, 1, reply->data_len, stdout);
	}
	return fflush(stdout) ? FAILED : DONE;
}

/* All but watch. */
static enum outcome ask(struct kv *kv)
{
	static struct reply reply;
	static __u8 buf[RECORD_MAX];
	bool writes = kv->op == PVO_KV_SET || kv->op == PVO_KV_DELETE;
	struct channel_request req = {
		.service = PVO_SERVICE_KV, .op = kv->op, .record = buf, .nodata = true,
		.record_len = encode(kv, buf), .deadline_ms = client_timeout(kv->client),
		.key = writes ? client_random(kv->client) : 0,
	};
	enum outcome out = client_call(kv->client, &req, LIST_MAX, &reply);

	if (out == DONE && reply.status != PVC_OK) {
		out = client_refused("kv", *kv->what ? kv->what : NULL, reply.status, reply.body,
				     reply.len);
	} else if (out == DONE) {
		begin_reading(kv, show_listed);
		if (kv->op != PVO_KV_LIST)
			out = show_answer(kv, &reply);
		else if (!records_all(&kv->reader, reply.data, reply.data_len))
			out = bad_answer("kv");
	}
	free(reply.data);
	return out;
}

static size_t take_events(struct channel *ch, const void *buf, size_t len)
{
	struct kv *kv = channel_priv(ch);
	bool good = records_take(&kv->reader, buf, len);

	if (good && !kv->reader.stopped)
		return len;
	kv->ended = true;
	kv->outcome = good ? DONE : bad_answer("kv");
	channel_reset(ch, PVC_CANCELLED);
	client_stop(kv->client, kv->outcome);
	return len;
}

static void end_events(struct channel *ch, __u32 status, __u32 flags, const void *body,
		       size_t len)
{
	struct kv *kv = channel_priv(ch);

	(void)flags;
	kv->ended = status != PVC_LOST;
	if (kv->ended)
		kv->outcome = client_refused("kv", *kv->what ? kv->what : NULL, status, body, len);
	client_stop(kv->client, kv->outcome);
}

/* With each session it begins anew, with the values of then. */
static enum outcome watch(struct kv *kv)
{
	static const struct channel_ops ops = { .data = take_events, .done = end_events };
	static __u8 buf[RECORD_MAX];
	struct channel_request req = {
		.service = PVO_SERVICE_KV, .op = kv->op, .record = buf, .nodata = true,
		.record_len = encode(kv, buf), .priv = kv,
	};
	enum outcome out = DONE;

	while (out == DONE && !kv->ended) {
		out = client_session(kv->client);
		if (out != DONE)
			break;
		begin_reading(kv, show_event);
		if (channel_open(kv->client, &req, &ops))
			out = client_run(kv->client);
	}
	return kv->ended ? kv->outcome : out;
}

static int usage(const char *wrong)
{
	fprintf(stderr, "pvhost: kv: %s; pvhost kv --help tells\n", wrong);
	return USAGE;
}

/* DONE or USAGE or FAILED. */
static int read_value(struct kv *kv)
{
	size_t len = fread(bytes, 1, sizeof(bytes), stdin);

	if (ferror(stdin)) {
		fprintf(stderr, "pvhost: kv: stdin: %s\n", strerror(errno));
		return FAILED;
	}
	if (len > VALUE_MAX)
		return usage("a value has at most 65536 bytes");
	kv->value.len = len;
	return DONE;
}

static int take_value(struct kv *kv, const char *text)
{
	if (!text)
		return read_value(kv);
	kv->value.len = strlen(text);
	if (kv->value.len > VALUE_MAX)
		return usage("a value has at most 65536 bytes");
	memcpy(bytes, text, kv->value.len);
	return DONE;
}

static const struct {
	const char *name;
	__u32 op;
	const char *options;
	int least, most;	/* arguments */
} verbs[] = {
	{ "get", PVO_KV_GET, "", 1, 1 },
	{ "set", PVO_KV_SET, "vg", 1, 2 },
	{ "delete", PVO_KV_DELETE, "g", 1, 1 },
	{ "list", PVO_KV_LIST, "l", 0, 1 },
	{ "watch", PVO_KV_WATCH, "c", 0, 1 },
};

static int parse_option(struct kv *kv, int c, const char *arg)
{
	char *end;

	switch (c) {
	case 'v':
		kv->request.transient = true;
		return DONE;
	case 'l':
		kv->request.values = true;
		return DONE;
	case 'c':
		kv->count = to_number("--count", arg, 1, 4e9, 1);
		return DONE;
	case 'g':
		errno = 0;
		kv->request.generation = strtoull(arg, &end, 10);
		kv->request.conditional = true;
		return errno || end == arg || *end || *arg == '-' ?
			usage("a generation is a number") : DONE;
	default:
		return USAGE;
	}
}

static int parse(struct kv *kv, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "volatile", no_argument, NULL, 'v' },
		{ "generation", required_argument, NULL, 'g' },
		{ "values", no_argument, NULL, 'l' },
		{ "count", required_argument, NULL, 'c' },
		{ }
	};
	size_t i;
	int c, out;

	for (i = 0; argc > 1 && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verbs[i].name, argv[1]))
			break;
	if (argc < 2 || i == sizeof(verbs) / sizeof(*verbs))
		return usage("it is one of get, set, delete, list and watch");
	kv->op = verbs[i].op;
	argc--;
	argv++;
	while ((c = getopt_long(argc, argv, "vg:lc:", longopts, NULL)) != -1) {
		out = parse_option(kv, c, optarg);
		if (out != DONE)
			return out;
		if (!strchr(verbs[i].options, c))
			return usage("that option is another verb's");
	}
	if (argc - optind < verbs[i].least || argc - optind > verbs[i].most)
		return usage("too few arguments, or too many");
	kv->what = argc > optind ? argv[optind] : "";
	if (strlen(kv->what) >= sizeof(kv->request.key))
		return usage("a key has 1 to 128 bytes");
	strcpy(kv->request.key, kv->what);
	return kv->op == PVO_KV_SET ? take_value(kv, argv[optind + 1]) : DONE;
}

static int verb_kv(struct client *c, int argc, char **argv)
{
	static struct kv kv = {
		.request = pvo_kv_request_init_zero,
		.record = pvo_kv_record_init_zero,
		.value = { .data = bytes },
		.opt = { .json = true },
	};
	int out;

	kv.client = c;
	out = parse(&kv, argc, argv);
	if (out != DONE)
		return out;
	return kv.op == PVO_KV_WATCH ? watch(&kv) : ask(&kv);
}

const struct command kv_commands[] = {
	{ "kv", "get|set|delete|list|watch [OPTION]... [KEY [VALUE]]",
	  "values that the host and the guest keep for each other", verb_kv,
	  "  get KEY                 its value\n"
	  "  set [-v] [-g N] KEY [VALUE]\n"
	  "                          without VALUE it is what stdin has, at most 65536 bytes\n"
	  "  delete [-g N] KEY\n"
	  "  list [-l] [PREFIX]      keys, with their generation\n"
	  "  watch [-c N] [PREFIX]   values of now, then changes\n"
	  "\n"
	  "  -v, --volatile          the value is not kept when the guest's daemon stops\n"
	  "  -g, --generation=N      only if the key has this generation; 0: if it is not there\n"
	  "  -l, --values            with the values\n"
	  "  -c, --count=N           end after N lines\n" },
	{ }
};
