// SPDX-License-Identifier: GPL-2.0-only
/*
 * What pvhost has the daemon do to the whole system: shutdown and reboot with hooks and grace,
 * suspend, fstrim, online.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "info.h"
#include "records.h"
#include "system.h"
#include "system.pb.h"

#define DATA_MAX	(16u << 20)
#define TEXT		1100

/* A request under way whose records are shown as they come. */
struct going {
	struct client *c;
	const char *verb;
	bool json;
	cJSON *object;		/* JSON goes there */
	pvo_SystemRecord rec;
	struct records reader;
	struct channel *ch;
	bool is_going;		/* PHASE_GOING has come: the system may be gone any time */
	bool begun;		/* a record has come */
	bool malformed;
	bool cancelled;
	__u32 status;
	size_t len;
	__u8 body[LINK_BODY];
};

static const char *hook_name(__u32 result)
{
	static const char *const names[] = {
		[pvo_HookResult_HOOK_DONE] = "done",
		[pvo_HookResult_HOOK_FAILED] = "failed",
		[pvo_HookResult_HOOK_SIGNAL] = "killed",
		[pvo_HookResult_HOOK_TIMED_OUT] = "timed-out",
		[pvo_HookResult_HOOK_REFUSED] = "refused",
		[pvo_HookResult_HOOK_WOULD_RUN] = "would-run",
	};

	return result < sizeof(names) / sizeof(*names) ? names[result] : "unknown";
}

static void print_hook(const pvo_SystemHook *hook)
{
	char name[TEXT], text[TEXT];

	printf("hook %-11s %s", text_field(name, hook->name), hook_name(hook->result));
	if (hook->result == pvo_HookResult_HOOK_FAILED)
		printf(" with status %d", hook->status);
	else if (hook->result == pvo_HookResult_HOOK_SIGNAL)
		printf(" by signal %d", hook->status);
	if (hook->result != pvo_HookResult_HOOK_REFUSED &&
	    hook->result != pvo_HookResult_HOOK_WOULD_RUN)
		printf(" after %u.%03u s", hook->ms / 1000, hook->ms % 1000);
	if (hook->text.size)
		printf(": %s", text_field(text, hook->text));
	putchar('\n');
	fflush(stdout);
}

static void add_hook(cJSON *object, const pvo_SystemHook *hook)
{
	cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "hooks"), *item;
	char text[TEXT];

	if (!list)
		list = cJSON_AddArrayToObject(object, "hooks");
	item = cJSON_CreateObject();
	cJSON_AddItemToArray(list, item);
	add_text(item, "name", text_field(text, hook->name));
	add_text(item, "result", hook_name(hook->result));
	add_int(item, "status", hook->status);
	add_int(item, "ms", hook->ms);
	add_text(item, "text", text_field(text, hook->text));
}

static bool show_record(void *priv)
{
	struct going *g = priv;
	const pvo_SystemProgress *progress = &g->rec.what.progress;

	g->begun = true;
	if (g->rec.which_what == pvo_SystemRecord_hook_tag) {
		if (g->json)
			add_hook(g->object, &g->rec.what.hook);
		else
			print_hook(&g->rec.what.hook);
	} else if (g->rec.which_what == pvo_SystemRecord_progress_tag) {
		if (progress->phase == pvo_SystemPhase_PHASE_GOING)
			g->is_going = true;
		else if (progress->phase == pvo_SystemPhase_PHASE_GRACE && g->json)
			add_bool(g->object, "users_told", progress->told);
		else if (progress->phase == pvo_SystemPhase_PHASE_GRACE && progress->seconds)
			printf("in %u s%s\n", progress->seconds,
			       progress->told ? ", users were told" : "");
		fflush(stdout);
	}
	return true;
}

static size_t take_data(struct channel *ch, const void *buf, size_t len)
{
	struct going *g = channel_priv(ch);

	if (records_take(&g->reader, buf, len))
		return len;
	g->malformed = true;
	channel_reset(ch, PVC_CANCELLED);
	client_stop(g->c, FAILED);
	return len;
}

