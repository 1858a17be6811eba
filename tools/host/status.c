// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost ping, status and watch.
 */
#include <stdio.h>

#include "pvhost.h"

/* Round trip of one PING in nanoseconds. */
static enum outcome ping_once(struct link *link, __u64 token, __u64 *ns)
{
	enum outcome out = link_session(link);
	__u64 from = now_realtime_ns();

	link->news.pong_token = 0;
	pvc_ping(&link->pvc, token);
	while (out == DONE && link->news.pong_token != token) {
		/* A new session has not heard of it. */
		if (link->pvc.state != PVC_UP) {
			out = link_session(link);
			pvc_ping(&link->pvc, token);
		}
		if (out == DONE)
			out = link_turn(link, ~0ull);
	}
	*ns = now_realtime_ns() - from;
	return out;
}

static void print_ping(const struct options *opt, __u32 n, __u64 ns)
{
	cJSON *object;

	if (!opt->json) {
		printf("ping %u: %llu.%03llu ms\n", n,
		       (unsigned long long)ns / 1000000,
		       (unsigned long long)ns / 1000 % 1000);
		fflush(stdout);
		return;
	}
	object = cJSON_CreateObject();
	add_int(object, "ping", n);
	add_int(object, "rtt_ns", ns);
	print_object(opt, object);
}

enum outcome verb_ping(struct link *link, const struct options *opt)
{
	enum outcome out = DONE;
	__u64 ns, next;
	__u32 n;

	for (n = 1; n <= opt->count && out == DONE; n++) {
		link_set_timeout(link, opt->timeout_ms);
		next = now_ms() + opt->interval_ms;
		out = ping_once(link, n, &ns);
		if (out != DONE)
			return out;
		print_ping(opt, n, ns);
		while (n < opt->count && now_ms() < next && out == DONE)
			out = link_turn(link, next);
	}
	return out;
}

static void add_peer(cJSON *object, const struct link *link)
{
	add_text(object, "software", link->pvc.peer.software);
	add_int(object, "protocol", PVC_VERSION);
	add_bool(object, "kernel", link->pvc.features & PVC_FEATURE_KERNEL);
	add_bool(object, "freeze_lease",
		 link->pvc.features & PVC_FEATURE_LEASE);
}

static void add_status(cJSON *object, const struct pvc_guest_status *st)
{
	add_field(object, "release", st->release, sizeof(st->release));
	add_field(object, "version", st->version, sizeof(st->version));
	add_bytes(object, "boot_id", st->boot_id, sizeof(st->boot_id));
	add_int(object, "uptime_ms", le64_to_cpu(st->uptime_ms));
	add_realtime(object, le64_to_cpu(st->realtime_ns));
	add_beat_flags(object, le32_to_cpu(st->flags));
	add_int(object, "lease_ms", le32_to_cpu(st->lease_ms));
	add_int(object, "leases_expired", le32_to_cpu(st->expired));
	add_int(object, "lease", le32_to_cpu(st->lease));
	add_int(object, "restores", le32_to_cpu(st->restores));
	add_int(object, "sessions", le32_to_cpu(st->sessions));
	add_int(object, "sessions_lost", le32_to_cpu(st->lost));
	add_text(object, "last_lost",
		 pvc_why_name(le32_to_cpu(st->last_lost)));
}

enum outcome verb_status(struct link *link, const struct options *opt)
{
	const struct call call = {
		.service = PVC_SERVICE_GUEST, .op = PVC_GUEST_STATUS,
	};
	struct pvc_guest_status st;
	static struct answer answer;
	enum outcome out = link_call(link, &call, &answer);
	cJSON *object;

	if (out != DONE)
		return out;
	if (answer.status != PVC_OK)
		return failed(opt, "status", &answer);
	if (answer.len != sizeof(st))
		return bad_answer("status");
	memcpy(&st, answer.body, sizeof(st));
	object = cJSON_CreateObject();
	add_peer(object, link);
	add_status(object, &st);
	print_object(opt, object);
	return DONE;
}

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

/* @opt->count heartbeats are shown, or the connection's whole life. */
enum outcome verb_watch(struct link *link, const struct options *opt)
{
	__u32 beats = 0, notices = 0, sessions = 0, downs = 0;
	enum outcome out = DONE;

	while (out == DONE && (!opt->count || beats < opt->count)) {
		out = link_turn(link, ~0ull);
		if (link->downs != downs)
			show_session(opt, link, false);
		downs = link->downs;
		if (link->pvc.stats.sessions != sessions)
			show_session(opt, link, true);
		sessions = link->pvc.stats.sessions;
		if (link->news.notices != notices)
			show_notice(opt, link);
		notices = link->news.notices;
		if (link->news.beats == beats)
			continue;
		beats = link->news.beats;
		show_beat(opt, link);
		link_set_timeout(link, opt->timeout_ms);
		if (opt->serve_time && wants_time(link))
			serve_time(link, opt);
	}
	return out;
}
