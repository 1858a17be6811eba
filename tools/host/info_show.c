// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records of INFO, for people and as JSON.
 */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "info.h"
#include "pvhost.h"

#define TEXT	1100	/* bytes of the longest text in a record, printable */

/* "10.0.0.1/24"; an address of another length is none. */
static char *address_text(char *to, size_t size, const __u8 *bytes, size_t len)
{
	const char *text = NULL;

	if (len == 4)
		text = inet_ntop(AF_INET, bytes, to, size);
	else if (len == 16)
		text = inet_ntop(AF_INET6, bytes, to, size);
	if (!text)
		snprintf(to, size, "?");
	return to;
}

#define address_field(to, field) address_text(to, sizeof(to), (field).bytes, (field).size)

static char *mac_text(char *to, size_t size, const __u8 *bytes, size_t len)
{
	size_t i, n = 0;

	*to = '\0';
	for (i = 0; i < len && n + 4 < size; i++)
		n += snprintf(to + n, size - n, i ? ":%02x" : "%02x", bytes[i]);
	return to;
}

static const char *mode_name(__u32 mode)
{
	return mode == pvo_InfoMode_INFO_MODE_MODULE ? "module" :
		mode == pvo_InfoMode_INFO_MODE_PORT ? "port" : "unknown";
}

static const char *scope_name(__u32 scope)
{
	return scope == RT_SCOPE_UNIVERSE ? "global" : scope == RT_SCOPE_LINK ? "link" :
		scope == RT_SCOPE_HOST ? "host" : scope == RT_SCOPE_SITE ? "site" : "other";
}

static const char *section_name(__u32 section)
{
	static const char *const names[] = { "tools", "os", "users", "net", "fs", "load" };

	return section < sizeof(names) / sizeof(*names) ? names[section] : "unknown";
}

static __u32 percent(__u64 part, __u64 all)
{
	return all ? (double)part * 100 / all + 0.5 : 0;
}

/* "UTC+02:00" */
static char *offset_text(char *to, size_t size, __s32 offset)
{
	__u32 minutes = (offset < 0 ? -(__u32)offset : (__u32)offset) / 60;

	snprintf(to, size, "UTC%c%02u:%02u", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
	return to;
}

#define add_bytes_field(object, name, field) do {	\
	char add_buf[TEXT];				\
							\
	add_text(object, name, text_field(add_buf, field)); \
} while (0)

static void json_os(cJSON *object, const pvo_InfoOs *os)
{
	add_text(object, "release",
		 text_of((char[TEXT]){ }, TEXT, os->release, strlen(os->release)));
	add_text(object, "build", text_of((char[TEXT]){ }, TEXT, os->build, strlen(os->build)));
	add_text(object, "machine",
		 text_of((char[TEXT]){ }, TEXT, os->machine, strlen(os->machine)));
	add_bytes_field(object, "id", os->id);
	add_bytes_field(object, "version_id", os->version);
	add_bytes_field(object, "name", os->name);
	add_bytes(object, "boot_id", os->boot_id.bytes, os->boot_id.size);
	add_int(object, "uptime_ms", os->uptime_ms);
	add_realtime(object, os->realtime_ns);
}

static void json_link(cJSON *object, const pvo_InfoLink *link)
{
	char text[TEXT];

	add_int(object, "index", link->index);
	add_bytes_field(object, "name", link->name);
	add_text(object, "mac", mac_text(text, sizeof(text), link->mac.bytes, link->mac.size));
	add_bool(object, "up", link->up);
	add_bool(object, "carrier", link->carrier);
	add_int(object, "mtu", link->mtu);
	add_text(object, "kind", text_of(text, sizeof(text), link->kind, strlen(link->kind)));
	add_int(object, "master", link->master);
}

static void json_address(cJSON *object, const pvo_InfoAddress *address)
{
	char text[INET6_ADDRSTRLEN];

	add_bytes_field(object, "link", address->link);
	add_int(object, "index", address->index);
	add_text(object, "address", address_field(text, address->address));
	add_int(object, "prefix", address->prefix);
	add_text(object, "scope", scope_name(address->scope));
	add_bool(object, "temporary", address->flags & IFA_F_TEMPORARY);
	add_bool(object, "deprecated", address->flags & IFA_F_DEPRECATED);
	add_bool(object, "tentative", address->flags & IFA_F_TENTATIVE);
	add_bool(object, "permanent", address->flags & IFA_F_PERMANENT);
}

