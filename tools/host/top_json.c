// SPDX-License-Identifier: GPL-2.0-only
/*
 * A turn of pvhost top as JSON.
 */
#include "pvhost.h"
#include "records.h"
#include "top.h"

#define add_name(object, key, field) do {			\
	char name_buf[1024];					\
								\
	add_text(object, key, text_field(name_buf, field));	\
} while (0)

static cJSON *item(cJSON *array)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddItemToArray(array, object);
	return object;
}

static void json_system(cJSON *object, const pvo_TopSystem *sys)
{
	cJSON *cpus;
	pb_size_t i;

	add_int(object, "turn", sys->turn);
	add_int(object, "interval_ns", sys->interval_ns);
	add_realtime(object, sys->realtime_ns);
	add_int(object, "uptime_ms", sys->uptime_ms);
	add_name(object, "hostname", sys->hostname);
	add_name(object, "release", sys->release);
	add_int(object, "cpus", sys->cpus);
	add_int(object, "user_permille", sys->user);
	add_int(object, "system_permille", sys->system);
	add_int(object, "iowait_permille", sys->iowait);
	add_int(object, "steal_permille", sys->steal);
	add_int(object, "irq_permille", sys->irq);
	cpus = cJSON_AddArrayToObject(object, "cpu_busy_permille");
	for (i = 0; i < sys->cpu_busy_count; i++)
		cJSON_AddItemToArray(cpus, cJSON_CreateNumber(sys->cpu_busy[i]));
	add_int(object, "memory", sys->memory);
	add_int(object, "memory_available", sys->memory_available);
	add_int(object, "cached", sys->cached);
	add_int(object, "swap", sys->swap);
	add_int(object, "swap_free", sys->swap_free);
	add_hundredths(object, "load1", sys->load1);
	add_hundredths(object, "load5", sys->load5);
	add_hundredths(object, "load15", sys->load15);
	add_int(object, "running", sys->running);
	add_int(object, "tasks", sys->tasks);
	add_int(object, "context_switches", sys->switches);
	add_int(object, "interrupts", sys->interrupts);
}

static void json_process(cJSON *object, const pvo_TopProcess *p)
{
	char state[2] = { p->state > ' ' && p->state < 0x7f ? (char)p->state : '?', '\0' };

	add_int(object, "pid", p->pid);
	add_int(object, "ppid", p->parent);
	add_int(object, "uid", p->uid);
	add_name(object, "user", p->user);
	add_name(object, "comm", p->comm);
	add_name(object, "command", p->command);
	add_text(object, "state", state);
	add_int(object, "cpu_ns", p->cpu_ns);
	add_int(object, "cpu_total_ns", p->cpu_total_ns);
	add_int(object, "rss", p->rss);
	add_int(object, "threads", p->threads);
	add_bool(object, "by_cpu", p->by_cpu);
	add_bool(object, "by_memory", p->by_memory);
}

static void json_disk(cJSON *object, const pvo_TopDisk *d)
{
	add_name(object, "name", d->name);
	add_int(object, "reads", d->reads);
	add_int(object, "read_bytes", d->read_bytes);
	add_int(object, "writes", d->writes);
	add_int(object, "written_bytes", d->written_bytes);
	add_int(object, "discards", d->discards);
	add_int(object, "flushes", d->flushes);
	add_int(object, "busy_ms", d->busy_ms);
	add_int(object, "wait_ms", d->wait_ms);
	add_int(object, "inflight", d->inflight);
}

static void json_nic(cJSON *object, const pvo_TopNic *n)
{
	add_name(object, "name", n->name);
	add_int(object, "rx_bytes", n->rx_bytes);
	add_int(object, "rx_packets", n->rx_packets);
	add_int(object, "rx_dropped", n->rx_dropped);
	add_int(object, "tx_bytes", n->tx_bytes);
	add_int(object, "tx_packets", n->tx_packets);
	add_int(object, "tx_dropped", n->tx_dropped);
}

static void json_device(cJSON *object, const pvo_TopDevice *d)
{
	add_name(object, "name", d->name);
	add_name(object, "driver", d->driver);
	add_int(object, "interrupts", d->interrupts);
	add_int(object, "spurious", d->spurious);
	add_int(object, "submissions", d->submissions);
	add_int(object, "completions", d->completions);
	add_int(object, "doorbells", d->doorbells);
	add_int(object, "doorbells_suppressed", d->doorbells_suppressed);
	add_int(object, "timer_fires", d->timer_fires);
	add_int(object, "inflight", d->inflight);
	if (!d->balloon)
		return;
	add_int(object, "balloon_actual", d->balloon_actual);
	add_int(object, "balloon_target", d->balloon_target);
}

#define add_list(object, key, json, array, nr) do {			\
	cJSON *list = cJSON_AddArrayToObject(object, key);		\
	size_t list_at;							\
									\
	for (list_at = 0; list_at < (nr); list_at++)			\
		json(item(list), &(array)[list_at]);			\
} while (0)

cJSON *top_json(const struct top_turn *turn)
{
	cJSON *object = cJSON_CreateObject(), *left_out;

	json_system(object, &turn->system);
	add_list(object, "processes", json_process, turn->process, turn->processes);
	add_list(object, "disks", json_disk, turn->disk, turn->disks);
	add_list(object, "nics", json_nic, turn->nic, turn->nics);
	add_list(object, "devices", json_device, turn->device, turn->devices);
	add_int(object, "processes_all", turn->end.processes);
	left_out = cJSON_AddObjectToObject(object, "left_out");
	add_int(left_out, "processes_unseen", turn->end.processes_unseen);
	add_int(left_out, "disks", turn->end.disks_left_out);
	add_int(left_out, "nics", turn->end.nics_left_out);
	add_int(left_out, "devices", turn->end.devices_left_out);
	add_int(object, "cost_ns", turn->end.cost_ns);
	add_int(object, "next_interval_ms", turn->end.interval_ms);
	return object;
}
