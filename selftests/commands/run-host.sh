#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each command says in one line what to do when it is used in a wrong way; the table has how.
# And those that the documentation names exist.
#
#   selftests/commands/run-host.sh [WORD]     only the lines of the table with WORD
#   selftests/commands/run-host.sh documentation     only what the documentation names
#
# Programs in tools/ are built before (make tools).

HERE=$(cd "$(dirname "$0")" && pwd)
TREE=$(cd "$HERE/../.." && pwd)
# shellcheck source=selftests/lib/tap.sh
. "$HERE/../lib/tap.sh"

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

# The user of the commands. One that would not refuse what it should must have neither root's
# rights nor this tree.
USER_COMMAND=(env -u PVHOST_SOCKET -u MAKEFLAGS -u MAKELEVEL HOME="$TMP/home" TMPDIR="$TMP/home")
[ "$(id -u)" != 0 ] || USER_COMMAND=(setpriv --reuid=65534 --regid=65534 --clear-groups "${USER_COMMAND[@]}")
[[ $("${USER_COMMAND[@]}" id -u) =~ ^[1-9][0-9]*$ ]] ||
	{ tap_not_ok "commands: they are run by a user without rights"; tap_done; }

# shellcheck source=selftests/commands/documentation.sh
. "$HERE/documentation.sh"

# prepare: a copy of the tree that any user can read, and a system without devices.
prepare()
{
	mkdir -p "$TMP/none/proc/sys/kernel" "$TMP/none/sys/bus/virtio/devices" "$TMP/none/lib/modules" "$TMP/tree" "$TMP/home"
	echo 6.1 > "$TMP/none/proc/sys/kernel/osrelease"
	(cd "$TREE" && tar -c --exclude='*.o' --exclude=corpus Makefile include protocol scripts selftests tools) |
		tar -x -C "$TMP/tree" && chmod -R a+rX "$TMP" && chmod 1777 "$TMP/home"
}

# wrong STATUS WORDS COMMAND...: make's own lines, which say which target failed, are left out.
wrong()
{
	local status lines

	(cd "$TMP/tree" && timeout 120 "${USER_COMMAND[@]}" "${@:3}") > "$TMP/said" 2>&1 < /dev/null
	status=$?
	if [ "$3" = make ]; then
		sed -i '/^make/d' "$TMP/said"
		[ "$status" != 2 ] || status=1
	fi
	lines=$(wc -l < "$TMP/said")
	if [ "$status" = "$1" ] && [ "$lines" = 1 ] && grep -q -- "$2" "$TMP/said"; then
		tap_ok "commands: ${*:3} says what to do"
	else
		tap_not_ok "commands: ${*:3} says what to do" \
			"status $status, wanted $1; $lines lines, wanted one with '$2'" "$(head -n 10 "$TMP/said")"
	fi
}

tap_check "commands: the tree is copied" prepare || tap_done
for program in tools/pvhost tools/build/pvguestd; do
	tap_check "commands: $program is built" test -x "$TREE/$program"
done
while IFS='|' read -r status words command; do
	[[ $status =~ ^[0-9]+\ $ && $command == *"${1:-}"* ]] || continue
	words=${words# }
	read -r -a words_of <<< "${command//@NONE@/$TMP\/none}"
	wrong "${status% }" "${words% }" "${words_of[@]}"
done < "$HERE/table"
if [[ documentation == *"${1:-}"* ]]; then
	documentation_fails
	documentation "$TREE"/{README,CONTRIBUTING,SECURITY}.md "$TREE"/Documentation/*.md
fi
tap_done
