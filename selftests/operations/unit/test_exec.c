// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec_ring.c, exec_record.c and exec_plan.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <pb_encode.h>

#include "exec.h"
#include "unit.h"

/* Writes @len bytes into the ring, of which byte @at is (char)@at. */
static void fill(struct ring *ring, size_t len)
{
	char buf[4096];
	int fds[2];
	size_t n, i;

	assert_int_equal(pipe(fds), 0);
	while (len) {
		n = min_t(size_t, len, sizeof(buf));
		for (i = 0; i < n; i++)
			buf[i] = (char)((ring->head + i) * 7);
		assert_int_equal(write(fds[1], buf, n), n);
		assert_int_equal(ring_read(ring, fds[0], n), n);
		len -= n;
	}
	close(fds[0]);
	close(fds[1]);
}

/* Reads what is to be sent, and looks whether it is what was written at @at. */
static void drain(struct ring *ring, uint64_t at)
{
	char buf[65536];
	int fds[2];
	ssize_t n, i;

	assert_int_equal(pipe(fds), 0);
	while (ring->sent < ring->head) {
		struct ring part = *ring;

		/* No more than a pipe takes. */
		part.head = min_t(uint64_t, ring->head, ring->sent + 4096);
		if (part.sent < ring_oldest(ring))
			part.sent = ring_oldest(ring);
		n = ring_write(&part, fds[1]);
		assert_true(n > 0);
		ring->sent = part.sent;
		assert_int_equal(read(fds[0], buf, n), n);
		for (i = 0; i < n; i++, at++)
			assert_int_equal(buf[i], (char)(at * 7));
	}
	assert_int_equal(at, ring->head);
	close(fds[0]);
	close(fds[1]);
}

static void test_ring(void **state)
{
	struct ring ring;

	(void)state;
	assert_true(ring_init(&ring));
	fill(&ring, 1000);
	drain(&ring, 0);
	assert_int_equal(ring_rewind(&ring, 500), 500);
	drain(&ring, 500);
	assert_int_equal(ring_rewind(&ring, 5000), 1000);
	fill(&ring, RING_SIZE);
	assert_int_equal(ring_oldest(&ring), 1000);
	assert_int_equal(ring_rewind(&ring, 0), 1000);
	drain(&ring, 1000);
	fill(&ring, RING_SIZE + 12345);
	assert_int_equal(ring_rewind(&ring, 0), ring.head - RING_SIZE);
	drain(&ring, ring.head - RING_SIZE);
	munmap(ring.data, RING_SIZE);
}

struct strings {
	const char *const *strings;
	size_t n;
};

static bool put(pb_ostream_t *os, const pb_field_t *field, void *const *arg)
{
	const struct strings *list = *arg;
	size_t i;

	for (i = 0; i < list->n; i++)
		if (!pb_encode_tag_for_field(os, field) ||
		    !pb_encode_string(os, (const pb_byte_t *)list->strings[i],
				      strlen(list->strings[i])))
			return false;
	return true;
}

static pb_byte_t record[PVO_ARGS_MAX * 2];

/* What is said of @msg with these arguments and variables. */
static __u32 decode(pvo_exec_run *msg, const char *const *argv, size_t argc,
		    const char *const *env, size_t envc, struct exec_request *exec)
{
	struct strings args = { argv, argc }, vars = { env, envc };
	pb_ostream_t os = pb_ostream_from_buffer(record, sizeof(record));
	char text[REQUEST_TEXT_MAX] = "";
	__u32 status;

	msg->argv.funcs.encode = put;
	msg->argv.arg = &args;
	msg->env.funcs.encode = put;
	msg->env.arg = &vars;
	assert_true(pb_encode(&os, pvo_exec_run_fields, msg));
	status = exec_decode(exec, record, os.bytes_written, text);
	assert_true(status == PVC_OK || *text);
	return status;
}

static __u32 status_of(pvo_exec_run *msg)
{
	static const char *const argv[] = { "true" };
	struct exec_request exec;
	__u32 status = decode(msg, argv, msg->login ? 0 : 1, NULL, 0, &exec);

	free(exec.strings);
	return status;
}

