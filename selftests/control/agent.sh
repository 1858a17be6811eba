#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Debian's qemu-guest-agent, unchanged, on our port: ping, running a program,
# a file there and back, freezing and thawing a filesystem. This test is the
# host, at the port that is the other end of the agent's.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

MIB=${PVG_AGENT_MIB:-4}	# of the file
CHUNK=2

# answer [SECONDS]: the agent's next line.
answer()
{
	timeout "${1:-60}" head -n 1 <&3
}

# ask COMMAND [ARGUMENTS [SECONDS]]
ask()
{
	printf '{"execute": "%s", "arguments": %s}\n' "$1" "${2:-{\}}" >&3
	answer "${3:-60}"
}

# returned FILTER: of the agent's answer on stdin.
returned()
{
	jq -r ".return${1:-}"
}

start_agent()
{
	mkdir -p "$TMP/state"
	qemu-ga -m virtio-serial -p "$1" -t "$TMP/state" -f "$TMP/pid" > "$TMP/log" 2>&1 &
	AGENT=$!
	tap_at_exit kill "$AGENT"
}

# put FILE: HANDLE is a file the agent has open for writing.
put()
{
	local i

	for ((i = 0; i < MIB / CHUNK; i++)); do
		{
			printf '{"execute": "guest-file-write", "arguments": {"handle": %s, "buf-b64": "' \
				"$HANDLE"
			dd if="$1" bs="${CHUNK}M" skip="$i" count=1 status=none | base64 -w 0
			printf '"}}\n'
		} >&3
		[ "$(answer 120 | returned .count)" = $((CHUNK << 20)) ] || return 1
	done
}

# get: what is in the file that the agent has open as HANDLE, to stdout.
get()
{
	local i

	for ((i = 0; i < MIB / CHUNK; i++)); do
		ask guest-file-read "{\"handle\": $HANDLE, \"count\": $((CHUNK << 20))}" 120 |
			returned '["buf-b64"]' | base64 -d || return 1
	done
}

ctl_begin
ctl_need org.qemu.guest_agent.0
agent_port=$PORT
ctl_need pvg.gahost
exec 3<> "$PORT"
start_agent "$agent_port"

tap_is "$(ask guest-ping | jq -c .)" '{"return":{}}' "guest-ping is answered"
tap_is "$(ask guest-sync '{"id": 4711}' | returned)" 4711 "guest-sync returns the id it was given"
tap_is "$(ask guest-info | returned .version | cut -d. -f1)" \
	"$(qemu-ga --version | sed 's/.* \([0-9]*\)\..*/\1/')" "guest-info names the version of the agent that is installed"

pid=$(ask guest-exec '{"path": "/usr/bin/uname", "arg": ["-r"], "capture-output": true}' |
	returned .pid)
for _ in {1..100}; do
	status=$(ask guest-exec-status "{\"pid\": $pid}")
	[ "$(returned .exited <<< "$status")" != true ] || break
	sleep 0.5
done
tap_is "$(returned '["out-data"]' <<< "$status" | base64 -d)" "$(uname -r)" \
	"guest-exec runs a program and returns its output"

{ seeded_bytes 65536; seq "$SEED" $((SEED + (MIB << 18))); } | head -c $((MIB << 20)) > "$TMP/source"
HANDLE=$(ask guest-file-open "{\"path\": \"$TMP/copy\", \"mode\": \"w\"}" | returned)
start=$SECONDS
tap_check "guest-file-write takes $MIB MiB" put "$TMP/source"
tap_diag "in $((SECONDS - start)) s"
tap_is "$(ask guest-file-close "{\"handle\": $HANDLE}" | jq -c .)" '{"return":{}}' \
	"guest-file-close closes the file that was written"
tap_check "the file that was written has the bytes that were sent" cmp "$TMP/source" "$TMP/copy"
HANDLE=$(ask guest-file-open "{\"path\": \"$TMP/copy\", \"mode\": \"r\"}" | returned)
start=$SECONDS
tap_is "$(get | sha256sum)" "$(sha256sum < "$TMP/source")" \
	"guest-file-read returns the $MIB MiB of the file"
tap_diag "in $((SECONDS - start)) s"
ask guest-file-close "{\"handle\": $HANDLE}" > /dev/null

modprobe brd rd_nr=1 rd_size=32768 || tap_absent "there is no module brd"
mkdir "$TMP/mnt"
tap_check "ext4 can be made and mounted on a RAM disk" \
	sh -c "mkfs.ext4 -q /dev/ram0 && mount /dev/ram0 '$TMP/mnt'" || tap_done
tap_at_exit umount -q "$TMP/mnt"
tap_is "$(ask guest-fsfreeze-freeze | returned)" 1 "guest-fsfreeze-freeze freezes one filesystem"
touch "$TMP/mnt/file" &
touch=$!
sleep 1
tap_is "$(ask guest-fsfreeze-status | returned)" frozen "guest-fsfreeze-status: frozen after the freeze"
tap_check "a write to the frozen filesystem waits" kill -0 $touch
tap_is "$(ask guest-fsfreeze-thaw | returned)" 1 "guest-fsfreeze-thaw thaws one filesystem"
tap_check "the write that waited ends after the thaw" wait $touch
tap_is "$(ask guest-fsfreeze-status | returned)" thawed "guest-fsfreeze-status: thawed after the thaw"

kill "$AGENT"
wait "$AGENT"
tap_check "the port can be opened once the agent has ended" sh -c ": <> $agent_port"
umount "$TMP/mnt"

tap_done
