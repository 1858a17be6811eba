# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Results that depend on nothing but the content of files and the versions of tools:
# what passed once need not be computed again. Only results without a failure and
# without a warning are kept, so whatever was wrong once is found wrong again.
# scripts/check --no-reuse computes all of them.

# key_of FILE... -- TEXT...: names the content of the files and the texts.
key_of()
{
	local files=()

	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		files+=("$1")
		shift
	done
	{
		printf '%s\n' "$@"
		(cd "$TREE" && printf '%s\0' "${files[@]}" | xargs -0 sha256sum 2>&1)
	} | sha256sum | cut -c1-24
}

# versions PACKAGE...
versions()
{
	dpkg-query -W -f '${Package} ${Version}\n' "$@" 2> /dev/null
}

kept()
{
	printf '%s/check/kept/%s' "$CACHE" "$1"
}

# try_once KEY NAME COMMAND...: try, unless it passed before with the same key.
try_once()
{
	local file name=$2 before

	file=$(kept "$1")
	shift 2
	if [ -n "$REUSE" ] && [ -e "$file" ]; then
		pass "$name"
		note reused "$name"
		say "passed  $name (as on $(date -r "$file" '+%F %H:%M'))"
		touch -a "$file"
		return
	fi
	before=$(counted failed)
	try "$name" "$@"
	[ "$before" != "$(counted failed)" ] || { mkdir -p "${file%/*}" && : > "$file"; }
}

# collect_once KEY NAME COMMAND...: the TAP stream of the command, or the one that it
# had with the same key. Returns the command's status.
collect_once()
{
	local file name=$2 before status

	file=$(kept "$1").tap
	shift 2
	if [ -n "$REUSE" ] && [ -e "$file" ]; then
		say "$name: as on $(date -r "$file" '+%F %H:%M')"
		note reused "$name"
		collect "$name" host < "$file"
		return 0
	fi
	before=$(counted failed)
	"$@" 2> "$WORK/stderr" < /dev/null | tee "$WORK/stream" | collect "$name" host
	status=${PIPESTATUS[0]}
	if [ "$status" -eq 0 ] && [ "$before" = "$(counted failed)" ]; then
		mkdir -p "${file%/*}" && cp "$WORK/stream" "$file"
	fi
	return "$status"
}
