// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grammar and the decisions of the policy, in tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy_rules.h"
#include "unit.h"

#define COUNT(table)	(sizeof(table) / sizeof(*(table)))

/* The first error, and how many. */
struct errors {
	unsigned int count;
	char first[POLICY_TEXT_MAX];
};

static void report(void *priv, const char *text)
{
	struct errors *errors = priv;

	if (!errors->count++)
		snprintf(errors->first, sizeof(errors->first), "%s", text);
}

static struct policy *parse(const char *text, struct errors *errors)
{
	struct policy *policy = policy_closed();

	policy->closed = false;
	memset(errors, 0, sizeof(*errors));
	policy_parse(policy, "t", text, strlen(text), report, errors);
	snprintf(policy->error, sizeof(policy->error), "%s", errors->first);
	return policy;
}

#define RULE	"[rule \"a\"]\n"
#define EXEC	RULE "allow = exec\nuser = u\n"
#define FILES	RULE "allow = @files\nuser = u\n"
#define TCP	RULE "allow = connect\n"

static void test_errors(void **state)
{
	static const struct {
		const char *text;
		const char *error;	/* NULL: none */
	} table[] = {
		{ "", NULL }, { "\n\n", NULL }, { "# x\n; y\n", NULL },
		{ RULE "allow = info\n", NULL },
		{ RULE "allow = info", NULL }, { RULE "  allow  =  info  \r\n", NULL },
		{ RULE "allow=info,top\n", NULL }, { RULE "allow = info top\n", NULL },
		{ RULE "allow = info\nallow = top\n", NULL }, { RULE "deny = @all\n", NULL },
		{ RULE "# x\nallow = info\n", NULL }, { RULE "allow = info\n\n# y\n", NULL },
		{ RULE "allow = info\nprincipal = \"a b\", c\n", NULL },
		{ RULE "allow = info\nprincipal = \"\"\n", NULL },
		{ RULE "allow = info\nprincipal = a:b\n", NULL },
		{ EXEC "command = /bin/a\n", NULL }, { EXEC "command = /bin/a \"b ; c\"\n",
		  "t:4: a comment is" }, { EXEC "command = /bin/a \"b # c\"\n", NULL },
		{ EXEC "command = /bin/a b,c * **\n", NULL }, { EXEC "command = /** **\n", NULL },
		{ FILES "root = / rw\n", NULL }, { FILES "root = \"/a b\" r\n", NULL },
		{ FILES "root = /home/*/x w\n", NULL }, { TCP "target = tcp:*:1\n", NULL },
		{ TCP "target = unix:/x\nuser = *\n", NULL },
		{ "[limits \"a\"]\njobs = 3\n", NULL }, { "[limits \"a\"]\nrate = 10/s\n", NULL },
		{ "[limits \"a\"]\nbytes = 64K\nprincipal = x\n", NULL },
		{ RULE "allow = info\n[limits \"a\"]\njobs = 1\n", NULL },

		{ "allow = info\n", "t:1: this is before the first section" },
		{ "\n\nx\n", "t:3: this is before the first section" },
		{ RULE, "t:1: the rule has neither allow nor deny" },
		{ "[rule \"a\"]\n[rule \"b\"]\nallow = info\n", "t:1: the rule has neither" },
		{ RULE "principal = a\n", "t:1: the rule has neither allow nor deny" },
		{ RULE "allow = info\ndeny = top\n", "t:1: a rule has either allow or deny" },
		{ RULE "allow = inf\n", "t:2: there is no verb 'inf'" },
		{ RULE "allow = @nope\n", "t:2: there is no verb '@nope'" },
		{ RULE "allow = INFO\n", "t:2: there is no verb 'INFO'" },
		{ RULE "allow = info*\n", "t:2: there is no verb" },
		{ RULE "allow =\n", "t:2: 'allow' has no value" },
		{ RULE "allow = ,\n", "t:2: 'allow' has no value" },
		{ RULE "allow\n", "t:2: neither KEY = VALUE" },
		{ RULE "= info\n", "t:2: neither KEY = VALUE" },
		{ RULE "allow : info\n", "t:2: neither KEY = VALUE" },
		{ RULE "allow = info\n  top\n", "t:3: neither KEY = VALUE" },
		{ RULE "alow = info\n", "t:2: a rule has no key 'alow'" },
		{ RULE "Allow = info\n", "t:2: a rule has no key 'Allow'" },
		{ RULE "allow = info # x\n", "t:2: a comment is a line of its own" },
		{ RULE "allow = info ; x\n", "t:2: a comment is a line of its own" },
		{ RULE "allow = info\x01\n", "t:2: there is a control character" },
		{ RULE "allow = info\x7f\n", "t:2: there is a control character" },
		{ RULE "allow = \"info\n", "t:2: a quote does not end" },
		{ RULE "allow = \"info\"x\n", "t:2: a quote does not end" },
		{ RULE "allow = in\"fo\"\n", "t:2: a quote is in the middle" },
		{ RULE "allow = info\nuser = \"\"\n", "t:3: '': a user has a name" },
		{ RULE "allow = info\nuser = a**\n", "t:3: 'a**': '**' is a component" },
		{ RULE "allow = info\nprincipal = [a\n", "t:3: '[a': '[' has no ']'" },
		{ "[rule a]\nallow = info\n", "t:1: not [rule" },
		{ "[rule \"a\"\nallow = info\n", "t:1: not [rule" },
		{ "[rule \"\"]\nallow = info\n", "t:1: not [rule" },
		{ "[rule \"a;b\"]\nallow = info\n", "t:1: not [rule" },
		{ "[rule \"a\"] x\nallow = info\n", "t:1: not [rule" },
		{ "[rule\"a\"]\nallow = info\n", "t:1: not [rule" },
		{ "[rules \"a\"]\nallow = info\n", "t:1: not [rule" }, { "[]\n", "t:1: not [rule" },
		{ "[rule \"123456789012345678901234567890123\"]\nallow = info\n", "t:1: not [rule" },
		{ "[rule \"12345678901234567890123456789012\"]\nallow = info\n", NULL },
		{ RULE "allow = info\n" RULE "allow = top\n", "t:3: the name 'a' is that of line 1" },
		{ EXEC, "t:1: the rule allows exec and has no command" },
		{ RULE "allow = exec\ncommand = /a\n", "t:1: the rule allows exec and has no user" },
		{ RULE "allow = kill\n", "t:1: the rule allows kill and has no user" },
		{ RULE "allow = put\nroot = / rw\n", "t:1: the rule allows put and has no user" },
		{ FILES, "t:1: the rule allows put and has no root" },
		{ TCP, "t:1: the rule allows connect and has no target" },
		{ TCP "target = unix:/x\n", "t:1: the rule has a target unix: and no user" },
		{ RULE "allow = info\ncommand = /a\n", "t:1: the rule has a command and no verb" },
		{ RULE "allow = info\nroot = /a r\n", "t:1: the rule has a root and no verb" },
		{ RULE "allow = info\nkey = a\n", "t:1: the rule has a key and no verb" },
		{ RULE "deny = @exec\ncommand = /a\n", "t:1: the rule denies ps, which uses no command" },
		{ RULE "deny = exec, put\ncommand = /a\n", "t:1: the rule denies put" },
		{ RULE "deny = exec\ncommand = /a\n", NULL },
		{ EXEC "command = a\n", "t:4: the command's path is not absolute" },
		{ EXEC "command = /a/../b\n", "t:4: the command's path is not absolute" },
		{ EXEC "command = /a/\n", "t:4: the command's path is not absolute" },
		{ EXEC "command = /a ** b\n", "t:4: '**', any arguments, comes last" },
		{ EXEC "command = /a b** c\n", "t:4: '**' is a component" },
		{ FILES "root = /a\n", "t:4: a root is a path and one of r, w, rw" },
		{ FILES "root = /a x\n", "t:4: a root is a path" },
		{ FILES "root = /a rwr\n", "t:4: a root is a path" },
		{ FILES "root = /a b r\n", "t:4: a root is a path" },
		{ FILES "root = a r\n", "t:4: the path is not absolute" },
		{ FILES "root = /a/ r\n", "t:4: the path is not absolute" },
		{ FILES "root = /a/./b r\n", "t:4: the path is not absolute" },
		{ TCP "target = tcp:x:1\n", "t:3: 'tcp:x:1': not an IPv4 address" },
		{ TCP "target = 22\n", "t:3: '22': neither tcp:" },
		{ "[limits \"a\"]\n", "t:1: the section sets no limit" },
		{ "[limits \"a\"]\njob = 3\n", "t:2: there is no limit 'job'" },
		{ "[limits \"a\"]\njobs = x\n", "t:2: 'x' is not a number" },
		{ "[limits \"a\"]\njobs = -1\n", "t:2: '-1' is not a number" },
		{ "[limits \"a\"]\njobs = 1K\n", "t:2: '1K' is not a number" },
		{ "[limits \"a\"]\njobs = 1 2\n", "t:2: a limit has one value" },
		{ "[limits \"a\"]\njobs = 1\njobs = 2\n", "t:3: there is a limit of jobs already" },
		{ "[limits \"a\"]\nrate = 10\n", "t:2: '10' is not a rate" },
		{ "[limits \"a\"]\nrate = 10/h\n", "t:2: '10/h' is not a rate" },
		{ "[limits \"a\"]\nbytes = 1T\n", "t:2: '1T' is not a size" },
		{ "[limits \"a\"]\nbytes = 9999999999999999999\n", "t:2: " },
		{ "[limits \"a\"]\nbytes = 999999999999999G\n", "t:2: " },
		{ "[limits \"a\"]\njobs = 1\nallow = info\n", "t:3: there is no limit 'allow'" },
	};
	struct errors errors;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(table); i++) {
		const char *wanted = table[i].error;

		policy_free(parse(table[i].text, &errors));
		if (!wanted && errors.count)
			fail_msg("[[%s]]: %s", table[i].text, errors.first);
		if (wanted && strncmp(errors.first, wanted, strlen(wanted)))
			fail_msg("[[%s]]: '%s', not '%s'", table[i].text, errors.first, wanted);
	}
}

