# What pvhost says of its pings to the figures of a run; nothing moved but these.
map(.rtt_ns / 1000 | round) | sort |
{mb_s: 0, cpu_us_mib: 0, p50_us: .[length / 2 | floor], p99_us: .[length * 99 / 100 | floor]}
