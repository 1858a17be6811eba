// SPDX-License-Identifier: GPL-2.0-only
/*
 * The services a guest's kernel provides over PVC/1. Requests are checked here
 * and carried out by the owner's callbacks; whatever does not belong to the
 * kernel goes to the daemon, if there is one.
 */
#include "pvguest/services.h"

#define STEP_NS		1000000000ll	/* smaller differences are left alone */

static struct pvs *to_pvs(struct pvc *p)
{
	return p->priv;
}

static struct pvs_slot *slot_of(struct pvs *v, const struct pvc_stream *s)
{
	return &v->slots[s - v->streams];
}

/**
 * pvs_stopping() - is this guest on its way down?
 * @v: the services
 *
 * User space that was asked to, and has not got there in time, may be asked
 * again.
 */
bool pvs_stopping(const struct pvs *v)
{
	return v->stopping || v->pvc.now < v->stop_ends;
}

static __u32 beat_flags(const struct pvs *v)
{
	__u32 state = v->lease.state;

	return (v->daemon_attached ? PVC_BEAT_DAEMON : 0) |
	       (state != PVC_LEASE_NONE ? PVC_BEAT_FROZEN : 0) |
	       (v->time_wanted ? PVC_BEAT_TIME_WANTED : 0) |
	       (v->restored ? PVC_BEAT_RESTORED : 0) |
	       (pvs_stopping(v) ? PVC_BEAT_STOPPING : 0);
}

/* The answer is complete: remember it with its key, and send it. */
static void answer(struct pvs *v, struct pvc_stream *s, __u32 status,
		   const void *body, __u32 len)
{
	struct pvs_slot *slot = slot_of(v, s);

	if (len <= sizeof(slot->body)) {
		memcpy(slot->body, body, len);
		slot->len = len;
	}
	if (slot->key) {
		pvs_key_done(slot->key, status, slot->body, slot->len);
		slot->key = NULL;
	}
	pvc_reply(&v->pvc, s, status, 0);
}

static void refuse(struct pvs *v, struct pvc_stream *s, __u32 status)
{
	answer(v, s, status, "", 0);
}

/* GUEST */

static __u32 fill_status(struct pvs *v, void *buf, __u32 max)
{
	struct pvc_guest_status st;
	const struct pvc_stats *stats = &v->pvc.stats;

	if (max < sizeof(st))
		return 0;
	memset(&st, 0, sizeof(st));
	memcpy(st.boot_id, v->pvc.cfg.boot_id, sizeof(st.boot_id));
	st.uptime_ms = cpu_to_le64(v->ops->uptime_ms(v));
	st.realtime_ns = cpu_to_le64(v->ops->realtime_ns(v));
	st.flags = cpu_to_le32(beat_flags(v));
	st.lease_ms = cpu_to_le32(pvs_lease_left(&v->lease, v->pvc.now));
	st.sessions = cpu_to_le32(stats->sessions);
	st.lost = cpu_to_le32(stats->lost);
	st.last_lost = cpu_to_le32(stats->last_lost);
	st.restores = cpu_to_le32(v->restores);
	st.expired = cpu_to_le32(v->lease.expired);
	st.lease = cpu_to_le32(v->lease.number);
	v->ops->identify(v, &st);
	memcpy(buf, &st, sizeof(st));
	return sizeof(st);
}

static void serve_guest(struct pvs *v, struct pvc_stream *s, const void *args,
			__u32 len)
{
	(void)args;
	if (s->op != PVC_GUEST_STATUS)
		refuse(v, s, PVC_UNSUPPORTED);
	else if (len)
		refuse(v, s, PVC_INVALID);
	else
		refuse(v, s, PVC_OK);	/* its body is made when it is sent */
}

/* TIME */

static void time_sample(struct pvs *v, struct pvc_stream *s, const void *args,
			__u32 len)
{
	struct pvc_time_probe probe;

	if (len != sizeof(probe)) {
		refuse(v, s, PVC_INVALID);
		return;
	}
	memcpy(&probe, args, sizeof(probe));
	slot_of(v, s)->host_ns = le64_to_cpu(probe.host_ns);
	refuse(v, s, PVC_OK);	/* its body is made when it is sent */
}

