# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# One VM from start to end. V_DIR is its directory in the logs: console (the
# kernel's), output (the command's), status, qemu (command line and messages).

readonly LOGS_KEPT=200
readonly BOOT_SECONDS=${LAB_BOOT_SECONDS:-150}

lab_run() {
	options_default
	options_parse "$@"
	[ ${#COMMAND[@]} -gt 0 ] || die "no command: scripts/lab run [OPTIONS] -- COMMAND"
	run_command
}

run_command() {
	need cpio rsync
	vm_prepare command "${COMMAND[@]}" || die "no VM was started, see above"
	vm_arguments run
	vm_start
	vm_wait
	vm_verdict
}

lab_shell() {
	local size

	options_default
	O_TIMEOUT=0
	options_parse "$@"
	[ ${#COMMAND[@]} -eq 0 ] || die "shell takes no command; use run"
	if ! size=$(stty size 2>/dev/null); then
		# Not a terminal: what there is to read is a script.
		COMMAND=(bash -c "$(cat)" bash)
		run_command
	fi
	need cpio rsync
	vm_prepare shell "$size" || die "no VM was started, see above"
	vm_arguments shell
	say "console log: $V_DIR/console; leave with exit"
	vm_interactive
	vm_verdict
}

# vm_prepare MODE WORD...: kernel, modules, initramfs, disk.
vm_prepare() {
	local mode=$1

	shift
	qemu_prepare
	kernel_prepare "$O_KERNEL" || return
	if ! build_modules; then
		[ "$O_DRIVERS" = pvg ] && return 1
		say "going on without our modules"
		B_KEY=none
	fi
	if [ "$O_DRIVERS" = pvg ] && [ -z "$(built_modules)" ]; then
		die "no pvg module was built from $TREE; --drivers intree or none runs without"
	fi
	image_user || return
	image_modules || return
	vm_directories
	image_run "$V_TMP" "$mode" "$O_DRIVERS" "$@" || return
	[ "$O_DISK" = none ] || truncate -s "$(in_mib "$O_DISK")M" "$V_TMP/disk"
}

vm_directories() {
	local old

	V_DIR=$CACHE/logs/$(date +%Y%m%d-%H%M%S)-$$
	mkdir -p "$V_DIR"
	: >"$V_DIR/output"
	V_TMP=$(mktemp -d "${TMPDIR:-/tmp}/pvguest-lab.XXXXXX")
	V_PID=''
	trap vm_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	find "$CACHE/logs" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort |
		head -n -"$LOGS_KEPT" | while read -r old; do
		rm -rf "$CACHE/logs/$old"
	done
}

vm_cleanup() {
	if [ -n "$V_PID" ]; then
		kill -KILL "$V_PID" 2>/dev/null || true
	fi
	rm -rf "$V_TMP"
	[ -z "$O_QMP" ] || rm -f "$O_QMP"
}

# A /dev/kvm that opens proves nothing: some hosts hang in a stock kernel. So a
# probe has to get as far as missing its root; asked once per boot of the host.
accelerator() {
	local known=$CACHE/accelerator boot

	case ${LAB_ACCEL:-} in
	tcg | kvm) printf '%s\n' "$LAB_ACCEL"; return ;;
	'') ;;
	*) die "LAB_ACCEL '$LAB_ACCEL' is neither tcg nor kvm" ;;
	esac
	if ! grep -qwE 'vmx|svm' /proc/cpuinfo || ! [ -w /dev/kvm ]; then
		echo tcg
		return
	fi
	boot=$(cat /proc/sys/kernel/random/boot_id)
	if ! grep -qs "$boot" "$known"; then
		if accelerator_probe kvm; then
			echo "kvm $boot" >"$known"
		else
			say "KVM is there but does not boot a kernel: emulating"
			echo "tcg $boot" >"$known"
		fi
	fi
	cut -d' ' -f1 "$known"
}

accelerator_probe() {
	QEMU=(timeout 60 qemu-system-x86_64 -accel "$1" -machine q35 -nodefaults -m 512
		-display none -no-reboot -serial stdio -kernel "$K_DIR/image"
		-append "console=ttyS0 panic=-1")
	(exec_qemu) </dev/null 2>/dev/null | grep -q 'Unable to mount root'
}

vm_arguments() {
	local accel

	accel=$(accelerator) || exit
	# Without strict, the firmware sets up every disk to look for something to
	# boot, and leaves rings behind on which an iothread may still be polling
	# when the kernel takes their memory: QEMU finds garbage there and gives up.
	QEMU=(qemu-system-x86_64 -name "pvguest-lab-$$" -machine q35 -nodefaults
		-boot strict=on -display none -no-reboot -smp "$O_SMP" -m "$O_MEM")
	if [ "$accel" = kvm ]; then
		QEMU+=(-accel kvm -cpu host)
	else
		QEMU+=("${QEMU_TCG[@]}")
	fi
	QEMU+=(-kernel "$K_DIR/image" -initrd "$V_TMP/initrd"
		-append "$(vm_command_line "$accel")"
		-chardev "file,id=console,path=$V_DIR/console,append=on" -serial chardev:console)
	case $1 in
	run) QEMU+=(-chardev "file,id=output,path=$V_DIR/output,append=on") ;;
	shell) QEMU+=(-chardev "stdio,id=output,signal=off") ;;
	esac
	QEMU+=(-serial chardev:output
		-chardev "file,id=status,path=$V_DIR/status" -serial chardev:status
		-qmp "unix:${O_QMP:-$V_TMP/qmp},server=on,wait=off")
	if [ "$O_DISK" != none ]; then
		QEMU+=(-object "iothread,id=labio"
			-blockdev "driver=file,node-name=labfile,filename=$V_TMP/disk,discard=unmap"
			-blockdev "driver=raw,node-name=labdisk,file=labfile,discard=unmap"
			-device "virtio-blk-pci,id=labblk,drive=labdisk,serial=pvgtest,iothread=labio")
	fi
	QEMU+=("${O_QEMU[@]}")
	printf '%q ' "${QEMU[@]}" >"$V_DIR/qemu"
	echo >>"$V_DIR/qemu"
}

