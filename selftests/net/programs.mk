# SPDX-License-Identifier: GPL-2.0-only
#
# The programs of the network suite, which scripts/bench net needs, too:
#
#   make -C selftests/net -f programs.mk
#
# peer is static, so that it runs on either side whatever libraries are there.

CFLAGS ?= -O2 -g
override CFLAGS += -std=c11 -Wall -Wextra -Werror
CLANG ?= clang
# Where the headers are that belong to the machine.
INCLUDES := -I/usr/include/$(shell $(CC) -dumpmachine)

all: peer genl xdp.bpf

peer: peer.c serve.c common.c map.c stall.c vlan.c xsk.c rxhash.c peer.h
	$(CC) $(CFLAGS) -static -o $@.tmp$$$$ $(filter %.c,$^) && mv $@.tmp$$$$ $@

genl: genl.c peer.h
	$(CC) $(CFLAGS) -static -o $@.tmp$$$$ $< && mv $@.tmp$$$$ $@

xdp.bpf: xdp.bpf.c
	$(CLANG) -O2 -g -Wall -Wextra -Werror -target bpf $(INCLUDES) -c -o $@.tmp$$$$ $< && \
	mv $@.tmp$$$$ $@

clean:
	rm -f peer genl xdp.bpf *.tmp*

.PHONY: all clean
