// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the control protocol: the handshake and the end of sessions.
 */
#include "harness.h"

static void test_handshake(void **state)
{
	struct pair *pair = pair_new();

	(void)state;
	pair_up(pair);
	assert_int_equal(count_notes(&pair->guest, UP), 1);
	assert_int_equal(count_notes(&pair->host, UP), 1);
	assert_int_equal(pair->host.pvc.features,
			 PVC_FEATURE_KERNEL | PVC_FEATURE_LEASE);
	assert_int_equal(pair->host.pvc.peer.quiet_ms, 1000);
	assert_int_equal(pair->host.pvc.peer.max_streams, STREAMS / 2);
	pair_free(pair);
}

/* The host was there first, and its HELLO waits or is lost. */
static void test_host_first(void **state)
{
	struct pair *pair = pair_new();

	(void)state;
	pair_connect(pair);
	pair_wait(pair, 5000);
	assert_int_equal(pair->host.pvc.state, PVC_CALLING);
	assert_true(pair->passed_to_guest < PVC_SYNC_RUN + 3000);
	pvc_start(&pair->guest.pvc, pair->now);
	pair_wait(pair, 2500);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	pair_free(pair);
}

/* RESYNC makes the host call at once rather than when its timer says. */
static void test_resync_calls(void **state)
{
	struct pair *pair = pair_new();

	(void)state;
	pair_connect(pair);
	pair_wait(pair, 5000);
	pvc_start(&pair->guest.pvc, pair->now);
	pair_wait(pair, 120);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	pair_free(pair);
}

static __u32 welcome_status(struct pair *pair, const struct pvc_hello *h)
{
	__u8 buf[PVC_OUTPUT_MIN];
	struct pvc_hello answer;
	__u32 len;

	pvc_start(&pair->guest.pvc, 0);
	pair_settle(pair);		/* without a host: the run goes nowhere */
	len = make_hello(buf, 9, h);
	feed(pair, &pair->guest, buf, len);
	len = pvc_output(&pair->guest.pvc, buf, sizeof(buf), 0);
	assert_true(len >= PVC_HEADER + sizeof(answer));
	assert_int_equal(buf[5], PVC_WELCOME);
	memcpy(&answer, buf + PVC_HEADER, sizeof(answer));
	assert_memory_equal(answer.nonce, h->nonce, sizeof(h->nonce));
	pvc_stop(&pair->guest.pvc, 0);
	return le16_to_cpu(answer.status);
}

static void test_refusals(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_hello h = good_hello(9);

	(void)state;
	assert_int_equal(welcome_status(pair, &h), PVC_OK);
	h.version_min = 2;
	h.version_max = 3;
	assert_int_equal(welcome_status(pair, &h), PVC_BAD_VERSION);
	h.version_min = 0;
	assert_int_equal(welcome_status(pair, &h), PVC_INVALID);
	h.version_min = 1;
	assert_int_equal(welcome_status(pair, &h), PVC_OK);
	h.version_max = 0;
	assert_int_equal(welcome_status(pair, &h), PVC_INVALID);
	h = good_hello(9);
	h.max_payload = cpu_to_le32(PVC_PAYLOAD_MIN - 1);
	assert_int_equal(welcome_status(pair, &h), PVC_INVALID);
	h.max_payload = cpu_to_le32(PVC_PAYLOAD_MAX + 1);
	assert_int_equal(welcome_status(pair, &h), PVC_INVALID);
	h = good_hello(9);
	h.quiet_ms = cpu_to_le32(99);
	assert_int_equal(welcome_status(pair, &h), PVC_INVALID);
	h.quiet_ms = cpu_to_le32(60001);
	assert_int_equal(welcome_status(pair, &h), PVC_INVALID);
	h = good_hello(9);
	h.max_streams = cpu_to_le32(65536);
	assert_int_equal(welcome_status(pair, &h), PVC_INVALID);
	pair_free(pair);
}

/* A host that is refused is told why, and stops calling. */
static void test_refused_host(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_hello h = good_hello(0);
	struct raw raw = {
		.type = PVC_WELCOME, .payload = &h, .len = sizeof(h),
	};
	__u8 buf[256];

	(void)state;
	pair_connect(pair);
	memcpy(h.nonce, pair->host.pvc.nonce, sizeof(h.nonce));
	h.version_min = 4;
	h.version_max = 5;
	h.status = cpu_to_le16(PVC_BAD_VERSION);
	feed(pair, &pair->host, buf, make_frame(buf, &raw));
	assert_int_equal(pair->host.pvc.state, PVC_REFUSED);
	assert_int_equal(noted(&pair->host, REFUSED)->value, PVC_BAD_VERSION);
	assert_int_equal(pair->host.pvc.peer.version_min, 4);
	assert_int_equal(pvc_output(&pair->host.pvc, buf, sizeof(buf), 0), 0);
	pair_free(pair);
}

