// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control channel's way through the port: what comes goes into the protocol
 * core, what the core has to say goes out, and it hears of the time. All of it
 * on one workqueue, which serves while memory is short and file systems are
 * frozen: nothing here waits for either.
 */
#include <linux/ktime.h>
#include <linux/random.h>

#include "channel.h"
#include "../pvg_ctl.h"
#include "pvguest/version.h"

#define INFLIGHT_MAX	4	/* buffers; what is behind them waits */
#define RETRY_MS	250
#define QUIET_MS	1000	/* between heartbeats */
/*
 * Between looks at the owner of a freeze lease, since no kernel tells a module that a
 * process was killed. A thaw comes that much late; it costs four turns a second, as
 * long as something is frozen.
 */
#define OWNER_MS	250
/*
 * Bytes received in one go; then the lock is free for others, and the time is
 * looked at. A host that never pauses so delays the end of a lease by what it
 * takes to search that many bytes, 1 to 20 ms, and a longer frame is delayed by a
 * few turns of the workqueue.
 */
#define RECEIVE_MAX	(16 * 1024)
#define RECEIVE_EDGE	(512 * 1024)	/* 128 buffers of 4 KiB: a full ring */

struct pvg_channel pvg_channel;

/**
 * pvg_channel_now() - the time of the protocol and of leases
 *
 * Return: milliseconds since boot, suspended time included.
 */
u64 pvg_channel_now(void)
{
	return ktime_to_ms(ktime_get_boottime());
}

/**
 * pvg_channel_kick() - something has changed: send what there is to send
 *
 * Context: any.
 */
void pvg_channel_kick(void)
{
	struct pvg_channel *ch = &pvg_channel;

	if (!READ_ONCE(ch->dying))
		queue_work(ch->wq, &ch->work);
}

/* The device is done with a buffer. Any context. */
static void sent(struct pvg_ctl_buf *buf)
{
	struct pvg_channel *ch = &pvg_channel;

	pvg_ctl_tx_put(buf);
	atomic_dec(&ch->inflight);
	smp_mb__after_atomic();	/* pairs with smp_mb() in send_out() */
	if (READ_ONCE(ch->blocked))
		pvg_channel_kick();
}

/* Some of @ch->out; false if there is no room. */
static bool send_piece(struct pvg_channel *ch)
{
	struct pvg_ctl_buf *buf;
	u32 n = ch->out_len - ch->out_at;

	if (atomic_read(&ch->inflight) >= INFLIGHT_MAX)
		return false;
	/* Reclaim must not wait for a file system, which may be frozen. */
	buf = pvg_ctl_tx_get(ch->port->out, n, GFP_NOIO);
	if (!buf)
		return false;
	n = min(n, buf->size);
	memcpy(buf->data, ch->out + ch->out_at, n);
	buf->len = n;
	buf->release = sent;
	atomic_inc(&ch->inflight);
	if (pvg_ctl_tx_queue(buf, true)) {
		atomic_dec(&ch->inflight);
		pvg_ctl_tx_put(buf);
		return false;
	}
	ch->out_at += n;
	return true;
}

/* All of @ch->out; false if it has to wait for room. */
static bool send_out(struct pvg_channel *ch)
{
	while (ch->out_at < ch->out_len) {
		if (send_piece(ch))
			continue;
		WRITE_ONCE(ch->blocked, true);
		smp_mb();	/* pairs with smp_mb__after_atomic() in sent() */
		if (!send_piece(ch))
			return false;
	}
	WRITE_ONCE(ch->blocked, false);
	return true;
}

static void send_all(struct pvg_channel *ch)
{
	while (ch->port && send_out(ch)) {
		ch->out_at = 0;
		ch->out_len = pvc_output(&ch->services.pvc, ch->out,
					 sizeof(ch->out), pvg_channel_now());
		if (!ch->out_len)
			return;
	}
}

/* At most RECEIVE_MAX bytes; returns how many. */
static u32 receive_some(struct pvg_channel *ch)
{
	u32 n, done = 0;

	while (ch->port && done < RECEIVE_MAX) {
		n = pvg_ctl_receive(ch->port, ch->in, sizeof(ch->in));
		if (!n)
			break;
		pvc_input(&ch->services.pvc, ch->in, n, pvg_channel_now());
		done += n;
	}
	return done;
}

/*
 * When to look again: at the next tick; in a while at the owner of a lease, or if
 * there was no memory or the device is stopped, so that no buffer will come back and
 * tell.
 */
static void set_timer(struct pvg_channel *ch, bool look)
{
	u64 now = pvg_channel_now(), next = pvs_next_tick(&ch->services);

	if (look)
		next = min(next, now + OWNER_MS);
	if (ch->port && ch->out_at < ch->out_len &&
	    !atomic_read(&ch->inflight))
		next = min(next, now + RETRY_MS);
	if (next == U64_MAX || ch->dying)
		return;
	mod_delayed_work(ch->wq, &ch->tick,
			 next > now ? msecs_to_jiffies(next - now) : 0);
}

