// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of heartbeats, pings, and sides that fall silent.
 */
#include "harness.h"

static void test_heartbeat(void **state)
{
	struct pair *pair = pair_new();

	(void)state;
	pair_up(pair);
	pair_wait(pair, 5500);
	assert_in_range(count_notes(&pair->host, EVENT), 5, 6);
	assert_int_equal(noted(&pair->host, EVENT)->value, PVC_HEARTBEAT);
	pair_free(pair);
}

/* The guest promised to be heard each second, and is not. */
static void test_silence(void **state)
{
	struct pair *pair = pair_new();
	__u64 from;

	(void)state;
	pair_up(pair);
	pair_wait(pair, 100);
	from = pair->host.pvc.heard;
	assert_true(pvc_next_tick(&pair->host.pvc) <= from + 3000);
	pvc_tick(&pair->host.pvc, from + 2900);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	pvc_tick(&pair->host.pvc, from + 3000);
	assert_int_equal(pair->host.pvc.state, PVC_CALLING);
	assert_int_equal(noted(&pair->host, DOWN)->value, PVC_WHY_SILENT);
	pair->now = from + 3000;
	pair_settle(pair);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	pair_free(pair);
}

/* A session with a host that promises to say something each 500 ms. */
static void promise_up(struct pair *pair)
{
	pvc_start(&pair->guest.pvc, pair->now);
	pair->host.pvc.cfg.quiet_ms = 500;
	pair->connected = true;
	pvc_start(&pair->host.pvc, pair->now);
	pair_settle(pair);
}

/* A host that promised the same, and is stopped. */
static void test_host_silence(void **state)
{
	struct pair *pair = pair_new();
	__u32 token;

	(void)state;
	promise_up(pair);
	/* What keeps the promise does not take a token away. */
	for (token = 1; token < 50; token++) {
		pvc_ping(&pair->host.pvc, token);
		pvc_tick(&pair->host.pvc, pair->now += 100);
		pair_settle(pair);
		assert_int_equal(noted(&pair->host, EVENT)->id, token);
	}
	pair_wait(pair, 5000);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	pair->connected = false;
	pair_wait(pair, 900);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	pair_wait(pair, 700);
	assert_int_equal(noted(&pair->guest, DOWN)->value, PVC_WHY_SILENT);
	pair_free(pair);
}

/* What a host says when it begins shows that it is there: no PING that is to be answered. */
static void test_host_begins(void **state)
{
	struct pair *pair = pair_new();
	__u64 sent;

	(void)state;
	promise_up(pair);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	sent = pair->host.pvc.stats.tx_frames;
	pair_wait(pair, 400);
	assert_int_equal(pair->host.pvc.stats.tx_frames, sent);
	pair_wait(pair, 200);
	assert_int_equal(pair->host.pvc.stats.tx_frames, sent + 1);
	pair_free(pair);
}

static __u64 asked;

static void keep_token(struct pvc *p, __u64 token)
{
	(void)p;
	asked = token;
}

/* An owner that passes on what is another's answers and beats when that does. */
static void test_passed_on(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_ops ops = *pair->guest.pvc.cfg.ops;
	__u32 before;

	(void)state;
	ops.ping = keep_token;
	pair->guest.pvc.cfg.ops = &ops;
	pair_up(pair);
	pvc_ping(&pair->host.pvc, 77);
	before = count_notes(&pair->host, EVENT);
	pair_settle(pair);
	assert_int_equal(asked, 77);
	assert_int_equal(count_notes(&pair->host, EVENT), before);
	pvc_pong(&pair->guest.pvc, asked);
	pair_settle(pair);
	assert_int_equal(count_notes(&pair->host, EVENT), before + 1);
	assert_int_equal(noted(&pair->host, EVENT)->id, 77);
	pair_wait(pair, 500);
	pvc_beat(&pair->guest.pvc);
	before = count_notes(&pair->host, EVENT);
	pair_wait(pair, 900);
	assert_int_equal(count_notes(&pair->host, EVENT), before + 1);
	pair_free(pair);
}

int run_beat_tests(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_host_silence),
		cmocka_unit_test(test_host_begins),
		cmocka_unit_test(test_passed_on),
	};

	return cmocka_run_group_tests_name("protocol: heartbeats", tests, NULL, NULL);
}
