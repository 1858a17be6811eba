/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The key-value store's process, and those who speak with it: workers and "pvguest kv". They
 * do so over a SOCK_SEQPACKET, a record of kv.proto a packet. The broker listens at the socket;
 * with the first connection it starts the process, which owns the store alone, has a user of
 * its own and no rights, and ends when nobody needs it.
 */
#ifndef _PVGUESTD_KV_H
#define _PVGUESTD_KV_H

#include <sys/types.h>

#include "kv_store.h"
#include "worker.h"
#include "kv_wire.h"

#define KV_SOCKET	"kv.sock"	/* in the daemon's run directory */
#define KV_USER		"_pvguest"	/* whose process it is; if there is none, nobody */
#define KV_GROUP	"pvguest"	/* whose members may read */
#define STATE_DIR	"/var/lib/pvguest"	/* in it kv/, the process's own */

/* The broker's: a socket at KV_SOCKET in @run_dir, to be polled for; or -errno. */
int kv_listen(const char *run_dir);
/* Starts the process, since somebody connects: its pid, or -errno after that was refused. */
pid_t kv_start(int listener, const char *state_dir);

/* kv_file.c: 0 or -errno. @dir: a descriptor of the directory. */
int kv_load(struct kv_store *store, int dir);
/* When it returns 0 the file is on the disk; otherwise the one before is. */
int kv_save(struct kv_store *store, int dir);

/* kv_client.c. A descriptor, or -errno. */
int kv_connect(const char *run_dir);
/* 0 or -errno. @value: NULL: none. */
int kv_send_request(int fd, pvo_kv_request *request, struct kv_value *value);
/* 0, 1: the other end has closed, -EBADMSG, -errno. @value as in &struct kv_value. */
int kv_receive_record(int fd, pvo_kv_record *record, struct kv_value *value);

/* kv_ops.c: for the host */
extern const struct operation kv_operations[];

/* kv_cli.c: "pvguestd kv ..."; the exit status */
int kv_main(int argc, char **argv);

#endif /* _PVGUESTD_KV_H */
