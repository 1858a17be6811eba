# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a measurement was made with: for the line under each table, and for "environment"
# in the JSON. Sourced by the scripts of the suites. The guest tells of its kernel and
# CPUs in a line of "@environment KERNEL CPUS" before anything else, upon which QEMU is
# asked for the rest.

# environment_in_guest COMMAND...: prints the command as the guest has to run it.
environment_in_guest()
{
	# shellcheck disable=SC2016 # for the guest
	printf '%s\0' bash -c 'echo "@environment $(uname -r) $(nproc)" && exec "$@"' bash "$@"
}

environment_commit()
{
	local tree=$PARTS/../.. commit

	commit=$(git -C "$tree" rev-parse --short=12 HEAD 2> /dev/null) || commit=unknown
	[ "$commit" = unknown ] || git -C "$tree" diff --quiet HEAD 2> /dev/null || commit+=-dirty
	echo "$commit"
}

# environment_ask SOCKET FILE KERNEL CPUS: the JSON object goes to FILE.
environment_ask()
{
	local qmp=$PARTS/../../selftests/lib/qmp version kvm

	version=$("$qmp" "$1" '{"execute": "query-version"}') &&
		kvm=$("$qmp" "$1" '{"execute": "query-kvm"}') || return
	jq -n --argjson version "$version" --argjson kvm "$kvm" --arg kernel "$3" \
		--argjson cpus "$4" --argjson host_cpus "$(nproc)" \
		--arg commit "$(environment_commit)" '{
			kernel: $kernel,
			qemu: ($version.return.qemu | "\(.major).\(.minor).\(.micro)"),
			accelerator: (if $kvm.return.enabled then "kvm" else "tcg" end),
			cpus: $cpus, host_cpus: $host_cpus, commit: $commit
		}' > "$2"
}

# environment_line FILE
environment_line()
{
	jq -r '"kernel \(.kernel), QEMU \(.qemu), \(.accelerator), \(.cpus) CPU" +
		(if .cpus == 1 then "" else "s" end) + " of \(.host_cpus), commit \(.commit)"' "$1"
}
