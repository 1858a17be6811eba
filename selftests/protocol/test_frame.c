// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the control protocol: frames, and finding them among others.
 */
#include "harness.h"

static void test_wire_format(void **state)
{
	/* PONG as Documentation/control-protocol.md shows it. */
	static const __u8 wire[] = {
		'P', 'V', 'C', '1', 1, 9, 0, 0,
		0x44, 0x33, 0x22, 0x11, 0, 0, 0, 0,
		7, 0, 0, 0, 8, 0, 0, 0,
		0xc5, 0x88, 0xca, 0x3f, 0xf6, 0xb6, 0x55, 0x7c,
	};
	static const __u8 token[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct raw raw = {
		.type = PVC_PONG, .session = 0x11223344, .seq = 7,
		.payload = token, .len = 8,
	};
	__u8 buf[64];

	(void)state;
	assert_int_equal(make_frame(buf, &raw), 40);
	assert_memory_equal(buf, wire, sizeof(wire));
	/* CRC-32 as everybody has it: of "123456789" it is 0xcbf43926. */
	assert_int_equal(pvc_crc32("123456789", 9), 0xcbf43926);
}

/* A session in pieces of every size is the same session. */
static void test_any_chunks(void **state)
{
	__u32 chunk;

	(void)state;
	for (chunk = 1; chunk < 120; chunk++) {
		struct pair *pair = pair_new();

		pair->chunk = chunk * 7 % 113 + 1;
		pair_up(pair);
		pvc_ping(&pair->host.pvc, chunk);
		pair_settle(pair);
		assert_int_equal(noted(&pair->host, EVENT)->id, chunk);
		assert_int_equal(pair->guest.pvc.stats.lost, 0);
		pair_free(pair);
	}
}

/* Each bit of a frame matters. */
static void test_bit_flips(void **state)
{
	struct pvc_ping ping = { .token = cpu_to_le64(77) };
	__u8 frame[PVC_HEADER + sizeof(ping)];
	__u32 bit;

	(void)state;
	for (bit = 0; bit < 8 * sizeof(frame); bit++) {
		struct pair *pair = pair_new();
		struct raw raw = {
			.type = PVC_PING, .payload = &ping,
			.len = sizeof(ping), .seq = 2,
		};

		pair_up(pair);
		raw.session = pair->guest.pvc.session;
		make_frame(frame, &raw);
		frame[bit / 8] ^= 1 << bit % 8;
		feed(pair, &pair->guest, frame, sizeof(frame));
		assert_int_equal(pair->guest.pvc.state, PVC_LISTEN);
		/* And the two find each other again by themselves. */
		pair_wait(pair, 1000);
		assert_int_equal(pair->host.pvc.state, PVC_UP);
		assert_int_equal(pair->guest.pvc.state, PVC_UP);
		pair_free(pair);
	}
}

/* Behind garbage that looks like frames, HELLO is found at once. */
static void test_garbage_before_hello(void **state)
{
	static __u8 buf[4096];
	struct raw raw = { .type = PVC_HELLO };
	__u32 at, hello_len;

	(void)state;
	for (at = 0; at < 300; at++) {
		struct pair *pair = pair_new();
		__u32 i, len = 0;

		pvc_start(&pair->guest.pvc, 0);
		for (i = 0; i < at; i++)
			buf[len++] = "PVC1P"[i % 5];
		hello_len = make_hello(buf + len, 9, NULL);
		feed(pair, &pair->guest, buf, len + hello_len);
		assert_int_equal(pair->guest.pvc.state, PVC_OFFERED);
		pair_free(pair);
	}

	/* A header that promises more, and a HELLO within what it promises. */
	for (at = 1; at < 900; at += 7) {
		struct pair *pair = pair_new();
		__u32 len, session = pair->guest.pvc.session;

		pvc_start(&pair->guest.pvc, 0);
		memset(buf, 0, sizeof(buf));
		raw.payload = buf + 2048;
		raw.len = PVC_HELLO_MAX;
		make_frame(buf, &raw);
		buf[PVC_HEADER] = 1;	/* its payload is wrong */
		hello_len = make_hello(buf + PVC_HEADER + at, 9, NULL);
		len = PVC_HEADER + PVC_HELLO_MAX;
		if (len < PVC_HEADER + at + hello_len)
			len = PVC_HEADER + at + hello_len;
		feed(pair, &pair->guest, buf, len);
		/* It was offered, and what followed is not START. */
		assert_int_not_equal(pair->guest.pvc.session, session);
		pair_free(pair);
	}
}

/* Whatever a header says of its length, nothing is waited for or read. */
static void test_hostile_lengths(void **state)
{
	static const __u32 lengths[] = {
		PVC_PAYLOAD_MAX + 1, 0x7fffffff, 0x80000000, 0xfffffff0,
		0xffffffdf, 0xffffffe0, 0xffffffff,
	};
	__u32 i;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct pair *pair = pair_new();
		struct pvc_frame f = {
			.magic = cpu_to_le32(PVC_MAGIC),
			.version = PVC_VERSION,
			.type = PVC_PING,
			.seq = cpu_to_le32(2),
			.len = cpu_to_le32(lengths[i]),
		};

		pair_up(pair);
		f.session = cpu_to_le32(pair->guest.pvc.session);
		f.header_crc = cpu_to_le32(pvc_crc32(&f, 28));
		feed(pair, &pair->guest, &f, sizeof(f));
		assert_int_equal(noted(&pair->guest, DOWN)->value,
				 PVC_WHY_LIMIT);
		/* As HELLO too, while there is no session. */
		f.type = PVC_HELLO;
		f.session = 0;
		f.seq = 0;
		f.header_crc = cpu_to_le32(pvc_crc32(&f, 28));
		feed(pair, &pair->guest, &f, sizeof(f));
		assert_int_equal(pair->guest.pvc.state, PVC_LISTEN);
		pair_wait(pair, 1000);
		assert_int_equal(pair->guest.pvc.state, PVC_UP);
		pair_free(pair);
	}
}

/* Noise of all kinds changes nothing for good. */
static void test_noise(void **state)
{
	struct pair *pair = pair_new();
	__u32 round, i, seed = 1;
	__u8 noise[517];

	(void)state;
	pair_up(pair);
	for (round = 0; round < 500; round++) {
		for (i = 0; i < sizeof(noise); i++) {
			seed = seed * 1664525 + 1013904223;
			noise[i] = seed >> 24;
			if (round % 3 == 0)
				noise[i] = "PVC1"[seed >> 30];
		}
		feed(pair, &pair->guest, noise, 1 + seed % sizeof(noise));
		feed(pair, &pair->host, noise, 1 + seed % sizeof(noise));
		if (round % 50)
			continue;
		pair_wait(pair, 3000);
		assert_int_equal(pair->guest.pvc.state, PVC_UP);
		assert_int_equal(pair->host.pvc.state, PVC_UP);
	}
	pair_free(pair);
}

int run_frame_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire_format),
		cmocka_unit_test(test_any_chunks),
		cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_garbage_before_hello),
		cmocka_unit_test(test_hostile_lengths),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("protocol: frames", tests, NULL,
					   NULL);
}
