# shellcheck shell=bash disable=SC2154 # TMP, TREE and K are of run-host.sh
# SPDX-License-Identifier: GPL-2.0-only
#
# pvguest uninstall, of images. In guests that run, selftests/install tries it.

# installed ROOT: what `make install` leaves there, with DKMS for one kernel and without for
# another.
installed()
{
	system "$1" 5.10.0-1 "$K"
	rm "$1/usr/lib/modprobe.d/pvguest.conf" && rmdir "$1/usr/lib/modprobe.d" "$1/usr/src/pvguest-0.1.0"
	find "$1" -mindepth 1 | sort | grep -v '/updates' > "$TMP/before"
	mv "$1/lib/modules/5.10.0-1/updates/dkms" "$1/lib/modules/5.10.0-1/updates/pvguest"
	for kernel in 5.10.0-1 "$K"; do
		indexed "$1" "$kernel"
	done
	mkdir -p "$1/var/lib/dkms/pvguest/0.1.0/$K/x86_64"
	DESTDIR=$1 "$TREE/scripts/install/install" files
}

uninstall()
{
	local root=$TMP/image kernel

	installed "$root"
	module "$root/lib/modules/$K/updates/dkms/other.ko" other-1
	tap_check "uninstall: the installed tool finds its parts" env PATH="$TMP/bin:$PATH" \
		"$root/usr/sbin/pvguest" doctor --next --root "$root" --json
	tap_check "uninstall: it removes itself without the tree" "$root/usr/sbin/pvguest" uninstall --root "$root"
	tap_is "$(find "$root" -name '*pvg*' | tr '\n' ' ')" "" "uninstall: no file of pvguest is left"
	tap_is "$(grep -l pvg_ "$root"/lib/modules/*/modules.{dep,softdep,symbols} | xargs)" "" \
		"uninstall: depmod has forgotten the modules"
	tap_check "uninstall: modules of others stay" test -e "$root/lib/modules/$K/updates/dkms/other.ko"
	tap_fails "uninstall: directories of modules that are empty go" test -e "$root/lib/modules/5.10.0-1/updates"
	tap_is "$(find "$root" -mindepth 1 -type f | sort | grep -vxF -f "$TMP/before" | grep -v /other.ko | xargs)" "" \
		"uninstall: no other file is there that was not there before"
	tap_is "$(grep -v '/updates' "$TMP/before" | while read -r file; do
		[ -e "$file" ] || [ -L "$file" ] || echo "$file"; done | xargs)" "" "uninstall: no other file is removed"
	tap_fails "uninstall: a second time is refused" "$PVGUEST" uninstall --root "$root"

	installed "$root"
	mkdir -p "$root/var/lib/dpkg"
	printf '%s\n' 'Package: pvguest-dkms' 'Status: install ok installed' 'Version: 0.1.0' 'Architecture: all' \
		'Maintainer: pvguest developers <pvguest@example.org>' 'Description: drivers' '' > "$root/var/lib/dpkg/status"
	"$PVGUEST" uninstall --root "$root" > "$TMP/out" 2>&1
	tap_is "$? $(cat "$TMP/out")" "1 pvguest: the package pvguest-dkms is installed; run: apt-get purge pvguest-dkms" \
		"uninstall: what a package owns is left to it"
	tap_check "uninstall: ... and nothing is removed" test -e "$root/usr/lib/modprobe.d/pvguest.conf"
}
