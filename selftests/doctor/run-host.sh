#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvguest doctor, on this machine: what it finds in systems that image.sh makes up, each
# with one fault. Guests that are really installed are in selftests/install.
#
#   selftests/doctor/run-host.sh [PART...]
#
# Needs no root, and looks at nothing outside of a directory of its own.
# shellcheck disable=SC2016 # what stands in quotes is for jq, or for another shell

HERE=$(cd "$(dirname "$0")" && pwd)
TREE=$(cd "$HERE/../.." && pwd)
# shellcheck source=selftests/lib/tap.sh
. "$HERE/../lib/tap.sh"
# shellcheck source=selftests/doctor/image.sh
. "$HERE/image.sh"
# shellcheck source=selftests/doctor/config.sh
. "$HERE/config.sh"
# shellcheck source=selftests/doctor/uninstall.sh
. "$HERE/uninstall.sh"

PVGUEST=$TREE/tools/guest/pvguest
K=6.1.0-1-amd64
KEYS='["command","finding","line","message","name","severity","subject"]'

# doctor ARGUMENT...: STATUS, and what it said in $TMP/out and $TMP/err.
doctor()
{
	PATH=$TMP/bin:$PATH "$PVGUEST" doctor "$@" > "$TMP/out" 2> "$TMP/err" < /dev/null
	STATUS=$?
}

# finds STATUS FINDING DESCRIPTION [JQ-CONDITION]: --json has a finding of that name for
# which the condition holds, and returns STATUS.
finds()
{
	local args=(--next --root "$TMP/image")

	[ -z "${PVGUEST_TEST:-}" ] || args=()
	doctor "${args[@]}" --json
	if [ "$STATUS" = "$1" ] && jq -e --arg id "$2" "any(.[]; .finding == \$id and (${4:-true}))" \
		"$TMP/out" > "$TMP/jq" 2>&1; then
		tap_ok "$3"
	else
		tap_not_ok "$3" "status $STATUS, wanted $1 and '$2' with ${4:-true}" \
			"$(cat "$TMP/out" "$TMP/err" "$TMP/jq")"
	fi
}

# as_text STATUS DESCRIPTION ARGUMENT...: without --json the same is said: each message, and
# each command on a line of its own.
as_text()
{
	local line

	doctor "${@:3}" --json
	jq -r '.[] | select(.finding != "next-boot" and .finding != "driver") | .message' "$TMP/out" > "$TMP/messages"
	jq -r '.[].command // empty' "$TMP/out" > "$TMP/commands"
	doctor "${@:3}"
	while read -r line; do
		grep -qF -- "$line" "$TMP/out" || echo "not said: $line"
	done < "$TMP/messages" > "$TMP/differ"
	while read -r line; do
		grep -qxF -- "          $line" "$TMP/out" || echo "not on a line of its own: $line"
	done < "$TMP/commands" >> "$TMP/differ"
	if [ "$STATUS" = "$1" ] && [ -s "$TMP/messages" ] && [ ! -s "$TMP/differ" ]; then
		tap_ok "$2"
	else
		tap_not_ok "$2" "status $STATUS, wanted $1" "$(cat "$TMP/differ" "$TMP/out" "$TMP/err")"
	fi
}

# well DESCRIPTION: nothing is found.
well()
{
	doctor --next --root "$TMP/image"
	if [ "$STATUS" = 0 ] && [ "$(tail -n 1 "$TMP/out")" = "all is well" ] && [ ! -s "$TMP/err" ]; then
		tap_ok "$1"
	else
		tap_not_ok "$1" "status $STATUS" "$(cat "$TMP/out" "$TMP/err")"
	fi
}

# changed COMMAND...: the image is as new, and then changed.
changed()
{
	system "$TMP/image" "$K"
	"$@"
}

# ---- parts --------------------------------------------------------------------