static __u32 fill_sample(struct pvs *v, const struct pvs_slot *slot, void *buf,
			 __u32 max)
{
	struct pvc_time_sample sample = {
		.host_ns = cpu_to_le64(slot->host_ns),
		.received_ns = cpu_to_le64(slot->received_ns),
		.sent_ns = cpu_to_le64(v->ops->realtime_ns(v)),
	};

	if (max < sizeof(sample))
		return 0;
	memcpy(buf, &sample, sizeof(sample));
	return sizeof(sample);
}

static __u32 choose_action(const struct pvs *v, __s64 offset, bool restored)
{
	if (offset <= STEP_NS && offset >= -STEP_NS)
		return PVC_TIME_NONE;
	if (v->policy == PVS_TIME_OFF)
		return PVC_TIME_OFF;
	if (offset < 0 && !restored && v->policy != PVS_TIME_BOTH)
		return PVC_TIME_BACKWARD;
	return PVC_TIME_STEPPED;
}

static bool sync_is_valid(const struct pvc_time_sync *sync)
{
	__u64 host_ns = le64_to_cpu(sync->host_ns);

	return host_ns >= PVC_TIME_MIN_NS && host_ns <= PVC_TIME_MAX_NS &&
	       le64_to_cpu(sync->delay_ns) <= PVC_TIME_DELAY_MAX_NS &&
	       !(le32_to_cpu(sync->flags) & ~PVC_TIME_FLAGS) && !sync->reserved;
}

static void time_sync(struct pvs *v, struct pvc_stream *s, const void *args,
		      __u32 len)
{
	struct pvc_time_sync sync;
	struct pvc_time_synced synced = {};
	__u32 action, flags;
	__s64 offset;

	if (len == sizeof(sync))
		memcpy(&sync, args, sizeof(sync));
	if (len != sizeof(sync) || !sync_is_valid(&sync)) {
		refuse(v, s, PVC_INVALID);
		return;
	}
	flags = le32_to_cpu(sync.flags);
	offset = le64_to_cpu(sync.host_ns) + le64_to_cpu(sync.delay_ns) -
		 slot_of(v, s)->received_ns;
	action = choose_action(v, offset,
			       v->restored || flags & PVC_TIME_RESTORED);
	if (!(flags & PVC_TIME_DRY_RUN)) {
		if (action == PVC_TIME_STEPPED &&
		    v->ops->step_time(v, offset) < 0) {
			refuse(v, s, PVC_FAILED);
			return;
		}
		v->time_wanted = false;
		v->restored = false;
	}
	synced.offset_ns = cpu_to_le64((__u64)offset);
	synced.action = cpu_to_le32(action);
	answer(v, s, PVC_OK, &synced, sizeof(synced));
}

static void serve_time(struct pvs *v, struct pvc_stream *s, const void *args,
		       __u32 len)
{
	slot_of(v, s)->received_ns = v->ops->realtime_ns(v);
	if (s->op == PVC_TIME_SAMPLE)
		time_sample(v, s, args, len);
	else if (s->op == PVC_TIME_SYNC)
		time_sync(v, s, args, len);
	else
		refuse(v, s, PVC_UNSUPPORTED);
}

/* POWER */

static void serve_power(struct pvs *v, struct pvc_stream *s, const void *args,
			__u32 len)
{
	struct pvc_power power;
	__u32 status;
	bool force;

	if (s->op != PVC_POWER_SHUTDOWN && s->op != PVC_POWER_REBOOT) {
		refuse(v, s, PVC_UNSUPPORTED);
		return;
	}
	if (len == sizeof(power))
		memcpy(&power, args, sizeof(power));
	if (len != sizeof(power) || power.reserved ||
	    le32_to_cpu(power.flags) & ~PVC_POWER_FLAGS) {
		refuse(v, s, PVC_INVALID);
		return;
	}
	force = le32_to_cpu(power.flags) & PVC_POWER_FORCE;
	if (v->stopping || (pvs_stopping(v) && !force)) {
		refuse(v, s, PVC_BUSY);
		return;
	}
	/* Nothing could be written, and nothing would ever stop. */
	if (v->lease.state != PVC_LEASE_NONE)
		pvs_end_lease(v, PVC_LEASE_END_POWER);
	status = v->ops->power(v, s->op, force);
	if (status == PVC_OK)
		v->stop_ends = v->pvc.now + PVS_STOP_MS;
	refuse(v, s, status);
}

/* FREEZE */

