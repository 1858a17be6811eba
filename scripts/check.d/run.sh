# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Checks that run something: unit tests on this machine, suites in VMs.

FUZZ_SECONDS=5	# of each fuzzer; its corpus is run whatever it says

# unit_tests DIRECTORY [VARIABLE=VALUE...]: those in selftests/DIRECTORY.
unit_tests()
{
	local status start=$SECONDS

	make -s -C "$TREE/selftests/$1" check KSFT="$LINUX/tools/testing/selftests" "${@:2}" \
		2> "$WORK/stderr" > "$WORK/output"
	status=$?
	collect "$1" host < "$WORK/output"
	[ $status -eq 0 ] ||
		failure "unit: make -C selftests/$1 check returns 0 (was $status)" "$WORK/stderr"
	note durations "unit/$1 $((SECONDS - start))"
	say "        unit tests in selftests/$1 are done ($((SECONDS - start)) s)"
}

suite_unit()
{
	linux_parts || { failure "unit: kselftest from the kernel's source"; return; }
	try "unit: make tools" make -s -C "$TREE/tools"
	suite_host harness
	suite_host configs initramfs
	suite_host doctor
	suite_host commands
	unit_tests ring
	unit_tests mutate
	unit_tests protocol FUZZ=$FUZZ_SECONDS
}

# only_here SUITE: the tests of a suite that no row of vm.list has.
only_here()
{
	local test

	for test in $(suite_programs "$1"); do
		grep -v '^#' "$TREE/selftests/vm.list" | grep -qwF -- "$1/$test" || echo "$test"
	done
}

# suite_operations: what the guest operations have that needs no VM, and what no VM of this
# check runs.
suite_operations()
{
	if [ "$(id -u)" != 0 ]; then
		say "unit-operations: left out, pvguestd has to be started by root"
		return
	fi
	linux_parts || { failure "unit: kselftest from the kernel's source"; return; }
	unit_tests operations FUZZ=$FUZZ_SECONDS PROGRAMS="$(only_here operations | xargs)"
}

# suite_fuzz: the fuzzers for longer, and all tests of operations on this machine, too.
suite_fuzz()
{
	linux_parts || { failure "fuzz: kselftest from the kernel's source"; return; }
	unit_tests protocol FUZZ=120 NO_MODEL=1
	[ "$(id -u)" != 0 ] || unit_tests operations FUZZ=120
}

# suite_host SUITE [CASE...]: a suite that runs on this machine and boots what VMs it
# needs itself.
suite_host()
{
	local status before name=$1${2:+-$2}

	say "$name: selftests/$1/run-host.sh ${*:2}"
	before=$(counted failed)
	"$TREE/selftests/$1/run-host.sh" "${@:2}" 2> "$WORK/stderr" < /dev/null | collect "$name" host
	status=${PIPESTATUS[0]}
	judge_host "$name" "$status" "$before"
}

# judge_host SUITE STATUS FAILED-BEFORE
judge_host()
{
	[ "$2" -eq 0 ] || [ "$3" != "$(counted failed)" ] ||
		failure "$1: run-host.sh returns 0 (was $2)" "$WORK/stderr"
}

# suite_lab: the lab's own suite boots many VMs, so it is run when something has changed
# that they consist of.
suite_lab()
{
	local before key files

	mapfile -t files < <(our_files |
		grep -E '^(scripts/lab|scripts/lab\.d/.*|selftests/lab/.*|selftests/lib/(tap\.sh|qmp))$')
	key=$(key_of "${files[@]}" -- lab "$("$TREE/scripts/lab" kernels)" \
		"$(stat -c '%n %s %Y' "$CACHE"/qemu/*/usr/bin/qemu-system-x86_64 2> /dev/null)")
	before=$(counted failed)
	say "lab: selftests/lab/run-host.sh"
	collect_once "$key" lab "$TREE/selftests/lab/run-host.sh"
	judge_host lab $? "$before"
}

