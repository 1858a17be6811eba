// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device is told, and tells, beside packets: filters, addresses,
 * offloads, link state (virtio 1.2, sections 5.1.4 and 5.1.6.5).
 */
#include <linux/etherdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/virtio.h>

#include "pvg_net.h"

static bool is_live(const struct pvg_net *net)
{
	return READ_ONCE(net->state) == PVG_NET_LIVE;
}

/* Log a refusal after which the driver goes on all the same; nothing for @err 0. */
static void complain(const struct pvg_net *net, const char *what, int err)
{
	if (err)
		net_warn_ratelimited("%s: the device did not take %s: %pe\n",
				     net->dev->name, what, ERR_PTR(err));
}

static int send_flag(struct pvg_net *net, u8 cmd, bool on)
{
	u8 value = on;

	return pvg_net_ctrl(net, VIRTIO_NET_CTRL_RX, cmd, &value,
			    sizeof(value));
}

/* One of the two tables of MAC_TABLE_SET. Return: what follows it. */
static void *put_table(struct pvg_net *net, void *at,
		       struct netdev_hw_addr_list *list)
{
	struct virtio_net_ctrl_mac *table = at;
	struct netdev_hw_addr *ha;
	u32 n = 0;

	netdev_hw_addr_list_for_each(ha, list)
		memcpy(table->macs[n++], ha->addr, ETH_ALEN);
	table->entries = cpu_to_virtio32(net->vdev, n);
	return &table->macs[n];
}

static void *build_tables(struct pvg_net *net, size_t *len)
{
	struct net_device *dev = net->dev;
	void *tables, *end;

	*len = 2 * sizeof(struct virtio_net_ctrl_mac) +
	       (netdev_uc_count(dev) + netdev_mc_count(dev)) * ETH_ALEN;
	tables = kzalloc(*len, GFP_ATOMIC);
	if (!tables)
		return NULL;
	end = put_table(net, tables, &dev->uc);
	put_table(net, end, &dev->mc);
	return tables;
}

/* Tell the device which packets are wanted; rtnl held. */
static void send_rx_mode(struct pvg_net *net)
{
	struct net_device *dev = net->dev;
	unsigned int flags;
	void *tables;
	size_t len;
	int err;

	netif_addr_lock_bh(dev);
	flags = dev->flags;
	tables = build_tables(net, &len);
	netif_addr_unlock_bh(dev);

	err = send_flag(net, VIRTIO_NET_CTRL_RX_PROMISC, flags & IFF_PROMISC);
	if (!err)
		err = send_flag(net, VIRTIO_NET_CTRL_RX_ALLMULTI,
				flags & IFF_ALLMULTI);
	/* "ip link set multicast off" */
	if (!err && pvg_net_has(net, VIRTIO_NET_F_CTRL_RX_EXTRA))
		err = send_flag(net, VIRTIO_NET_CTRL_RX_NOMULTI,
				!(flags & (IFF_MULTICAST | IFF_ALLMULTI |
					   IFF_PROMISC)));
	if (!err && tables)
		err = pvg_net_ctrl(net, VIRTIO_NET_CTRL_MAC,
				   VIRTIO_NET_CTRL_MAC_TABLE_SET, tables, len);
	if (err || !tables)
		dev_warn_ratelimited(&dev->dev,
				     "the receive filter was not set: %pe\n",
				     ERR_PTR(err ?: -ENOMEM));
	kfree(tables);
}

void pvg_net_rx_mode_work(struct work_struct *work)
{
	struct pvg_net *net = container_of(work, struct pvg_net, rx_mode_work);

	rtnl_lock();
	if (is_live(net))
		send_rx_mode(net);
	rtnl_unlock();
}

/* ndo_set_rx_mode: called with a spinlock held. */
void pvg_net_set_rx_mode(struct net_device *dev)
{
	struct pvg_net *net = netdev_priv(dev);

	if (pvg_net_has(net, VIRTIO_NET_F_CTRL_RX))
		schedule_work(&net->rx_mode_work);
}

/* ndo_set_mac_address */
int pvg_net_set_mac(struct net_device *dev, void *addr)
{
	struct pvg_net *net = netdev_priv(dev);
	struct virtio_device *vdev = net->vdev;
	struct sockaddr *sa = addr;
	int err, i;

	if (pvg_net_has(net, VIRTIO_NET_F_STANDBY))
		return -EOPNOTSUPP;
	err = eth_prepare_mac_addr_change(dev, addr);
	if (err)
		return err;
	if (pvg_net_has(net, VIRTIO_NET_F_CTRL_MAC_ADDR)) {
		err = pvg_net_ctrl(net, VIRTIO_NET_CTRL_MAC,
				   VIRTIO_NET_CTRL_MAC_ADDR_SET, sa->sa_data,
				   ETH_ALEN);
		complain(net, "the address", err);
		if (err)
			return err;
	} else if (pvg_net_has(net, VIRTIO_NET_F_MAC) &&
		   !pvg_net_has(net, VIRTIO_F_VERSION_1)) {
		/* Legacy devices let it be written, byte by byte. */
		for (i = 0; i < ETH_ALEN; i++)
			virtio_cwrite8(vdev,
				       offsetof(struct virtio_net_config, mac) +
				       i, sa->sa_data[i]);
	}
	eth_commit_mac_addr_change(dev, addr);
	return 0;
}

/**
 * pvg_net_tell_address() - say which address the interface has, if that can be said
 * @net: the device, live
 *
 * Context: rtnl; may sleep.
 */