image()
{
	changed true
	well "image: all is well with an image in which pvguest is installed"
	tap_check "image: the modules of the next boot are named" \
		grep -qxF "  $K (newest): pvg_ring pvg_blk pvg_net pvg_balloon pvg_ctl" "$TMP/out"
	tap_fails "image: devices are left out" grep -q '^devices' "$TMP/out"
	rm -f "$TMP/asked"
	command_is uname "echo uname >> '$TMP/asked'" 'echo 6.66'
	command_is dmesg "echo dmesg >> '$TMP/asked'"
	well "image: all is well with the image, whatever kernel runs"
	tap_fails "image: the running kernel is not asked for" cat "$TMP/asked"
	rm -f "$TMP/bin/uname" "$TMP/bin/dmesg"

	changed rm "$TMP/image/lib/modules/$K/updates/dkms/pvg_net.ko"
	indexed "$TMP/image" "$K"
	finds 1 not-built "image: a module that was not built is named" \
		'.name == "6.1.0-1-amd64" and (.message | endswith(": pvg_net")) and (.command | test("^chroot .* dkms autoinstall -k 6.1"))'
	rm -r "$TMP/image/usr/src/linux-headers-$K"
	finds 1 no-headers "image: headers that are absent are named" \
		'.command | endswith(" apt-get install linux-headers-6.1.0-1-amd64")'
	changed module "$TMP/image/lib/modules/$K/updates/dkms/pvg_blk.ko" pvg_blk-1 stub
	finds 1 stub "image: a stub is named" '.message | contains("pvg_blk")'
	changed truncate -s 50 "$TMP/image/lib/modules/$K/updates/dkms/pvg_blk.ko"
	indexed "$TMP/image" "$K"
	finds 1 damaged "image: a damaged module is named, with the command that installs it" \
		'(.message | contains("pvg_blk")) and (.command | endswith("dkms install --force -m pvguest -v 0.1.0 -k 6.1.0-1-amd64"))'
	changed rm "$TMP/image/usr/lib/modprobe.d/pvguest.conf"
	finds 1 no-softdep "image: an absent pvguest.conf is named" '.subject == "configuration"'
}

# in_initramfs SED-COMMAND
in_initramfs()
{
	sed -i "$1" "$TMP/image/boot/initrd.img-$K"
}

initramfs()
{
	changed in_initramfs /pvg_net.ko/d
	finds 1 initramfs-lacks "initramfs: a module that it lacks is named" \
		'(.message | endswith("lacks pvg_net")) and (.command | endswith("/usr/lib/pvguest/pvguest-initramfs 6.1.0-1-amd64"))'
	changed in_initramfs s/pvg_ctl-1/pvg_ctl-0/
	finds 1 initramfs-stale "initramfs: another build of a module is named" '.message | endswith("pvg_ctl")'
	changed in_initramfs '/virtio_blk.ko/d'
	finds 3 initramfs-no-fallback "initramfs: one without virtio_blk is a danger" '.severity == 3'
	changed in_initramfs /pvguest.conf/d
	finds 1 initramfs-no-softdep "initramfs: one without pvguest.conf is named"
	changed in_initramfs 's/[.]ko$/.ko.zst/'
	well "initramfs: compressed modules count as well"
	changed mv "$TMP/bin/lsinitramfs" "$TMP/lsinitramfs"
	if ! command -v lsinitramfs > /dev/null && ! command -v lsinitrd > /dev/null; then
		finds 1 initramfs-unread "initramfs: tools that are absent are told" '.command | endswith("pvguest doctor --next")'
	fi
	mv "$TMP/lsinitramfs" "$TMP/bin/"
	changed in_initramfs d
	finds 1 initramfs-empty "initramfs: one that cannot be read is named"
}

json()
{
	changed true
	doctor --next --root "$TMP/image" --json
	tap_is "$STATUS $(jq -c 'map(.severity) | unique' "$TMP/out")" "0 [0]" "json: all is well"
	tap_check "json: each finding has the same keys" jq -e --argjson keys "$KEYS" \
		'all(.[]; (keys | contains($keys)))' "$TMP/out"
	tap_is "$(jq -c '.[] | select(.finding == "next-boot") | [.name, .modules, .notes]' "$TMP/out")" \
		"[\"$K\",[\"pvg_ring\",\"pvg_blk\",\"pvg_net\",\"pvg_balloon\",\"pvg_ctl\"],[\"newest\"]]" \
		"json: the modules of the next boot are an array"
	system "$TMP/image" 5.10.0-1 "$K"
	doctor --next --json --root "$TMP/image"
	tap_is "$(jq -c 'map(select(.finding == "next-boot").name)' "$TMP/out")" "[\"5.10.0-1\",\"$K\"]" \
		"json: each kernel is in the array, the newest last"
	rm "$TMP/image/boot/initrd.img-$K"
	rm "$TMP/image/lib/modules/5.10.0-1/updates/dkms/pvg_net.ko" "$TMP/image/usr/lib/modprobe.d/pvguest.conf"
	indexed "$TMP/image" 5.10.0-1
	as_text 3 "json: without it the same is said, each command on a line of its own" --next --root "$TMP/image"
	mkdir -p "$TMP/with \"quotes\" and \\"
	rm -rf "$TMP/with \"quotes\" and \\/image"
	changed in_initramfs /pvg_net.ko/d
	mv "$TMP/image" "$TMP/with \"quotes\" and \\/image"
	doctor --next --json --root "$TMP/with \"quotes\" and \\/image"
	tap_is "$(eval "set -- $(jq -r '.[] | select(.finding == "initramfs-lacks") | .command' "$TMP/out")"
		echo "$2")" "$TMP/with \"quotes\" and \\/image" "json: a command is quoted as a shell needs it"
}

