/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A service of the simulated guest that tests streams, instead of a daemon's.
 */
#ifndef _SELFTESTS_PROTOCOL_SIMSTREAMS_H
#define _SELFTESTS_PROTOCOL_SIMSTREAMS_H

#include "pvguest/services.h"

#define SIM_SERVICE	60

/* Arguments are struct pvo_header, then the record; counts are __le64. */
enum sim_op {
	SIM_ECHO = 1,	/* data comes back; the answer is how much */
	SIM_SOURCE = 2,	/* so many bytes of sim_byte() as the record says */
	SIM_SINK = 3,	/* takes bytes of sim_byte(); the answer is how many, or FAILED */
	SIM_SLOW = 4,	/* the same, some KiB each millisecond */
	SIM_RESET = 5,	/* is reset with DENIED */
	SIM_REFUSE = 6,	/* is answered DENIED with a text that has control characters */
	SIM_HANG = 7,	/* is not answered, and takes no data */
	SIM_RECORD = 8,	/* the answer is the CRC-32 of the record */
	SIM_ONCE = 9,	/* counts; the answer is how often. With a record the client is cut off */
	SIM_WHO = 10,	/* the answer is the principal */
};

static inline __u8 sim_byte(__u64 at)
{
	return at * 31 + (at >> 8) * 7 + (at >> 16);
}

extern const struct pvc_ops sim_stream_ops;
bool sim_open(struct pvs *v, struct pvc_stream *s, const void *args, __u32 len);
/* Time has passed; true: call again in a millisecond. */
bool sim_streams_tick(struct pvs *v);

/* simguest.c: closes the connection to the client, soon. */
void sim_cut(void);

#endif /* _SELFTESTS_PROTOCOL_SIMSTREAMS_H */
