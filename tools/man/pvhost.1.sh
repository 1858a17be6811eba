#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvhost.1.sh PVHOST: the manual of pvhost, for scdoc. What a verb does and takes is what
# `pvhost VERB --help` prints.
set -euo pipefail

pvhost=${1:?usage: pvhost.1.sh PVHOST}

# literal: stdin as it is.
literal()
{
	echo '```'
	cat
	echo '```'
}

verbs()
{
	"$pvhost" --help | sed -n '/^usage:/,/^ *-/s/^  \([a-z]\{2,\}\)  .*$/\1/p'
}

cat <<'END'
pvhost(1)

# NAME

pvhost - manage a guest that runs pvguest, over its control channel

# SYNOPSIS

*pvhost* [-s _SOCKET_] [-j] [-t _SECONDS_] _VERB_ [_ARGUMENT_...]

# DESCRIPTION

*pvhost* runs on the host. _SOCKET_ is the unix socket of the hypervisor for the guest's
virtio-serial port _org.pvguest.control.0_, or the socket of *pvhost serve*, which lets several
programs share it, or a character device that leads there. QEMU makes the port with

```
-device virtio-serial -chardev socket,id=pvc,path=SOCKET,server=on,wait=off \\
-device virtserialport,chardev=pvc,name=org.pvguest.control.0
```

The guest's kernel answers *ping*, *status*, *time*, *thaw*, *renew*, and *shutdown* and *reboot*
where no daemon runs. The other verbs need *pvguestd*(8) in the guest, and the guest's policy has
to allow them: see *pvguest-policy*(5). A refusal says which rule would be needed.

What the guest sends is shown with control characters replaced, but for the output of programs
and the contents of files.

# OPTIONS

END
"$pvhost" --help | sed -n '/^  -/,/^$/p' | literal
printf '\n# VERBS\n'
for verb in $(verbs); do
	printf '\n## pvhost %s\n\n' "$verb"
	"$pvhost" "$verb" --help | literal
done
cat <<'END'

# EXIT STATUS

*0* done, *1* the guest could or would not, *2* wrong usage, *3* no connection, *4* no answer in time,
*5* no common version of the protocol. *exec*, *shell* and *attach* exit with the status of the
program in the guest, see there.

# ENVIRONMENT

*PVHOST_SOCKET*
	the socket, where *-s* is not given

# SEE ALSO

*pvguestd*(8), *pvguest-policy*(5)
END
