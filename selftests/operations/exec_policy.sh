#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the policy keeps a host from running: by verb, by user, and by the path of the file that
# is run, whatever its name is called.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

ops_begin
TRUE=$(readlink -f "$(type -P true)")
SHELL_FILE=$(readlink -f /bin/sh)
chmod 711 "$OPS_DIR"
mkdir -m 755 "$OPS_DIR/bin"
cp "$(type -P id)" "$OPS_DIR/bin/evil"
ln -s "$OPS_DIR/bin/evil" "$OPS_DIR/bin/true"
ln -s "$TRUE" "$OPS_DIR/bin/link"
ln -s evil "$OPS_DIR/bin/-bash"
printf '#!%s\necho ran\n' "$SHELL_FILE" > "$OPS_DIR/bin/script"
chmod 755 "$OPS_DIR/bin/script"

ops_policy '[rule "nothing"]
allow = ps
user = *'
ops_start
ex true
tap_is "$STATUS" 126 "exec is denied where no rule allows it"
tap_has "$ERR" "exec" "and the verb is told"
pvhost kill -s 0 $$ 2> "$OPS_DIR/err"
tap_is "$?" 1 "kill is denied, too"
tap_check "ps is allowed" pvhost ps $$
pvhost jobs > /dev/null 2>&1
tap_is "$?" 1 "jobs is denied"

ops_policy "[rule \"one\"]
allow = exec
user = nobody
command = $TRUE **
command = $OPS_DIR/bin/script"
ex true
tap_is "$STATUS" 126 "a user that no rule has is denied"
ex -u nobody -C / true
tap_is "$STATUS" 0 "a command that a rule has may be run"
ex -u nobody -C / "$OPS_DIR/bin/link"
tap_is "$STATUS" 0 "by a link, too: what counts is the file"
ex -u nobody -C / id
tap_is "$STATUS" 126 "a command that no rule has is denied"
tap_has "$ERR" "/id" "and its path is told"
ex -u nobody -C / "$OPS_DIR/bin/true"
tap_is "$STATUS" 126 "a link with the name of an allowed command, to another, is denied"
tap_has "$ERR" "$OPS_DIR/bin/evil" "as the file that it is"
ex -u nobody -C / -e "PATH=$OPS_DIR/bin" true
tap_is "$STATUS" 126 "PATH finds no other file for an allowed name"
ex -u nobody -C "$OPS_DIR/bin" true
tap_is "$STATUS" 0 "the working directory is not searched"
ex -u nobody -C "$OPS_DIR/bin" ./true
tap_is "$STATUS" 126 "a relative path is the file that it leads to"
ex -u nobody -C / "${TRUE%/*}/../../..$OPS_DIR/bin/evil"
tap_is "$STATUS" 126 "and .. leads nowhere else"
ex -u nobody -C / "${TRUE%/*}/../${TRUE#/*/}"
tap_is "$STATUS" 0 "(a path with .. to an allowed command is allowed)"
ex -u nobody -C "$OPS_DIR/bin" -- ./-bash
tap_is "$STATUS" 126 "a name like that of a shell is no shell"
ex -u nobody -C / -c true
tap_is "$STATUS" 126 "-c is denied where the shell is"
pvhost shell -T -u nobody < /dev/null > /dev/null 2>&1
tap_is "$?" 126 "and so is shell"
ex -u nobody -C / "$OPS_DIR/bin/script"
tap_is "$STATUS $OUT" "0 ran" "a script that a rule has may be run"
ln -sf evil "$OPS_DIR/bin/script"
ex -u nobody -C / "$OPS_DIR/bin/script"
tap_is "$STATUS" 126 "an allowed command in whose place there is a link to another is denied"
for variable in LD_PRELOAD=/tmp/x.so LD_LIBRARY_PATH=/tmp BASH_ENV=/tmp/x ENV=/tmp/x PYTHONPATH=/tmp \
	GCONV_PATH=/tmp LANG=../x; do
	ex -u nobody -C / -e "$variable" true
	tap_is "$STATUS" 126 "${variable%%=*} may not be set where no shell is allowed"
done
ex -u nobody -C / -e LANG=C.UTF-8 -e LC_ALL=C -e TERM=vt100 true
tap_is "$STATUS" 0 "LANG, LC_ALL and TERM may"
ex -u nobody -C / /proc/self/exe
tap_is "$STATUS" 126 "a link of /proc is the file behind it"
ex -u nobody -C / /proc/self/fd/1
tap_is "$STATUS" 126 "a descriptor is no command"

ops_policy "[rule \"shell\"]
allow = exec
user = *
command = ${SHELL_FILE%/*}/** **

[rule \"not\"]
deny = exec
user = *
command = $TRUE **"
ex -e LD_LIBRARY_PATH=/nonexistent id -u
tap_is "$STATUS $OUT" "0 0" "where a shell is allowed any variable may be set"
ex true
tap_is "$STATUS" 126 "deny wins over allow"

ops_stop
tap_check "the log has the verdicts about commands" grep -q "audit: exec by .* denied: .*evil" "$OPS_DIR/log"
tap_done
