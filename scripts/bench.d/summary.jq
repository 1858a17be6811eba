# The runs of a suite (an array of objects) to their medians: per device and load
# the medians of both drivers, and the median of the ratios between runs that
# belong together, that is of one alternation.
#
# $figures, $devices and $loads are lists of names, the latter two in the order
# that is wanted; $in_tree and $ours are the drivers' names.

def median:
	map(select(. != null)) | sort |
	if length == 0 then null
	elif length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 end;

def medians:
	. as $runs | $figures | map({(.): (. as $f | $runs | map(.[$f]) | median)}) | add;

def ratios:
	. as $runs | $figures | map({(.): (. as $f | $runs | group_by(.alternation) |
		map(
			(map(select(.driver == $in_tree))[0][$f]) as $theirs |
			(map(select(.driver == $ours))[0][$f]) as $mine |
			if $theirs == null or $mine == null then null
			elif $theirs == 0 then (if $mine == 0 then 1 else null end)
			else $mine / $theirs end
		) | median)}) | add;

def order($names): . as $x | $names | index($x) // 99;

group_by([.device, .load]) |
map({
	device: .[0].device, load: .[0].load, unit: .[0].unit,
	in_tree: (map(select(.driver == $in_tree)) | medians),
	ours: (map(select(.driver == $ours)) | medians),
	ratio: ratios
}) |
sort_by((.device | order($devices)), (.load | order($loads)))
