# SPDX-License-Identifier: GPL-2.0-only
#
# pvguest: out-of-tree build. "make help" lists the targets.

# The newest installed headers, unless told otherwise.
KDIR ?= $(shell ls -d /lib/modules/*/build /usr/src/linux-headers-*/ 2>/dev/null | \
	  grep -v -- '-common' | sort -V | tail -n 1)

MODULES := CONFIG_PVG_RING=m CONFIG_PVG_BLK=m CONFIG_PVG_NET=m \
	   CONFIG_PVG_BALLOON=m CONFIG_PVG_CTL=m

.PHONY: all modules tools clean check demo bench help

all: modules

modules:
	@test -e "$(KDIR)/Makefile" || { \
	  echo "No kernel headers at KDIR='$(KDIR)': install them or pass KDIR=" >&2; \
	  exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(MODULES) modules

tools:
	$(MAKE) -C tools

clean:
	$(MAKE) -C tools clean
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(MODULES) clean
	$(MAKE) -C selftests clean

check:
	scripts/check

demo:
	scripts/demo

bench:
	scripts/bench block

help:
	@echo 'Targets:'
	@echo '  all      build the modules, drivers/*/pvg_*.ko (default)'
	@echo '  tools    build what runs in userspace, tools/pvhost'
	@echo '  check    scripts/check: static checks, unit tests, VM suites'
	@echo '  demo     scripts/demo: build, boot, short benchmark'
	@echo '  bench    scripts/bench block: ours against the in-tree driver'
	@echo '  clean    remove what was built'
	@echo 'Variables:'
	@echo '  KDIR=DIR kernel headers or build tree (default: newest installed)'
	@echo '  W=1      more warnings;  C=1 run sparse;  LLVM=1 build with clang'
