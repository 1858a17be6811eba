// SPDX-License-Identifier: GPL-2.0-only
/*
 * See simstreams.h.
 */
#include <stdlib.h>
#include <zlib.h>

#include "simstreams.h"
#include "../../include/uapi/pvguest/operations.h"

#define ROOM	65536	/* the window of a stream */
#define SLOWLY	4096	/* bytes each millisecond */
#define KEYS	64

struct sim {
	struct pvc_stream *s;
	__u16 op;
	__u64 total;		/* bytes to send, or that came */
	__u64 at;		/* bytes that were sent */
	__u32 record_left, crc;
	__u32 kept;		/* bytes that a slow reader has not consumed */
	bool ended, wrong;
	__u8 body[64];
	__u32 body_len;
	__u8 buf[ROOM];		/* of an echo, by offset */
	struct sim *next;
};

static struct sim *sims;
static struct {
	__u64 key, count;
} keys[KEYS];
static __u32 nr_keys;
static __u64 once;

static void answer(struct pvc *p, struct sim *sim, __u32 status, __u64 count)
{
	__le64 body = cpu_to_le64(count);

	memcpy(sim->body, &body, sizeof(body));
	sim->body_len = sizeof(body);
	pvc_reply(p, sim->s, status, 0);
}

static void answer_text(struct pvc *p, struct sim *sim, __u32 status, const char *text)
{
	sim->body_len = strlen(text);
	memcpy(sim->body, text, sim->body_len);
	pvc_reply(p, sim->s, status, 0);
}

static void query(struct pvc *p, struct sim *sim)
{
	__u32 i;

	for (i = 0; i < KEYS && keys[i].key != sim->s->key; i++)
		;
	answer(p, sim, i == KEYS ? PVC_NOT_FOUND : PVC_OK, i == KEYS ? 0 : keys[i].count);
	if (i < KEYS)
		sim->s->result_flags = PVC_RESULT_REPLAYED;
}

static void count_once(struct pvc *p, struct sim *sim, __u32 record_len)
{
	once++;
	keys[nr_keys % KEYS].key = sim->s->key;
	keys[nr_keys++ % KEYS].count = once;
	if (record_len)
		sim_cut();
	else
		answer(p, sim, PVC_OK, once);
}

static void take_record(struct pvc *p, struct sim *sim, const __u8 *data, __u32 len)
{
	__u32 n = min_t(__u32, len, sim->record_left);

	sim->crc = crc32(sim->crc, data, n);
	sim->record_left -= n;
	if (!sim->record_left)
		answer(p, sim, PVC_OK, sim->crc);
}

static void begin(struct pvc *p, struct sim *sim, const __u8 *record, __u32 len)
{
	__le64 total = 0;

	memcpy(&total, record, min_t(__u32, len, sizeof(total)));
	switch (sim->op) {
	case SIM_SOURCE:
		sim->total = le64_to_cpu(total);
		pvc_ready(p, sim->s);
		break;
	case SIM_RESET:
		pvc_reset(p, sim->s, PVC_DENIED);
		break;
	case SIM_REFUSE:
		answer_text(p, sim, PVC_DENIED, "no rule\x1b[31m allows \xc3\xa4 \xff");
		break;
	case SIM_RECORD:
		take_record(p, sim, record, len);
		break;
	case SIM_ONCE:
		count_once(p, sim, len);
		break;
	case SIM_WHO:
		answer_text(p, sim, PVC_OK, sim->s->principal);
		break;
	}
}

bool sim_open(struct pvs *v, struct pvc_stream *s, const void *args, __u32 len)
{
	struct pvo_header header;
	struct sim *sim;

	if (s->service != SIM_SERVICE || len < sizeof(header))
		return false;
	memcpy(&header, args, sizeof(header));
	sim = calloc(1, sizeof(*sim));
	if (!sim)
		abort();
	sim->s = s;
	sim->op = s->op;
	sim->record_left = le32_to_cpu(header.record_len);
	sim->next = sims;
	sims = sim;
	s->priv = sim;
	if (s->open_flags & PVC_OPEN_QUERY)
		query(&v->pvc, sim);
	else
		begin(&v->pvc, sim, (const __u8 *)args + sizeof(header), len - sizeof(header));
	return true;
}

static void on_data(struct pvc *p, struct pvc_stream *s, const void *data, __u32 len)
{
	struct sim *sim = s->priv;
	const __u8 *bytes = data;
	__u32 i;

	if (sim->op == SIM_RECORD) {
		take_record(p, sim, data, len);
		pvc_consumed(p, s, len);
		return;
	}
	for (i = 0; i < len; i++, sim->total++) {
		sim->buf[sim->total % ROOM] = bytes[i];
		sim->wrong |= bytes[i] != sim_byte(sim->total);
	}
	if (sim->op == SIM_ECHO)
		pvc_ready(p, s);
	else if (sim->op == SIM_SLOW)
		sim->kept += len;
	else if (sim->op != SIM_HANG)
		pvc_consumed(p, s, len);
}

static void finish(struct pvc *p, struct sim *sim)
{
	if (!sim->ended || sim->kept || sim->op == SIM_HANG)
		return;
	if (sim->op == SIM_ECHO && sim->at < sim->total)
		return;
	if (sim->op == SIM_ECHO)
		answer(p, sim, PVC_OK, sim->total);
	if (sim->op == SIM_SINK || sim->op == SIM_SLOW)
		answer(p, sim, sim->wrong ? PVC_FAILED : PVC_OK, sim->total);
}

static void on_eof(struct pvc *p, struct pvc_stream *s)
{
	struct sim *sim = s->priv;

	sim->ended = true;
	finish(p, sim);
}

static void on_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	struct sim **at = &sims, *sim = s->priv;

	(void)p;
	(void)status;
	while (*at != sim)
		at = &(*at)->next;
	*at = sim->next;
	free(sim);
	s->priv = NULL;
}

static __u32 fill_data(struct pvc *p, struct sim *sim, __u8 *buf, __u32 max)
{
	__u32 i, n = min_t(__u64, max, sim->total - sim->at);
	bool echo = sim->op == SIM_ECHO;

	for (i = 0; i < n; i++, sim->at++)
		buf[i] = echo ? sim->buf[sim->at % ROOM] : sim_byte(sim->at);
	if (echo)
		pvc_consumed(p, sim->s, n);
	if (sim->at < sim->total)
		return n;
	pvc_drained(p, sim->s);
	if (echo)
		finish(p, sim);
	else
		answer(p, sim, PVC_OK, sim->total);
	return n;
}

static __u32 on_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type, void *buf,
		     __u32 max)
{
	struct sim *sim = s->priv;

	if (type == PVC_DATA)
		return fill_data(p, sim, buf, max);
	if (type != PVC_RESULT || sim->body_len > max)
		return 0;
	memcpy(buf, sim->body, sim->body_len);
	return sim->body_len;
}

const struct pvc_ops sim_stream_ops = {
	.data = on_data,
	.eof = on_eof,
	.closed = on_closed,
	.fill = on_fill,
};

bool sim_streams_tick(struct pvs *v)
{
	struct sim *sim, *next;
	bool slow = false;
	__u32 n;

	for (sim = sims; sim; sim = next) {
		next = sim->next;
		if (!sim->kept)
			continue;
		slow = true;
		n = min_t(__u32, sim->kept, SLOWLY);
		sim->kept -= n;
		pvc_consumed(&v->pvc, sim->s, n);
		finish(&v->pvc, sim);
	}
	return slow;
}
