// SPDX-License-Identifier: GPL-2.0-only
/*
 * The audit log: what the journal gets, and how much of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#include "audit.h"
#include "audit_limit.h"
#include "pvguest/protocol.h"
#include "unit.h"

static int journal;

static int begin(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	sprintf(address.sun_path, "/tmp/audit.%d", getpid());
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (bind(journal, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	audit_open(address.sun_path, true);
	unlink(address.sun_path);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return close(journal);
}

/* The next datagram; false: there is none. */
static bool hear(char *text, size_t size)
{
	ssize_t n = recv(journal, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void expect_line(const char *text, const char *line)
{
	char wanted[512];

	sprintf(wanted, "%s\n", line);
	if (!strstr(text, wanted))
		fail_msg("'%s' is not in:\n%s", line, text);
}

static void test_fields(void **state)
{
	static const char args[] = "/bin/a\0b c\0\x1b\n";
	char text[4096], weaker[64];
	XXH128_hash_t sum;

	(void)state;
	audit(&(struct audit_line){
		.event = AUDIT_DENY, .principal = "p\nPVGUEST_VERB=x", .verb = "exec",
		.user = "u", .job = 7, .why = "no rule", .args = args, .args_len = sizeof(args),
	});
	assert_true(hear(text, sizeof(text)));
	expect_line(text, "MESSAGE=exec by 'p\\x0aPVGUEST_VERB=x' as u: denied: /bin/a b c \\x1b\\x0a (no rule)");
	expect_line(text, "PRIORITY=4");
	expect_line(text, "SYSLOG_IDENTIFIER=pvguestd");
	expect_line(text, "PVGUEST_EVENT=deny");
	expect_line(text, "PVGUEST_VERB=exec");
	expect_line(text, "PVGUEST_PRINCIPAL=p\\x0aPVGUEST_VERB=x");
	expect_line(text, "PVGUEST_USER=u");
	expect_line(text, "PVGUEST_JOB=7");
	expect_line(text, "PVGUEST_REASON=no rule");
	expect_line(text, "PVGUEST_ARGS=/bin/a b c \\x1b\\x0a");
	/* printf '/bin/a\0b c\0\033\n\0' | sha256sum; or where the kernel has no AF_ALG */
	sum = XXH3_128bits(args, sizeof(args));
	sprintf(weaker, "PVGUEST_DIGEST=xxh3:%016llx%016llx", (unsigned long long)sum.high64,
		(unsigned long long)sum.low64);
	if (strstr(text, "PVGUEST_DIGEST=xxh3:"))
		expect_line(text, weaker);
	else
		expect_line(text, "PVGUEST_DIGEST=sha256:ef7092067b9f246081fdbb4a0f9cbcd248918a0ab21d198206fe883a13227ce3");
}

static void test_end(void **state)
{
	char text[4096];

	(void)state;
	audit(&(struct audit_line){
		.event = AUDIT_END, .principal = "p", .verb = "info", .user = "root",
		.status = PVC_TIMED_OUT, .duration_ms = 12,
	});
	assert_true(hear(text, sizeof(text)));
	expect_line(text, "MESSAGE=info by 'p' as root: ended: timed-out after 12 ms");
	expect_line(text, "PVGUEST_STATUS=timed-out");
	expect_line(text, "PVGUEST_DURATION_MS=12");
	assert_null(strstr(text, "PVGUEST_ARGS"));
}

/* However long the parts are, the line has an end and its fields. */
static void test_long(void **state)
{
	char text[8192], args[4096], why[2048];

	(void)state;
	memset(args, '\x01', sizeof(args));
	memset(why, 'w', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	audit(&(struct audit_line){
		.event = AUDIT_ALLOW, .principal = "p", .verb = "put", .user = "root", .args = args,
		.args_len = sizeof(args),
	});
	assert_true(hear(text, sizeof(text)));
	assert_non_null(strstr(text, "\\x01...\nPVGUEST_DIGEST="));
	audit(&(struct audit_line){
		.event = AUDIT_ALLOW, .principal = "p", .verb = "put", .user = "root", .why = why,
	});
	assert_true(hear(text, sizeof(text)));
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static unsigned int told, left_out;

static void tell(const char *principal, unsigned int denials, unsigned int others)
{
	(void)principal;
	told++;
	left_out += denials + others;
}

static unsigned int flood(const char *format, unsigned int names, bool denial)
{
	unsigned int i, written = 0;
	char name[16];

	for (i = 0; i < 10000; i++) {
		sprintf(name, format, i % names);
		written += audit_limit(name, denial, tell);
	}
	return written;
}

/* A flood is cut off, others are heard all the same, and what was left out is told. */
static void test_flood(void **state)
{
	unsigned int written;

	(void)state;
	told = 0;
	left_out = 0;
	written = flood("flood", 1, true);
	assert_in_range(written, AUDIT_BURST, AUDIT_BURST + 50);
	assert_true(audit_limit("flood", false, tell));
	assert_int_equal(told, 1);
	assert_int_equal(left_out, 10000 - written);
	assert_true(audit_limit("other", true, tell));
	/* Ten that have a share each have no more than four together. */
	assert_in_range(flood("q%u", 10, false), AUDIT_BURST, AUDIT_ALL * AUDIT_BURST + 50);
	/* A new name for each line is no way around it. */
	assert_in_range(flood("p%u", 10000, true), 0, AUDIT_BURST + 50);
}

/* What is left out and nobody asks again for is told all the same, later. */
static void test_flush(void **state)
{
	unsigned int i;

	(void)state;
	told = 0;
	for (i = 0; i < 2 * AUDIT_BURST; i++)
		audit_limit("quiet", false, tell);
	assert_true(audit_limit_flush(tell) > 0);
}

#define TOO_SLOW	5	/* exit status of be_worker(): there may be new tokens */

static long ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* In a process of its own; what went wrong since @began is its exit status. */
static int be_worker(const char *principal, unsigned int lines, long began)
{
	unsigned int i, written = 0;
	int status;
	pid_t pid = fork();

	if (pid) {
		waitpid(pid, &status, 0);
		return WEXITSTATUS(status);
	}
	audit_limit_worker(principal);
	for (i = 0; i < 1000; i++)
		written += audit_limit(principal, false, tell);
	if (ms() - began > 500 / AUDIT_SECOND)
		_exit(TOO_SLOW);
	if (written != lines)
		_exit(1);
	if (audit_limit_flush(tell) != -1)
		_exit(2);
	if (told != (lines ? 1 : 0))
		_exit(3);
	_exit(lines && left_out != 1000 - lines ? 4 : 0);
}

/*
 * A worker has few lines, and none if its principal has none left. On a machine that took half
 * the time of a token for it, once more.
 */
static void test_worker(void **state)
{
	int status = TOO_SLOW, tries;
	long began;
	unsigned int i;

	(void)state;
	for (tries = 0; status == TOO_SLOW && tries < 100; tries++)
		status = be_worker("worker", AUDIT_WORKER, ms());
	assert_int_equal(status, 0);
	status = TOO_SLOW;
	for (tries = 0; status == TOO_SLOW && tries < 100; tries++) {
		began = ms();
		for (i = 0; i < 2 * AUDIT_BURST; i++) {
			audit_limit("gone", true, tell);
			audit_limit("gone", false, tell);
		}
		told = 0;
		status = be_worker("gone", 0, began);
	}
	assert_int_equal(status, 0);
}

int test_audit(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fields, begin, end),
		cmocka_unit_test_setup_teardown(test_end, begin, end),
		cmocka_unit_test_setup_teardown(test_long, begin, end),
		cmocka_unit_test(test_worker), cmocka_unit_test(test_flood),
		cmocka_unit_test(test_flush),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
