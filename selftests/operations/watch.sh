#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvhost watch: what changes in the guest is told when it changes, and costs nothing while
# nothing does. In namespaces of its own.

set -u
[ -n "${OPS_INNER:-}" ] || OPS_INNER=1 exec unshare --mount --net --uts --pid --fork --kill-child --mount-proc -- "$0" "$@"
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

# events FILTER: how many of the watched events match it
events()
{
	jq -c "select($1)" "$OPS_DIR/watch" 2> /dev/null | wc -l
}

has_event()
{
	[ "$(events "$1")" -ge "${2:-1}" ]
}

# expect DESCRIPTION FILTER: the event comes
expect()
{
	wait_for 10 has_event "$2"
	tap_check "$1" has_event "$2" || tap_diag "$(tail -n 5 "$OPS_DIR/watch")"
}

begin_watch()
{
	: > "$OPS_DIR/watch"
	"$PVHOST" -j watch > "$OPS_DIR/watch" 2> "$OPS_DIR/err" &
	watcher=$!
	wait_for 10 has_event '.event == "synced"'
}

end_watch()
{
	kill -9 $watcher
	wait $watcher 2> /dev/null
}

# switches: how often the worker has been given the CPU
switches()
{
	awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$(ops_workers)/status"
}

mount -t tmpfs tmpfs /run
export TMPDIR=/run
ops_begin
cp -a /etc "$OPS_DIR/etc" && mount --bind "$OPS_DIR/etc" /etc
tap_at_exit umount -l /etc
: > /run/utmp
ip link set lo up
ops_start
begin_watch
tap_check "all values come first, then a record that says so" has_event '.event == "synced"'
tap_is "$(jq -r 'select(.event == "synced") | .records' "$OPS_DIR/watch")" \
	"$(jq -c 'select(.seq and .event != "synced")' "$OPS_DIR/watch" | wc -l)" \
	"the record 'synced' counts the values before it"

# The process behind it
tap_is "$(stat -c %u "/proc/$(ops_workers)/mem"),$(awk '/^Uid/ { print $3 }' "/proc/$(ops_workers)/status")" \
	"0,65534" "the worker runs as nobody, and is closed to others"
tap_is "$(awk '/^Cap(Eff|Prm|Bnd)/ { print $2 }' "/proc/$(ops_workers)/status" | sort -u)" \
	0000000000000000 "the worker has no capability"

ip addr add 10.1.2.3/32 dev lo
expect "an address that is added is told" '.event == "address" and .address == "10.1.2.3" and .gone == false'
ip addr del 10.1.2.3/32 dev lo
expect "an address that is removed is told" '.event == "address" and .address == "10.1.2.3" and .gone'
ip route add 10.55.0.0/16 dev lo
expect "a route that is added is told" '.event == "route" and .destination == "10.55.0.0/16" and .gone == false'
ip route del 10.55.0.0/16 dev lo
expect "a route that is removed is told" '.event == "route" and .destination == "10.55.0.0/16" and .gone'
ip link set lo mtu 1234
expect "a link that changes is told" '.event == "link" and .name == "lo" and .mtu == 1234'
mkdir /run/new
mount -t tmpfs new /run/new
expect "a file system that is mounted is told" '.event == "filesystem" and .target == "/run/new" and .gone == false'
umount /run/new
expect "a file system that is unmounted is told" '.event == "filesystem" and .target == "/run/new" and .gone'
hostname another-name
expect "a new host name is told" '.event == "hostname" and .name == "another-name"'
{
	printf '\x07\0\0\0\x2a\0\0\0pts/3'
	head -c 27 /dev/zero
	printf 'ts\0\0carol'
	head -c 335 /dev/zero
} >> /run/utmp
tap_is "$(stat -c %s /run/utmp)" 384 "the test's record of utmp has the size of one"
expect "a user who logs in is told" '.event == "user" and .name == "carol" and .line == "pts/3" and .gone == false'
: > /run/utmp
expect "a user who logs out is told" '.event == "user" and .name == "carol" and .gone'
ln -sf /usr/share/zoneinfo/Etc/GMT-3 /etc/localtime.new
mv -T /etc/localtime.new /etc/localtime
expect "a new time zone is told" '.event == "time_zone" and .name == "Etc/GMT-3"'
tap_is "$(jq -s 'map(select(.seq) | .seq) | . == [range(1; length + 1)]' "$OPS_DIR/watch")" true \
	"sequence numbers go up by one"

# A burst: what counts is what there is at its end.
for i in {1..200}; do
	echo "addr add 10.3.0.$i/32 dev lo"
done | ip -batch -
last()
{
	[ "$(jq -r 'select(.event == "address" and .gone == false) | .address' "$OPS_DIR/watch" | grep -c '^10\.3\.0\.')" -eq 200 ]
}
wait_for 10 last
tap_check "200 addresses at once are told, each once" last

# Nothing happens: nobody wakes up.
quiet()
{
	local before

	before=$(switches)
	read -rt 1 < <(sleep 2)
	[ "$(switches)" -eq "$before" ]
}
wait_for 10 quiet
tap_check "the worker does not wake up while nothing changes" quiet

# Another host, or the same one later
end_watch
wait_for 10 ops_has_workers 0
tap_check "the worker ends with its host" ops_has_workers 0
ip addr add 10.4.4.4/32 dev lo
begin_watch
tap_is "$(jq -sr 'map(.event == "synced") as $s | map(.address == "10.4.4.4") as $a | ($a | index(true)) < ($s | index(true))' "$OPS_DIR/watch")" \
	true "a host that connects again gets what changed meanwhile, before 'synced'"
tap_is "$(jq -r 'select(.event == "hostname") | .name' "$OPS_DIR/watch")" another-name \
	"a host that connects again gets the last host name"
tap_is "$(jq -s 'map(select(.seq) | .seq)[0]' "$OPS_DIR/watch")" 1 "a new stream counts from 1"
end_watch

pvhost -j watch -K -c 2 > "$OPS_DIR/watch"
tap_is "$(jq -r '.event' "$OPS_DIR/watch" | sort -u | xargs)" "heartbeat session" \
	"watch --kernel shows nothing of the daemon"
tap_is "$(client -s 16 -r $'\x08\x20' 2 | cut -d ' ' -f 1)" invalid \
	"load alone cannot be watched"
ops_stop
tap_done
