// SPDX-License-Identifier: GPL-2.0-only
/*
 * Targets of forwarding, as rules and requests write them: "tcp:ADDRESS:PORT" and "unix:PATH";
 * in a rule the address may be "*", "localhost" or a network, the port a range or "*", the
 * path a pattern.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "policy_rules.h"

/* A decimal number of at most five digits at *@at, which is moved behind it; -1: none. */
static int number(const char **at)
{
	int value = 0, digits = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (++digits > 5)
			return -1;
		value = value * 10 + **at - '0';
	}
	return digits ? value : -1;
}

static const char *parse_ports(const char *at, bool pattern, struct target *target)
{
	int low, high;

	if (pattern && !strcmp(at, "*")) {
		target->port_low = 1;
		target->port_high = 65535;
		return NULL;
	}
	low = number(&at);
	high = low;
	if (pattern && *at == '-') {
		at++;
		high = number(&at);
	}
	if (*at || low < 1 || high > 65535)
		return pattern ? "the port is not a number from 1 to 65535, a range or '*'" :
				 "the port is not a number from 1 to 65535";
	if (high < low)
		return "the range of ports ends before it begins";
	target->port_low = low;
	target->port_high = high;
	return NULL;
}

/* Are all bits after the first @prefix zero? */
static bool is_network(const struct in6_addr *address, unsigned int prefix)
{
	unsigned int i;

	for (i = prefix; i < 128; i++)
		if (address->s6_addr[i / 8] & (0x80 >> i % 8))
			return false;
	return true;
}

/* @text: an address, and in a rule "/PREFIX"; it is written to. */
static const char *parse_address(char *text, bool six, bool pattern, struct target *target)
{
	char *slash = pattern ? strchr(text, '/') : NULL;
	unsigned int bits = six ? 128 : 32;
	struct in_addr four;
	const char *at;
	int prefix = bits;

	if (slash) {
		*slash = '\0';
		at = slash + 1;
		prefix = number(&at);
		if (*at || prefix < 0 || prefix > (int)bits)
			return six ? "the prefix is not a number from 0 to 128" :
				     "the prefix is not a number from 0 to 32";
	}
	if (six) {
		if (inet_pton(AF_INET6, text, &target->address) != 1)
			return "not an IPv6 address in the brackets";
	} else {
		if (inet_pton(AF_INET, text, &four) != 1)
			return "not an IPv4 address";
		memset(&target->address, 0, sizeof(target->address));
		memset(&target->address.s6_addr[10], 0xff, 2);
		memcpy(&target->address.s6_addr[12], &four, 4);
	}
	target->prefix = prefix + 128 - bits;
	return is_network(&target->address, target->prefix) ? NULL :
		"the address has bits beyond the prefix";
}

static const char *parse_tcp(const char *text, bool pattern, struct target *target)
{
	char address[INET6_ADDRSTRLEN + 8];
	bool six = *text == '[';
	const char *end;

	text += six;
	end = strchr(text, six ? ']' : ':');
	if (!end || (six && end[1] != ':'))
		return "not tcp:ADDRESS:PORT, an IPv6 address in brackets";
	if ((size_t)(end - text) >= sizeof(address))
		return "the address is too long";
	memcpy(address, text, end - text);
	address[end - text] = '\0';
	target->any = pattern && !six && !strcmp(address, "*");
	target->local = pattern && !six && !strcmp(address, "localhost");
	if (!target->any && !target->local) {
		const char *wrong = parse_address(address, six, pattern, target);

		if (wrong)
			return wrong;
	}
	return parse_ports(end + 1 + six, pattern, target);
}

const char *target_parse(const char *text, bool pattern, struct target *target)
{
	const char *wrong;

	memset(target, 0, sizeof(*target));
	if (!strncmp(text, "tcp:", 4))
		return parse_tcp(text + 4, pattern, target);
	if (strncmp(text, "unix:", 5))
		return "neither tcp:ADDRESS:PORT nor unix:PATH";
	target->path = text + 5;
	if (!path_is_normal(target->path))
		return "the path is not absolute and normal";
	wrong = pattern ? glob_check(target->path) : NULL;
	return wrong;
}

static bool is_loopback(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) ||
		(IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

static bool same_bits(const struct in6_addr *a, const struct in6_addr *b, unsigned int bits)
{
	unsigned int i = bits / 8;

	if (memcmp(a, b, i))
		return false;
	return !(bits % 8) || !((a->s6_addr[i] ^ b->s6_addr[i]) >> (8 - bits % 8));
}

bool target_matches(const struct target *pattern, const struct target *target)
{
	if (pattern->path || target->path)
		return pattern->path && target->path && glob_path(pattern->path, target->path);
	if (target->port_low < pattern->port_low || target->port_high > pattern->port_high)
		return false;
	if (pattern->any)
		return true;
	if (pattern->local)
		return is_loopback(&target->address);
	/* All of IPv6 has no address of IPv4 in it. */
	return IN6_IS_ADDR_V4MAPPED(&pattern->address) == IN6_IS_ADDR_V4MAPPED(&target->address) &&
		same_bits(&pattern->address, &target->address, pattern->prefix);
}

static bool is_any_of_four(const struct in6_addr *address)
{
	return IN6_IS_ADDR_V4MAPPED(address) && is_network(address, 96);
}

bool target_includes(const struct target *target, const struct target *pattern)
{
	if (target->path || pattern->path || target->port_low < pattern->port_low ||
	    target->port_high > pattern->port_high)
		return false;
	/* The one of IPv6 has what comes over IPv4, too, as the kernel has it by default. */
	if (IN6_IS_ADDR_UNSPECIFIED(&target->address))
		return true;
	return is_any_of_four(&target->address) &&
		(pattern->any || pattern->local || IN6_IS_ADDR_V4MAPPED(&pattern->address));
}

void target_connect(struct target *target)
{
	if (target->path)
		return;
	if (IN6_IS_ADDR_UNSPECIFIED(&target->address))
		target->address.s6_addr[15] = 1;
	else if (is_any_of_four(&target->address))
		memcpy(&target->address.s6_addr[12], "\x7f\0\0\1", 4);
}
