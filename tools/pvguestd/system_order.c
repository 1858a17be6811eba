// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order that a worker makes of the host's record, and what the doer looks at again.
 */
#include <pb_decode.h>
#include <string.h>

#include "system.h"

static bool parse_power(struct request *req, pb_istream_t *from, struct system_order *order)
{
	pvo_PowerRequest args = pvo_PowerRequest_init_zero;
	const char *verb = req->operation->verb;
	pb_size_t i;

	if (!pb_decode(from, pvo_PowerRequest_fields, &args)) {
		refuse(req, PVC_INVALID, "%s: the request is malformed", verb);
		return false;
	}
	if (args.grace_s > GRACE_MAX_S || args.hook_timeout_s > HOOK_TIMEOUT_MAX_S) {
		refuse(req, PVC_INVALID, "%s: grace is 0 to %u s, a hook's time 1 to %u s",
		       verb, GRACE_MAX_S, HOOK_TIMEOUT_MAX_S);
		return false;
	}
	for (i = 0; i < args.message.size; i++)
		if (args.message.bytes[i] < ' ' || args.message.bytes[i] == 0x7f) {
			refuse(req, PVC_INVALID, "%s: a message is one line without control characters",
			       verb);
			return false;
		}
	order->grace_s = args.grace_s;
	order->hook_timeout_s = args.hook_timeout_s ? args.hook_timeout_s : HOOK_TIMEOUT_S;
	order->dry_run = args.dry_run;
	order->text_len = args.message.size;
	memcpy(order->text, args.message.bytes, args.message.size);
	return true;
}

static bool parse_suspend(struct request *req, pb_istream_t *from, struct system_order *order)
{
	pvo_SuspendRequest args = pvo_SuspendRequest_init_zero;

	if (!pb_decode(from, pvo_SuspendRequest_fields, &args) ||
	    args.mode < pvo_SuspendMode_SUSPEND_MEM || args.mode > pvo_SuspendMode_SUSPEND_HYBRID) {
		refuse(req, PVC_INVALID, "suspend: a mode is mem, disk or hybrid");
		return false;
	}
	order->mode = args.mode;
	return true;
}

static bool parse_trim(struct request *req, pb_istream_t *from, struct system_order *order)
{
	static pvo_TrimRequest args;

	if (!pb_decode(from, pvo_TrimRequest_fields, &args) ||
	    args.target.size >= sizeof(order->text) ||
	    memchr(args.target.bytes, '\0', args.target.size)) {
		refuse(req, PVC_INVALID, "fstrim: a mount point is a path of at most %zu bytes",
		       sizeof(order->text) - 1);
		return false;
	}
	order->minimum = args.minimum;
	order->text_len = args.target.size;
	memcpy(order->text, args.target.bytes, args.target.size);
	return true;
}

static bool parse_online(struct request *req, pb_istream_t *from, struct system_order *order)
{
	pvo_OnlineRequest args = pvo_OnlineRequest_init_zero;

	if (!pb_decode(from, pvo_OnlineRequest_fields, &args) ||
	    (unsigned int)args.action > pvo_OnlineAction_ONLINE_OFF ||
	    (unsigned int)args.kind > pvo_OnlineKind_ONLINE_MEMORY ||
	    args.count > ONLINE_COUNT_MAX ||
	    (args.action == pvo_OnlineAction_ONLINE_OFF && !args.count)) {
		refuse(req, PVC_INVALID, "online: list, on or off, of cpu or memory; 1 to %u of them",
		       ONLINE_COUNT_MAX);
		return false;
	}
	order->action = args.action;
	order->kind = args.kind;
	order->first = args.first;
	order->count = args.count;
	return true;
}

bool order_parse(struct request *req, struct system_order *order)
{
	pb_istream_t from = pb_istream_from_buffer(req->record, req->record_len);

	order->op = req->op;
	switch (req->op) {
	case PVO_SYSTEM_SUSPEND:
		return parse_suspend(req, &from, order);
	case PVO_SYSTEM_FSTRIM:
		return parse_trim(req, &from, order);
	case PVO_SYSTEM_ONLINE:
		return parse_online(req, &from, order);
	default:
		return parse_power(req, &from, order);
	}
}

static bool is_text(const struct system_order *order)
{
	__u32 i;

	if (order->text_len > sizeof(order->text))
		return false;
	for (i = 0; i < order->text_len; i++)
		if ((unsigned char)order->text[i] < ' ' || order->text[i] == 0x7f)
			return false;
	return true;
}

bool order_is_valid(const struct system_order *order)
{
	switch (order->op) {
	case PVO_SYSTEM_SHUTDOWN:
	case PVO_SYSTEM_REBOOT:
		return order->grace_s <= GRACE_MAX_S && order->dry_run <= 1 &&
			order->hook_timeout_s >= 1 &&
			order->hook_timeout_s <= HOOK_TIMEOUT_MAX_S && is_text(order);
	case PVO_SYSTEM_SUSPEND:
		return order->mode >= pvo_SuspendMode_SUSPEND_MEM &&
			order->mode <= pvo_SuspendMode_SUSPEND_HYBRID;
	case PVO_SYSTEM_FSTRIM:
		return order->text_len < sizeof(order->text) &&
			!memchr(order->text, '\0', order->text_len);
	case PVO_SYSTEM_ONLINE:
		return order->action <= pvo_OnlineAction_ONLINE_OFF &&
			order->kind <= pvo_OnlineKind_ONLINE_MEMORY &&
			order->count <= ONLINE_COUNT_MAX;
	}
	return false;
}
