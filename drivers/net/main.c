// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvg_net: a driver for the virtio network device (virtio 1.2, section 5.1).
 *
 * Probe, resume and recovery share bring_up(); removal, suspend, recovery and
 * a failed probe share stop_device(). A failed probe leaves the device reset,
 * so that another driver can have it.
 *
 * Lock order: rtnl, &pvg_net.state_lock, the lock of the control queue, of a
 * netdev queue, of a virtqueue.
 */
#include <linux/error-injection.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_ids.h>
#include <net/net_failover.h>

#include "pvg_net.h"
#include "pvguest/version.h"

static struct pvg_queue *ring_queue(struct pvg_ring *ring, unsigned int i)
{
	struct pvg_net *net = container_of(ring, struct pvg_net, ring);

	return i % 2 ? &net->txqs[i / 2].pvg : &net->rxqs[i / 2].pvg;
}

static int read_pairs(struct virtio_device *vdev)
{
	u16 pairs;

	if (!virtio_has_feature(vdev, VIRTIO_NET_F_MQ) &&
	    !virtio_has_feature(vdev, VIRTIO_NET_F_RSS))
		return 1;
	pairs = virtio_cread16(vdev, offsetof(struct virtio_net_config,
					      max_virtqueue_pairs));
	if (pairs < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN ||
	    pairs > VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX) {
		dev_err(&vdev->dev,
			"%u queue pairs, allowed are %u to %u\n", pairs,
			VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN,
			VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX);
		return -EINVAL;
	}
	return pairs;
}

static int read_mtu(struct virtio_device *vdev)
{
	u16 mtu;

	if (!virtio_has_feature(vdev, VIRTIO_NET_F_MTU))
		return ETH_MAX_MTU;
	mtu = virtio_cread16(vdev, offsetof(struct virtio_net_config, mtu));
	if (mtu < ETH_MIN_MTU) {
		dev_err(&vdev->dev, "MTU is %u, at least %u is needed\n", mtu,
			ETH_MIN_MTU);
		return -EINVAL;
	}
	return mtu;
}

/* What cannot work without a control queue. */
static int check_control_queue(struct virtio_device *vdev)
{
	static const unsigned int need_ctrl[] = {
		VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VLAN,
		VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_MQ,
		VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_RSS,
		VIRTIO_NET_F_HASH_REPORT, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
		VIRTIO_NET_F_NOTF_COAL, VIRTIO_NET_F_VQ_NOTF_COAL,
		VIRTIO_NET_F_DEVICE_STATS, VIRTIO_NET_F_CTRL_RX_EXTRA,
	};
	unsigned int i;

	if (virtio_has_feature(vdev, VIRTIO_NET_F_CTRL_VQ))
		return 0;
	for (i = 0; i < ARRAY_SIZE(need_ctrl); i++) {
		if (!virtio_has_feature(vdev, need_ctrl[i]))
			continue;
		dev_err(&vdev->dev,
			"feature %u is offered without a control queue (%u)\n",
			need_ctrl[i], VIRTIO_NET_F_CTRL_VQ);
		return -EINVAL;
	}
	return 0;
}

/* Before the netdev exists: how large is it to be? Return: pairs or errno. */
static noinline int pvg_net_check_device(struct virtio_device *vdev)
{
	int err;

	if (!vdev->config->get) {
		dev_err(&vdev->dev, "configuration space is not accessible\n");
		return -EINVAL;
	}
	err = check_control_queue(vdev);
	if (err)
		return err;
	err = read_mtu(vdev);
	if (err < 0)
		return err;
	return read_pairs(vdev);
}

static u64 guest_offloads(struct virtio_device *vdev)
{
	static const unsigned int bits[] = {
		VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
		VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_UFO,
		VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6,
	};
	u64 offloads = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bits); i++)
		if (virtio_has_feature(vdev, bits[i]))
			offloads |= BIT_ULL(bits[i]);
#if PVG_NET_TUNNEL
	/* The set of offloads has but 64 bits, so these two have others in it. */
	if (virtio_has_feature(vdev, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO))
		offloads |= BIT_ULL(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_MAPPED);
	if (virtio_has_feature(vdev, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM))
		offloads |=
			BIT_ULL(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM_MAPPED);
