// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the memory for requests with a key.
 */
#include "harness.h"
#include "pvguest/services.h"

static struct pvs_keys keys;

/* The oldest answers are forgotten, requests under way never. */
static void test_keys_full(void **state)
{
	struct pvs_key *e;
	__u64 k;

	(void)state;
	memset(&keys, 0, sizeof(keys));
	keys.age = 0xfffffff0;
	for (k = 1; k <= PVS_KEYS; k++) {
		e = pvs_key_begin(&keys, k, 1, 1);
		assert_non_null(e);
		if (k % 2)
			pvs_key_done(e, k, "", 0);
	}
	for (; k <= PVS_KEYS + PVS_KEYS / 2; k++)
		assert_non_null(pvs_key_begin(&keys, k, 1, 1));
	assert_null(pvs_key_begin(&keys, k, 1, 1));
	for (k = 1; k <= PVS_KEYS; k++)
		assert_int_equal(!pvs_key_find(&keys, k), k % 2);
	/* Of two that are done the older goes. */
	pvs_key_done(pvs_key_find(&keys, PVS_KEYS + 1), 0, "", 0);
	pvs_key_done(pvs_key_find(&keys, 2), 0, "", 0);
	assert_non_null(pvs_key_begin(&keys, 1000, 1, 1));
	assert_null(pvs_key_find(&keys, 2));
	assert_non_null(pvs_key_find(&keys, PVS_KEYS + 1));
}

/* Never is a request that was begun taken for an unknown one, nor many others for it. */
static void test_keys_forgotten(void **state)
{
	__u32 i, wrong = 0;

	(void)state;
	memset(&keys, 0, sizeof(keys));
	for (i = 1; i <= 500; i++)
		pvs_key_done(pvs_key_begin(&keys, i, 1, 1), 0, "", 0);
	for (i = 1; i <= 500; i++)
		assert_true(pvs_key_find(&keys, i) || pvs_key_forgotten(&keys, i));
	for (i = 1; i <= 500 - PVS_KEYS; i++)
		assert_null(pvs_key_find(&keys, i));
	for (i = 1000; i < 2000; i++)
		wrong += pvs_key_forgotten(&keys, i * 7919ull << 20);
	assert_in_range(wrong, 0, 5);
}

int run_key_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_full),
		cmocka_unit_test(test_keys_forgotten),
	};

	return cmocka_run_group_tests_name("protocol: keys", tests, NULL, NULL);
}