static void take_answer(struct channel *ch, __u32 status, __u32 flags, const void *body,
			size_t len)
{
	struct going *g = channel_priv(ch);

	(void)flags;
	g->ch = NULL;
	g->status = status;
	g->len = min_t(size_t, len, sizeof(g->body));
	memcpy(g->body, body, g->len);
	client_stop(g->c, DONE);
}

static void on_interrupt(evutil_socket_t sig, short what, void *arg)
{
	struct going *g = arg;

	(void)sig;
	(void)what;
	g->cancelled = true;
	if (g->ch)
		channel_reset(g->ch, PVC_CANCELLED);
	g->ch = NULL;
	client_stop(g->c, FAILED);
}

/* What the guest knows of it, after the session was lost before it went. */
static enum outcome ask_again(struct going *g, const struct channel_request *req,
			      const __u8 *boot_id)
{
	static struct reply reply;
	enum outcome out = client_ask(g->c, req, boot_id, &reply);

	if (out != DONE)
		return out;
	g->status = reply.status;
	g->len = reply.len;
	memcpy(g->body, reply.body, g->len);
	free(reply.data);
	return DONE;
}

/* To the end of it, of which the guest may not be there any more to tell. */
static enum outcome follow_up(struct going *g, const struct channel_request *req,
			      const __u8 *boot_id)
{
	bool known = false;
	enum outcome out;

	while ((out = ask_again(g, req, boot_id)) == DONE && g->status == PVC_IN_PROGRESS) {
		known = true;
		usleep(200000);
	}
	if (!known || (out == DONE && g->status != PVC_FORGOTTEN))
		return out;
	g->status = PVC_OK;
	return DONE;
}

/* Ctrl-C: whether it came in time is for the guest to say, within a few seconds. */
static enum outcome cancel(struct going *g, const struct channel_request *req,
			   const __u8 *boot_id)
{
	enum outcome out = DONE;
	int i;

	for (i = 0; i < 100 && out == DONE; i++) {
		out = ask_again(g, req, boot_id);
		if (g->status != PVC_IN_PROGRESS)
			break;
		usleep(50000);
	}
	if (out != DONE)
		return out;
	if (g->status == PVC_OK)
		fprintf(stderr, "pvhost: %s: too late to cancel\n", g->verb);
	else
		fprintf(stderr, "pvhost: %s: %s\n", g->verb, g->status == PVC_IN_PROGRESS ?
			"it is not known whether it was cancelled" : pvc_status_name(g->status));
	return g->status == PVC_OK ? DONE : FAILED;
}

/* To the answer, or the end of the session once the guest has said that it goes. */
static enum outcome carry_out(struct going *g, struct channel_request *req)
{
	static const struct channel_ops ops = { .data = take_data, .done = take_answer };
	struct event *interrupt;
	enum outcome out = client_session(g->c);
	__u8 boot_id[16];

	if (out != DONE)
		return out;
	memcpy(boot_id, client_boot_id(g->c), sizeof(boot_id));
	g->reader = (struct records){
		.fields = pvo_SystemRecord_fields, .record = &g->rec, .each = show_record,
		.priv = g,
	};
	req->key = client_random(g->c);
	req->nodata = true;
	req->priv = g;
	g->status = PVC_LOST;
	g->ch = channel_open(g->c, req, &ops);
	if (!g->ch) {
		fprintf(stderr, "pvhost: the guest takes no more streams\n");
		return FAILED;
	}
	interrupt = evsignal_new(client_base(g->c), SIGINT, on_interrupt, g);
	evsignal_add(interrupt, NULL);
	out = client_run(g->c);
	event_free(interrupt);
	if (g->malformed)
		return bad_answer(g->verb);
	if (g->cancelled)
		return cancel(g, req, boot_id);
	if (g->is_going && (out == NO_CONNECTION || (out == DONE && g->status == PVC_LOST)))
		return DONE;
	return out == DONE && g->status == PVC_LOST ? follow_up(g, req, boot_id) : out;
}