#endif
	if (offloads & (BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) |
			BIT_ULL(VIRTIO_NET_F_GUEST_TSO6)) &&
	    virtio_has_feature(vdev, VIRTIO_NET_F_RSC_EXT))
		offloads |= BIT_ULL(VIRTIO_NET_F_RSC_EXT);
	/* Belongs to what is set, but does not make packets larger. */
	if (virtio_has_feature(vdev, VIRTIO_NET_F_GUEST_CSUM))
		offloads |= BIT_ULL(VIRTIO_NET_F_GUEST_CSUM);
	return offloads;
}

static noinline int pvg_net_read_features(struct pvg_net *net)
{
	struct virtio_device *vdev = net->vdev;

	net->little_endian = virtio_is_little_endian(vdev);
	net->mergeable = pvg_net_has(net, VIRTIO_NET_F_MRG_RXBUF);
	pvg_net_hdr_init(net);
	net->max_mtu = read_mtu(vdev);
	net->guest_offloads_all = guest_offloads(vdev);
	net->guest_offloads = net->guest_offloads_all;
	net->big = !net->mergeable && pvg_net_large(net->guest_offloads_all);
	if (!net->mergeable && !net->big)
		net->max_mtu = min_t(u16, net->max_mtu, SZ_16K);
	net->dev->needed_headroom = net->hdr_len;
	net->speed = SPEED_UNKNOWN;
	net->duplex = DUPLEX_UNKNOWN;
	return pvg_net_rss_read(net);
}

static void init_pair(struct pvg_net *net, unsigned int i)
{
	struct pvg_net_rxq *rxq = &net->rxqs[i];
	struct pvg_net_txq *txq = &net->txqs[i];

	rxq->net = net;
	rxq->index = i;
	snprintf(rxq->name, sizeof(rxq->name), "input.%u", i);
	u64_stats_init(&rxq->stats.sync);
	INIT_DELAYED_WORK(&rxq->refill_work, pvg_net_rx_refill_work);
	pvg_queue_init(&rxq->pvg, &pvg_net_rx_ops);
	pvg_napi_add_rx(net->dev, &rxq->napi, pvg_net_rx_poll, i);

	txq->net = net;
	txq->index = i;
	snprintf(txq->name, sizeof(txq->name), "output.%u", i);
	u64_stats_init(&txq->stats.sync);
	pvg_queue_init(&txq->pvg, &pvg_net_tx_ops);
	netif_napi_add_tx(net->dev, &txq->napi, pvg_net_tx_poll);
}

static noinline int pvg_net_alloc_queues(struct pvg_net *net)
{
	unsigned int i;

	net->rxqs = kvcalloc(net->pairs, sizeof(*net->rxqs), GFP_KERNEL);
	net->txqs = kvcalloc(net->pairs, sizeof(*net->txqs), GFP_KERNEL);
	if (!net->rxqs || !net->txqs)
		return -ENOMEM;
	for (i = 0; i < net->pairs; i++)
		init_pair(net, i);
	return 0;
}

static noinline int pvg_net_register_ring(struct pvg_net *net)
{
	int err;

	net->ring.vdev = net->vdev;
	net->ring.queue = ring_queue;
	net->ring.nr_queues = 2 * net->pairs;
	if (pvg_net_has(net, VIRTIO_NET_F_VQ_NOTF_COAL) ||
	    pvg_net_has(net, VIRTIO_NET_F_NOTF_COAL))
		net->ring.changed = pvg_net_coal_changed;
	err = pvg_ring_register(&net->ring);
	net->ring_registered = !err;
	return err;
}

/*
 * All virtqueues have to be set up, since the control queue is behind those of
 * all pairs; the pairs that are not used here get no interrupt, nor does the
 * control queue: see ctrl.c.
 */
static int find_vqs(struct pvg_net *net, struct virtqueue **vqs, unsigned int n)
{
	struct pvg_vq_info *info;
	unsigned int i;
	int err;

	info = kcalloc(n, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < 2 * net->device_pairs; i++)
		info[i].name = i % 2 ? "output" : "input";
	for (i = 0; i < net->pairs; i++) {
		info[2 * i].name = net->rxqs[i].name;
		info[2 * i].callback = pvg_queue_callback;
		info[2 * i + 1].name = net->txqs[i].name;
		info[2 * i + 1].callback = pvg_queue_callback;
	}
	if (n > 2 * net->device_pairs)
		info[n - 1].name = "control";
	err = pvg_find_vqs(net->vdev, n, vqs, info, NULL);
	kfree(info);
	return err;
}

