# SPDX-License-Identifier: GPL-2.0-only
#
# The commands that pages of Markdown have in blocks of code, and in `code` of one line, as
# PAGE:LINE and the command, for the programs of this tree. A line that goes on with a
# backslash is one. What a shell would do with the rest, comments, pipes, redirections, is
# left out.

function ours(s) {
	return s ~ /^(make|pvguest|pvguestd|pvhost|pvguest-takeover)( |$)/ ||
		s ~ /^(scripts|selftests|tools)\/[^ ]/
}

# The words of a command that is to be looked at, without assignments and sudo before it.
function put(s, line) {
	gsub(/'[^']*'/, "WORD", s)
	gsub(/"[^"]*"/, "WORD", s)
	sub(/^[ \t]+/, "", s)
	while (s ~ /^(sudo|env|[A-Z_]+=[^ ]*) /)
		sub(/^[^ ]+ +/, "", s)
	sub(/([ \t]#| \|| [0-9]?[<>]| &|;|\.\.\.).*/, "", s)
	gsub(/[\[\]]/, " ", s)
	gsub(/[ \t]+/, " ", s)
	sub(/ $/, "", s)
	if (ours(s))
		print FILENAME ":" line "\t" s
}

FNR == 1 { block = 0; begun = "" }

/^```/ { block = !block; begun = ""; next }

block {
	if (begun == "") {
		first = FNR
		text = $0
		# Prompts of a shell and of the VM lab's.
		sub(/^([#$] |pvguest:[^#]*# )/, "", text)
	} else
		text = begun " " $0
	begun = ""
	if (sub(/\\$/, "", text)) {
		begun = text
		next
	}
	n = split(text, part, / (&&|\|\|) /)
	for (i = 1; i <= n; i++)
		put(part[i], first)
	next
}

{
	text = $0
	while (match(text, /`[^`]+`/)) {
		put(substr(text, RSTART + 1, RLENGTH - 2), FNR)
		text = substr(text, RSTART + RLENGTH)
	}
}
