/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The key-value store's process: how it begins (kv_start.c) and what it does (kv_serve.c).
 */
#ifndef _PVGUESTD_KV_SERVE_H
#define _PVGUESTD_KV_SERVE_H

#include <sys/types.h>

/**
 * struct kv_ids - who the process is
 * @uid: of KV_USER
 * @gid: see @uid
 * @readers: KV_GROUP; -1: there is none
 */
struct kv_ids {
	uid_t uid;
	gid_t gid;
	gid_t readers;
};

/* In the new process, as root; does not return. */
void kv_serve(int listener, const char *state_dir, pid_t parent) __attribute__((noreturn));

struct kv_ids kv_ids(void);
/* The directory @fd and the files in it become this user's; 0 or -errno. */
int kv_give(int fd, uid_t uid, gid_t gid);
/* Gives up all rights, for good; 0 or -errno. */
int kv_confine(const struct kv_ids *ids, pid_t parent);

#endif /* _PVGUESTD_KV_SERVE_H */