static int start_pair(struct pvg_net *net, unsigned int i,
		      struct virtqueue **vqs)
{
	struct pvg_net_rxq *rxq = &net->rxqs[i];
	struct pvg_net_txq *txq = &net->txqs[i];
	u32 rx_size = virtqueue_get_vring_size(vqs[2 * i]);
	u32 tx_size = virtqueue_get_vring_size(vqs[2 * i + 1]);
	int err;

	/* A packet of any shape has to fit. */
	if (tx_size < PVG_NET_TX_SG || rx_size < 1 + PVG_NET_BIG_SEGS) {
		dev_err(&net->vdev->dev,
			"queue sizes are %u and %u, at least %u and %u are needed\n",
			rx_size, tx_size, 1 + PVG_NET_BIG_SEGS, PVG_NET_TX_SG);
		return -EINVAL;
	}
	err = pvg_net_rx_alloc(rxq, rx_size);
	if (!err)
		err = pvg_net_tx_alloc(txq, tx_size);
	if (err)
		return err;
	pvg_queue_start(&net->ring, &rxq->pvg, vqs[2 * i]);
	pvg_queue_start(&net->ring, &txq->pvg, vqs[2 * i + 1]);
	return 0;
}

/*
 * From a reset device with negotiated features to one that takes packets;
 * under rtnl but for probe. On error stop_device() is to follow.
 */
static noinline int pvg_net_bring_up(struct pvg_net *net)
{
	bool ctrl = pvg_net_has(net, VIRTIO_NET_F_CTRL_VQ);
	unsigned int n = 2 * net->device_pairs + ctrl, i;
	struct virtqueue **vqs;
	int err;

	vqs = kcalloc(n, sizeof(*vqs), GFP_KERNEL);
	if (!vqs)
		return -ENOMEM;
	err = find_vqs(net, vqs, n);
	if (err)
		goto free_vqs;
	net->have_vqs = true;
	for (i = 0; i < net->pairs; i++) {
		err = start_pair(net, i, vqs);
		if (err)
			goto free_vqs;
	}
	pvg_net_ctrl_start(net, ctrl ? vqs[n - 1] : NULL);
	virtio_device_ready(net->vdev);
	mutex_lock(&net->state_lock);
	pvg_net_set_state(net, PVG_NET_LIVE);
	mutex_unlock(&net->state_lock);

free_vqs:
	kfree(vqs);
	return err;
}

/*
 * Stop using the device: no callback, timer, transmission or DMA afterwards,
 * and all buffers are ours again. NAPI is off, or nothing uses the netdev yet.
 * Does nothing the second time.
 */
static void stop_device(struct pvg_net *net)
{
	bool built = net->rxqs && net->txqs;
	unsigned int i;

	for (i = 0; built && i < net->pairs; i++) {
		pvg_queue_stop(&net->rxqs[i].pvg);
		pvg_queue_stop(&net->txqs[i].pvg);
		/* The transport does not forget that of a vector for all queues. */
		if (net->rxqs[i].pvg.vq)
			virtqueue_set_affinity(net->rxqs[i].pvg.vq, NULL);
		if (net->txqs[i].pvg.vq)
			virtqueue_set_affinity(net->txqs[i].pvg.vq, NULL);
	}
	if (pvg_device_is_present(net->vdev))
		virtio_reset_device(net->vdev);
	pvg_net_ctrl_stop(net);
	for (i = 0; built && i < net->pairs; i++) {
		pvg_queue_detach(&net->rxqs[i].pvg, pvg_net_rx_reclaim);
		pvg_queue_detach(&net->txqs[i].pvg, pvg_net_tx_reclaim);
		pvg_net_rx_free(&net->rxqs[i]);
		pvg_net_tx_free(&net->txqs[i]);
		netdev_tx_reset_queue(pvg_net_netdev_queue(&net->txqs[i]));
	}
	if (net->have_vqs)
		net->vdev->config->del_vqs(net->vdev);
	net->have_vqs = false;
}

static noinline int pvg_net_set_address(struct pvg_net *net)
{
	struct net_device *dev = net->dev;
	u8 addr[ETH_ALEN];

	if (!pvg_net_has(net, VIRTIO_NET_F_MAC)) {
		eth_hw_addr_random(dev);
	} else {
		virtio_cread_bytes(net->vdev,
				   offsetof(struct virtio_net_config, mac),
				   addr, ETH_ALEN);
		if (!is_valid_ether_addr(addr)) {
			dev_err(&net->vdev->dev,
				"%pM is no address for a device\n", addr);
			return -EADDRNOTAVAIL;
		}
		eth_hw_addr_set(dev, addr);
	}
	return 0;
}

