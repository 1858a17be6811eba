// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the kernel's services: the freeze lease, time, power, and
 * requests with a key. The host's side is the protocol core.
 */
#include "harness.h"
#include "pvguest/services.h"

static struct pvs guest;
static struct pvc host;
static struct pvc_stream host_streams[2 * PVS_STREAMS];
static __u8 guest_rx[PVC_SYNC_RUN], host_rx[PVC_SYNC_RUN];
static __u64 now;

/* the guest's system */
static __u64 guest_ns;
static __s64 stepped_ns;
static __u32 steps, powers, thaws;
static bool permitted;
/* a daemon that takes all that is its own, and neither answers nor reads */
static bool daemon_there;
static __u32 daemon_streams, daemon_bytes;

/* what the host asks, and hears */
static struct pvc_request req;
static __u8 req_args[64];
static __u32 req_len;
static struct {
	__u32 status, flags, len;
	bool answered;
	__u8 body[256];
} answer;
static struct pvc_heartbeat beat;
static __u32 notices;

static void g_random(struct pvs *v, void *buf, __u32 len)
{
	(void)v;
	memset(buf, 3, len);
}

static __u64 g_realtime(struct pvs *v)
{
	(void)v;
	return guest_ns;
}

static __u64 g_uptime(struct pvs *v)
{
	(void)v;
	return now;
}

static bool g_permit(struct pvs *v, __u16 service)
{
	(void)v;
	return permitted || service == PVC_SERVICE_FREEZE;
}

static int g_step(struct pvs *v, __s64 delta)
{
	(void)v;
	steps++;
	stepped_ns = delta;
	guest_ns += delta;
	return 0;
}

static __u32 g_power(struct pvs *v, __u16 op, bool force)
{
	(void)v;
	(void)force;
	powers += op == PVC_POWER_SHUTDOWN ? 1 : 100;
	return PVC_OK;
}

static void g_thaw(struct pvs *v)
{
	(void)v;
	thaws++;
}

static void g_identify(struct pvs *v, struct pvc_guest_status *st)
{
	(void)v;
	memcpy(st->release, "test", 4);
}

static bool g_forward(struct pvs *v, struct pvc_stream *s, const void *args,
		      __u32 len)
{
	(void)v;
	(void)args;
	(void)len;
	if (!daemon_there || s->service < PVC_SERVICE_DAEMON)
		return false;
	daemon_streams++;
	return true;
}

static void d_data(struct pvc *p, struct pvc_stream *s, const void *data,
		   __u32 len)
{
	(void)p;
	(void)s;
	(void)data;
	daemon_bytes += len;
}

static void d_eof(struct pvc *p, struct pvc_stream *s)
{
	(void)p;
	(void)s;
}

static void d_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	(void)p;
	(void)s;
	(void)status;
	daemon_streams--;
}

static __u32 d_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		    void *buf, __u32 max)
{
	(void)p;
	(void)s;
	(void)type;
	(void)buf;
	(void)max;
	return 0;
}

static const struct pvc_ops daemon_ops = {
	.data = d_data, .eof = d_eof, .closed = d_closed, .fill = d_fill,
};

static void g_session(struct pvs *v, bool up, __u32 why)
{
	(void)v;
	(void)up;
	(void)why;
}

static const struct pvs_ops guest_ops = {
	.random = g_random, .realtime_ns = g_realtime, .uptime_ms = g_uptime,
	.permit = g_permit, .step_time = g_step, .power = g_power, .thaw = g_thaw,
	.identify = g_identify, .forward = g_forward, .daemon = &daemon_ops,
	.session = g_session,
};

static void h_random(struct pvc *p, void *buf, __u32 len)
{
	static __u8 nonce;

	(void)p;
	memset(buf, ++nonce, len);
}

static __u32 h_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		    void *buf, __u32 max)
{
	(void)p;
	(void)s;
	if (type == PVC_DATA) {
		memset(buf, 0, max);
		return max;
	}
	assert_int_equal(type, PVC_OPEN);
	memcpy(buf, req_args, req_len);
	return req_len;
}

