/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pvhost connect and forward: what they share.
 */
#ifndef _TOOLS_HOST_FORWARD_H
#define _TOOLS_HOST_FORWARD_H

#include "client.h"

#define TARGET_MAX	128	/* bytes of a target, with the terminating zero */

/*
 * A target in the guest as the user types it, PORT, ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH,
 * as requests name it. false: it is none, which is said.
 */
bool forward_target(const char *verb, const char *text, char target[static TARGET_MAX]);

/*
 * Asks for a stream of service FORWARD with a record of @target, or of connection @id of @job.
 * As channel_open().
 */
struct channel *forward_open(struct client *c, __u16 op, const char *target, __u64 job, __u64 id,
			     const struct channel_ops *ops, void *priv);

/* forward.c and forward_remote.c: a forwarding of the command line */
struct forwarding {
	struct client *client;
	bool remote;			/* -R: the guest listens */
	char listen[TARGET_MAX];	/* "ADDRESS:PORT" */
	char target[TARGET_MAX];	/* in the guest, or as it was typed */
	int listener;			/* -L: the socket */
	struct event *accept;
	void *priv;			/* -R */
};

/* Has the guest listen, in the present session. false: said why not. */
bool remote_start(struct forwarding *f);
void remote_end(struct forwarding *f);
/* It goes on, or does again. */
void forward_tell(const struct forwarding *f, const char *listen);
/* A TCP or unix socket of this host that is being connected; -1: said why not. */
int forward_connect_host(const char *target);

#endif /* _TOOLS_HOST_FORWARD_H */
