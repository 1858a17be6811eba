// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests by their key, so that one whose answer was lost with its session can
 * be repeated or asked about without being carried out twice. The answers of the last
 * PVS_KEYS are remembered, until the guest boots; of all before them, that they were
 * begun, in a Bloom filter: whoever is told that a key is unknown may repeat the request,
 * so that must never be said of one that was begun. A key that was not may be taken for
 * one that was forgotten, one in 200 after 5000 requests; then the host takes another.
 */
#include "pvguest/services.h"

/**
 * pvs_key_find() - what is known of a key
 * @keys: all
 * @key: not 0
 *
 * Return: the entry or NULL.
 */
struct pvs_key *pvs_key_find(struct pvs_keys *keys, __u64 key)
{
	__u32 i;

	for (i = 0; i < PVS_KEYS; i++) {
		struct pvs_key *e = &keys->entries[i];

		if (e->state != PVS_KEY_FREE && e->key == key)
			return e;
	}
	return NULL;
}

/* Four bits of the filter, by the four parts of a product. */
static __u64 filter_hash(__u64 key)
{
	key = (key ^ key >> 32) * 0x9e3779b97f4a7c15ull;
	return (key ^ key >> 29) * 0xbf58476d1ce4e5b9ull;
}

static void forget(struct pvs_keys *keys, __u64 key)
{
	__u64 h = filter_hash(key);
	int i;

	for (i = 0; i < 4; i++, h >>= 16)
		keys->forgotten[(h & 0xffff) / 64] |= 1ull << h % 64;
}

/**
 * pvs_key_forgotten() - may a request that is not found have been begun?
 * @keys: all
 * @key: of which pvs_key_find() knows nothing
 */
bool pvs_key_forgotten(const struct pvs_keys *keys, __u64 key)
{
	__u64 h = filter_hash(key);
	int i;

	for (i = 0; i < 4; i++, h >>= 16)
		if (!(keys->forgotten[(h & 0xffff) / 64] & 1ull << h % 64))
			return false;
	return true;
}

/* A free entry, or the oldest of those that are done. */
static struct pvs_key *choose(struct pvs_keys *keys)
{
	struct pvs_key *oldest = NULL;
	__u32 i;

	for (i = 0; i < PVS_KEYS; i++) {
		struct pvs_key *e = &keys->entries[i];

		if (e->state == PVS_KEY_FREE)
			return e;
		if (e->state == PVS_KEY_DONE &&
		    (!oldest || (__s32)(e->age - oldest->age) < 0))
			oldest = e;
	}
	return oldest;
}

/**
 * pvs_key_begin() - remember a request that is about to be carried out
 * @keys: all
 * @key: not 0, and not known
 * @service: of the request
 * @op: of the request
 *
 * Return: the entry, or NULL if too many are under way.
 */
struct pvs_key *pvs_key_begin(struct pvs_keys *keys, __u64 key, __u16 service,
			      __u16 op)
{
	struct pvs_key *e = choose(keys);

	if (!e)
		return NULL;
	if (e->state != PVS_KEY_FREE)
		forget(keys, e->key);
	memset(e, 0, sizeof(*e));
	e->key = key;
	e->service = service;
	e->op = op;
	e->age = keys->age++;
	e->state = PVS_KEY_RUNNING;
	return e;
}

/**
 * pvs_key_done() - remember the answer
 * @key: the entry
 * @status: enum pvc_status
 * @body: of the answer
 * @len: its length; nothing is kept of one that is longer than PVS_BODY
 */
void pvs_key_done(struct pvs_key *key, __u32 status, const void *body,
		  __u32 len)
{
	key->state = PVS_KEY_DONE;
	key->status = status;
	key->len = len <= PVS_BODY ? len : 0;
	memcpy(key->body, body, key->len);
}
