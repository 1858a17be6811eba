// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost connect: a TCP port or unix socket of the guest at stdin and stdout, such as for ssh's
 * ProxyCommand.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <pb_encode.h>

#include "forward.h"
#include "generated/forward.pb.h"
#include "pump.h"
#include "pvhost.h"

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

static bool is_port(const char *text)
{
	long port = is_number(text) && strlen(text) <= 5 ? strtol(text, NULL, 10) : 0;

	return port >= 1 && port <= 65535;
}

/* "ADDRESS:PORT" with an address that is a number, or localhost. */
static bool tcp_target(const char *text, char *target)
{
	const char *colon = strrchr(text, ':');
	char address[INET6_ADDRSTRLEN + 2];
	struct in6_addr six;
	struct in_addr four;
	size_t len;

	if (!colon || !is_port(colon + 1) || (size_t)(colon - text) >= sizeof(address))
		return false;
	len = colon - text;
	memcpy(address, text, len);
	address[len] = '\0';
	if (!strcmp(address, "localhost"))
		strcpy(address, "127.0.0.1");
	snprintf(target, TARGET_MAX, "tcp:%s:%s", address, colon + 1);
	if (*address != '[')
		return inet_pton(AF_INET, address, &four) == 1;
	if (address[len - 1] != ']')
		return false;
	address[len - 1] = '\0';
	return inet_pton(AF_INET6, address + 1, &six) == 1;
}

bool forward_target(const char *verb, const char *text, char target[static TARGET_MAX])
{
	bool good = true;

	if (is_port(text))
		snprintf(target, TARGET_MAX, "tcp:127.0.0.1:%s", text);
	else if (!strncmp(text, "unix:/", 6) && strlen(text) < TARGET_MAX - 16)
		snprintf(target, TARGET_MAX, "%s", text);
	else
		good = tcp_target(strncmp(text, "tcp:", 4) ? text : text + 4, target);
	if (!good)
		fprintf(stderr, "pvhost: %s: '%s' is none of PORT, ADDRESS:PORT, unix:/PATH; "
			"addresses are numbers, IPv6 in brackets\n", verb, text);
	return good;
}

struct channel *forward_open(struct client *c, __u16 op, const char *target, __u64 job, __u64 id,
			     const struct channel_ops *ops, void *priv)
{
	pvo_forward_target where = pvo_forward_target_init_zero;
	pvo_forward_accept which = { .id = id };
	pb_byte_t record[pvo_forward_target_size + pvo_forward_accept_size];
	pb_ostream_t out = pb_ostream_from_buffer(record, sizeof(record));
	struct channel_request req = {
		.service = PVO_SERVICE_FORWARD, .op = op, .job = job, .record = record,
		.bulk = op != PVO_FORWARD_LISTEN, .nodata = op == PVO_FORWARD_LISTEN, .priv = priv,
	};
	bool good;

	if (target) {
		snprintf(where.target, sizeof(where.target), "%s", target);
		good = pb_encode(&out, pvo_forward_target_fields, &where);
	} else {
		good = pb_encode(&out, pvo_forward_accept_fields, &which);
	}
	req.record_len = out.bytes_written;
	return good ? channel_open(c, &req, ops) : NULL;
}

struct connection {
	struct client *client;
	const char *what;	/* as it was typed */
};

static void finished(struct pump *p, __u32 status, const void *body, size_t len, int error)
{
	struct connection *conn = pump_priv(p);

	if (error && error != EPIPE && error != ECONNRESET)
		fprintf(stderr, "pvhost: connect %s: %s\n", conn->what, strerror(error));
	else if (!error && status != PVC_OK)
		client_refused("connect", conn->what, status, body, len);
	client_stop(conn->client, status == PVC_OK ? DONE :
				  status == PVC_LOST ? NO_CONNECTION : FAILED);
}

static int connect_verb(struct client *c, int argc, char **argv)
{
	struct connection conn = { .client = c };
	char target[TARGET_MAX];
	enum outcome out;
	struct channel *ch;
	struct pump *p;

	if (argc != 2) {
		fprintf(stderr, "pvhost: connect takes one target\n");
		return USAGE;
	}
	conn.what = argv[1];
	if (!forward_target("connect", argv[1], target))
		return USAGE;
	out = client_session(c);
	if (out != DONE)
		return out;
	p = pump_new(c, STDIN_FILENO, STDOUT_FILENO, finished, &conn);
	ch = p ? forward_open(c, PVO_FORWARD_CONNECT, target, 0, 0, &pump_ops, p) : NULL;
	if (!ch) {
		fprintf(stderr, "pvhost: connect: the guest takes no more streams\n");
		if (p)
			pump_free(p);
		return FAILED;
	}
	pump_attach(p, ch);
	pump_start(p);
	return client_run(c);
}

const struct command connect_commands[] = {
	{ "connect", "PORT|ADDRESS:PORT|unix:PATH",
	  "a port or socket of the guest at stdin and stdout", connect_verb,
	  "PORT alone is one of the guest's 127.0.0.1. For ssh:\n"
	  "  ssh -o ProxyCommand='pvhost -s SOCKET connect 22' guest\n" },
	{ }
};
