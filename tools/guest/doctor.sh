# shellcheck shell=sh disable=SC2034 # shared with the other parts
# SPDX-License-Identifier: GPL-2.0-only
#
# pvguest doctor: which driver has each device and why not ours, and what the next
# boot of each kernel will use. See usage() in pvguest. Here are how findings are
# written and the devices; doctor-next.sh has the next boots.

STATUS=0
JSON='' # not empty: findings are written as JSON
OBJECTS=0

# ---- findings -----------------------------------------------------------------

# text LINE: a line that only a person reads.
text() {
	[ -n "$JSON" ] || printf '%s\n' "$1"
}

# json_string TEXT: as JSON has it. Names may come from the host: what is not printable
# ASCII becomes a question mark.
json_string() {
	case $1 in
	*[!A-Za-z0-9_\ ./:,=-]*) ;;
	*)
		printf '"%s"' "$1"
		return ;;
	esac
	printf '"%s"' "$(printf '%s' "$1" | LC_ALL=C tr -c ' -~' '?' | sed 's/[\\"]/\\&/g')"
}

# json_words WORD...: an array.
json_words() {
	separator=
	printf '['
	for word; do
		printf '%s' "$separator"
		json_string "$word"
		separator=', '
	done
	printf ']'
}

# object ID LEVEL MESSAGE [COMMAND [LINE [KEYS]]]: a finding, as JSON. KEYS are those that
# only this finding has, with a comma in front. SUBJECT and NAME say what it is about.
object() {
	[ -n "$JSON" ] || return 0
	[ "$OBJECTS" = 0 ] || printf ',\n'
	OBJECTS=$((OBJECTS + 1))
	command=null
	[ -z "${4:-}" ] || command=$(json_string "$4")
	printf '{"subject": "%s", "name": %s, "finding": "%s", "severity": %d, "message": %s, "command": %s, "line": %s%s}' \
		"$SUBJECT" "$(json_string "$NAME")" "$1" "$2" "$(json_string "$3")" "$command" \
		"${5:-null}" "${6:-}"
}

# remark LEVEL ID MESSAGE [COMMAND [LINE INSTEAD]]: below what it is about; the status is the
# worst level. Level 0 is for what is as it should be. The command, or what a line of a file
# should be INSTEAD, has a line of its own, so that it can be pasted.
remark() {
	paste=${4:-${6:-}}
	text "      $3${paste:+:}"
	[ -z "$paste" ] || text "          $paste"
	instead=
	[ -z "${6:-}" ] || instead=", \"instead\": $(json_string "$6")"
	object "$2" "$1" "$3" "${4:-}" "${5:-}" "$instead"
	[ "$1" -le "$STATUS" ] || STATUS=$1
}

# ---- devices ------------------------------------------------------------------

# names_of VIRTIO: what users know it by, one a line.
names_of() {
	dir=$BUS/devices/$1
	for entry in "$dir"/block/* "$dir"/net/*; do
		[ ! -e "$entry" ] || echo "${entry##*/}"
	done
	for entry in "$dir"/virtio-ports/vport*/name "$dir"/vport*/name; do
		[ ! -r "$entry" ] || cat "$entry"
	done
}

