# SPDX-License-Identifier: GPL-2.0-only
#
# The protocol's files, for userspace programs that compile them; TOP is the tree.
#
#   PVC_CORE      both sides of the protocol
#   PVC_SERVICES  the services of a guest's kernel
#   PVC_HEADERS   what either depends on
#   PVC_CFLAGS    where headers are found

PVC_SERVICES := $(wildcard $(TOP)/protocol/services*.c)
PVC_CORE := $(filter-out $(PVC_SERVICES),$(wildcard $(TOP)/protocol/*.c))
PVC_HEADERS := $(wildcard $(TOP)/include/uapi/pvguest/*.h $(TOP)/protocol/*.h \
	$(TOP)/protocol/include/pvguest/*.h)
PVC_CFLAGS := -I$(TOP)/protocol/include