static void test_bounds(void **state)
{
	char *text = malloc(1 << 20), *at = text;
	struct errors errors;
	int i;

	(void)state;
	for (i = 0; i <= POLICY_RULES_MAX; i++)
		at += sprintf(at, "[rule \"%d\"]\ndeny = info\n", i);
	policy_free(parse(text, &errors));
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.first, "t:513: more than 256 sections in all files");

	at = stpcpy(text, RULE "deny = info\n");
	for (i = 0; i <= POLICY_ENTRIES_MAX; i++)
		at += sprintf(at, "principal = p%d\n", i);
	policy_free(parse(text, &errors));
	assert_string_equal(errors.first, "t:67: more than 64 values of this key");

	at = stpcpy(text, RULE "deny = info\nprincipal =");
	for (i = 0; i <= POLICY_WORDS_MAX; i++)
		at = stpcpy(at, " p");
	policy_free(parse(text, &errors));
	assert_string_equal(errors.first, "t:3: more than 32 words");

	/* The longest line is understood, and one byte more is none that is cut in two. */
	at = stpcpy(text, RULE "deny = info\n");
	at += sprintf(at, "principal = %.*s", POLICY_LINE_MAX - 12,
		      "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
		      "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
		      "ppppppppppppppppppppppppppppppppppppppppppp");
	policy_free(parse(text, &errors));
	assert_int_equal(errors.count, 0);
	strcpy(at, "p");
	policy_free(parse(text, &errors));
	assert_string_equal(errors.first, "t:3: the line is longer than 190 bytes");
	assert_int_equal(errors.count, 1);
	free(text);
}

