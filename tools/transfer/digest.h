/* SPDX-License-Identifier: GPL-2.0-only */
/* The hashes of a file's content, holes being zeros: XXH3-128, and SHA-256 if it is wanted. */
#ifndef _TOOLS_TRANSFER_DIGEST_H
#define _TOOLS_TRANSFER_DIGEST_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define DIGEST_XXH3	16u	/* bytes */
#define DIGEST_SHA256	32u

/*
 * SHA-256 is the kernel's in the guest (tools/pvguestd/sha256.c) and libcrypto's on the host
 * (tools/host/sha256.c).
 */
struct sha256;

/* -errno: there is none; -EAFNOSUPPORT: the kernel has none */
int sha256_new(struct sha256 **sha);
/* From the beginning. */
int sha256_reset(struct sha256 *sha);
int sha256_update(struct sha256 *sha, const void *buf, size_t len);
int sha256_final(struct sha256 *sha, __u8 hash[DIGEST_SHA256]);
void sha256_free(struct sha256 *sha);

/* A hole of terabytes takes hours: after so many bytes, &digest.over is asked. */
#define DIGEST_ASKS	(64u << 20)

/**
 * struct digest - @over and @priv are the owner's to set, behind digest_new()
 * @over: is the result of no use any more? Then updates fail with -ECANCELED. NULL: never
 * @priv: its argument
 */
struct digest {
	bool (*over)(void *priv);
	void *priv;
	void *xxh3;
	struct sha256 *sha256;	/* NULL: not wanted */
	size_t unasked;		/* bytes since @over was asked */
};

/* 0 or -errno */
int digest_new(struct digest *d, bool sha256);
int digest_reset(struct digest *d);
int digest_update(struct digest *d, const void *buf, size_t len);
int digest_zeros(struct digest *d, __u64 len);
/* Of all so far; more may follow. */
void digest_xxh3(const struct digest *d, __u8 hash[DIGEST_XXH3]);
/* Nothing may follow but digest_reset(). */
int digest_sha256(struct digest *d, __u8 hash[DIGEST_SHA256]);
void digest_free(struct digest *d);

#endif /* _TOOLS_TRANSFER_DIGEST_H */
