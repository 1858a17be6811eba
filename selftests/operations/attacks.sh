#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a user of the guest may try against the daemon, and a host that gives itself the name of
# another user or principal. In a mount namespace of its own, in which /etc/group has what the
# test needs. Files under attack are in files-hostile.sh; what each attack has done elsewhere is
# in Documentation/guest-operations.md.

set -u
[ -n "${OPS_INNER:-}" ] || OPS_INNER=1 exec unshare --mount --pid --fork --kill-child --mount-proc -- "$0" "$@"
# shellcheck disable=SC2034 # for ops.sh
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

# Of enum test_op.
ECHO=1
NOBODY=65534
READERS=64123

mount -t tmpfs -o mode=755 tmpfs /run
export TMPDIR=/run
ops_begin
STATE=$OPS_DIR/state
cp "$OPS_TOOLS/$OPS_BUILD/pvguestd" "$OPS_TOOLS/../selftests/operations/client" "$OPS_DIR"

# groups_of_guest [LINE]: /etc/group has no group pvguest, or this one.
groups_of_guest()
{
	{ grep -v '^pvguest:' "$OPS_DIR/group.before"; printf '%s\n' "$@"; } |
		sed '/^$/d' > "$OPS_DIR/group"
}

cp /etc/group "$OPS_DIR/group.before"
groups_of_guest
mount --bind "$OPS_DIR/group" /etc/group

# as_user GROUPS COMMAND...: as nobody, in these groups beside its own
as_user()
{
	setpriv --reuid $NOBODY --regid $NOBODY --groups "$@"
}

# values GROUPS VERB...: "pvguest kv" as that user
values()
{
	as_user "$1" "$OPS_DIR/pvguestd" kv "$2" -r "$OPS_DIR/run" "${@:3}"
}

# status_of OPTION...: of the answer to a request
status_of()
{
	client "$@" | cut -d ' ' -f 1
}

#
# What the daemon leaves to others
#
ops_allow_all
umask 0
ops_start --state "$STATE"
umask 022
tap_check "a value is set" pvhost kv set role web
tap_is "$(stat -c '%a %u' "$OPS_DIR/run/kv.sock")" "700 0" \
	"without group pvguest the socket of the values is root's alone"
tap_is "$(find "$OPS_DIR/run" "$STATE" -perm /022)" "" \
	"others can write to nothing that a daemon started with umask 0 has made"
tap_is "$(find "$STATE" "$OPS_DIR/run/keys" -type f -perm /044)" "" \
	"others can read none of the files of a daemon started with umask 0"
tap_fails "without group pvguest a user has no values" values $NOBODY get role
groups=$(grep -c . /proc/net/netlink)
sockets=$({ echo "$OPS_PID"; ops_front; } | sed 's|.*|/proc/&/fd|' |
	xargs -I {} find {} -printf '%l\n' | sed -n 's/^socket:\[\(.*\)\]$/\1/p')
tap_num "$groups > 1 && $(wc -w <<< "$sockets") >= 1" \
	"sockets of netlink, and the daemon's, are listed"
tap_is "$(awk '{ print $10 }' /proc/net/netlink | grep -xF "$sockets")" "" \
	"the daemon listens to no netlink socket, to which others could send"
if [ -c /dev/pvg_control ]; then
	tap_is "$(stat -c '%a %u' /dev/pvg_control)" "600 0" "the module's device is root's alone"
	tap_fails "a user cannot open the module's device" \
		as_user $NOBODY dd if=/dev/pvg_control count=0
	timeout 20 "$OPS_TOOLS/$OPS_BUILD/$OPS_DAEMON" "${OPS_LISTEN[@]}" \
		--policy "$OPS_DIR/policy.d" --run "$OPS_DIR/second" > /dev/null 2>&1
	tap_is $? 1 "a second daemon cannot take the services of the first"
fi
ops_stop

#
# The values, with a group that may read them
#
groups_of_guest "pvguest:x:$READERS:"
ops_start --state "$STATE"
tap_is "$(stat -c '%a %u %g' "$OPS_DIR/run/kv.sock")" "660 0 $READERS" \
	"with group pvguest the socket of the values is root's and the group's"
tap_is "$(values $READERS get role)" web "a member of group pvguest reads a value"
tap_fails "a member of group pvguest sets no value" values $READERS set role root
tap_fails "a member of group pvguest deletes no value" values $READERS delete role
tap_is "$(pvhost kv get role)" web "the value is as it was"
tap_fails "a user in another group has no values" values 1 get role
watchers=()
for i in {1..8}; do
	setpriv --reuid $NOBODY --regid $NOBODY --groups $READERS \
		"$OPS_DIR/pvguestd" kv watch -r "$OPS_DIR/run" > "$OPS_DIR/watch.$i" &
	watchers+=($!)
