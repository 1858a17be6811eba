/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pvhost top: what the guest said in a turn, and how it looks.
 */
#ifndef _TOOLS_HOST_TOP_H
#define _TOOLS_HOST_TOP_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "top.pb.h"

#define TOP_HISTORY	256u	/* turns of which sparklines know */
#define TOP_PROCESSES	400u
#define TOP_OTHERS	64u	/* disks, interfaces, devices */

/* One turn. */
struct top_turn {
	pvo_TopSystem system;
	pvo_TopEnd end;
	size_t processes, disks, nics, devices;
	pvo_TopProcess process[TOP_PROCESSES];
	pvo_TopDisk disk[TOP_OTHERS];
	pvo_TopNic nic[TOP_OTHERS];
	pvo_TopDevice device[TOP_OTHERS];
};

/* Values of the last turns, the newest last. */
struct top_history {
	size_t nr;
	uint64_t value[TOP_HISTORY];
};

/**
 * struct top_model - what is known
 * @now: the last turn that is complete; none while now.system.turn is 0
 * @next: the one that comes
 * @cpu: thousandths that were busy
 * @memory: thousandths that were used
 * @disk: bytes per second, of all disks, both ways
 * @net: the same of all interfaces but lo
 */
struct top_model {
	struct top_turn now;
	struct top_turn next;
	struct top_history cpu, memory, disk, net;
};

/* True: the turn is complete. */
bool top_take(struct top_model *m, const pvo_TopRecord *rec);
/* Without the history of a guest that is another one now. */
void top_forget(struct top_model *m);
/* Per second, of a count in the turn. */
double top_rate(const struct top_turn *turn, uint64_t count);
/* What is used of @all; 0 where more is left than there is. */
static inline uint64_t top_used(uint64_t all, uint64_t left)
{
	return all > left ? all - left : 0;
}

/* top_json.c */
cJSON *top_json(const struct top_turn *turn);

/* How it is to look. */
struct top_look {
	unsigned int columns, rows;
	bool utf8;
	bool colour;
	bool by_memory;
	bool paused;
};

/**
 * struct screen - text that is being made
 * @text: lines, each with an LF behind it
 * @len: its length
 */
struct screen {
	size_t len;
	char text[65536];
};

/*
 * Fills @s with at most look->rows lines of at most look->columns columns. Whatever the guest
 * has said, there is nothing in it but printable characters, LF, and with colour SGR sequences.
 */
void top_render(struct screen *s, struct top_model *m, const struct top_look *look);

/* top_text.c */

/*
 * Columns that the character at @text takes, 0 to 2, and its @bytes; -1: it is no character that
 * is shown, one byte of which is skipped: a control or format character, or no UTF-8.
 */
int char_width(const char *text, size_t len, size_t *bytes);
/*
 * @text for at most @columns columns of a terminal into @to, with a zero byte. What cannot be
 * shown is '?', and so is all that is not ASCII unless @utf8. How many columns it takes.
 */
unsigned int cell_text(char *to, size_t size, const void *text, size_t len,
		       unsigned int columns, bool utf8);
/* Makes char_width() right; true: the terminal takes UTF-8. */
bool use_utf8(void);

#endif /* _TOOLS_HOST_TOP_H */
