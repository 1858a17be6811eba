// SPDX-License-Identifier: GPL-2.0-only
/*
 * Patterns and targets of the policy, in tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "glob.h"
#include "policy_rules.h"
#include "unit.h"

#define COUNT(table)	(sizeof(table) / sizeof(*(table)))

struct pair {
	const char *pattern;
	const char *text;
	bool matches;
};

static void check(const struct pair *table, size_t count,
		  bool (*matches)(const char *pattern, const char *text))
{
	size_t i;

	for (i = 0; i < count; i++)
		if (matches(table[i].pattern, table[i].text) != table[i].matches)
			fail_msg("'%s' and '%s': not %d", table[i].pattern, table[i].text,
				 table[i].matches);
}

static void test_text(void **state)
{
	static const struct pair table[] = {
		{ "", "", true }, { "", "a", false }, { "a", "", false }, { "a", "a", true },
		{ "a", "b", false }, { "a", "aa", false }, { "*", "", true }, { "*", "abc", true },
		{ "*", "a/b", true }, { "?", "", false }, { "?", "a", true }, { "?", "ab", false },
		{ "a*", "a", true }, { "a*", "abc", true }, { "a*", "b", false },
		{ "*c", "abc", true }, { "*c", "abcd", false }, { "a*c", "ac", true },
		{ "a*c", "abbc", true }, { "a*c", "abcb", false }, { "a*b*c", "axbxc", true },
		{ "a*b*c", "axxc", false }, { "*a*", "bab", true }, { "**", "ab", true },
		{ "a?c", "abc", true }, { "a?c", "ac", false }, { "[abc]", "b", true },
		{ "[abc]", "d", false }, { "[a-c]", "b", true }, { "[a-c]", "d", false },
		{ "[!a-c]", "d", true }, { "[!a-c]", "b", false }, { "[]]", "]", true },
		{ "[!]]", "]", false }, { "[!]]", "a", true }, { "[*]", "*", true },
		{ "[*]", "a", false }, { "[-a]", "-", true }, { "[a-]", "-", true },
		{ "[!-]*", "-x", false }, { "[!-]*", "x-", true }, { "[!-]*", "", false },
		{ "ci-*", "ci-1", true }, { "ci-*", "ci", false }, { "ci-*", "CI-1", false },
		{ "[a", "[a", false }, { "a\\*", "a*", false }, { "a\\*", "a\\x", true },
		{ "*aaaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
		{ "\xc3\xa9", "\xc3\xa9", true }, { "??", "\xc3\xa9", true },
		{ "[\xc3-\xc4]", "\xc3", true },
	};

	(void)state;
	check(table, COUNT(table), glob_text);
}

static void test_path(void **state)
{
	static const struct pair table[] = {
		{ "/", "/", true }, { "/", "/a", false }, { "/a", "/a", true },
		{ "/a", "/a/b", false }, { "/a", "/ab", false }, { "/a/b", "/a", false },
		{ "/*", "/a", true }, { "/*", "/a/b", false }, { "/*", "/", true },
		{ "/a/*", "/a/b", true }, { "/a/*", "/a/b/c", false }, { "/a/*", "/a", false },
		{ "/a/*/c", "/a/b/c", true }, { "/a/*/c", "/a/c", false },
		{ "/a/*/c", "/a/b/b/c", false }, { "/a/b*", "/a/b", true },
		{ "/a/b*", "/a/bc", true }, { "/a/b*", "/a/b/c", false },
		{ "/**", "/", true }, { "/**", "/a", true }, { "/**", "/a/b/c", true },
		{ "/a/**", "/a", true }, { "/a/**", "/a/b", true }, { "/a/**", "/a/b/c", true },
		{ "/a/**", "/ab", false }, { "/a/**/c", "/a/c", true },
		{ "/a/**/c", "/a/b/c", true }, { "/a/**/c", "/a/b/b/c", true },
		{ "/a/**/c", "/a/b/cc", false }, { "/a/**/c", "/a/b", false },
		{ "/**/c", "/c", true }, { "/**/c", "/a/b/c", true }, { "/**/c", "/a/c/b", false },
		{ "/**/b/**/d", "/a/b/c/d", true }, { "/**/b/**/d", "/b/d", true },
		{ "/**/b/**/d", "/b/c", false }, { "/**/*.log", "/var/log/a.log", true },
		{ "/**/*.log", "/a.log", true }, { "/**/*.log", "/a.log/b", false },
		{ "/usr/bin/[a-c]*", "/usr/bin/cat", true },
		{ "/usr/bin/[a-c]*", "/usr/bin/dd", false },
		{ "/usr/?in/x", "/usr/bin/x", true }, { "/usr/?in/x", "/usr//in/x", false },
		{ "/a/[!b]/c", "/a///c", false }, { "a/*", "a/b", true }, { "*", "a", true },
		{ "*", "a/b", false }, { "**", "a/b", true }, { "**", "", true },
		{ "--dir=/srv/**", "--dir=/srv/a/b", true },
		{ "--dir=/srv/**", "--dir=/srvx/a", false },
		{ "[!-]*", "/etc", false }, { "[!-]*", "nginx", true },
		{ "/a/**/**/b", "/a/b", true }, { "/a/**/**", "/a/b", true },
		{ "/**/a/**/a/**/a/**/b", "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", false },
	};

	(void)state;
	check(table, COUNT(table), glob_path);
}

