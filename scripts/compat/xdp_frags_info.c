// SPDX-License-Identifier: GPL-2.0-only
#include <net/xdp.h>

void probe(struct sk_buff *skb);
void probe(struct sk_buff *skb)
{
	xdp_update_skb_frags_info(skb, 1, 1, 1, 0);
}
