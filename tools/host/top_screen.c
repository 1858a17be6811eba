// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost top: the screen. A line is made as text that fits, and gets its colour as a whole, so
 * that no sequence is ever cut.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "top.h"
#include "units.h"

#define LINE	1024
/* Rows of a table of disks, interfaces or devices where there is room for it */
#define TABLE_ROWS	4u
/* A screen below that has the summary and processes alone */
#define TABLES_FROM	20u

enum attribute { PLAIN, TITLE, HEADER, FAINT };

struct frame {
	struct screen *s;
	const struct top_look *look;
	const struct top_turn *turn;
	unsigned int row;
};

/* A row less. Text beyond the last one is not made. */
static void add_line(struct frame *f, enum attribute attribute, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void append(struct screen *s, const char *text)
{
	size_t len = strlen(text);

	if (len > sizeof(s->text) - s->len - 1)
		return;
	memcpy(s->text + s->len, text, len + 1);
	s->len += len;
}

static void add_line(struct frame *f, enum attribute attribute, const char *format, ...)
{
	static const char *const begin[] = { "", "\033[1m", "\033[7m", "\033[2m" };
	char line[LINE], fit[LINE];
	unsigned int used;
	va_list args;

	if (f->row == f->look->rows)
		return;
	f->row++;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	used = cell_text(fit, sizeof(fit), line, strlen(line), f->look->columns, f->look->utf8);
	if (f->look->colour)
		append(f->s, begin[attribute]);
	append(f->s, fit);
	/* The bar of a header goes to the edge. */
	if (f->look->colour && attribute == HEADER)
		while (used++ < f->look->columns)
			append(f->s, " ");
	if (f->look->colour && attribute != PLAIN)
		append(f->s, "\033[0m");
	append(f->s, "\n");
}

/* Text of the guest, cut or filled up to @columns; returns @to. */
static char *cell(char *to, size_t size, const struct frame *f, const void *text, size_t len,
		  unsigned int columns)
{
	unsigned int used = cell_text(to, size, text, len, columns, f->look->utf8);
	size_t n = strlen(to);

	while (used++ < columns && n + 1 < size)
		to[n++] = ' ';
	to[n] = '\0';
	return to;
}

#define cell_field(to, f, field, columns) \
	cell(to, sizeof(to), f, (field).bytes, (field).size, columns)

/* Of eight heights, the one for @value of @most. */
static const char *bar(uint64_t value, uint64_t most, bool utf8)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const ascii[] = { "_", ".", "-", "~", "=", "+", "*", "#" };
	uint64_t at = !most ? 0 : value >= most ? 7 : (double)value * 8 / most;

	return utf8 ? blocks[at] : ascii[at];
}

/* The last @columns values, the newest at the right; @most: 0: the highest of them. */
static char *spark(char *to, size_t size, const struct frame *f, const struct top_history *h,
		   unsigned int columns, uint64_t most)
{
	size_t from = h->nr > columns ? h->nr - columns : 0, i, n = 0;
	bool scale = !most;

	for (i = from; scale && i < h->nr; i++)
		if (h->value[i] > most)
			most = h->value[i];
	for (i = h->nr - from; i < columns && n + 4 < size; i++)
		to[n++] = ' ';
	to[n] = '\0';
	for (i = from; i < h->nr && n + 4 < size; i++)
		n += snprintf(to + n, size - n, "%s", bar(h->value[i], most, f->look->utf8));
	return to;
}

/* "1.2M", at most five columns. */
static char *rate_text(char *to, size_t size, double value)
{
	static const char units[] = " kMGTPE";
	size_t i;

	for (i = 0; value >= 999.5 && i < sizeof(units) - 2; i++)
		value /= 1000;
	if (!i || value >= 9.95)
		snprintf(to, size, "%.0f%.1s", value, i ? &units[i] : "");
	else
		snprintf(to, size, "%.1f%.1s", value, &units[i]);
	return to;
}

struct rates {
	char text[8][16];
};

static const char *rate(struct rates *r, int i, const struct frame *f, uint64_t count)
{
	return rate_text(r->text[i], sizeof(r->text[i]), top_rate(f->turn, count));
}

