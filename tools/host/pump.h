/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Descriptors and a channel, joined: what is read from one goes to the guest, what comes from it
 * is written to the other, and so are the ends. Sockets, pipes, terminals and files. Nothing
 * waits, and descriptors that others share, such as stdin, stay in the mode that they have.
 */
#ifndef _TOOLS_HOST_PUMP_H
#define _TOOLS_HOST_PUMP_H

#include "client.h"

struct pump;

/*
 * The last that is heard of a pump: as channel_ops.done. @error: 0, or the errno of a descriptor,
 * because of which the channel was reset. The descriptors are the callback's to close; the pump
 * is freed when it returns.
 */
typedef void (*pump_done)(struct pump *p, __u32 status, const void *body, size_t len, int error);

/* @in and @out may be the same. NULL: no memory. */
struct pump *pump_new(struct client *c, int in, int out, pump_done done, void *priv);
/* What the channel of a pump is opened with; @priv of the request is the pump. */
extern const struct channel_ops pump_ops;
/* @ch was opened with pump_ops; what comes on it is kept until pump_start(). */
void pump_attach(struct pump *p, struct channel *ch);
/* The descriptors are ready. */
void pump_start(struct pump *p);
void *pump_priv(const struct pump *p);
int pump_in(const struct pump *p);
/* Did anything come from the guest? */
bool pump_has_data(const struct pump *p);
/* A pump that is not started: resets its channel, if it has one. done() is not called. */
void pump_free(struct pump *p);
/* Closes a socket so that its other end hears whether it was an orderly end. */
void close_socket(int fd, bool orderly);

#endif /* _TOOLS_HOST_PUMP_H */