static noinline int pvg_net_register(struct pvg_net *net)
{
	int err;

	pvg_net_init_netdev(net);
	rtnl_lock();
	netif_set_real_num_tx_queues(net->dev, 1);
	netif_set_real_num_rx_queues(net->dev, 1);
	net->active_pairs = 1;
	netif_carrier_off(net->dev);
	err = register_netdevice(net->dev);
	net->netdev_registered = !err;
	rtnl_unlock();
	return err;
}

/* Start with as many pairs as there are CPUs for. */
static noinline int pvg_net_finish(struct pvg_net *net)
{
	int err;

	rtnl_lock();
	err = pvg_net_begin_pairs(net, min(net->pairs, num_online_cpus()));
	if (!err)
		err = pvg_net_devstats_query(net);
	if (!err) {
		/* A random one, which a device that filters has to know. */
		if (!pvg_net_has(net, VIRTIO_NET_F_MAC))
			pvg_net_tell_address(net);
		pvg_net_spread(net);
		pvg_net_update_link(net);
	}
	rtnl_unlock();
	return err ?: pvg_net_follow_cpus(net);
}

/* The device stands in for another one with the same address. */
static noinline int pvg_net_add_failover(struct pvg_net *net)
{
	struct failover *failover;

	if (!pvg_net_has(net, VIRTIO_NET_F_STANDBY))
		return 0;
	failover = net_failover_create(net->dev);
	if (IS_ERR(failover))
		return PTR_ERR(failover);
	net->failover = failover;
	return 0;
}

/* rtnl held: nobody uses the device until attach(). */
static void detach(struct pvg_net *net)
{
	netif_device_detach(net->dev);
	netif_tx_disable(net->dev);
	pvg_net_stop_queues(net);
	stop_device(net);
}

/* Mark dead, drain, free. The device may be half built, or gone. */
static void tear_down(struct pvg_net *net)
{
	unsigned int i;

	rtnl_lock();	/* not in the midst of a recovery */
	mutex_lock(&net->state_lock);
	pvg_net_set_state(net, PVG_NET_DEAD);
	mutex_unlock(&net->state_lock);
	/* From here on an AF_XDP pool may go: nothing of it is in a ring any more. */
	if (net->netdev_registered)
		detach(net);
	rtnl_unlock();
	pvg_net_ignore_cpus(net);
	if (net->failover)
		net_failover_destroy(net->failover);
	if (net->netdev_registered)
		unregister_netdev(net->dev);
	/* They find the state, but have to be gone. */
	cancel_work_sync(&net->config_work);
	cancel_work_sync(&net->rx_mode_work);
	cancel_work_sync(&net->recover_work);
	stop_device(net);
	cancel_work_sync(&net->recover_work);
	if (net->ring_registered)
		pvg_ring_unregister(&net->ring);
	cancel_work_sync(&net->coal_work);

	for (i = 0; net->rxqs && net->txqs && i < net->pairs; i++) {
		netif_napi_del(&net->rxqs[i].napi);
		netif_napi_del(&net->txqs[i].napi);
	}
	kvfree(net->rxqs);
	kvfree(net->txqs);
	pvg_net_rss_free(net);
	net->vdev->priv = NULL;
	free_netdev(net->dev);
}

static void attach(struct pvg_net *net)
{
	if (netif_running(net->dev))
		pvg_net_start_queues(net);
	pvg_net_restore_settings(net);
	pvg_net_spread(net);
	/* It wakes all queues, also those that are full. */
	netif_device_attach(net->dev);
	if (netif_running(net->dev))
		pvg_net_open_queues(net);
	pvg_net_update_link(net);
}

/* Nothing uses the device from here on, nor has it any buffer. */
static void quiesce(struct pvg_net *net, enum pvg_net_state next)
{
	enum pvg_net_state was;

	ASSERT_RTNL();
	mutex_lock(&net->state_lock);
	was = net->state;
	if (was == PVG_NET_LIVE ||
	    (was == PVG_NET_HALTED && next == PVG_NET_STOPPED))
		pvg_net_set_state(net, next);
	if (was == PVG_NET_LIVE)
		detach(net);
	mutex_unlock(&net->state_lock);
}

static void pause(struct pvg_net *net)
{
	quiesce(net, PVG_NET_STOPPED);
}

/* &pvg_net.halt */
static void halt_device(struct pvg_net *net)
{
	quiesce(net, PVG_NET_HALTED);
}

