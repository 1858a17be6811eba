// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVC/1: words for its numbers, in logs and in what tools print.
 */
#include "internal.h"

static const char *name_of(const char *const *names, __u32 nr, __u32 value)
{
	return value < nr && names[value] ? names[value] : "unknown";
}

/**
 * pvc_status_name() - enum pvc_status as a word
 * @status: the number, from the peer as it is
 */
const char *pvc_status_name(__u32 status)
{
	static const char *const names[PVC_STATUS_NR] = {
		[PVC_OK] = "ok",
		[PVC_INVALID] = "invalid",
		[PVC_UNSUPPORTED] = "unsupported",
		[PVC_NO_SERVICE] = "no-service",
		[PVC_BAD_VERSION] = "bad-version",
		[PVC_BUSY] = "busy",
		[PVC_DENIED] = "denied",
		[PVC_TIMED_OUT] = "timed-out",
		[PVC_CANCELLED] = "cancelled",
		[PVC_EXPIRED] = "expired",
		[PVC_NOT_FOUND] = "not-found",
		[PVC_IN_PROGRESS] = "in-progress",
		[PVC_FAILED] = "failed",
		[PVC_NOT_FROZEN] = "not-frozen",
		[PVC_LOST] = "session-lost",
		[PVC_ABORTED] = "aborted",
		[PVC_FORGOTTEN] = "forgotten",
	};

	return name_of(names, PVC_STATUS_NR, status);
}

/**
 * pvc_why_name() - enum pvc_why as a word
 * @why: the number, from the peer as it is
 */
const char *pvc_why_name(__u32 why)
{
	static const char *const names[PVC_WHY_NR] = {
		[PVC_WHY_NONE] = "none",
		[PVC_WHY_NEW] = "new",
		[PVC_WHY_TRANSPORT] = "transport",
		[PVC_WHY_RUN] = "peer-restarted",
		[PVC_WHY_HEADER] = "bad-header",
		[PVC_WHY_PAYLOAD] = "bad-payload",
		[PVC_WHY_SEQ] = "sequence",
		[PVC_WHY_SESSION] = "other-session",
		[PVC_WHY_PROTOCOL] = "protocol",
		[PVC_WHY_FLOW] = "flow-control",
		[PVC_WHY_LIMIT] = "limit",
		[PVC_WHY_SILENT] = "silent",
		[PVC_WHY_BYE] = "bye",
		[PVC_WHY_RESTORED] = "restored",
		[PVC_WHY_PEER] = "peer-resync",
	};

	return name_of(names, PVC_WHY_NR, why);
}

/**
 * pvc_state_name() - enum pvc_state as a word
 * @state: the state
 */
const char *pvc_state_name(__u32 state)
{
	static const char *const names[PVC_STATE_NR] = {
		[PVC_IDLE] = "idle",
		[PVC_LISTEN] = "listen",
		[PVC_OFFERED] = "offered",
		[PVC_CALLING] = "calling",
		[PVC_UP] = "up",
		[PVC_REFUSED] = "refused",
	};

	return name_of(names, PVC_STATE_NR, state);
}
