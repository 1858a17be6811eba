// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost forward: ports of this host that lead into the guest (-L), and ports of the guest that
 * lead to this host (-R, forward_remote.c); any number of them, each with many connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "forward.h"
#include "pump.h"
#include "pvhost.h"

#define FORWARDINGS_MAX	32

struct forward_state {
	struct client *client;
	struct forwarding all[FORWARDINGS_MAX];
	unsigned int nr;
};

void forward_tell(const struct forwarding *f, const char *listen)
{
	const struct options opt = { .json = true };
	cJSON *object;

	if (!client_json(f->client)) {
		fprintf(stderr, "pvhost: forward: %s %s leads to %s %s\n",
			f->remote ? "the guest's" : "this host's", listen,
			f->remote ? "this host's" : "the guest's", f->target);
		return;
	}
	object = cJSON_CreateObject();
	add_text(object, "direction", f->remote ? "remote" : "local");
	add_text(object, "listen", listen);
	add_text(object, "target", f->target);
	print_object(&opt, object);
}

/* The first field of a specification, and where the rest begins; NULL: none. */
static const char *next_field(const char *text, char *field, size_t size)
{
	const char *end = *text == '[' ? strchr(text, ']') : strchr(text, ':');
	size_t len;

	if (end && *text == '[')
		end++;
	if (!end || *end != ':' || (size_t)(end - text) >= size)
		return NULL;
	len = end - text;
	memcpy(field, text, len);
	field[len] = '\0';
	return end + 1;
}

/* [ADDRESS:]PORT:TARGET */
static bool parse_spec(struct forwarding *f, const char *spec)
{
	char address[64], port[8];
	const char *rest = next_field(spec, address, sizeof(address));

	if (rest && !address[strspn(address, "0123456789")]) {
		snprintf(port, sizeof(port), "%.7s", address);
		strcpy(address, "127.0.0.1");
	} else if (rest) {
		rest = next_field(rest, port, sizeof(port));
	}
	if (!rest || !*port || port[strspn(port, "0123456789")] || atol(port) > 65535) {
		fprintf(stderr, "pvhost: forward: '%s' is not [ADDRESS:]PORT:TARGET\n", spec);
		return false;
	}
	if (!strcmp(address, "localhost"))
		strcpy(address, "127.0.0.1");
	snprintf(f->listen, sizeof(f->listen), "%s:%s",
		 strcmp(address, "*") ? address : f->remote ? "0.0.0.0" : "[::]", port);
	if (!f->remote)
		return forward_target("forward", rest, f->target);
	if (!*rest || strlen(rest) >= TARGET_MAX) {
		fprintf(stderr, "pvhost: forward: '%s': no target, or a long one\n", spec);
		return false;
	}
	strcpy(f->target, rest);
	return true;
}

/* "ADDRESS:PORT" of this host; NULL: said why not. */
static struct addrinfo *resolve(const char *text, int flags)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	const char *colon = strrchr(text, ':');
	struct addrinfo *info = NULL;
	char host[TARGET_MAX];
	size_t len = colon ? (size_t)(colon - text) : 0;
	int error;

	snprintf(host, sizeof(host), "%s", colon ? text : "127.0.0.1");
	if (colon)
		host[len] = '\0';
	if (*host == '[' && len && host[len - 1] == ']') {
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
	}
	error = getaddrinfo(host, colon ? colon + 1 : text, &hints, &info);
	if (error)
		fprintf(stderr, "pvhost: forward: %s: %s\n", text, gai_strerror(error));
	return error ? NULL : info;
}

int forward_connect_host(const char *target)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct addrinfo *info;
	int fd, one = 1;

	if (!strncmp(target, "unix:", 5)) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", target + 5);
		if (fd >= 0 && !connect(fd, (void *)&un, sizeof(un)))
			return fd;
	} else {
		info = resolve(target, 0);
		if (!info)
			return -1;
		fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd >= 0)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (fd >= 0 && connect(fd, info->ai_addr, info->ai_addrlen) &&
		    errno != EINPROGRESS) {
			close(fd);
			fd = -1;
		}
		freeaddrinfo(info);
		if (fd >= 0)
			return fd;
	}
	fprintf(stderr, "pvhost: forward: %s: %s\n", target, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* -L: a connection to a port of this host */

static void finished(struct pump *p, __u32 status, const void *body, size_t len, int error)
{
	const struct forwarding *f = pump_priv(p);

	/* A connection that broke is none of ours to tell; one that could not be made is. */
	if (!error && status != PVC_OK && status != PVC_ABORTED && status != PVC_LOST)
		client_refused("forward", f->target, status, body, len);
	close_socket(pump_in(p), status == PVC_OK);
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct forwarding *f = arg;
	int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct channel *ch;
	struct pump *p;

	(void)what;
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	p = pump_new(f->client, fd, fd, finished, f);
	ch = p ? forward_open(f->client, PVO_FORWARD_CONNECT, f->target, 0, 0, &pump_ops, p) : NULL;
	if (ch) {
		pump_attach(p, ch);
		pump_start(p);
		return;
	}
	fprintf(stderr, "pvhost: forward: %s: no session, or no stream is free\n", f->target);
	if (p)
		pump_free(p);
	close_socket(fd, false);
}

static void name_listener(int fd, char *name, size_t size)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} at;
	socklen_t len = sizeof(at);
	char text[INET6_ADDRSTRLEN] = "?";

	memset(&at, 0, sizeof(at));
	getsockname(fd, &at.any, &len);
	if (at.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &at.in6.sin6_addr, text, sizeof(text));
		snprintf(name, size, "[%s]:%u", text, ntohs(at.in6.sin6_port));
	} else {
		inet_ntop(AF_INET, &at.in.sin_addr, text, sizeof(text));
		snprintf(name, size, "%s:%u", text, ntohs(at.in.sin_port));
	}
}

