# Runs to medians and ratios: an array of
#   {init, backing, memory, direction, in_tree: FIGURES, ours: FIGURES, ratio}
def median: sort | if length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2] + .[length / 2 - 1]) / 2 end;
def figures: {
	gib_s: (map(.bytes / 1073741824 / (.ms / 1000)) | median),
	requests_gib: (map(.requests / (.bytes / 1073741824)) | median),
	device_gib_s: (map(select(.device_ns > 0) | .bytes / 1073741824 / (.device_ns / 1e9))
		| if length > 0 then median else null end),
	freed: (map(.freed / ([.bytes, .rss] | min)) | median),
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