static int parse(const struct pvc_hello *h, const __u8 *tlvs, __u32 len,
		 struct pvc_peer *peer)
{
	__u8 *buf = malloc(sizeof(*h) + len);
	int err;

	memcpy(buf, h, sizeof(*h));
	memcpy(buf + sizeof(*h), tlvs, len);
	err = pvc_parse_hello(peer, buf, sizeof(*h) + len);
	free(buf);
	return err;
}

static void test_tlvs(void **state)
{
	static const struct pvc_service_range services[] = {
		{ 0x0002, 1, 3 }, { 0xff00, 1, 1 },
	};
	struct pvc_hello h = good_hello(1);
	struct pvc_peer peer;
	__u8 buf[256];
	__u32 len, cut;

	(void)state;
	len = pvc_put_tlv(buf, 0, sizeof(buf), PVC_TLV_SERVICES, services,
			  sizeof(services));
	len = pvc_put_tlv(buf, len, sizeof(buf), PVC_TLV_SOFTWARE,
			  "x\033[2J", 5);
	len = pvc_put_tlv(buf, len, sizeof(buf), 999, "unknown", 7);
	assert_int_equal(parse(&h, buf, len, &peer), PVC_OK);
	assert_int_equal(peer.services[2].version_max, 3);
	assert_int_equal(peer.services[3].version_max, 0);
	assert_string_equal(peer.software, "x?[2J");

	/* Cut anywhere but between two of them it is wrong. */
	for (cut = 1; cut < len; cut++)
		assert_int_equal(parse(&h, buf, cut, &peer),
				 cut == 12 || cut == 21 ? PVC_OK : PVC_INVALID);

	cut = pvc_put_tlv(buf, len, sizeof(buf), 999 | PVC_TLV_CRITICAL, "", 0);
	assert_int_equal(parse(&h, buf, cut, &peer), PVC_UNSUPPORTED);
	/* No room: nothing is written. */
	assert_int_equal(pvc_put_tlv(buf, len, len + 9, 1, "123456", 6), len);
	assert_int_equal(pvc_put_tlv(buf, len, len + 10, 1, "123456", 6),
			 len + 10);
}

static void test_tlv_values(void **state)
{
	static const struct pvc_service_range none = { 2, 0, 1 };
	static const struct pvc_service_range inverse = { 2, 2, 1 };
	struct pvc_hello h = good_hello(1);
	struct pvc_peer peer;
	__u8 buf[256], name[65] = "";
	__u32 len;

	(void)state;
	len = pvc_put_tlv(buf, 0, sizeof(buf), PVC_TLV_SERVICES, &none, 4);
	assert_int_equal(parse(&h, buf, len, &peer), PVC_INVALID);
	len = pvc_put_tlv(buf, 0, sizeof(buf), PVC_TLV_SERVICES, &inverse, 4);
	assert_int_equal(parse(&h, buf, len, &peer), PVC_INVALID);
	len = pvc_put_tlv(buf, 0, sizeof(buf), PVC_TLV_SERVICES, &none, 3);
	assert_int_equal(parse(&h, buf, len, &peer), PVC_INVALID);
	len = pvc_put_tlv(buf, 0, sizeof(buf), PVC_TLV_SOFTWARE, name, 64);
	assert_int_equal(parse(&h, buf, len, &peer), PVC_OK);
	len = pvc_put_tlv(buf, 0, sizeof(buf), PVC_TLV_SOFTWARE, name, 65);
	assert_int_equal(parse(&h, buf, len, &peer), PVC_INVALID);
	len = pvc_put_tlv(buf, 0, sizeof(buf), PVC_TLV_SOFTWARE, name, 0);
	assert_int_equal(parse(&h, buf, len, &peer), PVC_INVALID);
}

