/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the protocol core takes from its surroundings, in the kernel and in
 * userspace: fixed-size types, byte order, memcpy and friends, and a CRC.
 */
#ifndef _PVGUEST_FREESTANDING_H
#define _PVGUEST_FREESTANDING_H

#ifdef __KERNEL__

#include <linux/crc32.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/byteorder.h>

__u32 pvc_crc32(const void *data, __u32 len);

#else /* !__KERNEL__ */

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <linux/types.h>
#include <zlib.h>

#define le16_to_cpu(x)	le16toh(x)
#define le32_to_cpu(x)	le32toh(x)
#define le64_to_cpu(x)	le64toh(x)
#define cpu_to_le16(x)	htole16(x)
#define cpu_to_le32(x)	htole32(x)
#define cpu_to_le64(x)	htole64(x)

#define min_t(type, a, b)		\
({					\
	type __a = (a);			\
	type __b = (b);			\
	__a < __b ? __a : __b;		\
})

/* CRC-32 as in IEEE 802.3, zlib and PNG. */
static inline __u32 pvc_crc32(const void *data, __u32 len)
{
	return (__u32)crc32(0, data, len);
}

#endif /* !__KERNEL__ */

#endif /* _PVGUEST_FREESTANDING_H */