static bool local_start(struct forwarding *f)
{
	struct addrinfo *info = resolve(f->listen, AI_PASSIVE | AI_NUMERICHOST);
	char name[TARGET_MAX];
	int fd, one = 1;

	if (!info)
		return false;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, 128)) {
		fprintf(stderr, "pvhost: forward: %s: %s\n", f->listen, strerror(errno));
		freeaddrinfo(info);
		if (fd >= 0)
			close(fd);
		return false;
	}
	freeaddrinfo(info);
	f->listener = fd;
	f->accept = event_new(client_base(f->client), fd, EV_READ | EV_PERSIST, on_accept, f);
	if (!f->accept || event_add(f->accept, NULL))
		return false;
	name_listener(fd, name, sizeof(name));
	forward_tell(f, name);
	return true;
}

static bool start_remotes(struct forward_state *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (s->all[i].remote && !remote_start(&s->all[i]))
			return false;
	return true;
}

/* Local ports stay while there is no session; those of the guest are asked for again. */
static enum outcome run(struct forward_state *s)
{
	enum outcome out = client_session(s->client);
	unsigned int i;

	for (i = 0; i < s->nr && out == DONE; i++)
		if (!s->all[i].remote && !local_start(&s->all[i]))
			return FAILED;
	while (out == DONE) {
		if (!start_remotes(s))
			return FAILED;
		out = client_run(s->client);
		/* client_stop() with DONE: a remote one was lost with its session. */
		if (out == DONE || out == NO_CONNECTION)
			out = client_session(s->client);
	}
	return out;
}

static bool add(struct forward_state *s, bool remote, const char *spec)
{
	struct forwarding *f = &s->all[s->nr];

	if (s->nr == FORWARDINGS_MAX) {
		fprintf(stderr, "pvhost: forward: at most %u at a time\n", FORWARDINGS_MAX);
		return false;
	}
	s->nr++;
	f->client = s->client;
	f->remote = remote;
	f->listener = -1;
	return parse_spec(f, spec);
}

static int forward_verb(struct client *c, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "local", required_argument, NULL, 'L' },
		{ "remote", required_argument, NULL, 'R' },
		{ }
	};
	static struct forward_state state;
	struct forward_state *s = &state;
	enum outcome out;
	unsigned int i;
	int opt;

	s->client = c;
	while ((opt = getopt_long(argc, argv, "L:R:", longopts, NULL)) != -1)
		if (opt == '?' || !add(s, opt == 'R', optarg))
			return USAGE;
	for (; optind < argc; optind++)
		if (!add(s, false, argv[optind]))
			return USAGE;
	if (!s->nr) {
		fprintf(stderr, "pvhost: forward: nothing to forward: [ADDRESS:]PORT:TARGET\n");
		return USAGE;
	}
	out = run(s);
	for (i = 0; i < s->nr; i++) {
		remote_end(&s->all[i]);
		if (s->all[i].accept)
			event_free(s->all[i].accept);
		if (s->all[i].listener >= 0)
			close(s->all[i].listener);
	}
	return out;
}

const struct command forward_commands[] = {
	{ "forward", "[-L|-R] [ADDRESS:]PORT:TARGET...",
	  "ports of this host that lead into the guest; -R: the other way", forward_verb,
	  "  -L, --local=SPEC     listen here, connect in the guest (default)\n"
	  "  -R, --remote=SPEC    listen in the guest, connect here\n"
	  "ADDRESS is 127.0.0.1 if it is not given, * for all. TARGET is PORT, ADDRESS:PORT or\n"
	  "unix:/PATH. Port 0 to listen at, here, is one that is free.\n" },
	{ }
};
