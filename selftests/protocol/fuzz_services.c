// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: what a guest's kernel does for a host that asks for anything,
 * while file systems freeze and thaw, snapshots are restored and time passes.
 *
 * The input is a list of steps, see step(). After each, what must always hold is
 * checked, and each answer against what the specification allows.
 */
#include <stdint.h>
#include <stdlib.h>

#include "internal.h"
#include "pvguest/services.h"

#define CHECK(what)	do { if (!(what)) abort(); } while (0)

static struct pvs guest;
static __u8 rx_buf[PVC_HEADER + PVC_PAYLOAD_MIN];
static __u8 out[PVC_SYNC_RUN];
static __u64 now, guest_ns;
static __u32 thaws;	/* asked for and not done */
static bool frozen;	/* the system is */
static __u32 seq, stream;

static const uint8_t *in;
static size_t left;

static __u64 take(__u32 bytes)
{
	__u64 value = 0;

	for (; bytes && left; bytes--, left--)
		value = value << 8 | *in++;
	return value;
}

static void op_random(struct pvs *v, void *buf, __u32 len)
{
	(void)v;
	memset(buf, 0x5a, len);
}

static __u64 op_realtime(struct pvs *v)
{
	(void)v;
	return guest_ns;
}

static __u64 op_uptime(struct pvs *v)
{
	(void)v;
	return now;
}

/* The clock is never set by less than a second, or to another century. */
static bool op_permit(struct pvs *v, __u16 service)
{
	(void)v;
	(void)service;
	return true;
}

static int op_step(struct pvs *v, __s64 delta)
{
	CHECK(v->policy != PVS_TIME_OFF);
	CHECK(delta > 1000000000 || delta < -1000000000);
	guest_ns += delta;
	CHECK(guest_ns >= PVC_TIME_MIN_NS);
	CHECK(guest_ns <= PVC_TIME_MAX_NS + PVC_TIME_DELAY_MAX_NS);
	return now & 1 ? -1 : 0;
}

static __u32 op_power(struct pvs *v, __u16 op, bool force)
{
	(void)force;
	CHECK(op == PVC_POWER_SHUTDOWN || op == PVC_POWER_REBOOT);
	CHECK(!v->stopping);
	return PVC_OK;
}

static void op_thaw(struct pvs *v)
{
	CHECK(v->lease.state == PVC_LEASE_THAWING && frozen);
	thaws++;
	CHECK(thaws == 1);
}

static void op_identify(struct pvs *v, struct pvc_guest_status *st)
{
	(void)v;
	(void)st;
}

static bool op_forward(struct pvs *v, struct pvc_stream *s, const void *args,
		       __u32 len)
{
	(void)v;
	(void)s;
	(void)args;
	(void)len;
	return false;
}

static void op_session(struct pvs *v, bool up, __u32 why)
{
	(void)v;
	(void)up;
	(void)why;
}

static const struct pvs_ops ops = {
	.random = op_random, .realtime_ns = op_realtime,
	.uptime_ms = op_uptime, .permit = op_permit, .step_time = op_step, .power = op_power,
	.thaw = op_thaw, .identify = op_identify, .forward = op_forward,
	.session = op_session,
};

static void send(__u8 type, __u32 session, __u32 id, __u32 number,
		 __u8 *frame, __u32 len)
{
	struct pvc_head head = {
		.type = type, .session = session, .stream = id, .seq = number,
		.len = len,
	};

	pvc_put_head(frame, &head);
	pvc_input(&guest.pvc, frame, PVC_HEADER + len, now);
}

static void say_hello(void)
{
	__u8 buf[PVC_HEADER + sizeof(struct pvc_hello)];
	struct pvc_hello h = {
		.nonce = { (__u8)take(1) },
		.version_min = 1, .version_max = 1,
		.max_payload = cpu_to_le32(PVC_PAYLOAD_MIN),
		.features = cpu_to_le64(3),
	};

	memcpy(buf + PVC_HEADER, &h, sizeof(h));
	send(PVC_HELLO, 0, 0, 0, buf, sizeof(h));
	if (guest.pvc.state != PVC_OFFERED)
		return;
	seq = 1;
	stream = 1;
	memcpy(buf + PVC_HEADER, guest.pvc.guest_nonce, sizeof(struct pvc_start));
	send(PVC_START, guest.pvc.session, 0, seq++, buf,
	     sizeof(struct pvc_start));
}

static void setup(void)
{
	struct pvc_config cfg = {
		.rx_buf = rx_buf, .rx_size = sizeof(rx_buf),
		.stream_window = 100, .quiet_ms = 500,
	};

	now = 1;
	guest_ns = 1700000000000000000ull;
	thaws = 0;
	frozen = false;
	CHECK(!pvs_init(&guest, &ops, &cfg));
	pvc_start(&guest.pvc, now);
	say_hello();
}

