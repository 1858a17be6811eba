# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# Options of run and shell. They land in O_* and COMMAND.

options_default() {
	O_KERNEL=6.1 O_DRIVERS=pvg O_SMP=1 O_MEM='' O_DISK=256M O_APPEND=''
	O_TIMEOUT=600 O_QMP='' O_NETNS='' O_STATE=''
	O_QEMU=()
	COMMAND=()
}

options_parse() {
	local name value

	while [ $# -gt 0 ]; do
		case $1 in
		--) shift; COMMAND=("$@"); break ;;
		--help) usage; exit 0 ;;
		--*=*) name=${1%%=*} value=${1#*=}; shift ;;
		--*)
			name=$1
			option_known "$name"
			[ $# -ge 2 ] || die "$name needs a value"
			value=$2
			shift 2
			;;
		*) die "unexpected '$1': the command comes after --" ;;
		esac
		option_known "$name"
		option_set "$name" "$value"
	done
	options_check
}

option_known() {
	case $1 in
	--kernel | --drivers | --smp | --mem | --disk | --qemu | --append | --timeout | --qmp | --netns | \
		--state) ;;
	*) die "unknown option '$1' (see scripts/lab --help)" ;;
	esac
}

option_set() {
	case $1 in
	--kernel) O_KERNEL=$2 ;;
	--drivers) O_DRIVERS=$2 ;;
	--smp) O_SMP=$2 ;;
	--mem) O_MEM=$2 ;;
	--disk) O_DISK=$2 ;;
	--qemu) option_qemu "$2" ;;
	--append) O_APPEND+=" $2" ;;
	--timeout) O_TIMEOUT=$2 ;;
	--qmp) O_QMP=$2 ;;
	--netns) O_NETNS=$2 ;;
	--state) O_STATE=$2 ;;
	esac
}

# Split as a shell does, quotes and backslashes included, but expand nothing.
option_qemu() {
	local words

	words=$(xargs -r printf '%s\n' <<<"$1" 2>/dev/null) ||
		die "--qemu: quotes do not match in: $1"
	[ -z "$words" ] && return
	mapfile -t -O "${#O_QEMU[@]}" O_QEMU <<<"$words"
}

options_check() {
	kernel_check "$O_KERNEL"
	case $O_DRIVERS in
	pvg | intree | none) ;;
	*) die "unknown drivers '$O_DRIVERS': there are pvg, intree, none" ;;
	esac
	[[ $O_SMP =~ ^([1-9]|[1-5][0-9]|6[0-4])$ ]] ||
		die "--smp '$O_SMP' is not a number from 1 to 64"
	[[ $O_TIMEOUT =~ ^[0-9]{1,7}$ ]] ||
		die "--timeout '$O_TIMEOUT' is not a number of seconds"
	[ "$O_DISK" = none ] || [ "$(in_mib "$O_DISK")" -gt 0 ] ||
		die "--disk '$O_DISK' is not a size such as 256M or 1G"
	[ -z "$O_NETNS" ] || [ -e "$O_NETNS" ] ||
		die "--netns '$O_NETNS' does not exist"
	options_check_memory
}

options_check_memory() {
	local want free

	if [ -z "$O_MEM" ]; then
		O_MEM=1G
		[ "$O_KERNEL" = debug ] && O_MEM=2G
	fi
	want=$(in_mib "$O_MEM")
	[ "$want" -ge 256 ] ||
		die "--mem '$O_MEM' is not a size of 256M or more, such as 512M or 2G"
	free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	[ "$want" -lt "$free" ] ||
		die "--mem $O_MEM is more than the ${free}M this machine has free"
	O_MEM=${want}M
}

# A size in MiB, or 0 if it is none.
in_mib() {
	if ! [[ $1 =~ ^([0-9]{1,8})([MG]?)$ ]]; then
		echo 0
	elif [ "${BASH_REMATCH[2]}" = G ]; then
		echo $((10#${BASH_REMATCH[1]} * 1024))
	else
		echo $((10#${BASH_REMATCH[1]}))
	fi
}