static void h_result(struct pvc *p, struct pvc_stream *s, __u32 flags,
		     const void *body, __u32 len)
{
	(void)p;
	assert_true(len <= sizeof(answer.body));
	answer.answered = true;
	answer.status = s->status;
	answer.flags = flags;
	answer.len = len;
	memcpy(answer.body, body, len);
}

static void h_event(struct pvc *p, enum pvc_type type, const void *payload,
		    __u32 len)
{
	(void)p;
	(void)len;
	if (type == PVC_HEARTBEAT)
		memcpy(&beat, payload, sizeof(beat));
	notices += type == PVC_NOTICE;
}

static const struct pvc_ops host_ops = {
	.random = h_random, .fill = h_fill, .result = h_result,
	.event = h_event,
};

static void settle(void)
{
	static __u8 buf[PVC_SYNC_RUN];
	__u32 n, moved;

	do {
		moved = 0;
		while ((n = pvc_output(&host, buf, sizeof(buf), now))) {
			pvc_input(&guest.pvc, buf, n, now);
			moved += n;
		}
		while ((n = pvc_output(&guest.pvc, buf, sizeof(buf), now))) {
			pvc_input(&host, buf, n, now);
			moved += n;
		}
	} while (moved);
}

static void start_host(void)
{
	struct pvc_config cfg = {
		.role = PVC_HOST, .ops = &host_ops,
		.rx_buf = host_rx, .rx_size = sizeof(host_rx),
		.streams = host_streams, .nr_streams = 2 * PVS_STREAMS,
	};

	assert_int_equal(pvc_init(&host, &cfg), 0);
	pvc_start(&host, now);
	settle();
	assert_int_equal(host.state, PVC_UP);
}

static int setup(void **state)
{
	struct pvc_config cfg = {
		.rx_buf = guest_rx, .rx_size = sizeof(guest_rx),
		.stream_window = 1000, .bulk_window = 4000, .bulk_streams = 3, .quiet_ms = 1000,
	};

	(void)state;
	now = 1000;
	guest_ns = 1700000000000000000ull;
	steps = 0;
	powers = 0;
	thaws = 0;
	notices = 0;
	permitted = true;
	daemon_there = false;
	daemon_streams = 0;
	daemon_bytes = 0;
	assert_int_equal(pvs_init(&guest, &guest_ops, &cfg), 0);
	pvc_start(&guest.pvc, now);
	start_host();
	return 0;
}

static void wait_ms(__u64 ms)
{
	now += ms;
	pvs_tick(&guest, now);
	settle();
}

/* Send a request; its answer, if it comes at once, is in @answer. */
static void ask(__u16 service, __u16 op, const void *args, __u32 len,
		__u64 key, __u16 flags)
{
	req = (struct pvc_request){
		.service = service, .op = op, .version = 1, .key = key,
		.flags = PVC_OPEN_NODATA | flags,
	};
	memcpy(req_args, args, len);
	req_len = len;
	memset(&answer, 0, sizeof(answer));
	assert_non_null(pvc_open(&host, &req));
	settle();
}

static __u32 ask_status(__u16 service, __u16 op, const void *args, __u32 len)
{
	ask(service, op, args, len, 0, 0);
	assert_true(answer.answered);
	return answer.status;
}

static __u32 freeze_op(__u16 op)
{
	return ask_status(PVC_SERVICE_FREEZE, op, "", 0);
}

static __u32 thaw(__u32 lease)
{
	struct pvc_freeze_thaw args = { .lease = cpu_to_le32(lease) };

	return ask_status(PVC_SERVICE_FREEZE, PVC_FREEZE_THAW, &args,
			  sizeof(args));
}

/* To thaw the present lease; it is not answered before pvs_thawed(). */
static void begin_thaw(__u64 key)
{
	struct pvc_freeze_thaw args = {
		.lease = cpu_to_le32(guest.lease.number)
	};

	ask(PVC_SERVICE_FREEZE, PVC_FREEZE_THAW, &args, sizeof(args), key, 0);
	assert_false(answer.answered);
}

static __u32 renew(__u32 lease, __u32 ms)
{
	struct pvc_freeze_renew args = {
		.lease_ms = cpu_to_le32(ms), .lease = cpu_to_le32(lease),
	};

	return ask_status(PVC_SERVICE_FREEZE, PVC_FREEZE_RENEW, &args,
			  sizeof(args));
}

