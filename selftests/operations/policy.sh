#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The policy: what a request meets, how it is read again, and "pvguestd policy".

set -u
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

# Of enum test_op.
ECHO=1

ops_begin
DIR=$OPS_DIR/policy.d
OPEN='[rule "open"]
allow = test
user = *'

pvguestd()
{
	"$OPS_TOOLS/$OPS_BUILD/$OPS_DAEMON" "$@"
}

# ask: what a request of verb "test" meets.
ask()
{
	client -b 10 "$ECHO" 2>&1
}

# explain ARGUMENT...: the last line of what is explained.
explain()
{
	pvguestd policy explain -d "$DIR" "$@" 2>&1 | tail -n 1
}

# install_policy NAME TEXT
install_policy()
{
	printf '%s\n' "$2" > "$OPS_DIR/new"
	mv "$OPS_DIR/new" "$DIR/$1"
}

has()
{
	[[ $1 == *"$2"* ]]
}

#
# At the daemon
#
ops_policy '# nothing'
ops_start
tap_check "without a rule a verb that is not open is denied, and the refusal says so" \
	has "$(ask)" "denied 0 intact no rule allows test for principal '' as user root"
tap_check "without a rule the host can look at the guest" pvhost info
install_policy 50-test.conf "$OPEN"
tap_check "a rule counts from the next request on" has "$(ask)" "ok 10 intact"
install_policy 10-deny.conf '[rule "none"]
deny = @all'
tap_check "a deny rule of a file before wins over the allow rule" \
	has "$(ask)" 'test is denied by rule "none" (10-deny.conf:1)'
tap_fails "a deny rule closes what is open by default" pvhost info
mv "$DIR/10-deny.conf" "$DIR/90-deny.conf"
tap_check "a deny rule of a file behind wins as well" \
	has "$(ask)" 'test is denied by rule "none" (90-deny.conf:1)'
rm "$DIR/90-deny.conf"
tap_check "without the deny rule the allow rule counts again" has "$(ask)" "ok 10 intact"

install_policy 60-bad.conf '[rule "shutdown"]
deny = shutdown
[rule "typo"]
alow = test'
tap_check "an error closes what another file opens, and names file and line" \
	has "$(ask)" "60-bad.conf:4: a rule has no key 'alow'"
tap_check "the log has the file and the line of the error" \
	ops_log "$DIR/60-bad.conf:4: a rule has no key 'alow'"
tap_check "with an error the host can still look at the guest" pvhost info
tap_check "with an error a deny rule still holds" \
	has "$(explain shutdown)" 'no: shutdown is denied by rule "shutdown" (60-bad.conf:1)'
rm "$DIR/60-bad.conf"
tap_check "the mended policy counts" has "$(ask)" "ok 10 intact"

chmod 664 "$DIR/50-test.conf"
tap_check "a file that its group may write to closes the policy" \
	has "$(ask)" "50-test.conf: its group or others may write to it"
chmod 644 "$DIR/50-test.conf"
chown 65534 "$DIR/50-test.conf"
tap_check "a file that is not root's closes the policy" \
	has "$(ask)" "50-test.conf: its owner is not root"
chown 0 "$DIR/50-test.conf"
chmod 775 "$DIR"
tap_check "a directory that its group may write to closes the policy" \
	has "$(ask)" "its group or others may write to it"
chmod 755 "$DIR"
install_policy ../outside.conf "$OPEN"
rm "$DIR/50-test.conf"
ln -s ../outside.conf "$DIR/50-test.conf"
tap_check "a symbolic link out of the directory closes the policy" \
	has "$(ask)" "50-test.conf: it leads out of the directory"
rm "$DIR/50-test.conf"
install_policy 50-test.conf "$OPEN"
tap_check "the file in its place counts" has "$(ask)" "ok 10 intact"

# The directory as a whole, as some tools put files in place.
cp -a "$DIR" "$OPS_DIR/next"
printf '[rule "none"]\ndeny = test\n' > "$OPS_DIR/next/10-deny.conf"
mv "$DIR" "$OPS_DIR/previous"
mv "$OPS_DIR/next" "$DIR"
tap_check "a directory in the place of the one before counts" \
	has "$(ask)" 'test is denied by rule "none" (10-deny.conf:1)'
rm "$DIR/10-deny.conf"
tap_check "... and so does a change of what is in it" has "$(ask)" "ok 10 intact"
rm -r "$DIR"
tap_check "without the directory nothing but what is open by default is allowed" \
	has "$(ask)" "no rule allows test"
mv "$OPS_DIR/previous" "$DIR"
tap_check "a directory that was not there counts once it is" has "$(ask)" "ok 10 intact"
install_policy 10-deny.conf '[rule "none"]
deny = test'
tap_check "... with each change of what is in it" \
	has "$(ask)" 'test is denied by rule "none" (10-deny.conf:1)'
rm "$DIR/10-deny.conf"

