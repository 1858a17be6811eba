# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scripts/bench control: see its usage(). Uses HERE and PARTS of scripts/bench.

control_usage()
{
	cat << 'END'
usage: scripts/bench control [OPTION]...

Boots one VM with a virtio-serial device and measures the in-tree driver and ours
in turn: throughput from the guest (out) with 32 and 64 KiB writes, many in flight
or one at a time, each answered by the host; the same, many in flight, to a QEMU that
forgets what it gets instead of passing it on to a program (null); throughput to the
guest (in); the round trip of a small message each 10 ms (beat), alone and while
other ports move bulk data; that of a ping on the control channel's port, which the
kernel answers (ours only). Then the guest operations of pvhost and pvguestd, and
beside them qemu-ga's on a port of its own (op-*, ours only): a session and a ping
(op-session), exec of /bin/true (op-exec), 64 of them at once (op-execs; spread is p99 / p50),
put and get, pings while files move; irqs and bells are interrupts and doorbells for each.
op-spawn is posix_spawn() of /bin/true by a program in the guest. Prints medians, ratios to
the in-tree driver and the targets.

  --kernel K          kernel of the VM (see scripts/lab kernels; default 6.1)
  --smp N             CPUs of the VM (default 1)
  --ports N           room for N ports in the device (default 31, as QEMU's). QEMU's
                      main loop looks at the doorbells of all of them for each 4 KiB
                      it passes on, so that fewer make in-64k faster
  --alternations N    times that everything is measured (default 3)
  --seconds N         length of one measurement (default 3)
  --quick             one alternation of 1 s
  --loads A,B         only these loads (out-32k-many, out-64k-many, out-32k-one,
                      out-64k-one, null-32k-many, null-64k-many, in-64k,
                      beat-idle, beat-out, beat-both, ping-idle, ping-out,
                      ping-both, op-session, op-spawn, op-exec, op-execs, op-put, op-get,
                      op-ping, op-ping-put, op-ping-get, op-agent-exec, op-agent-put,
                      op-agent-get)
  --json FILE         write every run and what it was measured with to FILE
END
}

control_parse()
{
	while [ $# -gt 0 ]; do
		case $1 in
		--quick)
			alternations=1 seconds=1
			shift
			continue ;;
		-h | --help)
			control_usage
			exit 0 ;;
		esac
		[ $# -ge 2 ] || fail "$1: unknown, or without its value; see scripts/bench control --help"
		case $1 in
		--ports) number "$1" "$2" && ports=$2 ;;
		--kernel | --smp) lab_args+=("$1" "$2") ;;
		--alternations) number "$1" "$2" && alternations=$2 ;;
		--seconds) number "$1" "$2" && seconds=$2 ;;
		--loads) loads=$2 ;;
		--json) json=$2 ;;
		*) fail "unknown option $1; see scripts/bench control --help" ;;
		esac
		shift 2
	done
}

control_qemu_args()
{
	local port name backend nr=0

	printf '%s ' "-device virtio-serial-pci,id=bench,max_ports=$ports"
	for port in sink source answer ping control null ops agent; do
		nr=$((nr + 1))
		name=bench.$port
		backend=socket,path=$tmp/$port,server=on,wait=off
		case $port in
		control) name=org.pvguest.control.0 ;;
		null) backend=file,path=/dev/null ;;
		esac
		printf '%s ' "-chardev $backend,id=$port" \
			"-device virtserialport,bus=bench.0,nr=$nr,chardev=$port,name=$name"
	done
}

control_stop_peers()
{
	local pid

	for pid in "${peers[@]}"; do
		kill "$pid" 2> /dev/null
	done
	rm -rf "$tmp"
}

control_build()
{
	local flags=(-O2 -std=gnu11 -Wall -Wextra)

	make -s -C "$HERE/../tools" &&
		cc "${flags[@]}" -o "$tmp/peer" "$PARTS/control-peer.c" &&
		cc "${flags[@]}" -static -pthread -o "$PARTS/control-load" "$PARTS/control-load.c"
}

# What the guest gets for its line "COUNT": the times of so many pings.
control_ping()
{
	# shellcheck disable=SC2016 # for the peer's shell
	printf '%q -j -s %q ping -c "$LINE" -i 10 | jq -s -c -f %q' \
		"$HERE/../tools/pvhost" "$tmp/control" "$PARTS/control-ping.jq"
}

# What the guest gets for its line "LOAD COUNT": the figures of a guest operation.
control_operation()
{
	# shellcheck disable=SC2016 # for the peer's shell
	printf '%q %q $LINE 2> %q' "$PARTS/control-operations" "$tmp" "$tmp/operations"
}

bench_control()
{
	local alternations=3 seconds=3 ports=31 loads='' json='' lab_args=() peers=() port status
	local command

	control_parse "$@"
	command -v jq > /dev/null || fail "jq is missing: run scripts/setup"
	tmp=$(mktemp -d) || exit 1
	trap control_stop_peers EXIT
	trap 'exit 130' INT TERM
	control_build || fail "the load does not compile"
	for port in sink source answer; do
		"$tmp/peer" "$port" "$tmp/$port" &
		peers+=($!)
	done
	"$tmp/peer" for "$tmp/ping" "$(control_ping)" &
	peers+=($!)
	"$tmp/peer" for "$tmp/ops" "$(control_operation)" &
	peers+=($!)
	mapfile -d '' -t command < <(environment_in_guest scripts/bench.d/control-guest.sh)
	"$HERE/lab" run --disk none --qmp "$tmp/qmp" --timeout $((120 + alternations * 20 * (seconds + 4))) \
		"${lab_args[@]}" --qemu "$(control_qemu_args)" -- \
		env BENCH_ALTERNATIONS="$alternations" BENCH_SECONDS="$seconds" \
		BENCH_LOADS="$loads" "${command[@]}" | collect
	status=${PIPESTATUS[0]}
	if [ "$status" -ne 0 ] || [ ! -s "$tmp/runs" ] || [ ! -s "$tmp/environment" ]; then
		[ ! -e "$tmp/operations" ] || tail -n 20 "$tmp/operations" "$tmp/serve" >&2
		echo "bench: the VM ended with status $status; no figures" >&2
		exit 1
	fi
	if [ -n "$json" ]; then
		jq -n --slurpfile environment "$tmp/environment" --slurpfile runs "$tmp/runs" \
			'{environment: $environment[0], runs: $runs}' > "$json" || exit 1
	fi
	jq -r -s --rawfile targets "$PARTS/control-targets" \
		-f "$PARTS/control-table.jq" "$tmp/runs" && environment_line "$tmp/environment"
}