static struct pvc_freeze_state freeze_state(void)
{
	struct pvc_freeze_state st;

	assert_int_equal(answer.len, sizeof(st));
	memcpy(&st, answer.body, sizeof(st));
	return st;
}

static void freeze(__u32 ms)
{
	assert_int_equal(pvs_lease_begin(&guest.lease, ms, false, now), PVC_OK);
	assert_true(pvs_lease_frozen(&guest.lease, 2));
}

static void test_lease_thaw(void **state)
{
	(void)state;
	assert_int_equal(freeze_op(PVC_FREEZE_STATUS), PVC_OK);
	assert_int_equal(freeze_state().state, PVC_LEASE_NONE);
	assert_int_equal(freeze_state().lease, 0);
	assert_int_equal(thaw(0), PVC_NOT_FOUND);
	assert_int_equal(freeze_op(PVC_FREEZE_THAW), PVC_INVALID);
	freeze(5000);
	assert_int_equal(freeze_op(PVC_FREEZE_STATUS), PVC_OK);
	assert_int_equal(freeze_state().remaining_ms, 5000);
	assert_int_equal(freeze_state().filesystems, 2);
	wait_ms(1000);
	assert_int_equal(beat.flags & PVC_BEAT_FROZEN, PVC_BEAT_FROZEN);
	assert_int_equal(beat.lease_ms, 4000);

	/* The answer comes when it is thawed, not before. */
	begin_thaw(0);
	assert_int_equal(thaws, 1);
	pvs_thawed(&guest, 0);
	settle();
	assert_true(answer.answered);
	assert_int_equal(answer.status, PVC_OK);
	assert_int_equal(freeze_state().last_end, PVC_LEASE_END_THAW);
	assert_int_equal(thaw(guest.lease.number), PVC_NOT_FROZEN);
}

static void test_lease_expiry(void **state)
{
	(void)state;
	freeze(5000);
	assert_int_equal(pvs_next_tick(&guest) <= now + 5000, 1);
	wait_ms(4999);
	assert_int_equal(thaws, 0);
	wait_ms(1);
	assert_int_equal(thaws, 1);
	assert_int_equal(notices, 1);
	wait_ms(5000);
	assert_int_equal(thaws, 1);
	pvs_thawed(&guest, 0);
	assert_int_equal(thaw(guest.lease.number), PVC_EXPIRED);
	assert_int_equal(freeze_state().last_end, PVC_LEASE_END_EXPIRED);
	/* Once told, it is over. */
	assert_int_equal(thaw(guest.lease.number), PVC_NOT_FROZEN);
	freeze(100);
	assert_int_equal(guest.lease.expired, 1);
}

/* A THAW that comes while the expiry thaws waits, and is told. */
static void test_lease_late_thaw(void **state)
{
	(void)state;
	freeze(10);
	wait_ms(10);
	begin_thaw(0);
	pvs_thawed(&guest, 1);
	settle();
	assert_int_equal(answer.status, PVC_EXPIRED);
	assert_int_equal(freeze_state().errors, 1);
	assert_int_equal(thaws, 1);
}

static void test_lease_renew(void **state)
{
	__u32 lease;

	(void)state;
	assert_int_equal(renew(0, 2000), PVC_NOT_FOUND);
	freeze(1000);
	lease = guest.lease.number;
	wait_ms(900);
	assert_int_equal(renew(lease, 2000), PVC_OK);
	assert_int_equal(renew(lease + 1, 2000), PVC_NOT_FOUND);
	wait_ms(1900);
	assert_int_equal(thaws, 0);
	assert_int_equal(renew(lease, 0), PVC_INVALID);
	assert_int_equal(renew(lease, PVC_LEASE_MAX_MS + 1), PVC_INVALID);
	/* Too late, even if it has not been noticed yet. */
	now += 100;
	assert_int_equal(renew(lease, 1000), PVC_EXPIRED);
	pvs_thawed(&guest, 0);
	assert_int_equal(renew(lease, 1000), PVC_EXPIRED);
}

