# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks that run something: unit tests on this machine, suites in VMs.

# unit_tests DIRECTORY: those in selftests/DIRECTORY.
unit_tests()
{
	local before=$((PASSED + FAILED)) status

	make -s -C "$TREE/selftests/$1" check KSFT="$LINUX/tools/testing/selftests" \
		2> "$WORK/stderr" > "$WORK/tap"
	status=$?
	collect "$1" < "$WORK/tap"
	if [ $status -ne 0 ]; then
		failure "unit: make -C selftests/$1 check returns 0 (was $status)" "$WORK/stderr"
	elif [ $before -eq $((PASSED + FAILED)) ]; then
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

# run_vm NAME KERNEL CPUS SECONDS TEST...
run_vm()
{
	local name=$1 status

	say "$name: booting $2 with $3 CPU(s)"
	"$TREE/selftests/vm" --kernel "$2" --smp "$3" --timeout "$4" "${@:5}" \
		2> "$WORK/stderr" < /dev/null | collect "$name"
	status=${PIPESTATUS[0]}
	case $status in
	0 | 1) pass "$name: the kernel had nothing to report" ;;
	98) failure "$name: the VM lives until the tests are done" "$WORK/stderr" ;;
	99) failure "$name: the kernel had nothing to report" "$WORK/stderr" ;;
	124) failure "$name: done within $4 s" "$WORK/stderr" ;;
	*) failure "$name: the VM runs (status $status)" "$WORK/stderr" ;;
	esac
	sed -n 's/^lab: log: /         console: /p' "$WORK/stderr"
}

# suite_vms SUITE: the VMs of selftests/vm.list that have tests of the suite.
suite_vms()
{
	local name kernel cpus seconds tests qemu

	while read -r name kernel cpus seconds tests <&4; do
		[[ $name != \#* && " $tests" == *" $1"* ]] || continue
		wanted_kernel "$kernel" || continue
		qemu=${LAB_QEMU:-}
		if [[ $tests == LAB_QEMU=* ]]; then
			qemu=${tests%% *}
			qemu=${qemu#*=} tests=${tests#* }
		fi
		# shellcheck disable=SC2086 # several tests
		LAB_QEMU=$qemu run_vm "$name" "$kernel" "$cpus" "$seconds" $tests
	done 4< "$TREE/selftests/vm.list"
}
