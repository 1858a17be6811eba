// SPDX-License-Identifier: GPL-2.0-only
/*
 * Links, addresses and routes, as rtnetlink has them.
 *
 * An event only says that something has changed: the kernel is then asked for all of it, and
 * the table of last values finds what differs. So an event that was lost costs nothing, and
 * what the host has is always what the kernel has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "info.h"

#define DUMP_TRIES	3	/* of a dump that something changed under */

/* @status: of the table; @links: how many names there are */
struct dump {
	struct info_table *table;
	int status;
	__u32 n;
	__u32 links;
	struct {
		__u32 index;
		char name[16];
	} link[INFO_LINKS_MAX];
};

struct mnl_socket *net_open(bool events)
{
	const unsigned int groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
		RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC |
						 (events ? SOCK_NONBLOCK : 0));
	int on = 1;

	if (!nl)
		return NULL;
	if (mnl_socket_bind(nl, events ? groups : 0, MNL_SOCKET_AUTOPID)) {
		mnl_socket_close(nl);
		return NULL;
	}
	/* Then the kernel filters routes by their table; without it we do. */
	mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return nl;
}

bool net_changed(struct mnl_socket *events)
{
	char buf[8192];
	bool changed = false;
	int turns;

	/* What comes faster than that waits for the next turn of the caller. */
	for (turns = 0; turns < 1000; turns++) {
		if (mnl_socket_recvfrom(events, buf, sizeof(buf)) >= 0 || errno == ENOBUFS ||
		    errno == ENOSPC)
			changed = true;
		else if (errno != EINTR)
			break;
	}
	return changed;
}

static int keep(const struct nlattr *attr, void *data)
{
	const struct nlattr **tb = data;
	int type = mnl_attr_get_type(attr);

	/* The arrays are as long as that. */
	if (type <= IFLA_MAX)
		tb[type] = attr;
	return MNL_CB_OK;
}

/* The payload of an attribute of any length into a field of type bytes. */
#define set_attr(field, attr) do {						\
	if (attr)								\
		set_bytes(field, mnl_attr_get_payload(attr),			\
			  mnl_attr_get_payload_len(attr));			\
} while (0)

static void attr_text(char *to, size_t size, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	len = strnlen(mnl_attr_get_payload(attr), len < size - 1 ? len : size - 1);
	memcpy(to, mnl_attr_get_payload(attr), len);
	to[len] = '\0';
}

static __u32 attr_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : 0;
}

static const char *link_name(const struct dump *d, __u32 index)
{
	__u32 i;

	for (i = 0; i < d->links; i++)
		if (d->link[i].index == index)
			return d->link[i].name;
	return "";
}

/* Stops nothing: a dump is always read to its end. */
static int put(struct dump *d, __u32 max, const info_record *rec)
{
	if (d->n++ >= max)
		table_left_out(d->table, pvo_InfoSection_INFO_NET);
	else if (!d->status)
		d->status = table_put(d->table, pvo_InfoSection_INFO_NET, rec);
	return MNL_CB_OK;
}

static void set_kind(pvo_InfoLink *link, const struct nlattr *info)
{
	const struct nlattr *tb[IFLA_MAX + 1] = { };

	if (!info || mnl_attr_parse_nested(info, keep, tb) < 0 || !tb[IFLA_INFO_KIND])
		return;
	attr_text(link->kind, sizeof(link->kind), tb[IFLA_INFO_KIND]);
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_MAX + 1] = { };
	info_record rec = { .which_what = pvo_InfoRecord_link_tag };
	pvo_InfoLink *link = &rec.what.link;
	struct dump *d = data;
	char name[16] = "";

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*ifi), keep, tb);
	if (tb[IFLA_IFNAME])
		attr_text(name, sizeof(name), tb[IFLA_IFNAME]);
	if (d->links < INFO_LINKS_MAX) {
		d->link[d->links].index = ifi->ifi_index;
		memcpy(d->link[d->links++].name, name, sizeof(name));
	}
	link->index = ifi->ifi_index;
	set_bytes(link->name, name, strlen(name));
	set_attr(link->mac, tb[IFLA_ADDRESS]);
	link->up = ifi->ifi_flags & IFF_UP;
	link->carrier = ifi->ifi_flags & IFF_LOWER_UP;
	link->mtu = attr_u32(tb[IFLA_MTU]);
	link->master = attr_u32(tb[IFLA_MASTER]);
	set_kind(link, tb[IFLA_LINKINFO]);
	return put(d, INFO_LINKS_MAX, &rec);
}

static int on_address(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_MAX + 1] = { };
	info_record rec = { .which_what = pvo_InfoRecord_address_tag };
	pvo_InfoAddress *address = &rec.what.address;
	struct dump *d = data;
	const char *name;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*ifa), keep, tb);
	/* With a peer, ADDRESS is the peer's. */
	set_attr(address->address, tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS]);
	address->index = ifa->ifa_index;
	address->prefix = ifa->ifa_prefixlen;
	address->scope = ifa->ifa_scope;
	address->flags = tb[IFA_FLAGS] ? attr_u32(tb[IFA_FLAGS]) : ifa->ifa_flags;
	name = link_name(d, ifa->ifa_index);
	set_bytes(address->link, name, strlen(name));
	return put(d, INFO_ADDRESSES_MAX, &rec);
}