/* Returns whether there may be more to receive. */
static bool turn(struct pvg_channel *ch)
{
	bool more, look;

	lockdep_assert_held(&ch->lock);

	/* What has come is heard before a session is given up for silence. */
	more = receive_some(ch) >= RECEIVE_MAX;
	look = pvg_freeze_look_locked();
	pvs_tick(&ch->services, pvg_channel_now());
	send_all(ch);
	set_timer(ch, look);
	return more;
}

/**
 * pvg_channel_flush_locked() - receive, tick and send, now
 *
 * What is longer than RECEIVE_MAX is received later.
 *
 * Context: may sleep; &pvg_channel.lock held.
 */
void pvg_channel_flush_locked(void)
{
	if (turn(&pvg_channel))
		pvg_channel_kick();
}

static void run(void)
{
	mutex_lock(&pvg_channel.lock);
	pvg_channel_flush_locked();
	mutex_unlock(&pvg_channel.lock);
}

static void channel_work(struct work_struct *work)
{
	run();
}

static void channel_tick(struct work_struct *work)
{
	run();
}

/* The port: a second one of this name is left to whoever opens it. */
static void *channel_found(struct pvg_ctl_port *port)
{
	struct pvg_channel *ch = &pvg_channel;
	bool mine;

	mutex_lock(&ch->lock);
	mine = !ch->port;
	if (mine) {
		ch->port = port;
		ch->out_len = 0;
		ch->out_at = 0;
		pvc_start(&ch->services.pvc, pvg_channel_now());
	}
	mutex_unlock(&ch->lock);
	if (!mine)
		return NULL;
	pvg_channel_kick();
	return ch;
}

static void channel_connected(void *data, bool connected)
{
	struct pvg_channel *ch = data;
	bool more = true;
	u32 left;

	/*
	 * What the host asked for before it went is still done: what the device
	 * had room for. The next one may be sending already, and without a pause.
	 */
	for (left = RECEIVE_EDGE; more && left; left -= RECEIVE_MAX) {
		mutex_lock(&ch->lock);
		more = turn(ch);
		mutex_unlock(&ch->lock);
	}
	mutex_lock(&ch->lock);
	if (!connected)
		pvc_lose(&ch->services.pvc, PVC_WHY_TRANSPORT);
	mutex_unlock(&ch->lock);
	pvg_channel_kick();
}

static void channel_received(void *data)
{
	pvg_channel_kick();
}

static void channel_lost(void *data)
{
	struct pvg_channel *ch = data;

	mutex_lock(&ch->lock);
	pvc_stop(&ch->services.pvc, pvg_channel_now());
	ch->port = NULL;
	mutex_unlock(&ch->lock);
}

const struct pvg_ctl_client pvg_channel_client = {
	.name		= PVC_PORT_NAME,
	.found		= channel_found,
	.connected	= channel_connected,
	.received	= channel_received,
	.lost		= channel_lost,
};

static void channel_random(struct pvs *v, void *buf, u32 len)
{
	get_random_bytes(buf, len);
}

static void channel_session(struct pvs *v, bool up, u32 why)
{
	if (up)
		pr_debug("pvg_ctl: session %u with %s\n", v->pvc.session,
			 v->pvc.peer.software);
	else
		pr_debug("pvg_ctl: session lost: %s\n", pvc_why_name(why));
}

static const struct pvs_ops channel_ops = {
	.random		= channel_random,
	.realtime_ns	= pvg_system_realtime,
	.uptime_ms	= pvg_system_uptime,
	.step_time	= pvg_system_step_time,
	.power		= pvg_system_power,
	.thaw		= pvg_freeze_thaw,
	.identify	= pvg_system_identify,
	.forward	= pvg_listener_forward,
	.daemon		= &pvg_stream_ops,
	.session	= channel_session,
};

/**
 * pvg_channel_panic() - tell the host that this kernel has just died
 * @text: why
 *
 * If the state of the channel allows: locks that somebody holds are not
 * waited for.
 *
 * Context: panic(), all other CPUs are stopped.
 */
void pvg_channel_panic(const char *text)
{
	struct pvg_channel *ch = &pvg_channel;
	struct pvg_ctl_buf *buf = ch->spare;
	unsigned long flags;
	struct pvg_queue *q;
	u32 n;

	WRITE_ONCE(ch->dying, true);
	if (mutex_is_locked(&ch->lock) || !ch->port || !buf ||
	    ch->out_at < ch->out_len)
		return;
	pvs_notice(&ch->services, PVC_NOTICE_PANIC, text, strlen(text));
	/* A heartbeat or so may go first. */
	do {
		n = pvc_output(&ch->services.pvc, buf->data + buf->len,
			       buf->size - buf->len, pvg_channel_now());
		buf->len += n;
	} while (n);
	if (!buf->len)
		return;
	buf->cq = ch->port->out;
	q = &buf->cq->pvg;
	if (!spin_trylock_irqsave(&q->lock, flags))
		return;
	ch->spare = NULL;
	/* No memory is ever freed or allocated from here on. */
	if (pvg_ctl_tx_add_locked(buf, true))
		spin_unlock_irqrestore(&q->lock, flags);
	else
		pvg_queue_flush_unlock(q, flags);
}