static int resume(struct pvg_net *net)
{
	int err = -EIO;

	if (READ_ONCE(net->state) == PVG_NET_STOPPED)
		err = pvg_net_bring_up(net);
	if (!err) {
		attach(net);
	} else if (READ_ONCE(net->state) == PVG_NET_STOPPED) {
		stop_device(net);
		pvg_net_give_up(net);
	}
	return err;
}

/* Suspend, and a reset of the PCI function, as the next one. */
static int __maybe_unused pvg_net_freeze(struct virtio_device *vdev)
{
	rtnl_lock();
	pause(vdev->priv);
	rtnl_unlock();
	return 0;
}

static int __maybe_unused pvg_net_restore(struct virtio_device *vdev)
{
	int err;

	rtnl_lock();
	err = resume(vdev->priv);
	rtnl_unlock();
	return err;
}

static void recover_work(struct work_struct *work)
{
	struct pvg_net *net = container_of(work, struct pvg_net, recover_work);
	int err = -EIO;

	/* All under one lock: suspend and removal come before or after. */
	rtnl_lock();
	if ((net->state != PVG_NET_LIVE && net->state != PVG_NET_HALTED) ||
	    pvg_system_ends())
		goto unlock;
	dev_warn(&net->vdev->dev, "resetting the device\n");
	pause(net);
	/* What was requested until now is done by this reset. */
	cancel_work(work);
	if (!xchg(&net->faulty, false) || pvg_net_may_recover(net))
		err = pvg_device_renegotiate(net->vdev) ?: resume(net);
	if (!err)
		goto unlock;
	dev_err(&net->vdev->dev, "the device was given up, no packets from here on: %pe\n",
		ERR_PTR(err));
	netif_carrier_off(net->dev);
	pvg_net_give_up(net);
unlock:
	rtnl_unlock();
}

/* The virtio core calls this only between probe and remove. */
static void pvg_net_config_changed(struct virtio_device *vdev)
{
	struct pvg_net *net = vdev->priv;

	schedule_work(&net->config_work);
}

static struct pvg_net *alloc_net(struct virtio_device *vdev, unsigned int pairs)
{
	unsigned int used = min(pairs, num_possible_cpus());
	struct net_device *dev;
	struct pvg_net *net;

	dev = alloc_etherdev_mq(sizeof(*net), used);
	if (!dev)
		return NULL;
	SET_NETDEV_DEV(dev, &vdev->dev);
	net = netdev_priv(dev);
	net->dev = dev;
	net->vdev = vdev;
	net->pairs = used;
	net->device_pairs = pairs;
	net->halt = halt_device;
	mutex_init(&net->state_lock);
	mutex_init(&net->ctrl.lock);
	INIT_WORK(&net->config_work, pvg_net_config_work);
	INIT_WORK(&net->coal_work, pvg_net_coal_work);
	INIT_WORK(&net->rx_mode_work, pvg_net_rx_mode_work);
	INIT_WORK(&net->recover_work, recover_work);
	pvg_net_init_affinity(net);
	vdev->priv = net;
	return net;
}

static int pvg_net_probe(struct virtio_device *vdev)
{
	static int (*const steps[])(struct pvg_net *net) = {
		pvg_net_read_features,
		pvg_net_alloc_queues,
		pvg_net_register_ring,
		pvg_net_bring_up,
		pvg_net_set_address,
		pvg_net_register,
		pvg_net_finish,
		pvg_net_add_failover,
	};
	struct pvg_net *net;
	unsigned int i;
	int err;

	err = pvg_net_check_device(vdev);
	if (err < 0)
		return err;
	net = alloc_net(vdev, err);
	if (!net)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		err = steps[i](net);
		if (!err)
			continue;
		dev_err(&vdev->dev, "probe failed: %ps: %pe\n", steps[i],
			ERR_PTR(err));
		tear_down(net);
		return err;
	}
	dev_info(&vdev->dev, "[%s] %pM, %u of %u queue pairs, %s buffers\n",
		 net->dev->name, net->dev->dev_addr, net->active_pairs,
		 net->device_pairs, net->mergeable ? "mergeable" :
		 net->big ? "64 KiB" : "single");
	return 0;
}

static void pvg_net_remove(struct virtio_device *vdev)
{
	tear_down(vdev->priv);
}