/* The first of several next hops, and how many there are. */
static void set_hops(pvo_InfoRoute *route, const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath), at;
	const struct rtattr *attr;

	for (; RTNH_OK(hop, left); left -= NLMSG_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		if (route->nexthops++)
			continue;
		route->index = hop->rtnh_ifindex;
		attr = RTNH_DATA(hop);
		at = hop->rtnh_len - RTNH_LENGTH(0);
		for (; RTA_OK(attr, at); attr = RTA_NEXT(attr, at))
			if (attr->rta_type == RTA_GATEWAY)
				set_bytes(route->gateway, RTA_DATA(attr), RTA_PAYLOAD(attr));
	}
}

static void set_route(pvo_InfoRoute *route, const struct rtmsg *rtm, const struct nlattr **tb)
{
	route->family = rtm->rtm_family == AF_INET ? 4 : 6;
	route->prefix = rtm->rtm_dst_len;
	route->protocol = rtm->rtm_protocol;
	route->type = rtm->rtm_type;
	set_attr(route->destination, tb[RTA_DST]);
	set_attr(route->gateway, tb[RTA_GATEWAY]);
	set_attr(route->source, tb[RTA_PREFSRC]);
	route->index = attr_u32(tb[RTA_OIF]);
	route->metric = attr_u32(tb[RTA_PRIORITY]);
	if (tb[RTA_MULTIPATH])
		set_hops(route, tb[RTA_MULTIPATH]);
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_MAX + 1] = { };
	info_record rec = { .which_what = pvo_InfoRecord_route_tag };
	pvo_InfoRoute *route = &rec.what.route;
	struct dump *d = data;
	const char *name;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
	    rtm->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*rtm), keep, tb);
	if ((tb[RTA_TABLE] ? attr_u32(tb[RTA_TABLE]) : rtm->rtm_table) != RT_TABLE_MAIN)
		return MNL_CB_OK;
	set_route(route, rtm, tb);
	name = link_name(d, route->index);
	set_bytes(route->link, name, strlen(name));
	return put(d, INFO_ROUTES_MAX, &rec);
}

/* A request for all of @type, whose fixed part has @size bytes. */
static void *make_request(struct nlmsghdr *nlh, __u16 type, size_t size)
{
	static __u32 seq;
	void *head;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++seq;
	head = mnl_nlmsg_put_extra_header(nlh, size);
	memset(head, 0, size);
	return head;
}

/* Something changed meanwhile? The mark is taken off, so that the dump is read to its end. */
static bool take_mark(void *buf, int len)
{
	struct nlmsghdr *nlh = buf;
	bool marked = false;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		marked |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
		nlh->nlmsg_flags &= ~NLM_F_DUMP_INTR;
	}
	return marked;
}

static int ask(struct mnl_socket *nl, const struct nlmsghdr *nlh, mnl_cb_t cb, struct dump *d)
{
	static char buf[32768];
	bool marked = false;
	ssize_t n;
	int ret = MNL_CB_OK;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (ret == MNL_CB_OK) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		marked |= take_mark(buf, n);
		ret = mnl_cb_run(buf, n, nlh->nlmsg_seq, mnl_socket_get_portid(nl), cb, d);
	}
	if (ret < 0)
		return -errno;
	return marked ? -EINTR : 0;
}

static int dump_routes(struct mnl_socket *nl, struct nlmsghdr *nlh, __u8 family, struct dump *d)
{
	struct rtmsg *rtm;
	int ret;

	nlh = mnl_nlmsg_put_header(nlh);
	rtm = make_request(nlh, RTM_GETROUTE, sizeof(*rtm));
	rtm->rtm_family = family;
	mnl_attr_put_u32(nlh, RTA_TABLE, RT_TABLE_MAIN);
	ret = ask(nl, nlh, on_route, d);
	/* A kernel without IPv6, or a table that has no route yet */
	return ret == -EOPNOTSUPP || ret == -EAFNOSUPPORT || ret == -ENOENT ? 0 : ret;
}

static int dump_all(struct mnl_socket *nl, struct dump *d)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int ret;

	make_request(nlh, RTM_GETLINK, sizeof(struct ifinfomsg));
	ret = ask(nl, nlh, on_link, d);
	if (ret)
		return ret;
	nlh = mnl_nlmsg_put_header(buf);
	make_request(nlh, RTM_GETADDR, sizeof(struct ifaddrmsg));
	d->n = 0;
	ret = ask(nl, nlh, on_address, d);
	d->n = 0;
	if (!ret)
		ret = dump_routes(nl, nlh, AF_INET, d);
	if (!ret)
		ret = dump_routes(nl, nlh, AF_INET6, d);
	return ret;
}

int net_collect(struct info_table *t, struct mnl_socket *nl)
{
	static struct dump d;
	int ret, tries;

	for (tries = 0; tries < DUMP_TRIES; tries++) {
		memset(&d, 0, sizeof(d));
		d.table = t;
		table_begin(t, pvo_InfoSection_INFO_NET);
		ret = dump_all(nl, &d);
		if (ret != -EINTR)
			break;
	}
	if (!ret)
		ret = d.status;
	return ret ? ret : table_end(t, pvo_InfoSection_INFO_NET);
}
