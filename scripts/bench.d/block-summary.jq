# The runs of `scripts/bench block` (an array of objects) to their medians: per
# device and load the medians of both drivers, and the median of the ratios
# between runs that belong together, that is of one alternation.

def median:
	map(select(. != null)) | sort |
	if length == 0 then null
	elif length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 end;

def figures: ["iops", "mean_us", "p99_us", "irqs", "doorbells", "own_doorbells",
	"timers", "exits", "cpu_us"];

def medians:
	. as $runs | figures | map({(.): (. as $f | $runs | map(.[$f]) | median)}) | add;

def ratios:
	. as $runs | figures | map({(.): (. as $f | $runs | group_by(.alternation) |
		map(
			(map(select(.driver == "virtio_blk"))[0][$f]) as $theirs |
			(map(select(.driver == "pvg_blk"))[0][$f]) as $ours |
			if $theirs == null or $ours == null then null
			elif $theirs == 0 then (if $ours == 0 then 1 else null end)
			else $ours / $theirs end
		) | median)}) | add;

def order($names): . as $x | $names | index($x) // 99;

group_by([.device, .load]) |
map({
	device: .[0].device, load: .[0].load,
	in_tree: (map(select(.driver == "virtio_blk")) | medians),
	ours: (map(select(.driver == "pvg_blk")) | medians),
	ratio: ratios
}) |
sort_by((.device | order(["zero", "lat"])),
	(.load | order(["QD1", "QD4", "QD32", "QD32-batch16", "2xQD64", "seq128k-QD8"])))
