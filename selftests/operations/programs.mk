# SPDX-License-Identifier: GPL-2.0-only
# Programs of the operations suite, made by selftests/vm and by `make check`.

CFLAGS ?= -O2 -g

TOP := ../..
include $(TOP)/protocol/files.mk
PEER := ../control/peer.c

# Both sides of a transfer of files, for the programs that test it alone.
TRANSFER := $(wildcard $(TOP)/tools/transfer/*.c) $(TOP)/tools/host/sha256.c
TRANSFER_FLAGS := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I$(TOP)/tools \
	-I$(TOP)/tools/generated -I$(TOP)/include $(PVC_CFLAGS)
TRANSFER_LIBS := $(TOP)/tools/generated/file.pb.c -lxxhash -lprotobuf-nanopb -lcrypto
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all

all: client xxh3 pty cut exchange sockets render tools

# The daemon and the host's tool, which the tests have in tools/.
tools:
	@$(MAKE) -s -C $(TOP)/tools

client: client.c test_operations.h $(PEER) ../control/peer.h ../lib/tap.h $(PVC_CORE) $(PVC_HEADERS)
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror \
		-I../lib $(PVC_CFLAGS) -o $@ client.c $(PEER) $(PVC_CORE) -lz

pty: pty.c
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -o $@ pty.c

sockets: sockets.c
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -o $@ sockets.c

xxh3: xxh3.c
	$(CC) $(CFLAGS) -std=c11 -Wall -Wextra -Werror -o $@ xxh3.c -lxxhash

cut: cut.c
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -o $@ cut.c

exchange: exchange.c
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -o $@ exchange.c

# The screen of pvhost top, of data that is always the same.
RENDER := $(addprefix $(TOP)/tools/host/,top_screen.c top_text.c top_model.c units.c)
render: render.c $(RENDER) $(TOP)/tools/host/top.h
	@$(MAKE) -s -C $(TOP)/tools generated
	$(CC) $(CFLAGS) -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I$(TOP)/tools/generated \
		-o $@ render.c $(RENDER) $(TOP)/tools/generated/top.pb.c -lprotobuf-nanopb

# For transfer.sh alone, on the build machine.
unit_transfer: unit_transfer.c $(TRANSFER) $(wildcard $(TOP)/tools/transfer/*.h)
	@$(MAKE) -s -C $(TOP)/tools generated
	$(CC) $(CFLAGS) $(TRANSFER_FLAGS) $(SANITIZE) -o $@ unit_transfer.c $(TRANSFER) \
		$(TRANSFER_LIBS) -lcmocka

fuzz_files: fuzz_files.c $(TRANSFER) $(wildcard $(TOP)/tools/transfer/*.h)
	@$(MAKE) -s -C $(TOP)/tools generated
	clang $(CFLAGS) $(TRANSFER_FLAGS) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ fuzz_files.c $(TRANSFER) $(TRANSFER_LIBS)

.PHONY: all tools