/*
 * A lease has expired, and another one goes on: who relied on the first hears
 * that, and neither ends nor renews the second.
 */
static void test_lease_identity(void **state)
{
	__u32 a, b, i;

	(void)state;
	freeze(1000);
	a = guest.lease.number;
	wait_ms(1000);
	pvs_thawed(&guest, 0);
	freeze(60000);
	b = guest.lease.number;
	assert_int_not_equal(a, b);
	assert_int_equal(renew(a, 2000), PVC_EXPIRED);
	assert_int_equal(freeze_state().lease, a);
	assert_int_equal(thaw(a), PVC_EXPIRED);
	assert_int_equal(freeze_state().lease, a);
	assert_int_equal(freeze_state().last_end, PVC_LEASE_END_EXPIRED);
	assert_int_equal(thaws, 1);
	assert_int_equal(guest.lease.state, PVC_LEASE_FROZEN);
	assert_true(pvs_lease_left(&guest.lease, now) > 50000);
	/* The host was told, its owner not; and the other way round. */
	assert_int_equal(pvs_lease_verdict(&guest.lease, a, PVS_TOLD_OWNER),
			 PVC_EXPIRED);
	begin_thaw(0);
	pvs_thawed(&guest, 0);
	settle();
	assert_int_equal(answer.status, PVC_OK);
	assert_int_equal(freeze_state().lease, b);
	assert_int_equal(pvs_lease_verdict(&guest.lease, b, PVS_TOLD_OWNER),
			 PVC_OK);
	assert_int_equal(pvs_lease_verdict(&guest.lease, b, PVS_TOLD_OWNER),
			 PVC_NOT_FROZEN);
	/* Of many leases the last ones are remembered. */
	for (i = 0; i < PVS_VERDICTS; i++) {
		freeze(1000);
		pvs_end_lease(&guest, PVC_LEASE_END_THAW);
		pvs_thawed(&guest, 0);
	}
	assert_int_equal(thaw(a), PVC_NOT_FOUND);
	assert_int_equal(thaw(b), PVC_NOT_FOUND);
	assert_int_equal(thaw(b + 1), PVC_OK);
	assert_int_equal(thaw(b + PVS_VERDICTS), PVC_OK);
}

/* The host may not trust what its owner or a shutdown ended; the owner trusts its host. */
static void test_lease_released(void **state)
{
	struct pvs_lease *l = &guest.lease;
	__u32 how;

	(void)state;
	for (how = PVC_LEASE_END_RELEASED; how <= PVC_LEASE_END_POWER; how++) {
		freeze(60000);
		pvs_end_lease(&guest, how);
		pvs_thawed(&guest, 0);
		assert_int_equal(pvs_lease_verdict(l, l->number, PVS_TOLD_OWNER),
				 how == PVC_LEASE_END_POWER ? PVC_EXPIRED : PVC_OK);
		assert_int_equal(thaw(l->number), PVC_EXPIRED);
	}
}

static void test_lease_owner_and_session(void **state)
{
	(void)state;
	freeze(60000);
	pvs_end_lease(&guest, PVC_LEASE_END_OWNER);
	assert_int_equal(thaws, 1);
	pvs_thawed(&guest, 0);
	settle();
	assert_int_equal(notices, 1);
	assert_int_equal(thaw(guest.lease.number), PVC_EXPIRED);
	/* Only a lease that was asked for so ends with the session. */
	freeze(60000);
	pvc_lose(&guest.pvc, PVC_WHY_TRANSPORT);
	assert_int_equal(thaws, 1);
	guest.lease.with_session = true;
	start_host();
	pvc_lose(&guest.pvc, PVC_WHY_TRANSPORT);
	assert_int_equal(thaws, 2);
	assert_int_equal(guest.lease.last_end, PVC_LEASE_END_SESSION);
}

static __u32 sync_to(__s64 offset, __u32 flags)
{
	struct pvc_time_sync sync = {
		.host_ns = guest_ns + offset - 1000, .delay_ns = 1000,
		.flags = flags,
	};
	struct pvc_time_synced synced;

	assert_int_equal(ask_status(PVC_SERVICE_TIME, PVC_TIME_SYNC, &sync,
				    sizeof(sync)), PVC_OK);
	assert_int_equal(answer.len, sizeof(synced));
	memcpy(&synced, answer.body, sizeof(synced));
	assert_true((__s64)synced.offset_ns == offset);
	return synced.action;
}

