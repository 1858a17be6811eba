// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exchanges two names without pause, as a user of the guest does to be between the look at a
 * path and its use:
 *
 *	exchange NAME NAME
 */
#include <stdio.h>
#include <fcntl.h>

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: exchange NAME NAME\n", stderr);
		return 2;
	}
	while (!renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE))
		;
	perror("exchange");
	return 1;
}
