# SPDX-License-Identifier: GPL-2.0-only
#
# Prints the table of `scripts/bench block`. First file: block-targets. Then
# lines of: device load row figure..., row being in_tree, ours or ratio, figures
# in the order of `name` below, "-" where there is none.

function figure(i, value, row)
{
	if (value == "-")
		return "-"
	if (row == "ratio")
		return sprintf("%.2fx", value)
	if (i <= 3)
		return sprintf("%.0f", value)
	return sprintf(i == 9 ? "%.1f" : "%.3f", value)
}

# judge: the target's cell, met or not.
function judge(i, key, good, value)
{
	if (!(key in op))
		return ""
	value = basis[key] == "ratio" ? ratio[i] : ours[i]
	if (value == "-")
		return "no figure"
	if (op[key] == "=")
		good = value >= limit[key] - 0.005 && value <= limit[key] + 0.005
	else if (op[key] == "<=")
		good = value <= limit[key] + 0
	else
		good = value >= limit[key] + 0
	good ? met++ : missed++
	if (!good)
		misses = misses sprintf("  %s, %s device: %s is %s, target %s %s%s\n",
			$2, title[$1], name[i], figure(i, value, basis[key]),
			op[key], limit[key], basis[key] == "ratio" ? "x in-tree" : "")
	return op[key] limit[key] (basis[key] == "ratio" ? "x" : "") (good ? " met" : " MISS")
}

function print_row(label, cell, i)
{
	printf "%-14s%-9s", first, label
	first = ""
	for (i = 1; i <= 9; i++)
		printf "%13s", cell[i]
	printf "\n"
}

BEGIN {
	split("iops mean_us p99_us irqs doorbells own_doorbells timers exits cpu_us", name)
	split("IOPS,mean us,p99 us,irqs/IO,bells/IO,(own count),timers/IO,exits/IO,CPU us/IO", head, ",")
	title["zero"] = "zero-latency"
	title["lat"] = "2 ms"
}

FNR == NR {
	if ($0 ~ /^[^#]/) {
		count = $2 == "any" ? split("zero lat", where) : split($2, where)
		for (i = 1; i <= count; i++) {
			key = $1 SUBSEP where[i] SUBSEP $3
			op[key] = $4
			limit[key] = $5
			basis[key] = $6
		}
	}
	next
}

$1 != device {
	device = $1
	printf "%s%s device\n%-23s", (FNR > 1 ? "\n" : ""), title[device], ""
	for (i = 1; i <= 9; i++)
		printf "%13s", head[i]
	printf "\n"
}

{
	for (i = 1; i <= 9; i++) {
		value[i] = $(i + 3)
		cell[i] = figure(i, value[i], $3)
	}
	if ($3 == "in_tree") {
		first = $2
		print_row("in-tree", cell)
		next
	}
	if ($3 == "ours") {
		for (i = 1; i <= 9; i++)
			ours[i] = value[i]
		print_row("pvguest", cell)
		next
	}
	for (i = 1; i <= 9; i++)
		ratio[i] = value[i]
	print_row("ratio", cell)
	any = 0
	for (i = 1; i <= 9; i++) {
		cell[i] = judge(i, $2 SUBSEP $1 SUBSEP name[i])
		any += cell[i] != ""
	}
	if (any)
		print_row("target", cell)
}

END {
	printf "\ntargets: %d met, %d missed\n%s", met, missed, misses
}
