// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints how many thousand ticks a second this machine's time stamp counter has.
 * An emulated guest reads the same counter, but finds out its rate by timers that
 * the emulator may be late with on a busy machine: guests were seen whose clock
 * ran six times too fast.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define MS 300

/* Both at a time: of many pairs the one that nothing interrupted. */
static void read_both(uint64_t *ns, uint64_t *tsc)
{
	uint64_t before, after, best = UINT64_MAX;
	struct timespec now;
	int i;

	for (i = 0; i < 1000; i++) {
		before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		after = __rdtsc();
		if (after - before >= best)
			continue;
		best = after - before;
		*tsc = before + best / 2;
		*ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	}
}

int main(void)
{
	struct timespec wait = { .tv_nsec = MS * 1000000L };
	uint64_t ns0, ns1, tsc0, tsc1;

	read_both(&ns0, &tsc0);
	nanosleep(&wait, NULL);
	read_both(&ns1, &tsc1);
	printf("%.0f\n", (double)(tsc1 - tsc0) * 1e6 / (double)(ns1 - ns0));
	return 0;
}