static void test_time_policy(void **state)
{
	const __s64 second = 1000000000;

	(void)state;
	assert_true(guest.time_wanted);
	assert_int_equal(sync_to(second, 0), PVC_TIME_NONE);
	assert_int_equal(sync_to(-second, 0), PVC_TIME_NONE);
	assert_false(guest.time_wanted);
	assert_int_equal(steps, 0);
	assert_int_equal(sync_to(second + 1, PVC_TIME_DRY_RUN),
			 PVC_TIME_STEPPED);
	assert_int_equal(steps, 0);
	assert_int_equal(sync_to(second + 1, 0), PVC_TIME_STEPPED);
	assert_int_equal(steps, 1);
	assert_true(stepped_ns == second + 1);
	assert_int_equal(sync_to(-2 * second, 0), PVC_TIME_BACKWARD);
	assert_int_equal(sync_to(-2 * second, PVC_TIME_RESTORED),
			 PVC_TIME_STEPPED);
	assert_int_equal(steps, 2);
	/* The guest noticed it by itself: once. */
	pvs_restored(&guest);
	settle();
	assert_int_equal(sync_to(-2 * second, 0), PVC_TIME_STEPPED);
	assert_int_equal(sync_to(-2 * second, 0), PVC_TIME_BACKWARD);
	guest.policy = PVS_TIME_BOTH;
	assert_int_equal(sync_to(-2 * second, 0), PVC_TIME_STEPPED);
	guest.policy = PVS_TIME_OFF;
	assert_int_equal(sync_to(2 * second, 0), PVC_TIME_OFF);
	assert_int_equal(steps, 4);
}

static void test_time_arguments(void **state)
{
	struct pvc_time_sync good = { .host_ns = guest_ns }, bad;
	__u32 i;

	(void)state;
	for (i = 0; i < 6; i++) {
		bad = good;
		if (i == 0)
			bad.host_ns = PVC_TIME_MIN_NS - 1;
		else if (i == 1)
			bad.host_ns = PVC_TIME_MAX_NS + 1;
		else if (i == 2)
			bad.delay_ns = PVC_TIME_DELAY_MAX_NS + 1;
		else if (i == 3)
			bad.flags = PVC_TIME_FLAGS + 1;
		else if (i == 4)
			bad.reserved = 1;
		assert_int_equal(ask_status(PVC_SERVICE_TIME, PVC_TIME_SYNC,
					    &bad, i == 5 ? 23 : 24),
				 PVC_INVALID);
	}
	assert_int_equal(ask_status(PVC_SERVICE_TIME, PVC_TIME_SAMPLE, &good,
				    7), PVC_INVALID);
	assert_int_equal(ask_status(PVC_SERVICE_TIME, PVC_TIME_SAMPLE, &good,
				    8), PVC_OK);
	assert_int_equal(answer.len, sizeof(struct pvc_time_sample));
	assert_int_equal(ask_status(PVC_SERVICE_TIME, 3, "", 0),
			 PVC_UNSUPPORTED);
	assert_int_equal(steps, 0);
}

static void test_guest_status(void **state)
{
	struct pvc_guest_status st;

	(void)state;
	assert_int_equal(ask_status(PVC_SERVICE_GUEST, PVC_GUEST_STATUS, "",
				    0), PVC_OK);
	assert_int_equal(answer.len, sizeof(st));
	memcpy(&st, answer.body, sizeof(st));
	assert_int_equal(st.sessions, 1);
	assert_string_equal((const char *)st.release, "test");
	assert_int_equal(ask_status(PVC_SERVICE_GUEST, PVC_GUEST_STATUS, "x",
				    1), PVC_INVALID);
	assert_int_equal(ask_status(99, 1, "", 0), PVC_NO_SERVICE);
	assert_int_equal(ask_status(0, 1, "", 0), PVC_NO_SERVICE);
	assert_int_equal(ask_status(0xffff, 1, "", 0), PVC_NO_SERVICE);
	assert_int_equal(freeze_op(PVC_FREEZE_FREEZE), PVC_NO_SERVICE);
	assert_int_equal(freeze_op(5), PVC_UNSUPPORTED);
}

