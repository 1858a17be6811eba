// SPDX-License-Identifier: GPL-2.0-only
/*
 * See front.h: the transport, and what the kernel would have answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "front.h"
#include "sandbox.h"
#include "worker.h"
#include "pvguest/version.h"

/*
 * How often the host hears that the guest is alive. The kernel says so each second; to wake a
 * process up costs more.
 */
#define QUIET_MS	10000u
#define GATHER		65536u	/* frames are gathered for a write until there is so much, bytes */

struct pvs front;
int front_epoll;

static const struct port_config *config;
static int broker_fd;
static int port = -1;		/* -1: no host has connected to the socket */
static bool room;		/* the port takes more */
static __u8 rx_buf[PVC_SYNC_RUN];
static __u8 out[GATHER + PVC_SYNC_RUN];
static __u32 out_len, out_at;
static __u8 tlvs[PVC_HELLO_MAX - sizeof(struct pvc_hello)];
static struct utsname names;

static __u64 read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static __u64 now_ms(void)
{
	return read_clock(CLOCK_MONOTONIC) / 1000000;
}

static void op_random(struct pvs *v, void *buf, __u32 len)
{
	(void)v;
	if (getrandom(buf, len, 0) != (ssize_t)len)
		abort();
}

static __u64 op_realtime_ns(struct pvs *v)
{
	(void)v;
	return read_clock(CLOCK_REALTIME);
}

static __u64 op_uptime_ms(struct pvs *v)
{
	(void)v;
	return read_clock(CLOCK_BOOTTIME) / 1000000;
}

/* What needs the kernel is not provided; see forward(). */
static bool op_permit(struct pvs *v, __u16 service)
{
	(void)v;
	return service == PVC_SERVICE_GUEST || service == PVC_SERVICE_TIME;
}

static int op_step_time(struct pvs *v, __s64 delta_ns)
{
	(void)v;
	(void)delta_ns;
	return -1;
}

static __u32 op_power(struct pvs *v, __u16 op, bool force)
{
	(void)v;
	(void)op;
	(void)force;
	return PVC_UNSUPPORTED;
}

static void op_thaw(struct pvs *v)
{
	(void)v;
}

static void op_identify(struct pvs *v, struct pvc_guest_status *status)
{
	(void)v;
	memcpy(status->release, names.release,
	       strnlen(names.release, sizeof(status->release) - 1));
	memcpy(status->version, PVG_VERSION, sizeof(PVG_VERSION));
}

static bool is_provided(__u16 service)
{
	const struct operation *operation;
	unsigned int i;

	for (i = 0; (operation = operation_at(i)); i++)
		if (operation->service == service)
			return true;
	return false;
}

static bool op_forward(struct pvs *v, struct pvc_stream *s, const void *args, __u32 len)
{
	s->priv = NULL;
	if (s->service == PVC_SERVICE_GUEST || s->service == PVC_SERVICE_TIME)
		return false;
	if (!is_provided(s->service))
		pvc_reply(&v->pvc, s, PVC_NO_SERVICE, 0);
	else if (s->version != PVO_VERSION)
		pvc_reply(&v->pvc, s, PVC_BAD_VERSION, 0);
	else
		return front_stream_open(v, s, args, len, broker_fd);
	return true;
}

static void op_session(struct pvs *v, bool up, __u32 why)
{
	(void)v;
	(void)up;
	(void)why;
}

static const struct pvs_ops ops = {
	.random = op_random,
	.realtime_ns = op_realtime_ns,
	.uptime_ms = op_uptime_ms,
	.permit = op_permit,
	.step_time = op_step_time,
	.power = op_power,
	.thaw = op_thaw,
	.identify = op_identify,
	.forward = op_forward,
	.daemon = &front_stream_ops,
	.session = op_session,
};

static __u32 put_tlvs(void)
{
	static const char software[] = "pvguestd " PVG_VERSION;
	struct pvc_service_range ranges[PVC_SERVICE_NR];
	__u32 n = 0, len;
	__u16 service;

	for (service = 1; service < PVC_SERVICE_NR; service++)
		if (service == PVC_SERVICE_GUEST || service == PVC_SERVICE_TIME ||
		    is_provided(service))
			ranges[n++] = (struct pvc_service_range){
				.service = cpu_to_le16(service),
				.version_min = 1, .version_max = 1,
			};
	len = pvc_put_tlv(tlvs, 0, sizeof(tlvs), PVC_TLV_SOFTWARE, software,
			  sizeof(software) - 1);
	return pvc_put_tlv(tlvs, len, sizeof(tlvs), PVC_TLV_SERVICES, ranges,
			   n * sizeof(*ranges));
}