static void add_title(struct frame *f)
{
	const pvo_TopSystem *sys = &f->turn->system;
	char host[256], release[256], up[32], left[LINE], right[128];
	time_t now = sys->realtime_ns / 1000000000;
	char clock[32] = "";
	int room;
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S UTC", &tm);
	cell_text(host, sizeof(host), sys->hostname.bytes, sys->hostname.size, 40, f->look->utf8);
	cell_text(release, sizeof(release), sys->release.bytes, sys->release.size, 40,
		  f->look->utf8);
	snprintf(left, sizeof(left), "%s  Linux %s  up %s", host, release,
		 duration_text(up, sizeof(up), sys->uptime_ms / 1000));
	snprintf(right, sizeof(right), "%s  %s%.1f s", clock, f->look->paused ? "paused, " : "every ",
		 f->turn->system.interval_ns / 1e9);
	room = (int)f->look->columns - (int)strlen(right);
	if (room < 20)
		add_line(f, TITLE, "%s", left);
	else
		add_line(f, TITLE, "%s%s", cell((char[LINE]){ }, LINE, f, left, strlen(left), room),
			 right);
}

static unsigned int spark_columns(const struct frame *f)
{
	unsigned int columns = f->look->columns / 4;

	return columns < 8 ? 8 : columns > 60 ? 60 : columns;
}

static void add_cpu(struct frame *f, const struct top_model *m)
{
	const pvo_TopSystem *sys = &f->turn->system;
	char line[LINE], all[LINE] = "";
	size_t n = 0;
	pb_size_t i;

	add_line(f, PLAIN, "CPU  %s %3u%%  user %u, system %u, irq %u, steal %u, waits %u%%",
		 spark(line, sizeof(line), f, &m->cpu, spark_columns(f), 1000),
		 (unsigned int)((m->cpu.value[m->cpu.nr - 1] + 5) / 10),
		 (sys->user + 5) / 10, (sys->system + 5) / 10, (sys->irq + 5) / 10,
		 (sys->steal + 5) / 10, (sys->iowait + 5) / 10);
	for (i = 0; i < sys->cpu_busy_count && n + 5 < sizeof(all); i++)
		n += snprintf(all + n, sizeof(all) - n, "%s",
			      bar(sys->cpu_busy[i], 1000, f->look->utf8));
	add_line(f, PLAIN, "     %s  %u CPUs, load %u.%02u %u.%02u %u.%02u, %u of %u tasks run, %s switches/s, %s interrupts/s",
		 all, sys->cpus, sys->load1 / 100, sys->load1 % 100, sys->load5 / 100,
		 sys->load5 % 100, sys->load15 / 100, sys->load15 % 100, sys->running, sys->tasks,
		 rate_text((char[16]){ }, 16, top_rate(f->turn, sys->switches)),
		 rate_text((char[16]){ }, 16, top_rate(f->turn, sys->interrupts)));
}

static void add_memory(struct frame *f, const struct top_model *m)
{
	const pvo_TopSystem *sys = &f->turn->system;
	uint64_t used = top_used(sys->memory, sys->memory_available);
	char line[LINE], text[5][32];

	add_line(f, PLAIN, "Mem  %s %3u%%  %s of %s used, %s cached, swap %s of %s",
		 spark(line, sizeof(line), f, &m->memory, spark_columns(f), 1000),
		 (unsigned int)((m->memory.value[m->memory.nr - 1] + 5) / 10),
		 bytes_text(text[0], 32, used), bytes_text(text[1], 32, sys->memory),
		 bytes_text(text[2], 32, sys->cached),
		 bytes_text(text[3], 32, top_used(sys->swap, sys->swap_free)),
		 bytes_text(text[4], 32, sys->swap));
}

static void add_flow(struct frame *f, const char *name, const struct top_history *h,
		     const char *in, uint64_t in_bytes, const char *out, uint64_t out_bytes)
{
	char line[LINE], a[32], b[32], most[32];
	uint64_t highest = 0;
	size_t i;

	for (i = 0; i < h->nr; i++)
		if (h->value[i] > highest)
			highest = h->value[i];
	add_line(f, PLAIN, "%-4s %s       %s %s/s, %s %s/s, at most %s/s", name,
		 spark(line, sizeof(line), f, h, spark_columns(f), 0),
		 in, bytes_text(a, sizeof(a), top_rate(f->turn, in_bytes)),
		 out, bytes_text(b, sizeof(b), top_rate(f->turn, out_bytes)),
		 bytes_text(most, sizeof(most), highest));
}

static void add_flows(struct frame *f, const struct top_model *m)
{
	const struct top_turn *turn = f->turn;
	uint64_t read = 0, written = 0, in = 0, out = 0;
	size_t i;

	for (i = 0; i < turn->disks; i++) {
		read += turn->disk[i].read_bytes;
		written += turn->disk[i].written_bytes;
	}
	for (i = 0; i < turn->nics; i++) {
		if (turn->nic[i].name.size == 2 && !memcmp(turn->nic[i].name.bytes, "lo", 2))
			continue;
		in += turn->nic[i].rx_bytes;
		out += turn->nic[i].tx_bytes;
	}
	add_flow(f, "Disk", &m->disk, "read", read, "written", written);
	add_flow(f, "Net", &m->net, "in", in, "out", out);
}