/* HELLO comes again: with the same nonce it is the same session. */
static void test_hello_again(void **state)
{
	struct pair *pair = pair_new();
	__u8 hello[256], buf[PVC_OUTPUT_MIN];
	__u32 len = make_hello(hello, 9, NULL), session;
	struct raw start = { .type = PVC_START, .len = 16 };

	(void)state;
	pvc_start(&pair->guest.pvc, 0);
	pair_settle(pair);	/* the run, which is sent to its end */
	feed(pair, &pair->guest, hello, len);
	session = pair->guest.pvc.session;
	feed(pair, &pair->guest, hello, len);
	assert_int_equal(pair->guest.pvc.session, session);
	assert_true(pvc_output(&pair->guest.pvc, buf, sizeof(buf), 0) > 0);
	assert_int_equal(buf[5], PVC_WELCOME);
	start.payload = pair->guest.pvc.guest_nonce;
	inject(pair, &pair->guest, start);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	feed(pair, &pair->guest, hello, len);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->guest.pvc.session, session);

	len = make_hello(hello, 10, NULL);
	feed(pair, &pair->guest, hello, len);
	assert_int_equal(pair->guest.pvc.state, PVC_OFFERED);
	assert_int_not_equal(pair->guest.pvc.session, session);
	assert_int_equal(noted(&pair->guest, DOWN)->value, PVC_WHY_RUN);
	pair_free(pair);
}

/* A START that was recorded lacks the nonce of this WELCOME. */
static void test_recorded_start(void **state)
{
	struct pair *pair = pair_new();
	__u8 hello[256], nonce[16];
	__u32 len = make_hello(hello, 9, NULL);
	struct raw start = { .type = PVC_START, .len = 16, .payload = nonce };

	(void)state;
	pvc_start(&pair->guest.pvc, 0);
	feed(pair, &pair->guest, hello, len);
	memcpy(nonce, pair->guest.pvc.guest_nonce, sizeof(nonce));
	inject(pair, &pair->guest, start);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	hello[0] = 0;
	len = make_hello(hello, 10, NULL);
	feed(pair, &pair->guest, hello, len);
	assert_int_equal(pair->guest.pvc.state, PVC_OFFERED);
	assert_memory_not_equal(nonce, pair->guest.pvc.guest_nonce, 16);
	/* Of this session's number, but with the nonce of the last. */
	inject(pair, &pair->guest, start);
	assert_int_equal(pair->guest.pvc.state, PVC_LISTEN);
	pair_free(pair);
}

/* Services that come and go during a session. */
static void test_services_change(void **state)
{
	static __u8 tlvs[64];
	struct pvc_service_range ranges[] = {
		{ cpu_to_le16(1), 1, 1 }, { cpu_to_le16(17), 2, 3 },
	};
	struct pair *pair = pair_new();
	struct pvc *guest = &pair->guest.pvc, *host = &pair->host.pvc;

	(void)state;
	guest->cfg.tlvs = tlvs;
	guest->cfg.tlv_len = pvc_put_tlv(tlvs, 0, sizeof(tlvs),
					 PVC_TLV_SERVICES, ranges, 4);
	pair_up(pair);
	assert_int_equal(host->peer.services[1].version_max, 1);
	assert_int_equal(host->peer.services[17].version_max, 0);
	guest->cfg.tlv_len = pvc_put_tlv(tlvs, 0, sizeof(tlvs),
					 PVC_TLV_SERVICES, ranges, 8);
	pvc_announce(guest);
	pair_settle(pair);
	assert_int_equal(noted(&pair->host, EVENT)->value, PVC_SERVICES);
	assert_int_equal(host->peer.services[17].version_min, 2);
	assert_int_equal(host->peer.services[17].version_max, 3);
	guest->cfg.tlv_len = pvc_put_tlv(tlvs, 0, sizeof(tlvs),
					 PVC_TLV_SERVICES, ranges + 1, 4);
	pvc_announce(guest);
	pair_settle(pair);
	assert_int_equal(host->peer.services[1].version_max, 0);
	/* None at all is said as well, and nonsense ends the session. */
	guest->cfg.tlv_len = 0;
	pvc_announce(guest);
	pair_settle(pair);
	assert_int_equal(host->peer.services[17].version_max, 0);
	assert_int_equal(host->stats.lost, 0);
	inject(pair, &pair->host, (struct raw){
		.type = PVC_SERVICES, .payload = "abc", .len = 3 });
	assert_int_equal(noted(&pair->host, DOWN)->value, PVC_WHY_PROTOCOL);
	pair_free(pair);
}

