# SPDX-License-Identifier: GPL-2.0-only
#
# pvguest: out-of-tree build. "make help" lists the targets.

# The newest installed headers, unless told otherwise.
KDIR ?= $(shell ls -d /lib/modules/*/build /usr/src/linux-headers-*/ 2>/dev/null | \
	  grep -v -- '-common' | sort -V | tail -n 1)

MODULES := CONFIG_PVG_RING=m CONFIG_PVG_BLK=m CONFIG_PVG_NET=m \
	   CONFIG_PVG_BALLOON=m CONFIG_PVG_CTL=m

.PHONY: all modules tools clean install uninstall deb rpm check check-all demo bench help

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

install uninstall:
	@scripts/install/install $@

deb rpm:
	scripts/install/$@

check:
	scripts/check

check-all:
	scripts/check-all

demo:
	scripts/demo

bench:
	scripts/bench block

# What is no target.
.DEFAULT:
	@echo "no target '$@'; make help lists them" >&2; exit 1

help:
	@echo 'Targets:'
	@echo '  all      build the modules, drivers/*/pvg_*.ko (default)'
	@echo '  tools    build what runs in userspace: tools/pvhost, tools/build/pvguestd'
	@echo '  install, uninstall'
	@echo '           in this guest, with DKMS where there is one; as root'
	@echo '  deb      build the packages pvguest-dkms, -guest and -host, into build/'
	@echo '  rpm      build the package pvguest-dkms, into build/'
	@echo '  check    scripts/check: static checks, unit tests, VM suites'
	@echo '  check-all'
	@echo '           scripts/check-all: the same, and what takes long'
	@echo '  demo     scripts/demo: build, boot, short benchmark'
	@echo '  bench    scripts/bench block: ours against the in-tree driver'
	@echo '  clean    remove what was built'
	@echo 'Variables:'
	@echo '  KDIR=DIR kernel headers or build tree (default: newest installed)'
	@echo '  W=1      more warnings;  C=1 run sparse;  LLVM=1 build with clang'
