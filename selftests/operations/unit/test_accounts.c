// SPDX-License-Identifier: GPL-2.0-only
/*
 * accounts.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "accounts.h"
#include "unit.h"

static const char passwd[] =
	"# comment\n"
	"\n"
	"root:x:0:0:root:/root:/bin/bash\n"
	"alice:x:1000:1001:Alice,,,:/home/alice:\n"
	"+bob::::::\n"
	"bob:x::1002::/home/bob:/bin/sh\n"
	"carol:x:1003x:1003::/home/carol:/bin/sh\n"
	"dave:x:-1:1004::/home/dave:/bin/sh\n"
	"erin:x:4294967295:1005::/home/erin:/bin/sh\n"
	"frank:x:99999999999999999999:1006::/home/frank:/bin/sh\n"
	"grace:x:1007:1007\n"
	"  heidi:x:1008:1008::/home/heidi:/bin/sh:x\n"
	"alice:x:0:0::/:/bin/sh\n"
	"ivan:x:1009:1009::/home/ivan:/bin/zsh";

static const struct passwd *user(const char *name)
{
	FILE *file = fmemopen((void *)passwd, strlen(passwd), "r");
	const struct passwd *pw = accounts_user(file, name);

	fclose(file);
	return pw;
}

static void test_user(void **state)
{
	const struct passwd *pw;

	(void)state;
	pw = user("root");
	assert_non_null(pw);
	assert_int_equal(pw->pw_uid, 0);
	assert_string_equal(pw->pw_dir, "/root");
	assert_string_equal(pw->pw_shell, "/bin/bash");
	/* The first line of a name counts. */
	pw = user("alice");
	assert_non_null(pw);
	assert_int_equal(pw->pw_uid, 1000);
	assert_int_equal(pw->pw_gid, 1001);
	assert_string_equal(pw->pw_shell, "");
	pw = user("ivan");
	assert_non_null(pw);
	assert_string_equal(pw->pw_shell, "/bin/zsh");
}

/* Nothing that is no number makes a user of number 0, and none is the number for no change. */
static void test_no_user(void **state)
{
	static const char *const names[] = {
		"", "bob", "carol", "dave", "erin", "frank", "# comment", "ali", "alicex", "root:x",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_null(user(names[i]));
	assert_null(accounts_user(NULL, "root"));
}

/* A file is read as it is, also an empty one, and one that there is not. */
static void test_open(void **state)
{
	char path[] = "/tmp/test-accounts.XXXXXX";
	int fd = mkstemp(path);
	FILE *file;

	(void)state;
	assert_true(fd >= 0);
	file = accounts_open(path);
	assert_null(accounts_user(file, "root"));
	assert_int_equal(write(fd, passwd, strlen(passwd)), strlen(passwd));
	file = accounts_open(path);
	assert_non_null(accounts_user(file, "ivan"));
	fclose(file);
	close(fd);
	unlink(path);
	assert_null(accounts_open(path));
}

static int groups_of(const char *text, const char *name, gid_t *groups)
{
	FILE *file = fmemopen((void *)text, strlen(text), "r");
	int n = accounts_groups(file, name, 100, groups);

	fclose(file);
	return n;
}

static void test_groups(void **state)
{
	static const char group[] =
		"root:x:0:\n"
		"users:x:100:alice\n"
		"a:x:1:alice\n"
		"b:x:2:bob,alice\n"
		"c:x:3:bob, alice,carol\n"
		"d:x:4:alicex,xalice\n"
		"e:x::alice\n"
		"f:x:5x:alice\n"
		"g:x:6\n"
		"h:x:7:carol,alice";
	gid_t groups[ACCOUNT_GROUPS];

	(void)state;
	assert_int_equal(groups_of(group, "alice", groups), 5);
	assert_memory_equal(groups, ((gid_t []){ 100, 1, 2, 3, 7 }), 5 * sizeof(gid_t));
	assert_int_equal(groups_of(group, "ali", groups), 1);
	assert_int_equal(groups_of(group, "", groups), 1);
	assert_int_equal(accounts_groups(NULL, "alice", 100, groups), 1);
	assert_int_equal(*groups, 100);
}

static void test_many_groups(void **state)
{
	gid_t groups[ACCOUNT_GROUPS];
	char text[8192] = "";
	int i, len = 0;

	(void)state;
	for (i = 1000; i < 1300; i++)
		len += snprintf(text + len, sizeof(text) - len, "g%d:x:%d:alice\n", i, i);
	assert_int_equal(groups_of(text, "alice", groups), ACCOUNT_GROUPS);
	assert_int_equal(groups[ACCOUNT_GROUPS - 1], 1000 + ACCOUNT_GROUPS - 2);
}

int test_accounts(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_no_user),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_many_groups),
	};

	return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
