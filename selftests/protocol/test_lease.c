// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of the freeze lease alone; its service is tested in test_services.c. */
#include "harness.h"
#include "pvguest/services.h"

static void test_lease_rules(void **state)
{
	struct pvs_lease l = {};

	(void)state;
	assert_int_equal(pvs_lease_begin(&l, 0, false, 0), PVC_INVALID);
	assert_int_equal(pvs_lease_begin(&l, PVC_LEASE_MAX_MS + 1, false, 0),
			 PVC_INVALID);
	assert_int_equal(pvs_lease_begin(&l, PVC_LEASE_MAX_MS, false, 0),
			 PVC_OK);
	assert_int_equal(pvs_lease_begin(&l, 1, false, 0), PVC_BUSY);
	/* It ends while file systems are still being frozen. */
	assert_true(pvs_lease_due(&l, PVC_LEASE_MAX_MS));
	assert_true(pvs_lease_end(&l, PVC_LEASE_END_EXPIRED));
	assert_false(pvs_lease_end(&l, PVC_LEASE_END_THAW));
	assert_false(pvs_lease_frozen(&l, 1));
	assert_int_equal(pvs_lease_begin(&l, 1, false, 0), PVC_BUSY);
	pvs_lease_thawed(&l, 0);
	assert_int_equal(l.last_end, PVC_LEASE_END_EXPIRED);
	assert_int_equal(pvs_lease_begin(&l, 1, false, 0), PVC_OK);
}

int run_lease_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease_rules),
	};

	return cmocka_run_group_tests_name("protocol: lease", tests, NULL, NULL);
}