static const struct virtio_device_id id_table[] = {
	{ VIRTIO_ID_NET, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, id_table);

/* Ring features are the transport's to negotiate. */
static const unsigned int features[] = {
	VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM,
	VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_MTU, VIRTIO_NET_F_MAC,
	VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
	VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_UFO,
	VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_ECN,
	VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_STATUS,
	VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VLAN,
	VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_GUEST_HDRLEN,
	VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_HASH_REPORT,
	VIRTIO_NET_F_RSS, VIRTIO_NET_F_SPEED_DUPLEX, VIRTIO_NET_F_STANDBY,
	VIRTIO_NET_F_RSC_EXT,
	VIRTIO_NET_F_NOTF_COAL, VIRTIO_NET_F_VQ_NOTF_COAL,
	VIRTIO_NET_F_DEVICE_STATS, VIRTIO_NET_F_CTRL_RX_EXTRA,
#if PVG_NET_USO
	VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6,
	VIRTIO_NET_F_HOST_USO,
#endif
#if PVG_NET_TUNNEL
	VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO,
	VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM,
	VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO,
	VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM,
#endif
};

#if PVG_NET_TUNNEL
/* has_all - @vdev has each of the @n features in @bits */
static bool has_all(struct virtio_device *vdev, const unsigned int *bits,
		    unsigned int n)
{
	while (n--)
		if (!virtio_has_feature(vdev, bits[n]))
			return false;
	return true;
}

/*
 * What a tunnel carries are segments of TCP and UDP: virtio 1.4, 5.1.3.1, requires the
 * features for those, and 2.2.1 forbids a driver to take one without what it requires.
 * QEMU offers segments in tunnels also where it was told not to offer any others, and a
 * device without them needs no large buffers.
 */
static int pvg_net_validate(struct virtio_device *vdev)
{
	static const unsigned int guest[] = {
		VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
		VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6,
	};
	static const unsigned int host[] = {
		VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6,
		VIRTIO_NET_F_HOST_USO,
	};

	if (!has_all(vdev, guest, ARRAY_SIZE(guest))) {
		__virtio_clear_bit(vdev, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO);
		__virtio_clear_bit(vdev, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM);
	}
	if (!has_all(vdev, host, ARRAY_SIZE(host))) {
		__virtio_clear_bit(vdev, VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO);
		__virtio_clear_bit(vdev, VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM);
	}
	return 0;
}
#endif

static struct virtio_driver pvg_net_driver = {
	.driver.name		= KBUILD_MODNAME,
	.driver.owner		= THIS_MODULE,
	.id_table		= id_table,
	.feature_table		= features,
	.feature_table_size	= ARRAY_SIZE(features),
#if PVG_NET_TUNNEL
	.validate		= pvg_net_validate,
#endif
	.probe			= pvg_net_probe,
	.remove			= pvg_net_remove,
	.config_changed		= pvg_net_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze			= pvg_net_freeze,
	.restore		= pvg_net_restore,
#endif
#ifdef PVG_HAVE_VIRTIO_RESET_HOOKS
	.reset_prepare		= pvg_net_freeze,
	.reset_done		= pvg_net_restore,
#endif
};

static int __init pvg_net_init(void)
{
	int err = pvg_net_affinity_init();

	if (err)
		return err;
	err = register_virtio_driver(&pvg_net_driver);
	if (err)
		pvg_net_affinity_exit();
	return err;
}

static void __exit pvg_net_exit(void)
{
	unregister_virtio_driver(&pvg_net_driver);
	pvg_net_affinity_exit();
}

module_init(pvg_net_init);
module_exit(pvg_net_exit);

/* The steps of probe, so that a test can fail each in turn. */
ALLOW_ERROR_INJECTION(pvg_net_check_device, ERRNO);
ALLOW_ERROR_INJECTION(pvg_net_read_features, ERRNO);
ALLOW_ERROR_INJECTION(pvg_net_alloc_queues, ERRNO);
ALLOW_ERROR_INJECTION(pvg_net_register_ring, ERRNO);
ALLOW_ERROR_INJECTION(pvg_net_bring_up, ERRNO);
ALLOW_ERROR_INJECTION(pvg_net_set_address, ERRNO);
ALLOW_ERROR_INJECTION(pvg_net_register, ERRNO);
ALLOW_ERROR_INJECTION(pvg_net_finish, ERRNO);
ALLOW_ERROR_INJECTION(pvg_net_add_failover, ERRNO);

MODULE_DESCRIPTION("pvguest virtio network driver");
MODULE_LICENSE("GPL");
MODULE_VERSION(PVG_VERSION);
MODULE_INFO(pvguest, PVG_VERSION);
