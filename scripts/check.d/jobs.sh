# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Jobs of scripts/check: what is run, LANES at a time.
#
# A job is a function, run in a shell and a process group of its own, with a
# directory WORK of its own in which results.sh collects. What it has to say it
# says with its name in front. Kinds of jobs:
#   counts  looks at times, interrupts or doorbells. Whatever runs beside it has a
#           lower priority
#   kernel  keeps all CPUs busy for minutes, and other jobs wait for it
#   work    anything else
#   alone   measures time: nothing runs beside it, and it comes last
# Of the first two kinds there is only one at a time. Only "work" is niced.
#
# The order: a kernel, then the jobs that most others need, then the longest, as far as
# durations of earlier runs are known. The counts jobs run one after the other, so they
# come first while all of them together take longer than any other job.

UNKNOWN_SECONDS=150	# of a job that was never run here; a caller of job() may know better

JOB_NAMES=()
JOB_KINDS=()
JOB_NEEDS=()
JOB_COMMANDS=()
JOB_SECONDS=()		# how long it took last time
JOB_STATES=()		# waiting, running, over
declare -A RUNNING=()	# process group of a running job, by its number

# job NAME KIND NEEDS COMMAND...: one more, which waits for the jobs whose names
# match the pattern NEEDS. A row of two suites is one job.
job()
{
	[[ " ${JOB_NAMES[*]} " != *" $1 "* ]] || return 0
	JOB_NAMES+=("$1")
	JOB_KINDS+=("$2")
	JOB_NEEDS+=("$3")
	JOB_COMMANDS+=("${*@Q}")
	JOB_SECONDS+=("$(duration_of "$1")")
	[ -n "${JOB_SECONDS[-1]}" ] || JOB_SECONDS[-1]=$UNKNOWN_SECONDS
	JOB_STATES+=(waiting)
}

# may_start N: nothing that is running or still to be run forbids it.
may_start()
{
	local kind=${JOB_KINDS[$1]} needs=${JOB_NEEDS[$1]} i

	[ "${JOB_STATES[$1]}" = waiting ] || return
	for i in "${!JOB_NAMES[@]}"; do
		case ${JOB_STATES[i]} in
		over) continue ;;
		running)
			[ "$kind" != alone ] && [ "${JOB_KINDS[i]}" != alone ] || return
			[ "$kind" = work ] || [ "${JOB_KINDS[i]}" = work ] || return ;;
		waiting)
			[ "$kind" != alone ] || [ "${JOB_KINDS[i]}" = alone ] || return ;;
		esac
		# shellcheck disable=SC2053 # a pattern
		[[ ${JOB_NAMES[i]} != $needs ]] || return
	done
}

# weigh_jobs: in JOB_WEIGHTS, how urgent each waiting job is.
declare -A JOB_WEIGHTS=()

weigh_jobs()
{
	local n needs seconds counts=0

	for n in "${!JOB_NAMES[@]}"; do
		[ "${JOB_STATES[n]}" = waiting ] || continue
		seconds=${JOB_SECONDS[n]}
		[ "${JOB_KINDS[n]}" != counts ] || counts=$((counts + seconds))
		for needs in "${JOB_NEEDS[@]}"; do
			# shellcheck disable=SC2053 # a pattern
			[[ ${JOB_NAMES[n]} != $needs ]] || seconds=$((seconds + 10000))
		done
		JOB_WEIGHTS[$n]=$seconds
	done
	for n in "${!JOB_NAMES[@]}"; do
		case ${JOB_KINDS[n]} in
		counts) JOB_WEIGHTS[$n]=$counts ;;
		kernel) JOB_WEIGHTS[$n]=1000000 ;;
		esac
	done
}

# next_job: prints the number of the most urgent job that may start, or fails.
next_job()
{
	local n best=

	for n in "${!JOB_NAMES[@]}"; do
		may_start "$n" || continue
		if [ -z "$best" ] || [ "${JOB_WEIGHTS[$n]}" -gt "${JOB_WEIGHTS[$best]}" ] ||
			{ [ "${JOB_WEIGHTS[$n]}" -eq "${JOB_WEIGHTS[$best]}" ] &&
				[ "${JOB_SECONDS[n]}" -gt "${JOB_SECONDS[best]}" ]; }; then
			best=$n
		fi
	done
	[ -n "$best" ] && echo "$best"
}

# run_job N NAME KIND NEEDS COMMAND...: in the job's own shell.
run_job()
{
	local WORK=$WORK/$1 name=$2 kind=$3 start=$SECONDS

	shift 4
	[ "$kind" != work ] || renice -n 10 -p "$BASHPID" > /dev/null
	"$@"
	say "        $name: done ($((SECONDS - start)) s)"
	note durations "$name $((SECONDS - start))"
	: > "$WORK/done"
}

start_job()
{
	local n=$1

	mkdir "$WORK/$n" || exit
	set -m	# a process group
	(
		set +m
		trap - EXIT INT TERM HUP
		eval "run_job $n ${JOB_COMMANDS[n]}"
	) < /dev/null &
	RUNNING[$n]=$!
	set +m
	JOB_STATES[n]=running
}

# stop_group PID: ends what is left of a process group, so that no VM stays.
stop_group()
{
	local i

	kill -TERM -- "-$1" 2> /dev/null
	for ((i = 0; i < 100; i++)); do
		kill -0 -- "-$1" 2> /dev/null || return
		sleep 0.1
	done
	kill -KILL -- "-$1" 2> /dev/null
}

# end_job N: adds its results to those of all.
end_job()
{
	local n=$1 pid=${RUNNING[$1]} status

	wait "$pid" 2> /dev/null
	status=$?
	unset "RUNNING[$n]"
	JOB_STATES[n]=over
	stop_group "$pid"
	keep_results "$n"
	[ -e "$WORK/$n/done" ] ||
		failure "${JOB_NAMES[n]}: runs to its end (status $status)"
	rm -rf "${WORK:?}/$n"
}

keep_results()
{
	cat "$WORK/$1/first" "$WORK/$1/tap" >> "$WORK/tap" 2> /dev/null
	cat "$WORK/$1/counts" >> "$WORK/counts" 2> /dev/null
}

# run_jobs: all of them.
run_jobs()
{
	local n

	while :; do
		while [ ${#RUNNING[@]} -lt "$LANES" ]; do
			weigh_jobs
			n=$(next_job) || break
			start_job "$n"
		done
		[ ${#RUNNING[@]} -gt 0 ] || break
		sleep 0.5
		for n in "${!RUNNING[@]}"; do
			kill -0 "${RUNNING[$n]}" 2> /dev/null || end_job "$n"
		done
	done
}

# stop_jobs: because the user wants it.
stop_jobs()
{
	local n

	for n in "${!RUNNING[@]}"; do
		kill -TERM -- "-${RUNNING[$n]}" 2> /dev/null
	done
	for n in "${!RUNNING[@]}"; do
		stop_group "${RUNNING[$n]}"
		keep_results "$n"
	done
	cat "$WORK/tap" >> "$TAP_LOG" 2> /dev/null
}
