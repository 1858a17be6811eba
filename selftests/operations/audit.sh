#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The audit log: each decision in the journal, a flood of them bounded.

set -u
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

# Of enum test_op.
ECHO=1 CRASH=3

ops_begin
JOURNAL=$OPS_DIR/journal
: > "$OPS_DIR/entries"
socat -u "UNIX-RECV:$JOURNAL" "OPEN:$OPS_DIR/entries,append" &
tap_at_exit kill $!
wait_for 5 test -S "$JOURNAL"

# entries FIELD=VALUE...: how many entries have all these fields; they end at the next MESSAGE.
entries()
{
	awk -v wanted="$*" '
		function count() { if (found == nr) total++; found = 0 }
		BEGIN { nr = split(wanted, fields, " ") }
		/^MESSAGE=/ { count() }
		{ for (i = 1; i <= nr; i++) if ($0 == fields[i]) found++ }
		END { count(); print total + 0 }' "$OPS_DIR/entries"
}

# logged N FIELD=VALUE...: there come to be so many.
logged()
{
	local n=$1

	shift
	[ "$(entries "$@")" = "$n" ]
}

has_logged()
{
	wait_for 5 logged "$@" || { entries "${@:2}"; tail -n 30 "$OPS_DIR/entries"; return 1; }
}

ops_start --journal "$JOURNAL"
client -b 10 "$ECHO" > /dev/null
tap_check "a request that is allowed has one line" \
	has_logged 1 PVGUEST_EVENT=allow PVGUEST_VERB=test PVGUEST_USER=root PRIORITY=6
tap_check "its end has one, with the status" \
	has_logged 1 PVGUEST_EVENT=end PVGUEST_VERB=test PVGUEST_STATUS=ok
client -r $'\x09' "$CRASH" > /dev/null
tap_check "the end of a worker that was killed is logged as aborted" \
	has_logged 1 PVGUEST_EVENT=end PVGUEST_VERB=test PVGUEST_STATUS=aborted
pvhost kv set audit/key value
pvhost kv get audit/key > /dev/null
tap_check "the verdict about a key names the key, and the principal" \
	has_logged 1 PVGUEST_EVENT=allow PVGUEST_VERB=kv-get PVGUEST_ARGS=audit/key PVGUEST_PRINCIPAL=root
tap_check "a digest is logged" grep -qE '^PVGUEST_DIGEST=(sha256:[0-9a-f]{64}|xxh3:[0-9a-f]{32})$' \
	"$OPS_DIR/entries"
# The lab's kernels have SHA-256.
digest=$(sed -n 's/^PVGUEST_DIGEST=//p' "$OPS_DIR/entries" | tail -n 1)
printf audit/key > "$OPS_DIR/args"
if [ -n "${PVG_QMP:-}" ] || [[ $digest == sha256:* ]]; then
	wanted=sha256:$(sha256sum < "$OPS_DIR/args" | cut -d ' ' -f 1)
else
	wanted=xxh3:$(../operations/xxh3 < "$OPS_DIR/args")
fi
tap_is "$digest" "$wanted" "the digest is that of the key"
pvhost exec -- /bin/echo $'a\nPVGUEST_VERB=forged' > /dev/null
tap_check "a command is logged with its arguments, and these cannot forge a field" \
	has_logged 0 PVGUEST_VERB=forged
tap_check "the line breaks of an argument are escaped" \
	grep -q '^PVGUEST_ARGS=.*echo a\\x0aPVGUEST_VERB=forged$' "$OPS_DIR/entries"
ops_policy '[rule "none"]
deny = test, exec'
client -b 10 "$ECHO" > /dev/null
tap_check "a request that is denied has one line, with the rule" \
	has_logged 1 PVGUEST_EVENT=deny PVGUEST_VERB=test PRIORITY=4
tap_check "the line names the rule" \
	grep -q '^PVGUEST_REASON=test is denied by rule "none" (50-test.conf:1)$' "$OPS_DIR/entries"

# A flood: the bound of a principal's denials is 500 lines at once, and then 5 a second.
for ((i = 0; i < 40; i++)); do
	client -n 20 -b 0 "$ECHO"
done > "$OPS_DIR/flood" 2>&1
asked=$(grep -c ^denied "$OPS_DIR/flood")
tap_num "$asked >= 700" "the host has been denied often enough for a flood" "$asked denials"
tap_num "$(entries PVGUEST_EVENT=deny) < $asked" "a flood of denials is not logged line by line"
pvhost kv get audit/key > /dev/null
tap_check "while denials are left out others are logged" \
	has_logged 2 PVGUEST_EVENT=allow PVGUEST_VERB=kv-get PVGUEST_ARGS=audit/key
tap_check "how many were left out is logged" \
	wait_for 60 grep -q '^PVGUEST_EVENT=left-out$' "$OPS_DIR/entries"
ops_stop

# Where there is no journal.
ops_allow_all
ops_start --journal "$OPS_DIR/none"
client -b 10 "$ECHO" > /dev/null
tap_check "without a journal the lines go to stderr" \
	wait_for 5 ops_log "<6>audit: test by '' as root: ended: ok after"
ops_stop
tap_done
