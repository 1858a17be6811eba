// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the control protocol: streams, credit, priorities, deadlines.
 */
#include "harness.h"

static __u8 pattern[1 << 17];

static struct pvc_stream *request(struct side *side, __u16 op, __u16 flags,
				  __u8 prio, __u32 window)
{
	struct pvc_request req = {
		.service = 1, .op = op, .version = 1, .flags = flags,
		.prio = prio, .window = window,
	};

	return pvc_open(&side->pvc, &req);
}

static void fill_pattern(void)
{
	__u32 i;

	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = i * 7 + i / 256;
}

static void test_request(void **state)
{
	struct pair *pair = pair_new();

	(void)state;
	pair_up(pair);
	pair->guest.echo = true;
	pair->host.args_len = 100;
	pair->guest.args_len = 50;
	assert_non_null(request(&pair->host, PVC_DENIED, PVC_OPEN_NODATA, 0, 0));
	pair_settle(pair);
	assert_int_equal(noted(&pair->guest, OPENED)->len, 100);
	assert_int_equal(noted(&pair->guest, OPENED)->id, 1);
	assert_int_equal(noted(&pair->host, ANSWER)->value, PVC_DENIED);
	assert_int_equal(noted(&pair->host, ANSWER)->len, 50);
	assert_int_equal(count_notes(&pair->host, CLOSED), 1);
	assert_int_equal(count_notes(&pair->guest, CLOSED), 1);

	/* The guest's requests have even numbers. */
	pair->host.echo = true;
	assert_non_null(request(&pair->guest, 0, PVC_OPEN_NODATA, 0, 0));
	pair_settle(pair);
	assert_int_equal(noted(&pair->host, OPENED)->id, 2);
	assert_int_equal(noted(&pair->guest, ANSWER)->value, PVC_OK);
	pair_free(pair);
}

/* Streams take turns, but of two that are opened together the first one's OPEN goes first. */
static void test_opened_together(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_stream *first, *second;
	__u8 buf[PVC_OUTPUT_MIN];
	__u32 i, len;

	(void)state;
	pair_up(pair);
	pair->guest.echo = true;
	for (i = 0; i < 10; i++) {
		first = request(&pair->host, 0, PVC_OPEN_NODATA, 0, 0);
		assert_non_null(first);
		if (i % 2) {
			second = request(&pair->host, 0, PVC_OPEN_NODATA, 0, 0);
			assert_non_null(second);
			len = pvc_output(&pair->host.pvc, buf, sizeof(buf), pair->now);
			assert_true(first->id && !second->id);
			feed(pair, &pair->guest, buf, len);
		}
		pair_settle(pair);
		assert_int_equal(pair->guest.pvc.stats.lost, 0);
	}
	assert_int_equal(count_notes(&pair->host, ANSWER), 15);
	/* One that is given up before its OPEN is written takes no number. */
	pvc_reset(&pair->host.pvc, request(&pair->host, 0, 0, 0, 0),
		  PVC_CANCELLED);
	request(&pair->host, 0, PVC_OPEN_NODATA, 0, 0);
	pair_settle(pair);
	assert_int_equal(noted(&pair->guest, OPENED)->id, 31);
	assert_int_equal(pair->guest.pvc.stats.lost, 0);
	pair_free(pair);
}

