# SPDX-License-Identifier: GPL-2.0
# Programs of the control suite that run in the VM, made by selftests/vm.

CFLAGS ?= -O2 -g

all: files stall

files stall: %: %.c
	$(CC) $(CFLAGS) -std=c11 -Wall -Wextra -Werror -static -pthread -o $@ $<

.PHONY: all