# is_root VIRTIO: it has the root file system.
is_root() {
	case " $ROOT_DISKS " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

# root_disks: the virtio devices below the root file system.
root_disks() {
	[ -z "$ROOT" ] || return
	source=$(findmnt -nro SOURCE / 2>/dev/null) || return
	for disk in $(lsblk -snro NAME "${source%%\[*}" 2>/dev/null); do
		readlink -f "/sys/class/block/$disk" | grep -o '/virtio[0-9]*/' | tr -d /
	done | sort -u | xargs
}

on_cmdline() {
	tr ' ' '\n' <"$ROOT/proc/cmdline" | sed -n 's/^module_blacklist=//p' | tr ',' '\n' | grep -qx "$1"
}

# said PATTERN: the last thing that the kernel said about it, in this boot.
said() {
	dmesg 2>/dev/null | sed 's/^\[[^]]*\] *//' | grep -E "$1" | tail -n 1 | grep .
}

# reason ID MESSAGE [COMMAND]: why a device is not ours.
reason() {
	REASON_ID=$1 REASON=$2 REASON_COMMAND=${3:-}
}

# why_not_trusted MODULE: the kernel that runs accepts only signed modules.
why_not_trusted() {
	signed="this kernel accepts only signed modules"
	mok_paths "$KERNEL" "$ROOT"
	case $(mok_state "$ROOT") in
	enrolled)
		reason key-unknown "$signed; the firmware knows $MOK_CERTIFICATE, so $1 was not signed with that key" \
			"$(install_again "$KERNEL")" ;;
	requested) reason key-requested "$signed; $MOK_CERTIFICATE waits to be confirmed on the console at the next boot" ;;
	absent)
		reason key-unknown "$signed, and DKMS has no key ($MOK_CERTIFICATE); where openssl is installed, this makes one and signs $1; then mokutil --import $MOK_CERTIFICATE" \
			"$(install_again "$KERNEL")" ;;
	*) reason key-unknown "$signed and does not know the key of $1; confirm it on the console at the next boot, after" "$(mok_import)" ;;
	esac
}

why_not_loaded() {
	for module in pvg_ring "$1"; do
		if on_cmdline "$module"; then
			reason switched-off "switched off for this boot by module_blacklist=$module on the command line"
			return
		fi
	done
	if [ "$(cat "$SYS/module/module/parameters/sig_enforce" 2>/dev/null)" = Y ] ||
		grep -qs '\[\(integrity\|confidentiality\)\]' "$SYS/kernel/security/lockdown"; then
		why_not_trusted "$1"
	elif line=$(said "(^|[^a-z_])($1|pvg_ring): .*([Ii]nvalid|disagrees|[Uu]nknown|magic|ELF|exec|signature|verification|No module)"); then
		reason load-failed "$1 does not load: $line"
	elif ! softdep_there; then
		reason no-softdep "no softdep in modprobe.d asks for $1: is pvguest.conf gone?"
	elif [ "$(stat -c %Y "$ROOT/lib/modules/$KERNEL/modules.dep")" -gt "$(awk '$1 == "btime" { print $2 }' "$ROOT/proc/stat")" ]; then
		reason installed-later "$1 was installed since this boot: reboot, or pvguest bind"
	else
		reason not-loaded "$1 is not loaded; this may say why" "modprobe $1"
	fi
}

# why_not VIRTIO IN-TREE OURS: sets the reason.
why_not() {
	module_state "$3" "$KERNEL"
	case $STATE in
	none)
		if has_headers "$KERNEL"; then
			reason not-built "no $3 was built for this kernel" "dkms autoinstall -k $KERNEL"
		else
			reason no-headers "no $3 for this kernel, nor its headers" "$(install_headers "$KERNEL")"
		fi
		return ;;
	stub)
		reason stub "$3 did not build for this kernel, a stub is in its place: $(build_log "$KERNEL")"
		return ;;
	broken)
		reason damaged "$(module_file "$3" "$KERNEL") is damaged or did not build" \
			"$(install_again "$KERNEL")"
		return ;;
	esac
	if [ ! -d "$SYS/module/$3" ]; then
		why_not_loaded "$3"
	elif line=$(said "($3: probe of $1 failed|$1: probe with driver $3 failed|$3 $1: .*(fail|error))"); then
		reason probe-failed "$3 did not take it: $line"
	elif [ "$3" = pvg_blk ] && line=$(said "pvguest: pvg_blk did not take"); then
		reason given-in-initramfs "given to $2 in the initramfs: $line"
	elif is_builtin "$2"; then
		reason built-in "$2 is built into this kernel and came first; this moves it" "pvguest bind $1"
	else
		reason in-tree-first "$2 came first; a reboot moves it, or, if it is not in use, this" "pvguest bind $1"
	fi
}

