// SPDX-License-Identifier: GPL-2.0-only
#include <linux/virtio_net.h>

int probe(struct sk_buff *skb, struct virtio_net_hdr_v1_hash_tunnel *hdr);
int probe(struct sk_buff *skb, struct virtio_net_hdr_v1_hash_tunnel *hdr)
{
	int err = virtio_net_hdr_tnl_from_skb(skb, hdr, true, true, 0, false,
					      true);

	if (!err)
		err = virtio_net_handle_csum_offload(skb,
				(struct virtio_net_hdr *)hdr, true);
	return err ?: virtio_net_hdr_tnl_to_skb(skb, hdr, true, true, true);
}