static void test_power(void **state)
{
	struct pvc_power args = {}, bad = { .flags = 2 };

	(void)state;
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_REBOOT, &bad,
				    8), PVC_INVALID);
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_REBOOT, &args,
				    7), PVC_INVALID);
	assert_int_equal(ask_status(PVC_SERVICE_POWER, 3, &args, 8),
			 PVC_UNSUPPORTED);
	assert_int_equal(powers, 0);
	/* A frozen guest could not shut down. */
	freeze(60000);
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN,
				    &args, 8), PVC_OK);
	assert_int_equal(thaws, 1);
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_REBOOT, &args,
				    8), PVC_BUSY);
	assert_int_equal(powers, 1);
	/* It did not get there: the host may insist, or later ask again. */
	args.flags = PVC_POWER_FORCE;
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_REBOOT, &args,
				    8), PVC_OK);
	args.flags = 0;
	wait_ms(PVS_STOP_MS - 1);
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_REBOOT, &args,
				    8), PVC_BUSY);
	wait_ms(1);
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN,
				    &args, 8), PVC_OK);
	assert_int_equal(powers, 102);
	/* The kernel itself is on its way: too late for anything. */
	pvs_notice(&guest, PVC_NOTICE_REBOOT, "", 0);
	args.flags = PVC_POWER_FORCE;
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN,
				    &args, 8), PVC_BUSY);
}

/* A guest that lets the host neither stop it nor set its clock. */
static void test_permit(void **state)
{
	struct pvc_power args = {};
	__u8 probe[8] = {};

	(void)state;
	permitted = false;
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN,
				    &args, 8), PVC_DENIED);
	assert_int_equal(ask_status(PVC_SERVICE_TIME, PVC_TIME_SAMPLE, probe, 8),
			 PVC_DENIED);
	assert_int_equal(powers, 0);
	permitted = true;
	assert_int_equal(ask_status(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN,
				    &args, 8), PVC_OK);
}

/* However many requests of its own a daemon leaves open, the kernel is asked. */
static void test_daemon_leaves_room(void **state)
{
	__u32 i;

	(void)state;
	daemon_there = true;
	freeze(60000);
	for (i = 0; i < PVS_PEER; i++)
		ask(PVC_SERVICE_DAEMON, 1, "", 0, 0, 0);
	assert_int_equal(answer.status, PVC_BUSY);
	assert_true(daemon_streams >= 8);
	/* Also when half of the window was used, and no credit given for it yet. */
	assert_int_equal(guest.pvc.cfg.conn_window,
			 2 * ((PVS_PEER - 3) * guest.pvc.cfg.stream_window + 3 * 4000));
	begin_thaw(0);
	pvs_thawed(&guest, 0);
	settle();
	assert_int_equal(answer.status, PVC_OK);
	/* One that ends makes room for another. */
	i = daemon_streams;
	pvc_reset(&host, pvc_find(&host, 1), PVC_CANCELLED);
	settle();
	assert_int_equal(daemon_streams, i - 1);
	ask(PVC_SERVICE_DAEMON, 1, "", 0, 0, 0);
	assert_int_equal(daemon_streams, i);
	assert_int_equal(guest.pvc.stats.lost, 0);
}

/* What a daemon does not read takes credit of its own stream and of no other. */
static void test_daemon_leaves_credit(void **state)
{
	__u32 i, opened;

	(void)state;
	daemon_there = true;
	req = (struct pvc_request){
		.service = PVC_SERVICE_DAEMON, .op = 1, .version = 1,
	};
	req_len = 0;
	for (i = 0; i < PVS_PEER; i++) {
		opened = daemon_streams;
		pvc_ready(&host, pvc_open(&host, &req));
		settle();
		if (daemon_streams > opened)
			assert_int_equal(daemon_bytes, 1000 * daemon_streams);
	}
	assert_true(daemon_streams >= 8);
	assert_int_equal(guest.pvc.stats.lost, 0);
}

