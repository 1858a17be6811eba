// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the place of a module that could not be built for this kernel. It has no
 * device table, so nothing asks for it, and it does not stay when it is loaded
 * ahead of the in-tree driver.
 */
#include <linux/init.h>
#include <linux/module.h>

static int __init pvg_stub_init(void)
{
	pr_warn("%s: not built for this kernel, the in-tree driver is used; see pvguest doctor\n",
		KBUILD_MODNAME);
	return -ENODEV;
}
module_init(pvg_stub_init);

MODULE_DESCRIPTION("stands in for a pvguest module that was not built");
MODULE_LICENSE("GPL");
MODULE_INFO(pvguest, "stub");
