// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU, memory, disks and network interfaces.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "info.h"
#include "top.h"

/* Columns of /proc/stat, in ticks */
enum { CPU_USER, CPU_NICE, CPU_SYSTEM, CPU_IDLE, CPU_IOWAIT, CPU_IRQ, CPU_SOFTIRQ, CPU_STEAL,
	CPU_NR };

struct cpu_ticks {
	__u64 t[CPU_NR];
};

struct stat_sample {
	__u32 cpus;		/* that are online */
	struct cpu_ticks all;
	struct cpu_ticks each[TOP_CPUS_MAX];
	__u64 switches;
	__u64 interrupts;
};

static char text[1 << 20];	/* a file of /proc; touched as far as that is long */

static void parse_ticks(struct cpu_ticks *ticks, const char *line)
{
	char *end;
	int i;

	for (i = 0; i < CPU_NR; i++, line = end)
		ticks->t[i] = strtoull(line, &end, 10);
}

/* Lines "cpu ...", "cpu0 ...", "ctxt N", "intr N ..." */
static void read_stat(struct stat_sample *s)
{
	char *line = text, *end;
	unsigned long cpu;

	memset(s, 0, sizeof(*s));
	if (read_text("/proc/stat", text, sizeof(text)) <= 0)
		return;
	while (line) {
		if (!strncmp(line, "cpu ", 4)) {
			parse_ticks(&s->all, line + 4);
		} else if (!strncmp(line, "cpu", 3)) {
			cpu = strtoul(line + 3, &end, 10);
			s->cpus++;
			if (cpu < TOP_CPUS_MAX)
				parse_ticks(&s->each[cpu], end);
		} else if (!strncmp(line, "ctxt ", 5)) {
			s->switches = strtoull(line + 5, NULL, 10);
		} else if (!strncmp(line, "intr ", 5)) {
			s->interrupts = strtoull(line + 5, NULL, 10);
		}
		line = strchr(line, '\n');
		line += !!line;
	}
}

static __u64 rise_sum(const struct cpu_ticks *now, const struct cpu_ticks *before)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < CPU_NR; i++)
		sum += top_rise(now->t[i], before->t[i]);
	return sum;
}

static __u32 share(__u64 part, __u64 all)
{
	return all ? (part * 1000 + all / 2) / all : 0;
}

/* In thousandths of all its time, neither idle nor waiting. */
static __u32 busy(const struct cpu_ticks *now, const struct cpu_ticks *before)
{
	__u64 all = rise_sum(now, before);
	__u64 idle = top_rise(now->t[CPU_IDLE], before->t[CPU_IDLE]) +
		top_rise(now->t[CPU_IOWAIT], before->t[CPU_IOWAIT]);

	return share(all - idle, all);
}

static void set_cpu(pvo_TopSystem *sys, const struct stat_sample *now,
		    const struct stat_sample *before)
{
	const struct cpu_ticks *a = &now->all, *b = &before->all;
	__u64 all = rise_sum(a, b);
	unsigned int i;

	sys->cpus = now->cpus;
	sys->user = share(top_rise(a->t[CPU_USER] + a->t[CPU_NICE],
				   b->t[CPU_USER] + b->t[CPU_NICE]), all);
	sys->system = share(top_rise(a->t[CPU_SYSTEM], b->t[CPU_SYSTEM]), all);
	sys->iowait = share(top_rise(a->t[CPU_IOWAIT], b->t[CPU_IOWAIT]), all);
	sys->steal = share(top_rise(a->t[CPU_STEAL], b->t[CPU_STEAL]), all);
	sys->irq = share(top_rise(a->t[CPU_IRQ] + a->t[CPU_SOFTIRQ],
				  b->t[CPU_IRQ] + b->t[CPU_SOFTIRQ]), all);
	for (i = 0; i < TOP_CPUS_MAX; i++)
		if (now->each[i].t[CPU_IDLE] || now->each[i].t[CPU_USER])
			sys->cpu_busy[sys->cpu_busy_count++] =
				busy(&now->each[i], &before->each[i]);
	sys->switches = top_rise(now->switches, before->switches);
	sys->interrupts = top_rise(now->interrupts, before->interrupts);
}