# The devices of a guest that runs, which is in a directory as well.
devices()
{
	local root=$TMP/image

	changed running "$root" "$K"
	device "$root" virtio0 0x0002 pvg_blk block/vda
	device "$root" virtio1 0x0001 pvg_net net/eth0
	device "$root" virtio10 0x0003 pvg_ctl virtio-ports/vport10p1/name=test.0 \
		'virtio-ports/vport10p2/name=of the "host"'
	device "$root" virtio2 0x0004 virtio_rng
	local -x PVGUEST_TEST=$root
	doctor
	tap_is "$STATUS $(tail -n 1 "$TMP/out")" "0 all is well" "devices: all is well where all are ours"
	tap_check "devices: the kernel that runs is named" grep -qx "  $K (running, newest): .*" "$TMP/out"
	finds 0 driver "devices: a disk has its driver and name" \
		'.name == "virtio0" and .type == "disk" and .driver == "pvg_blk" and .names == ["vda"] and .root == false'
	finds 0 driver "devices: names of ports are those of the host, quotes and spaces as well" \
		'.name == "virtio10" and .names == ["test.0", "of the \"host\""]'
	tap_is "$(jq -c 'map(select(.subject == "device").name)' "$TMP/out")" '["virtio0","virtio1","virtio10"]' \
		"devices: they come in order, and only those that pvguest has drivers for"

	device "$root" virtio1 0x0001 virtio_net net/eth0
	finds 1 in-tree-first "devices: one that the in-tree driver took first is named" \
		'.subject == "device" and .name == "virtio1" and .command == "pvguest bind virtio1"'
	rm -r "$root/sys/module/pvg_net"
	echo "root=/dev/vda1 module_blacklist=foo,pvg_net" > "$root/proc/cmdline"
	finds 1 switched-off "devices: a module that is switched off for this boot is named" '.name == "virtio1"'
	echo > "$root/proc/cmdline"
	command_is dmesg 'echo "[    1.0] pvg_net: disagrees about version of symbol module_layout"'
	finds 1 load-failed "devices: what the kernel said of a module is quoted" \
		'.message | contains("disagrees about version")'
	rm "$TMP/bin/dmesg"
	echo virtio_net-old > "$root/sys/module/pvg_blk/srcversion"
	finds 1 old-module "devices: a module that is older than the installed one is named"
}

# Each finding that the code has is in the table of doctor.md, and no other.
documented()
{
	local code=$TREE/tools/guest name

	{
		sed -n 's/.*\breason \([a-z][a-z-]*\) .*/\1/p; s/.*\bobject \([a-z][a-z-]*\) .*/\1/p
			s/.*\bremark [0-9$a-z]* \([a-z][a-z-]*\) .*/\1/p' "$code"/doctor*.sh
		grep -oE 'put\([^,]*' "$code/doctor-config.awk" | grep -oE '"[a-z-]+"' | tr -d '"'
	} | sort -u > "$TMP/code"
	sed -n '/^## Findings/,$s/^| `\([a-z-]*\)` | .*/\1/p' "$TREE/Documentation/doctor.md" | sort > "$TMP/page"
	tap_check "documented: Documentation/doctor.md has each finding of the code, once" diff "$TMP/code" "$TMP/page"
	# shellcheck disable=SC2013 # words
	for name in $(sed -n 's/^\tCOUNTER([a-z_]*, \([a-z_]*\)),/\1/p' "$TREE/drivers/net/stats.c" | sort -u); do
		grep -qE "^\|.*\|.*(N)?_$name\`" "$TREE/Documentation/from-in-tree.md" || echo "$name"
	done > "$TMP/absent"
	tap_is "$(xargs < "$TMP/absent")" "" \
		"documented: Documentation/from-in-tree.md has each counter of ethtool -S"
}

# completions WORD...: what bash offers for the last word.
completions()
{
	bash -c '. "$1" && shift && COMP_WORDS=(pvguest "$@") COMP_CWORD=$# && _pvguest &&
		printf "%s\n" "${COMPREPLY[@]}"' bash "$TREE/tools/guest/completion.bash" "$@" | sort | xargs
}

completion()
{
	local verb

	tap_is "$(completions '' | tr ' ' '\n' | grep -v help | xargs)" \
		"$("$PVGUEST" --help | sed -n 's/^[ a-z]*[ :] *pvguest \([a-z]*\) .*/\1/p' | sort -u | xargs)" \
		"completion: the commands are those of --help"
	for verb in doctor bind uninstall; do
		tap_is "$(completions "$verb" --)" \
			"$("$PVGUEST" --help | sed '/^$/,$d' | grep "pvguest $verb " | grep -oE -- '--[a-z-]+' | sort | xargs)" \
			"completion: the options of $verb are those of --help"
	done
}

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
command_is lsinitramfs 'cat "$1"'
[ $# -gt 0 ] || set -- image initramfs json devices kernels update network rules mok uninstall completion documented
for part; do
	"$part"
done
tap_done
