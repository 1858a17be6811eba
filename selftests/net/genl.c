// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks the kernel's netlink family "netdev" about an interface: its queues, the NAPI
 * contexts that serve them, page pools and statistics. Each answer is a line of
 * name=value. The headers of this machine are older than the family, so the numbers of
 * Documentation/netlink/specs/netdev.yaml stand here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

static const char usage[] =
"usage: genl dev|queues|napis|pools|pool-stats|qstats|totals DEV\n"
"       genl napi-set ID NAME=VALUE...  of defer, gro and suspend\n"
"Exit status 4: the kernel has no such family or command.\n";

#define ABSENT	4
#define NAMES	40

/* A command, the attribute that selects an interface, and what answers consist of. */
struct command {
	const char *word;
	__u8 number;
	__u8 ifindex;
	__u8 scope;		/* attribute that is set to 1, or 0 */
	__u8 nest;		/* attribute that @ifindex is in, or 0 */
	const char *names[NAMES];
};

static const struct command commands[] = {
	{ "dev", 1, 1, 0, 0, { [1] = "ifindex", [3] = "xdp", [5] = "metadata" } },
	{ "queues", 10, 2, 0, 0, {
		[1] = "id", [2] = "ifindex", [3] = "type", [4] = "napi" } },
	{ "napis", 11, 1, 0, 0, {
		[1] = "ifindex", [2] = "id", [3] = "irq", [5] = "defer",
		[6] = "gro", [7] = "suspend" } },
	{ "pools", 5, 2, 0, 0, {
		[1] = "id", [2] = "ifindex", [3] = "napi", [4] = "inflight",
		[5] = "memory", [6] = "detached" } },
	{ "pool-stats", 9, 2, 0, 1, {
		[8] = "fast", [9] = "slow", [10] = "slow-high-order",
		[11] = "empty", [12] = "refill", [14] = "cached",
		[15] = "cache-full", [16] = "ring", [17] = "ring-full" } },
	{ "qstats", 12, 1, 4, 0, {
		[1] = "ifindex", [2] = "type", [3] = "id",
		[8] = "rx-packets", [9] = "rx-bytes", [10] = "tx-packets",
		[11] = "tx-bytes", [12] = "rx-alloc-fail", [13] = "rx-hw-drops",
		[14] = "rx-hw-drop-overruns", [16] = "rx-csum-unnecessary",
		[17] = "rx-csum-none", [18] = "rx-csum-bad",
		[24] = "tx-hw-drops", [25] = "tx-hw-drop-errors",
		[33] = "tx-stop", [34] = "tx-wake" } },
};

#define CMD_NAPI_SET	14

static const struct { const char *name; __u16 attr; } settings[] = {
	{ "defer", 5 }, { "gro", 6 }, { "suspend", 7 },
};

struct message {
	struct nlmsghdr nl;
	struct genlmsghdr genl;
	char attrs[32768];
};

static int fail(const char *what)
{
	fprintf(stderr, "genl: %s: %s\n", what, strerror(errno));
	return errno == EOPNOTSUPP ? ABSENT : 1;
}

static void begin(struct message *m, __u16 family, __u16 flags, __u8 cmd)
{
	memset(m, 0, sizeof(m->nl) + sizeof(m->genl));
	m->nl.nlmsg_len = sizeof(m->nl) + sizeof(m->genl);
	m->nl.nlmsg_type = family;
	m->nl.nlmsg_flags = NLM_F_REQUEST | flags;
	m->genl.cmd = cmd;
	m->genl.version = 1;
}

static void put(struct message *m, __u16 type, const void *data, size_t len)
{
	struct nlattr *a = (void *)((char *)m + m->nl.nlmsg_len);

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy(a + 1, data, len);
	m->nl.nlmsg_len += NLA_ALIGN(a->nla_len);
}

static void put_u32(struct message *m, __u16 type, __u32 value)
{
	put(m, type, &value, sizeof(value));
}

static void put_nested(struct message *m, __u16 nest, __u16 type, __u32 value)
{
	struct nlattr inner = { .nla_len = NLA_HDRLEN + sizeof(value), .nla_type = type };
	char data[NLA_HDRLEN + sizeof(value)];

	memcpy(data, &inner, NLA_HDRLEN);
	memcpy(data + NLA_HDRLEN, &value, sizeof(value));
	put(m, nest | NLA_F_NESTED, data, sizeof(data));
}

