# shellcheck shell=sh disable=SC2034,SC2153,SC2154 # shared with doctor.sh
# SPDX-License-Identifier: GPL-2.0-only
#
# pvguest doctor: configuration that names the in-tree drivers, so that it does not hold for
# ours. doctor-config.awk judges the lines; here is which files are read.

# config_files: those that are there, one a line. Where two directories of systemd, udev or
# netplan have the same file, only that of the first counts; a link leads to where it leads
# below ROOT. What is large is no configuration.
config_files() {
	lists=
	for dir in systemd/network systemd/system udev/rules.d netplan; do
		for place in etc run usr/local/lib usr/lib lib; do
			[ "$NEXT$place" = 1run ] || lists="$lists $place/$dir"
		done
	done
	# shellcheck disable=SC2086 # a list
	(cd "$ROOT/" && find $lists etc/NetworkManager etc/lvm etc/lxc var/lib/lxc etc/cgconfig.conf \
		etc/default etc/kernel boot/loader boot/grub boot/grub2 etc/modprobe.d usr/lib/modprobe.d \
		etc/init.d etc/local.d usr/local/bin usr/local/sbin etc/rc.local -maxdepth 2 \
		\( -type f -o -type l \) -size -2000 -printf '%H\t%P\t%l\n' 2>/dev/null) |
		ROOT=$ROOT LC_ALL=C awk -F '\t' '
			$1 ~ /systemd.network$/ && $2 !~ /\.(network|link)(\.d\/.*\.conf)?$/ { next }
			$1 ~ /systemd.system$/ && $2 !~ /\.(service|slice|conf)$/ { next }
			$1 ~ /netplan$/ && $2 !~ /^[^\/]*\.yaml$/ { next }
			$1 ~ /rules\.d$/ && ($2 !~ /^[^\/]*\.rules$/ || $2 == "70-pvguest-control.rules") { next }
			$1 ~ /NetworkManager$/ && $2 !~ /\.(conf|nmconnection)$/ { next }
			$1 ~ /etc.l(vm|xc)$/ && $2 !~ /\.conf$/ { next }
			$1 == "etc/default" && $2 !~ /^grub/ { next }
			$1 == "etc/kernel" && $2 != "cmdline" { next }
			$1 ~ /^boot/ && $2 !~ /^(entries\/.*\.conf|grub\.cfg)$/ { next }
			$1 ~ /modprobe\.d$/ && $2 !~ /\.conf$/ { next }
			$1 ~ /var.lib.lxc$/ && $2 !~ /\/config$/ { next }
			{
				key = $1
				if (key ~ /(systemd|rules\.d|netplan|modprobe\.d)/)
					sub(/^(etc|run|usr\/local\/lib|usr\/lib|lib)\//, "", key)
				if (seen[key "/" $2]++)
					next
				print ENVIRON["ROOT"] ($3 ~ /^\// ? $3 : "/" $1 ($2 ? "/" $2 : ""))
			}' | sort -u | while read -r file; do
		# awk ends at a link that leads nowhere.
		[ ! -f "$file" ] || echo "$file"
	done
}

# virtio_majors: those of virtio disks in the kernel that runs.
virtio_majors() {
	[ -n "$NEXT" ] || awk '/^Block/ { block = 1 } block && $2 == "virtblk" { print $1 }' \
		"$ROOT/proc/devices" 2>/dev/null | xargs
}

configuration() {
	SUBJECT=configuration
	lines=$(config_files | tr '\n' '\0' | LC_ALL=C xargs -0 -r awk -v blk="$(virtio_majors)" \
		-f "$LIB/doctor-config.awk")
	head="configuration"
	while IFS='	' read -r file line id message instead; do
		[ -n "$id" ] || continue
		[ -z "$head" ] || text "$head"
		head='' NAME=$file level=1
		[ "$id" != major-maybe ] || level=0
		text "  $file:$line"
		remark "$level" "$id" "$message" '' "$line" "$instead"
	done <<END
$lines
END
}