/* The same request again, as after a lost answer: done once, answered twice. */
static void test_keys(void **state)
{
	struct pvc_power args = {};

	(void)state;
	ask(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN, "", 0, 7, PVC_OPEN_QUERY);
	assert_int_equal(answer.status, PVC_NOT_FOUND);
	ask(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN, &args, 8, 7, 0);
	assert_int_equal(answer.status, PVC_OK);
	assert_int_equal(answer.flags, 0);
	pvc_lose(&guest.pvc, PVC_WHY_TRANSPORT);
	start_host();
	ask(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN, "", 0, 7, PVC_OPEN_QUERY);
	assert_int_equal(answer.status, PVC_OK);
	assert_int_equal(answer.flags, PVC_RESULT_REPLAYED);
	ask(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN, &args, 8, 7, 0);
	assert_int_equal(answer.status, PVC_OK);
	assert_int_equal(answer.flags, PVC_RESULT_REPLAYED);
	assert_int_equal(powers, 1);
	/* A key means one request only; and a query needs one. */
	ask(PVC_SERVICE_POWER, PVC_POWER_REBOOT, &args, 8, 7, 0);
	assert_int_equal(answer.status, PVC_INVALID);
	ask(PVC_SERVICE_POWER, PVC_POWER_REBOOT, "", 0, 0, PVC_OPEN_QUERY);
	assert_int_equal(answer.status, PVC_INVALID);
	assert_int_equal(powers, 1);
}

/* The session ends under a thaw: the next can ask what became of it. */
static void test_key_outlives_session(void **state)
{
	(void)state;
	freeze(60000);
	begin_thaw(9);
	pvc_lose(&guest.pvc, PVC_WHY_TRANSPORT);
	start_host();
	ask(PVC_SERVICE_FREEZE, PVC_FREEZE_THAW, "", 0, 9, PVC_OPEN_QUERY);
	assert_int_equal(answer.status, PVC_IN_PROGRESS);
	pvs_thawed(&guest, 0);
	ask(PVC_SERVICE_FREEZE, PVC_FREEZE_THAW, "", 0, 9, PVC_OPEN_QUERY);
	assert_int_equal(answer.status, PVC_OK);
	assert_int_equal(freeze_state().last_end, PVC_LEASE_END_THAW);
}

/* A key whose answer was forgotten is neither unknown nor carried out again. */
static void test_key_forgotten(void **state)
{
	struct pvc_power args = { .flags = cpu_to_le32(0x80) };
	__u64 key;

	(void)state;
	for (key = 1; key <= PVS_KEYS + 1; key++) {
		ask(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN, &args, 8, key, 0);
		assert_int_equal(answer.status, PVC_INVALID);
	}
	args.flags = 0;
	ask(PVC_SERVICE_POWER, PVC_POWER_SHUTDOWN, &args, 8, 1, 0);
	assert_int_equal(answer.status, PVC_FORGOTTEN);
	assert_int_equal(powers, 0);
}

int run_service_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lease_thaw, setup),
		cmocka_unit_test_setup(test_lease_expiry, setup),
		cmocka_unit_test_setup(test_lease_late_thaw, setup),
		cmocka_unit_test_setup(test_lease_renew, setup),
		cmocka_unit_test_setup(test_lease_identity, setup),
		cmocka_unit_test_setup(test_lease_released, setup),
		cmocka_unit_test_setup(test_lease_owner_and_session, setup),
		cmocka_unit_test_setup(test_time_policy, setup),
		cmocka_unit_test_setup(test_time_arguments, setup),
		cmocka_unit_test_setup(test_guest_status, setup),
		cmocka_unit_test_setup(test_power, setup),
		cmocka_unit_test_setup(test_permit, setup),
		cmocka_unit_test_setup(test_daemon_leaves_room, setup),
		cmocka_unit_test_setup(test_daemon_leaves_credit, setup),
		cmocka_unit_test_setup(test_keys, setup),
		cmocka_unit_test_setup(test_key_outlives_session, setup),
		cmocka_unit_test_setup(test_key_forgotten, setup),
	};

	return cmocka_run_group_tests_name("protocol: services", tests, NULL,
					   NULL);
}
