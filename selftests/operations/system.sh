#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# shutdown and reboot with hooks and grace, suspend, fstrim and online, where what they do
# is done to stand-ins: in namespaces of its own, /sbin/poweroff only takes a note, and
# /sys/power and the CPUs are files. power.sh does it to a VM.

set -u
[ -n "${OPS_INNER:-}" ] || OPS_INNER=1 exec unshare --mount --net --pid --fork --kill-child --mount-proc -- "$0" "$@"
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

# hook NAME MODE: what it does is read from stdin
hook()
{
	{ echo '#!/bin/sh'; cat; } > "$HOOKS/$1"
	chmod "$2" "$HOOKS/$1"
}

# note: what the stand-ins and hooks were asked for, in order
note()
{
	xargs < "$OPS_DIR/note"
}

noted()
{
	[ "$(note)" = "$1" ]
}

clean_up()
{
	umount -l "$OPS_DIR/disk" "$(readlink -f /sbin/poweroff)" "$(readlink -f /sbin/poweroff)" /etc /sys/power /sys/devices/system/cpu \
		/sys/devices/system/memory
	[ -z "${LOOP:-}" ] || losetup -d "$LOOP"
} 2> /dev/null

# stand_in TARGET: a writable directory of ours in its place; prints where it is
stand_in()
{
	local dir=$OPS_DIR/stand-in${1//\//-}

	mkdir "$dir"
	mount --bind "$dir" "$1" && echo "$dir"
}

mount -t tmpfs tmpfs /run
export TMPDIR=/run
ops_begin
tap_at_exit clean_up
cp -a /etc "$OPS_DIR/etc" && mount --bind "$OPS_DIR/etc" /etc
HOOKS=/etc/pvguest/hooks.d/shutdown.d
rm -rf /etc/pvguest
mkdir -p "$HOOKS"
: > "$OPS_DIR/note"
cat > "$OPS_DIR/stub" << END
#!/bin/sh
echo "\${0##*/}" >> $OPS_DIR/note
[ ! -e $OPS_DIR/fail ] || { echo "no way down"; exit 7; }
END
chmod 755 "$OPS_DIR/stub"
for program in poweroff reboot; do
	[ -e /sbin/$program ] || : > /sbin/$program
	mount --bind "$OPS_DIR/stub" "$(readlink -f /sbin/$program)"
done
# The worst that may happen here is the end of the namespace's first process.
tap_check "the test is in a PID namespace of its own" [ $$ -eq 1 ] || tap_done
ops_start

# Without hooks
tap_is "$(pvhost -j shutdown | jq -r .shutdown)" begun "shutdown is begun where there are no hooks"
wait_for 10 noted poweroff
tap_is "$(note)" poweroff "shutdown runs /sbin/poweroff"
: > "$OPS_DIR/note"
tap_is "$(pvhost -j reboot | jq -r .reboot)" begun "reboot is begun"
wait_for 10 noted reboot
tap_is "$(note)" reboot "reboot runs /sbin/reboot"

# Hooks of each kind
hook 10-good 755 << END
echo "good \$1" >> $OPS_DIR/note
echo "the last words of it"
END
hook 20-fails 755 << END
echo fails >> $OPS_DIR/note
exit 3
END
hook 30-hangs 755 << END
echo hangs >> $OPS_DIR/note
sleep 987
END
hook 35-killed 755 <<< 'kill -9 $$'
hook 40-leaves 755 << END
echo leaves >> $OPS_DIR/note
sleep 986 &
END
hook 50-open 777 <<< "echo open >> $OPS_DIR/note"
hook 60-plain 644 <<< "echo plain >> $OPS_DIR/note"
hook 70-nobody 755 <<< "echo nobody >> $OPS_DIR/note"
chown 65534 "$HOOKS/70-nobody"
ln -s 10-good "$HOOKS/80-link"
hook 90-old.bak 755 <<< "echo old >> $OPS_DIR/note"
hook 95-last 755 <<< "echo last >> $OPS_DIR/note"
: > "$OPS_DIR/note"
pvhost -j shutdown --dry-run > "$OPS_DIR/out"
tap_is "$(jq -r '[.hooks[] | select(.result == "would-run") | .name] | join(" ")' "$OPS_DIR/out")" \
	"10-good 20-fails 30-hangs 35-killed 40-leaves 95-last" "shutdown --dry-run lists the hooks that would run"
tap_is "$(note)" "" "shutdown --dry-run runs nothing"
pvhost -j shutdown -H 1 > "$OPS_DIR/out"
tap_is "$?" 0 "shutdown goes on after hooks that fail, hang, or are refused"
tap_is "$(jq -rc '[.hooks[] | [.name, .result, .status]]' "$OPS_DIR/out")" \
	'[["10-good","done",0],["20-fails","failed",3],["30-hangs","timed-out",0],["35-killed","killed",9],["40-leaves","done",0],["50-open","refused",0],["60-plain","refused",0],["70-nobody","refused",0],["80-link","refused",0],["95-last","done",0]]' \
	"each hook's result is told, in their order"
tap_is "$(jq -r '.hooks[0].text' "$OPS_DIR/out")" 'the last words of it\x0a' "what a hook printed is told"
wait_for 10 noted "good shutdown fails hangs leaves last poweroff"
tap_is "$(note)" "good shutdown fails hangs leaves last poweroff" \
	"hooks run in order with the verb, then the system goes; those that are not root's alone do not"
tap_is "$(pgrep -fc 'sleep 987')" 0 "what a hook that hangs has started is killed with it"
tap_num "$(jq '.hooks[4].ms' "$OPS_DIR/out") < 900" "a hook's child that keeps its output does not hold it up"
pkill -f 'sleep 986'
tap_check "a hook that was not run is in the log" ops_log "hook 50-open was not run: it can be written to by others"
chmod 777 "$HOOKS"
tap_is "$(pvhost -j shutdown -n | jq -c '[.hooks[] | [.name, .result]]')" '[["shutdown.d","refused"]]' \
	"no hook runs of a directory that others can write to"
rm -r /etc/pvguest/hooks.d

# It cannot be done.
touch "$OPS_DIR/fail"
pvhost shutdown > "$OPS_DIR/out" 2>&1
tap_is "$?" 1 "shutdown fails where /sbin/poweroff fails"
tap_check "the host is told what it said" grep -q "poweroff failed: no way down" "$OPS_DIR/out"
rm "$OPS_DIR/fail"

# Grace
# grace SECONDS: a shutdown with that grace is under way, of the process $waiter
grace()
{
	"$PVHOST" -t 30 shutdown -g "$1" -m 'new disks' > "$OPS_DIR/out" 2>&1 &
	waiter=$!
	wait_for 10 grep -q "^in $1 s" "$OPS_DIR/out"
}

no_doer()
{
	! pgrep -x pvguestd-doer
}

: > "$OPS_DIR/note"
grace 600
tap_check "shutdown --grace says how long it waits" grep -q '^in 600 s' "$OPS_DIR/out"
kill -INT $waiter
wait $waiter
tap_is "$?" 1 "Ctrl-C in the grace ends pvhost with 1"
wait_for 10 no_doer
tap_check "Ctrl-C in the grace ends the shutdown" no_doer
tap_is "$(note)" "" "Ctrl-C in the grace cancels the shutdown"
grace 2
kill -9 $waiter
wait $waiter 2> /dev/null
wait_for 10 noted poweroff
tap_is "$(note)" poweroff "a host that is lost in the grace has not cancelled"
grace 600
kill -9 $waiter
wait $waiter 2> /dev/null
tap_is "$(pvhost shutdown 2>&1)" "pvhost: shutdown: busy: shutdown: a shutdown, reboot or suspend is under way" \
	"a second one is busy in the grace of the first"
pkill -x pvguestd-doer
wait_for 10 no_doer
tap_is "$(client -s 20 -r $'\x08\x91\x1c' 1 | cut -d ' ' -f 1)" invalid "a grace of 3601 s is invalid"
tap_is "$(client -s 20 -r $'\x12\x03a\x1bb' 1 | cut -d ' ' -f 1)" invalid "a message with a control character is invalid"
tap_is "$(client -s 20 -r $'\xff' 1 | cut -d ' ' -f 1)" invalid "a malformed record is invalid"
pvhost shutdown -g 3601 > /dev/null 2>&1
tap_is "$?" 2 "shutdown -g 3601 exits with 2"
if [ ${#OPS_LISTEN[@]} -gt 0 ] && [ -z "${PVG_QMP:-}" ]; then
	: > "$OPS_DIR/note"
	pvhost shutdown -f > "$OPS_DIR/out" 2>&1
	tap_is "$? $(note)" "1 " "shutdown --force asks the kernel, and there is none here"
fi

# Suspend; of a VM for real, until all devices sleep, when the kernel's pm_test wakes it up
if [ -n "${PVG_QMP:-}" ] && [ -w /sys/power/pm_test ] && grep -qw mem /sys/power/state; then
	echo devices > /sys/power/pm_test
	[ ! -e /sys/module/suspend/parameters/pm_test_delay ] ||
		echo 1 > /sys/module/suspend/parameters/pm_test_delay
	tap_check "a VM is suspended and answers afterwards, or its session was lost" \
		grep -qE 'resumed|suspended' <(pvhost -j suspend)
	tap_check "the kernel did suspend" grep -q 'PM: suspend exit' <(dmesg)
	echo none > /sys/power/pm_test
	tap_check "the guest answers after the resume" pvhost info os
fi
power=$(stand_in /sys/power)
tap_is "$(pvhost suspend 2>&1)" "pvhost: suspend mem: unsupported: suspend: this guest has no mode mem, it has none" \
	"suspend where the kernel has no mode says so"
echo "freeze mem disk" > "$power/state"
echo "[platform] shutdown reboot" > "$power/disk"
tap_is "$(pvhost suspend hybrid 2>&1)" "pvhost: suspend hybrid: unsupported: suspend: this guest has no mode hybrid, it has mem disk" \
	"suspend hybrid where the kernel has none says which modes there are"
tap_is "$(pvhost -j suspend | jq -r .suspend)" resumed "suspend answers after the resume"
tap_is "$(head -c 3 "$power/state")" mem "suspend writes mem to /sys/power/state"
echo "freeze mem disk" > "$power/state"
tap_is "$(pvhost -j suspend disk | jq -r .suspend)" resumed "suspend disk answers after the resume"
tap_is "$(head -c 4 "$power/state")" disk "suspend disk writes disk to /sys/power/state"
pvhost suspend fast > /dev/null 2>&1
tap_is "$?" 2 "suspend fast exits with 2"
tap_is "$(client -s 20 -r $'\x08\x07' 3 | cut -d ' ' -f 1)" invalid "a mode that is none is invalid"

# CPUs and memory
cpus=$(stand_in /sys/devices/system/cpu)
for i in 0 1 2 3 10; do
	mkdir "$cpus/cpu$i"
	[ $i = 3 ] || echo 1 > "$cpus/cpu$i/online"
done
mkdir "$cpus/cpufreq"
echo 0 > "$cpus/cpu10/online"
tap_is "$(pvhost -j online cpu | jq -sc 'map([.id, .online, .fixed])')" \
	"[[0,true,false],[1,true,false],[2,true,false],[3,true,true],[10,false,false]]" "online lists CPUs in order, with their states"
tap_is "$(pvhost -j online cpu on all | jq -sc 'map(select(.changed) | .id)')" "[10]" "online cpu on all changes what was offline"
tap_is "$(cat "$cpus/cpu10/online")" 1 "online cpu on writes 1"
tap_check "online cpu off 1-2 is done" pvhost online cpu off 1-2
tap_is "$(cat "$cpus/cpu1/online" "$cpus/cpu2/online" | xargs)" "0 0" "online cpu off 1-2 writes 0 to both"
tap_fails "CPU 0 is not taken offline" pvhost online cpu off 0
tap_fails "a CPU that cannot be switched is refused" pvhost online cpu off 3
rm -r "$cpus/cpu3"
echo 0 > "$cpus/cpu0/online"
tap_fails "the last CPU is not taken offline" pvhost online cpu off 10
tap_is "$(cat "$cpus/cpu10/online")" 1 "the last CPU is still online"
tap_is "$(pvhost online cpu off 77 2>&1)" "pvhost: online: not-found: online: of cpu 77 to 77 this guest has 0" \
	"a CPU that there is not is not found"
for bad in "cpu off" "cpu off all" "cpu on x" "cpu on 2-1" "disk" "cpu on 0-4096" "cpu list 1"; do
	# shellcheck disable=SC2086
	pvhost online $bad > /dev/null 2>&1
	tap_is "$?" 2 "online $bad exits with 2"
done
blocks=$(stand_in /sys/devices/system/memory)
echo 8000000 > "$blocks/block_size_bytes"
for i in 0 1 2; do
	mkdir "$blocks/memory$i"
	echo online > "$blocks/memory$i/state"
done
tap_is "$(pvhost -j online memory | jq -sc 'map([.id, .online, .size])')" \
	"[[0,true,134217728],[1,true,134217728],[2,true,134217728]]" "online memory lists blocks with their size"
tap_check "online memory off 1 is done" pvhost online memory off 1
tap_is "$(head -c 7 "$blocks/memory1/state")" offline "online memory off writes offline"

# fstrim; what is the machine's own is read only here
mount -o remount,bind,ro / 2> /dev/null
truncate -s 64M "$OPS_DIR/image"
modprobe -q loop 2> /dev/null
LOOP=$(losetup -f --show "$OPS_DIR/image") 2> /dev/null
if [ -n "$LOOP" ] && mkfs.ext4 -q -E nodiscard,lazy_itable_init=0 "$LOOP" 2> /dev/null; then
	mkdir "$OPS_DIR/disk"
	mount "$LOOP" "$OPS_DIR/disk"
	head -c 24M /dev/urandom > "$OPS_DIR/disk/file"
	sync -f "$OPS_DIR/disk"
	rm "$OPS_DIR/disk/file"
	sync -f "$OPS_DIR/disk"
	before=$(stat -c %b "$OPS_DIR/image")
	tap_num "$(pvhost -j fstrim "$OPS_DIR/disk" | jq .bytes) > 24000000" "fstrim says how much it trimmed"
	tap_num "$before - $(stat -c %b "$OPS_DIR/image") > 45000" "what was deleted no longer has blocks in the image"
	tap_is "$(pvhost -j fstrim | jq -r .target)" "$OPS_DIR/disk" "fstrim of all meets the writable file system on a disk"
	mount -o remount,ro "$OPS_DIR/disk"
	tap_is "$(pvhost fstrim "$OPS_DIR/disk" 2>&1)" \
		"pvhost: fstrim $OPS_DIR/disk: unsupported: fstrim: $OPS_DIR/disk is not on a writable block device of this guest" \
		"fstrim of a read-only file system is refused"
else
	tap_skip "fstrim trims what was deleted" "there is no loop device, or no ext4"
fi
tap_is "$(pvhost fstrim /run 2>&1)" "pvhost: fstrim /run: unsupported: fstrim: /run is not on a writable block device of this guest" \
	"fstrim of a tmpfs is refused"
tap_is "$(pvhost fstrim "$OPS_DIR/etc" 2>&1)" "pvhost: fstrim $OPS_DIR/etc: not-found: fstrim: $OPS_DIR/etc is no mount point" \
	"fstrim of a directory is refused"
pvhost fstrim etc > /dev/null 2>&1
tap_is "$?" 2 "fstrim of a relative path exits with 2"
ops_stop
tap_done