static void set_memory(pvo_TopSystem *sys)
{
	if (read_text("/proc/meminfo", text, sizeof(text)) <= 0)
		return;
	sys->memory = meminfo_bytes(text, "MemTotal");
	sys->memory_available = meminfo_bytes(text, "MemAvailable");
	sys->cached = meminfo_bytes(text, "Cached");
	sys->swap = meminfo_bytes(text, "SwapTotal");
	sys->swap_free = meminfo_bytes(text, "SwapFree");
}

static void set_names(pvo_TopSystem *sys)
{
	struct utsname uts;

	if (uname(&uts))
		return;
	set_bytes(sys->hostname, uts.nodename, strlen(uts.nodename));
	set_bytes(sys->release, uts.release, strlen(uts.release));
}

static void set_load(pvo_TopSystem *sys)
{
	unsigned int whole[3], part[3];

	if (read_text("/proc/loadavg", text, sizeof(text)) <= 0 ||
	    sscanf(text, "%u.%2u %u.%2u %u.%2u %u/%u", &whole[0], &part[0], &whole[1], &part[1],
		   &whole[2], &part[2], &sys->running, &sys->tasks) != 8)
		return;
	sys->load1 = whole[0] * 100 + part[0];
	sys->load5 = whole[1] * 100 + part[1];
	sys->load15 = whole[2] * 100 + part[2];
}

int top_system(struct top *top)
{
	static struct stat_sample before, now;
	static top_record rec;
	pvo_TopSystem *sys = &rec.what.system;
	struct timespec ts;

	before = now;
	read_stat(&now);
	if (!top->turn)
		return 0;
	memset(&rec, 0, sizeof(rec));
	rec.which_what = pvo_TopRecord_system_tag;
	sys->turn = top->turn;
	sys->interval_ns = top->interval_ns;
	clock_gettime(CLOCK_REALTIME, &ts);
	sys->realtime_ns = ts.tv_sec * 1000000000ull + ts.tv_nsec;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	sys->uptime_ms = ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
	set_names(sys);
	set_cpu(sys, &now, &before);
	set_memory(sys);
	set_load(sys);
	return top_put(top, &rec);
}

/* Columns of /proc/diskstats after the name */
enum { DISK_READS = 0, DISK_READ_SECTORS = 2, DISK_WRITES = 4, DISK_WRITTEN_SECTORS = 6,
	DISK_INFLIGHT = 8, DISK_BUSY_MS = 9, DISK_WAIT_MS = 10, DISK_DISCARDS = 11,
	DISK_FLUSHES = 15, DISK_NR = 17 };

/* A whole disk that was ever used: no partition, no empty loop device. */
static bool is_disk(const char *name, const __u64 *column)
{
	char path[64];

	if (!column[DISK_READS] && !column[DISK_WRITES])
		return false;
	if (strchr(name, '/') || !strncmp(name, "ram", 3))
		return false;
	snprintf(path, sizeof(path), "/sys/block/%s", name);
	return !access(path, F_OK);
}

static int put_disk(struct top *top, const struct top_line *line, __u64 inflight)
{
	static top_record rec;
	pvo_TopDisk *disk = &rec.what.disk;
	__u64 rise[TOP_COUNTERS];
	int i;

	for (i = 0; i < TOP_COUNTERS; i++)
		rise[i] = top_rise(line->now[i], line->before[i]);
	memset(&rec, 0, sizeof(rec));
	rec.which_what = pvo_TopRecord_disk_tag;
	set_bytes(disk->name, line->name, strlen(line->name));
	disk->reads = rise[0];
	disk->read_bytes = rise[1] * 512;
	disk->writes = rise[2];
	disk->written_bytes = rise[3] * 512;
	disk->busy_ms = rise[4];
	disk->wait_ms = rise[5];
	disk->discards = rise[6];
	disk->flushes = rise[7];
	disk->inflight = inflight;
	return top_put(top, &rec);
}

