# SPDX-License-Identifier: GPL-2.0-only
#
# The tracepoints, and the fields of theirs, that scripts for bpftrace name and headers do
# not define. Arguments: the headers, which end in .h, then the scripts.

/^#define TRACE_SYSTEM / { system_of[FILENAME] = $3 }

FILENAME ~ /\.h$/ && match($0, /^(DECLARE_EVENT_CLASS|TRACE_EVENT|DEFINE_EVENT)[A-Z_]*\( */) {
	macro = substr($0, 1, RLENGTH)
	rest = substr($0, RLENGTH + 1)
	if (rest == "") {
		getline rest
		gsub(/^[ \t]+/, "", rest)
	}
	gsub(/[ \t)]/, "", rest)
	n = split(rest, word, ",")
	at = FILENAME " " word[1]
	if (macro ~ /^DEFINE_EVENT/) {
		if (n < 2 || word[2] == "") {
			getline rest
			gsub(/[ \t)]/, "", rest)
			split(rest, more, ",")
			word[2] = more[1]
		}
		class_of[system_of[FILENAME] ":" word[2]] = at
		at = ""
	} else if (macro ~ /^TRACE_EVENT/)
		class_of[system_of[FILENAME] ":" word[1]] = at
}

# A field's type comes before its name.
FILENAME ~ /\.h$/ && at && match($0, /__(field|array|string|dynamic_array|bitmask)[a-z_]*\([^)]*/) {
	args = substr($0, RSTART, RLENGTH)
	plain = args ~ /^__(string|bitmask)/
	sub(/^[^(]*\(/, "", args)
	gsub(/[ \t]+/, " ", args)
	split(args, word, / *, */)
	name = plain ? word[1] : word[2]
	gsub(/ /, "", name)
	has[at, name] = 1
}

FILENAME ~ /\.bt$/ && /^(tracepoint|interval|BEGIN|END)/ { n_events = FNR == last + 1 ? n_events : 0 }

FILENAME ~ /\.bt$/ && /^tracepoint:/ {
	event = $0
	sub(/^tracepoint:/, "", event)
	sub(/[ ,\/{].*/, "", event)
	events[++n_events] = event
	last = FNR
	found[FILENAME]++
	if (!(event in class_of)) {
		print FILENAME ":" FNR ": there is no tracepoint " event
		bad = 1
	}
}

FILENAME ~ /\.bt$/ {
	line = $0
	while (match(line, /args(->|\.)[A-Za-z_0-9]+/)) {
		name = substr(line, RSTART, RLENGTH)
		sub(/^args(->|\.)/, "", name)
		line = substr(line, RSTART + RLENGTH)
		if (!n_events) {
			print FILENAME ":" FNR ": " name " is of no tracepoint"
			bad = 1
		}
		for (i = 1; i <= n_events; i++)
			if (events[i] in class_of && !((class_of[events[i]], name) in has)) {
				print FILENAME ":" FNR ": " events[i] " has no field " name
				bad = 1
			}
	}
}

END {
	for (i = 1; i < ARGC; i++)
		if (ARGV[i] ~ /\.bt$/ && !found[ARGV[i]]) {
			print ARGV[i] ": no tracepoint found"
			bad = 1
		}
	exit bad
}