static char *destination_text(char *to, size_t size, const pvo_InfoRoute *route)
{
	if (!route->destination.size) {
		snprintf(to, size, "default");
		return to;
	}
	address_text(to, size, route->destination.bytes, route->destination.size);
	snprintf(to + strlen(to), size - strlen(to), "/%u", route->prefix);
	return to;
}

static void json_route(cJSON *object, const pvo_InfoRoute *route)
{
	char text[INET6_ADDRSTRLEN + 16];

	add_int(object, "family", route->family);
	add_text(object, "destination", destination_text(text, sizeof(text), route));
	if (route->gateway.size)
		add_text(object, "gateway", address_field(text, route->gateway));
	if (route->source.size)
		add_text(object, "source", address_field(text, route->source));
	add_bytes_field(object, "link", route->link);
	add_int(object, "index", route->index);
	add_int(object, "metric", route->metric);
	add_int(object, "protocol", route->protocol);
	add_int(object, "type", route->type);
	add_int(object, "nexthops", route->nexthops ? route->nexthops : 1);
}

static void json_fs(cJSON *object, const pvo_InfoFs *fs)
{
	char text[32];

	add_bytes_field(object, "target", fs->target);
	add_bytes_field(object, "source", fs->source);
	add_bytes_field(object, "type", fs->type);
	snprintf(text, sizeof(text), "%u:%u", fs->major, fs->minor);
	add_text(object, "device", text);
	add_bool(object, "readonly", fs->readonly);
	add_bool(object, "asked", fs->asked);
	if (!fs->asked)
		return;
	add_int(object, "size", fs->size);
	add_int(object, "used", fs->used);
	add_int(object, "available", fs->available);
	add_int(object, "files", fs->files);
	add_int(object, "files_free", fs->files_free);
}

static void json_load(cJSON *object, const pvo_InfoLoad *load)
{
	add_int(object, "cpus", load->cpus);
	add_int(object, "cpus_present", load->cpus_present);
	add_int(object, "memory", load->memory);
	add_int(object, "memory_available", load->memory_available);
	add_int(object, "swap", load->swap);
	add_int(object, "swap_free", load->swap_free);
	add_hundredths(object, "load1", load->load1);
	add_hundredths(object, "load5", load->load5);
	add_hundredths(object, "load15", load->load15);
	add_int(object, "running", load->running);
	add_int(object, "tasks", load->tasks);
}

static void json_tools(cJSON *object, const pvo_InfoTools *tools)
{
	char text[TEXT];

	add_text(object, "version", text_of(text, sizeof(text), tools->version,
					    strlen(tools->version)));
	add_text(object, "mode", mode_name(tools->mode));
	add_text(object, "policy", text_of(text, sizeof(text), tools->policy,
					   strlen(tools->policy)));
	add_text(object, "allowed", text_of(text, sizeof(text), tools->allowed,
					    strlen(tools->allowed)));
	add_text(object, "denied", text_of(text, sizeof(text), tools->denied,
					   strlen(tools->denied)));
}

static void json_user(cJSON *object, const pvo_InfoUser *user)
{
	add_bytes_field(object, "name", user->name);
	add_bytes_field(object, "line", user->line);
	add_bytes_field(object, "host", user->host);
	add_int(object, "since", user->since);
	add_int(object, "pid", user->pid);
}

