// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

/*
 * XXH3 without vectors. Emulated CPUs, for whom vectors are the slowest instructions of all, do
 * it three times as fast (1000 MB/s for 320), and for others 9 GB/s is more than a port moves.
 */
#define XXH_INLINE_ALL
#define XXH_VECTOR	XXH_SCALAR
#include <xxhash.h>

#include "digest.h"

int digest_new(struct digest *d, bool sha256)
{
	int err;

	memset(d, 0, sizeof(*d));
	d->xxh3 = XXH3_createState();
	if (!d->xxh3)
		return -ENOMEM;
	if (sha256) {
		err = sha256_new(&d->sha256);
		if (err) {
			digest_free(d);
			return err;
		}
	}
	return digest_reset(d);
}

int digest_reset(struct digest *d)
{
	if (XXH3_128bits_reset(d->xxh3) != XXH_OK)
		return -EIO;
	return d->sha256 ? sha256_reset(d->sha256) : 0;
}

int digest_update(struct digest *d, const void *buf, size_t len)
{
	d->unasked += len;
	if (d->unasked >= DIGEST_ASKS) {
		d->unasked = 0;
		if (d->over && d->over(d->priv))
			return -ECANCELED;
	}
	if (XXH3_128bits_update(d->xxh3, buf, len) != XXH_OK)
		return -EIO;
	return d->sha256 ? sha256_update(d->sha256, buf, len) : 0;
}

int digest_zeros(struct digest *d, __u64 len)
{
	static const __u8 zeros[16384];
	int err = 0;

	while (len && !err) {
		size_t n = len < sizeof(zeros) ? len : sizeof(zeros);

		err = digest_update(d, zeros, n);
		len -= n;
	}
	return err;
}

void digest_xxh3(const struct digest *d, __u8 hash[DIGEST_XXH3])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(d->xxh3));
	memcpy(hash, canonical.digest, DIGEST_XXH3);
}

int digest_sha256(struct digest *d, __u8 hash[DIGEST_SHA256])
{
	return sha256_final(d->sha256, hash);
}

void digest_free(struct digest *d)
{
	XXH3_freeState(d->xxh3);
	d->xxh3 = NULL;
	sha256_free(d->sha256);
	d->sha256 = NULL;
}