/* A lease as it is on the wire: this one or the last, or one before. */
static void get_freeze(struct pvs *v, __u32 number,
		       struct pvc_freeze_state *state)
{
	const struct pvs_lease *l = &v->lease;
	const struct pvs_verdict *old = pvs_lease_find(&v->lease, number);

	memset(state, 0, sizeof(*state));
	if (number == l->number) {
		state->state = cpu_to_le32(l->state);
		state->remaining_ms = cpu_to_le32(pvs_lease_left(l, v->pvc.now));
		state->filesystems = cpu_to_le32(l->filesystems);
		state->last_end = cpu_to_le32(l->last_end);
		state->errors = cpu_to_le32(l->errors);
		state->lease = cpu_to_le32(number);
	} else if (old) {
		state->filesystems = cpu_to_le32(old->errors);
		state->last_end = cpu_to_le32(old->how);
		state->errors = cpu_to_le32(old->errors);
		state->lease = cpu_to_le32(number);
	}
}

static void answer_freeze(struct pvs *v, struct pvc_stream *s, __u32 number,
			  __u32 status)
{
	struct pvc_freeze_state state;

	get_freeze(v, number, &state);
	answer(v, s, status, &state, sizeof(state));
}

static void freeze_thaw(struct pvs *v, struct pvc_stream *s, const void *args)
{
	struct pvc_freeze_thaw thaw;
	__u32 number;

	memcpy(&thaw, args, sizeof(thaw));
	number = le32_to_cpu(thaw.lease);
	if (number == v->lease.number)
		pvs_end_lease(v, PVC_LEASE_END_THAW);
	/* Answered by pvs_thawed(), unless there is nothing to thaw. */
	if (number != v->lease.number || v->lease.state == PVC_LEASE_NONE)
		answer_freeze(v, s, number,
			      pvs_lease_verdict(&v->lease, number,
						PVS_TOLD_HOST));
}

static void freeze_renew(struct pvs *v, struct pvc_stream *s, const void *args)
{
	struct pvc_freeze_renew renew;
	__u32 number;

	memcpy(&renew, args, sizeof(renew));
	number = le32_to_cpu(renew.lease);
	answer_freeze(v, s, number,
		      pvs_lease_renew(&v->lease, number,
				      le32_to_cpu(renew.lease_ms), v->pvc.now));
}

static void serve_freeze(struct pvs *v, struct pvc_stream *s, const void *args,
			 __u32 len)
{
	static const __u8 want[] = {
		[PVC_FREEZE_STATUS] = 0,
		[PVC_FREEZE_THAW] = sizeof(struct pvc_freeze_thaw),
		[PVC_FREEZE_RENEW] = sizeof(struct pvc_freeze_renew),
	};

	if (s->op < PVC_FREEZE_STATUS || s->op > PVC_FREEZE_RENEW)
		refuse(v, s, s->op == PVC_FREEZE_FREEZE ?
			     PVC_NO_SERVICE : PVC_UNSUPPORTED);
	else if (len != want[s->op])
		refuse(v, s, PVC_INVALID);
	else if (s->op == PVC_FREEZE_STATUS)
		answer_freeze(v, s, v->lease.number, PVC_OK);
	else if (s->op == PVC_FREEZE_THAW)
		freeze_thaw(v, s, args);
	else
		freeze_renew(v, s, args);
}

/**
 * pvs_end_lease() - the freeze lease ends, if there is one
 * @v: the services
 * @how: enum pvc_lease_end
 */
void pvs_end_lease(struct pvs *v, __u32 how)
{
	static const char expired[] = "the freeze lease ran out";
	static const char owner[] = "the owner of the freeze lease is gone";

	if (!pvs_lease_end(&v->lease, how))
		return;
	if (how == PVC_LEASE_END_EXPIRED)
		pvs_notice(v, PVC_NOTICE_THAWED, expired, sizeof(expired) - 1);
	if (how == PVC_LEASE_END_OWNER)
		pvs_notice(v, PVC_NOTICE_THAWED, owner, sizeof(owner) - 1);
	v->ops->thaw(v);
}

static bool waits_for_thaw(struct pvs *v, const struct pvc_stream *s)
{
	return pvc_is_used(s) && s->service == PVC_SERVICE_FREEZE &&
	       s->op == PVC_FREEZE_THAW && !slot_of(v, s)->forwarded &&
	       !(s->flags & (PVC_STREAM_LOCAL | PVC_STREAM_DEAD)) &&
	       !(s->pending & PVC_SEND_RESULT);
}

