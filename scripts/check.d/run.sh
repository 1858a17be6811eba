# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks that run something: unit tests on this machine, suites in VMs.

# unit_tests DIRECTORY: those in selftests/DIRECTORY.
unit_tests()
{
	local before status

	before=$(counted)
	make -s -C "$TREE/selftests/$1" check KSFT="$LINUX/tools/testing/selftests" \
		2> "$WORK/stderr" > "$WORK/output"
	status=$?
	collect "$1" < "$WORK/output"
	if [ $status -ne 0 ]; then
		failure "unit: make -C selftests/$1 check returns 0 (was $status)" "$WORK/stderr"
	elif [ "$before" = "$(counted)" ]; then
		failure "unit: there are tests in selftests/$1" "$WORK/stderr"
	fi
	say "        unit tests in selftests/$1 are done"
}

suite_unit()
{
	linux_parts || { failure "unit: kselftest from the kernel's source"; return; }
	try "unit: make tools" make -s -C "$TREE/tools"
	unit_tests ring
	unit_tests protocol
}

# suite_host SUITE: a suite that boots VMs itself.
suite_host()
{
	local status

	say "$1: selftests/$1/run-host.sh"
	"$TREE/selftests/$1/run-host.sh" 2> "$WORK/stderr" < /dev/null | collect "$1"
	status=${PIPESTATUS[0]}
	[ "$status" -le 1 ] || failure "$1: run-host.sh returns 0 (was $status)" "$WORK/stderr"
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
		: > "$WORK/counts"
		: > "$WORK/tap"
		vm_tests "$@"
	fi
	case $status in
	0 | 1) pass "$name: the kernel had nothing to report" ;;
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
		2> "$WORK/stderr" < /dev/null | collect "$1"
	status=${PIPESTATUS[0]}
}

# jobs_vms SUITE: a job for each VM of selftests/vm.list that has tests of it.
jobs_vms()
{
	local name kernel cpus seconds tests kind qemu

	while read -r name kernel cpus seconds tests <&4; do
		[[ $name != \#* && " $tests" == *" $1"* ]] || continue
		wanted_kernel "$kernel" || continue
		kind=work qemu=${LAB_QEMU:-}
		if [[ $tests == "counts "* ]]; then
			kind=counts tests=${tests#counts }
		fi
		if [[ $tests == LAB_QEMU=* ]]; then
			qemu=${tests%% *}
			qemu=${qemu#*=} tests=${tests#* }
		fi
		# shellcheck disable=SC2086 # several tests
		job "$name" $kind "build-$kernel" \
			run_vm "$name" "$kernel" "$cpus" "$seconds" "$qemu" $tests
	done 4< "$TREE/selftests/vm.list"
}
