# SPDX-License-Identifier: GPL-2.0-only
# Programs of the control suite that run in the VM, made by selftests/vm.

CFLAGS ?= -O2 -g

TOP := ../..

# The TAP printer.
TAP := ../lib/tap.h

all: files stall lease stream pvhost

# The host's tool, which the tests have in tools/.
pvhost:
	@$(MAKE) -s -C $(TOP)/tools pvhost

lease: lease.c $(TOP)/include/uapi/pvguest/control_dev.h
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -static \
		-pthread -I$(TOP)/include/uapi -o $@ $<

# The protocol's core, as the host has it.
include $(TOP)/protocol/files.mk

stream: stream.c provider.c peer.c provider.h peer.h $(TAP) $(PVC_CORE) $(PVC_HEADERS)
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror \
		-I../lib $(PVC_CFLAGS) -o $@ stream.c provider.c peer.c $(PVC_CORE) -lz

files stall: %: %.c $(TAP)
	$(CC) $(CFLAGS) -std=c11 -Wall -Wextra -Werror -static -pthread -I../lib -o $@ $<

.PHONY: all pvhost
