# shellcheck shell=sh disable=SC2034 # for those who read this
# SPDX-License-Identifier: GPL-2.0-only
#
# The key that DKMS signs modules with, for dkms-report and pvguest doctor.

# framework VARIABLE ROOT: its value in DKMS's configuration, of which the last counts. The
# files are shell; they are read and not run, since they may be those of an image.
framework() {
	cat "$2/etc/dkms/framework.conf" "$2"/etc/dkms/framework.conf.d/*.conf 2>/dev/null |
		sed -n "s/^[[:space:]]*$1=//p" | tail -n 1 |
		sed "s/^\"\\([^\"]*\\)\".*/\\1/; t; s/^'\\([^']*\\)'.*/\\1/; t; s/[[:space:];].*//"
}

# mok_paths KERNEL [ROOT]: sets MOK_KEY and MOK_CERTIFICATE to what DKMS uses for that kernel.
mok_paths() {
	MOK_KEY=$(framework mok_signing_key "${2:-}" | sed "s/\${*kernelver}*/$1/g")
	MOK_CERTIFICATE=$(framework mok_certificate "${2:-}" | sed "s/\${*kernelver}*/$1/g")
	# There the key is that of the boot loader's tools.
	if [ -z "$MOK_KEY" ] && on_ubuntu "${2:-}"; then
		MOK_KEY=/var/lib/shim-signed/mok/MOK.priv
		MOK_CERTIFICATE=/var/lib/shim-signed/mok/MOK.der
	fi
	MOK_KEY=${MOK_KEY:-/var/lib/dkms/mok.key}
	MOK_CERTIFICATE=${MOK_CERTIFICATE:-/var/lib/dkms/mok.pub}
}

# on_ubuntu ROOT: or on what is made of it, as DKMS tells.
on_ubuntu() {
	grep -qsE '^ID(_LIKE)?="?ubuntu' "$1/etc/os-release" "$1/usr/lib/os-release"
}

# mok_state: after mok_paths: enrolled, requested, unknown, or absent where there is no
# certificate yet.
mok_state() {
	if [ ! -e "${1:-}$MOK_CERTIFICATE" ]; then
		echo absent
		return
	fi
	case $(LC_ALL=C mokutil --test-key "${1:-}$MOK_CERTIFICATE" 2>/dev/null) in
	*'already enrolled'*) echo enrolled ;;
	*request*) echo requested ;;
	*) echo unknown ;;
	esac
}

# shell_word TEXT: quoted where a shell needs that.
shell_word() {
	case $1 in
	'' | *[!A-Za-z0-9_./:,@%+=-]*) printf "'%s'\n" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

# mok_import: after mok_paths, the command that asks the firmware to know the key.
mok_import() {
	echo "mokutil --import $(shell_word "$MOK_CERTIFICATE")"
}
