// SPDX-License-Identifier: GPL-2.0-only
/* The XXH3-128 of standard input, as the library makes it in one piece. */
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

int main(void)
{
	XXH128_canonical_t hash;
	char *data = malloc(64 << 20);
	size_t len = data ? fread(data, 1, 64 << 20, stdin) : 0;
	unsigned int i;

	if (!data)
		return 1;
	XXH128_canonicalFromHash(&hash, XXH3_128bits(data, len));
	for (i = 0; i < sizeof(hash.digest); i++)
		printf("%02x", hash.digest[i]);
	putchar('\n');
	free(data);
	return 0;
}