/* 128 KiB through windows of 8 KiB, in both directions, byte by byte right. */
static void check_transfer(bool from_host, __u8 prio)
{
	struct pair *pair = pair_new();
	struct side *from = from_host ? &pair->host : &pair->guest;
	struct side *to = from_host ? &pair->guest : &pair->host;
	struct pvc_stream *s;

	pair_up(pair);
	from->to_send = pattern;
	from->to_send_len = sizeof(pattern);
	s = request(&pair->host, 0, 0, prio, 8192);
	if (from_host) {
		pvc_ready(&pair->host.pvc, s);
		pvc_finish(&pair->host.pvc, s);
	}
	pair_settle(pair);
	assert_int_equal(to->got_len, sizeof(pattern));
	assert_memory_equal(to->got, pattern, sizeof(pattern));
	assert_int_equal(count_notes(&pair->guest, GOT_EOF), from_host);
	s = pvc_find(&pair->guest.pvc, 1);
	assert_non_null(s);
	pvc_reply(&pair->guest.pvc, s, PVC_OK, 0);
	pair_settle(pair);
	assert_int_equal(noted(&pair->host, ANSWER)->value, PVC_OK);
	assert_int_equal(pair->guest.pvc.stats.lost, 0);
	pair_free(pair);
}

static void test_transfer(void **state)
{
	(void)state;
	fill_pattern();
	check_transfer(true, PVC_PRIO_NORMAL);
	check_transfer(true, PVC_PRIO_BULK);
	check_transfer(false, PVC_PRIO_NORMAL);
	check_transfer(false, PVC_PRIO_BULK);
}

/* What is not consumed stops the sender at the window, of one and of all. */
static void test_windows(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_stream *s[6];
	__u32 i;

	(void)state;
	pair_up(pair);
	pair->guest.hold = true;
	pair->host.to_send = pattern;
	pair->host.to_send_len = sizeof(pattern);
	for (i = 0; i < 6; i++) {
		s[i] = request(&pair->host, 0, 0, PVC_PRIO_BULK, 0);
		pvc_ready(&pair->host.pvc, s[i]);
		pair_settle(pair);
		assert_int_equal(pair->guest.got_len,
				 i < 4 ? 8192 * (i + 1) : 32768);
	}
	/* 5 KiB are consumed: that much more may come, on this stream. */
	pvc_consumed(&pair->guest.pvc, pvc_find(&pair->guest.pvc, 1), 5120);
	pair_settle(pair);
	assert_int_equal(pair->guest.got_len, 32768);
	for (i = 1; i < 4; i++)
		pvc_consumed(&pair->guest.pvc,
			     pvc_find(&pair->guest.pvc, 1 + 2 * i), 8192);
	pair_settle(pair);
	assert_int_equal(pair->guest.got_len, 32768 + 5120 + 3 * 8192);
	/* Closed streams give back what was not consumed. */
	for (i = 0; i < 6; i++)
		pvc_reset(&pair->host.pvc, s[i], PVC_CANCELLED);
	pair_settle(pair);
	s[0] = request(&pair->host, 0, 0, 0, 0);
	pvc_ready(&pair->host.pvc, s[0]);
	pair_settle(pair);
	assert_int_equal(pair->guest.got_len, 32768 + 5120 + 3 * 8192 + 8192);
	assert_int_equal(pair->guest.pvc.stats.lost, 0);
	pair_free(pair);
}

