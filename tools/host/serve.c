// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost serve: who may connect, and the session with the guest that all share. See serve.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pvhost.h"
#include "serve.h"

#define RETRY_MS	250	/* between attempts to connect to the hypervisor */
#define RETRY_REFUSED_MS 5000	/* after the guest has refused us */
#define LOG_MS		10000	/* in so long no more than */
#define LOG_LINES	50	/* so many lines */
#define ACTIVATION_FD	3	/* what systemd hands over */

void serve_log(struct server *s, const char *format, ...)
{
	__u64 now = now_ms();
	va_list args;

	if (now - s->log_from >= LOG_MS) {
		if (s->log_left)
			fprintf(stderr, "pvhost: serve: %u lines left out\n", s->log_left);
		s->log_from = now;
		s->log_lines = 0;
		s->log_left = 0;
	}
	if (s->log_lines >= LOG_LINES) {
		s->log_left++;
		return;
	}
	s->log_lines++;
	fputs("pvhost: serve: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* The session with the guest. */

/* Clients are told of the services what the guest told us. */
static void put_tlvs(struct server *s)
{
	const struct pvc_peer *peer = &s->link->pvc.peer;
	struct pvc_service_range ranges[64];
	__u32 i, n = 0;

	for (i = 0; i < 64; i++) {
		if (!peer->services[i].version_max)
			continue;
		ranges[n].service = cpu_to_le16(i);
		ranges[n].version_min = peer->services[i].version_min;
		ranges[n].version_max = peer->services[i].version_max;
		n++;
	}
	s->tlv_len = pvc_put_tlv(s->tlvs, 0, sizeof(s->tlvs), PVC_TLV_SERVICES, ranges,
				 n * sizeof(*ranges));
	if (*peer->software)
		s->tlv_len = pvc_put_tlv(s->tlvs, s->tlv_len, sizeof(s->tlvs), PVC_TLV_SOFTWARE,
					 peer->software, strlen(peer->software));
}

static void on_session(struct link *link, bool up)
{
	struct server *s = link->priv;
	struct serve_client *c;

	s->up = up;
	s->have_beat = false;
	if (up) {
		put_tlvs(s);
		serve_log(s, "session with the guest: %s", link->pvc.peer.software);
	} else {
		serve_log(s, "session with the guest lost: %s", pvc_why_name(link->down_why));
	}
	LIST_FOREACH(c, &s->clients, entry) {
		if (up)
			serve_client_up(c);
		else
			serve_client_down(c);
	}
}

static void tell_client(struct server *s, struct serve_client *c, enum pvc_type type)
{
	if (type == PVC_HEARTBEAT) {
		pvc_beat(&c->pvc);
	} else if (type == PVC_NOTICE) {
		pvc_notice(&c->pvc);
	} else if (type == PVC_SERVICES) {
		c->pvc.cfg.tlv_len = s->tlv_len;
		pvc_announce(&c->pvc);
	} else if (type == PVC_PONG && c->ping && c->ping <= s->link->news.pong_token) {
		c->ping = 0;
		pvc_pong(&c->pvc, c->ping_token);
	}
	serve_client_kick(c);
}

static void on_event(struct link *link, enum pvc_type type, const void *payload, __u32 len)
{
	struct server *s = link->priv;
	struct serve_client *c;

	if (type == PVC_HEARTBEAT) {
		memcpy(&s->beat, payload, sizeof(s->beat));
		s->have_beat = true;
	} else if (type == PVC_NOTICE) {
		s->notice_len = min_t(__u32, len, sizeof(s->notice));
		memcpy(s->notice, payload, s->notice_len);
	} else if (type == PVC_SERVICES) {
		put_tlvs(s);
	}
	LIST_FOREACH(c, &s->clients, entry)
		tell_client(s, c, type);
}

static const struct link_hooks hooks = {
	.streams = &relay_guest_ops,
	.session = on_session,
	.event = on_event,
};

static void retry_in(struct server *s, __u32 ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (!evtimer_pending(s->retry, NULL))
		evtimer_add(s->retry, &tv);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	int error = link_connect(s->link);

	(void)fd;
	(void)what;
	if (error)
		retry_in(s, RETRY_MS);
	else
		serve_log(s, "connected to %s", s->link->path);
}

/* Clients. */

static bool may_connect(const struct server *s, uid_t uid)
{
	unsigned int i;

	if (!uid || uid == geteuid())
		return true;
	for (i = 0; i < s->nr_allowed; i++)
		if (s->allowed[i] == uid)
			return true;
	return false;
}

static const char *why_not(const struct server *s, uid_t uid)
{
	const struct serve_client *c;
	unsigned int n = 0;

	if (!may_connect(s, uid))
		return "the user is not allowed: --allow-user";
	LIST_FOREACH(c, &s->clients, entry)
		n += c->uid == uid;
	if (uid && n >= SERVE_CLIENTS_USER)
		return "the user has as many clients as a user may have";
	return s->nr_clients >= SERVE_CLIENTS ? "there are as many clients as there may be" : NULL;
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct server *s = arg;
	struct serve_client *c;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	const char *why;

	(void)what;
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		close(fd);
		return;
	}
	why = why_not(s, cred.uid);
	if (why) {
		serve_log(s, "uid %u, process %d: refused: %s", cred.uid, cred.pid, why);
		close(fd);
		return;
	}
	c = serve_client_new(s, fd, cred.uid, cred.pid);
	if (c)
		serve_log(s, "%s, uid %u, process %d: connected", c->user, c->uid, c->pid);
}

/* Something that ended without removing its socket has left it; somebody may listen. */
static bool is_stale(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool stale;

	stale = fd >= 0 && connect(fd, (const void *)addr, sizeof(*addr)) < 0 &&
		errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return stale;
}

static int listen_at(const struct server *s, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int fd, bad;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		fprintf(stderr, "pvhost: serve: %s: longer than %zu bytes\n", path,
			sizeof(addr.sun_path) - 1);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path));
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode) && is_stale(&addr))
		unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(s->nr_allowed ? 0111 : 0177);
	bad = fd < 0 || bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 64);
	umask(mask);
	if (!bad)
		return fd;
	fprintf(stderr, "pvhost: serve: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The socket that systemd listens at for us; -1: there is none. */
static int activation(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (!pid || !fds || strtol(pid, NULL, 10) != getpid() || strcmp(fds, "1"))
		return -1;
	fcntl(ACTIVATION_FD, F_SETFD, FD_CLOEXEC);
	fcntl(ACTIVATION_FD, F_SETFL, O_NONBLOCK);
	return ACTIVATION_FD;
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	s->stop = true;
}

static bool add_events(struct server *s)
{
	struct event_base *base = s->link->base;

	s->accept = event_new(base, s->listener, EV_READ | EV_PERSIST, on_accept, s);
	s->retry = evtimer_new(base, on_retry, s);
	s->terminate = evsignal_new(base, SIGTERM, on_signal, s);
	s->interrupt = evsignal_new(base, SIGINT, on_signal, s);
	return s->accept && s->retry && s->terminate && s->interrupt &&
	       !event_add(s->accept, NULL) && !event_add(s->terminate, NULL) &&
	       !event_add(s->interrupt, NULL);
}

static void remove_events(struct server *s)
{
	struct event *events[] = { s->accept, s->retry, s->terminate, s->interrupt };
	size_t i;

	for (i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (events[i])
			event_free(events[i]);
}

static void run(struct server *s)
{
	enum outcome out;

	retry_in(s, 0);
	while (!s->stop) {
		out = link_turn(s->link, ~0ull);
		if (out == DONE)
			continue;
		if (out == REFUSED) {
			serve_log(s, "the guest refuses: %s",
				  pvc_status_name(s->link->refused));
			link_disconnect(s->link);
			retry_in(s, RETRY_REFUSED_MS);
		} else if (s->link->fd >= 0) {
			serve_log(s, "the hypervisor closed %s", s->link->path);
			link_disconnect(s->link);
		}
		retry_in(s, RETRY_MS);
		event_base_loop(s->link->base, EVLOOP_ONCE);
	}
	while (!LIST_EMPTY(&s->clients))
		serve_client_free(LIST_FIRST(&s->clients));
}

static bool permit(struct server *s, const char *name)
{
	const struct passwd *pw = getpwnam(name);
	char *end;
	unsigned long uid;

	errno = 0;
	uid = pw ? pw->pw_uid : strtoul(name, &end, 10);
	if (!pw && (errno || end == name || *end || uid >= (uid_t)-1)) {
		fprintf(stderr, "pvhost: serve: --allow-user: no user '%s'\n", name);
		return false;
	}
	if (s->nr_allowed == SERVE_ALLOWED) {
		fprintf(stderr, "pvhost: serve: --allow-user: at most %u\n", SERVE_ALLOWED);
		return false;
	}
	s->allowed[s->nr_allowed++] = uid;
	return true;
}

static const char *parse(struct server *s, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "allow-user", required_argument, NULL, 'u' },
		{ }
	};
	const char *path = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "l:u:", longopts, NULL)) != -1) {
		if (c == 'l')
			path = optarg;
		else if (c != 'u' || !permit(s, optarg))
			return NULL;
	}
	s->listener = activation();
	if (optind == argc && (path || s->listener >= 0))
		return path ? path : "";
	fprintf(stderr, optind < argc ? "pvhost: serve takes no argument\n" :
					"pvhost: serve: --listen says where\n");
	return NULL;
}

static int serve_verb(struct client *c, int argc, char **argv)
{
	static struct server server;
	struct server *s = &server;
	const char *path = parse(s, argc, argv);
	bool ours;

	if (!path)
		return USAGE;
	LIST_INIT(&s->clients);
	ours = s->listener < 0;
	if (ours)
		s->listener = listen_at(s, path);
	if (s->listener < 0)
		return FAILED;
	s->link = client_link(c);
	s->link->hooks = &hooks;
	s->link->priv = s;
	link_set_timeout(s->link, 0);
	if (add_events(s)) {
		serve_log(s, "serving %s at %s", s->link->path, ours ? path : "systemd's socket");
		run(s);
	}
	remove_events(s);
	close(s->listener);
	if (ours)
		unlink(path);
	return DONE;
}

const struct command serve_commands[] = {
	{ "serve", "--listen=PATH [--allow-user=USER]...",
	  "share the hypervisor's socket among clients", serve_verb,
	  "  -l, --listen=PATH      where pvhost -s PATH connects to; not needed if systemd has a socket\n"
	  "  -u, --allow-user=USER  may connect, besides root and the user that serves\n" },
	{ }
};
