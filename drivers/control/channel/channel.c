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

/**
 * pvg_channel_kick_soon() - the same, but what follows at once goes with it
 * @ms: what has changed waits so long at most
 *
 * That saves a doorbell.
 *
 * Context: any.
 */
void pvg_channel_kick_soon(unsigned int ms)
{
	struct pvg_channel *ch = &pvg_channel;

	unsigned long at = jiffies + msecs_to_jiffies(ms);

	if (READ_ONCE(ch->dying))
		return;
	/* Never later than what waits for it already. */
	if (!delayed_work_pending(&ch->tick) || time_before(at, ch->tick.timer.expires))
		mod_delayed_work(ch->wq, &ch->tick, msecs_to_jiffies(ms));
}

static struct pvg_ctl_buf *take_free(struct pvg_channel *ch)
{
	struct pvg_ctl_buf *buf;
	unsigned long flags;

	spin_lock_irqsave(&ch->free_lock, flags);
	buf = list_first_entry_or_null(&ch->free, struct pvg_ctl_buf, node);
	if (buf) {
		list_del(&buf->node);
		ch->nr_free--;
		buf->len = 0;
		buf->urgent = false;
	}
	ch->blocked = !buf;
	spin_unlock_irqrestore(&ch->free_lock, flags);
	return buf;
}

/* Returns whether somebody waits for a free buffer. */
static bool put_free(struct pvg_channel *ch, struct pvg_ctl_buf *buf)
{
	unsigned long flags;
	bool blocked;

	spin_lock_irqsave(&ch->free_lock, flags);
	list_add_tail(&buf->node, &ch->free);
	ch->nr_free++;
	blocked = ch->blocked;
	spin_unlock_irqrestore(&ch->free_lock, flags);
	return blocked;
}

/* The device is done with a buffer. Any context. */
static void sent(struct pvg_ctl_buf *buf)
{
	if (put_free(&pvg_channel, buf))
		pvg_channel_kick();
}

/* Adds frames, as many as fit. &pvg_ctl_buf.urgent: somebody waits for one of them. */
static void fill(struct pvg_channel *ch, struct pvg_ctl_buf *buf)
{
	struct pvc *p = &ch->services.pvc;
	u32 n;

	while (buf->size - buf->len >= PVC_OUTPUT_MIN) {
		n = pvc_output(p, buf->data + buf->len, buf->size - buf->len,
			       pvg_channel_now());
		if (!n)
			break;
		buf->len += n;
		buf->urgent |= !p->bulk;
	}
}

/*
 * A free buffer, for frames. Where there is none those that the device is done with come
 * back, and if there are none of these sent() wakes us: from now on the next one interrupts.
 */
static struct pvg_ctl_buf *get_free(struct pvg_channel *ch)
{
	struct pvg_ctl_buf *buf = take_free(ch);

	if (buf)
		return buf;
	pvg_ctl_tx_idle(ch->port->out);
	return take_free(ch);
}

/*
 * Bulk data that does not fill a buffer waits for more as long as the device has another
 * one, so that who writes a little at a time costs no doorbell each. Then sent() wakes us.
 */
static bool may_wait(struct pvg_channel *ch, const struct pvg_ctl_buf *buf)
{
	unsigned long flags;
	bool wait;

	if (buf->urgent || buf->size - buf->len < PVC_OUTPUT_MIN)
		return false;
	spin_lock_irqsave(&ch->free_lock, flags);
	/* All are free but this one: then nothing would wake us. */
	wait = ch->nr_free < PVG_CHANNEL_BUFS - 1;
	ch->blocked = wait;
	spin_unlock_irqrestore(&ch->free_lock, flags);
	/* The other one is to interrupt. */
	if (wait)
		pvg_ctl_tx_idle(ch->port->out);
	return wait;
}

/* False if it has to wait until the device runs, or has room. */
static bool send_buf(struct pvg_channel *ch, struct pvg_ctl_buf *buf)
{
	buf->cq = ch->port->out;
	buf->release = sent;
	/* The host may be waited for, its reading is not: there is another buffer. */
	if (!pvg_ctl_tx_queue(buf, false))
		return true;
	/* What comes back from now on may make room; or has just done so. */
	WRITE_ONCE(ch->blocked, true);
	return !pvg_ctl_tx_queue(buf, false);
}

