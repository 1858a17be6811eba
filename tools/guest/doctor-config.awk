# SPDX-License-Identifier: GPL-2.0-only
#
# Lines of configuration that hold for the in-tree drivers and not for ours. Writes for each:
# file, line, finding, message, and what to write instead, with tabs between.
#   -v blk="254"   majors of virtio disks, if these are known

BEGIN {
	split("virtio_net pvg_net virtio_blk pvg_blk virtio_console pvg_ctl virtio_balloon pvg_balloon", name, " ")
}

FNR == 1 {
	section = ""
	list = 0
	if (FILENAME ~ /\/systemd\/network\//)
		kind = "networkd"
	else if (FILENAME ~ /\/netplan\//)
		kind = "netplan"
	else if (FILENAME ~ /\/rules\.d\//)
		kind = "udev"
	else if (FILENAME ~ /\/NetworkManager\//)
		kind = "NetworkManager"
	else if (FILENAME ~ /\/lvm\//)
		kind = "lvm"
	else if (FILENAME ~ /\/systemd\/system\//)
		kind = "unit"
	else if (FILENAME ~ /\/lxc\/|\/cgconfig/)
		kind = "cgroup"
	else if (FILENAME ~ /\/modprobe\.d\//)
		kind = "modprobe"
	else if (FILENAME ~ /\/default\/grub|\/boot\/|\/kernel\/cmdline/)
		kind = "boot"
	else
		kind = "script"
}

/^[ \t]*[#;]/ { next }

{
	line = $0
	sub(/\r$/, "", line)
}

line ~ /\/sys\/class\/virtio-ports/ {
	wanted = line
	gsub(/\/sys\/class\/virtio-ports/, "/sys/bus/virtio-ports/devices", wanted)
	put("ports-class", "the ports of pvg_ctl are in /sys/bus/virtio-ports/devices and not in /sys/class/virtio-ports; write", wanted)
}

kind == "networkd" || kind == "NetworkManager" {
	if (line ~ /^[ \t]*\[/)
		section = line
}

kind == "networkd" && section ~ /\[Match\]/ && line ~ /^[ \t]*Driver[ \t]*=/ {
	value = after(line, "=")
	if (only_in_tree(value, " ") && value ~ /^!/)
		put("driver-match", "Driver= leaves out virtio_net and not pvg_net; write", "Driver=" value " pvg_net")
	else if (only_in_tree(value, " "))
		put("driver-match", "Driver= matches virtio_net and not pvg_net; write", "Driver=" value " pvg_net")
}

kind == "NetworkManager" && section ~ /\[match\]/ && line ~ /^[ \t]*driver[ \t]*=/ {
	value = after(line, "=")
	sub(/;$/, "", value)
	if (only_in_tree(value, ";"))
		put("driver-match", "driver= matches virtio_net and not pvg_net; write", "driver=" value ";pvg_net;")
}

kind == "NetworkManager" && line ~ /driver:virtio_net/ && line !~ /driver:pvg_net/ {
	wanted = trimmed(line)
	if (line ~ /except:driver:virtio_net/)
		gsub(/except:driver:virtio_net/, "except:driver:virtio_net;except:driver:pvg_net", wanted)
	else
		gsub(/driver:virtio_net/, "driver:virtio_net;driver:pvg_net", wanted)
	put("driver-match", "driver: matches virtio_net and not pvg_net; write", wanted)
}

# A list below "driver:" ends with the first line that is no item of it.
kind == "netplan" && list && line !~ /^[ \t]*-/ { end_of_list() }
kind == "netplan" && list {
	value = line
	sub(/^[ \t]*-[ \t]*/, "", value)
	items = items (items ? ", " : "") unquoted(value)
}
kind == "netplan" && line ~ /(^|[ \t{,])driver:/ {
	value = line
	sub(/.*driver:[ \t]*/, "", value)
	sub(/[ \t]#.*/, "", value)
	if (value ~ /^\[/)
		sub(/\].*/, "", value)
	else
		sub(/[,}].*/, "", value)
	gsub(/[\[\]"' \t]/, "", value)
	list = value == ""
	list_line = FNR
	list_file = FILENAME
	items = value
	gsub(/,/, ", ", items)
	if (!list)
		end_of_list()
}

kind == "udev" {
	rest = line
	while (match(rest, /(DRIVERS?|ENV[{]ID_NET_DRIVER[}])[ \t]*[!=]=[ \t]*[ei]?"[^"]*"/)) {
		term = substr(rest, RSTART, RLENGTH)
		rest = substr(rest, RSTART + RLENGTH)
		value = term
		sub(/^[^"]*"/, "", value)
		sub(/"$/, "", value)
		for (n = 1; n < 8; n += 2) {
			if (!one_without(value, "|", n))
				continue
			wanted = term
			sub(/"$/, "|" name[n + 1] "\"", wanted)
			put("driver-match", "the rule looks for " name[n] " and not for " name[n + 1] "; write", wanted)
		}
	}
	if (match(line, /ENV[{]MAJOR[}][ \t]*==[ \t]*"[0-9]+"|ATTRS?[{]dev[}][ \t]*==[ \t]*"[0-9]+:/))
		major(number(substr(line, RSTART, RLENGTH)), "KERNEL==\"vd*\"")
}

kind == "lvm" && match(line, /\/dev\/block\/[0-9]+/) {
	major(number(substr(line, RSTART, RLENGTH)), "a path below /dev/disk/by-id, or /dev/vd in place of /dev/block")
}

kind == "unit" && match(line, /^[ \t]*[A-Z][A-Za-z]*=\/dev\/block\/[0-9]+/) {
	device = substr(line, RSTART, RLENGTH)
	if (device ~ /DeviceAllow/)
		wanted = "DeviceAllow=block-virtblk" rights(line)
	else
		wanted = "the path of the disk below /dev/disk/by-id"
	major(number(device), wanted)
}

kind == "unit" && match(line, /^[ \t]*DeviceAllow=char-[^ \t]+/) {
	value = after(substr(line, RSTART, RLENGTH), "-")
	if (glob(value, "virtio-portsdev") && !glob(value, "pvg_ctl"))
		put("driver-match", "the ports of pvg_ctl are character devices of the name pvg_ctl; add the line", "DeviceAllow=char-pvg_ctl" rights(line))
}

kind == "boot" && match(line, /module_blacklist=[^ "']*pvg_[a-z]*/) {
	put("switched-off", substr(line, RSTART, RLENGTH) " leaves the devices to the in-tree drivers at each boot", "")
}

kind == "modprobe" && line ~ /^[ \t]*install[ \t]+pvg_/ {
	put("switched-off", "modprobe runs this line in place of loading the module", "")
}

kind == "cgroup" && match(line, /devices\.(allow|deny)[ \t]*=[ \t]*"?b[ \t]+[0-9]+:/) {
	device = substr(line, RSTART, RLENGTH)
	sub(/.*b[ \t]+/, "", device)
	major(number(device), "the number that /proc/devices has for virtblk, set at each boot")
}

END {
	if (list)
		end_of_list()
}

function put(id, message, wanted) {
	gsub(/\t/, " ", wanted)
	printf "%s\t%d\t%s\t%s\t%s\n", FILENAME, FNR, id, message, trimmed(wanted)
}

# major NUMBER: of a block device. Where the majors of virtio disks are not known, those that
# the kernel may choose for them count.
function major(n, wanted) {
	if (blk ? index(" " blk " ", " " n " ") : (n >= 234 && n <= 254) || (n >= 384 && n <= 511))
		put(blk ? "major-number" : "major-maybe", "the kernel chooses the major " n \
		    (blk ? " of virtio disks" : ", perhaps that of virtio disks,") \
		    " when a driver is loaded, and pvg_blk has another than virtio_blk; write", wanted)
}

function end_of_list() {
	list = 0
	if (only_in_tree(items, ", "))
		printf "%s\t%d\t%s\t%s\t%s\n", list_file, list_line, "driver-match", \
			"driver: matches virtio_net and not pvg_net; write", "driver: [" items ", pvg_net]"
}

# only_in_tree LIST SEPARATOR: one of the patterns is for virtio_net, and none for pvg_net.
function only_in_tree(value, separator) {
	sub(/^[!|&]+/, "", value)
	return one_without(value, separator, 1)
}

function one_without(value, separator, n,    pattern, count, i, theirs, ours) {
	count = split(value, pattern, separator == "|" ? "[|]" : separator)
	for (i = 1; i <= count; i++) {
		theirs = theirs || glob(pattern[i], name[n])
		ours = ours || glob(pattern[i], name[n + 1])
	}
	return theirs && !ours
}

# glob PATTERN TEXT: as fnmatch().
function glob(pattern, text,    regex) {
	pattern = unquoted(pattern)
	if (pattern !~ /[*?[]/ || (pattern ~ /\[/ && pattern !~ /\[[^]]+\]/))
		return pattern == text
	regex = pattern
	gsub(/[.+(){}|]/, "[&]", regex)
	gsub(/[\\^$]/, "\\\\&", regex)
	gsub(/\*/, ".*", regex)
	gsub(/\?/, ".", regex)
	gsub(/\[!/, "[^", regex)
	return text ~ "^" regex "$"
}

function after(text, mark) {
	return trimmed(substr(text, index(text, mark) + 1))
}

function trimmed(text) {
	sub(/^[ \t]+/, "", text)
	sub(/[ \t]+$/, "", text)
	return text
}

function unquoted(text) {
	text = trimmed(text)
	gsub(/^["']|["']$/, "", text)
	return text
}

# number TEXT: the first in it.
function number(text) {
	sub(/^[^0-9]*/, "", text)
	return text + 0
}

# rights LINE: what stands behind the device, with a space in front.
function rights(text) {
	return match(text, /[ \t][rwm]+[ \t]*$/) ? " " trimmed(substr(text, RSTART)) : ""
}
