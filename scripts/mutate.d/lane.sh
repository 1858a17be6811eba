# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A lane: a copy of the tree in the cache, the same ones each time so that builds are
# incremental. Jobs are lines of $WORK/jobs, IDs of mutants, taken by whichever lane is
# free. Results are lines of $WORK/results: what, ID, by what, seconds; separated by tabs.

# test_lines ID: what is to be run for a mutant, one "KIND ARGUMENT..." a line.
test_lines()
{
	local pattern line

	while read -r pattern line; do
		# shellcheck disable=SC2053 # a pattern
		[[ $pattern == \#* || -z $pattern || $1 != $pattern ]] || echo "$line"
	done < "$PARTS/tests"
}

# run_lanes N: until there are no more jobs.
run_lanes()
{
	local n pid

	echo 0 > "$WORK/taken"
	LANE_PIDS=()
	for ((n = 0; n < $1; n++)); do
		(run_lane) < /dev/null &
		LANE_PIDS+=($!)
	done
	for pid in "${LANE_PIDS[@]}"; do
		wait "$pid"
	done
	LANE_PIDS=()
}

stop_lanes()
{
	local pid

	for pid in "${LANE_PIDS[@]}"; do
		kill -TERM "$pid" 2> /dev/null
	done
	for pid in "${LANE_PIDS[@]}"; do
		wait "$pid" 2> /dev/null
	done
}

# next_job: prints the next line of the jobs. Returns 1 if there is none, or something
# is wrong.
next_job()
{
	local n

	[ ! -e "$WORK/trouble" ] || return
	exec 8> "$WORK/lock"
	flock 8
	read -r n < "$WORK/taken"
	echo $((n + 1)) > "$WORK/taken"
	exec 8>&-
	sed -n "$((n + 1))p" "$WORK/jobs" | grep .
}

# trouble WORDS: the run makes no sense and ends.
trouble()
{
	echo "$*" > "$WORK/trouble"
}

run_lane()
{
	local job

	GROUP=
	trap 'stop_group' EXIT
	trap 'exit 143' INT TERM HUP
	lane_take
	OUT=$(mktemp -d "$WORK/lane.XXXXXX")
	LANE=$LANE/tree
	STAMP=0
	while job=$(next_job); do
		test_mutant "$job"
	done
}

# lane_take: sets LANE to the first that no other run uses, its tree like ours. Only what
# differs is copied, with a new time, so that make sees it.
lane_take()
{
	local n

	for ((n = 1; ; n++)); do
		LANE=$CACHE/mutate/lane-$n
		mkdir -p "$LANE/tree"
		exec 9> "$LANE/lock"
		! flock -n 9 || break
		exec 9>&-
	done
	rsync -rlpc --delete --exclude=/.git --filter=':- .gitignore' "$TREE/" "$LANE/tree/"
}

# stop_group: ends the VM that is running, with all that belongs to it.
stop_group()
{
	local i

	[ -n "$GROUP" ] || return
	kill -TERM -- "-$GROUP" 2> /dev/null
	for ((i = 0; i < 100; i++)); do
		kill -0 -- "-$GROUP" 2> /dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-$GROUP" 2> /dev/null
	wait "$GROUP" 2> /dev/null
	GROUP=
}

# put FILE: what is on stdin, in the lane. rsync and make look at whole seconds, so no
# two versions of a file have the same.
put()
{
	while [ "$(date +%s)" = "$STAMP" ]; do
		sleep 0.1
	done
	STAMP=$(date +%s)
	cat > "$LANE/$1"
}

# result WHAT ID [BY]
result()
{
	local seconds=$((SECONDS - START))

	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "${3:-}" "$seconds" >> "$WORK/results"
	case $1 in
	killed) echo "killed      $2  by $3 in $seconds s" ;;
	explained) echo "explained   $2: $3" ;;
	unbuilt) echo "not built   $2" ;;
	*) printf '%-10s  %s%s\n' "$1" "$2" "${3:+: $3}" ;;
	esac
}

# original_passes LINE FILE: a line of tests passes without a mutant, which is tried once,
# by the lane that needs it first.
original_passes()
{
	local mark status=0 start=$SECONDS

	[ -z "$trust" ] || return 0
	mark=$WORK/passes-$(cksum <<< "$1" | cut -d' ' -f1)
	exec 6> "$mark.lock"
	flock 6
	if [ ! -e "$mark" ]; then
		put "$2" < "$TREE/$2"
		if run_line "$1" 6>&-; then
			: > "$mark"
			echo "original    passes $1 in $((SECONDS - start)) s"
		else
			trouble "fails without a mutant: $1: $KILLER"
			status=1
		fi
		put "$2" < "$OUT/mutant"
		START=$((START + SECONDS - start))
	fi
	exec 6>&-
	return $status
}

test_mutant()
{
	local id=$1 file=${1%%:*} START=$SECONDS why

	"$PARTS/mutants" apply "$RULES" "$id" > "$OUT/mutant" || { trouble "no mutant $id"; return; }
	put "$file" < "$OUT/mutant"
	why=$(reason "$id")
	if ! run_lines "$id" "$file" "$why"; then
		[ -e "$WORK/trouble" ] || result "$VERDICT" "$id" "$KILLER"
	elif [ -n "$why" ]; then
		result explained "$id" "$why"
	elif [ ! -e "$WORK/trouble" ]; then
		result SURVIVED "$id"
	fi
	put "$file" < "$TREE/$file"
}

# kernel_of ID: the kernel of the first VM that tests it.
kernel_of()
{
	local kernel

	kernel=$(test_lines "$1" | awk '$1 == "vm" { print $2; exit }')
	echo "${kernel:-6.1}"
}

