# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# sources PATH...: the files there, in the tree that is the current directory, one a
# line, without what a build has left among them.
sources() {
	find "$@" -path include/generated -prune -o -path tools/build -prune -o \
		-path tools/generated -prune -o -path tools/pvhost -prune -o -type f ! -name '.*' ! -name '*.o' \
		! -name '*.ko' ! -name '*.a' ! -name '*.mod' ! -name '*.mod.c' \
		! -name '*.order' ! -name '*.symvers' -print
}

# Of the modules, for whoever builds them; and of the packages besides.
# shellcheck disable=SC2034 # for those who read this
MODULE_SOURCES="Kbuild Kconfig Makefile include drivers protocol scripts/compat"
# shellcheck disable=SC2034
PACKAGE_SOURCES="Kbuild Kconfig Makefile COPYING dkms.conf debian include drivers protocol scripts tools \
README.md CHANGELOG.md SECURITY.md Documentation"