/* Return: the first attribute of an answer, or NULL behind the last. */
static const struct nlattr *next(const struct message *m, size_t len,
				 const struct nlattr *a)
{
	const char *at = a ? (char *)a + NLA_ALIGN(a->nla_len) : m->attrs;

	if (at + NLA_HDRLEN > (char *)m + len)
		return NULL;
	return (void *)at;
}

/* Send @m and give each answer to @take. Return: 0, or -1 with errno. */
static int ask(int fd, struct message *m,
	       void (*take)(const struct message *m, size_t len, void *to), void *to)
{
	static char buf[65536];
	struct nlmsghdr *nl;
	ssize_t got;

	if (send(fd, m, m->nl.nlmsg_len, 0) < 0)
		return -1;
	for (;;) {
		got = recv(fd, buf, sizeof(buf), 0);
		if (got < 0)
			return -1;
		for (nl = (void *)buf; NLMSG_OK(nl, got); nl = NLMSG_NEXT(nl, got)) {
			if (nl->nlmsg_type == NLMSG_DONE ||
			    nl->nlmsg_type == NLMSG_ERROR) {
				errno = -*(int *)NLMSG_DATA(nl);
				return errno ? -1 : 0;
			}
			take((void *)nl, nl->nlmsg_len, to);
		}
	}
}

static void take_family(const struct message *m, size_t len, void *to)
{
	const struct nlattr *a;

	for (a = next(m, len, NULL); a; a = next(m, len, a))
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			*(__u16 *)to = *(__u16 *)(a + 1);
}

/* Numbers come in as many bytes as they need, or in those of their type. */
static void print(const struct message *m, size_t len, void *to)
{
	const char *const *names = to;
	const struct nlattr *a;
	__u64 value;
	size_t size;

	for (a = next(m, len, NULL); a; a = next(m, len, a)) {
		size = a->nla_len - NLA_HDRLEN;
		if (a->nla_type >= NAMES || !names[a->nla_type] ||
		    size > sizeof(value))
			continue;
		value = 0;
		memcpy(&value, a + 1, size);
		printf("%s=%llu ", names[a->nla_type], (unsigned long long)value);
	}
	printf("\n");
}

static int show(int fd, struct message *m, __u16 family, const char *word,
		const char *dev)
{
	bool totals = !strcmp(word, "totals");
	const struct command *c = commands;
	__u32 ifindex = if_nametoindex(dev);

	while (strcmp(c->word, totals ? "qstats" : word)) {
		if (++c == commands + ARRAY_SIZE(commands)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (!ifindex)
		return fail(dev);
	begin(m, family, c->number == 1 ? NLM_F_ACK : NLM_F_DUMP, c->number);
	if (c->nest)
		put_nested(m, c->nest, c->ifindex, ifindex);
	else
		put_u32(m, c->ifindex, ifindex);
	if (c->scope && !totals)
		put_u32(m, c->scope, 1);
	return ask(fd, m, print, (void *)c->names) ? fail(word) : 0;
}

static int set_napi(int fd, struct message *m, __u16 family, __u32 napi, char **args)
{
	size_t i, len;

	begin(m, family, NLM_F_ACK, CMD_NAPI_SET);
	put_u32(m, 2, napi);
	for (; *args; args++) {
		for (i = 0; i < ARRAY_SIZE(settings); i++) {
			len = strlen(settings[i].name);
			if (!strncmp(*args, settings[i].name, len) &&
			    (*args)[len] == '=')
				break;
		}
		if (i == ARRAY_SIZE(settings)) {
			fputs(usage, stderr);
			return 2;
		}
		put_u32(m, settings[i].attr, strtoul(*args + len + 1, NULL, 0));
	}
	return ask(fd, m, print, (void *)commands[2].names) ? fail("napi-set") : 0;
}

int main(int argc, char **argv)
{
	static struct message m;
	__u16 family = 0;
	int fd;

	if (argc < 3) {
		fputs(usage, stderr);
		return 2;
	}
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	if (fd < 0)
		return fail("socket");
	begin(&m, GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY);
	put(&m, CTRL_ATTR_FAMILY_NAME, "netdev", sizeof("netdev"));
	if (ask(fd, &m, take_family, &family)) {
		fail("family netdev");
		return ABSENT;
	}
	if (!strcmp(argv[1], "napi-set"))
		return set_napi(fd, &m, family, strtoul(argv[2], NULL, 0), argv + 3);
	return show(fd, &m, family, argv[1], argv[2]);
}
