# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the tests of this suite share: counting what a load costs, and comparing
# the medians with ../counts.table. Sourced after tap.sh and guest.sh.
#
# A driver is "adaptive" or "off", which is ours with that policy, or "in-tree".

GATE_TABLE=../counts.table
GATE_DIR=$(mktemp -d)
tap_at_exit rm -rf "$GATE_DIR"
: > "$GATE_DIR/runs"
: > "$GATE_DIR/probes"
NCPU=$(nproc)
# The table's column: more than two count as two.
GATE_CPUS=$((NCPU > 1 ? 2 : 1))

# gate_loads DEVICE: prints the loads of the device that the table has rows for, with
# this number of CPUs.
gate_loads()
{
	awk -v device="$1" -v cpus="$GATE_CPUS" '
		/^[^#]/ && $2 == device && ($3 == "any" || $3 == cpus) && !seen[$1]++ { print $1 }' \
		"$GATE_TABLE"
}

# gate_drivers LOAD DEVICE ROUND: those to measure, in an order that differs from one
# round to the next; the in-tree one where the table compares with it.
gate_drivers()
{
	awk -v load="$1" -v device="$2" -v cpus="$GATE_CPUS" -v round="$3" '
		$1 == load && $2 == device && ($3 == "any" || $3 == cpus) && $5 == "in-tree" { third = 1 }
		END {
			n = split("off adaptive" (third ? " in-tree" : ""), driver)
			for (i = 0; i < n; i++)
				print driver[(round + i) % n + 1]
		}' "$GATE_TABLE"
}

# gate_policy VIRTIO POLICY: and what was there comes back when the test ends.
gate_policy()
{
	local file=$VIRTIO_BUS/devices/$1/moderation/policy before

	before=$(sed 's/.*\[\(.*\)\].*/\1/' "$file") && echo "$2" > "$file" || return
	[ "$before" = "$2" ] || tap_at_exit eval "echo $before > $file"
}

# gate_sample PREFIX: the counters of $VIRTIO into PREFIX_irqs, PREFIX_bells and
# PREFIX_timers; the latter two are 0 with an in-tree driver. No process is started.
# shellcheck disable=SC2034 # set through the references
gate_sample()
{
	local -n irqs=$1_irqs bells=$1_bells timers=$1_timers
	local -a line field
	local text file i

	irqs=0 bells=0 timers=0
	mapfile -t line < /proc/interrupts
	for text in "${line[@]}"; do
		[[ $text == *" $VIRTIO-"* && $text != *-config* ]] || continue
		read -ra field <<< "$text"
		for ((i = 1; i <= NCPU; i++)); do
			irqs=$((irqs + field[i]))
		done
	done
	for file in "$DEBUGFS/pvguest/$VIRTIO"/*/stats; do
		[ -e "$file" ] || continue
		mapfile -t line < "$file"
		for text in "${line[@]}"; do
			case $text in
			timer_starts:*) timers=$((timers + ${text#*: })) ;;
			doorbells:*) bells=$((bells + ${text#*: })) ;;
			esac
		done
	done
}

# gate_round LOAD DEVICE DRIVER ROUND UNITS COMMAND...: the command prints what
# `load` does. UNITS is a function that sets the variable it is given to the number
# of I/Os or packets so far. ROUND is "probe" while the probe on the transport's
# notify function is in place: then only the doorbells are of use.
# shellcheck disable=SC2154 # set through references
gate_round()
{
	local load=$1 device=$2 driver=$3 round=$4 units=$5 figures first last hits=0

	shift 5
	[ "$round" != probe ] || { doorbells_count && hits=$DOORBELLS; }
	$units first
	gate_sample a
	if ! figures=$("$@" 2>&1); then
		tap_not_ok "$load on $device runs with driver $driver" "$figures"
		return 1
	fi
	gate_sample b
	$units last
	if [ "$round" = probe ]; then
		doorbells_count
		echo "$load $device $driver $((last - first)) $((DOORBELLS - hits)) $((b_bells - a_bells))" \
			>> "$GATE_DIR/probes"
		return
	fi
	echo "$load $device $driver $round $((last - first)) $((b_irqs - a_irqs))" \
		"$((b_bells - a_bells)) $((b_timers - a_timers)) $figures" >> "$GATE_DIR/runs"
}

# gate_missed DEVICE...: "LOAD DEVICE" for those of which a row is not met so far. A median of
# a few rounds near its limit is no verdict: they are measured again, for longer.
gate_missed()
{
	awk -f gate.awk -v missed=1 -v cpus="$GATE_CPUS" -v devices="$*" \
		"$GATE_TABLE" "$GATE_DIR/probes" "$GATE_DIR/runs" 2> /dev/null | sort -u
}

# gate_judge DEVICE...: prints the figures, and a check for each row of the table for
# these devices and this number of CPUs.
gate_judge()
{
	local verdict what diagnosis

	while IFS='|' read -r verdict what diagnosis; do
		case $verdict in
		ok) tap_ok "$what" ;;
		bad) tap_not_ok "$what" "$diagnosis" ;;
		*) tap_diag "$what" ;;
		esac
	done < <(awk -f gate.awk -v cpus="$GATE_CPUS" -v devices="$*" \
		"$GATE_TABLE" "$GATE_DIR/probes" "$GATE_DIR/runs" 2>&1 || echo "bad|the figures can be compared")
}
