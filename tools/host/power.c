// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost shutdown and reboot, thaw and renew: what changes the guest's state.
 */
#include <stdio.h>

#include "pvhost.h"
#include "system.h"

/* The end of the connection is the end of the guest. */
static enum outcome wait_for_end(struct link *link)
{
	enum outcome out = DONE;

	while (out == DONE)
		out = link_turn(link, ~0ull);
	return out == NO_CONNECTION ? DONE : out;
}

/* A session with the kernel that was booted afterwards. */
static enum outcome wait_for_boot(struct link *link, const __u8 *before)
{
	enum outcome out = DONE;

	while (out == DONE &&
	       (link->pvc.state != PVC_UP ||
		!memcmp(before, link->pvc.peer.boot_id, 16)))
		out = link_turn(link, ~0ull);
	return out;
}

static enum outcome power(struct link *link, const struct options *opt,
			  __u16 op)
{
	bool reboot = op == PVC_POWER_REBOOT;
	const char *what = reboot ? "reboot" : "shutdown";
	struct pvc_power args = {
		.flags = cpu_to_le32(opt->force ? PVC_POWER_FORCE : 0),
	};
	const struct call call = {
		.service = PVC_SERVICE_POWER, .op = op, .args = &args,
		.len = sizeof(args), .once = true,
	};
	static struct answer answer;
	enum outcome out;
	cJSON *object;
	__u8 before[16];

	out = link_session(link);
	if (out != DONE)
		return out;
	memcpy(before, link->pvc.peer.boot_id, sizeof(before));
	object = cJSON_CreateObject();
	/* The daemon's way has hooks and grace; the kernel's is for a guest without one. */
	if (opt->force || !daemon_power(opt, reboot, object, &out)) {
		link_set_timeout(link, opt->timeout_ms);
		out = link_call(link, &call, &answer);
		if (out == DONE && answer.status != PVC_OK)
			out = failed(opt, what, &answer);
	}
	if (out == DONE) {
		if (opt->wait && !opt->dry_run)
			out = reboot ? wait_for_boot(link, before) : wait_for_end(link);
		add_text(object, what, opt->dry_run ? "not begun" :
				       out != DONE ? "begun, not finished" :
				       opt->wait ? "done" : "begun");
		print_object(opt, object);
	} else {
		cJSON_Delete(object);
	}
	return out;
}

enum outcome verb_shutdown(struct link *link, const struct options *opt)
{
	return power(link, opt, PVC_POWER_SHUTDOWN);
}

enum outcome verb_reboot(struct link *link, const struct options *opt)
{
	return power(link, opt, PVC_POWER_REBOOT);
}

static enum outcome print_freeze(const struct options *opt, const char *what,
				 const struct answer *answer)
{
	struct pvc_freeze_state st;
	cJSON *object;

	if (answer->len != sizeof(st))
		return answer->status == PVC_OK ? bad_answer(what) :
						  failed(opt, what, answer);
	memcpy(&st, answer->body, sizeof(st));
	object = cJSON_CreateObject();
	add_text(object, "status", pvc_status_name(answer->status));
	add_text(object, "state", lease_name(le32_to_cpu(st.state)));
	add_int(object, "remaining_ms", le32_to_cpu(st.remaining_ms));
	add_int(object, "filesystems", le32_to_cpu(st.filesystems));
	add_text(object, "last_end", lease_end_name(le32_to_cpu(st.last_end)));
	add_int(object, "errors", le32_to_cpu(st.errors));
	add_int(object, "lease", le32_to_cpu(st.lease));
	print_object(opt, object);
	return answer->status == PVC_OK ? DONE : FAILED;
}

/* The lease that is meant: without --lease, the one that the guest has, or had last. */
static enum outcome choose_lease(struct link *link, const struct options *opt,
				 __le32 *lease)
{
	const struct call call = {
		.service = PVC_SERVICE_FREEZE, .op = PVC_FREEZE_STATUS,
	};
	static struct answer answer;
	struct pvc_freeze_state st;
	enum outcome out;

	*lease = cpu_to_le32(opt->lease);
	if (opt->lease)
		return DONE;
	out = link_call(link, &call, &answer);
	if (out != DONE)
		return out;
	if (answer.status != PVC_OK)
		return failed(opt, "freeze status", &answer);
	if (answer.len != sizeof(st))
		return bad_answer("freeze status");
	memcpy(&st, answer.body, sizeof(st));
	*lease = st.lease;
	return DONE;
}

enum outcome verb_thaw(struct link *link, const struct options *opt)
{
	struct pvc_freeze_thaw args;
	const struct call call = {
		.service = PVC_SERVICE_FREEZE, .op = PVC_FREEZE_THAW,
		.args = &args, .len = sizeof(args), .once = true,
	};
	static struct answer answer;
	enum outcome out = choose_lease(link, opt, &args.lease);

	if (out == DONE)
		out = link_call(link, &call, &answer);
	return out == DONE ? print_freeze(opt, "thaw", &answer) : out;
}

enum outcome verb_renew(struct link *link, const struct options *opt)
{
	struct pvc_freeze_renew args = {
		.lease_ms = cpu_to_le32(opt->seconds * 1000),
	};
	const struct call call = {
		.service = PVC_SERVICE_FREEZE, .op = PVC_FREEZE_RENEW,
		.args = &args, .len = sizeof(args), .once = true,
	};
	static struct answer answer;
	enum outcome out = choose_lease(link, opt, &args.lease);

	if (out == DONE)
		out = link_call(link, &call, &answer);
	return out == DONE ? print_freeze(opt, "renew", &answer) : out;
}
