# SPDX-License-Identifier: GPL-2.0-only
#
# Prints the table of `scripts/bench net`. First file: net-targets. Then lines
# of: unit load row figure..., row being in_tree, ours or ratio, figures in the
# order of `name` below, "-" where there is none.

function figure(i, value, row)
{
	if (value == "-")
		return "-"
	if (row == "ratio")
		return sprintf("%.2fx", value)
	if (i <= 3)
		return sprintf("%.0f", value)
	return sprintf(i >= 10 ? "%.1f" : "%.3f", value)
}

# judge: the target's cell, met or not.
function judge(i, key, good, value)
{
	if (!(key in op))
		return ""
	value = basis[key] == "ratio" ? ratio[i] : ours[i]
	if (value == "-") {
		missed++
		misses = misses sprintf("  %s: no figure for %s\n", $2, name[i])
		return "no figure"
	}
	if (op[key] == "=")
		good = value >= limit[key] - 0.005 && value <= limit[key] + 0.005
	else if (op[key] == "<=")
		good = value <= limit[key] + 0
	else
		good = value >= limit[key] + 0
	good ? met++ : missed++
	if (!good)
		misses = misses sprintf("  %s: %s is %s, target %s %s%s\n",
			$2, name[i], figure(i, value, basis[key]),
			op[key], limit[key], basis[key] == "ratio" ? "x in-tree" : "")
	return op[key] limit[key] (basis[key] == "ratio" ? "x" : "") (good ? " met" : " MISS")
}

function print_row(label, cell, i)
{
	printf "%-10s%-8s", first, label
	first = ""
	for (i = 1; i <= COLUMNS; i++)
		printf "%14s", cell[i]
	printf "\n"
}

BEGIN {
	unit["Mbit"] = "Mbit/s"
	unit["packets"] = "pkts/s"
	unit["datagrams"] = "pkts/s"
	unit["transactions"] = "trans/s"
	unit["drops"] = "drops/s"
	COLUMNS = split("rate mean_us p99_us irqs rx_irqs doorbells own_doorbells timers exits cpu_ns_byte cpu_us", name)
	split("rate,mean us,p99 us,irqs/pkt,rx irqs/rx,bells/pkt,(own count),timers/pkt,exits/pkt,CPU ns/byte,CPU us/pkt", head, ",")
	printf "%-18s", ""
	for (i = 1; i <= COLUMNS; i++)
		printf "%14s", head[i]
	printf "\n"
}

FNR == NR {
	if ($0 ~ /^[^#]/) {
		key = $1 SUBSEP $2
		op[key] = $3
		limit[key] = $4
		basis[key] = $5
	}
	next
}

{
	for (i = 1; i <= COLUMNS; i++) {
		value[i] = $(i + 3)
		cell[i] = figure(i, value[i], $3)
	}
	if ($3 == "in_tree") {
		first = $2
		print_row("in-tree", cell)
		next
	}
	if ($3 == "ours") {
		for (i = 1; i <= COLUMNS; i++)
			ours[i] = value[i]
		first = "  " unit[$1]
		print_row("pvguest", cell)
		next
	}
	for (i = 1; i <= COLUMNS; i++)
		ratio[i] = value[i]
	print_row("ratio", cell)
	any = 0
	for (i = 1; i <= COLUMNS; i++) {
		cell[i] = judge(i, $2 SUBSEP name[i])
		any += cell[i] != ""
	}
	if (any)
		print_row("target", cell)
}

END {
	printf "\ntargets: %d met, %d missed\n%s", met, missed, misses
}