void info_json(cJSON *object, const pvo_InfoRecord *rec)
{
	switch (rec->which_what) {
	case pvo_InfoRecord_tools_tag:
		json_tools(object, &rec->what.tools);
		break;
	case pvo_InfoRecord_os_tag:
		json_os(object, &rec->what.os);
		break;
	case pvo_InfoRecord_host_tag:
		add_bytes_field(object, "name", rec->what.host.name);
		break;
	case pvo_InfoRecord_zone_tag:
		add_bytes_field(object, "name", rec->what.zone.name);
		add_int(object, "offset", rec->what.zone.offset);
		break;
	case pvo_InfoRecord_user_tag:
		json_user(object, &rec->what.user);
		break;
	case pvo_InfoRecord_link_tag:
		json_link(object, &rec->what.link);
		break;
	case pvo_InfoRecord_address_tag:
		json_address(object, &rec->what.address);
		break;
	case pvo_InfoRecord_route_tag:
		json_route(object, &rec->what.route);
		break;
	case pvo_InfoRecord_fs_tag:
		json_fs(object, &rec->what.fs);
		break;
	case pvo_InfoRecord_load_tag:
		json_load(object, &rec->what.load);
		break;
	case pvo_InfoRecord_left_out_tag:
		add_text(object, "section", section_name(rec->what.left_out.section));
		add_int(object, "count", rec->what.left_out.count);
		break;
	case pvo_InfoRecord_synced_tag:
		add_int(object, "records", rec->what.synced.records);
		break;
	}
}

/* How each is called: in the JSON of an event, in that of pvhost info, on a line for people. */
static const struct name {
	pb_size_t tag;
	const char *event;
	const char *list;	/* of several; NULL: there is one */
	const char *label;
} names[] = {
	{ pvo_InfoRecord_tools_tag, "tools", NULL, "tools" },
	{ pvo_InfoRecord_os_tag, "os", NULL, "system" },
	{ pvo_InfoRecord_host_tag, "hostname", NULL, "hostname" },
	{ pvo_InfoRecord_zone_tag, "time_zone", NULL, "time zone" },
	{ pvo_InfoRecord_user_tag, "user", "users", "user" },
	{ pvo_InfoRecord_link_tag, "link", "links", "link" },
	{ pvo_InfoRecord_address_tag, "address", "addresses", "address" },
	{ pvo_InfoRecord_route_tag, "route", "routes", "route" },
	{ pvo_InfoRecord_fs_tag, "filesystem", "filesystems", "file system" },
	{ pvo_InfoRecord_load_tag, "load", NULL, "load" },
	{ pvo_InfoRecord_left_out_tag, "left_out", "left_out", "left out" },
	{ pvo_InfoRecord_synced_tag, "synced", NULL, "synced" },
};

static const struct name *name_of(const pvo_InfoRecord *rec)
{
	static const struct name unknown = { 0, "unknown", NULL, "unknown" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].tag == rec->which_what)
			return &names[i];
	return &unknown;
}

const char *info_event(const pvo_InfoRecord *rec)
{
	return name_of(rec)->event;
}

const char *info_list(const pvo_InfoRecord *rec)
{
	return name_of(rec)->list;
}

const char *info_label(const pvo_InfoRecord *rec)
{
	return name_of(rec)->label;
}

static void text_os(char *to, size_t size, const pvo_InfoOs *os)
{
	char name[TEXT], release[TEXT], machine[TEXT], up[32];

	snprintf(to, size, "%s, Linux %s, %s, up %s",
		 os->name.size ? text_field(name, os->name) : "unknown",
		 text_of(release, sizeof(release), os->release, strlen(os->release)),
		 text_of(machine, sizeof(machine), os->machine, strlen(os->machine)),
		 duration_text(up, sizeof(up), os->uptime_ms / 1000));
}

static void text_fs(char *to, size_t size, const pvo_InfoFs *fs)
{
	char target[TEXT], type[64], used[32], all[32];

	text_field(target, fs->target);
	text_field(type, fs->type);
	if (!fs->asked)
		snprintf(to, size, "%-20s %s%s", target, type, fs->readonly ? ", read only" : "");
	else
		snprintf(to, size, "%-20s %s, %s of %s used (%u%%)%s", target, type,
			 bytes_text(used, sizeof(used), fs->used),
			 bytes_text(all, sizeof(all), fs->size), percent(fs->used, fs->size),
			 fs->readonly ? ", read only" : "");
}

/* 0 where a guest says that more is left than there is */
static __u64 used_of(__u64 all, __u64 left)
{
	return all > left ? all - left : 0;
}