# run_vm NAME KERNEL CPUS SECONDS QEMU TEST...: QEMU as in LAB_QEMU. Where the emulated
# machine lost a CPU's timer, the tests of that VM had no chance: what came of them is
# forgotten and all of them are run in another, once.
run_vm()
{
	local name=$1 status

	vm_tests "$@"
	if [ "$status" -eq 97 ]; then
		say "$name: the emulated machine lost a timer, so all of it again in another VM"
		tail -n 3 "$WORK/stderr" | reason "$name"
		retried "$name" "lost timer"
		: > "$WORK/counts"
		: > "$WORK/tap"
		vm_tests "$@"
	fi
	case $status in
	0 | 1)
		pass "$name: the kernel had nothing to report"
		[ "$status" -eq 0 ] || [ "$(counted failed)" -gt 0 ] ||
			failure "$name: selftests/run returns 0 when nothing failed" "$WORK/stderr" ;;
	97) failure "$name: the machine keeps its timers" "$WORK/stderr" ;;
	98) failure "$name: the VM lives until the tests are done" "$WORK/stderr" ;;
	99) failure "$name: the kernel had nothing to report" "$WORK/stderr" ;;
	124) failure "$name: done within $4 s" "$WORK/stderr" ;;
	*) failure "$name: the VM runs (status $status)" "$WORK/stderr" ;;
	esac
	sed -n "s|^lab: log: |         $name's console: |p" "$WORK/stderr"
}

# vm_tests: with run_vm's arguments, sets its status.
vm_tests()
{
	local -x LAB_QEMU=$5

	say "$1: booting $2 with $3 CPU(s)"
	"$TREE/selftests/vm" --kernel "$2" --smp "$3" --timeout "$4" "${@:6}" \
		2> "$WORK/stderr" < /dev/null | collect "$1" "$2"
	status=${PIPESTATUS[0]}
}

# suite_mutate: a sample of the mutations of the drivers whose survivors are all explained.
suite_mutate()
{
	say "mutate: scripts/mutate --sample 10, of ring and block"
	try "mutate: each of ten mutants is killed or has a reason (seed $PVG_SEED)" \
		"$TREE/scripts/mutate" --sample 10 drivers/ring drivers/block
	sed 's/^/         | mutate: /' "$WORK/output"
}

# jobs_long: what takes too long for scripts/check: cases of the install suite, tests of
# long.list, a sample of the mutations, and then what measures time.
jobs_long()
{
	local name

	# shellcheck source=selftests/install/more.sh
	. "$TREE/selftests/install/more.sh"
	# shellcheck disable=SC2153 # both come from there
	for name in $LONG_CASES; do
		job "install-$name" work '' suite_host install "$name"
	done
	jobs_vms '' "$TREE/selftests/long.list"
	job configs work '' suite_host configs
	job fuzz work '' suite_fuzz
	job mutate counts 'build-*' suite_mutate
	for name in $ALONE_CASES; do
		job "install-$name" alone '' suite_host install "$name"
	done
}

# jobs_vms SUITE [LIST]: a job for each VM of selftests/vm.list, or another list, that has
# tests of the suite, or any where SUITE is empty.
jobs_vms()
{
	local name kernel cpus seconds tests kind qemu

	while read -r name kernel cpus seconds tests <&4; do
		[[ -n $name && $name != \#* && " $tests" == *" ${1:+$1/}"* ]] || continue
		wanted_kernel "$kernel" || continue
		kind=work qemu=${LAB_QEMU:-}
		if [[ $tests =~ ^(counts|alone)\ (.*) ]]; then
			kind=${BASH_REMATCH[1]} tests=${BASH_REMATCH[2]}
		fi
		if [[ $tests == LAB_QEMU=* ]]; then
			qemu=${tests%% *}
			qemu=${qemu#*=} tests=${tests#* }
		fi
		# Limits are several times of what a row takes.
		# shellcheck disable=SC2086 # several tests
		UNKNOWN_SECONDS=$((seconds / 3)) job "$name" $kind "build-$kernel" \
			run_vm "$name" "$kernel" "$cpus" "$seconds" "$qemu" $tests
	done 4< "${2:-$TREE/selftests/vm.list}"
}
