// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CRC-32 of frames. crc32_le() of kernels before 6.14 looks each byte up in tables, which
 * takes longer than all copies of a frame together. x86 has an instruction for it, which these
 * kernels offer through the crypto API alone.
 */
#include <crypto/hash.h>

#include "channel.h"

#define FAST_MIN	1024	/* bytes; for less the detour is not worth it */

#if IS_ENABLED(CONFIG_CRYPTO_CRC32_PCLMUL) && IS_BUILTIN(CONFIG_CRYPTO_HASH2)

static struct crypto_shash *fast;	/* set once, before the module's exit frees it */

/**
 * pvg_crc_find() - look for what is faster than crc32_le()
 *
 * The module that has it may have to be loaded, which the root file system has: this is called
 * when a daemon opens the device, before bulk data can come.
 *
 * Context: may sleep.
 */
void pvg_crc_find(void)
{
	const __le32 seed = cpu_to_le32(~0u);
	struct crypto_shash *tfm;

	if (READ_ONCE(fast))
		return;
	tfm = crypto_alloc_shash("crc32-pclmul", 0, 0);
	if (IS_ERR(tfm))
		return;
	if (crypto_shash_setkey(tfm, (const u8 *)&seed, sizeof(seed)) ||
	    cmpxchg(&fast, NULL, tfm))
		crypto_free_shash(tfm);
}

/**
 * pvg_crc_exit() - at the module's end
 */
void pvg_crc_exit(void)
{
	if (fast)
		crypto_free_shash(fast);
}

/* Returns whether it was done. */
static bool crc32_fast(const void *data, u32 len, u32 *crc)
{
	struct crypto_shash *tfm = READ_ONCE(fast);
	__le32 sum;

	if (len < FAST_MIN || !tfm ||
	    crypto_shash_tfm_digest(tfm, data, len, (u8 *)&sum))
		return false;
	*crc = ~le32_to_cpu(sum);
	return true;
}

#else

void pvg_crc_find(void)
{
}

void pvg_crc_exit(void)
{
}

static bool crc32_fast(const void *data, u32 len, u32 *crc)
{
	return false;
}

#endif

/**
 * pvc_crc32() - CRC-32 as in IEEE 802.3, zlib and PNG
 * @data: some bytes
 * @len: how many
 *
 * Context: any.
 */
u32 pvc_crc32(const void *data, u32 len)
{
	u32 crc;

	if (crc32_fast(data, len, &crc))
		return crc;
	return ~crc32_le(~0u, data, len);
}
