# Runs of control-guest.sh and the targets to medians, ratios and verdicts:
#   jq -r -s --rawfile targets control-targets -f control-table.jq RUNS
def median: sort | if length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def pad($n): tostring | if length < $n then " " * ($n - length) + . else . end;
def round2: . * 100 | round / 100;
def ratio($a; $b): if $b == 0 then null else $a / $b end;

(reduce .[] as $r ({}; .[$r.load][$r.driver] += [$r.figures]) |
	map_values(map_values(. as $runs | $runs[0] | with_entries(.key as $k |
		.value = ([$runs[][$k]] | median))))) as $m |
[$targets | split("\n")[] | select(test("^[a-z]")) | split(" ") |
	select($m[.[0]].pvg_ctl != null) |
	{load: .[0], figure: .[1], op: .[2], bound: (.[3] | tonumber), base: .[4]} |
	.ratio = (if .base == "-" then $m[.load].pvg_ctl[.figure]
		elif .base then
			. as $t | ratio($m[.load].pvg_ctl[.figure];
				[.base | split("+")[] | $m[.].pvg_ctl[$t.figure]] |
				if all then add else 0 end)
		else
			ratio($m[.load].pvg_ctl[.figure]; $m[.load].virtio_console[.figure])
		end) |
	.met = (.ratio != null and
		(if .op == ">=" then .ratio >= .bound else .ratio <= .bound end))] as $verdicts |
([["load", "driver", "MB/s", "CPU us/MiB", "p50 us", "p99 us", "irqs", "bells"]] +
 [$m | to_entries[] | .key as $load | .value as $v |
	(["virtio_console", "pvg_ctl"][] | . as $d | select($v[$d] != null) |
		[$load, $d] + [$v[$d] | .mb_s, .cpu_us_mib, .p50_us, .p99_us | round2] +
			[$v[$d] | .irqs, .bells | . // "-"]),
	(select($v.virtio_console != null and $v.pvg_ctl != null) |
		[$load, "ratio"] + [("mb_s", "cpu_us_mib", "p50_us", "p99_us") as $k |
			ratio($v.pvg_ctl[$k]; $v.virtio_console[$k]) |
			if . == null then "-" else "\(round2)x" end])] |
	.[] | (.[0] | pad(14)) + (.[1] | pad(16)) + ([.[2:][] | pad(12)] | add)),
"",
($verdicts[] | "\(.load) \(.figure): \(.ratio | if . == null then "-" else round2 end)" +
	"\(if .base == "-" then "" else "x of \(.base // "in-tree")" end)," +
	" target \(.op) \(.bound)\(if .base == "-" then "" else "x" end): \(if .met then "met" else "MISSED" end)")
