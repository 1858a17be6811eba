// SPDX-License-Identifier: GPL-2.0-only
/*
 * The key-value store, see kv_store.h.
 *
 * The file: struct head, for each key struct item with key and value behind it, and the
 * XXH3-128 of all that. Integers are little-endian.
 */
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kv_store.h"

static const char magic[8] = "PVGKV\0\0\1";

struct head {
	char magic[8];
	uint64_t reserved;
	uint32_t nr;
	uint32_t zero;
};

struct item {
	uint64_t generation;
	uint64_t time_ms;
	uint32_t value_len;
	uint16_t key_len;
	uint16_t flags;
};

#define ITEM_FROM_HOST	1u

static_assert(sizeof(struct head) == 24 && sizeof(struct item) == 24, "of the file");
static_assert(KV_KEYS_MAX * sizeof(struct item) + sizeof(struct head) +
	      sizeof(XXH128_canonical_t) <= KV_FILE_MAX - KV_TOTAL_MAX, "the largest store");

const char *kv_check_key(const char *key)
{
	size_t len = strlen(key);

	if (!len || len > KV_KEY_MAX)
		return "a key has 1 to 128 bytes";
	if (key[strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-")])
		return "a key is of letters, digits and '._/-'";
	return NULL;
}

/* Where @key is, or belongs. */
static unsigned int slot_of(const struct kv_store *store, const char *key, bool *found)
{
	unsigned int low = 0, high = store->nr, middle;
	int order;

	*found = false;
	while (low < high) {
		middle = (low + high) / 2;
		order = strcmp(store->entries[middle]->key, key);
		if (!order) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct kv_entry *kv_find(const struct kv_store *store, const char *key)
{
	bool found;
	unsigned int slot = slot_of(store, key, &found);

	return found ? store->entries[slot] : NULL;
}

struct kv_entry *kv_entry_new(const char *key, const void *value, uint32_t len)
{
	struct kv_entry *entry = calloc(1, sizeof(*entry) + len);

	if (!entry)
		return NULL;
	entry->len = len;
	strcpy(entry->key, key);
	if (len)
		memcpy(entry->value, value, len);
	return entry;
}

static uint32_t size_of(const struct kv_entry *entry)
{
	return entry ? strlen(entry->key) + entry->len : 0;
}

/* In the place of @before, which may be NULL like @after, but not both. */
static void put(struct kv_store *store, struct kv_entry *before, struct kv_entry *after)
{
	bool found;
	unsigned int slot = slot_of(store, before ? before->key : after->key, &found);
	struct kv_entry **at = &store->entries[slot];

	if (!before)
		memmove(at + 1, at, (store->nr++ - slot) * sizeof(*at));
	if (after)
		*at = after;
	else
		memmove(at, at + 1, (--store->nr - slot) * sizeof(*at));
	store->total += size_of(after) - size_of(before);
	store->nr_transient += (after && after->transient) - (before && before->transient);
}

static void change(struct kv_store *store, struct kv_change *c)
{
	put(store, c->before, c->after);
	store->generation++;
	c->in_file = (c->before && !c->before->transient) ||
		(c->after && !c->after->transient) || store->generation > store->reserved;
}

const char *kv_set(struct kv_store *store, struct kv_entry *entry, struct kv_change *c)
{
	struct kv_entry *before = (struct kv_entry *)kv_find(store, entry->key);
	const char *bad = NULL;

	if (!before && store->nr == KV_KEYS_MAX)
		bad = "there are 256 keys, the most there can be";
	else if (store->total + size_of(entry) - size_of(before) > KV_TOTAL_MAX)
		bad = "all keys and values would be more than 1048576 bytes";
	if (bad) {
		free(entry);
		return bad;
	}
	c->before = before;
	c->after = entry;
	change(store, c);
	entry->generation = store->generation;
	return NULL;
}

void kv_delete(struct kv_store *store, const char *key, struct kv_change *c)
{
	c->before = (struct kv_entry *)kv_find(store, key);
	c->after = NULL;
	change(store, c);
}

void kv_undo(struct kv_store *store, struct kv_change *c)
{
	put(store, c->after, c->before);
	store->generation--;
	free(c->after);
}

void kv_done(struct kv_store *store, struct kv_change *c)
{
	struct kv_deletion *deletion;

	if (!c->after) {
		deletion = &store->deletions[store->nr_deletions++ % KV_DELETIONS];
		store->forgotten = deletion->generation;
		deletion->generation = store->generation;
		strcpy(deletion->key, c->before->key);
	}
	free(c->before);
}

static bool begins_with(const char *key, const char *prefix)
{
	return !strncmp(key, prefix, strlen(prefix));
}

/* The deletions that are remembered, and whether one that is not would matter. */
static void next_deletion(const struct kv_store *store, const char *prefix, uint64_t position,
			  struct kv_news *news)
{
	uint64_t first = 0, i;

	if (store->nr_deletions > KV_DELETIONS)
		first = store->nr_deletions - KV_DELETIONS;
	if (store->forgotten > position) {
		news->lost = true;
		return;
	}
	for (i = first; i < store->nr_deletions; i++) {
		const struct kv_deletion *d = &store->deletions[i % KV_DELETIONS];

		if (d->generation <= position || !begins_with(d->key, prefix))
			continue;
		news->deleted = d->key;
		news->generation = d->generation;
		return;
	}
}

bool kv_next(const struct kv_store *store, const char *prefix, uint64_t position, uint64_t begin,
	     struct kv_news *news)
{
	unsigned int i;

	memset(news, 0, sizeof(*news));
	next_deletion(store, prefix, position > begin ? position : begin, news);
	if (news->lost)
		return true;
	for (i = 0; i < store->nr; i++) {
		const struct kv_entry *entry = store->entries[i];

		if (entry->generation <= position || !begins_with(entry->key, prefix))
			continue;
		if (news->generation && news->generation < entry->generation)
			continue;
		news->entry = entry;
		news->deleted = NULL;
		news->generation = entry->generation;
	}
	return news->generation;
}

static uint8_t *append(uint8_t *at, const void *what, size_t len)
{
	memcpy(at, what, len);
	return at + len;
}

size_t kv_encode(const struct kv_store *store, uint64_t reserved, uint8_t *buf)
{
	struct head head = {
		.reserved = htole64(reserved),
		.nr = htole32(store->nr - store->nr_transient),
	};
	XXH128_canonical_t sum;
	uint8_t *at = buf;
	unsigned int i;

	memcpy(head.magic, magic, sizeof(magic));
	at = append(at, &head, sizeof(head));
	for (i = 0; i < store->nr; i++) {
		const struct kv_entry *entry = store->entries[i];
		struct item item = {
			.generation = htole64(entry->generation),
			.time_ms = htole64(entry->time_ms),
			.value_len = htole32(entry->len),
			.key_len = htole16(strlen(entry->key)),
			.flags = htole16(entry->from_host ? ITEM_FROM_HOST : 0),
		};

		if (entry->transient)
			continue;
		at = append(at, &item, sizeof(item));
		at = append(at, entry->key, strlen(entry->key));
		at = append(at, entry->value, entry->len);
	}
	XXH128_canonicalFromHash(&sum, XXH3_128bits(buf, at - buf));
	return append(at, &sum, sizeof(sum)) - buf;
}

/* One item at @at; what follows it, or NULL if it is none. */
static const uint8_t *decode_item(struct kv_store *store, const uint8_t *at, const uint8_t *end)
{
	char key[KV_KEY_MAX + 1];
	struct kv_entry *entry;
	uint32_t key_len, len;
	struct item item;
	bool found;

	if ((size_t)(end - at) < sizeof(item))
		return NULL;
	memcpy(&item, at, sizeof(item));
	at += sizeof(item);
	key_len = le16toh(item.key_len);
	len = le32toh(item.value_len);
	if (key_len > KV_KEY_MAX || len > KV_VALUE_MAX || key_len + len > (size_t)(end - at) ||
	    store->nr == KV_KEYS_MAX || store->total + key_len + len > KV_TOTAL_MAX)
		return NULL;
	memcpy(key, at, key_len);
	key[key_len] = '\0';
	if (strlen(key) != key_len || kv_check_key(key))
		return NULL;
	slot_of(store, key, &found);
	entry = found ? NULL : kv_entry_new(key, at + key_len, len);
	if (!entry)
		return NULL;
	entry->generation = le64toh(item.generation);
	entry->time_ms = le64toh(item.time_ms);
	entry->from_host = le16toh(item.flags) & ITEM_FROM_HOST;
	put(store, NULL, entry);
	return entry->generation && entry->generation <= store->reserved ? at + key_len + len :
		NULL;
}

const char *kv_decode(struct kv_store *store, const uint8_t *buf, size_t len)
{
	const uint8_t *at = buf, *end;
	XXH128_canonical_t sum;
	struct head head;
	uint32_t nr, i;

	if (len < sizeof(head) + sizeof(sum))
		return "it is too short";
	end = buf + len - sizeof(sum);
	memcpy(&head, buf, sizeof(head));
	if (memcmp(head.magic, magic, sizeof(magic)))
		return "it is none of this version";
	memcpy(&sum, end, sizeof(sum));
	if (!XXH128_isEqual(XXH128_hashFromCanonical(&sum), XXH3_128bits(buf, end - buf)))
		return "its checksum is wrong";
	store->reserved = le64toh(head.reserved);
	nr = le32toh(head.nr);
	at += sizeof(head);
	for (i = 0; i < nr && at; i++)
		at = decode_item(store, at, end);
	if (at != end) {
		kv_free(store);
		return "it has what no store would have written";
	}
	store->generation = store->reserved;
	return NULL;
}

void kv_free(struct kv_store *store)
{
	while (store->nr)
		free(store->entries[--store->nr]);
	memset(store, 0, sizeof(*store));
}
