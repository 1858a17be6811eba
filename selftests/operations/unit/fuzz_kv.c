// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the key-value store's file. The input is a file less its checksum, which is made
 * here: what the checksum keeps away is not what is to be found.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "kv_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[KV_FILE_MAX];
	struct kv_store store = { 0 };
	XXH128_canonical_t sum;
	uint8_t *file = malloc(size + sizeof(sum));
	size_t len;

	memcpy(file, data, size);
	XXH128_canonicalFromHash(&sum, XXH3_128bits(file, size));
	memcpy(file + size, &sum, sizeof(sum));
	if (kv_decode(&store, file, size + sizeof(sum))) {
		if (store.nr || store.total)
			abort();
	} else {
		/* What was understood is written as it was, but for the order. */
		len = kv_encode(&store, store.reserved, again);
		if (len != size + sizeof(sum))
			abort();
		kv_free(&store);
		if (kv_decode(&store, again, len))
			abort();
		if (store.nr > KV_KEYS_MAX || store.total > KV_TOTAL_MAX)
			abort();
	}
	kv_free(&store);
	free(file);
	return 0;
}