/* A bulk stream may be further ahead once its data is consumed, but not more streams than that. */
static void test_bulk_window(void **state)
{
	static const __u8 prio[] = { PVC_PRIO_BULK, PVC_PRIO_NORMAL, PVC_PRIO_BULK, PVC_PRIO_BULK };
	struct pair *pair = pair_new();
	struct side *guest = &pair->guest;
	struct pvc_stream *s[4];
	__u32 i, got;

	(void)state;
	guest->pvc.cfg.bulk_window = 24576;
	guest->pvc.cfg.bulk_streams = 2;
	guest->pvc.cfg.conn_window = 1 << 20;
	pair_up(pair);
	guest->hold = true;
	pair->host.to_send = pattern;
	pair->host.to_send_len = sizeof(pattern);
	for (i = 0; i < 4; i++) {
		s[i] = request(&pair->host, 0, 0, prio[i], 0);
		pvc_ready(&pair->host.pvc, s[i]);
		pair_settle(pair);
		/* As much as of any other, as long as nothing is consumed. */
		assert_int_equal(s[i]->tx_bytes, 8192);
	}
	got = guest->got_len;
	for (i = 0; i < 4; i++)
		pvc_consumed(&guest->pvc, pvc_find(&guest->pvc, 1 + 2 * i), 4097);
	pair_settle(pair);
	assert_int_equal(s[0]->tx_bytes, 4097 + 24576);
	assert_int_equal(s[1]->tx_bytes, 4097 + 8192);
	assert_int_equal(s[2]->tx_bytes, 4097 + 24576);
	assert_int_equal(s[3]->tx_bytes, 4097 + 8192);
	assert_int_equal(guest->got_len - got, 4 * 4097 + 2 * 16384);
	/* One that ends makes room for another. */
	pvc_reset(&pair->host.pvc, s[0], PVC_CANCELLED);
	pair_settle(pair);
	s[0] = request(&pair->host, 0, 0, PVC_PRIO_BULK, 0);
	pvc_ready(&pair->host.pvc, s[0]);
	pair_settle(pair);
	pvc_consumed(&guest->pvc, pvc_find(&guest->pvc, 9), 8192);
	pair_settle(pair);
	assert_int_equal(s[0]->tx_bytes, 8192 + 24576);
	assert_int_equal(guest->pvc.stats.lost, 0);
	pair_free(pair);
}

static __u32 next_type(struct side *side, __u64 now)
{
	static __u8 buf[PVC_SYNC_RUN];

	return pvc_output(&side->pvc, buf, sizeof(buf), now) ? buf[5] : 0;
}

/* Heartbeat, request, bulk: in this order, however late they were asked for. */
static void test_priorities(void **state)
{
	struct pair *pair = pair_new();
	struct side *guest = &pair->guest;
	struct pvc_stream *s;

	(void)state;
	pair_up(pair);
	while (next_type(guest, pair->now))
		;
	guest->to_send = pattern;
	guest->to_send_len = sizeof(pattern);
	s = request(guest, 0, 0, PVC_PRIO_BULK, 0);
	assert_int_equal(next_type(guest, pair->now), PVC_OPEN);
	s->tx_limit = 1 << 20;
	guest->pvc.conn_tx_limit = 1 << 20;
	pvc_ready(&guest->pvc, s);
	assert_int_equal(next_type(guest, pair->now), PVC_DATA);
	request(guest, 0, 0, 0, 0);
	pvc_ping(&guest->pvc, 1);
	pair->now += 1000;
	pvc_tick(&guest->pvc, pair->now);
	assert_int_equal(next_type(guest, pair->now), PVC_HEARTBEAT);
	assert_int_equal(next_type(guest, pair->now), PVC_PING);
	assert_int_equal(next_type(guest, pair->now), PVC_OPEN);
	assert_int_equal(next_type(guest, pair->now), PVC_DATA);
	/* And no stream sends so much at a time that others wait for long. */
	assert_int_equal(guest->sent, 2 * PVC_BULK_PAYLOAD);
	pair_free(pair);
}

/* Two that send share evenly. */
static void test_turns(void **state)
{
	struct pair *pair = pair_new();
	struct side *host = &pair->host;
	struct pvc_stream *a, *b;
	__u32 i;

	(void)state;
	pair_up(pair);
	a = request(host, 0, 0, PVC_PRIO_BULK, 0);
	b = request(host, 0, 0, PVC_PRIO_BULK, 0);
	pair_settle(pair);
	host->to_send = pattern;
	host->to_send_len = sizeof(pattern);
	a->tx_limit = 1 << 20;
	b->tx_limit = 1 << 20;
	host->pvc.conn_tx_limit = 1 << 20;
	pvc_ready(&host->pvc, a);
	pvc_ready(&host->pvc, b);
	for (i = 0; i < 4; i++)
		assert_int_equal(next_type(host, pair->now), PVC_DATA);
	assert_int_equal(a->tx_bytes, 2 * PVC_BULK_PAYLOAD);
	assert_int_equal(b->tx_bytes, 2 * PVC_BULK_PAYLOAD);
	pair_free(pair);
}

