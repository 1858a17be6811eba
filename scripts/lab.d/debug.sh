# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
debug_prepare() { die "debug: not yet"; }