/**
 * pvs_thawed() - what &pvs_ops.thaw began is done
 * @v: the services
 * @errors: file systems that could not be thawed
 *
 * Answers all requests to thaw this lease that wait; they hear the same.
 */
void pvs_thawed(struct pvs *v, __u32 errors)
{
	struct pvs_lease *l = &v->lease;
	__u32 i, status = PVC_NOT_FROZEN;

	pvs_lease_thawed(l, errors);
	for (i = 0; i < v->pvc.top; i++) {
		struct pvc_stream *s = &v->streams[i];

		if (!waits_for_thaw(v, s))
			continue;
		if (status == PVC_NOT_FROZEN)
			status = pvs_lease_verdict(l, l->number, PVS_TOLD_HOST);
		answer_freeze(v, s, l->number, status);
	}
	for (i = 0; i < PVS_KEYS; i++) {
		struct pvs_key *key = &v->keys.entries[i];
		struct pvc_freeze_state state;

		/* Only a thaw is not answered at once. */
		if (key->state != PVS_KEY_RUNNING)
			continue;
		if (status == PVC_NOT_FROZEN)
			status = pvs_lease_verdict(l, l->number, PVS_TOLD_HOST);
		get_freeze(v, l->number, &state);
		pvs_key_done(key, status, &state, sizeof(state));
	}
}

/* Requests with a key; true if it was answered from memory. */
static bool recall(struct pvs *v, struct pvc_stream *s)
{
	struct pvs_slot *slot = slot_of(v, s);
	struct pvs_key *key = pvs_key_find(&v->keys, s->key);

	if (!key && pvs_key_forgotten(&v->keys, s->key)) {
		pvc_reply(&v->pvc, s, PVC_FORGOTTEN, 0);
		return true;
	}
	if (!key) {
		if (s->open_flags & PVC_OPEN_QUERY)
			pvc_reply(&v->pvc, s, PVC_NOT_FOUND, 0);
		return s->open_flags & PVC_OPEN_QUERY;
	}
	if (key->service != s->service || key->op != s->op) {
		pvc_reply(&v->pvc, s, PVC_INVALID, 0);
	} else if (key->state == PVS_KEY_RUNNING) {
		pvc_reply(&v->pvc, s, PVC_IN_PROGRESS, 0);
	} else {
		slot->len = key->len;
		memcpy(slot->body, key->body, key->len);
		pvc_reply(&v->pvc, s, key->status, PVC_RESULT_REPLAYED);
	}
	return true;
}

/* True if the request may be carried out. */
static bool admit(struct pvs *v, struct pvc_stream *s)
{
	if (s->version != PVC_SERVICE_VERSION) {
		pvc_reply(&v->pvc, s, PVC_BAD_VERSION, 0);
		return false;
	}
	if (!s->key) {
		if (s->open_flags & PVC_OPEN_QUERY)
			pvc_reply(&v->pvc, s, PVC_INVALID, 0);
		return !(s->open_flags & PVC_OPEN_QUERY);
	}
	if (recall(v, s))
		return false;
	slot_of(v, s)->key = pvs_key_begin(&v->keys, s->key, s->service, s->op);
	if (!slot_of(v, s)->key)
		pvc_reply(&v->pvc, s, PVC_BUSY, 0);
	return slot_of(v, s)->key;
}

/* What a daemon leaves open must not keep the host from thawing. */
static bool leaves_room(const struct pvs *v)
{
	__u32 i, n = 0;

	for (i = 0; i < v->pvc.top; i++)
		n += v->slots[i].forwarded;
	return n < PVS_DAEMON;
}

static bool is_kernels(const struct pvc_stream *s)
{
	return s->service < PVC_SERVICE_DAEMON &&
	       !(s->service == PVC_SERVICE_FREEZE &&
		 s->op == PVC_FREEZE_FREEZE);
}