static void test_limits(void **state)
{
	struct pair *pair = pair_new();
	__u32 i;

	(void)state;
	pair_up(pair);
	for (i = 0; i < STREAMS / 2; i++)
		assert_non_null(request(&pair->host, 0, 0, 0, 0));
	assert_null(request(&pair->host, 0, 0, 0, 0));
	pair_settle(pair);
	assert_int_equal(count_notes(&pair->guest, OPENED), STREAMS / 2);
	/* The other side has its own. */
	assert_non_null(request(&pair->guest, 0, 0, 0, 0));
	pair_settle(pair);
	/* One more that the host may not open. */
	memset(pattern, 0, sizeof(pattern));
	inject(pair, &pair->guest, (struct raw){
		.type = PVC_OPEN, .stream = 101, .payload = pattern,
		.len = sizeof(struct pvc_open) });
	assert_int_equal(noted(&pair->guest, DOWN)->value, PVC_WHY_LIMIT);
	assert_int_equal(count_notes(&pair->guest, CLOSED), STREAMS / 2 + 1);
	assert_int_equal(noted(&pair->guest, CLOSED)->value, PVC_LOST);
	pair_free(pair);
}

static void test_deadline(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_request req = {
		.service = 1, .version = 1, .flags = PVC_OPEN_NODATA,
		.deadline_ms = 500,
	};

	(void)state;
	pair_up(pair);
	/* The acceptor answers when it is over. */
	assert_non_null(pvc_open(&pair->host.pvc, &req));
	pair_settle(pair);
	assert_true(pvc_next_tick(&pair->guest.pvc) <= pair->now + 500);
	pvc_tick(&pair->guest.pvc, pair->now + 499);
	assert_null(noted(&pair->guest, CLOSED));
	pvc_tick(&pair->guest.pvc, pair->now + 500);
	assert_int_equal(noted(&pair->guest, CLOSED)->value, PVC_TIMED_OUT);
	pair_settle(pair);
	assert_int_equal(noted(&pair->host, ANSWER)->value, PVC_TIMED_OUT);
	/* The opener does so too if it hears nothing. */
	assert_non_null(pvc_open(&pair->host.pvc, &req));
	pair_settle(pair);
	pvc_tick(&pair->host.pvc, pair->now + 500);
	assert_int_equal(noted(&pair->host, CLOSED)->value, PVC_TIMED_OUT);
	pair_settle(pair);
	assert_int_equal(noted(&pair->guest, CLOSED)->value, PVC_TIMED_OUT);
	assert_int_equal(pair->guest.pvc.stats.lost, 0);
	pair_free(pair);
}

/* An answer that waits behind data, for which there is no credit, is late as well. */
static void test_deadline_behind_data(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_request req = {
		.service = 1, .version = 1, .flags = PVC_OPEN_NODATA,
		.deadline_ms = 500, .window = 100,
	};
	struct pvc_stream *s;

	(void)state;
	pair_up(pair);
	pair->host.hold = true;
	pair->guest.to_send = pattern;
	pair->guest.to_send_len = 1000;
	assert_non_null(pvc_open(&pair->host.pvc, &req));
	pair_settle(pair);
	s = pvc_find(&pair->guest.pvc, 1);
	assert_non_null(s);
	pvc_reply(&pair->guest.pvc, s, PVC_OK, 0);
	pair_settle(pair);
	assert_int_equal(pair->host.got_len, 100);
	assert_true(pvc_next_tick(&pair->guest.pvc) <= pair->now + 500);
	pvc_tick(&pair->guest.pvc, pair->now + 500);
	assert_non_null(noted(&pair->guest, CLOSED));
	assert_int_equal(noted(&pair->guest, CLOSED)->value, PVC_TIMED_OUT);
	pair_settle(pair);
	assert_int_equal(noted(&pair->host, ANSWER)->value, PVC_TIMED_OUT);
	pair_free(pair);
}