bool daemon_power(const struct options *opt, bool reboot, cJSON *object, enum outcome *out)
{
	pvo_PowerRequest args = {
		.grace_s = opt->grace_s, .hook_timeout_s = opt->hook_timeout_s,
		.dry_run = opt->dry_run,
	};
	static struct going g;
	__u8 record[pvo_PowerRequest_size];
	struct channel_request req = {
		.service = PVO_SERVICE_SYSTEM,
		.op = reboot ? PVO_SYSTEM_REBOOT : PVO_SYSTEM_SHUTDOWN, .record = record,
	};
	size_t len = opt->message ? strlen(opt->message) : 0;

	if (len > sizeof(args.message.bytes)) {
		fprintf(stderr, "pvhost: the message has %zu bytes, %zu are allowed\n", len,
			sizeof(args.message.bytes));
		*out = USAGE;
		return true;
	}
	memcpy(args.message.bytes, opt->message ? opt->message : "", len);
	args.message.size = len;
	req.record_len = record_encode(pvo_PowerRequest_fields, &args, record, sizeof(record));
	g = (struct going){
		.c = opt->client, .verb = reboot ? "reboot" : "shutdown", .json = opt->json,
		.object = object,
	};
	*out = carry_out(&g, &req);
	/* The guest was gone before it could answer. */
	if (*out != DONE || g.status == PVC_OK || (g.is_going && g.status == PVC_LOST))
		return true;
	/* What only the daemon can is not left out silently. */
	if (!g.begun && (g.status == PVC_NO_SERVICE || g.status == PVC_UNSUPPORTED) &&
	    !opt->grace_s && !opt->message && !opt->dry_run && !opt->hook_timeout_s)
		return false;
	*out = client_refused(g.verb, NULL, g.status, g.body, g.len);
	return true;
}

static const struct option suspend_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ }
};

static bool take_json(struct client *c, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "j", suspend_options, NULL)) != -1) {
		if (opt != 'j')
			return false;
		client_set_json(c);
	}
	return true;
}

static int verb_suspend(struct client *c, int argc, char **argv)
{
	static const char *const modes[] = { NULL, "mem", "disk", "hybrid" };
	pvo_SuspendRequest args = { .mode = pvo_SuspendMode_SUSPEND_MEM };
	static struct going g;
	__u8 record[pvo_SuspendRequest_size];
	struct channel_request req = {
		.service = PVO_SERVICE_SYSTEM, .op = PVO_SYSTEM_SUSPEND, .record = record,
	};
	pvo_SystemEnd end = pvo_SystemEnd_init_zero;
	struct options opt = { };
	pb_istream_t from;
	enum outcome out;
	__u32 i;

	if (!take_json(c, argc, argv) || argc > optind + 1)
		return USAGE;
	for (i = 1; optind < argc && i < 4 && strcmp(argv[optind], modes[i]); i++)
		;
	if (i == 4) {
		fprintf(stderr, "pvhost: suspend is mem, disk or hybrid, not '%s'\n", argv[optind]);
		return USAGE;
	}
	args.mode = i;
	req.record_len = record_encode(pvo_SuspendRequest_fields, &args, record, sizeof(record));
	opt.json = client_json(c);
	g = (struct going){ .c = c, .verb = "suspend", .json = opt.json };
	g.object = cJSON_CreateObject();
	out = carry_out(&g, &req);
	if (out == DONE && g.status != PVC_OK && !(g.is_going && g.status == PVC_LOST))
		out = client_refused("suspend", modes[i], g.status, g.body, g.len);
	if (out == DONE) {
		from = pb_istream_from_buffer(g.body, g.len);
		add_text(g.object, "suspend", g.status == PVC_OK ? "resumed" : "suspended");
		if (g.status == PVC_OK && pb_decode(&from, pvo_SystemEnd_fields, &end))
			add_int(g.object, "slept_ms", end.slept_ms);
		print_object(&opt, g.object);
	} else {
		cJSON_Delete(g.object);
	}
	return out;
}

/* Lists of results: they are printed when the answer is there. */
struct results {
	pvo_SystemRecord rec;
	struct options opt;
	bool failed;
};

