// SPDX-License-Identifier: GPL-2.0-only
/* Alone, since it asks of which header they come: are scan and steal counters VM
 * events, or counters of the nodes?
 */
#include <linux/vm_event_item.h>

int probe(void);
int probe(void)
{
	return PGSCAN_KSWAPD + PGSTEAL_DIRECT;
}
