// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream of the host and a socket, joined: what came from an end that is gone still arrives.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "relay.h"
#include "unit.h"

#define ANSWER	48000u	/* bytes; a socket takes them without being read */

/* The ends that a test has: the host's, the one for answers to it, the target's. */
struct ends {
	int host, answer, target;
	struct relay *relay;
};

static void *fill(size_t len)
{
	unsigned char *buf = malloc(len);
	size_t i;

	assert_non_null(buf);
	for (i = 0; i < len; i++)
		buf[i] = i * 7 + i / 256;
	return buf;
}

static int begin(void **state)
{
	struct ends *e = calloc(1, sizeof(*e));
	int host[2], answer[2], target[2];
	struct stream stream;

	signal(SIGPIPE, SIG_IGN);
	if (!e || socketpair(AF_UNIX, SOCK_STREAM, 0, host) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, answer) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, target))
		return -1;
	stream = (struct stream){ .fd = host[1], .answer = answer[1] };
	e->host = host[0];
	e->answer = answer[0];
	e->target = target[0];
	e->relay = relay_new(&stream, target[1], false);
	*state = e;
	return e->relay ? 0 : -1;
}

static int end(void **state)
{
	struct ends *e = *state;

	if (e->relay)
		relay_free(e->relay);
	close(e->host);
	close(e->answer);
	if (e->target >= 0)
		close(e->target);
	free(e);
	return 0;
}

/* Until the relay has nothing to do. */
static enum relay_state turn(struct relay *r)
{
	struct pollfd polls[RELAY_POLLS];
	enum relay_state state = r->state;

	while (state == RELAY_OPEN) {
		relay_poll(r, polls);
		if (!poll(polls, RELAY_POLLS, 0))
			break;
		state = relay_turn(r, polls);
	}
	return state;
}

static void expect(int fd, size_t len)
{
	unsigned char *want = fill(len), *got = calloc(1, len + 1);
	size_t have = 0;
	ssize_t n;

	assert_non_null(got);
	while ((n = recv(fd, got + have, len + 1 - have, MSG_DONTWAIT)) > 0)
		have += n;
	assert_int_equal(have, len);
	assert_memory_equal(got, want, len);
	free(want);
	free(got);
}

static void send_bytes(int fd, size_t len)
{
	void *buf = fill(len);

	assert_int_equal(send(fd, buf, len, MSG_DONTWAIT), len);
	free(buf);
}

/* A server that answers before it has read all, and closes: the answer is for the host. */
static void test_target_closes(void **state)
{
	struct ends *e = *state;

	send_bytes(e->target, ANSWER);
	close(e->target);
	e->target = -1;
	send_bytes(e->host, 1000);
	assert_int_equal(turn(e->relay), RELAY_DONE);
	expect(e->host, ANSWER);
}

/* The same in two steps: it is gone before the host sends, and all the host sends is dropped. */
static void test_target_is_gone(void **state)
{
	struct ends *e = *state;

	send_bytes(e->target, ANSWER);
	assert_int_equal(turn(e->relay), RELAY_OPEN);
	close(e->target);
	e->target = -1;
	send_bytes(e->host, 1000);
	assert_int_equal(turn(e->relay), RELAY_DONE);
	expect(e->host, ANSWER);
}

/* A target that resets: what came before is for the host, and then it hears that. */
static void test_target_resets(void **state)
{
	static char answer[ANSWER];
	struct ends *e = *state;

	send_bytes(e->target, ANSWER);
	send_bytes(e->host, 1000);
	/* Not read by the target: its close() is a reset. */
	assert_int_equal(turn(e->relay), RELAY_OPEN);
	send_bytes(e->target, 100);
	close(e->target);
	e->target = -1;
	assert_int_equal(turn(e->relay), RELAY_CUT);
	assert_int_equal(recv(e->host, answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
	expect(e->host, 100);
}

/* Both ends, in order. */
static void test_both_end(void **state)
{
	struct ends *e = *state;

	send_bytes(e->host, 1000);
	shutdown(e->host, SHUT_WR);
	assert_int_equal(turn(e->relay), RELAY_OPEN);
	expect(e->target, 1000);
	send_bytes(e->target, ANSWER);
	close(e->target);
	e->target = -1;
	assert_int_equal(turn(e->relay), RELAY_DONE);
	expect(e->host, ANSWER);
}

/* A host that has gone away ends all, whatever is under way. */
static void test_host_is_gone(void **state)
{
	const __u32 lost = PVC_LOST;
	struct ends *e = *state;

	send_bytes(e->target, ANSWER);
	assert_int_equal(turn(e->relay), RELAY_OPEN);
	assert_int_equal(send(e->answer, &lost, sizeof(lost), 0), sizeof(lost));
	shutdown(e->host, SHUT_RDWR);
	assert_int_equal(turn(e->relay), RELAY_BROKEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int test_relay(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_target_closes),
		TEST(test_target_is_gone),
		TEST(test_target_resets),
		TEST(test_both_end),
		TEST(test_host_is_gone),
	};

	return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