/* A service that comes when its WELCOME was written, and the session is not up. */
static void test_services_change_early(void **state)
{
	static __u8 tlvs[64];
	struct pvc_service_range range = { cpu_to_le16(17), 2, 3 };
	struct raw start = { .type = PVC_START, .len = 16 };
	struct pair *pair = pair_new();
	struct pvc *guest = &pair->guest.pvc;
	__u8 hello[256], buf[PVC_OUTPUT_MIN];
	__u32 i, services = 0;

	(void)state;
	guest->cfg.tlvs = tlvs;
	pvc_start(guest, 0);
	feed(pair, &pair->guest, hello, make_hello(hello, 9, NULL));
	while (pvc_output(guest, buf, sizeof(buf), 0))
		;
	assert_int_equal(guest->state, PVC_OFFERED);
	guest->cfg.tlv_len = pvc_put_tlv(tlvs, 0, sizeof(tlvs),
					 PVC_TLV_SERVICES, &range, 4);
	pvc_announce(guest);
	feed(pair, &pair->guest, hello, make_hello(hello, 9, NULL));
	start.payload = guest->guest_nonce;
	inject(pair, &pair->guest, start);
	assert_int_equal(guest->state, PVC_UP);
	for (i = 0; i < 5; i++)
		services += pvc_output(guest, buf, sizeof(buf), 0) &&
			    buf[5] == PVC_SERVICES;
	assert_int_equal(services, 1);
	pair_free(pair);
}

/* A kernel that panics says so with what it has. */
static void test_last_words(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_notice notice = { .kind = cpu_to_le32(PVC_NOTICE_PANIC) };
	__u8 buf[PVC_HEADER + sizeof(notice) + 5];
	__u32 len;

	(void)state;
	assert_int_equal(pvc_last_words(&pair->guest.pvc, buf, sizeof(buf),
					&notice, "Oops!", 5), 0);
	pair_up(pair);
	assert_int_equal(pvc_last_words(&pair->guest.pvc, buf, sizeof(buf) - 1,
					&notice, "Oops!", 5), 0);
	len = pvc_last_words(&pair->guest.pvc, buf, sizeof(buf), &notice, "Oops!", 5);
	assert_int_equal(len, sizeof(buf));
	feed(pair, &pair->host, buf, len);
	assert_int_equal(noted(&pair->host, EVENT)->value, PVC_NOTICE);
	assert_int_equal(noted(&pair->host, EVENT)->len, sizeof(notice) + 5);
	assert_int_equal(pair->host.pvc.stats.lost, 0);
	pair_free(pair);
}

/* A WELCOME to another HELLO is not ours. */
static void test_foreign_welcome(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_hello h = good_hello(1);
	struct raw raw = {
		.type = PVC_WELCOME, .session = 5, .payload = &h,
		.len = sizeof(h),
	};
	__u8 buf[256];

	(void)state;
	pair_connect(pair);
	feed(pair, &pair->host, buf, make_frame(buf, &raw));
	assert_int_equal(pair->host.pvc.state, PVC_CALLING);
	memcpy(h.nonce, pair->host.pvc.nonce, sizeof(h.nonce));
	feed(pair, &pair->host, buf, make_frame(buf, &raw));
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	assert_int_equal(pair->host.pvc.session, 5);
	pair_free(pair);
}

static void test_bye(void **state)
{
	struct pair *pair = pair_new();

	(void)state;
	pair_up(pair);
	pvc_bye(&pair->host.pvc, PVC_WHY_BYE);
	pair_settle(pair);
	assert_int_equal(pair->host.pvc.state, PVC_IDLE);
	assert_int_equal(pair->guest.pvc.state, PVC_LISTEN);
	assert_int_equal(noted(&pair->guest, DOWN)->value, PVC_WHY_BYE);
	assert_int_equal(pair->guest.pvc.stats.lost, 0);

	pair_connect(pair);
	pair_settle(pair);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	pvc_bye(&pair->guest.pvc, PVC_WHY_BYE);
	pair_settle(pair);
	assert_int_equal(pair->host.pvc.state, PVC_IDLE);
	assert_int_equal(noted(&pair->host, DOWN)->value, PVC_WHY_BYE);
	pair_free(pair);
}

/* A guest that was restored says so, whatever was in the way. */
static void test_restored(void **state)
{
	struct pair *pair = pair_new();
	__u32 session;

	(void)state;
	pair_up(pair);
	session = pair->guest.pvc.session;
	pvc_lose(&pair->guest.pvc, PVC_WHY_RESTORED);
	pair_wait(pair, 200);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	assert_int_not_equal(pair->guest.pvc.session, session);
	pair_free(pair);
}

/*
 * Back to an earlier state of the guest, in which it was in a session that the
 * host has since left for another.
 */
