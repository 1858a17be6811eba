// SPDX-License-Identifier: GPL-2.0-only
/*
 * KV for the host: a worker has a connection to the process that has the values, asks the
 * policy about each key, and hands on what that process says.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "broker.h"
#include "kv.h"
#include "policy.h"
#include "worker.h"
#include "../../include/uapi/pvguest/control_dev.h"

static uint8_t bytes[KV_VALUE_MAX];

static __u32 prepare(struct request *req)
{
	int fd = kv_connect(broker.run_dir);

	if (fd < 0) {
		refuse_errno(req, fd, "the process that has the values");
		return PVC_FAILED;
	}
	req->priv = (void *)(long)fd;
	return PVC_OK;
}

static bool decode(struct request *req, pvo_kv_request *request, struct kv_value *value)
{
	pb_istream_t in = pb_istream_from_buffer(req->record, req->record_len);

	*request = (pvo_kv_request)pvo_kv_request_init_zero;
	request->value.funcs.decode = kv_decode_value;
	request->value.arg = value;
	if (pb_decode(&in, pvo_kv_request_fields, request))
		return true;
	refuse(req, PVC_INVALID,
	       "%s: the request is malformed, its key longer than 128 or its value than 65536 bytes",
	       req->operation->verb);
	return false;
}

/* Whether it was allowed, which goes to the audit log. */
static bool allowed(struct request *req, const char *key)
{
	struct verdict verdict;

	policy_key(req->policy, req->principal, req->operation->verb, req->user, key, &verdict);
	audit_verdict(req, &verdict, key, strlen(key));
	if (!verdict.allowed)
		refuse(req, PVC_DENIED, "%s", verdict.text);
	return verdict.allowed;
}

/* The request to the process; the record of the host has no say in what is the guest's. */
static bool ask(struct request *req, pvo_kv_request *request, struct kv_value *value)
{
	int err;

	request->op = req->op;
	request->from_host = true;
	err = kv_send_request((long)req->priv, request, value);
	if (err)
		refuse_errno(req, err, "the process that has the values");
	return !err;
}

/* A record of it; false: it is gone. */
static bool hear(struct request *req, pvo_kv_record *record, struct kv_value *value)
{
	int err = kv_receive_record((long)req->priv, record, value);

	if (err)
		refuse(req, PVC_ABORTED, "%s: the process that has the values %s",
		       req->operation->verb, err > 0 ? "has ended" : strerror(-err));
	return !err;
}

/* A record without its value as the body of the answer. */
static void answer_record(struct request *req, pvo_kv_record *record)
{
	uint8_t body[PVG_STREAM_BODY_MAX];
	pb_ostream_t out = pb_ostream_from_buffer(body, sizeof(body));

	record->value.funcs.encode = NULL;
	if (pb_encode(&out, pvo_kv_record_fields, record))
		answer(req, PVC_OK, body, out.bytes_written);
	else
		refuse(req, PVC_FAILED, "%s: the answer is too long", req->operation->verb);
}

/* GET, SET and DELETE. */
static void run_key(struct request *req)
{
	struct stream s = stream_of(req);
	struct kv_value value = { .data = bytes, .room = sizeof(bytes) };
	const char *verb = req->operation->verb, *bad;
	pvo_kv_request request;
	pvo_kv_record record;

	if (!decode(req, &request, &value))
		return;
	bad = kv_check_key(request.key);
	if (bad) {
		refuse(req, PVC_INVALID, "%s: %s", verb, bad);
		return;
	}
	if (!allowed(req, request.key) || !ask(req, &request, &value) ||
	    !hear(req, &record, &value))
		return;
	if (record.status != PVC_OK)
		refuse(req, record.status, "%s %s: %s", verb, request.key, record.text);
	else if (req->op != PVO_KV_GET || !stream_write_all(&s, value.data, value.len))
		answer_record(req, &record);
}

/* As data of the stream: its length, and then the record. 0 or -errno. */
static int pass_on(struct request *req, pvo_kv_record *record, struct kv_value *value)
{
	struct stream s = stream_of(req);
	static uint8_t buf[KV_RECORD_MAX];
	pb_ostream_t out = pb_ostream_from_buffer(buf, sizeof(buf));

	record->value.funcs.encode = kv_encode_value;
	record->value.arg = value;
	if (!pb_encode_delimited(&out, pvo_kv_record_fields, record))
		return -EMSGSIZE;
	return stream_write_all(&s, buf, out.bytes_written);
}

/* The host may not see every key. */
static bool is_visible(struct request *req, const pvo_kv_record *record)
{
	struct verdict verdict;

	if (!*record->key)
		return true;
	policy_key(req->policy, req->principal, req->operation->verb, req->user, record->key,
		   &verdict);
	return verdict.allowed;
}

/* False: the host has closed the stream. */
static bool wait_for_record(struct request *req)
{
	struct pollfd pfds[] = {
		{ .fd = (long)req->priv, .events = POLLIN },
		{ .fd = req->stream },
	};

	while (poll(pfds, 2, -1) < 0 && errno == EINTR)
		;
	return !pfds[1].revents;
}

/* LIST and WATCH. */
static void run_follow(struct request *req)
{
	struct kv_value value = { .data = bytes, .room = sizeof(bytes) };
	const char *bad = NULL;
	pvo_kv_request request;
	pvo_kv_record record;

	if (!decode(req, &request, NULL))
		return;
	if (*request.key)
		bad = kv_check_key(request.key);
	if (bad) {
		refuse(req, PVC_INVALID, "%s: %s", req->operation->verb, bad);
		return;
	}
	if (!ask(req, &request, NULL))
		return;
	while (wait_for_record(req)) {
		if (!hear(req, &record, &value))
			return;
		if (record.event != pvo_kv_event_KV_END) {
			if (is_visible(req, &record) && pass_on(req, &record, &value))
				return;
			continue;
		}
		if (record.status == PVC_OK)
			answer_record(req, &record);
		else
			refuse(req, record.status, "%s: %s", req->operation->verb, record.text);
		return;
	}
}

#define KV_OPERATION(o, v, r) \
	{ .service = PVO_SERVICE_KV, .op = (o), .verb = (v), .prepare = prepare, .run = (r) }

const struct operation kv_operations[] = {
	KV_OPERATION(PVO_KV_GET, "kv-get", run_key),
	KV_OPERATION(PVO_KV_SET, "kv-set", run_key),
	KV_OPERATION(PVO_KV_DELETE, "kv-delete", run_key),
	KV_OPERATION(PVO_KV_LIST, "kv-list", run_follow),
	KV_OPERATION(PVO_KV_WATCH, "kv-watch", run_follow),
	{ }
};