# Warnings must reach the log, and hangs must end.
vm_command_line() {
	printf '%s' "console=ttyS0 loglevel=7 panic=-1 oops=panic" \
		" sysctl.kernel.hung_task_timeout_secs=120" \
		" printk.devkmsg=on"
	[ "$1" != tcg ] || printf ' %s' "$(tcg_command_line)"
	printf '%s\n' "$O_APPEND"
}

vm_start() {
	local log=$V_DIR/qemu seen

	seen=$(stat -c %s "$V_DIR/output")
	# Each of these replaces the one before, so that the PID is QEMU's.
	exec_qemu </dev/null >>"$log" 2>&1 &
	V_PID=$!
	tail -c +$((seen + 1)) -s 0.1 -f --pid="$V_PID" "$V_DIR/output" &
	V_TAIL=$!
}

# Has the VM left for another QEMU? Then that is started.
vm_migrated() {
	[ -n "$O_STATE" ] && [ -s "$O_STATE" ] || return
	wait "$V_PID" 2>/dev/null || true
	wait "$V_TAIL" || true
	mv "$O_STATE" "$V_TMP/state" || return
	[[ ${QEMU[*]} == *" -incoming "* ]] ||
		QEMU+=(-incoming "file:$V_TMP/state")
	vm_start
}

# An emulated machine may lose a CPU's timer while the kernel sets it up: it then
# stands still until the end of time, without anything of ours in it yet. So a guest
# that has not come to /init is started once more, and its first console kept.
vm_boot_again() {
	! grep -qs "lab: /init runs" "$V_DIR/console" || return
	say "not at /init after $BOOT_SECONDS s, starting it again; see $V_DIR/console.first"
	[ -z "${LAB_RETRIES:-}" ] || echo "${V_DIR##*/}: not at /init" >>"$LAB_RETRIES"
	kill -KILL "$V_PID" 2>/dev/null || true
	wait "$V_PID" 2>/dev/null || true
	wait "$V_TAIL" || true
	mv "$V_DIR/console" "$V_DIR/console.first"
	vm_start
}

# The same at any later time: RCU notices that a timer of an idle CPU does not come. QEMU
# then has the timer's vector in service ("ISR 236" in $V_DIR/state) on a CPU that is
# halted with interrupts enabled, so nobody will ever end it, and it keeps out all that
# are of its priority or below. No driver has a part in that.
vm_lost_timer() {
	local cpu

	cpu=$(sed -n 's/.*rcu:.*Possible timer handling issue on cpu=\([0-9]*\).*/\1/p' \
		"$V_DIR/console" 2>/dev/null | head -n 1)
	[ -n "$cpu" ] && grep -q "NMI backtrace for cpu $cpu skipped: idling" "$V_DIR/console"
}

# vm_state: what QEMU knows of the CPUs, to $V_DIR/state, for whoever wants to find out.
vm_state() {
	local cpu command commands=("info registers -a")

	for ((cpu = 0; cpu < O_SMP; cpu++)); do
		commands+=("info lapic $cpu")
	done
	for command in "${commands[@]}"; do
		timeout 20 "$TREE/selftests/lib/qmp" "${O_QMP:-$V_TMP/qmp}" \
			'{"execute": "human-monitor-command", "arguments": {"command-line": "'"$command"'"}}' |
			sed 's/\\r\\n/\n/g' || true
	done >"$V_DIR/state" 2>&1
}

# Ends with V_END: done, timeout, lost (see above) or hung (a status was given, but no
# power off).
vm_wait() {
	local end=$((SECONDS + O_TIMEOUT)) up=$((SECONDS + BOOT_SECONDS)) off=0 look=0

	V_END='done'
	while kill -0 "$V_PID" 2>/dev/null || vm_migrated; do
		if [ "$up" -gt 0 ] && [ "$SECONDS" -ge "$up" ]; then
			up=0
			! vm_boot_again || end=$((end + BOOT_SECONDS))
		fi
		if [ "$O_TIMEOUT" -gt 0 ] && [ "$SECONDS" -ge "$end" ]; then
			V_END=timeout
			break
		fi
		if [ "$SECONDS" -ge "$look" ]; then
			look=$((SECONDS + 5))
			if vm_lost_timer; then
				V_END=lost
				break
			fi
		fi
		if [ "$off" = 0 ] && [ -s "$V_DIR/status" ]; then
			off=$((SECONDS + 60))
		elif [ "$off" -gt 0 ] && [ "$SECONDS" -ge "$off" ]; then
			V_END=hung
			break
		fi
		sleep 0.1
	done
	if [ "$V_END" != 'done' ]; then
		vm_state
		kill -KILL "$V_PID" 2>/dev/null || true
	fi
	wait "$V_PID" 2>/dev/null || true
	V_PID=''
	wait "$V_TAIL" || true
}

vm_interactive() {
	local saved

	V_END='done'
	saved=$(stty -g)
	(exec_qemu) 2>>"$V_DIR/qemu" || true
	stty "$saved"
}
