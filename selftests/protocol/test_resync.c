// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the control protocol: a host that is cut off after each byte
 * of a session in turn, and the next host.
 */
#include "harness.h"

static __u8 pattern[4096];

/*
 * A session with requests of both kinds and data in both directions; returns
 * when all is done or the host was cut off.
 */
static void play(struct pair *pair)
{
	struct pvc_request req = {
		.service = 1, .version = 1, .window = 8192,
	};
	struct pvc_stream *s;

	pair->guest.to_send = pattern;
	pair->guest.to_send_len = sizeof(pattern);
	pair->host.to_send = pattern;
	pair->host.to_send_len = sizeof(pattern);
	pair->host.args_len = 40;
	pair_settle(pair);
	s = pvc_open(&pair->host.pvc, &req);
	if (s) {
		pvc_ready(&pair->host.pvc, s);
		pvc_finish(&pair->host.pvc, s);
	}
	pair_settle(pair);
	/* The guest answers when all is there, and otherwise goes on waiting. */
	s = pvc_find(&pair->guest.pvc, 1);
	if (s && noted(&pair->guest, GOT_EOF))
		pvc_reply(&pair->guest.pvc, s, PVC_OK, 0);
	pvc_ping(&pair->host.pvc, 5);
	pair_settle(pair);
}

/* The next host has a session at once, and all it asks for is right. */
static void check_next(struct pair *pair)
{
	__u32 before = pair->guest.pvc.stats.sessions;

	/* What the earlier host sent as data is what came, up to some point. */
	assert_true(pair->guest.got_len <= sizeof(pattern));
	assert_memory_equal(pair->guest.got, pattern, pair->guest.got_len);
	pair->guest.got_len = 0;
	pair->guest.sent = 0;

	pair_connect(pair);
	pair_settle(pair);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->guest.pvc.session, pair->host.pvc.session);
	assert_int_equal(pair->guest.pvc.stats.sessions, before + 1);
	assert_int_equal(pair->guest.got_len, 0);
	play(pair);
	assert_int_equal(noted(&pair->host, ANSWER)->value, PVC_OK);
	assert_int_equal(noted(&pair->host, EVENT)->id, 5);
	assert_int_equal(pair->guest.got_len, sizeof(pattern));
	assert_memory_equal(pair->guest.got, pattern, sizeof(pattern));
	assert_int_equal(pair->host.got_len, sizeof(pattern));
	assert_memory_equal(pair->host.got, pattern, sizeof(pattern));
	/* Every stream that was opened was closed, once. */
	assert_int_equal(count_notes(&pair->guest, CLOSED),
			 count_notes(&pair->guest, OPENED));
}

enum knows { UNAWARE, AWARE, LATE };

/* @to_guest, @to_host: bytes that pass before the host is gone; 0: all */
static void cut(__u64 to_guest, __u64 to_host, enum knows knows)
{
	struct pair *pair = pair_new();

	/* As on a 4 KiB page, the most QEMU delivers at a time. */
	pair->chunk = 4096;
	pvc_start(&pair->guest.pvc, pair->now);
	pair_connect(pair);
	pair->cut_to_guest = to_guest;
	pair->cut_to_host = to_host;
	play(pair);
	pair_disconnect(pair, knows == AWARE);
	if (knows == LATE) {
		/* The edge comes after the next host's first bytes. */
		pair_connect(pair);
		pair_move(pair);
		pair_disconnect(pair, true);
	}
	check_next(pair);
	pair_free(pair);
}

static void lengths(__u64 *to_guest, __u64 *to_host)
{
	struct pair *pair = pair_new();

	pvc_start(&pair->guest.pvc, pair->now);
	pair_connect(pair);
	play(pair);
	*to_guest = pair->passed_to_guest;
	*to_host = pair->passed_to_host;
	pair_free(pair);
}

/*
 * Every offset behind the sync run, and some in it; the run is all the same.
 */
static void check_each(bool host_dies_sending, enum knows knows)
{
	__u64 to_guest, to_host, all, at;

	lengths(&to_guest, &to_host);
	all = host_dies_sending ? to_guest : to_host;
	assert_true(all > PVC_SYNC_RUN + 2 * sizeof(pattern) / 2);
	for (at = 1; at <= all; at++) {
		if (host_dies_sending)
			cut(at, 0, knows);
		else
			cut(0, at, knows);
		if (at + 4099 < PVC_SYNC_RUN)
			at += 4098;
	}
}

static void test_to_guest_unaware(void **state)
{
	(void)state;
	check_each(true, UNAWARE);
}

static void test_to_guest_aware(void **state)
{
	(void)state;
	check_each(true, AWARE);
}