static void test_record(void **state)
{
	static const char *const argv[] = { "a", "", "b c" }, *const env[] = { "X=", "Y=1=2" };
	pvo_exec_run msg = pvo_exec_run_init_zero;
	struct exec_request exec;
	struct plan plan = { 0 };
	char strings[64];

	(void)state;
	strcpy(msg.cwd, "/d");
	assert_int_equal(decode(&msg, argv, 3, env, 2, &exec), PVC_OK);
	plan_fill(&plan.head, &exec, true);
	assert_null(plan_check(&plan.head));
	memcpy(strings, "/d", 3);
	memcpy(strings + 3, exec.strings, exec.len);
	assert_null(plan_split(&plan, strings));
	assert_string_equal(plan.cwd, "/d");
	assert_string_equal(plan.argv[2], "b c");
	assert_null(plan.argv[3]);
	assert_string_equal(plan.env[1], "Y=1=2");
	assert_null(plan.env[2]);
	free(plan.argv);
	free(plan.env);
	/* A string more or less than it says. */
	plan.head.argc++;
	assert_non_null(plan_split(&plan, strings));
	free(plan.argv);
	free(plan.env);
	plan.head.argc -= 2;
	assert_non_null(plan_split(&plan, strings));
	free(plan.argv);
	free(plan.env);
	free(exec.strings);
}

static void test_bounds(void **state)
{
	static const char *many[EXEC_STRINGS + 1];
	static char big[EXEC_BYTES];
	pvo_exec_run msg = pvo_exec_run_init_zero;
	const char *one[] = { big };
	struct exec_request exec;
	size_t i;

	(void)state;
	for (i = 0; i <= EXEC_STRINGS; i++)
		many[i] = "x";
	assert_int_equal(decode(&msg, many, EXEC_STRINGS, NULL, 0, &exec), PVC_OK);
	free(exec.strings);
	assert_int_equal(decode(&msg, many, EXEC_STRINGS + 1, NULL, 0, &exec), PVC_INVALID);
	free(exec.strings);
	for (i = 0; i <= EXEC_STRINGS; i++)
		many[i] = "x=";
	assert_int_equal(decode(&msg, many, 1, many, EXEC_STRINGS + 1, &exec), PVC_INVALID);
	free(exec.strings);
	memset(big, 'x', sizeof(big) - 1);
	assert_int_equal(decode(&msg, one, 1, NULL, 0, &exec), PVC_OK);
	free(exec.strings);
	assert_int_equal(decode(&msg, one, 1, many, 1, &exec), PVC_INVALID);
	free(exec.strings);
}

static void test_refused(void **state)
{
	static const char *const env[] = { "novalue" }, *const noname[] = { "=x" },
		*const argv[] = { "true" }, *const empty[] = { "" };
	pvo_exec_run good = pvo_exec_run_init_zero, msg = good;
	struct exec_request exec;

	(void)state;
	assert_int_equal(status_of(&msg), PVC_OK);
	assert_int_equal(decode(&msg, argv, 1, env, 1, &exec), PVC_INVALID);
	free(exec.strings);
	assert_int_equal(decode(&msg, argv, 1, noname, 1, &exec), PVC_INVALID);
	free(exec.strings);
	assert_int_equal(decode(&msg, empty, 1, NULL, 0, &exec), PVC_INVALID);
	free(exec.strings);
	assert_int_equal(decode(&msg, NULL, 0, NULL, 0, &exec), PVC_INVALID);
	free(exec.strings);
#define REFUSED(field, value) do {				\
		msg = good;					\
		msg.field = (value);				\
		assert_int_equal(status_of(&msg), PVC_INVALID);	\
	} while (0)
	REFUSED(cwd[0], 'x');
	REFUSED(umask, 022);
	REFUSED(memory_max, 1);
	REFUSED(memory_max, UINT64_MAX);
	REFUSED(pids_max, 1ull << 40);
	REFUSED(cpu_milli, 1);
	REFUSED(timeout_ms, UINT64_MAX);
	good.tty = true;
	REFUSED(separate, true);
	good.tty = false;
	msg = good;
	msg.rlimits_count = 1;
	msg.rlimits[0].resource = 16;
	assert_int_equal(status_of(&msg), PVC_INVALID);
	msg.rlimits[0].resource = 1;
	msg.rlimits[0].soft = 1;
	assert_int_equal(status_of(&msg), PVC_INVALID);
	/* A field that is not known. */
	assert_int_equal(exec_decode(&exec, (const __u8 *)"\xc0\x02\x01", 3, (char [512]) { 0 }),
			 PVC_UNSUPPORTED);
	free(exec.strings);
}

int test_exec(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
