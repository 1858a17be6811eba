// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost time: how far the guest's clock is off, and setting it.
 */
#include <stdio.h>

#include "pvhost.h"

#define SAMPLES	4	/* the one with the shortest round trip counts */

const char *action_name(__u32 action)
{
	static const char *const names[] = {
		[PVC_TIME_NONE] = "none",
		[PVC_TIME_STEPPED] = "stepped",
		[PVC_TIME_BACKWARD] = "left-not-backward",
		[PVC_TIME_OFF] = "left-policy",
	};

	return action < sizeof(names) / sizeof(*names) ? names[action] :
							 "unknown";
}

static void refresh_probe(void *args)
{
	struct pvc_time_probe *probe = args;

	probe->host_ns = cpu_to_le64(now_realtime_ns());
}

/* One sample; @offset: by how much the guest is behind. */
static enum outcome sample(struct link *link, struct answer *answer,
			   __u64 *rtt, __s64 *offset)
{
	struct pvc_time_probe probe;
	struct pvc_time_sample s;
	const struct call call = {
		.service = PVC_SERVICE_TIME, .op = PVC_TIME_SAMPLE,
		.args = &probe, .len = sizeof(probe), .refresh = refresh_probe,
	};
	enum outcome out = link_call(link, &call, answer);
	__u64 now = now_realtime_ns();

	if (out != DONE || answer->status != PVC_OK)
		return out;
	if (answer->len != sizeof(s))
		return bad_answer("time");
	memcpy(&s, answer->body, sizeof(s));
	*rtt = now - le64_to_cpu(s.host_ns) -
	       (le64_to_cpu(s.sent_ns) - le64_to_cpu(s.received_ns));
	*offset = (__s64)(le64_to_cpu(s.host_ns) + *rtt / 2 -
			  le64_to_cpu(s.received_ns));
	return DONE;
}

static enum outcome best_sample(struct link *link, struct answer *answer,
				__u64 *rtt, __s64 *offset)
{
	enum outcome out;
	__u64 one_rtt = 0;
	__s64 one = 0;
	int i;

	*rtt = ~0ull;
	for (i = 0; i < SAMPLES; i++) {
		out = sample(link, answer, &one_rtt, &one);
		if (out != DONE || answer->status != PVC_OK)
			return out;
		if (one_rtt >= *rtt)
			continue;
		*rtt = one_rtt;
		*offset = one;
	}
	return DONE;
}

static void refresh_sync(void *args)
{
	struct pvc_time_sync *sync = args;

	sync->host_ns = cpu_to_le64(now_realtime_ns());
}

static enum outcome send_sync(struct link *link, struct answer *answer,
			      __u64 rtt, __u32 flags)
{
	struct pvc_time_sync sync = {
		.delay_ns = cpu_to_le64(min_t(__u64, rtt / 2,
					      PVC_TIME_DELAY_MAX_NS)),
		.flags = cpu_to_le32(flags),
	};
	const struct call call = {
		.service = PVC_SERVICE_TIME, .op = PVC_TIME_SYNC,
		.args = &sync, .len = sizeof(sync), .refresh = refresh_sync,
		.once = true,
	};

	return link_call(link, &call, answer);
}

/**
 * sync_time() - give the guest our time
 * @link: the link
 * @flags: PVC_TIME_*
 * @offset: by how much the guest was behind, ns
 * @action: what it did, enum pvc_time_action
 */
enum outcome sync_time(struct link *link, __u32 flags, __s64 *offset,
		       __u32 *action)
{
	static struct answer answer;
	struct pvc_time_synced synced;
	enum outcome out;
	__u64 rtt;

	out = best_sample(link, &answer, &rtt, offset);
	if (out == DONE && answer.status == PVC_OK)
		out = send_sync(link, &answer, rtt, flags);
	if (out != DONE)
		return out;
	if (answer.status != PVC_OK) {
		fprintf(stderr, "pvhost: time: the guest says %s\n",
			pvc_status_name(answer.status));
		return FAILED;
	}
	if (answer.len != sizeof(synced))
		return bad_answer("time");
	memcpy(&synced, answer.body, sizeof(synced));
	*offset = (__s64)le64_to_cpu(synced.offset_ns);
	*action = le32_to_cpu(synced.action);
	return DONE;
}

static enum outcome show_offset(struct link *link, const struct options *opt)
{
	static struct answer answer;
	enum outcome out;
	cJSON *object;
	__s64 offset;
	__u64 rtt;

	out = best_sample(link, &answer, &rtt, &offset);
	if (out != DONE)
		return out;
	if (answer.status != PVC_OK)
		return failed(opt, "time", &answer);
	object = cJSON_CreateObject();
	add_int(object, "offset_ns", offset);
	add_int(object, "rtt_ns", rtt);
	print_object(opt, object);
	return DONE;
}

enum outcome verb_time(struct link *link, const struct options *opt)
{
	__u32 flags = (opt->restored ? PVC_TIME_RESTORED : 0) |
		      (opt->dry_run ? PVC_TIME_DRY_RUN : 0);
	enum outcome out;
	cJSON *object;
	__s64 offset;
	__u32 action;

	if (!opt->sync && !opt->dry_run)
		return show_offset(link, opt);
	out = sync_time(link, flags, &offset, &action);
	if (out != DONE)
		return out;
	object = cJSON_CreateObject();
	add_int(object, "offset_ns", offset);
	add_text(object, "action", action_name(action));
	print_object(opt, object);
	return DONE;
}
