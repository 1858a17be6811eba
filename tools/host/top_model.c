// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records of a guest's turn, put together.
 */
#include <string.h>

#include "top.h"

static void push(struct top_history *h, uint64_t value)
{
	if (h->nr == TOP_HISTORY) {
		memmove(h->value, h->value + 1, sizeof(h->value) - sizeof(*h->value));
		h->nr--;
	}
	h->value[h->nr++] = value;
}

double top_rate(const struct top_turn *turn, uint64_t count)
{
	return turn->system.interval_ns ? count * 1e9 / turn->system.interval_ns : 0;
}

/* What is more than everything is everything. */
static uint64_t thousandths(uint64_t part, uint64_t all)
{
	if (!all)
		return 0;
	return part >= all ? 1000 : (double)part * 1000 / all + 0.5;
}

static bool is_lo(const pvo_TopNic *nic)
{
	return nic->name.size == 2 && !memcmp(nic->name.bytes, "lo", 2);
}

static void finish(struct top_model *m)
{
	struct top_turn *turn = &m->next;
	uint64_t disk = 0, net = 0;
	size_t i;

	for (i = 0; i < turn->disks; i++)
		disk += turn->disk[i].read_bytes + turn->disk[i].written_bytes;
	for (i = 0; i < turn->nics; i++)
		if (!is_lo(&turn->nic[i]))
			net += turn->nic[i].rx_bytes + turn->nic[i].tx_bytes;
	push(&m->cpu, thousandths((uint64_t)turn->system.user + turn->system.system +
				  turn->system.irq + turn->system.steal, 1000));
	push(&m->memory, turn->system.memory > turn->system.memory_available ?
	     thousandths(turn->system.memory - turn->system.memory_available,
			 turn->system.memory) : 0);
	push(&m->disk, top_rate(turn, disk));
	push(&m->net, top_rate(turn, net));
	m->now = *turn;
}

#define take(array, nr, max, value) do {	\
	if ((nr) < (max))			\
		(array)[(nr)++] = (value);	\
} while (0)

bool top_take(struct top_model *m, const pvo_TopRecord *rec)
{
	struct top_turn *turn = &m->next;

	switch (rec->which_what) {
	case pvo_TopRecord_system_tag:
		turn->processes = 0;
		turn->disks = 0;
		turn->nics = 0;
		turn->devices = 0;
		turn->system = rec->what.system;
		break;
	case pvo_TopRecord_process_tag:
		take(turn->process, turn->processes, TOP_PROCESSES, rec->what.process);
		break;
	case pvo_TopRecord_disk_tag:
		take(turn->disk, turn->disks, TOP_OTHERS, rec->what.disk);
		break;
	case pvo_TopRecord_nic_tag:
		take(turn->nic, turn->nics, TOP_OTHERS, rec->what.nic);
		break;
	case pvo_TopRecord_device_tag:
		take(turn->device, turn->devices, TOP_OTHERS, rec->what.device);
		break;
	case pvo_TopRecord_end_tag:
		turn->end = rec->what.end;
		finish(m);
		return true;
	}
	return false;
}

void top_forget(struct top_model *m)
{
	memset(m, 0, sizeof(*m));
}
