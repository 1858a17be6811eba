/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The key-value store in memory and as the bytes of a file. Nothing here waits, opens or
 * writes; the process that has the store (kv_serve.c) does, and is its only user.
 */
#ifndef _PVGUESTD_KV_STORE_H
#define _PVGUESTD_KV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KV_KEY_MAX	128u		/* bytes of a key, of [A-Za-z0-9._/-]; at least 1 */
#define KV_VALUE_MAX	65536u		/* bytes of a value */
#define KV_KEYS_MAX	256u
#define KV_TOTAL_MAX	1048576u	/* bytes of all keys and values */
#define KV_DELETIONS	256u		/* that watchers can hear of later */
#define KV_RESERVE	4096u		/* changes that need no file to keep numbers unique */

/* Bytes of a file at most. */
#define KV_FILE_MAX	(KV_TOTAL_MAX + KV_KEYS_MAX * 32u + 64u)

/**
 * struct kv_entry - a key and its value
 * @generation: of the store when it was changed last
 * @time_ms: when that was, since 1970
 * @transient: it is not in the file
 * @from_host: the host changed it
 * @len: bytes of @value
 * @key: ends with a zero byte
 * @value: behind the structure
 */
struct kv_entry {
	uint64_t generation;
	uint64_t time_ms;
	bool transient;
	bool from_host;
	uint32_t len;
	char key[KV_KEY_MAX + 1];
	uint8_t value[];
};

struct kv_deletion {
	uint64_t generation;
	char key[KV_KEY_MAX + 1];
};

/**
 * struct kv_store - all of it; empty when it is all zero
 * @generation: number of the last change
 * @reserved: numbers up to this one will not be used again, whatever happens: the file says so
 * @total: bytes of keys and values
 * @nr: keys
 * @nr_transient: of these, not in the file
 * @entries: sorted by key
 * @deletions: the last ones, a ring
 * @nr_deletions: since the store was begun
 * @forgotten: number of the last deletion that is not in @deletions any more
 */
struct kv_store {
	uint64_t generation;
	uint64_t reserved;
	uint32_t total;
	unsigned int nr;
	unsigned int nr_transient;
	struct kv_entry *entries[KV_KEYS_MAX];
	struct kv_deletion deletions[KV_DELETIONS];
	uint64_t nr_deletions;
	uint64_t forgotten;
};

/**
 * struct kv_change - a change that can be taken back, kv_undo(), until kv_done()
 * @before: what the key had; NULL: nothing
 * @after: what it has; NULL: nothing
 * @in_file: the file has to be written
 */
struct kv_change {
	struct kv_entry *before;
	struct kv_entry *after;
	bool in_file;
};

/**
 * struct kv_news - what a watcher has to be told next
 * @entry: a key has this value; NULL: see @deleted
 * @deleted: a key that has none any more; NULL: see @lost
 * @lost: deletions were forgotten; the watcher begins from the beginning
 * @generation: of the change
 */
struct kv_news {
	const struct kv_entry *entry;
	const char *deleted;
	bool lost;
	uint64_t generation;
};

/* NULL if @key is one, else what is wrong with it. */
const char *kv_check_key(const char *key);
/* NULL: there is none. */
const struct kv_entry *kv_find(const struct kv_store *store, const char *key);

/*
 * Gives @entry->key the value @entry, which comes from kv_entry_new() and belongs to the store
 * now, also after an error. NULL, or which limit it would exceed.
 */
const char *kv_set(struct kv_store *store, struct kv_entry *entry, struct kv_change *change);
/* The key has to be there. */
void kv_delete(struct kv_store *store, const char *key, struct kv_change *change);
void kv_undo(struct kv_store *store, struct kv_change *change);
void kv_done(struct kv_store *store, struct kv_change *change);
/* NULL: out of memory. @len: at most KV_VALUE_MAX; @key is one. */
struct kv_entry *kv_entry_new(const char *key, const void *value, uint32_t len);

/*
 * The oldest change after number @position, of keys that begin with @prefix; false: there is
 * none. @begin: the store's number when the watcher began; older deletions do not matter to it.
 */
bool kv_next(const struct kv_store *store, const char *prefix, uint64_t position, uint64_t begin,
	     struct kv_news *news);

/* The file's bytes into @buf of KV_FILE_MAX bytes; their number. @reserved: see above. */
size_t kv_encode(const struct kv_store *store, uint64_t reserved, uint8_t *buf);
/* Into an empty store. NULL, or what is wrong; the store is empty then. */
const char *kv_decode(struct kv_store *store, const uint8_t *buf, size_t len);
void kv_free(struct kv_store *store);

#endif /* _PVGUESTD_KV_STORE_H */