static void test_snapshot(void **state)
{
	struct pair *pair = pair_new();
	struct side *before = malloc(sizeof(*before));

	(void)state;
	pair_up(pair);
	*before = pair->guest;
	pvc_lose(&pair->guest.pvc, PVC_WHY_RESTORED);
	pair_wait(pair, 200);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	pair->guest = *before;
	pvc_ping(&pair->host.pvc, 1);
	pair_wait(pair, 3000);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	assert_int_equal(pair->guest.pvc.session, pair->host.pvc.session);
	free(before);
	pair_free(pair);
}

/*
 * Back to an earlier state of the guest, in which no host had ever called: the one that
 * has a session is told, and does not have to wait until it notices the silence.
 */
static void test_snapshot_listening(void **state)
{
	struct pair *pair = pair_new();
	struct side *before = malloc(sizeof(*before));

	(void)state;
	pvc_start(&pair->guest.pvc, pair->now);
	pair_settle(pair);
	assert_int_equal(pair->guest.pvc.state, PVC_LISTEN);
	*before = pair->guest;
	pair_connect(pair);
	pair_settle(pair);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	pair->guest = *before;
	pvc_lose(&pair->guest.pvc, PVC_WHY_RESTORED);
	pair_wait(pair, 200);
	assert_int_equal(count_notes(&pair->host, DOWN), 1);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	free(before);
	pair_free(pair);
}

/* The header of a frame of 60000 bytes, and no more of it. */
static void begin_frame(struct pair *pair, struct side *to)
{
	static __u8 buf[PVC_SYNC_RUN], payload[60000];
	struct raw raw = {
		.type = PVC_DATA,
		.session = to->pvc.session,
		.stream = 1,
		.seq = to->pvc.rx_seq,
		.payload = payload,
		.len = sizeof(payload),
	};

	make_frame(buf, &raw);
	feed(pair, to, buf, PVC_HEADER + 1);
}

/*
 * The guest's port goes away in the middle of a frame to the host, and comes back: the
 * run is sent to its end, though a HELLO comes that the host had sent when it called, or
 * the guest is told that a host is gone.
 */
static void check_run(bool told)
{
	struct pair *pair = pair_new();
	__u8 hello[256], nonce[16];
	struct pvc_hello h = good_hello(0);
	__u32 len;

	pair_up(pair);
	begin_frame(pair, &pair->host);
	memcpy(nonce, pair->host.pvc.nonce, sizeof(nonce));
	pvc_stop(&pair->guest.pvc, pair->now);
	pvc_start(&pair->guest.pvc, pair->now);
	memcpy(h.nonce, nonce, sizeof(h.nonce));
	len = make_hello(hello, 0, &h);
	feed(pair, &pair->guest, hello, len);
	if (told)
		pvc_lose(&pair->guest.pvc, PVC_WHY_TRANSPORT);
	pair_wait(pair, 500);
	assert_int_equal(count_notes(&pair->host, DOWN), 1);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	pair_free(pair);
}

static void test_run_is_whole(void **state)
{
	(void)state;
	check_run(false);
	check_run(true);
}

/* The guest's kernel restarts in the middle of a frame to the host. */
static void test_guest_reboot(void **state)
{
	__u32 cut;

	(void)state;
	for (cut = 1; cut < 60; cut++) {
		struct pair *pair = pair_new();
		__u8 buf[PVC_SYNC_RUN];
		__u32 len;

		pair_up(pair);
		pvc_ping(&pair->host.pvc, 1);
		pvc_output(&pair->host.pvc, buf, sizeof(buf), pair->now);
		feed(pair, &pair->guest, buf, PVC_HEADER + 8);
		len = pvc_output(&pair->guest.pvc, buf, sizeof(buf), pair->now);
		feed(pair, &pair->host, buf, min_t(__u32, cut, len));
		side_init(&pair->guest, PVC_GUEST);
		pvc_start(&pair->guest.pvc, pair->now);
		pair_wait(pair, 200);
		assert_int_equal(pair->guest.pvc.state, PVC_UP);
		assert_int_equal(pair->host.pvc.state, PVC_UP);
		pair_free(pair);
	}
}

static void expect_lost(struct raw raw, bool to_guest, __u32 why)
{
	struct pair *pair = pair_new();
	struct side *to = to_guest ? &pair->guest : &pair->host;

	pair_up(pair);
	inject(pair, to, raw);
	assert_non_null(noted(to, DOWN));
	assert_int_equal(noted(to, DOWN)->value, why);
	pair_wait(pair, 1000);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	pair_free(pair);
}

