/* SPDX-License-Identifier: GPL-2.0-only */
/* Operations that only pvguestd-test has. */
#ifndef _SELFTESTS_TEST_OPERATIONS_H
#define _SELFTESTS_TEST_OPERATIONS_H

#define TEST_SERVICE	63

enum test_op {
	TEST_ECHO = 1,
	TEST_BURN = 2,
	TEST_CRASH = 3,
	TEST_SLEEP = 4,
	TEST_JOB = 5,
	TEST_JOBS = 6,
	TEST_RECORD = 7,
	TEST_APPEND = 8,
	/* The same probes with other rights; see test_probes.c. */
	TEST_PROBE = 16,
	TEST_PROBE_ROOT = 17,
	TEST_PROBE_FORK = 18,
	TEST_PROBE_NET = 19,
	TEST_PROBE_FILES = 20,
	TEST_PROBE_PROC = 21,
	TEST_PROBE_SIGNAL = 22,
	TEST_PROBE_EXEC = 23,
	TEST_JOIN = 0x0101,	/* a stream for TEST_JOB */
};

struct request;

void run_probes(struct request *req);

#endif /* _SELFTESTS_TEST_OPERATIONS_H */
