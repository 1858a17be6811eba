// SPDX-License-Identifier: GPL-2.0-only
/*
 * The screen of pvhost top, of data that is always the same:
 *
 *   render COLUMNS ROWS utf8|ascii cpu|memory FILL
 *
 * FILL is how texts are filled: plain, or hostile: controls, format characters, wide and
 * combining characters, no UTF-8.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/host/top.h"

#define set(field, text) do {						\
	(field).size = strlen(text);					\
	memcpy((field).bytes, text, strlen(text));			\
} while (0)

static const char *const hostile[] = {
	"\033[2J\033[31mred", "\xff\xfe\x80\xc2", "a\nb\rc\td", "\xe2\x80\xae" "esrever",
	"\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2", "\xc2\x9b" "31m",
	"o\xcc\x88\xcc\x88\xcc\x88\xcc\x88\xcc\x88\xcc\x88", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
};

static bool is_hostile;

static const char *text(const char *plain, unsigned int i)
{
	return is_hostile ? hostile[i % (sizeof(hostile) / sizeof(*hostile))] : plain;
}

static void put(struct top_model *m, pvo_TopRecord *rec, int tag)
{
	rec->which_what = tag;
	top_take(m, rec);
	memset(rec, 0, sizeof(*rec));
}

static void put_system(struct top_model *m, unsigned int turn)
{
	static pvo_TopRecord rec;
	pvo_TopSystem *sys = &rec.what.system;
	unsigned int i;

	sys->turn = turn;
	sys->interval_ns = 1000000000;
	sys->realtime_ns = 1796000000000000000ull + turn * 1000000000ull;
	sys->uptime_ms = 270000000;
	set(sys->hostname, text("web1", 0));
	set(sys->release, text("6.1.0-30-amd64", 1));
	sys->cpus = 8;
	sys->user = turn * 40;
	sys->system = 120;
	sys->iowait = 15;
	for (i = 0; i < 8; i++)
		sys->cpu_busy[i] = (i * 137 + turn * 61) % 1001;
	sys->cpu_busy_count = 8;
	sys->memory = 8ull << 30;
	sys->memory_available = (6ull << 30) - turn * (100ull << 20);
	sys->cached = 3ull << 30;
	sys->swap = 1ull << 30;
	sys->swap_free = 900ull << 20;
	sys->load1 = 123;
	sys->load5 = 45;
	sys->load15 = 6;
	sys->running = 3;
	sys->tasks = 245;
	sys->switches = 34567;
	sys->interrupts = 1234;
	put(m, &rec, pvo_TopRecord_system_tag);
}

static void put_process(struct top_model *m, unsigned int i)
{
	static pvo_TopRecord rec;
	pvo_TopProcess *p = &rec.what.process;
	char command[64];

	snprintf(command, sizeof(command), "/usr/bin/program-%u --with arguments", i);
	p->pid = 100 + i * 1111;
	p->uid = i % 3 ? 1000 + i : 0;
	if (i % 4)
		set(p->user, text(i % 3 ? "alice-with-a-long-name" : "root", i));
	set(p->comm, text("kworker/0:1", i));
	if (i % 5)
		set(p->command, text(command, i + 2));
	p->state = "RSDZT"[i % 5];
	p->cpu_ns = (20 - i) * 31000000ull;
	p->rss = (i * 7 % 20 + 1) * 12345678ull;
	p->threads = i + 1;
	p->by_cpu = i < 15;
	p->by_memory = i > 4;
	put(m, &rec, pvo_TopRecord_process_tag);
}

static void put_others(struct top_model *m, unsigned int i)
{
	static pvo_TopRecord rec;
	char name[16];

	snprintf(name, sizeof(name), "vd%c", 'a' + i);
	set(rec.what.disk.name, text(name, i));
	rec.what.disk.reads = 1000 * i + 10;
	rec.what.disk.read_bytes = 123456789ull * i;
	rec.what.disk.writes = 17;
	rec.what.disk.written_bytes = 65536 * (i + 1);
	rec.what.disk.busy_ms = 100 * i + 5;
	rec.what.disk.wait_ms = 2345;
	rec.what.disk.inflight = i;
	put(m, &rec, pvo_TopRecord_disk_tag);
	snprintf(name, sizeof(name), "eth%u", i);
	set(rec.what.nic.name, text(name, i + 3));
	rec.what.nic.rx_bytes = 1250000 * i;
	rec.what.nic.rx_packets = 900 * i;
	rec.what.nic.tx_bytes = 640000;
	rec.what.nic.tx_packets = 500;
	rec.what.nic.rx_dropped = i;
	put(m, &rec, pvo_TopRecord_nic_tag);
	snprintf(name, sizeof(name), "virtio%u", i);
	set(rec.what.device.name, text(name, i + 5));
	set(rec.what.device.driver, text(i ? "pvg_blk" : "pvg_balloon", i));
	rec.what.device.interrupts = 250 * i;
	rec.what.device.submissions = 10000 * i;
	rec.what.device.completions = 10000 * i;
	rec.what.device.doorbells = 777 * i;
	rec.what.device.balloon = !i;
	rec.what.device.balloon_actual = 512ull << 20;
	rec.what.device.balloon_target = 1ull << 30;
	put(m, &rec, pvo_TopRecord_device_tag);
}

static void put_turn(struct top_model *m, unsigned int turn)
{
	static pvo_TopRecord rec;
	unsigned int i;

	put_system(m, turn);
	for (i = 0; i < 20; i++)
		put_process(m, i);
	for (i = 0; i < 6; i++)
		put_others(m, i);
	rec.what.end.turn = turn;
	rec.what.end.processes = 240;
	rec.what.end.processes_unseen = is_hostile ? 4000000000u : 0;
	rec.what.end.cost_ns = 3456789;
	put(m, &rec, pvo_TopRecord_end_tag);
}

int main(int argc, char **argv)
{
	static struct top_model model;
	static struct screen screen;
	struct top_look look = { };
	unsigned int turn;

	if (argc != 6)
		return 2;
	use_utf8();
	look.columns = atoi(argv[1]);
	look.rows = atoi(argv[2]);
	look.utf8 = !strcmp(argv[3], "utf8");
	look.by_memory = !strcmp(argv[4], "memory");
	is_hostile = !strcmp(argv[5], "hostile");
	for (turn = 1; turn <= 20; turn++)
		put_turn(&model, turn);
	top_render(&screen, &model, &look);
	fputs(screen.text, stdout);
	return 0;
}