done
all_watch()
{
	[ "$(grep -l current "$OPS_DIR"/watch.* | wc -l)" -eq 8 ]
}
tap_check "a user has eight connections to the values" wait_for 20 all_watch
tap_fails "a user has no ninth connection to the values" values $READERS get role
tap_is "$("$OPS_DIR/pvguestd" kv get -r "$OPS_DIR/run" role)" web \
	"root has values beside a user with eight connections"
kill "${watchers[@]}"
tap_check "a user has values again after the end of its connections" \
	wait_for 20 values $READERS get role
ops_stop

#
# A directory for the daemon that another has made before
#
# refuses_directory WHAT: it does not start with --run $OPS_DIR/planted
refuses_directory()
{
	timeout 20 "$OPS_TOOLS/$OPS_BUILD/$OPS_DAEMON" "${OPS_LISTEN[@]}" \
		--policy "$OPS_DIR/policy.d" --run "$OPS_DIR/planted" > /dev/null 2>&1
	tap_is $? 1 "$1 is no directory for the daemon"
}

mkdir "$OPS_DIR/elsewhere"
ln -s elsewhere "$OPS_DIR/planted"
refuses_directory "a link"
rm "$OPS_DIR/planted"
mkdir "$OPS_DIR/planted"
chown $NOBODY "$OPS_DIR/planted"
refuses_directory "another user's directory"
tap_is "$(find "$OPS_DIR/elsewhere" "$OPS_DIR/planted" -mindepth 1)" "" \
	"the daemon makes nothing in such a directory"
chown 0 "$OPS_DIR/run"
chmod 777 "$OPS_DIR/run"
ops_start --state "$STATE"
tap_is "$(stat -c %a "$OPS_DIR/run")" 711 \
	"a directory that others could write to no longer is one when the daemon is ready"

#
# Names of users and principals
#
for name in ../root root/../daemon /etc/passwd 0 65534 "root " " root" Root "*" "!root" "root:x" $'root\nx' \
	"r%s" ""$'\x01'; do
	tap_is "$(status_of -u "$name" $ECHO)" invalid "a request in the name of ${name@Q} is invalid"
done
ops_policy '[rule "daemon"]
principal = backup
allow = test
user = daemon'
tap_is "$(status_of -p backup -u daemon $ECHO)" ok \
	"a principal's request in the name of its user is answered"
tap_is "$(status_of -p backup $ECHO) $(status_of -p backup -u root $ECHO)" "denied denied" \
	"in the name of root, or of no user, it is denied"
for name in "" Backup backupx "backup " "*" "!x" "?ackup" "backup/x" "[rule]"; do
	tap_is "$(status_of -p "$name" -u daemon $ECHO)" denied "a request of principal '$name' is denied"
done

# All that there is. The record is one that no operation could carry out.
ops_policy '[rule "nothing"]
deny = @all'
for service in 16 17 18 19 20 21 63; do
	for op in {1..12}; do
		echo "$service $op $(status_of -s "$service" -r $'\xff' "$op")"
	done
done > "$OPS_DIR/answers"
tap_is "$(grep -v ' denied$' "$OPS_DIR/answers" | grep -v ' unsupported$')" "" \
	"where the policy denies all verbs no operation of any service is answered"
tap_num "$(grep -c ' denied$' "$OPS_DIR/answers") >= 30" "more than 30 operations are denied"
ops_policy '[rule "root"]
principal = root
allow = test
user = daemon'
tap_is "$(status_of -p root -u daemon $ECHO)" ok \
	"the guest believes the name that a host gives itself"
serve()
{
	"$PVHOST" -s "$PVHOST_SOCKET" serve --listen="$OPS_DIR/serve" --allow-user nobody \
		2> "$OPS_DIR/serve.log" &
	server=$!
	wait_for 10 test -S "$OPS_DIR/serve"
}
serve
tap_is "$(as_user $NOBODY "$OPS_DIR/client" -p root -u daemon $ECHO "$OPS_DIR/serve" |
	cut -d ' ' -f 1-4)" \
	"denied 0 intact no" "pvhost serve does not believe it"
tap_check "the refusal names the user whose process it is" ops_log "principal 'nobody'"
kill "$server"
wait "$server" 2> /dev/null
ops_stop
tap_done
