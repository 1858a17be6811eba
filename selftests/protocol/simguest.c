// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest in a process: the kernel's services, protocol/services.c, on
 * a unix socket as QEMU offers one for a virtio-serial port: one client at a
 * time, and what is written while there is none is lost.
 *
 *   simguest SOCKET
 *
 * It also has a service that tests streams, see simstreams.h. What the services
 * do to the system is printed to stdout, what a guest would
 * do by itself is read from stdin, a line each; see commands[].
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "simstreams.h"

static struct pvs guest;
static __u8 rx_buf[PVC_SYNC_RUN];
static __u8 out[PVC_SYNC_RUN];
static __u32 out_len, out_at;
static __u8 boot_id[16] = { 0xb0, 0x07 };
static __s64 clock_offset;	/* of the guest's clock to ours, ns */
static bool thaw_due;
static bool muted;		/* neither reads nor writes */
static int client = -1;
static char line[256];
static __u32 line_len;

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
	__u8 *bytes = buf;

	(void)v;
	while (len--)
		*bytes++ = random();
}

static __u64 op_realtime(struct pvs *v)
{
	(void)v;
	return read_clock(CLOCK_REALTIME) + clock_offset;
}

static __u64 op_uptime(struct pvs *v)
{
	(void)v;
	return now_ms();
}

static bool op_permit(struct pvs *v, __u16 service)
{
	(void)v;
	(void)service;
	return true;
}

static int op_step(struct pvs *v, __s64 delta)
{
	(void)v;
	clock_offset += delta;
	printf("step %lld ms\n", (long long)delta / 1000000);
	return 0;
}

static bool crashes, crashed;
static bool cut;		/* the client is to be cut off */
static bool hurry;		/* a reader that is slow on purpose waits */

void sim_cut(void)
{
	cut = true;
}

static __u32 op_power(struct pvs *v, __u16 op, bool force)
{
	(void)v;
	printf("power %s%s\n", op == PVC_POWER_REBOOT ? "reboot" : "shutdown",
	       force ? " force" : "");
	crashed = crashes;
	return PVC_OK;
}

static void op_thaw(struct pvs *v)
{
	(void)v;
	thaw_due = true;
}

static void op_identify(struct pvs *v, struct pvc_guest_status *st)
{
	(void)v;
	memcpy(st->release, "6.1-sim", 7);
	memcpy(st->version, "sim", 3);
}

static void op_session(struct pvs *v, bool up, __u32 why)
{
	(void)v;
	if (up)
		printf("session\n");
	else
		printf("lost %s\n", pvc_why_name(why));
}

static const struct pvs_ops ops = {
	.random = op_random,
	.realtime_ns = op_realtime,
	.uptime_ms = op_uptime,
	.permit = op_permit,
	.step_time = op_step,
	.power = op_power,
	.thaw = op_thaw,
	.identify = op_identify,
	.forward = sim_open,
	.daemon = &sim_stream_ops,
	.session = op_session,
};

static void boot(void)
{
	struct pvc_config cfg = {
		.rx_buf = rx_buf, .rx_size = sizeof(rx_buf),
		.stream_window = 65536,
		.quiet_ms = 1000, .features = PVC_FEATURE_LEASE,
	};

	boot_id[15]++;
	memcpy(cfg.boot_id, boot_id, sizeof(cfg.boot_id));
	if (pvs_init(&guest, &ops, &cfg))
		exit(1);
	pvc_start(&guest.pvc, now_ms());
	printf("booted\n");
}

/* freeze MS: as a daemon that freezes three file systems */
static void cmd_freeze(const char *arg)
{
	__u32 status = pvs_lease_begin(&guest.lease, atoi(arg), false,
				       now_ms());

	if (status == PVC_OK)
		pvs_lease_frozen(&guest.lease, 3);
	printf("freeze %s\n", pvc_status_name(status));
}

/* die: the daemon does */
static void cmd_die(const char *arg)
{
	(void)arg;
	pvs_end_lease(&guest, PVC_LEASE_END_OWNER);
}

/* boot: at once, without a word to the host */
static void cmd_boot(const char *arg)
{
	(void)arg;
	out_len = 0;
	out_at = 0;
	boot();
}

/* restore: as from a snapshot */
static void cmd_restore(const char *arg)
{
	(void)arg;
	pvs_restored(&guest);
}

/* notice TEXT */
static void cmd_notice(const char *arg)
{
	pvs_notice(&guest, PVC_NOTICE_PANIC, arg, strlen(arg));
}