void pvg_net_tell_address(struct pvg_net *net)
{
	ASSERT_RTNL();

	if (pvg_net_has(net, VIRTIO_NET_F_CTRL_MAC_ADDR))
		complain(net, "the address",
			 pvg_net_ctrl(net, VIRTIO_NET_CTRL_MAC,
				      VIRTIO_NET_CTRL_MAC_ADDR_SET,
				      net->dev->dev_addr, ETH_ALEN));
}

static void send_vlan(struct pvg_net *net, u8 cmd, u16 vid)
{
	__virtio16 value = cpu_to_virtio16(net->vdev, vid);

	/* A device that is reset is told by pvg_net_restore_settings(), if ever. */
	if (!is_live(net))
		return;
	complain(net, "a VLAN",
		 pvg_net_ctrl(net, VIRTIO_NET_CTRL_VLAN, cmd, &value,
			      sizeof(value)));
}

/* ndo_vlan_rx_add_vid: a device that refuses may let the VLAN through all the same. */
int pvg_net_vlan_add(struct net_device *dev, __be16 proto, u16 vid)
{
	struct pvg_net *net = netdev_priv(dev);

	set_bit(vid, net->vlans);
	send_vlan(net, VIRTIO_NET_CTRL_VLAN_ADD, vid);
	return 0;
}

/* ndo_vlan_rx_kill_vid */
int pvg_net_vlan_kill(struct net_device *dev, __be16 proto, u16 vid)
{
	struct pvg_net *net = netdev_priv(dev);

	clear_bit(vid, net->vlans);
	send_vlan(net, VIRTIO_NET_CTRL_VLAN_DEL, vid);
	return 0;
}

/**
 * pvg_net_set_guest_offloads() - say which offloads packets may come with
 * @net: the device, with CTRL_GUEST_OFFLOADS
 * @offloads: a subset of net->guest_offloads_all
 *
 * Context: rtnl; may sleep. Return: as pvg_net_ctrl().
 */
int pvg_net_set_guest_offloads(struct pvg_net *net, u64 offloads)
{
	__virtio64 value = cpu_to_virtio64(net->vdev, offloads);
	int err;

	ASSERT_RTNL();

	err = pvg_net_ctrl(net, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
			   VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &value,
			   sizeof(value));
	if (!err)
		net->guest_offloads = offloads;
	complain(net, "receive offloads", err);
	return err;
}

static u16 read_status(struct pvg_net *net)
{
	u16 status;

	if (!pvg_net_has(net, VIRTIO_NET_F_STATUS))
		return VIRTIO_NET_S_LINK_UP;
	virtio_cread(net->vdev, struct virtio_net_config, status, &status);
	return status;
}

static void read_speed(struct pvg_net *net)
{
	u32 speed;
	u8 duplex;

	if (!pvg_net_has(net, VIRTIO_NET_F_SPEED_DUPLEX))
		return;
	virtio_cread_le(net->vdev, struct virtio_net_config, speed, &speed);
	virtio_cread_le(net->vdev, struct virtio_net_config, duplex, &duplex);
	if (ethtool_validate_speed(speed))
		net->speed = speed;
	if (ethtool_validate_duplex(duplex))
		net->duplex = duplex;
}

/**
 * pvg_net_update_link() - take over what the device says of its link
 * @net: the device
 *
 * Context: rtnl; may sleep.
 */
void pvg_net_update_link(struct pvg_net *net)
{
	u16 status = read_status(net);

	ASSERT_RTNL();

	if (status & VIRTIO_NET_S_ANNOUNCE) {
		__netdev_notify_peers(net->dev);
		pvg_net_ctrl(net, VIRTIO_NET_CTRL_ANNOUNCE,
			     VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0);
	}
	if (status & VIRTIO_NET_S_LINK_UP) {
		read_speed(net);
		netif_carrier_on(net->dev);
	} else {
		netif_carrier_off(net->dev);
	}
}

static bool needs_reset(struct virtio_device *vdev)
{
	return pvg_device_is_present(vdev) &&
	       vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* The configuration changed, or the device is at its wits' end. */
void pvg_net_config_work(struct work_struct *work)
{
	struct pvg_net *net = container_of(work, struct pvg_net, config_work);

	rtnl_lock();
	if (is_live(net) && needs_reset(net->vdev))
		pvg_net_recover(net);
	else if (is_live(net))
		pvg_net_update_link(net);
	rtnl_unlock();
}

/**
 * pvg_net_restore_settings() - tell a reset device what it forgot
 * @net: the device, live
 *
 * Context: rtnl; may sleep.
 */
void pvg_net_restore_settings(struct pvg_net *net)
{
	unsigned int vid;

	ASSERT_RTNL();

	if (pvg_net_has(net, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) &&
	    net->guest_offloads != net->guest_offloads_all)
		pvg_net_set_guest_offloads(net, net->guest_offloads);
	pvg_net_tell_address(net);
	if (pvg_net_has(net, VIRTIO_NET_F_CTRL_RX))
		send_rx_mode(net);
	if (pvg_net_has(net, VIRTIO_NET_F_CTRL_VLAN))
		for_each_set_bit(vid, net->vlans, VLAN_N_VID)
			send_vlan(net, VIRTIO_NET_CTRL_VLAN_ADD, vid);
	if (pvg_net_has(net, VIRTIO_NET_F_MQ) ||
	    pvg_net_has(net, VIRTIO_NET_F_RSS))
		complain(net, "the number of queue pairs",
			 pvg_net_set_pairs(net, net->active_pairs));
	pvg_net_coal_forget_all(net);
	pvg_net_coal_send(net);
}
