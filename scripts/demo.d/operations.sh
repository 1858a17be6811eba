#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The end of scripts/demo: guest operations. Boots a VM with the control channel, where
# pvguestd runs, and is its host. Each step is shown as it is typed, and how long it took.
set -u

TREE=$(cd "$(dirname "$0")/../.." && pwd)
TMP=$(mktemp -d) || exit
VM=
trap '[ -z "$VM" ] || kill "$VM" 2> /dev/null; rm -rf "$TMP"' EXIT
export PVHOST_SOCKET=$TMP/control

# step VERB...: pvhost does it
step()
{
	local begin=$EPOCHREALTIME status

	printf '\n$ pvhost %s\n' "${*@Q}" | sed "s/'\([A-Za-z0-9=/.:-]*\)'/\1/g"
	"$TREE/tools/pvhost" "$@"
	status=$?
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "[%.2f s]\n", b - a }'
	return $status
}

make -s -C "$TREE/tools" > "$TMP/make" 2>&1 || { cat "$TMP/make" >&2; exit 1; }
"$TREE/scripts/lab" run --kernel 6.1 --timeout 300 --qemu "-device virtio-serial-pci \
	-chardev socket,id=control,path=$PVHOST_SOCKET,server=on,wait=off \
	-device virtserialport,chardev=control,name=org.pvguest.control.0" -- bash -c '
	mkdir -p /etc/pvguest/policy.d /srv
	cat > /etc/pvguest/policy.d/demo.conf << END
[rule "demo"]
allow = @all
user = root
command = /** **
root = / rw
target = tcp:*:*, unix:/**
END
	# There is no init that could be told.
	rm -f /sbin/poweroff
	printf "#!/bin/sh\nexec /bin/busybox poweroff -f\n" > /sbin/poweroff
	chmod 755 /sbin/poweroff
	exec tools/build/pvguestd' > "$TMP/vm" 2>&1 < /dev/null &
VM=$!
for _ in {1..600}; do
	! { [ -S "$PVHOST_SOCKET" ] && "$TREE/tools/pvhost" -j status 2> /dev/null |
		grep -q '"daemon":true'; } || break
	kill -0 "$VM" 2> /dev/null || break
	sleep 0.2
done
head -c 64M /dev/urandom > "$TMP/file"
step status &&
	step exec -- sh -c 'for i in 1 2 3; do date +%T; sleep 1; done; uname -r' &&
	step put "$TMP/file" /tmp/file &&
	step exec -- sha256sum /tmp/file &&
	step get /tmp/file "$TMP/back" &&
	{ cmp "$TMP/file" "$TMP/back" && echo "64 MiB there and back: equal"; } &&
	step top -n 5 -c 2 &&
	step -t 60 shutdown --wait
status=$?
if [ "$status" -ne 0 ]; then
	tail -n 20 "$TMP/vm" >&2
	kill "$VM"
fi
wait "$VM" || status=1
VM=
exit "$status"