/* Data that has used up the credit does not hold up the answer behind it. */
static void test_answer_needs_no_credit(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_stream *s;

	(void)state;
	pair_up(pair);
	pair->host.hold = true;
	pair->guest.to_send = pattern;
	pair->guest.to_send_len = 100;
	assert_non_null(request(&pair->host, 0, PVC_OPEN_NODATA, 0, 100));
	pair_settle(pair);
	s = pvc_find(&pair->guest.pvc, 1);
	assert_non_null(s);
	assert_int_equal(pair->host.got_len, 100);
	pvc_reply(&pair->guest.pvc, s, PVC_OK, 0);
	pair_settle(pair);
	assert_non_null(noted(&pair->host, ANSWER));
	pair_free(pair);
}

/* A body is sent whole, or when there is room for it. */
static void test_body_needs_room(void **state)
{
	struct pair *pair = pair_new();
	__u8 buf[PVC_OUTPUT_MIN];
	__u32 len;

	(void)state;
	pair_up(pair);
	pair->guest.args_len = PVC_PAYLOAD_MIN - sizeof(struct pvc_result);
	request(&pair->host, 0, PVC_OPEN_NODATA, 0, 0);
	pair_settle(pair);
	pvc_reply(&pair->guest.pvc, pvc_find(&pair->guest.pvc, 1), PVC_OK, 0);
	for (len = PVC_HEADER; len < sizeof(buf); len += 500)
		assert_int_equal(pvc_output(&pair->guest.pvc, buf, len, pair->now), 0);
	len = pvc_output(&pair->guest.pvc, buf, sizeof(buf), pair->now);
	assert_int_equal(len, sizeof(buf));
	feed(pair, &pair->host, buf, len);
	assert_int_equal(noted(&pair->host, ANSWER)->len, pair->guest.args_len);
	pair_free(pair);
}

/* Who gives a stream up cannot say that it went well. */
static void test_reset_is_no_success(void **state)
{
	struct pair *pair = pair_new();
	static const __u8 ok[4];

	(void)state;
	pair_up(pair);
	assert_non_null(request(&pair->host, 0, PVC_OPEN_NODATA, 0, 0));
	pair_settle(pair);
	inject(pair, &pair->host, (struct raw){
		.type = PVC_RESET, .stream = 1, .payload = ok, .len = 4 });
	assert_int_equal(noted(&pair->host, CLOSED)->value, PVC_FAILED);
	pair_free(pair);
}

static void open_with(struct pair *pair, const void *tlvs, __u16 len)
{
	struct pvc_open o = { .tlv_len = cpu_to_le16(len) };
	__u32 last = pair->guest.pvc.last_peer_id;
	__u8 payload[256];

	memcpy(payload, &o, sizeof(o));
	memcpy(payload + sizeof(o), tlvs, len);
	memset(payload + sizeof(o) + len, 'a', 10);
	inject(pair, &pair->guest, (struct raw){
		.type = PVC_OPEN, .stream = last ? last + 2 : 1,
		.payload = payload, .len = sizeof(o) + len + 10 });
}

