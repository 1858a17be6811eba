# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a check cannot do without, told in one line before anything is begun.

# MiB that must be free where the cache is, and as much again when the cache is new.
FREE_WARM=3000
FREE_COLD=15000
FREE_TMP=1000

wrong()
{
	echo "check: $*" >&2
	return 1
}

# free_mib DIRECTORY: of its file system, also where the directory is still to be made.
free_mib()
{
	local at=$1

	while [ ! -d "$at" ]; do
		at=$(dirname "$at")
	done
	df --output=avail -m "$at" | tail -n 1
}

# preflight SUITE...
preflight()
{
	local need=$FREE_WARM suite root=

	for suite; do
		[[ $suite == static || $suite == unit ]] || root+=" $suite"
	done
	[ "$(id -u)" = 0 ] || [ -z "$root" ] || {
		wrong "needs root (chroots, network namespaces, mounts) for:$root; without: scripts/check static unit"
		return
	}
	[ -e "$CACHE/chroot" ] || need=$FREE_COLD
	mkdir -p "$CACHE" 2> /dev/null || { wrong "$CACHE cannot be made: set XDG_CACHE_HOME"; return; }
	[ "$(free_mib "$CACHE")" -ge "$need" ] || {
		wrong "$need MiB must be free for $CACHE, there are $(free_mib "$CACHE"): make room or set XDG_CACHE_HOME"
		return
	}
	[ "$(free_mib "${TMPDIR:-/tmp}")" -ge "$FREE_TMP" ] ||
		wrong "$FREE_TMP MiB must be free in ${TMPDIR:-/tmp}, there are $(free_mib "${TMPDIR:-/tmp}"): make room or set TMPDIR"
}