/* The busiest first, and those that do as much by their names. */
static int disk_order(const void *a, const void *b)
{
	const pvo_TopDisk *p = a, *q = b;
	uint64_t of_p = p->read_bytes + p->written_bytes, of_q = q->read_bytes + q->written_bytes;

	if (of_p != of_q)
		return of_p < of_q ? 1 : -1;
	return memcmp(p->name.bytes, q->name.bytes, sizeof(p->name.bytes));
}

static int nic_order(const void *a, const void *b)
{
	const pvo_TopNic *p = a, *q = b;
	uint64_t of_p = p->rx_bytes + p->tx_bytes, of_q = q->rx_bytes + q->tx_bytes;

	if (of_p != of_q)
		return of_p < of_q ? 1 : -1;
	return memcmp(p->name.bytes, q->name.bytes, sizeof(p->name.bytes));
}

static void add_disks(struct frame *f, unsigned int rows)
{
	const struct top_turn *turn = f->turn;
	const pvo_TopDisk *d;
	struct rates r;
	char name[64];
	size_t i;

	if (!turn->disks)
		return;
	add_line(f, HEADER, "DISK            READ/s WRITTEN/s   reads  writes  busy   wait  queue");
	for (i = 0; i < turn->disks && i < rows; i++) {
		uint64_t done;

		d = &turn->disk[i];
		done = d->reads + d->writes;
		add_line(f, PLAIN, "%s %9s %9s %7s %7s %4.0f%% %4.1f ms %6u",
			 cell_field(name, f, d->name, 12), rate(&r, 0, f, d->read_bytes),
			 rate(&r, 1, f, d->written_bytes), rate(&r, 2, f, d->reads),
			 rate(&r, 3, f, d->writes),
			 turn->system.interval_ns ? d->busy_ms * 1e8 / turn->system.interval_ns : 0,
			 done ? (double)d->wait_ms / done : 0, d->inflight);
	}
}

static void add_nics(struct frame *f, unsigned int rows)
{
	const struct top_turn *turn = f->turn;
	const pvo_TopNic *n;
	struct rates r;
	char name[64];
	size_t i;

	if (!turn->nics)
		return;
	add_line(f, HEADER, "INTERFACE         IN/s     OUT/s packets    sent dropped in, out");
	for (i = 0; i < turn->nics && i < rows; i++) {
		n = &turn->nic[i];
		add_line(f, PLAIN, "%s %9s %9s %7s %7s %7s %7s", cell_field(name, f, n->name, 12),
			 rate(&r, 0, f, n->rx_bytes), rate(&r, 1, f, n->tx_bytes),
			 rate(&r, 2, f, n->rx_packets), rate(&r, 3, f, n->tx_packets),
			 rate(&r, 4, f, n->rx_dropped), rate(&r, 5, f, n->tx_dropped));
	}
}

static double each(uint64_t count, uint64_t of)
{
	return of ? (double)count / of : 0;
}

static void add_devices(struct frame *f, unsigned int rows)
{
	const struct top_turn *turn = f->turn;
	const pvo_TopDevice *d;
	char name[64], driver[64], actual[32], target[32];
	struct rates r;
	size_t i;

	if (!turn->devices)
		return;
	add_line(f, HEADER, "PVGUEST    driver          done  interrupts    (each)   doorbells    (each)");
	for (i = 0; i < turn->devices && i < rows; i++) {
		d = &turn->device[i];
		cell_field(name, f, d->name, 10);
		cell_field(driver, f, d->driver, 12);
		/* A balloon is of interest for its size. */
		if (d->balloon)
			add_line(f, PLAIN, "%s %s %7s  has %s, wanted are %s", name, driver,
				 rate(&r, 0, f, d->completions),
				 bytes_text(actual, sizeof(actual), d->balloon_actual),
				 bytes_text(target, sizeof(target), d->balloon_target));
		else
			add_line(f, PLAIN, "%s %s %7s %11s %9.3f %11s %9.3f", name, driver,
				 rate(&r, 0, f, d->completions), rate(&r, 1, f, d->interrupts),
				 each(d->interrupts, d->completions), rate(&r, 2, f, d->doorbells),
				 each(d->doorbells, d->submissions));
	}
}