static void test_wrong_frames(void **state)
{
	static const __u8 zero[300];
	const struct raw wrong[] = {
		{ .type = PVC_START },			/* a second time */
		{ .type = PVC_START, .len = 1 },
		{ .type = PVC_PING, .len = 7 },
		{ .type = PVC_PING, .len = 9 },
		{ .type = PVC_PING },
		{ .type = PVC_HEARTBEAT, .len = 32 },	/* only a guest may */
		{ .type = PVC_NOTICE, .len = 16 },
		{ .type = PVC_PONG, .len = 8, .flags = 1 },
		{ .type = 0 },
		{ .type = 6 },
		{ .type = 200 },
		{ .type = 200, .flags = PVC_F_OPTIONAL | 1 },
		{ .type = PVC_PING, .len = 8, .stream = 1 },
		{ .type = PVC_DATA, .len = 1 },		/* of no stream */
		{ .type = PVC_OPEN, .len = 24 },
		{ .type = PVC_BYE, .len = 3 },
		{ .type = PVC_CREDIT, .len = 7 },
		{ .type = PVC_HELLO, .len = 79 },
		{ .type = PVC_SERVICES },		/* only a guest may */
		{ .type = PVC_OPEN, .len = 31 },
	};
	const struct raw wrong_seq = {
		.type = PVC_PING, .seq = 9, .len = 8, .payload = zero,
	};
	const struct raw wrong_session = {
		.type = PVC_PING, .session = 9, .len = 8, .payload = zero,
	};
	const struct raw short_notice = {
		.type = PVC_NOTICE, .len = 15, .payload = zero,
	};
	const struct raw long_notice = {
		.type = PVC_NOTICE, .len = 273, .payload = zero,
	};
	const struct raw resync = {
		.type = PVC_RESYNC, .len = 4, .payload = zero,
	};
	__u32 i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct raw raw = wrong[i];

		raw.payload = zero;
		expect_lost(raw, true, PVC_WHY_PROTOCOL);
	}
	expect_lost(wrong_seq, true, PVC_WHY_SEQ);
	expect_lost(wrong_session, true, PVC_WHY_SESSION);
	expect_lost(short_notice, false, PVC_WHY_PROTOCOL);
	expect_lost(long_notice, false, PVC_WHY_PROTOCOL);
	expect_lost(resync, false, PVC_WHY_PEER);
}

/* Frames of a later version that may be ignored are. */
static void test_optional(void **state)
{
	struct pair *pair = pair_new();
	struct raw raw = { .type = 200, .flags = PVC_F_OPTIONAL };

	(void)state;
	pair_up(pair);
	inject(pair, &pair->guest, raw);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->guest.pvc.rx_seq, 3);
	pair_free(pair);
}

static void test_config(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_config good = pair->host.pvc.cfg, bad;
	struct pvc p;

	(void)state;
	assert_int_equal(pvc_init(&p, &good), 0);
	bad = good;
	bad.rx_size = PVC_HEADER + PVC_PAYLOAD_MIN - 1;
	assert_int_equal(pvc_init(&p, &bad), -1);
	bad = good;
	bad.rx_size = PVC_SYNC_RUN + 1;
	assert_int_equal(pvc_init(&p, &bad), -1);
	bad = good;
	bad.nr_streams = 1;
	assert_int_equal(pvc_init(&p, &bad), -1);
	bad = good;
	bad.quiet_ms = 99;
	assert_int_equal(pvc_init(&p, &bad), -1);
	bad = good;
	bad.tlv_len = PVC_HELLO_MAX - 63;
	assert_int_equal(pvc_init(&p, &bad), -1);
	pair_free(pair);
}

int run_session_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_host_first),
		cmocka_unit_test(test_resync_calls),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refused_host),
		cmocka_unit_test(test_tlvs),
		cmocka_unit_test(test_tlv_values),
		cmocka_unit_test(test_hello_again),
		cmocka_unit_test(test_recorded_start),
		cmocka_unit_test(test_services_change),
		cmocka_unit_test(test_services_change_early),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_foreign_welcome),
		cmocka_unit_test(test_bye),
		cmocka_unit_test(test_restored),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_snapshot_listening),
		cmocka_unit_test(test_run_is_whole),
		cmocka_unit_test(test_guest_reboot),
		cmocka_unit_test(test_wrong_frames),
		cmocka_unit_test(test_optional),
	};

	return cmocka_run_group_tests_name("protocol: sessions", tests, NULL,
					   NULL);
}
