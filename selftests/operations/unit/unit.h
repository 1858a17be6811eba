/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unit tests of the daemon's parts that need no daemon.
 */
#ifndef _SELFTESTS_OPERATIONS_UNIT_H
#define _SELFTESTS_OPERATIONS_UNIT_H

/* Each runs its tests and returns how many failed. */
int test_glob(void);
int test_policy(void);
int test_policy_files(void);
int test_policy_profiles(void);
int test_audit(void);
int test_kv(void);
int test_exec(void);
int test_accounts(void);
int test_relay(void);

#endif /* _SELFTESTS_OPERATIONS_UNIT_H */
