#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# /sys/block/vdX/latency has each request once, in the row of its operation and in the
# bucket of its duration. stats_reset clears it, and iostats=0 stops it.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

N=20	# requests of a kind

fake_need

# taken PARAMETER...: sets DISK, DEV, VIRTIO and FILE.
taken()
{
	tap_check "$*: pvg_fakehost makes the device" fake block "$@"
	blk_wait pvgfake > /dev/null
	blk_need pvgfake
	FILE=/sys/block/$DISK/latency
}

reset()
{
	echo 1 > "$VIRTIO_BUS/devices/$VIRTIO/moderation/stats_reset"
}

# rows: how many requests each row with any has.
rows()
{
	awk '
		$1 != "below_us:" {
			n = 0
			for (i = 2; i <= NF; i++)
				n += $i
			if (n)
				print $1 n
		}' "$FILE" | xargs
}

# reads OPERATOR US: reads in the buckets whose upper bound is < or >= that.
reads()
{
	awk -v op="$1" -v us="$2" '
		$1 == "below_us:" {
			for (i = 2; i <= NF; i++)
				below[i] = $i == "inf" || $i >= us
		}
		$1 == "read:" {
			for (i = 2; i <= NF; i++)
				if (below[i] == (op == ">="))
					n += $i
			print n + 0
		}' "$FILE"
}

# read_disk COUNT: one after the other, around the cache.
read_disk()
{
	dd if="$DEV" of=/dev/null bs=4k count="$1" iflag=direct 2> /dev/null
}

# made ROWS WHAT COMMAND...: after a reset, the command makes these rows.
made()
{
	local rows=$1 what=$2

	shift 2
	reset
	tap_check "$what: it succeeds" timeout 60 "$@"
	tap_is "$(rows)" "$rows" "$what: the rows have $rows, and nothing else"
}

many()
{
	local i

	for ((i = 0; i < N; i++)); do
		"$@" || return
	done
}
export -f many
export N

# ---- each operation has its row -------------------------------------------------

taken secure_erase=1 max_discard_sectors=65536 max_write_zeroes_sectors=65536
tap_is "$(stat -c %a "$FILE")" 444 "all users can read the file, and none can write to it"
tap_is "$(awk '{ print NF }' "$FILE" | sort -u)" 28 "each line has a name and 27 buckets"
tap_is "$(sed -n '1s/^below_us: 1 2 4 .* 16777216 33554432 inf$/ok/p' "$FILE")" ok \
	"the first line has the powers of two as bounds"
made "read:$N" "reads" dd if="$DEV" of=/dev/null bs=4k count="$N" iflag=direct
made "write:$N" "writes" dd if=/dev/zero of="$DEV" bs=4k count="$N" oflag=direct conv=nocreat
made "flush:$N" "flushes" bash -c "many sync -d $DEV"
made "discard:$N" "discards" bash -c "many blkdiscard -f -l 65536 $DEV"
made "write_zeroes:$N" "writes of zeroes" bash -c "many blkdiscard -f --zeroout -l 65536 $DEV"
made "secure_erase:$N" "secure erases" bash -c "many blkdiscard -f --secure -l 65536 $DEV"
made "" "requests of the driver for itself" bash -c "many cat /sys/block/$DISK/serial"

# Of both kinds, many at a time; the block layer may merge them, and counts them too.
reset
before=$(awk '{ print $1, $5 }' "/sys/block/$DISK/stat")
tap_check "random reads and writes succeed" blk_fio "$DEV" --rw=randrw --bs=4k --size=8m \
	--iodepth=16 --number_ios=2000 --output=/dev/null
tap_is "$(rows)" "$(awk -v before="$before" '{
		split(before, b, " ")
		print "read:" $1 - b[1] " write:" $5 - b[2]
	}' "/sys/block/$DISK/stat")" \
	"random reads and writes: the rows have as many as the block layer has counted"

# A request that the device fails is one that it has answered.
reset
echo "status 1" > "$FAKE/bad"
tap_fails "a read that the device fails, fails" read_disk 1
tap_is "$(rows)" "read:1" "a read that the device fails is counted"

# ---- reset, and iostats ----------------------------------------------------------

read_disk $N
tap_is "$(rows)" "read:$((N + 1))" "before a reset the row has what was read"
reset
tap_is "$(rows)" "" "after a reset all rows are 0"
tap_is "$(sed -n 's/^completions: //p' "$VIRTIO_BUS/devices/$VIRTIO/moderation/stats")" 0 \
	"the same reset clears the counters"
echo 0 > "/sys/block/$DISK/queue/iostats"
made "" "reads while iostats is 0" dd if="$DEV" of=/dev/null bs=4k count="$N" iflag=direct
made "" "flushes while iostats is 0" bash -c "many sync -d $DEV"
echo 1 > "/sys/block/$DISK/queue/iostats"
made "read:$N" "reads after iostats is 1 again" dd if="$DEV" of=/dev/null bs=4k count="$N" iflag=direct

# ---- the right bucket ------------------------------------------------------------

# A timer of the kernel may end 100 ms a tick early: never before 65536 us.
reset
read_disk $N
tap_num "$(reads '<' 131072) >= $N / 2" "of a fast device at least half of the reads are below 65536 us" \
	"$(cat "$FILE")"
fault slow-ms 100
fault slow-every 1
reset
start=$(date +%s%N)
read_disk $N
most=$((($(date +%s%N) - start) / 1000))
tap_is "$(reads '<' 131072) $(reads '>=' 131072)" "0 $N" \
	"of a device that takes 100 ms all reads are in buckets from 65536 us on"
tap_is "$(reads '>=' $((2 * most)))" 0 \
	"no read is in a bucket above the time that all together took" "$most us; $(cat "$FILE")"
fault slow-every 5
reset
read_disk $N
tap_num "$(reads '>=' 131072) >= $N / 5" "where each fifth read takes 100 ms, these are in buckets from 65536 us on"
tap_num "$(reads '<' 131072) >= $N / 2" "where each fifth read takes 100 ms, others are in buckets below 65536 us" \
	"$(cat "$FILE")"
fault slow-every 0

# ---- queues that are polled --------------------------------------------------------

if echo 1 > /sys/module/pvg_blk/parameters/poll_queues; then
	tap_at_exit sh -c 'echo 0 > /sys/module/pvg_blk/parameters/poll_queues'
	taken num_queues=2 vqs=2
	reset
	before=$(awk '{ print $1 }' "/sys/block/$DISK/stat")
	tap_check "reads that are polled for succeed" blk_fio "$DEV" --rw=randread --bs=4k --size=8m \
		--ioengine=io_uring --hipri --number_ios=200 --output=/dev/null
	tap_is "$(rows)" "read:$(($(awk '{ print $1 }' "/sys/block/$DISK/stat") - before))" \
		"reads that are polled for: the row has as many as the block layer has counted"
fi

tap_done