static void test_to_guest_late(void **state)
{
	(void)state;
	check_each(true, LATE);
}

static void test_to_host_unaware(void **state)
{
	(void)state;
	check_each(false, UNAWARE);
}

static void test_to_host_aware(void **state)
{
	(void)state;
	check_each(false, AWARE);
}

/*
 * That a host is gone is told to the guest when the next one has its session, or an
 * offer: the next one is told, and has another within 200 ms.
 */
static void check_late_edge(bool offered)
{
	struct pair *pair = pair_new();
	__u32 session;

	pair_up(pair);
	pair_disconnect(pair, false);
	pair_connect(pair);
	do
		assert_true(pair_move(pair));
	while (pair->guest.pvc.state != PVC_OFFERED);
	if (!offered)
		pair_settle(pair);
	session = pair->guest.pvc.session;
	pvc_lose(&pair->guest.pvc, PVC_WHY_TRANSPORT);
	pair_wait(pair, 200);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	assert_int_not_equal(pair->guest.pvc.session, session);
	assert_int_equal(pair->host.pvc.session, pair->guest.pvc.session);
	pair_free(pair);
}

static void test_late_edge(void **state)
{
	(void)state;
	check_late_edge(false);
	check_late_edge(true);
}

/*
 * The guest read nothing while three hosts came and went: all they sent is
 * still there, the last one's too.
 */
static void test_stale_hosts(void **state)
{
	struct pair *pair = pair_new();
	__u32 i;

	(void)state;
	for (i = 0; i < 3; i++) {
		pair_connect(pair);
		while (pair_move(pair))
			if (pair->guest.pvc.state != PVC_IDLE)
				break;
		pair_disconnect(pair, false);
	}
	pvc_start(&pair->guest.pvc, pair->now);
	check_next(pair);
	pair_free(pair);
}

/*
 * A whole session that a host once had, word for word, is sent to a guest
 * again: with no session it begins none, and within another it does nothing.
 */
static void test_replay(void **state)
{
	static __u8 record[1 << 18];
	struct pair *pair = pair_new();
	__u32 len = 0, n, session;
	__u8 *buf = record;

	(void)state;
	pvc_start(&pair->guest.pvc, pair->now);
	pair_connect(pair);
	pair->host.args_len = 8;
	for (;;) {
		struct pvc_request req = { .service = 1, .version = 1 };

		n = pvc_output(&pair->host.pvc, buf + len, PVC_SYNC_RUN,
			       pair->now);
		feed(pair, &pair->guest, buf + len, n);
		len += n;
		n = pvc_output(&pair->guest.pvc, buf + len, PVC_SYNC_RUN,
			       pair->now);
		feed(pair, &pair->host, buf + len, n);
		if (count_notes(&pair->guest, OPENED) == 3)
			break;
		pvc_open(&pair->host.pvc, &req);
	}
	session = pair->guest.pvc.session;
	pair_disconnect(pair, true);

	feed(pair, &pair->guest, record, len);
	assert_int_equal(count_notes(&pair->guest, OPENED), 3);
	assert_int_equal(count_notes(&pair->guest, UP), 1);
	assert_int_not_equal(pair->guest.pvc.session, session);
	check_next(pair);

	/* And if another process wrote into the middle of another session. */
	n = count_notes(&pair->guest, OPENED);
	feed(pair, &pair->guest, record, len);
	assert_int_equal(count_notes(&pair->guest, OPENED), n);
	pair_free(pair);
}

/*
 * Data that is itself a recording of the protocol, cut in the middle: what is
 * in it is never taken for frames, or at worst for a HELLO without an answer.
 */
static void test_protocol_as_data(void **state)
{
	__u32 at = 0, cut_at;

	(void)state;
	while (at + 200 < sizeof(pattern))
		at += make_hello(pattern + at, 77, NULL);
	for (cut_at = 1; cut_at < 5000; cut_at += 13)
		cut(PVC_SYNC_RUN + cut_at, 0, UNAWARE);
	for (cut_at = 1; cut_at < 5000; cut_at += 13)
		cut(0, PVC_SYNC_RUN + cut_at, UNAWARE);
	memset(pattern, 0, sizeof(pattern));
}

int run_resync_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_guest_unaware),
		cmocka_unit_test(test_to_guest_aware),
		cmocka_unit_test(test_to_guest_late),
		cmocka_unit_test(test_to_host_unaware),
		cmocka_unit_test(test_to_host_aware),
		cmocka_unit_test(test_late_edge),
		cmocka_unit_test(test_stale_hosts),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_protocol_as_data),
	};
	__u32 i;

	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = 1 + i * 13;
	return cmocka_run_group_tests_name("protocol: resync", tests, NULL,
					   NULL);
}
