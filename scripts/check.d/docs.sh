# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Checks of the documentation: that what it names is there.
# shellcheck disable=SC2016 # backquotes of Markdown

# pages: the Markdown files of the tree.
pages()
{
	our_files | grep '\.md$'
}

# targets PAGE: where its links lead, as far as that is in the tree.
targets()
{
	sed '/^```/,/^```/d' "$TREE/$1" | grep -o '](\([^)]*\))' | sed 's/^](//; s/)$//; s/#.*//' |
		grep -vE '^$|^[a-z]+:' | sort -u
}

# check_links: each link to a file finds one, and each page is linked to from README.md.
check_links()
{
	local page target status=0

	while read -r page; do
		while read -r target; do
			[ -e "$TREE/$(dirname "$page")/$target" ] ||
				{ echo "$page: there is no $target"; status=1; }
		done < <(targets "$page")
	done < <(pages)
	while read -r page; do
		[[ $page == README.md ]] || targets README.md | grep -qxF "$page" ||
			{ echo "README.md does not name $page"; status=1; }
	done < <(pages)
	return $status
}

# Names in code, and mistakes that tests make on purpose.
SPELLED=inflight,filp,blok,nd,inh,clos,alow,fo,nknown,te

# check_spelling: of everything that is read.
check_spelling()
{
	(cd "$TREE" && our_files | grep -v /corpus/ | tr '\n' '\0' | xargs -0 codespell -L $SPELLED)
}

# check_promises: the test that holds a promise is there, and has the words that stand
# beside it.
check_promises()
{
	local test words status=0 n=0

	while IFS='|' read -r test words; do
		n=$((n + 1))
		grep -sqF -- "$words" "$TREE/selftests/$test" ||
			{ echo "promises.md: selftests/$test has not '$words'"; status=1; }
	done < <(sed -n 's/^|[^|]*| `\([^`]*\)` | `\([^`]*\)` |$/\1|\2/p' "$TREE/Documentation/promises.md")
	[ "$n" -gt 0 ] || { echo "promises.md: no promise found"; status=1; }
	return $status
}

# check_licences: each file that names its licence names it in the same way.
check_licences()
{
	! (cd "$TREE" && our_files | tr '\n' '\0' | xargs -0 grep -I -m 1 'SPDX-License-Identifier: ') |
		grep -vE 'GPL-2\.0-only( WITH Linux-syscall-note)?( \*/)?$'
}

# check_traces: the tracepoints that the scripts for bpftrace name are there, with the fields,
# in the modules or in the installed headers of a kernel.
check_traces()
{
	local headers

	headers=$(find /usr/src -maxdepth 1 -name 'linux-headers-*-common' | sort -V | tail -n 1)
	(cd "$TREE" && awk -f scripts/check.d/traces.awk drivers/*/trace.h \
		"$headers"/include/trace/events/{block,irq,napi,net,sched}.h tools/bpftrace/*.bt)
}