# A policy that is exchanged all the time is one of the two, and never half of one.
swap()
{
	local i

	for ((i = 0; i < 80; i++)); do
		install_policy 50-test.conf "$OPEN"
		install_policy 50-test.conf '[rule "shut"]
deny = test'
	done
}
swap &
swapper=$!
strange=
for ((i = 0; i < 10; i++)); do
	case $(ask) in
	"ok 10 intact"* | *'denied by rule "shut"'* | *"50-test.conf: No such file"*) ;;
	*"no rule allows test for principal"*) strange="no rule" ;;
	*) strange=$(ask) ;;
	esac
	kill -HUP "$OPS_PID"
done
wait "$swapper"
tap_is "$strange" "" "while files are exchanged a request meets the old policy or the new one"
install_policy 50-test.conf "$OPEN"
kill -HUP "$OPS_PID"
tap_check "after that the last policy counts" has "$(ask)" "ok 10 intact"
ops_stop

#
# The commands
#
install_policy 50-test.conf '[rule "backup"]
principal = backup
allow = put, get
user = backup
root = /srv/backup rw
root = /var/log r
[rule "ids"]
allow = exec
user = root
command = /usr/bin/id -u
[rule "ssh"]
allow = connect
target = tcp:localhost:22'
tap_is "$(pvguestd policy check "$DIR" | tail -n 1)" "$DIR: in order, 3 sections" \
	"check: a policy that is in order"
tap_is "$(explain -p backup -u backup put /srv/backup/x)" \
	'/srv/backup/x: yes: allowed by rule "backup" (50-test.conf:1)' "explain: a path that is allowed"
tap_is "$(explain -p backup -u backup put /srv/backupx)" \
	"/srv/backupx: no: no rule allows put to change /srv/backupx for principal 'backup' as user backup; allowed: /srv/backup rw, /var/log r" \
	"explain: a path that is not, and what would be"
tap_is "$(explain -p backup -u backup put /etc/pvguest/policy.d/x.conf)" \
	"/etc/pvguest/policy.d/x.conf: no: put: /etc/pvguest/policy.d/x.conf has pvguest's own files, which no rule opens" \
	"explain: the policy itself is closed"
tap_is "$(explain exec /usr/bin/id -u)" '/usr/bin/id: yes: allowed by rule "ids" (50-test.conf:7)' \
	"explain: a command that is allowed"
tap_is "$(explain exec /usr/bin/id -g)" \
	"/usr/bin/id: no: no rule allows exec of /usr/bin/id with these arguments for principal '' as user root; allowed: /usr/bin/id -u" \
	"explain: a command that is not"
tap_is "$(explain connect tcp:127.0.0.1:22)" \
	'tcp:127.0.0.1:22: yes: allowed by rule "ssh" (50-test.conf:11)' "explain: a target"
tap_check "explain: the exit status of what is allowed is 0" \
	pvguestd policy explain -d "$DIR" info
pvguestd policy explain -d "$DIR" ps > /dev/null
tap_is $? 1 "explain: the exit status of what is not allowed is 1"
pvguestd policy explain -d "$DIR" nonsense 2> /dev/null
tap_is $? 2 "explain: the exit status of a verb that does not exist is 2"
install_policy 60-bad.conf 'nonsense'
tap_is "$(pvguestd policy check "$DIR" 2>&1 | head -n 1)" \
	"pvguest: $DIR/60-bad.conf:1: this is before the first section" "check: an error has file and line"
pvguestd policy check "$DIR" > /dev/null 2>&1
tap_is $? 1 "check: the exit status of an error is 1"
rm "$DIR/60-bad.conf"
ln -s /bin/true "$OPS_DIR/link"
install_policy 60-link.conf "[rule \"link\"]
allow = exec
user = nobody-of-that-name
command = $OPS_DIR/link"
tap_check "check: a command that is a symbolic link is warned of" \
	has "$(pvguestd policy check "$DIR")" "the rule never matches"
tap_check "check: a user that does not exist is warned of" \
	has "$(pvguestd policy check "$DIR")" "there is no such user"
rm "$DIR"/*

export PVGUEST_PROFILES=$OPS_TOOLS/pvguestd/profiles PVGUEST_POLICY_DIR=$DIR
for profile in monitor operate full; do
	tap_check "profile $profile: it can be installed" pvguestd policy profile "$profile" --install
	tap_check "profile $profile: what was installed is in order" pvguestd policy check "$DIR"
	tap_is "$(pvguestd policy profile "$profile" --print)" "$(cat "$DIR/$profile.conf")" \
		"profile $profile: printed as it was installed"
	tap_fails "profile $profile: a file that is there is not replaced" \
		pvguestd policy profile "$profile" --install
	[ "$profile" != full ] ||
		tap_check "profile full: whatever is asked" has "$(explain exec /bin/sh -c id)" ": yes: "
	rm "$DIR"/*
done
tap_fails "profile: one that does not exist is refused" pvguestd policy profile ../full
tap_done