static void on_open(struct pvc *p, struct pvc_stream *s, const void *args,
		    __u32 len)
{
	static void (*const serve[])(struct pvs *v, struct pvc_stream *s,
				     const void *args, __u32 len) = {
		[PVC_SERVICE_GUEST] = serve_guest,
		[PVC_SERVICE_TIME] = serve_time,
		[PVC_SERVICE_POWER] = serve_power,
		[PVC_SERVICE_FREEZE] = serve_freeze,
	};
	struct pvs *v = to_pvs(p);
	struct pvs_slot *slot = slot_of(v, s);

	memset(slot, 0, sizeof(*slot));
	if (!is_kernels(s) && !leaves_room(v)) {
		pvc_reply(p, s, PVC_BUSY, 0);
		return;
	}
	slot->forwarded = v->ops->forward(v, s, args, len);
	if (slot->forwarded)
		return;
	if (s->service >= sizeof(serve) / sizeof(*serve) ||
	    !serve[s->service]) {
		pvc_reply(p, s, PVC_NO_SERVICE, 0);
		return;
	}
	/* No request of the kernel's has that many arguments. */
	if (!v->ops->permit(v, s->service))
		pvc_reply(p, s, PVC_DENIED, 0);
	else if (s->open_flags & PVC_OPEN_MORE)
		pvc_reply(p, s, PVC_INVALID, 0);
	else if (admit(v, s))
		serve[s->service](v, s, args, len);
}

/* No service of the kernel takes data: it is dropped. */
static void on_data(struct pvc *p, struct pvc_stream *s, const void *data,
		    __u32 len)
{
	struct pvs *v = to_pvs(p);

	if (slot_of(v, s)->forwarded)
		v->ops->daemon->data(p, s, data, len);
	else
		pvc_consumed(p, s, len);
}

static void on_eof(struct pvc *p, struct pvc_stream *s)
{
	struct pvs *v = to_pvs(p);

	if (slot_of(v, s)->forwarded)
		v->ops->daemon->eof(p, s);
}

static void on_result(struct pvc *p, struct pvc_stream *s, __u32 flags,
		      const void *body, __u32 len)
{
	struct pvs *v = to_pvs(p);

	if (slot_of(v, s)->forwarded)
		v->ops->daemon->result(p, s, flags, body, len);
}

static void on_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	struct pvs *v = to_pvs(p);
	struct pvs_slot *slot = slot_of(v, s);

	if (slot->forwarded)
		v->ops->daemon->closed(p, s, status);
	/* What goes on without who asked for it is remembered all the same. */
	slot->key = NULL;
	slot->forwarded = false;
}

static __u32 fill_beat(struct pvs *v, void *buf, __u32 max)
{
	struct pvc_heartbeat beat = {
		.uptime_ms = cpu_to_le64(v->ops->uptime_ms(v)),
		.realtime_ns = cpu_to_le64(v->ops->realtime_ns(v)),
		.count = cpu_to_le32(++v->beats),
		.flags = cpu_to_le32(beat_flags(v)),
		.lease_ms = cpu_to_le32(pvs_lease_left(&v->lease, v->pvc.now)),
		.interval_ms = cpu_to_le32(v->pvc.cfg.quiet_ms),
	};

	if (max < sizeof(beat))
		return 0;
	memcpy(buf, &beat, sizeof(beat));
	return sizeof(beat);
}

static __u32 fill_notice(struct pvs *v, void *buf, __u32 max)
{
	struct pvc_notice notice = {
		.kind = cpu_to_le32(v->notice_kind),
		.uptime_ms = cpu_to_le64(v->notice_ms),
	};

	if (max < sizeof(notice) + v->notice_len)
		return 0;
	memcpy(buf, &notice, sizeof(notice));
	memcpy((__u8 *)buf + sizeof(notice), v->notice_text, v->notice_len);
	return sizeof(notice) + v->notice_len;
}

static __u32 fill_result(struct pvs *v, struct pvc_stream *s, void *buf,
			 __u32 max)
{
	const struct pvs_slot *slot = slot_of(v, s);

	if (s->status == PVC_OK && !s->result_flags) {
		if (s->service == PVC_SERVICE_GUEST)
			return fill_status(v, buf, max);
		if (s->service == PVC_SERVICE_TIME && s->op == PVC_TIME_SAMPLE)
			return fill_sample(v, slot, buf, max);
	}
	if (slot->len > max)
		return 0;
	memcpy(buf, slot->body, slot->len);
	return slot->len;
}

static __u32 on_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		     void *buf, __u32 max)
{
	struct pvs *v = to_pvs(p);

	if (type == PVC_HEARTBEAT)
		return fill_beat(v, buf, max);
	if (type == PVC_NOTICE)
		return fill_notice(v, buf, max);
	if (slot_of(v, s)->forwarded)
		return v->ops->daemon->fill(p, s, type, buf, max);
	return type == PVC_RESULT ? fill_result(v, s, buf, max) : 0;
}