static int by_cpu(const void *a, const void *b)
{
	const pvo_TopProcess *p = a, *q = b;

	if (p->cpu_ns != q->cpu_ns)
		return p->cpu_ns < q->cpu_ns ? 1 : -1;
	return (p->pid > q->pid) - (p->pid < q->pid);
}

static int by_memory(const void *a, const void *b)
{
	const pvo_TopProcess *p = a, *q = b;

	if (p->rss != q->rss)
		return p->rss < q->rss ? 1 : -1;
	return (p->pid > q->pid) - (p->pid < q->pid);
}

static void command_text(char *to, size_t size, const struct frame *f, const pvo_TopProcess *p)
{
	char comm[256];

	if (p->command.size) {
		cell_text(to, size, p->command.bytes, p->command.size, 200, f->look->utf8);
		return;
	}
	/* A kernel thread, or one that has ended: it has no arguments. */
	cell_text(comm, sizeof(comm), p->comm.bytes, p->comm.size, 64, f->look->utf8);
	snprintf(to, size, "[%s]", comm);
}

static void add_process(struct frame *f, const pvo_TopProcess *p)
{
	const struct top_turn *turn = f->turn;
	char user[64], command[LINE], rss[32], uid[16];

	snprintf(uid, sizeof(uid), "%u", p->uid);
	if (p->user.size)
		cell_field(user, f, p->user, 10);
	else
		cell(user, sizeof(user), f, uid, strlen(uid), 10);
	command_text(command, sizeof(command), f, p);
	add_line(f, PLAIN, "%7u %s %6.1f %5.1f %8s %c %4u  %s", p->pid, user,
		 top_rate(turn, p->cpu_ns) / 1e7,
		 turn->system.memory ? p->rss * 100.0 / turn->system.memory : 0,
		 bytes_text(rss, sizeof(rss), p->rss),
		 p->state > ' ' && p->state < 0x7f ? (char)p->state : '?', p->threads, command);
}

static void add_processes(struct frame *f, struct top_turn *turn, unsigned int last_row)
{
	bool memory = f->look->by_memory;
	size_t i;

	qsort(turn->process, turn->processes, sizeof(*turn->process), memory ? by_memory : by_cpu);
	add_line(f, HEADER, "    PID USER       %s  %s      RSS S  THR  COMMAND",
		 memory ? " CPU%" : ">CPU%", memory ? ">MEM%" : "MEM%");
	for (i = 0; i < turn->processes && f->row < last_row; i++) {
		const pvo_TopProcess *p = &turn->process[i];

		if (memory ? p->by_memory : p->by_cpu)
			add_process(f, p);
	}
}

/* What is not shown, and which keys there are. */
static void add_foot(struct frame *f)
{
	const pvo_TopEnd *end = &f->turn->end;
	char left_out[256] = "";
	__u32 more = end->disks_left_out + end->nics_left_out + end->devices_left_out;

	if (end->processes_unseen)
		snprintf(left_out, sizeof(left_out), ", %u of them not looked at",
			 end->processes_unseen);
	else if (more)
		snprintf(left_out, sizeof(left_out), "; %u disks, %u interfaces, %u devices left out",
			 end->disks_left_out, end->nics_left_out, end->devices_left_out);
	add_line(f, FAINT, "%s%u processes%s, %.1f ms of CPU to look",
		 f->look->colour ? "q quit  p pause  m memory  c CPU   " : "", end->processes,
		 left_out, end->cost_ns / 1e6);
}

void top_render(struct screen *s, struct top_model *m, const struct top_look *look)
{
	struct frame f = { .s = s, .look = look, .turn = &m->now };
	unsigned int rows;

	s->len = 0;
	*s->text = '\0';
	if (!m->now.system.turn || !m->cpu.nr) {
		add_line(&f, FAINT, "waiting for the guest");
		return;
	}
	add_title(&f);
	add_cpu(&f, m);
	add_memory(&f, m);
	add_flows(&f, m);
	if (look->rows >= TABLES_FROM) {
		/* Processes have what the tables leave, at least half. */
		rows = (look->rows - f.row) / 2 / 3;
		rows = rows <= 2 ? 1 : rows - 1 > TABLE_ROWS ? TABLE_ROWS : rows - 1;
		qsort(m->now.disk, m->now.disks, sizeof(*m->now.disk), disk_order);
		qsort(m->now.nic, m->now.nics, sizeof(*m->now.nic), nic_order);
		add_disks(&f, rows);
		add_nics(&f, rows);
		add_devices(&f, rows);
	}
	add_processes(&f, &m->now, look->rows > 1 ? look->rows - 1 : 1);
	add_foot(&f);
}