# device_line VIRTIO KIND DRIVER: the device and its driver.
device_line() {
	SUBJECT=device NAME=$1
	names=$(names_of "$1")
	root=
	! is_root "$1" || root=' (root)'
	if [ -z "$JSON" ]; then
		printf '  %-9s %-8s %-15s %s%s\n' "$1" "$2" "$3" "$(echo "$names" | tr '\n' ' ' | sed 's/ *$//')" "$root" |
			sed 's/ *$//'
		return
	fi
	set -f
	IFS='
'
	# shellcheck disable=SC2086 # one name a line
	names=$(json_words $names)
	unset IFS
	set +f
	object driver 0 "$2, driver $3" '' '' \
		", \"type\": \"$2\", \"driver\": \"$3\", \"names\": $names, \"root\": $([ "$root" ] && echo true || echo false)"
}

device() {
	type=$(type_of "$1") || return
	# shellcheck disable=SC2086 # three words
	set -- "$1" $type
	driver=$(driver_of "$1")
	DEVICES=$((DEVICES + 1))
	device_line "$1" "$2" "$driver"
	if [ "$driver" = "$4" ]; then
		module_state "$4" "$KERNEL"
		[ "$(cat "$SYS/module/$4/srcversion" 2>/dev/null)" = "$VERSION" ] ||
			remark 1 old-module "the $4 that runs is not the one that is installed: reboot"
		return
	fi
	why_not "$1" "$3" "$4"
	level=1
	# As pvguest-takeover would have it, too.
	if is_builtin "$3" && [ "$2" = console ] &&
		! names_of "$1" | grep -q 'org\.pvguest\.control\.0'; then
		level=0
	fi
	remark $level "$REASON_ID" "$REASON" "$REASON_COMMAND"
	if [ "$driver $2" = "none disk" ] &&
		find "$BUS/drivers/$4" -name 'virtio*' 2>/dev/null | grep -q .; then
		remark 1 name-conflict "$3 cannot have it beside $4, which has the name that it would be given; module_blacklist=pvg_ring boots without"
	fi
}

# virtio_devices: the names of all, in order.
virtio_devices() {
	find "$BUS/devices" -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -V
}

devices() {
	KERNEL=$(cat "$ROOT/proc/sys/kernel/osrelease")
	DEVICES=0
	ROOT_DISKS=$(root_disks)
	modules_of "$KERNEL"
	text "devices, kernel $KERNEL"
	for virtio in $(virtio_devices); do
		device "$virtio"
	done
	[ "$DEVICES" -gt 0 ] || text "  none that pvguest has drivers for"
}

# ---- the command --------------------------------------------------------------

doctor_options() {
	NEXT='' IMAGE=''
	while [ $# -gt 0 ]; do
		case $1 in
		--json) JSON=1 ;;
		--next) NEXT=1 ;;
		--root)
			{ [ -n "${2:-}" ] && [ -d "$2/lib/modules" ]; } || wrong "doctor: --root: no /lib/modules below '${2:-}'; name the directory where the image is mounted"
			IMAGE=$(cd "$2" && pwd)
			shift ;;
		*) wrong "doctor: unknown argument '$1'; there are --json, --next and --root DIR" ;;
		esac
		shift
	done
	[ -z "$IMAGE" ] || [ -n "$NEXT" ] || wrong "doctor: --root DIR is for --next: pvguest doctor --next --root $IMAGE"
	[ -z "$IMAGE" ] || ROOT=${IMAGE%/}
}

doctor() {
	doctor_options "$@"
	export LC_ALL=C # of patterns, and of what tools say
	[ -n "$ROOT" ] || [ "$(id -u)" = 0 ] || wrong "doctor: needs root: sudo pvguest doctor"
	[ -n "$NEXT" ] || [ -n "$(virtio_devices)" ] ||
		wrong "doctor: no virtio device here: this is no guest with virtio; for an image, pvguest doctor --next --root DIR"
	[ -z "$JSON" ] || printf '['
	[ -n "$NEXT" ] || devices
	next_boots
	configuration
	[ -z "$JSON" ] || printf ']\n'
	case $STATUS in
	0) text "all is well" ;;
	1) text "the guest boots, but not all is on our drivers: see above" ;;
	*) text "DANGER: a kernel may not find its disk at the next boot: see above" ;;
	esac
	exit "$STATUS"
}