static enum outcome ask(struct client *c, const char *verb, const char *what,
			struct channel_request *req, struct results *res,
			bool (*each)(void *priv))
{
	static struct records reader;
	static struct reply reply;
	enum outcome out = client_call(c, req, DATA_MAX, &reply);

	res->opt.json = client_json(c);
	reader = (struct records){
		.fields = pvo_SystemRecord_fields, .record = &res->rec, .each = each, .priv = res,
	};
	if (out == DONE && !records_all(&reader, reply.data, reply.data_len))
		out = bad_answer(verb);
	else if (out == DONE && reply.status != PVC_OK)
		out = client_refused(verb, what, reply.status, reply.body, reply.len);
	else if (out == DONE && res->failed)
		out = FAILED;
	free(reply.data);
	return out;
}

static const char *errno_text(__u32 error)
{
	return error < 4096 ? strerror(error) : "unknown error";
}

static bool print_trim(void *priv)
{
	struct results *res = priv;
	const pvo_SystemTrim *trim = &res->rec.what.trim;
	char target[TEXT], source[TEXT], bytes[32];
	cJSON *object;

	if (res->rec.which_what != pvo_SystemRecord_trim_tag)
		return true;
	text_field(target, trim->target);
	text_field(source, trim->source);
	if (!res->opt.json) {
		printf("%-20s %-16s %s\n", target, source, trim->error ? errno_text(trim->error) :
		       bytes_text(bytes, sizeof(bytes), trim->bytes));
	} else {
		object = cJSON_CreateObject();
		add_text(object, "target", target);
		add_text(object, "source", source);
		add_int(object, "bytes", trim->bytes);
		add_int(object, "ms", trim->ms);
		if (trim->error)
			add_text(object, "error", errno_text(trim->error));
		print_object(&res->opt, object);
	}
	/* A device that discards nothing is no failure of a request for all. */
	res->failed |= trim->error && trim->error != EOPNOTSUPP && trim->error != ENOTTY;
	return true;
}

static const struct option trim_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "minimum", required_argument, NULL, 'm' },
	{ }
};

static int verb_fstrim(struct client *c, int argc, char **argv)
{
	static pvo_TrimRequest args;
	static struct results res;
	__u8 record[pvo_TrimRequest_size];
	struct channel_request req = {
		.service = PVO_SERVICE_SYSTEM, .op = PVO_SYSTEM_FSTRIM, .record = record,
	};
	const char *target = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "jm:", trim_options, NULL)) != -1) {
		if (opt == 'j')
			client_set_json(c);
		else if (opt == 'm')
			args.minimum = to_number("--minimum", optarg, 0, 4294967295.0, 1);
		else
			return USAGE;
	}
	if (argc > optind + 1) {
		fprintf(stderr, "pvhost: fstrim takes one mount point, or none for all\n");
		return USAGE;
	}
	if (argc > optind)
		target = argv[optind];
	if (target && (*target != '/' || strlen(target) > sizeof(args.target.bytes) - 1)) {
		fprintf(stderr, "pvhost: a mount point is an absolute path of at most %zu bytes\n",
			sizeof(args.target.bytes) - 1);
		return USAGE;
	}
	args.target.size = target ? strlen(target) : 0;
	memcpy(args.target.bytes, target ? target : "", args.target.size);
	req.record_len = record_encode(pvo_TrimRequest_fields, &args, record, sizeof(record));
	return ask(c, "fstrim", target, &req, &res, print_trim);
}