# run_lines ID FILE REASON: the tests of a mutant; only those that need no VM where its
# survival has a reason. Returns 1 with VERDICT and KILLER if it is done for: killed,
# unbuilt or equivalent.
run_lines()
{
	local line built=''

	VERDICT=killed KILLER=
	test_lines "$1" > "$OUT/lines"
	[ -s "$OUT/lines" ] || { trouble "scripts/mutate.d/tests has nothing for $1"; return; }
	while read -r line <&7; do
		if [[ $line == vm* ]]; then
			[[ -z $3 || -n $explained ]] || return 0
			[ -n "$built" ] || build_mutant "$1" "$2" || return
			built=1
		fi
		original_passes "$line" "$2" || return
		VERDICT=killed
		run_line "$line" || return
	done 7< "$OUT/lines"
	[[ -n $built || -n $3 ]] || build_mutant "$1" "$2"
}

# build_mutant ID FILE: returns 1 if it is no other code, or none at all.
build_mutant()
{
	local kernel base

	kernel=$(kernel_of "$1")
	base=$OUT/base-$kernel-${2//\//-}
	if [ ! -e "$base" ]; then
		base_objects "$kernel" "$2" "$base" || return
		put "$2" < "$OUT/mutant"
	fi
	if ! lane_build "$kernel"; then
		VERDICT=unbuilt KILLER="scripts/lab build --kernel $kernel"
		return 1
	fi
	objects "$kernel" "$2" > "$OUT/objects"
	! cmp -s "$OUT/objects" "$base" || { VERDICT=equivalent KILLER=; return 1; }
}

lane_build()
{
	"$LANE/scripts/lab" build --kernel "$1" > "$OUT/modules" 2> "$OUT/build"
}

# base_objects KERNEL FILE BASE: makes what build_mutant compares with.
base_objects()
{
	put "$2" < "$TREE/$2"
	if ! lane_build "$1"; then
		trouble "the tree does not build for $1: $(tail -n 3 "$OUT/build")"
		return 1
	fi
	objects "$1" "$2" > "$3"
}

# objects KERNEL FILE: sums of the code that was made of FILE; of all where it is a header.
# What only debuggers read is left out.
objects()
{
	local root object name=${2%.c}.o

	root=$(sed -n 's|/drivers/ring/pvg_ring\.ko$||p' "$OUT/modules" | head -n 1)
	[[ $2 == *.c ]] || name='drivers/*/*.o drivers/*/*/*.o protocol/*.o'
	# shellcheck disable=SC2086 # a pattern
	for object in $(cd "$root" && ls -d $name 2> /dev/null); do
		strip -g -o "$OUT/object.o" "$root/$object" && sha256sum < "$OUT/object.o"
	done
}

# run_line "KIND ARGUMENT...": returns 1, with KILLER, if a test failed.
run_line()
{
	local words status

	read -ra words <<< "$1"
	case ${words[0]} in
	unit) run_unit "${words[1]}" ;;
	vm)
		run_vm "${words[@]:1}"
		status=$?
		if [ $status -eq 97 ]; then
			run_vm "${words[@]:1}"
			status=$?
		fi
		return $status ;;
	*) trouble "scripts/mutate.d/tests: what is '$1'?" ;;
	esac
}

# run_unit SUITE: the tests of selftests/SUITE on this machine.
run_unit()
{
	if ! make -s -C "$LANE/selftests/$1" all > "$OUT/make" 2>&1; then
		VERDICT=unbuilt KILLER="selftests/$1"
		return 1
	fi
	timeout 120 make -s -C "$LANE/selftests/$1" check NO_MODEL=1 > "$OUT/tap" 2> "$OUT/stderr" && return
	KILLER=$(sed -n 's/^not ok [0-9]* - //p' "$OUT/tap" | head -n 1)
	KILLER="selftests/$1: ${KILLER:-ended early}"
	return 1
}

# run_vm KERNEL CPUS SECONDS TEST...: until the first check that fails. Returns 97 where
# the emulated machine lost a timer.
run_vm()
{
	local status=0 failed

	# Before the loop below looks into it: the VM before may have failed.
	: > "$OUT/tap"
	setsid "$LANE/selftests/vm" --kernel "$1" --smp "$2" --timeout "$3" "${@:4}" \
		> "$OUT/tap" 2> "$OUT/stderr" < /dev/null 9>&- &
	GROUP=$!
	while :; do
		failed=$(sed -n '/^not ok/ { s/^not ok [0-9]* - //p; q }' "$OUT/tap")
		[ -z "$failed" ] || break
		if ! kill -0 "$GROUP" 2> /dev/null; then
			wait "$GROUP"
			status=$?
			break
		fi
		sleep 0.3
	done
	[ -n "$failed" ] || failed=$(sed -n '/^not ok/ { s/^not ok [0-9]* - //p; q }' "$OUT/tap")
	stop_group
	KILLER=$failed
	[ -z "$failed" ] || return 1
	case $status in
	0) return 0 ;;
	97) KILLER="a timer that was lost twice" ;;
	98) KILLER="the VM, which died in ${*:4}" ;;
	99) KILLER="the kernel's log: $(sed -n '/from its console/,$p' "$OUT/stderr" |
		grep -m1 -oE '(BUG|WARNING|KASAN|UBSAN|Oops|INFO|rcu).*')" ;;
	124) KILLER="the limit of $3 s for ${*:4}" ;;
	*)
		cp "$OUT/stderr" "$CACHE/mutate/trouble.log"
		trouble "the VM did not run (status $status), see $CACHE/mutate/trouble.log" ;;
	esac
	[ "$status" -ne 97 ] || return 97
	return 1
}