/**
 * struct question - and its answer
 * @verb: with "!" before it: would be denied
 * @args: argument strings of a command; [0] of the others
 */
struct question {
	const char *principal;
	const char *user;
	const char *verb;
	const char *args[4];
};

#define READS	"get", "ls", "stat"

static bool reads(const char *verb)
{
	static const char *const names[] = { READS };
	size_t i;

	for (i = 0; i < COUNT(names); i++)
		if (!strcmp(names[i], verb))
			return true;
	return false;
}

static void ask(const struct policy *policy, const struct question *q, const char *verb,
		struct verdict *v)
{
	char *argv[5] = { NULL };
	int i, n = verb_find(verb);

	policy_verb(policy, q->principal, verb, q->user, v);
	if (!v->allowed || !q->args[0])
		return;
	for (i = 0; i < 4; i++)
		argv[i] = (char *)q->args[i];
	switch (verb_at(n)->kind) {
	case KIND_EXEC:
		policy_command(policy, q->principal, q->user, q->args[0], argv, v);
		break;
	case KIND_FILE:
		policy_path(policy, q->principal, verb, q->user, q->args[0], !reads(verb), v);
		break;
	case KIND_FORWARD:
		policy_target(policy, q->principal, verb, q->user, q->args[0], v);
		break;
	default:
		policy_key(policy, q->principal, verb, q->user, q->args[0], v);
	}
}