/* On whose behalf the host asks, and what else may stand there. */
static void test_principal(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_request req = {
		.service = 1, .version = 1, .flags = PVC_OPEN_NODATA,
		.principal = "alice@example.org",
	};
	__u8 tlvs[200], name[100], out[PVC_OUTPUT_MIN];
	__u32 len;

	(void)state;
	pair_up(pair);
	pair->host.args_len = 7;
	assert_non_null(pvc_open(&pair->host.pvc, &req));
	pair_settle(pair);
	assert_int_equal(noted(&pair->guest, OPENED)->len, 7);
	assert_string_equal(pvc_find(&pair->guest.pvc, 1)->principal,
			    "alice@example.org");

	/* Unknown ones are skipped, and what is no text is not kept. */
	len = pvc_put_tlv(tlvs, 0, sizeof(tlvs), 100, "xyz", 3);
	len = pvc_put_tlv(tlvs, len, sizeof(tlvs), PVC_TLV_PRINCIPAL, "b\nb\xc2\x9b\xc3\xa4", 7);
	open_with(pair, tlvs, len);
	assert_int_equal(noted(&pair->guest, OPENED)->len, 10);
	assert_string_equal(pvc_find(&pair->guest.pvc, 3)->principal, "b?b??\xc3\xa4");
	pair_settle(pair);

	memset(name, 'n', sizeof(name));
	len = pvc_put_tlv(tlvs, 0, sizeof(tlvs), PVC_TLV_PRINCIPAL, name,
			  PVC_PRINCIPAL_MAX);
	open_with(pair, tlvs, len);
	assert_int_equal(strlen(pvc_find(&pair->guest.pvc, 5)->principal),
			 PVC_PRINCIPAL_MAX);
	assert_int_equal(count_notes(&pair->guest, OPENED), 3);

	/* Refused, without harm to the session: too long, none, twice, cut, critical. */
	len = pvc_put_tlv(tlvs, 0, sizeof(tlvs), PVC_TLV_PRINCIPAL, name,
			  PVC_PRINCIPAL_MAX + 1);
	open_with(pair, tlvs, len);
	assert_int_equal(pvc_find(&pair->guest.pvc, 7)->status, PVC_INVALID);
	len = pvc_put_tlv(tlvs, 0, sizeof(tlvs), PVC_TLV_PRINCIPAL, "", 0);
	open_with(pair, tlvs, len);
	assert_int_equal(pvc_find(&pair->guest.pvc, 9)->status, PVC_INVALID);
	len = pvc_put_tlv(tlvs, 0, sizeof(tlvs), PVC_TLV_PRINCIPAL, "a", 1);
	len = pvc_put_tlv(tlvs, len, sizeof(tlvs), PVC_TLV_PRINCIPAL, "b", 1);
	open_with(pair, tlvs, len);
	assert_int_equal(pvc_find(&pair->guest.pvc, 11)->status, PVC_INVALID);
	open_with(pair, tlvs, len - 1);
	assert_int_equal(pvc_find(&pair->guest.pvc, 13)->status, PVC_INVALID);
	len = pvc_put_tlv(tlvs, 0, sizeof(tlvs), 100 | PVC_TLV_CRITICAL, "", 0);
	open_with(pair, tlvs, len);
	assert_int_equal(pvc_find(&pair->guest.pvc, 15)->status, PVC_UNSUPPORTED);
	assert_int_equal(count_notes(&pair->guest, OPENED), 3);
	for (len = 0; len < 20; len++)
		pvc_output(&pair->guest.pvc, out, sizeof(out), pair->now);
	assert_null(pvc_find(&pair->guest.pvc, 15));
	assert_int_equal(count_notes(&pair->guest, CLOSED), 0);
	assert_int_equal(pair->guest.pvc.stats.lost, 0);
	pair_free(pair);
}

/* What is nobody's hurry is marked, so that the transport need not hurry either. */
static void test_bulk_is_marked(void **state)
{
	__u8 buf[PVC_SYNC_RUN];
	__u32 i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct pair *pair = pair_new();
		struct pvc *p = &pair->host.pvc;

		pair_up(pair);
		pair->host.to_send = pattern;
		pair->host.to_send_len = 1000;
		pvc_ready(p, request(&pair->host, 0, 0,
				     i ? PVC_PRIO_BULK : PVC_PRIO_NORMAL, 0));
		assert_true(pvc_output(p, buf, sizeof(buf), pair->now));
		assert_int_equal(buf[5], PVC_OPEN);
		assert_false(p->bulk);
		pvc_ping(p, 1);
		assert_true(pvc_output(p, buf, sizeof(buf), pair->now));
		assert_int_equal(buf[5], PVC_PING);
		assert_false(p->bulk);
		assert_true(pvc_output(p, buf, sizeof(buf), pair->now));
		assert_int_equal(buf[5], PVC_DATA);
		assert_int_equal(p->bulk, i);
		pair_free(pair);
	}
}

