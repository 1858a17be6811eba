// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the daemon's parts that need no daemon; TAP with CMOCKA_MESSAGE_OUTPUT=TAP.
 */
#include "unit.h"

int main(void)
{
	int failed = test_glob();

	failed += test_policy();
	failed += test_policy_files();
	failed += test_policy_profiles();
	failed += test_audit();
	failed += test_kv();
	failed += test_exec();
	failed += test_accounts();
	failed += test_relay();
	return failed != 0;
}
