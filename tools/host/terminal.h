/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The terminal of pvhost: raw while a terminal of the guest is shown, and as it was again
 * however pvhost ends.
 */
#ifndef _TOOLS_HOST_TERMINAL_H
#define _TOOLS_HOST_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>

/*
 * stdin becomes raw; 0 or -errno. It is restored by terminal_restore(), by exit(), and by the
 * signals that end a program with a core dump. SIGKILL cannot be caught.
 */
int terminal_raw(void);
void terminal_restore(void);
/* The size of the terminal at stdin, stdout or stderr; false: there is none. */
bool terminal_size(struct winsize *size);

enum escape {
	ESCAPE_NONE,
	ESCAPE_END,	/* ~. */
	ESCAPE_DETACH,	/* ~d */
	ESCAPE_HELP,	/* ~? */
};

/**
 * struct escapes - looks for the keys of pvhost itself in what is typed: ~ after a newline
 * @character: that begins one; 0: none does
 * @state: how much of one was typed
 */
struct escapes {
	char character;
	enum { LINE_BEGIN, LINE_ESCAPE, LINE_REST } state;
};

/*
 * Takes @len bytes at @buf; what is not pvhost's goes to @out, at most 2 * @len bytes, *@out_len
 * of them. Stops behind an escape, which is returned; *@taken says how much was looked at.
 */
enum escape escapes_filter(struct escapes *e, const char *buf, size_t len, size_t *taken,
			   char *out, size_t *out_len);

#endif /* _TOOLS_HOST_TERMINAL_H */
