# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
chroot_prepare() { die "$1: not yet"; }