static void send_all(struct pvg_channel *ch)
{
	struct pvg_ctl_buf *buf;

	while (ch->port) {
		buf = ch->unsent ?: get_free(ch);
		if (!buf)
			return;
		fill(ch, buf);
		ch->unsent = buf->len ? buf : NULL;
		if (!buf->len)
			put_free(ch, buf);
		if (!buf->len || may_wait(ch, buf) || !send_buf(ch, buf))
			return;
		ch->unsent = NULL;
	}
}

/* What was not sent before the port went is nobody's any more. */
static void drop_unsent(struct pvg_channel *ch)
{
	if (ch->unsent)
		put_free(ch, ch->unsent);
	ch->unsent = NULL;
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
 * When to look again: at the next tick; in a while at the owner of a lease, or if the
 * device is stopped, so that no buffer will come back and tell.
 */
static void set_timer(struct pvg_channel *ch, bool look)
{
	u64 now = pvg_channel_now(), next = pvs_next_tick(&ch->services);

	if (look)
		next = min(next, now + OWNER_MS);
	if (ch->port && ch->unsent)
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
	pvg_listener_look_locked();
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
	drop_unsent(ch);
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
	.permit		= pvg_system_permit,
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
 * waited for. Nothing is called, freed or started that another CPU may have stopped in.
 *
 * Context: panic(), all other CPUs are stopped.
 */
void pvg_channel_panic(const char *text)
{
	struct pvg_channel *ch = &pvg_channel;
	struct pvg_ctl_buf *buf;
	struct pvc_notice notice = { .kind = cpu_to_le32(PVC_NOTICE_PANIC) };
	struct scatterlist sg;
	u32 n;

	WRITE_ONCE(ch->dying, true);
	if (mutex_is_locked(&ch->lock) || !ch->port || !ch->last_words)
		return;
	/* Behind what was to be sent before. */
	buf = ch->unsent ?: ch->last_words;
	notice.uptime_ms = cpu_to_le64(div_u64(ktime_get_boot_fast_ns(),
					       NSEC_PER_MSEC));
	n = pvc_last_words(&ch->services.pvc, buf->data + buf->len,
			   buf->size - buf->len, &notice, text,
			   min_t(size_t, strlen(text), PVC_NOTICE_TEXT_MAX));
	if (!n)
		return;
	buf->len += n;
	sg_init_one(&sg, buf->data, buf->len);
	if (pvg_queue_add_dying(&ch->port->out->pvg, &sg, buf))
		ch->last_words = NULL;
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
		.stream_window = PVC_STREAM_WINDOW,
		.bulk_window = PVC_BULK_WINDOW,
		.bulk_streams = PVS_BULK,
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

/* So that sending never waits for memory, nor fails for want of it. */
static int alloc_bufs(struct pvg_channel *ch)
{
	struct pvg_ctl_buf *buf;
	int i;

	for (i = 0; i < PVG_CHANNEL_BUFS; i++) {
		buf = pvg_ctl_buf_alloc(NULL, PVG_CHANNEL_BUF, GFP_KERNEL);
		if (!buf)
			return -ENOMEM;
		list_add(&buf->node, &ch->free);
		ch->nr_free++;
	}
	ch->last_words = pvg_ctl_buf_alloc(NULL, PVC_OUTPUT_MIN, GFP_KERNEL);
	return ch->last_words ? 0 : -ENOMEM;
}

static void free_bufs(struct pvg_channel *ch)
{
	pvg_ctl_buf_free_list(&ch->free);
	if (ch->last_words)
		pvg_ctl_buf_free(ch->last_words);
	ch->last_words = NULL;
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
	spin_lock_init(&ch->free_lock);
	INIT_LIST_HEAD(&ch->free);
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
	err = alloc_bufs(ch);
	if (err)
		goto free_bufs;
	err = pvg_freeze_init();
	if (err)
		goto free_bufs;
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
free_bufs:
	free_bufs(ch);
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
	free_bufs(ch);
	pvg_crc_exit();
	mutex_destroy(&ch->lock);
}
