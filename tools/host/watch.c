// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost watch: what the guest tells without being asked again: its kernel's heartbeats and
 * notices, and what changes, from its daemon. The daemon's stream begins anew with each
 * session, with all last values.
 */
#include <stdio.h>

#include "info.h"
#include "pvhost.h"

/* A line for people has words; JSON has the same as an object. */
static cJSON *event(const char *what)
{
	cJSON *object = cJSON_CreateObject();

	add_text(object, "event", what);
	return object;
}

static void print_event(const struct options *opt, cJSON *object)
{
	const cJSON *item;
	const char *sep = "";

	if (opt->json) {
		print_object(opt, object);
		return;
	}
	cJSON_ArrayForEach(item, object) {
		if (cJSON_IsString(item) || cJSON_IsRaw(item)) {
			if (*sep)
				printf("%s%s=%s", sep, item->string,
				       item->valuestring);
			else
				printf("%s", item->valuestring);
			sep = " ";
		} else if (cJSON_IsTrue(item)) {
			printf(" %s", item->string);
		}
	}
	putchar('\n');
	fflush(stdout);
	cJSON_Delete(object);
}

static void show_beat(const struct options *opt, const struct link *link)
{
	const struct pvc_heartbeat *beat = &link->news.beat;
	cJSON *object = event("heartbeat");

	add_int(object, "count", le32_to_cpu(beat->count));
	add_int(object, "uptime_ms", le64_to_cpu(beat->uptime_ms));
	add_int(object, "lease_ms", le32_to_cpu(beat->lease_ms));
	add_beat_flags(object, le32_to_cpu(beat->flags));
	print_event(opt, object);
}

static void show_notice(const struct options *opt, const struct link *link)
{
	cJSON *object = event("notice");

	add_text(object, "kind", notice_name(link->news.notice_kind));
	add_int(object, "uptime_ms", link->news.notice_uptime_ms);
	add_text(object, "text", link->news.notice_text);
	print_event(opt, object);
}

static void show_session(const struct options *opt, const struct link *link,
			 bool up)
{
	cJSON *object = event(up ? "session" : "lost");

	if (up) {
		add_text(object, "software", link->pvc.peer.software);
		add_bytes(object, "boot_id", link->pvc.peer.boot_id, 16);
	} else {
		add_text(object, "why", pvc_why_name(link->down_why));
	}
	print_event(opt, object);
}

static void serve_time(struct link *link, const struct options *opt)
{
	__s64 offset;
	__u32 action;
	cJSON *object;

	if (sync_time(link, 0, &offset, &action) != DONE)
		return;
	object = event("time");
	add_int(object, "offset_ns", offset);
	add_text(object, "action", action_name(action));
	print_event(opt, object);
}

static bool wants_time(const struct link *link)
{
	return le32_to_cpu(link->news.beat.flags) & PVC_BEAT_TIME_WANTED;
}

/* What the daemon tells, beside it all. */
struct events {
	const struct options *opt;
	struct channel *ch;	/* NULL: there is none */
	bool over;		/* not to be asked for again in this session */
	pvo_InfoRecord rec;
	struct records reader;
};

static bool show_record(void *priv)
{
	struct events *ev = priv;
	cJSON *object;
	char text[4096];

	if (!ev->rec.which_what)
		return true;
	if (!ev->opt->json) {
		if (ev->rec.which_what == pvo_InfoRecord_synced_tag)
			return true;
		info_text(text, sizeof(text), &ev->rec);
		printf("%s%s %s\n", info_label(&ev->rec), ev->rec.gone ? " gone" : "", text);
		fflush(stdout);
		return true;
	}
	object = event(info_event(&ev->rec));
	add_int(object, "seq", ev->rec.seq);
	add_bool(object, "gone", ev->rec.gone);
	info_json(object, &ev->rec);
	print_object(ev->opt, object);
	return true;
}

static size_t take_events(struct channel *ch, const void *buf, size_t len)
{
	struct events *ev = channel_priv(ch);

	if (records_take(&ev->reader, buf, len))
		return len;
	bad_answer("watch");
	ev->ch = NULL;
	ev->over = true;
	channel_reset(ch, PVC_CANCELLED);
	return len;
}

/* A guest without a daemon may have one later; a policy that denies it is no end of the rest. */
static void end_events(struct channel *ch, __u32 status, __u32 flags, const void *body,
		       size_t len)
{
	struct events *ev = channel_priv(ch);

	(void)flags;
	ev->ch = NULL;
	if (status == PVC_NO_SERVICE || status == PVC_LOST)
		return;
	ev->over = true;
	client_refused("watch", NULL, status, body, len);
}

static void begin_events(struct events *ev)
{
	static const struct channel_ops ops = { .data = take_events, .done = end_events };
	const struct channel_request req = {
		.service = PVO_SERVICE_INFO, .op = PVO_INFO_WATCH, .nodata = true, .priv = ev,
	};

	if (ev->ch || ev->over || ev->opt->plain)
		return;
	ev->reader = (struct records){
		.fields = pvo_InfoRecord_fields, .record = &ev->rec, .each = show_record,
		.priv = ev,
	};
	ev->ch = channel_open(ev->opt->client, &req, &ops);
}

/* @opt->count heartbeats are shown, or the connection's whole life. */
enum outcome verb_watch(struct link *link, const struct options *opt)
{
	__u32 beats = 0, notices = 0, sessions = 0, downs = 0;
	static struct events events;
	enum outcome out = DONE;

	events.opt = opt;
	while (out == DONE && (!opt->count || beats < opt->count)) {
		out = link_turn(link, ~0ull);
		if (link->downs != downs)
			show_session(opt, link, false);
		downs = link->downs;
		if (link->pvc.stats.sessions != sessions) {
			show_session(opt, link, true);
			events.over = false;
			begin_events(&events);
		}
		sessions = link->pvc.stats.sessions;
		if (link->news.notices != notices)
			show_notice(opt, link);
		notices = link->news.notices;
		if (link->news.beats == beats)
			continue;
		beats = link->news.beats;
		show_beat(opt, link);
		if (le32_to_cpu(link->news.beat.flags) & PVC_BEAT_DAEMON)
			begin_events(&events);
		link_set_timeout(link, opt->timeout_ms);
		if (opt->serve_time && wants_time(link))
			serve_time(link, opt);
	}
	return out;
}
