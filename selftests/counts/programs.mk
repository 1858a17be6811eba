# SPDX-License-Identifier: GPL-2.0-only
# The program of the counts suite, made by selftests/vm. It is static, since it runs
# on both sides.

CFLAGS ?= -O2 -g

load: load.c
	$(CC) $(CFLAGS) -std=c11 -Wall -Wextra -Werror -static -pthread -o $@.tmp$$$$ $< && \
	mv $@.tmp$$$$ $@

clean:
	rm -f load *.tmp*

.PHONY: clean
