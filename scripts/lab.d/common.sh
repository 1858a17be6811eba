# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# Messages, the cache and its locks.

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pvguest

# Exit statuses of ours; --help explains them.
readonly EX_USAGE=2 EX_LOST=97 EX_DIED=98 EX_CONSOLE=99 EX_TIMEOUT=124

say() {
	printf 'lab: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit "$EX_USAGE"
}

need() {
	local tool

	for tool; do
		command -v "$tool" >/dev/null || die "$tool is missing: run scripts/setup"
	done
}

# with_lock NAME COMMAND...: run COMMAND while no other lab holds NAME. Locks do
# not nest; what COMMAND leaves in the background must close LOCK_FD.
with_lock() {
	local name=$1 rc=0

	shift
	mkdir -p "$CACHE/locks"
	exec {LOCK_FD}>"$CACHE/locks/$name"
	if ! flock -n "$LOCK_FD"; then
		say "waiting for another lab to finish with $name"
		flock "$LOCK_FD"
	fi
	"$@" || rc=$?
	exec {LOCK_FD}>&-
	return "$rc"
}

# run_logged LOG COMMAND...: show COMMAND's output only if it fails.
run_logged() {
	local log=$1 rc=0

	shift
	"$@" >"$log" 2>&1 || rc=$?
	[ "$rc" = 0 ] && return
	tail -n 60 "$log" >&2
	say "failed ($rc): $* (whole log: $log)"
	return "$rc"
}

# hash_of TEXT...: a short name for a combination of things.
hash_of() {
	printf '%s\n' "$@" | sha256sum | cut -c1-12
}