/* Frames that cross the end of a stream do no harm. */
static void test_crossing(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_stream *s;
	__u32 i;

	(void)state;
	for (i = 0; i < 2; i++) {
		pair_up(pair);
		pair->host.to_send = pattern;
		pair->host.to_send_len = sizeof(pattern);
		pair->host.sent = 0;
		s = request(&pair->host, 0, 0, 0, 8192);
		pair_settle(pair);
		if (i)
			pvc_reset(&pair->guest.pvc,
				  pvc_find(&pair->guest.pvc, 1), PVC_BUSY);
		else
			pvc_reply(&pair->guest.pvc,
				  pvc_find(&pair->guest.pvc, 1), PVC_OK, 0);
		pvc_ready(&pair->host.pvc, s);
		pvc_finish(&pair->host.pvc, s);
		pair_settle(pair);
		assert_int_equal(pair->guest.pvc.stats.lost, 0);
		assert_int_equal(pair->host.pvc.state, PVC_UP);
		assert_null(pvc_find(&pair->host.pvc, 1));
		assert_null(pvc_find(&pair->guest.pvc, 1));
		/* What came too late was not lost for the session's window. */
		assert_int_equal(pair->guest.pvc.conn_rx_done,
				 pair->guest.pvc.conn_rx_bytes);
		assert_true(pair->guest.pvc.conn_rx_bytes > 0);
		pair_disconnect(pair, true);
		pvc_stop(&pair->guest.pvc, pair->now);
		side_init(&pair->guest, PVC_GUEST);
	}
	pair_free(pair);
}

/* Numbers are used once, rise, and are odd or even. */
static void test_stream_numbers(void **state)
{
	static const struct {
		__u8 type;
		__u32 stream, len, why;
	} wrong[] = {
		{ PVC_OPEN, 2, 24, PVC_WHY_PROTOCOL },
		{ PVC_OPEN, 1, 24, PVC_WHY_PROTOCOL },	/* used by the test */
		{ PVC_OPEN, 3, 23, PVC_WHY_PROTOCOL },
		{ PVC_DATA, 5, 1, PVC_WHY_PROTOCOL },	/* not opened yet */
		{ PVC_DATA, 2, 1, PVC_WHY_PROTOCOL },
		{ PVC_DATA, 1, 0, PVC_WHY_PROTOCOL },
		{ PVC_EOF, 1, 1, PVC_WHY_PROTOCOL },
		{ PVC_RESULT, 1, 8, PVC_WHY_PROTOCOL },	/* of the host's own */
		{ PVC_RESULT, 1, 7, PVC_WHY_PROTOCOL },
		{ PVC_RESET, 1, 3, PVC_WHY_PROTOCOL },
		{ PVC_CREDIT, 1, 9, PVC_WHY_PROTOCOL },
		{ PVC_DATA, 1, 8193, PVC_WHY_FLOW },
		{ PVC_DATA, 1, 40000, PVC_WHY_FLOW },
	};
	__u32 i;

	(void)state;
	memset(pattern, 0, sizeof(pattern));
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct pair *pair = pair_new();

		pair_up(pair);
		request(&pair->host, 0, 0, 0, 0);
		pair_settle(pair);
		inject(pair, &pair->guest, (struct raw){
			.type = wrong[i].type, .stream = wrong[i].stream,
			.payload = pattern, .len = wrong[i].len });
		assert_non_null(noted(&pair->guest, DOWN));
		assert_int_equal(noted(&pair->guest, DOWN)->value,
				 wrong[i].why);
		pair_free(pair);
	}
}