static void text_load(char *to, size_t size, const pvo_InfoLoad *load)
{
	char used[32], all[32], swap[32];
	__u64 memory_used = used_of(load->memory, load->memory_available);

	snprintf(to, size, "%u of %u CPUs, load %u.%02u %u.%02u %u.%02u, memory %s of %s used (%u%%), swap %s of %s",
		 load->cpus, load->cpus_present, load->load1 / 100, load->load1 % 100,
		 load->load5 / 100, load->load5 % 100, load->load15 / 100, load->load15 % 100,
		 bytes_text(used, sizeof(used), memory_used),
		 bytes_text(all, sizeof(all), load->memory), percent(memory_used, load->memory),
		 bytes_text(swap, sizeof(swap), used_of(load->swap, load->swap_free)),
		 bytes_text((char[32]){ }, 32, load->swap));
}

static void text_net(char *to, size_t size, const pvo_InfoRecord *rec)
{
	char name[80], address[INET6_ADDRSTRLEN + 16], gateway[INET6_ADDRSTRLEN], mac[128];
	const pvo_InfoLink *link = &rec->what.link;
	const pvo_InfoAddress *a = &rec->what.address;
	const pvo_InfoRoute *route = &rec->what.route;

	if (rec->which_what == pvo_InfoRecord_link_tag) {
		snprintf(to, size, "%-10s %s, %s, MTU %u", text_field(name, link->name),
			 !link->up ? "down" : link->carrier ? "up" : "no carrier",
			 mac_text(mac, sizeof(mac), link->mac.bytes, link->mac.size), link->mtu);
	} else if (rec->which_what == pvo_InfoRecord_address_tag) {
		snprintf(to, size, "%-10s %s/%u, %s%s%s", text_field(name, a->link),
			 address_field(address, a->address), a->prefix, scope_name(a->scope),
			 a->flags & IFA_F_TENTATIVE ? ", tentative" : "",
			 a->flags & IFA_F_DEPRECATED ? ", deprecated" : "");
	} else {
		snprintf(to, size, "%-10s %s%s%s", text_field(name, route->link),
			 destination_text(address, sizeof(address), route),
			 route->gateway.size ? " via " : "",
			 route->gateway.size ? address_field(gateway, route->gateway) : "");
	}
}

static void text_user(char *to, size_t size, const pvo_InfoUser *user)
{
	char name[TEXT], line[TEXT], host[TEXT], since[64];

	snprintf(to, size, "%-10s %s%s%s, since %s", text_field(name, user->name),
		 text_field(line, user->line), user->host.size ? " from " : "",
		 text_field(host, user->host), time_text(since, sizeof(since), user->since));
}

void info_text(char *to, size_t size, const pvo_InfoRecord *rec)
{
	const pvo_InfoTools *tools = &rec->what.tools;
	char text[TEXT], allowed[TEXT], offset[32];

	switch (rec->which_what) {
	case pvo_InfoRecord_tools_tag:
		snprintf(to, size, "pvguestd %s, %s mode; allowed: %s",
			 text_of(text, sizeof(text), tools->version, strlen(tools->version)),
			 mode_name(tools->mode), *tools->allowed ?
			 text_of(allowed, sizeof(allowed), tools->allowed,
				 strlen(tools->allowed)) : "nothing");
		break;
	case pvo_InfoRecord_os_tag:
		text_os(to, size, &rec->what.os);
		break;
	case pvo_InfoRecord_host_tag:
		text_of(to, size, rec->what.host.name.bytes, rec->what.host.name.size);
		break;
	case pvo_InfoRecord_zone_tag:
		snprintf(to, size, "%s%s%s", text_field(text, rec->what.zone.name),
			 rec->what.zone.name.size ? ", " : "",
			 offset_text(offset, sizeof(offset), rec->what.zone.offset));
		break;
	case pvo_InfoRecord_user_tag:
		text_user(to, size, &rec->what.user);
		break;
	case pvo_InfoRecord_link_tag:
	case pvo_InfoRecord_address_tag:
	case pvo_InfoRecord_route_tag:
		text_net(to, size, rec);
		break;
	case pvo_InfoRecord_fs_tag:
		text_fs(to, size, &rec->what.fs);
		break;
	case pvo_InfoRecord_load_tag:
		text_load(to, size, &rec->what.load);
		break;
	case pvo_InfoRecord_left_out_tag:
		snprintf(to, size, "%u more of %s", rec->what.left_out.count,
			 section_name(rec->what.left_out.section));
		break;
	default:
		snprintf(to, size, "?");
	}
}