static void test_beneath(void **state)
{
	static const struct pair table[] = {
		{ "/", "/", true }, { "/", "/a/b", true }, { "/srv", "/srv", true },
		{ "/srv", "/srv/a", true }, { "/srv", "/srvx", false }, { "/srv", "/", false },
		{ "/srv", "/sr", false }, { "/srv/a", "/srv", false }, { "/srv/*", "/srv", false },
		{ "/srv/*", "/srv/a", true }, { "/srv/*", "/srv/a/b/c", true },
		{ "/home/*/data", "/home/a/data", true },
		{ "/home/*/data", "/home/a/data/x", true },
		{ "/home/*/data", "/home/a/datax", false }, { "/home/*/data", "/home/a", false },
		{ "/home/*/data", "/home/a/b/data", false },
		{ "/srv/**/.ssh", "/srv/a/b/.ssh", true },
		{ "/srv/**/.ssh", "/srv/.ssh/id", true }, { "/srv/**/.ssh", "/srv/a/ssh", false },
		{ "/srv/**", "/srv/a", true }, { "/**", "/", true },
	};

	(void)state;
	check(table, COUNT(table), glob_beneath);
}

static bool above(const char *pattern, const char *path)
{
	return glob_above(pattern, path, false);
}

static bool above_deep(const char *pattern, const char *path)
{
	return glob_above(pattern, path, true);
}

static void test_above(void **state)
{
	static const struct pair flat[] = {
		{ "/srv/a", "/srv", true }, { "/srv/a", "/", true }, { "/srv/a", "/srv/a", false },
		{ "/srv/a", "/srv/b", false }, { "/srv/a", "/sr", false },
		{ "/srv/*/x", "/srv/b", true }, { "/srv/*/x", "/srv/b/x", false },
		{ "/srv/**/x", "/srv", true },
		{ "/srv/**/x", "/srv/a", false }, { "/srv/a", "/srv/a/b", false },
	};
	static const struct pair deep[] = {
		{ "/srv/**/x", "/srv", true }, { "/srv/**/x", "/srv/a/b", true },
		{ "/srv/**/x", "/home", false }, { "/srv/a", "/srv", true },
	};

	(void)state;
	check(flat, COUNT(flat), above);
	check(deep, COUNT(deep), above_deep);
}

