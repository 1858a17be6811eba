# shellcheck shell=bash disable=SC2016,SC2153
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds whose warnings must not get lost, and what scripts/check and scripts/setup say
# when they cannot do what is asked.

# build_fake: the lab's build of a made-up tree, whose compiler warns of the word "bad".
build_fake()
{
	CACHE=$TMP/buildcache bash -c '
		set -u
		TREE=$1
		CACHE=$2
		K_NAME=6.1 K_RELEASE=6.1 K_KDIR=/none K_ROOT=/
		. "$3/scripts/lab.d/common.sh"
		CACHE=$2
		. "$3/scripts/lab.d/build.sh"
		build_modules' build_fake "$TMP/built" "$TMP/buildcache" "$TREE" 2>&1
}

builds()
{
	local tree=$TMP/built

	mkdir -p "$tree/drivers" "$tree/include" "$tree/scripts/compat" "$tree/scripts/install"
	cp "$TREE/scripts/install/sources.sh" "$tree/scripts/install/"
	: > "$tree/Kbuild"
	: > "$tree/Kconfig"
	printf '%s\n' 'modules: a.o b.o' '%.o: drivers/%.c' \
		"	@! grep -q bad \$< || echo '\$<: warning: it is bad'" '	@touch $@' > "$tree/Makefile"
	echo bad > "$tree/drivers/a.c"
	echo good > "$tree/drivers/b.c"
	tap_check "build: a warning is told" grep -q "a.c: warning" <(build_fake)
	tap_check "build: it is told again when nothing is compiled" grep -q "a.c: warning" <(build_fake)
	echo better > "$tree/drivers/b.c"
	tap_check "build: it is told again when another file is compiled" grep -q "a.c: warning" <(build_fake)
	echo good > "$tree/drivers/a.c"
	build_fake > "$TMP/build.out"
	tap_fails "build: it is gone when the file is mended" grep -q warning: "$TMP/build.out"
}

# told STATUS WORDS DESCRIPTION COMMAND...: ends with that status and one line.
told()
{
	local status

	timeout 120 "${@:4}" > "$TMP/told" 2>&1 < /dev/null
	status=$?
	if [ "$status" = "$1" ] && grep -q -- "$2" "$TMP/told" && [ "$(wc -l < "$TMP/told")" = 1 ]; then
		tap_ok "$3"
	else
		tap_not_ok "$3" "status $status, wanted $1 and one line with '$2'" "$(head -n 20 "$TMP/told")"
	fi
}

command_line()
{
	local check=$TREE/scripts/check setup=$TREE/scripts/setup

	told 2 "no kernel '5.10'; there are: 6.1" "check: an unknown kernel is an error" "$check" --kernel 5.10
	told 2 "no kernel ''" "check: --kernel without a name is an error" "$check" --kernel
	told 2 "no suite 'blok'" "check: an unknown suite is an error" "$check" blok
	told 2 "lanes" "check: --lanes 0 is an error" "$check" --lanes 0
	printf 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n' > "$TMP/os-release"
	told 1 "Debian 12 only, this is Debian GNU/Linux 13" "setup: another release is told" \
		env PVG_OS_RELEASE="$TMP/os-release" "$setup"
	if [ "$(id -u)" != 0 ]; then
		told 2 "needs root" "check: a user without root is told what needs it" "$check"
		return
	fi
	# A user cannot look into root's directories, so the scripts are copied.
	mkdir -p "$TMP/user" && cp -r "$TREE/scripts" "$TREE/selftests" "$TMP/user/" && chmod -R a+rX "$TMP"
	told 2 "needs root .*; without: scripts/check static unit" "check: a user without root is told what needs it" \
		setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$TMP/home" "$TMP/user/scripts/check"
	told 2 "MiB must be free" "check: a full disk is told" unshare --mount bash -c '
		mkdir -p "$0" && mount -t tmpfs -o size=64M none "$0" && XDG_CACHE_HOME=$0 exec "$1"' "$TMP/full" "$check"
	mkdir -p "$TMP/bin"
	printf '#!/bin/sh\nexit 1\n' > "$TMP/bin/dpkg-query"
	chmod +x "$TMP/bin/dpkg-query"
	PATH=$TMP/bin:$PATH TMPDIR=$TMP unshare --net "$setup" > "$TMP/told" 2>&1 < /dev/null
	tap_is "$? $(tail -n 1 "$TMP/told" | cut -c1-29)" "1 setup: apt-get update failed:" \
		"setup: without a network, the error of apt is told"
}
