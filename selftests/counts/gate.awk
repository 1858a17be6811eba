# SPDX-License-Identifier: GPL-2.0-only
#
# Compares figures with a table. Arguments: cpus=1 or 2, devices="NAME...". Files:
# the table, then probes, lines of
#	load device driver units doorbells own-doorbells
# then runs, lines of
#	load device driver round units interrupts doorbells timers done throughput mean p50 p99
# Prints "ok|CHECK", "bad|CHECK|DIAGNOSIS" or "|TEXT"; with missed=1, "LOAD DEVICE" for each
# row that is not met.

function median(list, n, i, j, t)
{
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
			t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
		}
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

# of(LOAD, DEVICE, DRIVER, METRIC): the median of the rounds, or "-".
function of(load, device, driver, metric, r, n, list, key)
{
	for (r = 1; r <= rounds; r++) {
		key = load SUBSEP device SUBSEP driver SUBSEP r SUBSEP metric
		if (key in figure && figure[key] != "-")
			list[++n] = figure[key]
	}
	return n ? median(list, n) : "-"
}

# ratio(...): the median of the rounds' ratios between two drivers, or "-".
function ratio(load, device, driver, other, metric, r, n, list, a, b)
{
	for (r = 1; r <= rounds; r++) {
		a = load SUBSEP device SUBSEP driver SUBSEP r SUBSEP metric
		b = load SUBSEP device SUBSEP other SUBSEP r SUBSEP metric
		if (a in figure && b in figure && figure[a] != "-" && figure[b] != "-" && figure[b] > 0)
			list[++n] = figure[a] / figure[b]
	}
	return n ? median(list, n) : "-"
}

function show(value, metric)
{
	if (value == "-")
		return "-"
	return sprintf(metric ~ /throughput|_us/ ? "%.0f" : "%.3f", value)
}

function print_line(label, load, device, driver, other, i, text, value)
{
	text = sprintf("%-22s", label)
	for (i = 1; i <= METRICS; i++) {
		if (other == "") {
			value = show(of(load, device, driver, metric[i]), metric[i])
		} else {
			value = ratio(load, device, driver, other, metric[i])
			if (value != "-")
				value = sprintf("%.2fx", value)
		}
		text = text sprintf("%12s", value)
	}
	print "|" text
}

function print_table(i, j, part, text, drivers, d)
{
	if (missed)
		return
	text = sprintf("%-22s", "medians of " rounds)
	for (i = 1; i <= METRICS; i++)
		text = text sprintf("%12s", metric[i])
	print "|" text
	d = split("in-tree off adaptive", drivers)
	for (i = 1; i <= pairs; i++) {
		split(pair[i], part, SUBSEP)
		print "|" part[1] " on " title(part[2]) ":"
		for (j = 1; j <= d; j++)
			print_line("  " drivers[j], part[1], part[2], drivers[j], "")
		print_line("  adaptive/off", part[1], part[2], "adaptive", "off")
		print_line("  adaptive/in-tree", part[1], part[2], "adaptive", "in-tree")
	}
}

function title(device)
{
	return device in titles ? titles[device] : device
}

function phrase(name, device)
{
	if (name ~ /_us$/)
		return (name == "mean_us" ? "mean" : name == "p50_us" ? "median" : "p99") " latency"
	if (name == "throughput")
		return name
	return name " per " (device in units ? units[device] : "I/O")
}

function judge(row, part, value, good, what, basis)
{
	split(row, part, " ")
	basis = part[5]
	if (basis == "-")
		value = of(part[1], part[2], "adaptive", part[4])
	else
		value = ratio(part[1], part[2], "adaptive", basis, part[4])
	what = part[1] " on " title(part[2]) ": " phrase(part[4], part[2])
	if (basis != "-")
		what = what ", ratio to " (basis == "off" ? "policy off" : "the in-tree driver") ":"
	what = what " " (value == "-" ? "(none)" : sprintf("%.3f", value)) " " part[6] " " part[7]
	if (row in remark)
		what = what " (" remark[row] ")"
	good = value != "-" && (part[6] == "<=" ? value <= part[7] + 0 : value >= part[7] + 0)
	if (missed) {
		if (!good)
			print part[1], part[2]
		return
	}
	if (good)
		print "ok|" what
	else
		print "bad|" what "|" value " with " cpus " CPU(s); the figures are above; " \
			"limits are in selftests/counts.table"
}

function bad_row(why)
{
	print "bad|counts.table, line " FNR ", can be read|" why ": " $0
}

function read_row(i, text)
{
	text = ""
	if ((i = index($0, "#"))) {
		text = substr($0, i + 1)
		$0 = substr($0, 1, i - 1)
	}
	if (NF != 7)
		return bad_row("not seven words")
	if (!($4 in known))
		return bad_row("no such metric")
	if ($3 !~ /^(1|2|any)$/ || $5 !~ /^(-|off|in-tree)$/ || $6 !~ /^[<>]=$/ || $7 !~ /^[0-9.]+$/)
		return bad_row("cpus, of, bound or limit is not allowed")
	if (!($2 in asked) || ($3 != "any" && $3 != cpus))
		return
	$1 = $1
	row[++rows] = $0
	if (text ~ /known bad/) {
		sub(/^ */, "", text)
		remark[$0] = text
	}
}

BEGIN {
	METRICS = split("interrupts doorbells timers exits throughput mean_us p50_us p99_us", metric)
	for (i in metric)
		known[metric[i]] = 1
	n = split(devices, list)
	for (i = 1; i <= n; i++)
		asked[list[i]] = 1
	titles["zero"] = "the zero-latency device"
	titles["lat"] = "the 2 ms device"
	titles["net"] = "the network device"
	titles["ranges"] = "a balloon by ranges"
	titles["pages"] = "a balloon by pages"
	units["net"] = "packet"
	units["ranges"] = "2 MiB"
	units["pages"] = "2 MiB"
}

FNR == 1 {
	file++
}

FILENAME ~ /counts.table$/ {
	if ($0 ~ /^[^#]/)
		read_row()
	next
}

FILENAME ~ /probes$/ {
	probed[$1, $2, $3] = $4 ? $5 / $4 : "-"
	if ($3 == "in-tree")
		next
	if (missed)
		next
	what = $1 " on " title($2) ": the transport saw the doorbells that the driver counts"
	if ($5 - $6 <= 3 + $6 / 50 && $6 - $5 <= 3 + $6 / 50)
		print "ok|" what
	else
		print "bad|" what "|the transport " $5 ", the driver " $6
	next
}

{
	if (!(($1, $2) in seen)) {
		seen[$1, $2] = 1
		pair[++pairs] = $1 SUBSEP $2
	}
	rounds = $4 > rounds ? $4 : rounds
	key = $1 SUBSEP $2 SUBSEP $3 SUBSEP $4 SUBSEP
	per = $5 > 0 ? $5 : 1
	figure[key "interrupts"] = $6 / per
	bells = $3 == "in-tree" ? (($1, $2, $3) in probed ? probed[$1, $2, $3] : "-") : $7 / per
	figure[key "doorbells"] = bells
	figure[key "timers"] = $8 / per
	figure[key "exits"] = bells == "-" ? "-" : ($6 + $8) / per + bells
	figure[key "throughput"] = $10
	figure[key "mean_us"] = $11
	figure[key "p50_us"] = $12
	figure[key "p99_us"] = $13
}

END {
	print_table()
	for (i = 1; i <= rows; i++)
		judge(row[i])
	if (!rows)
		print "bad|counts.table has rows for " devices " with " cpus " CPU(s)|none"
}