/* What OPEN may not say; and data after it said that there is none. */
static void test_open_fields(void **state)
{
	struct pvc_open o[] = {
		{ .flags = cpu_to_le16(8) },
		{ .prio = PVC_PRIO_NR },
		{ .flags = cpu_to_le16(PVC_OPEN_NODATA) },
		{ .flags = cpu_to_le16(PVC_OPEN_NODATA | PVC_OPEN_MORE) },
		{ .reserved = { 0, 1 } },
		{ .tlv_len = cpu_to_le16(1) },		/* more than there is */
	};
	__u32 i;

	(void)state;
	for (i = 0; i < sizeof(o) / sizeof(*o); i++) {
		struct pair *pair = pair_new();

		pair_up(pair);
		inject(pair, &pair->guest, (struct raw){
			.type = PVC_OPEN, .stream = 1, .payload = &o[i],
			.len = sizeof(o[i]) });
		if (i == 2) {
			assert_null(noted(&pair->guest, DOWN));
			inject(pair, &pair->guest, (struct raw){
				.type = PVC_DATA, .stream = 1,
				.payload = pattern, .len = 1 });
		}
		assert_non_null(noted(&pair->guest, DOWN));
		pair_free(pair);
	}
}

/* No stream has more than its window, but together they do. */
static void test_conn_window(void **state)
{
	struct pair *pair = pair_new();
	struct raw raw = {
		.type = PVC_DATA, .payload = pattern, .len = 8192,
	};
	__u32 i;

	(void)state;
	pair_up(pair);
	pair->guest.hold = true;
	for (i = 0; i < 5; i++)
		request(&pair->host, 0, 0, 0, 0);
	pair_settle(pair);
	for (i = 0; i < 5; i++) {
		assert_null(noted(&pair->guest, DOWN));
		raw.stream = 1 + 2 * i;
		inject(pair, &pair->guest, raw);
	}
	assert_int_equal(noted(&pair->guest, DOWN)->value, PVC_WHY_FLOW);
	pair_free(pair);
}

/* Limits are absolute: the same one twice, or an old one, changes nothing. */
static void test_credit_is_absolute(void **state)
{
	struct pair *pair = pair_new();
	struct pvc_credit credit = { .limit = cpu_to_le64(10000) };
	struct raw raw = {
		.type = PVC_CREDIT, .stream = 1, .payload = &credit, .len = 8,
	};
	struct pvc_stream *s;

	(void)state;
	pair_up(pair);
	s = request(&pair->host, 0, 0, 0, 0);
	pair_settle(pair);
	assert_int_equal(s->tx_limit, 8192);
	inject(pair, &pair->host, raw);
	inject(pair, &pair->host, raw);
	assert_int_equal(s->tx_limit, 10000);
	credit.limit = cpu_to_le64(9000);
	inject(pair, &pair->host, raw);
	assert_int_equal(s->tx_limit, 10000);
	credit.limit = cpu_to_le64(~0ull);
	inject(pair, &pair->host, raw);
	assert_true(s->tx_limit == ~0ull);
	pair_free(pair);
}

int run_stream_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_opened_together),
		cmocka_unit_test(test_transfer),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_bulk_window),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_deadline_behind_data),
		cmocka_unit_test(test_answer_needs_no_credit),
		cmocka_unit_test(test_body_needs_room),
		cmocka_unit_test(test_reset_is_no_success),
		cmocka_unit_test(test_principal),
		cmocka_unit_test(test_bulk_is_marked),
		cmocka_unit_test(test_crossing),
		cmocka_unit_test(test_stream_numbers),
		cmocka_unit_test(test_open_fields),
		cmocka_unit_test(test_credit_is_absolute),
		cmocka_unit_test(test_conn_window),
	};

	return cmocka_run_group_tests_name("protocol: streams", tests, NULL,
					   NULL);
}
