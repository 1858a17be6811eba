# SPDX-License-Identifier: GPL-2.0
# Programs of the operations suite, made by selftests/vm and by `make check`.

CFLAGS ?= -O2 -g

TOP := ../..
include $(TOP)/protocol/files.mk
PEER := ../control/peer.c

all: client xxh3 pty tools

# The daemon and the host's tool, which the tests have in tools/.
tools:
	@$(MAKE) -s -C $(TOP)/tools

client: client.c test_operations.h $(PEER) ../control/peer.h ../lib/tap.h $(PVC_CORE) $(PVC_HEADERS)
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror \
		-I../lib $(PVC_CFLAGS) -o $@ client.c $(PEER) $(PVC_CORE) -lz

pty: pty.c
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -o $@ pty.c

xxh3: xxh3.c
	$(CC) $(CFLAGS) -std=c11 -Wall -Wextra -Werror -o $@ xxh3.c -lxxhash

.PHONY: all tools
