// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost ping, status and watch.
 */
#include <stdio.h>

#include "info.h"
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
	/* To people, what the daemon knows as well; --json has that in pvhost info. */
	if (!opt->json)
		info_print(opt->client);
	return DONE;
}