static void test_normal(void **state)
{
	static const struct {
		const char *path;
		bool normal;
	} table[] = {
		{ "/", true }, { "/a", true }, { "/a/b", true }, { "/a.b", true }, { "/..a", true },
		{ "/a..", true }, { "/...", true }, { "", false }, { "a", false }, { "//", false },
		{ "/a/", false }, { "/a//b", false }, { "//a", false }, { "/.", false },
		{ "/..", false }, { "/a/.", false }, { "/a/..", false }, { "/a/../b", false },
		{ "/./a", false }, { "./a", false }, { "../a", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(table); i++)
		if (path_is_normal(table[i].path) != table[i].normal)
			fail_msg("'%s': not %d", table[i].path, table[i].normal);
}

static void test_check(void **state)
{
	static const struct {
		const char *pattern;
		bool good;
	} table[] = {
		{ "", true }, { "/a/*", true }, { "/a/**", true }, { "/**/b", true },
		{ "a*b*", true },
		{ "[a]", true }, { "[]]", true }, { "[!]a]", true }, { "/a/[bc]/d", true },
		{ "/a**", false }, { "/**a", false }, { "/a/***", false }, { "/a/***/b", false },
		{ "[a", false }, { "/[a/b]", false }, { "[]", false }, { "[!]", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(table); i++)
		if (!glob_check(table[i].pattern) != table[i].good)
			fail_msg("'%s': not %d", table[i].pattern, table[i].good);
}

static bool connects(const char *rule, const char *to)
{
	struct target pattern, target;

	if (target_parse(rule, true, &pattern))
		fail_msg("'%s' is no pattern: %s", rule, target_parse(rule, true, &pattern));
	if (target_parse(to, false, &target))
		fail_msg("'%s' is no target: %s", to, target_parse(to, false, &target));
	target_connect(&target);
	return target_matches(&pattern, &target);
}

static void test_target(void **state)
{
	static const struct pair table[] = {
		{ "tcp:127.0.0.1:22", "tcp:127.0.0.1:22", true },
		{ "tcp:127.0.0.1:22", "tcp:127.0.0.1:23", false },
		{ "tcp:127.0.0.1:22", "tcp:127.0.0.2:22", false },
		{ "tcp:127.0.0.1:22", "tcp:0.0.0.0:22", true },
		{ "tcp:127.0.0.1:22", "tcp:[::ffff:127.0.0.1]:22", true },
		{ "tcp:127.0.0.1:22", "tcp:[::ffff:0.0.0.0]:22", true },
		{ "tcp:127.0.0.1:22", "tcp:[::1]:22", false },
		{ "tcp:[::1]:22", "tcp:[::]:22", true },
		{ "tcp:[::1]:22", "tcp:[0:0:0:0:0:0:0:1]:22", true },
		{ "tcp:localhost:22", "tcp:127.0.0.1:22", true },
		{ "tcp:localhost:22", "tcp:127.9.9.9:22", true },
		{ "tcp:localhost:22", "tcp:[::1]:22", true },
		{ "tcp:localhost:22", "tcp:0.0.0.0:22", true },
		{ "tcp:localhost:22", "tcp:10.0.0.1:22", false },
		{ "tcp:10.0.0.0/8:80", "tcp:10.255.0.1:80", true },
		{ "tcp:10.0.0.0/8:80", "tcp:11.0.0.1:80", false },
		{ "tcp:10.0.0.0/9:80", "tcp:10.127.0.1:80", true },
		{ "tcp:10.0.0.0/9:80", "tcp:10.128.0.1:80", false },
		{ "tcp:10.0.0.0/8:80", "tcp:[::ffff:10.1.1.1]:80", true },
		{ "tcp:0.0.0.0/0:80", "tcp:8.8.8.8:80", true },
		{ "tcp:0.0.0.0/0:80", "tcp:[2001:db8::1]:80", false },
		{ "tcp:[::/0]:80", "tcp:[2001:db8::1]:80", true },
		{ "tcp:[::/0]:80", "tcp:8.8.8.8:80", false },
		{ "tcp:[2001:db8::/32]:80", "tcp:[2001:db8:1::1]:80", true },
		{ "tcp:[2001:db8::/32]:80", "tcp:[2001:db9::1]:80", false },
		{ "tcp:*:80", "tcp:8.8.8.8:80", true },
		{ "tcp:*:80", "tcp:[2001:db8::1]:80", true },
		{ "tcp:*:80", "tcp:8.8.8.8:81", false }, { "tcp:*:*", "tcp:8.8.8.8:1", true },
		{ "tcp:*:*", "tcp:8.8.8.8:65535", true }, { "tcp:*:80-90", "tcp:1.1.1.1:80", true },
		{ "tcp:*:80-90", "tcp:1.1.1.1:90", true },
		{ "tcp:*:80-90", "tcp:1.1.1.1:91", false },
		{ "tcp:*:80-90", "tcp:1.1.1.1:79", false }, { "tcp:*:*", "unix:/run/x", false },
		{ "unix:/run/x", "unix:/run/x", true }, { "unix:/run/x", "unix:/run/xy", false },
		{ "unix:/run/*", "unix:/run/x", true }, { "unix:/run/*", "unix:/run/x/y", false },
		{ "unix:/run/**", "unix:/run/x/y", true },
		{ "unix:/run/x", "tcp:1.1.1.1:1", false },
	};

	(void)state;
	check(table, COUNT(table), connects);
}

static void test_target_bad(void **state)
{
	static const struct {
		const char *text;
		bool pattern, target;	/* is it one? */
	} table[] = {
		{ "tcp:1.2.3.4:1", true, true }, { "tcp:*:1", true, false },
		{ "tcp:1.2.3.4:*", true, false }, { "tcp:localhost:1", true, false },
		{ "tcp:1.2.3.4:1-2", true, false }, { "tcp:1.0.0.0/8:1", true, false },
		{ "unix:/x", true, true }, { "unix:/*", true, true }, { "unix:/[", false, true },
		{ "", false, false }, { "tcp", false, false }, { "tcp:", false, false },
		{ "tcp:1.2.3.4", false, false }, { "tcp:1.2.3.4:", false, false },
		{ "tcp:1.2.3.4:0", false, false }, { "tcp:1.2.3.4:65536", false, false },
		{ "tcp:1.2.3.4:123456", false, false }, { "tcp:1.2.3.4:1x", false, false },
		{ "tcp:1.2.3.4:-1", false, false }, { "tcp:1.2.3.4: 1", false, false },
		{ "tcp:1.2.3:1", false, false }, { "tcp:01.2.3.4.5:1", false, false },
		{ "tcp:example.org:1", false, false }, { "tcp:::1:1", false, false },
		{ "tcp:[::1:1", false, false }, { "tcp:[::1]1", false, false },
		{ "tcp:[1.2.3.4]:1", false, false }, { "tcp:[::1%lo]:1", false, false },
		{ "tcp:1.2.3.4/33:1", false, false }, { "tcp:1.2.3.4/8:1", false, false },
		{ "tcp:[::1/129]:1", false, false }, { "tcp:[::1/64]:1", false, false },
		{ "tcp:1.2.3.4:2-1", false, false }, { "tcp:1.2.3.4:1-", false, false },
		{ "unix:", false, false }, { "unix:x", false, false },
		{ "unix:/x/../y", false, false },
		{ "unix:@x", false, false }, { "udp:1.2.3.4:1", false, false },
		{ "TCP:1.2.3.4:1", false, false }, { "tcp:1.2.3.4/:1", false, false },
		{ "tcp:[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1", false, false },
	};
	struct target target;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(table); i++) {
		if (!target_parse(table[i].text, true, &target) != table[i].pattern)
			fail_msg("pattern '%s': not %d", table[i].text, table[i].pattern);
		if (!target_parse(table[i].text, false, &target) != table[i].target)
			fail_msg("target '%s': not %d", table[i].text, table[i].target);
	}
}

int test_glob(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text), cmocka_unit_test(test_path),
		cmocka_unit_test(test_beneath), cmocka_unit_test(test_above),
		cmocka_unit_test(test_normal), cmocka_unit_test(test_check),
		cmocka_unit_test(test_target), cmocka_unit_test(test_target_bad),
	};

	return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
