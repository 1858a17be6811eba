# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# What a run's console says about it, whatever the command thought.

# One extended regular expression a line.
trouble_patterns() {
	cat <<'END'
WARNING:
BUG:
BUG at
Oops
KASAN:
UBSAN:
KFENCE:
ODEBUG:
DMA-API: .*(device driver|exceeded|cacheline|overlapping|leak|out of memory|disabling)
refcount_t:
Kernel panic
general protection fault
unable to handle
invalid opcode
stack segment:
double fault
kernel stack overflow
stack-protector:
possible circular locking
possible recursive locking
possible irq lock inversion
inconsistent lock state
inconsistent \{
HARDIRQ-safe -> HARDIRQ-unsafe
SOFTIRQ-safe -> SOFTIRQ-unsafe
bad unlock balance
held lock freed
still has locks held
lock held when returning to user space
Invalid wait context
INFO: trying to register non-static key
DEBUG_LOCKS_WARN_ON
suspicious RCU usage
sleeping function called
scheduling while atomic
(self-detected|detected) (expedited )?stall
rcu_.* kthread starved
blocked for more than
soft lockup
hard LOCKUP
workqueue lockup
irq .*: nobody cared
Disabling IRQ #
sysfs: cannot create duplicate
kobject_add_internal failed
list_(add|del) corruption
Bad page (state|map)
bad page
Slab corruption
Object already free
double free
unchecked MSR access
unregister_netdevice: waiting
transmit queue .* timed out
Unable to mount root
lab: kmemleak
END
}

# Lines that look like trouble and are not.
harmless_patterns() {
	cat <<'END'
Command line:
DMA-API: preallocated
Unprivileged eBPF is enabled
END
}

# What the run itself announced, by a line of "lab: expected: REGEX" in the log.
expected_patterns() {
	sed -n 's/^.*lab: expected: //p' "$console"
	echo "lab: expected: "
}

console_trouble() {
	local console=$V_DIR/console

	[ -e "$console" ] || return 1
	tr -d '\r' <"$console" >"$V_DIR/console.clean" &&
		mv "$V_DIR/console.clean" "$console"
	grep -nE -f <(trouble_patterns) "$console" |
		grep -vE -f <(harmless_patterns) -f <(expected_patterns) >"$V_DIR/trouble"
}

# Show the neighbourhood of the first lines of trouble.
trouble_show() {
	local line

	say "the kernel complained; from its console:"
	line=$(head -n1 "$V_DIR/trouble" | cut -d: -f1)
	sed -n "$((line > 3 ? line - 3 : 1)),$((line + 40))p" "$V_DIR/console" >&2
	if [ "$(wc -l <"$V_DIR/trouble")" -gt 1 ]; then
		say "all lines of that kind:"
		head -n 20 "$V_DIR/trouble" >&2
	fi
}

# Is there trouble but RCU's, of a CPU that has lost its timer?
trouble_of_guest() {
	grep -qvE '(self-detected|detected) (expedited )?stall|rcu_.* kthread starved|blocked for more than' \
		"$V_DIR/trouble"
}

# Exits with the status of the run.
vm_verdict() {
	local status=''

	[ -e "$V_DIR/status" ] && status=$(tail -n1 "$V_DIR/status" | tr -cd 'a-z0-9')
	console_trouble || true
	if [ "$V_END" = lost ] && ! trouble_of_guest; then
		say "the emulated machine lost the timer of a CPU, see $V_DIR/state:"
		grep -m1 "Possible timer handling issue" "$V_DIR/console" >&2
		status=$EX_LOST
	elif [ -s "$V_DIR/trouble" ]; then
		trouble_show
		status=$EX_CONSOLE
	elif [ "$V_END" = timeout ]; then
		say "timeout after $O_TIMEOUT s; the console's last lines:"
		tail -n 15 "$V_DIR/console" >&2
		status=$EX_TIMEOUT
	elif [ "$V_END" = hung ]; then
		say "the command returned $status, but the VM did not power off:"
		tail -n 15 "$V_DIR/console" >&2
		status=$EX_DIED
	elif [ "$status" = setup ]; then
		say "the guest was not ready: $(head -n1 "$V_DIR/status" | tr -d '\r')"
		tail -n 15 "$V_DIR/console" >&2
		status=$EX_USAGE
	elif ! [[ $status =~ ^[0-9]+$ ]]; then
		say "the VM ended without a status; QEMU and the console said last:"
		tail -n +2 "$V_DIR/qemu" >&2
		tail -n 15 "$V_DIR/console" >&2 || true
		status=$EX_DIED
	fi
	say "log: $V_DIR"
	exit "$status"
}