static int take_disk(struct top *top, struct top_lines *disks, const char *name,
		     const __u64 *column)
{
	static const int of[] = { DISK_READS, DISK_READ_SECTORS, DISK_WRITES,
		DISK_WRITTEN_SECTORS, DISK_BUSY_MS, DISK_WAIT_MS, DISK_DISCARDS, DISK_FLUSHES };
	struct top_line *line;
	unsigned int i;

	if (!is_disk(name, column))
		return 0;
	line = top_lines_add(disks, name);
	if (!line) {
		top->end.disks_left_out++;
		return 0;
	}
	for (i = 0; i < sizeof(of) / sizeof(*of); i++)
		line->now[i] = column[of[i]];
	return line->old ? put_disk(top, line, column[DISK_INFLIGHT]) : 0;
}

int top_disks(struct top *top)
{
	static struct top_line room[TOP_DISKS_MAX];
	static struct top_lines disks = { .max = TOP_DISKS_MAX, .line = room };
	__u64 column[DISK_NR];
	char *line = text, *end;
	char name[32];
	int at, i, ret = 0;

	top_lines_begin(&disks);
	if (read_text("/proc/diskstats", text, sizeof(text)) <= 0)
		return 0;
	while (!ret && line && sscanf(line, "%*u %*u %31s%n", name, &at) == 1) {
		line += at;
		for (i = 0, end = line; i < DISK_NR; i++, line = end)
			column[i] = *line == '\n' ? 0 : strtoull(line, &end, 10);
		ret = take_disk(top, &disks, name, column);
		line = strchr(line, '\n');
		line += !!line;
	}
	top_lines_end(&disks);
	return ret;
}

/* Columns of /proc/net/dev after the name */
enum { NIC_RX_BYTES = 0, NIC_RX_PACKETS = 1, NIC_RX_ERRORS = 2, NIC_RX_DROP = 3,
	NIC_TX_BYTES = 8, NIC_TX_PACKETS = 9, NIC_TX_ERRORS = 10, NIC_TX_DROP = 11, NIC_NR = 16 };

static int put_nic(struct top *top, const struct top_line *line)
{
	top_record rec = { .which_what = pvo_TopRecord_nic_tag };
	pvo_TopNic *nic = &rec.what.nic;
	__u64 rise[6];
	int i;

	for (i = 0; i < 6; i++)
		rise[i] = top_rise(line->now[i], line->before[i]);
	set_bytes(nic->name, line->name, strlen(line->name));
	nic->rx_bytes = rise[0];
	nic->rx_packets = rise[1];
	nic->rx_dropped = rise[2];
	nic->tx_bytes = rise[3];
	nic->tx_packets = rise[4];
	nic->tx_dropped = rise[5];
	return top_put(top, &rec);
}

static int take_nic(struct top *top, struct top_lines *nics, const char *name,
		    const __u64 *column)
{
	struct top_line *line = top_lines_add(nics, name);

	if (!line) {
		top->end.nics_left_out++;
		return 0;
	}
	line->now[0] = column[NIC_RX_BYTES];
	line->now[1] = column[NIC_RX_PACKETS];
	line->now[2] = column[NIC_RX_ERRORS] + column[NIC_RX_DROP];
	line->now[3] = column[NIC_TX_BYTES];
	line->now[4] = column[NIC_TX_PACKETS];
	line->now[5] = column[NIC_TX_ERRORS] + column[NIC_TX_DROP];
	return line->old ? put_nic(top, line) : 0;
}

/* A name may have a colon in it: the counters are after the last one. */
int top_nics(struct top *top)
{
	static struct top_line room[TOP_NICS_MAX];
	static struct top_lines nics = { .max = TOP_NICS_MAX, .line = room };
	__u64 column[NIC_NR];
	char *save, *line, *colon, *end;
	int i, ret = 0;

	top_lines_begin(&nics);
	if (read_text("/proc/net/dev", text, sizeof(text)) <= 0)
		return 0;
	for (line = strtok_r(text, "\n", &save); line && !ret; line = strtok_r(NULL, "\n", &save)) {
		colon = strrchr(line, ':');
		if (!colon)
			continue;
		*colon++ = '\0';
		for (i = 0; i < NIC_NR; i++, colon = end)
			column[i] = strtoull(colon, &end, 10);
		ret = take_nic(top, &nics, line + strspn(line, " "), column);
	}
	top_lines_end(&nics);
	return ret;
}