static bool set_up(void)
{
	struct pvc_config cfg = {
		.rx_buf = rx_buf,
		.rx_size = sizeof(rx_buf),
		.stream_window = PVC_STREAM_WINDOW,
		.bulk_window = PVC_BULK_WINDOW,
		.bulk_streams = PVS_BULK,
		.quiet_ms = QUIET_MS,
		.tlvs = tlvs,
		.tlv_len = put_tlvs(),
	};

	op_random(NULL, cfg.boot_id, sizeof(cfg.boot_id));
	if (pvs_init(&front, &ops, &cfg))
		return false;
	/* No kernel answers, and none freezes; nor is the clock this process's to set. */
	front.pvc.cfg.features = 0;
	front.policy = PVS_TIME_OFF;
	front.time_wanted = false;
	front.daemon_attached = true;
	return true;
}

__u64 front_mark(enum front_source source, __u32 slot)
{
	return (__u64)source << 32 | slot;
}

static bool await(int fd, __u32 events, enum front_source source)
{
	struct epoll_event event = {
		.events = events | EPOLLET, .data.u64 = front_mark(source, 0),
	};

	return !epoll_ctl(front_epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The host is gone; what was meant for it is not for the next. */
static void host_gone(void)
{
	out_len = 0;
	out_at = 0;
	if (!config->listen) {
		pvc_lose(&front.pvc, PVC_WHY_TRANSPORT);
		return;
	}
	close(port);
	port = -1;
	pvc_stop(&front.pvc, now_ms());
}

/* The next host, if there is none: one at a time. */
static bool host_connects(void)
{
	int fd;

	if (port >= 0 || !config->listen)
		return false;
	fd = accept4(config->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return false;
	port = fd;
	room = true;
	await(port, EPOLLIN | EPOLLOUT | EPOLLRDHUP, FRONT_PORT);
	pvc_start(&front.pvc, now_ms());
	return true;
}

static void gather(void)
{
	__u32 n = 1;

	out_at = 0;
	out_len = 0;
	while (n && out_len < GATHER) {
		n = pvc_output(&front.pvc, out + out_len, PVC_SYNC_RUN, now_ms());
		out_len += n;
	}
}

/* What the protocol has to send, as far as the port takes it. */
static void send_output(void)
{
	ssize_t n;

	while (port >= 0 && room) {
		if (out_at == out_len)
			gather();
		if (!out_len)
			return;
		n = write(port, out + out_at, out_len - out_at);
		if (n > 0)
			out_at += n;
		else if (n < 0 && errno == EAGAIN)
			room = false;
		else if (n < 0 && errno != EINTR)
			host_gone();
	}
}

static void read_input(void)
{
	static __u8 buf[65536];
	ssize_t n;

	while (port >= 0) {
		n = read(port, buf, sizeof(buf));
		if (n > 0) {
			pvc_input(&front.pvc, buf, n, now_ms());
			send_output();
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && !config->listen) {
			log_line(LOG_ERR, "the port is gone: %s", strerror(errno));
			exit(1);
		} else {
			host_gone();
			return;
		}
	}
}

static void port_event(__u32 events)
{
	if (events & EPOLLOUT)
		room = true;
	/* A port without a host says so each time. */
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		read_input();
}

/* Sends what there is; a host that turns out to be gone makes way for the next. */
static void serve(void)
{
	do {
		send_output();
	} while (host_connects());
}

static void handle(const struct epoll_event *event)
{
	enum front_source source = event->data.u64 >> 32;

	switch (source) {
	case FRONT_PORT:
		port_event(event->events);
		break;
	case FRONT_LISTEN:
		break;
	case FRONT_BROKER:
		exit(0);
	default:
		front_stream_event((__u32)event->data.u64, source, event->events);
		break;
	}
}

/* How long to wait: until the protocol has something to do by time. */
static int timeout(void)
{
	__u64 now = now_ms(), next;

	if (port < 0)
		return -1;
	next = pvs_next_tick(&front);
	if (next == ~0ull)
		return -1;
	return next <= now ? 0 : min_t(__u64, next - now, 3600000);
}

/* The first message of requests may be longer than a socket takes by default. */
static void make_room(int fd)
{
	int size = 4 * ARGS_MAX;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

void front_run(const struct port_config *port_config, int broker)
{
	struct epoll_event events[16];
	sigset_t none;
	int i, n, keep[2];

	config = port_config;
	keep[0] = min_t(int, config->fd, broker);
	keep[1] = config->fd + broker - keep[0];
	sandbox_close(keep, 2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "pvguestd-front");
	broker_fd = broker;
	make_room(broker);
	uname(&names);
	front_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!set_up() || front_epoll < 0 || sandbox_front())
		exit(1);
	await(broker_fd, EPOLLIN | EPOLLRDHUP, FRONT_BROKER);
	if (config->listen) {
		await(config->fd, EPOLLIN, FRONT_LISTEN);
	} else {
		port = config->fd;
		room = true;
		await(port, EPOLLIN | EPOLLOUT, FRONT_PORT);
		pvc_start(&front.pvc, now_ms());
	}
	for (;;) {
		/* What the events before have led to goes in one write, and one doorbell. */
		serve();
		n = epoll_wait(front_epoll, events, 16, timeout());
		for (i = 0; i < n; i++)
			handle(&events[i]);
		pvs_tick(&front, now_ms());
	}
}
