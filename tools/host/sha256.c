// SPDX-License-Identifier: GPL-2.0-only
/* SHA-256 of libcrypto, for tools/transfer/digest.h. */
#include <errno.h>
#include <openssl/evp.h>

#include "transfer/digest.h"

struct sha256;

static EVP_MD_CTX *context(struct sha256 *sha)
{
	return (EVP_MD_CTX *)sha;
}

int sha256_new(struct sha256 **sha)
{
	*sha = (struct sha256 *)EVP_MD_CTX_new();
	return *sha ? 0 : -ENOMEM;
}

int sha256_reset(struct sha256 *sha)
{
	return EVP_DigestInit_ex(context(sha), EVP_sha256(), NULL) ? 0 : -EIO;
}

int sha256_update(struct sha256 *sha, const void *buf, size_t len)
{
	return EVP_DigestUpdate(context(sha), buf, len) ? 0 : -EIO;
}

int sha256_final(struct sha256 *sha, __u8 hash[DIGEST_SHA256])
{
	return EVP_DigestFinal_ex(context(sha), hash, NULL) ? 0 : -EIO;
}

void sha256_free(struct sha256 *sha)
{
	EVP_MD_CTX_free(context(sha));
}
