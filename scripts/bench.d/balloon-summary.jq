# Runs to medians and ratios: an array of
#   {init, backing, memory, direction, in_tree: FIGURES, ours: FIGURES, ratio}
def median: sort | if length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2] + .[length / 2 - 1]) / 2 end;
# Of what went into the balloon the share that the host does not have: if the guest
# had used all of its memory, the host must have so much less, else no more than before.
def freed:
	(if .rss_touched then .rss_touched - .bytes else .rss_before end) as $left |
	1 - ([.rss_after - $left, 0] | max) / .bytes;
def figures: {
	gib_s: (map(.bytes / 1073741824 / (.ms / 1000)) | median),
	requests_gib: (map(.requests / (.bytes / 1073741824)) | median),
	device_gib_s: (map(select(.device_ns > 0) | .bytes / 1073741824 / (.device_ns / 1e9))
		| if length > 0 then median else null end),
	freed: (map(select(.direction == "in") | freed) | if length > 0 then median else null end),
	p99_us: (map(.p99_us) | median),
	max_us: (map(.max_us) | median)
};
group_by([.backing, -.init, .memory, .direction]) | map(
	(map(select(.driver == "in_tree")) | figures) as $in_tree |
	(map(select(.driver == "ours")) | figures) as $ours |
	{init: .[0].init, backing: .[0].backing, memory: .[0].memory,
		direction: .[0].direction, in_tree: $in_tree, ours: $ours,
		ratio: {gib_s: ($ours.gib_s / $in_tree.gib_s),
			p99_us: (if $in_tree.p99_us > 0 then $ours.p99_us / $in_tree.p99_us else null end),
			max_us: (if $in_tree.max_us > 0 then $ours.max_us / $in_tree.max_us else null end)}})
