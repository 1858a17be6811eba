# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bash completion of pvguest(8)

_pvguest()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=

	COMPREPLY=()
	if [ "$prev" = --root ]; then
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
	fi
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="doctor bind uninstall policy kv --help"
	else
		case ${COMP_WORDS[1]} in
		doctor) words="--json --next --root" ;;
		bind) words="--in-tree $(cd /sys/bus/virtio/devices 2> /dev/null && echo virtio*)" ;;
		uninstall) words="--root" ;;
		policy) words="check explain profile --help" ;;
		kv) words="get set delete list watch --help" ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _pvguest pvguest