static void answer_all(const struct policy *policy, const struct question *table, size_t count)
{
	struct verdict v;
	size_t i;

	for (i = 0; i < count; i++) {
		const char *verb = table[i].verb;
		bool allowed = *verb != '!';

		ask(policy, &table[i], verb + !allowed, &v);
		if (v.allowed != allowed)
			fail_msg("%zu: %s of '%s' as '%s', %s: %s", i, verb, table[i].principal,
				 table[i].user, table[i].args[0], v.text);
	}
}

static void test_built_in(void **state)
{
	static const struct question table[] = {
		{ "", "", "ping" }, { "", "", "status" }, { "", "", "info" }, { "", "", "watch" },
		{ "", "", "top" }, { "x", "root", "shutdown" }, { "", "", "reboot" },
		{ "", "", "kv-get", { "a" } }, { "", "", "kv-set", { "a" } },
		{ "", "", "kv-delete" },
		{ "", "", "kv-list" }, { "", "", "kv-watch" }, { "", "", "!exec" },
		{ "", "", "!ps" },
		{ "", "", "!kill" }, { "", "", "!jobs" }, { "", "", "!put" }, { "", "", "!get" },
		{ "", "", "!ls" }, { "", "", "!stat" }, { "", "", "!mkdir" }, { "", "", "!mv" },
		{ "", "", "!rm" }, { "", "", "!sync" }, { "", "", "!setattr" },
		{ "", "", "!connect" },
		{ "", "", "!listen" }, { "", "", "!suspend" }, { "", "", "!fstrim" },
		{ "", "", "!online" }, { "", "", "!customize" }, { "", "", "!" },
		{ "", "", "!@info" },
	};
	struct policy *policy = policy_closed();
	struct errors errors;

	(void)state;
	answer_all(policy, table, COUNT(table));
	policy_free(policy);
	policy = parse("", &errors);
	answer_all(policy, table, COUNT(table));
	policy_free(policy);
}

