#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The console port: a tty that works both ways, the kernel's own output as whole
# lines, a host that is stopped, and the emergency write register. The VM
# runs with console=hvc0; this test is the host, at pvg.conhost.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
READER=

# listen: what comes out of the console from now on goes to $TMP/heard.
listen()
{
	exec 9< "$PORT"
	cat <&9 > "$TMP/heard" &
	READER=$!
	exec 9<&-
}

_stop_listening()
{
	[ -z "$READER" ] || kill "$READER" 2> /dev/null
}
tap_at_exit _stop_listening

# heard TEXT [SECONDS]: the host has received a line with this.
heard()
{
	local deadline=$((SECONDS + ${2:-20}))

	until grep -aqF -- "$1" "$TMP/heard"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

# ports_line: the console's line of debugfs.
ports_line()
{
	grep held_by=console "$DEBUGFS/pvguest/$VIRTIO/ports"
}

# sent_buffers: how many the console's queue has given to the device.
sent_buffers()
{
	awk '$1 == "submissions:" { print $2 }' \
		"$DEBUGFS/pvguest/$VIRTIO/out.${HVC_PORT##*p}/stats"
}

# goes_on: the host hears again of what the kernel says from now on.
goes_on()
{
	echo "<5>after the flood" > /dev/kmsg
	heard "after the flood" 2
}

# shout N [LENGTH]: N lines from the kernel, of 200 characters.
shout()
{
	local i text

	text=$(printf "%0${2:-180}d" 0)
	for ((i = 0; i < $1; i++)); do
		echo "<5>line $i $text" > /dev/kmsg
	done
}

ctl_begin
ctl_need pvg.conhost
tap_check "the console that pvg.conhost is the host of is the first" ctl_hvc0 "$VIRTIO"
HVC_PORT=$(ports_line | cut -d' ' -f1)
tap_check "the console port has a tty, /dev/hvc0" test -c /dev/hvc0
tap_fails "the console port cannot be opened as a port" sh -c ": < /dev/$HVC_PORT"
tap_check "the kernel uses hvc0 as its console" grep -qw hvc0 /sys/class/tty/console/active

# ---- the tty ----------------------------------------------------------------

# Open, since the last close resets it.
exec 8<> /dev/hvc0
stty raw -echo <&8
listen
echo "from the guest" > /dev/hvc0
tap_check "a line written to the tty arrives at the host" heard "from the guest" 60
timeout 60 head -c 13 <&8 > "$TMP/typed" &
printf 'from the host' > "$TMP/type"
kill "$READER"
wait "$READER" 2> /dev/null
dd if="$TMP/type" of="$PORT" status=none
wait $!
tap_is "$(cat "$TMP/typed")" "from the host" "a line that the host sends is read from the tty"
listen
# QEMU drops what a console's socket does not take at once: so not more at a time than
# it takes of which nothing was read. The bytes are none that the kernel prints.
for half in FIRST SECOND; do
	{ head -c 100000 /dev/zero | tr '\0' '\1'; echo "END OF $half"; } > "$TMP/half"
	timeout 60 dd if="$TMP/half" of=/dev/hvc0 status=none
	tap_check "the ${half,,} 100 kB written to the tty arrive at the host" heard "END OF $half" 60
done
tap_is "$(tr -cd '\1' < "$TMP/heard" | wc -c)" 200000 "each of the 200000 bytes written to the tty arrives once"

# ---- printk -----------------------------------------------------------------

# Messages of others may come in between: each is a line of the log.
mark=$(kmsg_mark)
before=$(sent_buffers)
for i in 1 2 3 4 5 6 7 8 9 10; do
	shout 1
	sleep 0.2
done
echo "<5>end of lines" > /dev/kmsg
tap_check "a line that the kernel logs arrives at the host" heard "end of lines" 60
after=$(sent_buffers)
lines=$(kmsg_since "$mark" | wc -l)
tap_num "$after - $before >= 11 && $after - $before <= $lines + 2" \
	"each line of the kernel's log is one buffer of the console" \
	"$((after - before)) buffers for 11 lines of 200 characters, $lines lines in all"
tap_is "$(grep -acE 'line 0 0{180}' "$TMP/heard")" 10 \
	"each of ten log lines of 200 characters arrives whole"

# ---- a host that is stopped -------------------------------------------------

# QEMU itself drops what a console's socket does not take at once, so it takes a
# host that does nothing at all to see what we do. The tty fills its share, then
# the kernel has more to say than there is room for. Until the host goes on, there
# are no timers.
if [ -n "${PVG_QMP:-}" ]; then
	head -c 200000 /dev/zero | tr '\0' x > "$TMP/big"
	./stall begin 10
	begun=$?
	timeout 60 dd if="$TMP/big" of=/dev/hvc0 bs=4k oflag=nonblock status=none 2> /dev/null
	start=${EPOCHREALTIME/./}
	shout 100 900
	took=$(((${EPOCHREALTIME/./} - start) / 1000))
	lost=$(ports_line | sed 's/.*lost=\([0-9]*\).*/\1/')
	tap_num "$lost > 10000" "log lines that find no room are dropped, and counted as lost" "$lost bytes"
	tap_diag "100 lines took $took ms"
	sleep 2
	tap_is $begun 0 "selftests/vm stopped the host's main loop"
	tap_check "log lines arrive once the host goes on" wait_for 60 goes_on
	tap_diag "$(tr -cd x < "$TMP/heard" | wc -c) bytes of the tty's arrived"
	tap_check "the host is told how many bytes were lost" heard "bytes of console output lost"
else
	tap_skip "output while the host is stopped" "no selftests/vm to stop it"
fi

# ---- emergency write --------------------------------------------------------

echo "out of band" > "$DEBUGFS/pvguest/$VIRTIO/emergency"
tap_check "text written to the emergency register arrives at the host" heard "out of band"

tap_done