/* Arguments that are mostly right for the operation, or anything. */
static __u32 put_args(__u8 *buf, __u16 service, __u16 op)
{
	struct pvc_time_sync sync = {};
	__u32 len = take(1) % 40, i;
	/* The lease, mostly, or one before. */
	__le32 lease = cpu_to_le32(guest.lease.number - (len % 5 == 4 ? len / 5 : 0));

	if (service == PVC_SERVICE_TIME && op == PVC_TIME_SYNC && len < 30) {
		sync.host_ns = cpu_to_le64(guest_ns + (__s64)take(8));
		sync.delay_ns = cpu_to_le64(take(4));
		sync.flags = cpu_to_le32(take(1) % 5);
		memcpy(buf, &sync, sizeof(sync));
		return sizeof(sync);
	}
	for (i = 0; i < len; i++)
		buf[i] = take(1);
	if (service == PVC_SERVICE_FREEZE && len < 30) {
		i = op == PVC_FREEZE_RENEW ? 4 : 0;
		memcpy(buf + i, &lease, sizeof(lease));
		len = op == PVC_FREEZE_STATUS ? 0 : i + sizeof(lease);
	}
	return len;
}

static void step_request(void)
{
	__u8 buf[PVC_HEADER + sizeof(struct pvc_open) + 64];
	__u8 *args = buf + PVC_HEADER + sizeof(struct pvc_open);
	__u16 service = take(1) % 7, op = take(1) % 6;
	__u32 how = take(1), len = put_args(args, service, op);
	struct pvc_open o = {
		.service = cpu_to_le16(service), .op = cpu_to_le16(op),
		.version = how & 1 ? take(1) : 1,
		.flags = cpu_to_le16(how & 2 ? 1 : take(1) & 3),
		.deadline_ms = cpu_to_le32(how & 4 ? take(2) : 0),
		.key = cpu_to_le64(how & 8 ? take(1) % 40 : 0),
	};

	memcpy(buf + PVC_HEADER, &o, sizeof(o));
	send(PVC_OPEN, guest.pvc.session, stream, seq++, buf,
	     sizeof(o) + len);
	stream += 2;
}

static void step_freeze(void)
{
	__u32 ms = take(2);
	bool with_session = take(1) & 1;

	if (pvs_lease_begin(&guest.lease, ms, with_session, now) != PVC_OK)
		return;
	CHECK(!frozen);
	frozen = true;
	if (take(1) & 1)
		pvs_lease_frozen(&guest.lease, 2);
}

static void step_thawed(void)
{
	if (!thaws)
		return;
	thaws = 0;
	frozen = false;
	pvs_thawed(&guest, take(1) & 1);
	CHECK(guest.lease.state == PVC_LEASE_NONE);
}

static void check_result(const struct pvc_head *head)
{
	struct pvc_result r;

	CHECK(head->len >= sizeof(r));
	memcpy(&r, out + PVC_HEADER, sizeof(r));
	CHECK(le32_to_cpu(r.status) < PVC_LOST);
	CHECK(le32_to_cpu(r.flags) <= PVC_RESULT_REPLAYED);
	CHECK(head->len <= sizeof(r) + sizeof(struct pvc_guest_status));
}

static void drain(void)
{
	struct pvc_head head;
	__u32 len;

	while (guest.pvc.run_left)
		pvc_output(&guest.pvc, out, sizeof(out), now);
	while ((len = pvc_output(&guest.pvc, out, sizeof(out), now))) {
		CHECK(pvc_get_head(&head, out));
		CHECK(len == PVC_HEADER + head.len);
		if (head.type == PVC_RESULT)
			check_result(&head);
	}
}

static void check_all(void)
{
	const struct pvs_lease *l = &guest.lease;

	CHECK(frozen == (l->state != PVC_LEASE_NONE));
	CHECK((thaws == 1) == (l->state == PVC_LEASE_THAWING));
	CHECK(pvs_lease_left(l, now) <= PVC_LEASE_MAX_MS);
	/* A lease always has an end in sight. */
	if (l->state == PVC_LEASE_FROZEN || l->state == PVC_LEASE_FREEZING)
		CHECK(pvs_next_tick(&guest) <= now + PVC_LEASE_MAX_MS);
}

static void step_other(void)
{
	switch (take(1) % 6) {
	case 0:
		pvs_restored(&guest);
		break;
	case 1:
		guest.policy = take(1) % 3;
		break;
	case 2:
		pvs_end_lease(&guest, PVC_LEASE_END_OWNER);
		break;
	case 3:
		guest.stopping = false;
		guest.stop_ends = 0;
		break;
	case 4:
		pvs_notice(&guest, 1 + take(1) % 6, (const char *)rx_buf,
			   take(2));
		break;
	case 5:
		pvc_lose(&guest.pvc, PVC_WHY_TRANSPORT);
		break;
	}
}

static void step(void)
{
	switch (take(1) % 8) {
	case 0:
		say_hello();
		break;
	case 1:
		step_freeze();
		break;
	case 2:
		step_thawed();
		break;
	case 3:
		now += take(2);
		guest_ns += 1000000;
		pvs_tick(&guest, now);
		CHECK(!pvs_lease_due(&guest.lease, now));
		break;
	case 4:
		step_other();
		break;
	case 5:
		drain();
		break;
	default:
		step_request();
		break;
	}
	check_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
	setup();
	while (left)
		step();
	drain();
	/* Whatever happened, it thaws. */
	now += PVC_LEASE_MAX_MS;
	pvs_tick(&guest, now);
	step_thawed();
	CHECK(!frozen);
	pvc_stop(&guest.pvc, now);
	return 0;
}