static void test_decisions(void **state)
{
	static const char text[] =
		"[rule \"no secrets\"]\ndeny = @files\nroot = /srv/backup/keys rw\n"
		"root = /srv/**/.ssh rw\n"
		"[rule \"backup\"]\nprincipal = backup\nallow = put, get, mv, rm, ls\nuser = backup\n"
		"root = /srv/backup rw\nroot = /var/log r\nroot = /in w\nroot = /home/*/data r\n"
		"[rule \"ci\"]\nprincipal = ci-*, !ci-0\nallow = exec, kill\nuser = ci, !root\n"
		"command = /usr/bin/id\ncommand = /usr/bin/make -C /srv/** [!-]*\n"
		"command = /usr/bin/systemctl status *\ncommand = /usr/bin/bash **\n"
		"command = /usr/bin/tar -x --dir=/srv/* **\ncommand = /opt/*/run\n"
		"[rule \"not that\"]\ndeny = exec\ncommand = /usr/bin/bash -c rm*\n"
		"[rule \"ssh\"]\nprincipal = net\nallow = connect\ntarget = tcp:localhost:22, tcp:10.0.0.0/8:80-90\n"
		"[rule \"listen\"]\nprincipal = net\nallow = listen\ntarget = tcp:127.0.0.1:8000-8999\n"
		"[rule \"wide\"]\nprincipal = wide\nallow = listen\ntarget = tcp:*:*\n"
		"[rule \"four\"]\ndeny = listen\ntarget = tcp:10.1.0.0/16:8080\n"
		"[rule \"six\"]\ndeny = listen\ntarget = tcp:[fd00::/8]:8081\n"
		"[rule \"not 10.1\"]\ndeny = connect\ntarget = tcp:10.1.0.0/16:*\n"
		"[rule \"sock\"]\nprincipal = net\nallow = connect\nuser = www\ntarget = unix:/run/www/*\n"
		"[rule \"no power\"]\ndeny = @power\nprincipal = !admin\n"
		"[rule \"keys\"]\ndeny = kv-set, kv-delete\nprincipal = ci-*\nkey = !ci/**\n"
		"[rule \"no top\"]\ndeny = top\nuser = root\n";
	static const struct question table[] = {
		/* principals and users */
		{ "backup", "backup", "put" }, { "backup", "root", "!put" },
		{ "backup", "", "!put" },
		{ "backupx", "backup", "!put" }, { "Backup", "backup", "!put" },
		{ "", "backup", "!put" },
		{ "ci-1", "ci", "exec" }, { "ci-0", "ci", "!exec" }, { "ci-", "ci", "exec" },
		{ "ci", "ci", "!exec" }, { "ci-1", "root", "!exec" }, { "ci-1", "", "!exec" },
		{ "ci-1", "ci", "kill" }, { "ci-1", "ci", "!ps" },
		/* what is open, and denied */
		{ "admin", "", "shutdown" }, { "ci-1", "", "!shutdown" }, { "", "", "!reboot" },
		{ "admin", "", "!suspend" }, { "", "", "!top" }, { "", "root", "!top" },
		{ "", "ci", "top" }, { "", "", "info" },
		/* paths */
		{ "backup", "backup", "put", { "/srv/backup/x" } },
		{ "backup", "backup", "put", { "/srv/backup" } },
		{ "backup", "backup", "!put", { "/srv/backupx" } },
		{ "backup", "backup", "!put", { "/srv" } },
		{ "backup", "backup", "!put", { "/srv/backup/../x" } },
		{ "backup", "backup", "!put", { "/srv/backup/" } },
		{ "backup", "backup", "!put", { "srv/backup/x" } },
		{ "backup", "backup", "!put", { "/srv/backup//x" } },
		{ "backup", "backup", "get", { "/var/log/syslog" } },
		{ "backup", "backup", "!put", { "/var/log/syslog" } },
		{ "backup", "backup", "put", { "/in/x" } },
		{ "backup", "backup", "!get", { "/in/x" } },
		{ "backup", "backup", "get", { "/home/a/data/x" } },
		{ "backup", "backup", "!get", { "/home/a/x" } },
		{ "backup", "backup", "!get", { "/home/a/b/data/x" } },
		{ "backup", "backup", "!get", { "/srv/backup/keys" } },
		{ "backup", "backup", "!get", { "/srv/backup/keys/a/b" } },
		{ "backup", "backup", "get", { "/srv/backup/keysx" } },
		{ "backup", "backup", "!get", { "/srv/backup/a/.ssh/id" } },
		{ "backup", "backup", "!mv", { "/srv/backup" } },
		{ "backup", "backup", "!rm", { "/srv/backup" } },
		{ "backup", "backup", "mv", { "/srv/backup/a" } },
		{ "backup", "backup", "!mkdir", { "/srv/backup/a" } },
		/* commands */
		{ "ci-1", "ci", "exec", { "/usr/bin/id" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/id", "-u" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/idx" } },
		{ "ci-1", "ci", "!exec", { "/bin/id" } }, { "ci-1", "ci", "!exec", { "id" } },
		{ "ci-1", "ci", "exec", { "/usr/bin/make", "-C", "/srv/a/b", "all" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/make", "-C", "/srv/a/b", "-f" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/make", "-C", "/srv/../etc", "all" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/make", "-C", "/srv/a/..", "all" } },
		{ "ci-1", "ci", "exec", { "/usr/bin/make", "-C", "/srv/a..b", "all" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/make", "-C", "/srvx", "all" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/make", "-C", "/srv/a" } },
		{ "ci-1", "ci", "exec", { "/usr/bin/systemctl", "status", "a/../b" } },
		{ "ci-1", "ci", "exec", { "/usr/bin/systemctl", "status", "" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/systemctl", "stop", "a" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/systemctl", "status" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/systemctl", "status", "a", "b" } },
		{ "ci-1", "ci", "exec", { "/usr/bin/bash" } },
		{ "ci-1", "ci", "exec", { "/usr/bin/bash", "-c", "ls" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/bash", "-c", "rm -r x" } },
		{ "ci-1", "ci", "exec", { "/usr/bin/tar", "-x", "--dir=/srv/a", "x" } },
		{ "ci-1", "ci", "exec", { "/usr/bin/tar", "-x", "--dir=/srv/a" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/tar", "-x", "--dir=/srv/a/b" } },
		{ "ci-1", "ci", "!exec", { "/usr/bin/tar", "-x", "--dir=/srv/.." } },
		{ "ci-1", "ci", "exec", { "/opt/x/run" } },
		{ "ci-1", "ci", "!exec", { "/opt/x/y/run" } },
		{ "ci-1", "ci", "!exec", { "/opt/run" } },
		{ "ci-1", "ci", "!exec", { "/opt/../run" } },
		/* targets */
		{ "net", "", "connect", { "tcp:127.0.0.1:22" } },
		{ "net", "", "connect", { "tcp:[::1]:22" } },
		{ "net", "", "connect", { "tcp:0.0.0.0:22" } },
		{ "net", "", "!connect", { "tcp:127.0.0.1:23" } },
		{ "net", "", "connect", { "tcp:10.0.0.1:80" } },
		{ "net", "", "!connect", { "tcp:10.1.0.1:80" } },
		{ "net", "", "!connect", { "tcp:[::ffff:10.1.0.1]:80" } },
		{ "net", "", "!connect", { "tcp:10.0.0.1:91" } },
		{ "net", "", "!connect", { "localhost:22" } },
		{ "net", "", "!connect", { "unix:/run/www/a" } },
		{ "net", "www", "connect", { "unix:/run/www/a" } },
		{ "net", "www", "!connect", { "unix:/run/www/a/b" } },
		{ "net", "www", "!connect", { "unix:/run/www/../b" } },
		{ "net", "", "listen", { "tcp:127.0.0.1:8080" } },
		{ "net", "", "!listen", { "tcp:0.0.0.0:8080" } },
		{ "net", "", "!listen", { "tcp:[::]:8080" } },
		{ "net", "", "!listen", { "tcp:127.0.0.1:80" } },
		/* To listen at all addresses is to listen at those that are denied. */
		{ "wide", "", "!listen", { "tcp:10.1.0.1:8080" } },
		{ "wide", "", "!listen", { "tcp:0.0.0.0:8080" } },
		{ "wide", "", "!listen", { "tcp:[::]:8080" } },
		{ "wide", "", "!listen", { "tcp:[::ffff:0.0.0.0]:8080" } },
		{ "wide", "", "!listen", { "tcp:[::]:8081" } },
		{ "wide", "", "listen", { "tcp:0.0.0.0:8081" } },
		{ "wide", "", "listen", { "tcp:0.0.0.0:8082" } },
		{ "wide", "", "listen", { "tcp:[::]:8082" } },
		{ "wide", "", "listen", { "tcp:10.2.0.1:8080" } },
		{ "x", "", "!connect", { "tcp:127.0.0.1:22" } },
		/* keys */
		{ "", "", "kv-set", { "a" } }, { "ci-1", "", "kv-get", { "a" } },
		{ "ci-1", "", "!kv-set", { "a" } }, { "ci-1", "", "kv-set", { "ci/a" } },
		{ "ci-1", "", "kv-set", { "ci/a/b" } }, { "ci-1", "", "!kv-delete", { "cix/a" } },
		{ "ci-1", "", "kv-set", { "ci" } },
		/* pvguest's own */
		{ "backup", "backup", "!put", { "/etc/pvguest/policy.d/a.conf" } },
	};
	struct errors errors;
	struct policy *policy = parse(text, &errors);

	(void)state;
	if (errors.count)
		fail_msg("%s", errors.first);
	answer_all(policy, table, COUNT(table));
	policy_free(policy);
}

/* Deny rules before and after what they deny. */
static void test_order(void **state)
{
	static const char allow[] = "[rule \"a\"]\nallow = @files\nuser = *\nroot = / rw\n";
	static const char deny[] = "[rule \"d\"]\ndeny = @files\nroot = /x rw\n";
	static const struct question table[] = {
		{ "", "", "put", { "/y" } }, { "", "", "!put", { "/x/y" } },
	};
	struct errors errors;
	struct policy *policy;
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "%s%s", allow, deny);
	policy = parse(text, &errors);
	answer_all(policy, table, COUNT(table));
	policy_free(policy);
	snprintf(text, sizeof(text), "%s%s", deny, allow);
	policy = parse(text, &errors);
	answer_all(policy, table, COUNT(table));
	policy_free(policy);
}

/* An error closes all but what is open by default, of which deny rules still take away. */
static void test_closed(void **state)
{
	static const struct question table[] = {
		{ "", "", "info" }, { "", "", "!exec" }, { "", "", "!ps" }, { "", "", "!put" },
		{ "", "", "!shutdown" }, { "", "", "!reboot" }, { "x", "", "!top" },
	};
	struct errors errors;
	struct policy *policy = parse("[rule \"a\"]\nallow = @all\nuser = *\ncommand = /** **\n"
				      "root = / rw\ntarget = tcp:*:*\n"
				      "[rule \"b\"]\nallow = nonsense\n"
				      "[rule \"c\"]\ndeny = shutdown\n"
				      "[rule \"d\"]\ndeny = reboot\nusr = x\n"
				      "[rule \"e\"]\ndeny = top\nprincipal = x\n"
				      "[limits \"l\"]\njobs = 3\n", &errors);

	(void)state;
	assert_int_equal(errors.count, 2);
	assert_true(policy->closed);
	answer_all(policy, table, COUNT(table));
	assert_int_equal(policy_limit(policy, "", "jobs"), 3);
	policy_free(policy);
}

/* Whatever a rule says, the host does not get at pvguest's own files. */
static void test_protected(void **state)
{
	static const struct question table[] = {
		{ "", "", "put", { "/etc/x" } }, { "", "", "put", { "/etc/pvguestx" } },
		{ "", "", "!put", { "/etc/pvguest" } }, { "", "", "!get", { "/etc/pvguest/x" } },
		{ "", "", "!rm", { "/etc/pvguest/policy.d/a.conf" } },
		{ "", "", "!mv", { "/etc/pvguest/policy.d" } },
		{ "", "", "!mkdir", { "/etc/pvguest" } },
		{ "", "", "!setattr", { "/etc/pvguest/policy.d" } },
		{ "", "", "!sync", { "/etc/pvguest/policy.d/x" } },
		{ "", "", "!put", { "/run/pvguest/x" } },
		{ "", "", "!get", { "/run/pvguest/keys" } },
		{ "", "", "!put", { "/var/lib/pvguest/kv/values" } },
		{ "", "", "!put", { "/var/run/pvguest/x" } },
		{ "", "", "!mv", { "/etc" } }, { "", "", "!mv", { "/" } },
		{ "", "", "!rm", { "/" } },
		{ "", "", "!rm", { "/var/lib" } }, { "", "", "!mv", { "/run" } },
		{ "", "", "!setattr", { "/etc" } }, { "", "", "mv", { "/etc/x" } },
		{ "", "", "ls", { "/etc" } }, { "", "", "ls", { "/" } },
		{ "", "", "rm", { "/srv" } },
	};
	struct errors errors;
	struct policy *policy = parse("[rule \"a\"]\nallow = @files\nuser = *\nroot = / rw\n",
				      &errors);

	(void)state;
	answer_all(policy, table, COUNT(table));
	policy_free(policy);
}

static void test_tree(void **state)
{
	struct errors errors;
	struct policy *policy = parse("[rule \"a\"]\nallow = mv\nuser = *\nroot = / rw\n"
				      "[rule \"d\"]\ndeny = mv\nroot = /srv/**/.ssh rw\n", &errors);
	struct verdict v;

	(void)state;
	policy_path(policy, "", "mv", "", "/srv/a", true, &v);
	assert_true(v.allowed);
	policy_tree(policy, "", "mv", "", "/srv/a", &v);
	assert_false(v.allowed);
	policy_tree(policy, "", "mv", "", "/home/a", &v);
	assert_true(v.allowed);
	policy_free(policy);
}

/* Another name than the file's is an argument, to a shell, busybox and others. */
static void test_argv0(void **state)
{
	struct errors errors;
	struct policy *policy = parse(EXEC "command = /usr/bin/busybox ls *\n"
				      "command = /usr/bin/bash **\n", &errors);
	char *good[] = { "busybox", "ls", "x", NULL }, *bad[] = { "sh", "ls", "x", NULL };
	char *login[] = { "-bash", NULL }, *none[] = { NULL };
	struct verdict v;

	(void)state;
	policy_command(policy, "", "u", "/usr/bin/busybox", good, &v);
	assert_true(v.allowed);
	policy_command(policy, "", "u", "/usr/bin/busybox", bad, &v);
	assert_false(v.allowed);
	policy_command(policy, "", "u", "/usr/bin/bash", login, &v);
	assert_true(v.allowed);
	policy_command(policy, "", "u", "/usr/bin/bash", none, &v);
	assert_false(v.allowed);
	policy_free(policy);
}

static int collect(const char *path, bool write, void *priv)
{
	char *all = priv;

	sprintf(all + strlen(all), "%s%s ", path, write ? " rw" : " r");
	return strlen(all) > 90;
}

static void test_roots(void **state)
{
	struct errors errors;
	struct policy *policy = parse("[rule \"a\"]\nallow = put, get\nuser = u\nroot = /srv rw\n"
				      "root = /home/*/x r\nroot = /* r\nroot = /a/b* w\n"
				      "[rule \"b\"]\nallow = get\nuser = *\nroot = /log r\n", &errors);
	char all[128] = "";

	(void)state;
	assert_int_equal(policy_roots(policy, "", "get", "u", collect, all), 0);
	assert_string_equal(all, "/srv rw /home r / r /a rw /log r ");
	*all = '\0';
	policy_roots(policy, "", "put", "u", collect, all);
	assert_string_equal(all, "/srv rw /home r / r /a rw ");
	*all = '\0';
	policy_roots(policy, "", "put", "v", collect, all);
	policy_roots(policy, "", "rm", "u", collect, all);
	policy_roots(policy, "", "info", "u", collect, all);
	assert_string_equal(all, "");
	policy->closed = true;
	policy_roots(policy, "", "get", "u", collect, all);
	assert_string_equal(all, "");
	policy_free(policy);
}

static void test_limits(void **state)
{
	struct errors errors;
	struct policy *policy = parse("[limits \"all\"]\njobs = 10\nbytes = 2G\n"
				      "[limits \"ci\"]\nprincipal = ci-*\njobs = 20\nrate = 10/s\n"
				      "processes = 0\n"
				      "[limits \"slow\"]\nprincipal = ci-slow\nrate = 6/min\njobs = 1\n",
				      &errors);

	(void)state;
	assert_int_equal(errors.count, 0);
	assert_int_equal(policy_limit(policy, "x", "jobs"), 10);
	assert_int_equal(policy_limit(policy, "ci-1", "jobs"), 10);
	assert_int_equal(policy_limit(policy, "ci-slow", "jobs"), 1);
	assert_int_equal(policy_limit(policy, "x", "bytes"), 2ul << 30);
	assert_int_equal(policy_limit(policy, "ci-1", "rate"), 600);
	assert_int_equal(policy_limit(policy, "ci-slow", "rate"), 6);
	assert_int_equal(policy_limit(policy, "ci-1", "processes"), 0);
	assert_true(policy_limit(policy, "x", "rate") == POLICY_UNLIMITED);
	assert_true(policy_limit(policy, "x", "nonsense") == POLICY_UNLIMITED);
	policy_free(policy);
}

/* Refusals say which verb and rule, and what would be allowed; on one line, whatever is asked. */
static void test_texts(void **state)
{
	struct errors errors;
	struct policy *policy = parse("[rule \"a\"]\nallow = put\nuser = u\nroot = /srv rw\n"
				      "root = /log r\n[rule \"d\"]\ndeny = reboot\n", &errors);
	char path[600] = "/\x1b[31m\n\\";
	struct verdict v;

	(void)state;
	policy_verb(policy, "p", "reboot", "", &v);
	assert_string_equal(v.text, "reboot is denied by rule \"d\" (t:6)");
	policy_verb(policy, "p", "put", "u", &v);
	assert_string_equal(v.text, "allowed by rule \"a\" (t:1)");
	policy_verb(policy, "p", "info", "u", &v);
	assert_string_equal(v.text, "open by default");
	policy_path(policy, "p", "put", "u", path, true, &v);
	assert_string_equal(v.text, "no rule allows put to change /\\x1b[31m\\x0a\\x5c for principal "
			    "'p' as user u; allowed: /srv rw, /log r");
	memset(path + 1, '\x01', sizeof(path) - 2);
	policy_path(policy, "p", "put", "u", path, true, &v);
	assert_in_range(strlen(v.text), 400, POLICY_TEXT_MAX - 1);
	policy_free(policy);
}

int test_policy(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_built_in), cmocka_unit_test(test_decisions),
		cmocka_unit_test(test_order), cmocka_unit_test(test_closed),
		cmocka_unit_test(test_protected), cmocka_unit_test(test_tree),
		cmocka_unit_test(test_argv0), cmocka_unit_test(test_roots),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