static void on_random(struct pvc *p, void *buf, __u32 len)
{
	struct pvs *v = to_pvs(p);

	v->ops->random(v, buf, len);
}

static void on_up(struct pvc *p)
{
	struct pvs *v = to_pvs(p);

	v->beats = 0;
	v->ops->session(v, true, PVC_WHY_NONE);
}

static void on_down(struct pvc *p, __u32 why)
{
	struct pvs *v = to_pvs(p);

	if (v->lease.with_session)
		pvs_end_lease(v, PVC_LEASE_END_SESSION);
	v->ops->session(v, false, why);
}

static const struct pvc_ops core_ops = {
	.random = on_random,
	.up = on_up,
	.down = on_down,
	.open = on_open,
	.data = on_data,
	.eof = on_eof,
	.result = on_result,
	.closed = on_closed,
	.fill = on_fill,
};

/**
 * pvs_init() - set up the services
 * @v: the services
 * @ops: the system
 * @cfg: of the core; role, callbacks, streams and the window of all of them are
 *	filled in here
 *
 * Return: 0, or -1 if @cfg is wrong; see pvc_init().
 */
int pvs_init(struct pvs *v, const struct pvs_ops *ops, struct pvc_config *cfg)
{
	void *priv = cfg->priv;

	memset(v, 0, sizeof(*v));
	v->ops = ops;
	v->priv = priv;
	v->policy = PVS_TIME_FORWARD;
	v->time_wanted = true;
	/* A number of another boot is hardly one of this. */
	ops->random(v, &v->lease.count, sizeof(v->lease.count));
	cfg->role = PVC_GUEST;
	cfg->ops = &core_ops;
	cfg->priv = v;
	cfg->streams = v->streams;
	cfg->nr_streams = PVS_STREAMS;
	cfg->peer_streams = PVS_PEER;
	/*
	 * What is not read on some takes no credit from others: credit is given
	 * once half the window was used, so that half has to do for all.
	 */
	cfg->conn_window = 2 * PVS_PEER * cfg->stream_window;
	if (cfg->bulk_window > cfg->stream_window)
		cfg->conn_window += 2 * cfg->bulk_streams *
				    (cfg->bulk_window - cfg->stream_window);
	cfg->features |= PVC_FEATURE_KERNEL;
	return pvc_init(&v->pvc, cfg);
}

/**
 * pvs_tick() - time has passed; instead of pvc_tick()
 * @v: the services
 * @now: the time, ms
 */
void pvs_tick(struct pvs *v, __u64 now)
{
	v->pvc.now = now;
	if (pvs_lease_due(&v->lease, now))
		pvs_end_lease(v, PVC_LEASE_END_EXPIRED);
	pvc_tick(&v->pvc, now);
}

/**
 * pvs_next_tick() - when pvs_tick() has something to do
 * @v: the services
 *
 * Return: as pvc_next_tick().
 */
__u64 pvs_next_tick(const struct pvs *v)
{
	__u64 next = pvc_next_tick(&v->pvc);

	if (v->lease.state == PVC_LEASE_FREEZING ||
	    v->lease.state == PVC_LEASE_FROZEN)
		next = min_t(__u64, next, v->lease.expires);
	return next;
}

/**
 * pvs_notice() - tell the host what happened, if it listens
 * @v: the services
 * @kind: enum pvc_notice_kind
 * @text: more about it
 * @len: its length; what is longer than PVC_NOTICE_TEXT_MAX is cut
 *
 * A notice that was not sent yet is replaced.
 */
void pvs_notice(struct pvs *v, __u32 kind, const char *text, __u32 len)
{
	if (kind <= PVC_NOTICE_PANIC)
		v->stopping = true;
	v->notice_kind = kind;
	v->notice_ms = v->ops->uptime_ms(v);
	v->notice_len = min_t(__u32, len, PVC_NOTICE_TEXT_MAX);
	memcpy(v->notice_text, text, v->notice_len);
	pvc_notice(&v->pvc);
}

/**
 * pvs_restored() - this guest is a copy, or back from the past
 * @v: the services
 */
void pvs_restored(struct pvs *v)
{
	v->restores++;
	v->restored = true;
	v->time_wanted = true;
	pvc_lose(&v->pvc, PVC_WHY_RESTORED);
}
