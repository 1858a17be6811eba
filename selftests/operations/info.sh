#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvhost info: what the daemon says of the guest is what the guest's own tools say. In
# namespaces of its own, in which hosts, users and mounts can be whatever the test needs.

set -u
[ -n "${OPS_INNER:-}" ] || OPS_INNER=1 exec unshare --mount --net --uts --pid --fork --kill-child --mount-proc -- "$0" "$@"
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

# le BYTES NUMBER: little-endian, as printf has it
le()
{
	local i

	for ((i = 0; i < $1; i++)); do
		printf '\\x%02x' $((($2 >> (8 * i)) & 255))
	done
}

# text BYTES TEXT: filled up with zero bytes
text()
{
	printf '%s' "$2"
	head -c $(($1 - ${#2})) /dev/zero
}

# login NAME LINE HOST SECONDS PID: a record of utmp(5)
login()
{
	printf '%b' "$(le 4 7)$(le 4 "$5")"
	text 32 "$2"
	text 4 ts
	text 32 "$1"
	text 256 "$3"
	printf '%b' "$(le 8 0)$(le 4 "$4")$(le 4 0)"
	head -c 36 /dev/zero
}

# get FILTER [SECTION]: of the record, as jq prints it
get()
{
	pvhost -j info "${@:2}" | jq -rcS "$1"
}

mount -t tmpfs tmpfs /run
export TMPDIR=/run
ops_begin
cp -a /etc "$OPS_DIR/etc" && mount --bind "$OPS_DIR/etc" /etc
printf 'NAME=Test\nID=testos\nVERSION_ID="7.5"\nPRETTY_NAME="Test OS 7.5 (\\"x\\")"\n' > "$OPS_DIR/release"
rm -f /etc/os-release /etc/localtime
cp "$OPS_DIR/release" /etc/os-release
ln -s /usr/share/zoneinfo/Etc/GMT-5 /etc/localtime
{ login alice pts/7 192.0.2.9 1700000000 1; login 'bob' tty1 '' 1700000001 2; } > /run/utmp
hostname guest-of-test
ip link set lo up
ip addr add 10.9.8.7/24 dev lo
ip addr add 2001:db8::7/64 dev lo nodad
ip route add 10.77.0.0/16 via 10.9.8.1 dev lo metric 55
ip -6 route add 2001:db8:1::/48 dev lo metric 66
evil=$'/run/evil \n\e[31m\xff\x9bx'
mkdir "$evil" /run/tiny
mount -t tmpfs -o size=8m tmpfs "$evil"
mount -t tmpfs -o size=4m,ro tiny /run/tiny
mkdir "$OPS_DIR/sized" "$OPS_DIR/under"
mount -t tmpfs -o size=12m,nr_inodes=777 sized "$OPS_DIR/sized"
mount -t tmpfs -o size=1m under "$OPS_DIR/under"
mount -t tmpfs -o size=2m over "$OPS_DIR/under"
export OPS_DIR
ops_start

tap_is "$(get .tools.version)" "$("$PVHOST" --version | cut -d ' ' -f 2)" \
	"tools: the daemon's version is that of pvhost"
[ ${#OPS_LISTEN[@]} -gt 0 ] && mode=port || mode=module
tap_is "$(get .tools.mode tools)" "$mode" "tools: the mode is '$mode'"
tap_is "$(get '.os | [.id, .version_id, .name, .release, .machine]' os)" \
	"$(jq -nc --arg r "$(uname -r)" --arg m "$(uname -m)" \
		'["testos", "7.5", "Test OS 7.5 (\"x\")", $r, $m]')" \
	"os: name and version are those of os-release, release and machine those of uname"
tap_is "$(get .os.boot_id os)" "$(tr -d '-' < /proc/sys/kernel/random/boot_id)" \
	"os: the boot id is the kernel's"
tap_num "$(get .os.uptime_ms os) <= $(awk '{ print $1 * 1000 }' /proc/uptime) + 20" \
	"os: the uptime is not beyond the kernel's"
tap_is "$(get .hostname.name os)" guest-of-test "os: the host name is that of the UTS namespace"
tap_is "$(get '.time_zone | [.name, .offset]' os)" '["Etc/GMT-5",18000]' \
	"os: the time zone is that of /etc/localtime, with its offset"
tap_is "$(get '[.users[] | [.name, .line, .host, .since, .pid]]' users)" \
	'[["alice","pts/7","192.0.2.9",1700000000,1],["bob","tty1","",1700000001,2]]' \
	"users: they are those of utmp"
tap_is "$(get '[.addresses[] | [.link, .address, .prefix, .scope]] | sort' net)" \
	"$(ip -j addr | jq -cS '[.[] | .ifname as $n | .addr_info[] | [$n, .local, .prefixlen, .scope]] | sort')" \
	"net: the addresses are those of ip addr"
tap_is "$(get '[.links[] | [.name, .index, .mac, .mtu]] | sort' net)" \
	"$(ip -j link | jq -cS '[.[] | [.ifname, .ifindex, .address, .mtu]] | sort')" \
	"net: the links are those of ip link"
tap_is "$(get '[.routes[] | [.destination, .gateway // "", .link, .metric]] | sort' net)" \
	"$({ ip -j route; ip -j -6 route; } | jq -cSs '[.[][] |
		[.dst + (if .dst == "default" or (.dst | contains("/")) then "" elif (.dst | contains(":")) then "/128" else "/32" end),
		 .gateway // "", .dev, .metric // 0]] | sort')" \
	"net: the routes are those of the main table of ip route"
tap_is "$(get '.filesystems[] | select(.target == "/run/tiny") | [.source, .type, .readonly, .size]' fs)" \
	'["tiny","tmpfs",true,4194304]' "fs: source, type, read only and size of a tmpfs"
# shellcheck disable=SC2016 # for jq
tap_is "$(get '.filesystems[] | select(.target == $ENV.OPS_DIR + "/sized") | [.size, .files]' fs)" \
	"$(stat -fc '%b %S %c' "$OPS_DIR/sized" | awk '{ printf "[%.0f,%.0f]", $1 * $2, $3 }')" \
	"fs: size and inodes are those of statfs"
# shellcheck disable=SC2016 # for jq
tap_is "$(get '[.filesystems[] | select(.target == $ENV.OPS_DIR + "/under") | [.source, .asked, .size]]' fs)" \
	'[["under",false,null],["over",true,2097152]]' "fs: what another one is mounted over is named, not asked"
findmnt -rno TARGET > "$OPS_DIR/mounts"
tap_is "$(pvhost -j info fs | jq -r '.filesystems[].target' | grep -v evil | grep -cvxFf "$OPS_DIR/mounts")" 0 \
	"fs: each target is one that findmnt lists"
tap_is "$(get '[.load.memory, .load.cpus]' load)" \
	"[$(awk '/^MemTotal/ { printf "%.0f", $2 * 1024 }' /proc/meminfo),$(nproc)]" \
	"load: memory and CPUs are those of /proc/meminfo and sysconf"
tap_is "$(get 'keys' users)" '["users"]' "info users has no other section"
tap_is "$(get 'keys' users load)" '["load","users"]' "info users load has both sections"

# What anybody may have named.
tap_is "$(get '[.filesystems[] | select(.size == 8388608)] | length' fs)" 1 \
	"a mount point of control characters and invalid UTF-8 is listed"
pvhost info > "$OPS_DIR/out"
tap_is "$(tr -d '\n\t -~' < "$OPS_DIR/out" | wc -c)" 0 \
	"info prints nothing but printable ASCII of such a mount point"
tap_is "$(grep -c '^file system .*evil .x0a.x1b\[31m.xff.x9bx' "$OPS_DIR/out")" 1 \
	"info prints that mount point with its bytes as \\xNN"
tap_check "status shows what the daemon knows" grep -q '^hostname  *guest-of-test$' <(pvhost status)
tap_is "$(pvhost -j status | jq 'has("hostname")')" false \
	"status --json has only the fields that the kernel tells"

# More than there is room for.
unmount()
{
	umount -l "$OPS_DIR"/m[0-9]* "$OPS_DIR"/{sized,under,under} /etc
} 2> /dev/null
tap_at_exit unmount
for i in {1..270}; do
	mkdir "$OPS_DIR/m$i" && mount -t tmpfs -o size=4k tmpfs "$OPS_DIR/m$i"
done
tap_is "$(get '.filesystems | length' fs)" 256 "of more than 256 file systems 256 are told"
total=$(findmnt -rno FSTYPE,MAJ:MIN | grep -E '^(ext4|xfs|btrfs|vfat|tmpfs|ramfs|overlay|squashfs|erofs|virtiofs|9p|fuse|nfs)' | sort -u | wc -l)
tap_num "$(get '.left_out[] | select(.section == "fs") | .count' fs) >= 14" \
	"the others are counted as left out" "$total file systems"

# What cannot be asked.
pvhost info bogus > "$OPS_DIR/out" 2>&1
tap_is "$?" 2 "info bogus exits with 2"
tap_check "info bogus says which sections there are" grep -q "tools, os, users, net, fs, load" "$OPS_DIR/out"
tap_is "$(client -s 16 -r $'\x08\x80\x80\x04' 1 | cut -d ' ' -f 1)" unsupported \
	"a section that the daemon does not know is unsupported"
tap_is "$(client -s 16 -r $'\xff\xff' 1 | cut -d ' ' -f 1)" invalid "a malformed record is invalid"
ops_policy '[rule "no"]
deny = info'
kill -HUP "$OPS_PID"
denied()
{
	pvhost info > "$OPS_DIR/out" 2>&1
	grep -q denied "$OPS_DIR/out"
}
wait_for 10 denied
tap_check "info is denied where the policy denies it" denied
tap_check "the refusal names the rule" grep -q '50-test.conf:1' "$OPS_DIR/out"
tap_is "$(pvhost status | grep -c '^hostname')" 0 "status without info has only the kernel's fields"
ops_stop
tap_done
