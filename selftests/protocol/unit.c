// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the protocol core and of the services of a guest's kernel, all of
 * protocol/. They run on the build machine; "make check" prints TAP.
 */
#include "harness.h"

int main(void)
{
	int failed = 0;

	failed += run_frame_tests();
	failed += run_session_tests();
	failed += run_beat_tests();
	failed += run_stream_tests();
	failed += run_resync_tests();
	failed += run_lease_tests();
	failed += run_key_tests();
	failed += run_service_tests();
	return failed != 0;
}
