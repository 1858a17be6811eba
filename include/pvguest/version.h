/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _PVGUEST_VERSION_H
#define _PVGUEST_VERSION_H

/*
 * Of every module, as its version and as "pvguest": modinfo -F pvguest tells a
 * real module from one that an installation put in its place.
 */
#define PVG_VERSION	"0.1.0"

#endif /* _PVGUEST_VERSION_H */