static bool print_online(void *priv)
{
	struct results *res = priv;
	const pvo_SystemOnline *info = &res->rec.what.online;
	const char *kind = info->kind == pvo_OnlineKind_ONLINE_MEMORY ? "memory" : "cpu";
	const char *why = info->error == EPERM && info->kind == pvo_OnlineKind_ONLINE_CPU ?
		"CPU 0, the last one, and one that cannot be switched stay online" :
		errno_text(info->error);
	cJSON *object;

	if (res->rec.which_what != pvo_SystemRecord_online_tag)
		return true;
	res->failed |= !!info->error;
	if (!res->opt.json) {
		printf("%s %-6u %s%s%s%s%s\n", kind, info->id, info->online ? "online" : "offline",
		       info->changed ? ", changed" : "", info->fixed ? ", cannot be switched" : "",
		       info->error ? ": " : "", info->error ? why : "");
		return true;
	}
	object = cJSON_CreateObject();
	add_text(object, "kind", kind);
	add_int(object, "id", info->id);
	add_bool(object, "online", info->online);
	add_bool(object, "fixed", info->fixed);
	add_bool(object, "changed", info->changed);
	if (info->kind == pvo_OnlineKind_ONLINE_MEMORY)
		add_int(object, "size", info->size);
	if (info->error)
		add_text(object, "error", why);
	print_object(&res->opt, object);
	return true;
}

/* "3" or "1-3" or "all" */
static bool parse_range(const char *text, pvo_OnlineRequest *args)
{
	unsigned long first, last;
	char *end;

	if (!strcmp(text, "all") && args->action == pvo_OnlineAction_ONLINE_ON)
		return true;
	if (*text < '0' || *text > '9')
		return false;
	first = strtoul(text, &end, 10);
	last = first;
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		last = strtoul(end + 1, &end, 10);
	if (*end || last < first || last - first >= 4096 || last > 0xffffffff)
		return false;
	args->first = first;
	args->count = last - first + 1;
	return true;
}

static enum outcome parse_online(int argc, char **argv, pvo_OnlineRequest *args)
{
	const char *kind = argc > 0 ? argv[0] : "cpu", *action = argc > 1 ? argv[1] : "list";

	args->kind = strcmp(kind, "memory") ? pvo_OnlineKind_ONLINE_CPU :
					      pvo_OnlineKind_ONLINE_MEMORY;
	args->action = !strcmp(action, "on") ? pvo_OnlineAction_ONLINE_ON :
		!strcmp(action, "off") ? pvo_OnlineAction_ONLINE_OFF :
					 pvo_OnlineAction_ONLINE_LIST;
	if ((strcmp(kind, "cpu") && strcmp(kind, "memory")) ||
	    (args->action == pvo_OnlineAction_ONLINE_LIST ? strcmp(action, "list") || argc > 2 :
							    argc != 3))
		fprintf(stderr, "pvhost: online takes cpu or memory, and on N, on N-M, on all, off N or off N-M\n");
	else if (argc == 3 && !parse_range(argv[2], args))
		fprintf(stderr, "pvhost: '%s' is no number or range of at most 4096%s\n", argv[2],
			args->action == pvo_OnlineAction_ONLINE_ON ? ", nor all" : "");
	else
		return DONE;
	return USAGE;
}

static int verb_online(struct client *c, int argc, char **argv)
{
	pvo_OnlineRequest args = pvo_OnlineRequest_init_zero;
	static struct results res;
	__u8 record[pvo_OnlineRequest_size];
	struct channel_request req = {
		.service = PVO_SERVICE_SYSTEM, .op = PVO_SYSTEM_ONLINE, .record = record,
	};
	enum outcome out;

	if (!take_json(c, argc, argv))
		return USAGE;
	out = parse_online(argc - optind, argv + optind, &args);
	if (out != DONE)
		return out;
	req.record_len = record_encode(pvo_OnlineRequest_fields, &args, record, sizeof(record));
	return ask(c, "online", NULL, &req, &res, print_online);
}

const struct command system_commands[] = {
	{ "suspend", "[mem|disk|hybrid]", "put the guest to sleep", verb_suspend, NULL },
	{ "fstrim", "[-m BYTES] [MOUNT-POINT]", "tell the disks what file systems do not use",
	  verb_fstrim,
	  "  -m, --minimum=BYTES  leave free ranges below that\n"
	  "  -j, --json           one object a line for each file system\n" },
	{ "online", "[cpu|memory [on|off N[-M]|all]]", "list vCPUs or memory blocks, switch them",
	  verb_online,
	  "  -j, --json           one object a line for each\n" },
	{ }
};
