// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to the services of the guest's kernel: one at a time, without data, carried out
 * once though the session may be lost meanwhile. See link.h.
 */
#include "link.h"

/* The stream of the request; it has no @priv. */
void call_result(struct link *link, struct pvc_stream *s, __u32 flags, const void *body,
		 __u32 len)
{
	link->answer->status = s->status;
	link->answer->flags = flags;
	link->answer->len = min_t(__u32, len, LINK_BODY);
	memcpy(link->answer->body, body, link->answer->len);
	link->answered = true;
}

void call_closed(struct link *link, __u32 status)
{
	if (link->answered)
		return;
	if (status == PVC_LOST) {
		link->dropped = true;
		return;
	}
	/* Reset, by the guest or because it took too long. */
	link->answer->status = status;
	link->answer->len = 0;
	link->answered = true;
}

__u32 call_fill(struct link *link, enum pvc_type type, void *buf, __u32 max)
{
	if (type != PVC_OPEN || link->args_len > max || !link->args_len)
		return 0;
	memcpy(buf, link->args, link->args_len);
	return link->args_len;
}

/* One attempt at a call; DONE with @link->dropped if the session was lost. */
static enum outcome attempt(struct link *link, const struct call *call,
			    __u64 key, __u16 flags)
{
	struct pvc_request req = {
		.service = call->service, .op = call->op,
		.version = PVC_SERVICE_VERSION,
		.flags = PVC_OPEN_NODATA | flags, .key = key,
	};
	enum outcome out = link_session(link);
	__u64 now = now_ms();

	if (out != DONE)
		return out;
	if (link->deadline != ~0ull)
		req.deadline_ms = link->deadline > now ?
				  link->deadline - now : 1;
	link->answered = false;
	link->dropped = false;
	link->args = call->args;
	link->args_len = flags & PVC_OPEN_QUERY ? 0 : call->len;
	if (call->refresh)
		call->refresh(call->args);
	if (!(flags & PVC_OPEN_QUERY))
		memcpy(link->boot_id, link->pvc.peer.boot_id, sizeof(link->boot_id));
	if (!pvc_open(&link->pvc, &req))
		return FAILED;
	link_kick(link);
	while (!link->answered && !link->dropped && out == DONE)
		out = link_turn(link, ~0ull);
	return link->answered ? DONE : out;
}

static void pause_ms(struct link *link, __u32 ms)
{
	__u64 until = now_ms() + ms;

	while (now_ms() < until && link_turn(link, until) == DONE)
		;
}

/*
 * The session was lost under a request: was it carried out? Leaves what became
 * of it in the answer, or *@again set if the guest has not heard of it.
 */
static enum outcome ask(struct link *link, const struct call *call, __u64 key,
			bool *again)
{
	enum outcome out;

	*again = false;
	for (;;) {
		out = attempt(link, call, key, PVC_OPEN_QUERY);
		if (out != DONE)
			return out;
		if (link->dropped)
			continue;
		if (link->answer->status != PVC_IN_PROGRESS)
			break;
		pause_ms(link, 100);
	}
	if (link->answer->status != PVC_NOT_FOUND)
		return DONE;
	/* A guest that has booted since knows nothing of what it did before. */
	if (memcmp(link->pvc.peer.boot_id, link->boot_id, sizeof(link->boot_id)))
		link->answer->status = PVC_FORGOTTEN;
	else
		*again = true;
	return DONE;
}

/**
 * link_call() - have the guest do something, and wait for its answer
 * @link: the link
 * @call: what
 * @answer: its answer
 *
 * If the session is lost meanwhile it is tried again in the next, without doing
 * twice what must be done once only.
 *
 * Return: DONE if there is an answer, whatever it says.
 */
enum outcome link_call(struct link *link, const struct call *call,
		       struct answer *answer)
{
	enum outcome out;
	bool again = true;
	__u64 key = 0;

	link->answer = answer;
	while (call->once && !key)
		fill_random(&key, sizeof(key));
	while (again) {
		again = false;
		out = attempt(link, call, key, 0);
		if (out != DONE)
			return out;
		if (!link->dropped)
			break;
		again = true;
		out = key ? ask(link, call, key, &again) : DONE;
		if (out != DONE)
			return out;
	}
	/* It says so as we do: nothing came in time. */
	return answer->status == PVC_TIMED_OUT ? NO_ANSWER : DONE;
}
