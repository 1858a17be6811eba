# The summary for a person to read, with the targets of an inflate.
def pad(n): tostring | if length < n then " " * (n - length) + . else . end;
def num(d): if . == null then "-" else . * pow(10; d) | round / pow(10; d) | tostring end;
def row(name; f): "  " + name + " " * (10 - (name | length)) +
	(f.gib_s | num(2) | pad(9)) + (f.requests_gib | num(1) | pad(9)) +
	(f.device_gib_s | num(1) | pad(11)) +
	(if f.freed == null then "-" else (f.freed * 1000 | round / 10 | tostring) + "%" end | pad(9)) +
	(f.p99_us | num(0) | pad(9)) + (f.max_us | num(0) | pad(9));
def verdict(what; ok): what + (if ok then " met" else " MISS" end);
def targets:
	if .direction == "out" then [verdict("GiB/s >=10x"; .ratio.gib_s >= 10),
		verdict("requests <=16"; .ours.requests_gib <= 16)]
	else [(if .init == 1 then verdict("GiB/s >=2.5x"; .ratio.gib_s >= 2.5)
			else verdict("GiB/s >=30x"; .ratio.gib_s >= 30) end),
		verdict("requests <=16"; .ours.requests_gib <= 16),
		verdict("device >=100"; (.ours.device_gib_s // 0) >= 100),
		verdict("given back >=99%"; .ours.freed >= 0.99),
		verdict("p99 <=1x"; (.ratio.p99_us // 0) <= 1)]
	end;
"                GiB/s  req/GiB  dev GiB/s    freed   p99 us   max us",
(.[] |
	"\(if .direction == "in" then "in" else "out" end), \(.memory) memory, init_on_alloc=\(.init), \(.backing)",
	row("in-tree"; .in_tree), row("pvguest"; .ours),
	"  ratio   " + (.ratio.gib_s | num(1) + "x" | pad(9)) + "" + (" " * 29) +
		(.ratio.p99_us | num(2) + "x" | pad(9)) + (.ratio.max_us | num(2) + "x" | pad(9)),
	"  " + (targets | join(", ")))