/* Who we are and what there is, for the next session's WELCOME. */
static u32 put_tlvs(struct pvg_channel *ch)
{
	static const char software[] = "pvg_ctl " PVG_VERSION;
	struct pvc_service_range ranges[PVC_SERVICE_NR] = {
		{ cpu_to_le16(PVC_SERVICE_GUEST), 1, 1 },
		{ cpu_to_le16(PVC_SERVICE_TIME), 1, 1 },
		{ cpu_to_le16(PVC_SERVICE_POWER), 1, 1 },
		{ cpu_to_le16(PVC_SERVICE_FREEZE), 1, 1 },
	};
	u32 len, n = 4;

	n += pvg_listener_services(ranges + n);
	len = pvc_put_tlv(ch->tlvs, 0, sizeof(ch->tlvs), PVC_TLV_SOFTWARE,
			  software, sizeof(software) - 1);
	return pvc_put_tlv(ch->tlvs, len, sizeof(ch->tlvs), PVC_TLV_SERVICES,
			   ranges, n * sizeof(ranges[0]));
}

/**
 * pvg_channel_announce_locked() - the services have changed
 *
 * The host hears of it, at the next pvg_channel_kick().
 *
 * Context: &pvg_channel.lock held.
 */
void pvg_channel_announce_locked(void)
{
	struct pvg_channel *ch = &pvg_channel;

	lockdep_assert_held(&ch->lock);

	ch->services.pvc.cfg.tlv_len = put_tlvs(ch);
	pvc_announce(&ch->services.pvc);
}

static int init_services(struct pvg_channel *ch)
{
	struct pvc_config cfg = {
		.rx_buf = ch->rx,
		.rx_size = sizeof(ch->rx),
		.stream_window = 64 * 1024,
		.quiet_ms = QUIET_MS,
		.features = PVC_FEATURE_LEASE,
		.tlvs = ch->tlvs,
	};
	int err;

	mutex_lock(&ch->lock);
	cfg.tlv_len = put_tlvs(ch);
	get_random_bytes(ch->boot_id, sizeof(ch->boot_id));
	memcpy(cfg.boot_id, ch->boot_id, sizeof(cfg.boot_id));
	err = pvs_init(&ch->services, &channel_ops, &cfg) ? -EINVAL : 0;
	mutex_unlock(&ch->lock);
	return err;
}

/**
 * pvg_channel_init() - before there are ports
 *
 * Context: may sleep. Return: 0 or a negative errno.
 */
int pvg_channel_init(void)
{
	struct pvg_channel *ch = &pvg_channel;
	int err;

	mutex_init(&ch->lock);
	init_waitqueue_head(&ch->thawed);
	INIT_WORK(&ch->work, channel_work);
	INIT_DELAYED_WORK(&ch->tick, channel_tick);
	err = init_services(ch);
	if (err)
		return err;
	ch->wq = alloc_ordered_workqueue("pvg_control",
					 WQ_MEM_RECLAIM | WQ_HIGHPRI);
	if (!ch->wq)
		return -ENOMEM;
	ch->spare = pvg_ctl_buf_alloc(NULL, 4 * PVC_OUTPUT_MIN, GFP_KERNEL);
	if (!ch->spare) {
		err = -ENOMEM;
		goto destroy_wq;
	}
	err = pvg_freeze_init();
	if (err)
		goto free_spare;
	err = pvg_system_init();
	if (err)
		goto exit_freeze;
	err = pvg_control_device_init();
	if (err)
		goto exit_system;
	return 0;

exit_system:
	pvg_system_exit();
exit_freeze:
	pvg_freeze_exit();
free_spare:
	pvg_ctl_buf_free(ch->spare);
destroy_wq:
	destroy_workqueue(ch->wq);
	return err;
}

/**
 * pvg_channel_exit() - after the last port is gone
 *
 * Nobody has /dev/pvg_control open, so there is no lease.
 *
 * Context: may sleep.
 */
void pvg_channel_exit(void)
{
	struct pvg_channel *ch = &pvg_channel;

	pvg_control_device_exit();
	pvg_system_exit();
	/* What comes from here on finds nothing to do. */
	WRITE_ONCE(ch->dying, true);
	pvg_freeze_exit();
	cancel_delayed_work_sync(&ch->tick);
	cancel_work_sync(&ch->work);
	destroy_workqueue(ch->wq);
	pvg_ctl_buf_free(ch->spare);
	mutex_destroy(&ch->lock);
}