/* offset MS: the guest's clock is that much ahead */
static void cmd_offset(const char *arg)
{
	clock_offset = atoll(arg) * 1000000;
}

/* policy N: enum pvs_time_policy */
static void cmd_policy(const char *arg)
{
	guest.policy = atoi(arg);
}

/* mute N: neither read nor write, or do so again */
static void cmd_mute(const char *arg)
{
	muted = atoi(arg);
}

/* cut: the client's connection */
static void cmd_cut(const char *arg)
{
	(void)arg;
	sim_cut();
}

/* crash N: boot before shutdown and reboot are answered, or do not */
static void cmd_crash(const char *arg)
{
	crashes = atoi(arg);
}

static void cmd_quit(const char *arg)
{
	(void)arg;
	exit(0);
}

static const struct {
	const char *name;
	void (*run)(const char *arg);
} commands[] = {
	{ "freeze", cmd_freeze }, { "die", cmd_die }, { "boot", cmd_boot },
	{ "restore", cmd_restore }, { "notice", cmd_notice },
	{ "offset", cmd_offset }, { "policy", cmd_policy },
	{ "crash", cmd_crash }, { "mute", cmd_mute }, { "quit", cmd_quit },
	{ "cut", cmd_cut },
};

static void run_command(char *text)
{
	char *arg = strchr(text, ' ');
	size_t i;

	if (arg)
		*arg++ = '\0';
	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, text))
			commands[i].run(arg ? arg : "");
	printf("done %s\n", text);
}

static void read_commands(void)
{
	ssize_t n = read(0, line + line_len, sizeof(line) - 1 - line_len);
	char *end;

	if (n <= 0)
		exit(0);
	line_len += n;
	while ((end = memchr(line, '\n', line_len))) {
		*end = '\0';
		run_command(line);
		line_len -= end + 1 - line;
		memmove(line, end + 1, line_len);
	}
}

static void disconnect(void)
{
	close(client);
	client = -1;
	/* What the host has not read it never will. */
	out_len = 0;
	out_at = 0;
	pvc_lose(&guest.pvc, PVC_WHY_TRANSPORT);
}

static void read_client(void)
{
	static __u8 buf[4096];
	ssize_t n = read(client, buf, sizeof(buf));

	if (n > 0)
		pvc_input(&guest.pvc, buf, n, now_ms());
	else if (n == 0 || errno != EAGAIN)
		disconnect();
}

static void write_client(void)
{
	ssize_t n;

	while (!muted) {
		if (out_at == out_len) {
			out_at = 0;
			out_len = pvc_output(&guest.pvc, out, sizeof(out),
					     now_ms());
			if (!out_len)
				return;
		}
		if (client < 0) {
			out_at = out_len;
			continue;
		}
		n = send(client, out + out_at, out_len - out_at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return;
		out_at += n;
	}
}

static void finish_thaw(void)
{
	if (!thaw_due)
		return;
	thaw_due = false;
	printf("thawed\n");
	pvs_thawed(&guest, 0);
}

static int sleep_ms(void)
{
	__u64 next = pvs_next_tick(&guest), now = now_ms();

	if (next <= now)
		return 0;
	if (hurry)
		return 1;
	return next - now > 1000 ? 1000 : next - now;
}

static void turn(int server)
{
	struct pollfd pfd[3] = {
		{ .fd = 0, .events = POLLIN },
		{ .fd = client < 0 ? server : -1, .events = POLLIN },
		{ .fd = muted ? -1 : client, .events = POLLIN },
	};

	if (client >= 0 && out_at < out_len)
		pfd[2].events |= POLLOUT;
	if (poll(pfd, 3, sleep_ms()) < 0)
		exit(1);
	if (pfd[0].revents)
		read_commands();
	if (pfd[1].revents)
		client = accept(server, NULL, NULL);
	if (pfd[2].revents & (POLLIN | POLLHUP))
		read_client();
	if (crashed)
		cmd_boot("");
	crashed = false;
	if (cut && client >= 0)
		disconnect();
	cut = false;
	hurry = sim_streams_tick(&guest);
	pvs_tick(&guest, now_ms());
	finish_thaw();
	write_client();
	fflush(stdout);
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 1)) {
		perror(path);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	const char *seed = getenv("PVG_SEED");
	int server;

	if (argc != 2) {
		fprintf(stderr, "usage: simguest SOCKET\n");
		return 2;
	}
	srandom(seed ? strtoul(seed, NULL, 10) : (unsigned long)time(NULL));
	server = listen_on(argv[1]);
	boot();
	for (;;)
		turn(server);
}
