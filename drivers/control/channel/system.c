// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the control channel's services do to the kernel: clock, power; and what
 * the kernel has to tell the host: that it goes down, panics, was suspended or
 * restored.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/suspend.h>
#include <linux/utsname.h>

#include "channel.h"
#include "pvguest/version.h"

static int set_time_policy(const char *value, const struct kernel_param *kp);
static int get_time_policy(char *buffer, const struct kernel_param *kp);

static const struct kernel_param_ops time_policy_ops = {
	.set = set_time_policy,
	.get = get_time_policy,
};

static enum pvs_time_policy time_policy = PVS_TIME_FORWARD;
module_param_cb(time_policy, &time_policy_ops, NULL, 0644);
MODULE_PARM_DESC(time_policy,
		 "may the host step the clock: off, forward (default; backward after a restore only), both");

static bool host_requests = true;
module_param(host_requests, bool, 0644);
MODULE_PARM_DESC(host_requests,
		 "may the host shut down, reboot, and read and set the clock (default: Y)");

static const char *const policy_names[] = {
	[PVS_TIME_OFF] = "off",
	[PVS_TIME_FORWARD] = "forward",
	[PVS_TIME_BOTH] = "both",
};

static int set_time_policy(const char *value, const struct kernel_param *kp)
{
	int i = sysfs_match_string(policy_names, value);

	if (i < 0) {
		pr_err_ratelimited("pvg_ctl: time_policy '%s': allowed are off, forward, both\n",
				   value);
		return -EINVAL;
	}
	WRITE_ONCE(time_policy, i);
	return 0;
}

static int get_time_policy(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", policy_names[READ_ONCE(time_policy)]);
}

/**
 * pvg_system_permit() - &pvs_ops.permit
 * @v: unused
 * @service: enum pvc_service
 *
 * Return: whether the host may use it; a status and a thaw it always may.
 */
bool pvg_system_permit(struct pvs *v, u16 service)
{
	return READ_ONCE(host_requests) || (service != PVC_SERVICE_TIME &&
					    service != PVC_SERVICE_POWER);
}

/**
 * pvg_system_realtime() - the clock
 * @v: unused
 *
 * Return: nanoseconds since 1970-01-01 UTC.
 */
u64 pvg_system_realtime(struct pvs *v)
{
	/* Asked first whenever the policy counts. */
	v->policy = READ_ONCE(time_policy);
	return ktime_get_real_ns();
}

/**
 * pvg_system_uptime() - time since boot
 * @v: unused
 *
 * Return: milliseconds, suspended time included.
 */
u64 pvg_system_uptime(struct pvs *v)
{
	return pvg_channel_now();
}

/**
 * pvg_system_step_time() - change the clock
 * @v: unused
 * @delta_ns: by that much
 *
 * Context: may sleep. Return: 0 or a negative errno.
 */
int pvg_system_step_time(struct pvs *v, s64 delta_ns)
{
	struct timespec64 ts = ns_to_timespec64(ktime_get_real_ns() + delta_ns);
	int err = do_settimeofday64(&ts);

	if (err)
		pr_err_ratelimited("pvg_ctl: the clock cannot be set: %pe\n",
				   ERR_PTR(err));
	else
		pr_notice("pvg_ctl: the host set the clock by %lld ms\n",
			  div_s64(delta_ns, NSEC_PER_MSEC));
	return err;
}

/**
 * pvg_system_power() - begin to shut down or reboot
 * @v: unused
 * @op: enum pvc_power_op
 * @force: the kernel does it if user space cannot; always so for a reboot
 *
 * Return: PVC_OK.
 */
u32 pvg_system_power(struct pvs *v, u16 op, bool force)
{
	pr_notice("pvg_ctl: the host asked for a %s\n",
		  op == PVC_POWER_REBOOT ? "reboot" : "shutdown");
	if (op == PVC_POWER_REBOOT)
		orderly_reboot();
	else
		orderly_poweroff(force);
	return PVC_OK;
}

/**
 * pvg_system_identify() - what kernel this is
 * @v: unused
 * @status: release and version are filled in
 */
void pvg_system_identify(struct pvs *v, struct pvc_guest_status *status)
{
	strscpy((char *)status->release, init_utsname()->release,
		sizeof(status->release));
	strscpy((char *)status->version, PVG_VERSION, sizeof(status->version));
}

static void tell(u32 kind, const char *text)
{
	mutex_lock(&pvg_channel.lock);
	pvs_notice(&pvg_channel.services, kind, text, strlen(text));
	pvg_channel_flush_locked();
	mutex_unlock(&pvg_channel.lock);
}

static int on_reboot(struct notifier_block *nb, unsigned long action,
		     void *command)
{
	const char *text = command ?: "";

	if (action == SYS_RESTART)
		tell(PVC_NOTICE_REBOOT, text);
	else if (action == SYS_POWER_OFF)
		tell(PVC_NOTICE_POWEROFF, text);
	else if (action == SYS_HALT)
		tell(PVC_NOTICE_HALT, text);
	return NOTIFY_DONE;
}

static int on_panic(struct notifier_block *nb, unsigned long action, void *text)
{
	pvg_channel_panic(text ?: "");
	return NOTIFY_DONE;
}

static void restored(void)
{
	mutex_lock(&pvg_channel.lock);
	pvs_restored(&pvg_channel.services);
	pvg_channel_flush_locked();
	mutex_unlock(&pvg_channel.lock);
}

static int on_pm(struct notifier_block *nb, unsigned long action, void *unused)
{
	if (action == PM_SUSPEND_PREPARE)
		tell(PVC_NOTICE_SUSPEND, "memory");
	else if (action == PM_HIBERNATION_PREPARE)
		tell(PVC_NOTICE_SUSPEND, "disk");
	else if (action == PM_POST_HIBERNATION)
		restored();
	else if (action == PM_POST_SUSPEND)
		pvg_channel_kick();
	return NOTIFY_DONE;
}

/* The hypervisor has changed the VM generation id. */
static int on_vmfork(struct notifier_block *nb, unsigned long action,
		     void *unused)
{
	restored();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_nb = { .notifier_call = on_reboot };
static struct notifier_block panic_nb = { .notifier_call = on_panic };
static struct notifier_block pm_nb = { .notifier_call = on_pm };
static struct notifier_block vmfork_nb = { .notifier_call = on_vmfork };

/**
 * pvg_system_init() - hear of what happens to this kernel
 *
 * Return: 0 or a negative errno.
 */
int pvg_system_init(void)
{
	int err;

	err = register_reboot_notifier(&reboot_nb);
	if (err)
		return err;
	err = register_pm_notifier(&pm_nb);
	if (err)
		goto unregister_reboot;
	err = register_random_vmfork_notifier(&vmfork_nb);
	if (err)
		goto unregister_pm;
	err = atomic_notifier_chain_register(&panic_notifier_list, &panic_nb);
	if (err)
		goto unregister_vmfork;
	return 0;

unregister_vmfork:
	unregister_random_vmfork_notifier(&vmfork_nb);
unregister_pm:
	unregister_pm_notifier(&pm_nb);
unregister_reboot:
	unregister_reboot_notifier(&reboot_nb);
	return err;
}

/**
 * pvg_system_exit() - undo pvg_system_init()
 */
void pvg_system_exit(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &panic_nb);
	unregister_random_vmfork_notifier(&vmfork_nb);
	unregister_pm_notifier(&pm_nb);
	unregister_reboot_notifier(&reboot_nb);
}
