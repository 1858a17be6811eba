/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _PVGUEST_VERSION_H
#define _PVGUEST_VERSION_H

#define PVG_VERSION	"0.1.0"

/* "modinfo -F pvguest" tells a real module from an installation's stub. */
#define PVG_MODULE_VERSION						\
	MODULE_VERSION(PVG_VERSION);					\
	MODULE_INFO(pvguest, PVG_VERSION)

#endif /* _PVGUEST_VERSION_H */
