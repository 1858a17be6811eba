# shellcheck shell=bash disable=SC2034,SC2054,SC2154 # shared with the suite; commas
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots the disk of a guest, with the kernel and the initramfs that are on it.

GUEST_UUID=7c5a3c0e-5d1b-4f6e-9a57-2f1c0de0a11e
ROOT_UUID="root=UUID=$GUEST_UUID"
GUEST_CPU_SECONDS=3600
INIT_SECONDS=150

# boot_files IMAGE [RELEASE]: the kernel, which is decompressed here since the
# emulator takes long for that, and the initramfs, of the newest or a named
# release. Sets RELEASE, KERNEL, INITRD.
boot_files()
{
	rm -f "$SHARED/vmlinuz" "$SHARED/initrd" "$SHARED/release"
	# Without a write: other runs may be reading it, too, but not attaching it to a
	# loop device while this one is let go of.
	# shellcheck disable=SC2016 # for the inner shell
	flock "$IMAGES/.lock" unshare --mount --propagation private bash -c '
		mount -o "ro,noload,loop,offset=$2" "$1" /mnt && cd /mnt/boot || exit
		release=${4:-$(for k in vmlinuz-*; do echo "${k#vmlinuz-}"; done | sort -V | tail -n 1)}
		cp "vmlinuz-$release" "$3/vmlinuz" && cp "initrd.img-$release" "$3/initrd" &&
			echo "$release" > "$3/release"' boot_files "$1" "$IMAGE_START" "$SHARED" "${2:-}" || {
		tap_not_ok "there are a kernel${2:+ $2} and its initramfs on ${1##*/}"
		return 1
	}
	RELEASE=$(cat "$SHARED/release")
	KERNEL=$IMAGES/vmlinux-$RELEASE-$(sha256sum < "$SHARED/vmlinuz" | cut -c1-12)
	[ -e "$KERNEL" ] || { vmlinux_extract "$SHARED/vmlinuz" "$KERNEL.$$" && mv "$KERNEL.$$" "$KERNEL"; } || return
	INITRD=$1.initrd
	mv "$SHARED/initrd" "$INITRD"
}

# start_guest IMAGE MODE APPEND SCRIPT: QEMU in the background, its PID in VM.
# MODE is "on" where the disk is to keep nothing of it, or "off".
start_guest()
{
	rm -f "$TMP/console" "$TMP/output" "$TMP/port" "$TMP/control"
	truncate -s 64M "$TMP/data"
	cp "$4" "$TMP/script"
	QEMU=(qemu-system-x86_64 "${QEMU_TCG[@]}" -machine q35
		-nodefaults -boot strict=on -display none -no-reboot -smp 2 -m 768
		-kernel "$KERNEL" -initrd "$INITRD"
		-append "console=ttyS0 loglevel=4 panic=-1 $(tcg_command_line) rw $3"
		-chardev "file,id=console,path=$TMP/console" -serial chardev:console
		-chardev "file,id=output,path=$TMP/output" -serial chardev:output
		-fw_cfg "name=opt/pvguest/script,file=$TMP/script"
		-qmp "unix:$TMP/qmp,server=on,wait=off"
		-drive "if=none,id=root,format=raw,cache=unsafe,snapshot=$2,file=$1"
		-device virtio-blk-pci,drive=root,serial=rootdisk
		-drive "if=none,id=data,format=raw,cache=unsafe,file=$TMP/data"
		-device virtio-blk-pci,drive=data,serial=datadisk
		-netdev user,id=net -device virtio-net-pci,netdev=net,romfile=
		-device virtio-balloon-pci -device virtio-serial-pci,id=ports
		-chardev "file,id=port,path=$TMP/port"
		-device virtserialport,bus=ports.0,chardev=port,name=test.0
		-device virtio-serial-pci,id=control
		-chardev "socket,id=pvc,path=$TMP/control,server=on,wait=off"
		-device virtserialport,bus=control.0,chardev=pvc,name=org.pvguest.control.0)
	exec_qemu > "$TMP/qemu" 2>&1 < /dev/null &
	VM=$!
}

# guest_until COMMAND...: waits until it succeeds or the guest is off. On a busy
# machine a guest may take long: what is limited is the CPU time it has had, and an
# hour in which it did nothing.
guest_until()
{
	local end=$((SECONDS + 3600)) stat

	while kill -0 "$VM" 2> /dev/null && ! "$@"; do
		read -r -a stat < "/proc/$VM/stat" || break
		if [ $(((stat[13] + stat[14]) / $(getconf CLK_TCK))) -gt "$GUEST_CPU_SECONDS" ] ||
			[ "$SECONDS" -gt "$end" ]; then
			tap_diag "the guest takes too long"
			break
		fi
		sleep 0.2
	done
}

# end_guest: at once, if it is not off.
end_guest()
{
	kill -KILL "$VM" 2> /dev/null
	wait "$VM" 2> /dev/null
	VM=
}

# boot IMAGE [APPEND [SCRIPT]]: until it is off, or for too long. What it said is
# in $TMP/output, and HOST_STATUS is 0 if pvhost had an answer. It keeps no changes.
# A kernel that stops before /init is started once more, as scripts/lab does.
boot()
{
	local start=$SECONDS

	if ! boot_once "$@"; then
		tap_diag "not at /init after $INIT_SECONDS s, booting again"$'\n'"$(tail -n 20 "$TMP/console")"
		[ -z "${LAB_RETRIES:-}" ] || echo "install: not at /init" >> "$LAB_RETRIES"
		boot_once "$@"
	fi
	tap_diag "boot took $((SECONDS - start)) s"
}

# boot_once IMAGE [APPEND [SCRIPT]]: fails if it ended a guest that was not at /init.
boot_once()
{
	local start=$SECONDS script=${3:-$SUITE/guest.sh} stands='' host

	start_guest "$1" on "${2:-$ROOT_UUID}" "$script"
	# The host's end of the control channel, which waits for a kernel that answers.
	while [ ! -S "$TMP/control" ] && kill -0 "$VM" 2> /dev/null; do
		sleep 0.1
	done
	"$TREE/tools/pvhost" -s "$TMP/control" -t "$BOOT_SECONDS" status > "$TMP/pvhost" 2>&1 &
	host=$!
	while kill -0 "$VM" 2> /dev/null && [ $((SECONDS - start)) -lt "$BOOT_SECONDS" ]; do
		# The kernel's own lines begin with a time in brackets.
		if [ $((SECONDS - start)) -ge "$INIT_SECONDS" ] && ! grep -q '^[^[]' "$TMP/console"; then
			stands="not at /init"
			break
		fi
		sleep 0.2
	done
	! kill -0 "$VM" 2> /dev/null || echo "${stands:-timeout}" >> "$TMP/output"
	end_guest
	kill "$host" 2> /dev/null
	wait "$host"
	HOST_STATUS=$?
	[ -z "$stands" ]
}
