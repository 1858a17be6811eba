// SPDX-License-Identifier: GPL-2.0-only
/*
 * The key-value store: limits, order of changes, what watchers hear, and its file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kv_store.h"
#include "unit.h"

static struct kv_store store;
static uint8_t file[KV_FILE_MAX], big[KV_VALUE_MAX];

/* NULL or why not. */
static const char *set_value(const char *key, const void *value, uint32_t len, bool transient)
{
	struct kv_entry *entry = kv_entry_new(key, value, len);
	struct kv_change change;
	const char *bad;

	entry->transient = transient;
	bad = kv_set(&store, entry, &change);
	if (!bad)
		kv_done(&store, &change);
	return bad;
}

static const char *set(const char *key, const char *value)
{
	return set_value(key, value, strlen(value), false);
}

static void delete(const char *key)
{
	struct kv_change change;

	kv_delete(&store, key, &change);
	kv_done(&store, &change);
}

static int end(void **state)
{
	(void)state;
	kv_free(&store);
	return 0;
}

static void test_keys(void **state)
{
	char key[130];

	(void)state;
	memset(key, 'a', sizeof(key));
	key[129] = '\0';
	assert_non_null(kv_check_key(key));
	key[128] = '\0';
	assert_null(kv_check_key(key));
	assert_non_null(kv_check_key(""));
	assert_null(kv_check_key("a.B_9/-"));
	assert_non_null(kv_check_key("a b"));
	assert_non_null(kv_check_key("a\n"));
	assert_non_null(kv_check_key("\xc3\xa9"));
	assert_non_null(kv_check_key("a=b"));
}

static void test_values(void **state)
{
	(void)state;
	assert_null(set("b", "1"));
	assert_null(set("a", ""));
	assert_null(set("c", "333"));
	assert_null(set("b", "22"));
	assert_int_equal(store.nr, 3);
	assert_int_equal(store.total, 8);
	assert_memory_equal(kv_find(&store, "b")->value, "22", 2);
	assert_int_equal(kv_find(&store, "b")->generation, 4);
	assert_int_equal(kv_find(&store, "a")->len, 0);
	delete("b");
	assert_null(kv_find(&store, "b"));
	assert_int_equal(store.generation, 5);
	assert_int_equal(store.total, 5);
}

static void test_limits(void **state)
{
	char key[16];
	int i;

	(void)state;
	for (i = 0; i < (int)KV_KEYS_MAX; i++) {
		sprintf(key, "k%d", i);
		assert_null(set(key, "v"));
	}
	assert_string_equal(set("one", "v"), "there are 256 keys, the most there can be");
	assert_null(set("k0", "w"));
	delete("k1");
	assert_null(set("one", "v"));
	kv_free(&store);
	for (i = 0; i < 15; i++) {
		sprintf(key, "k%d", i);
		assert_null(set_value(key, big, KV_VALUE_MAX, false));
	}
	assert_string_equal(set_value("x", big, KV_VALUE_MAX, false),
			    "all keys and values would be more than 1048576 bytes");
	assert_null(set_value("x", big, KV_TOTAL_MAX - store.total - 1, false));
	assert_int_equal(store.total, KV_TOTAL_MAX);
	assert_non_null(set("y", ""));
	assert_null(set("x", ""));
}

static void test_undo(void **state)
{
	struct kv_change change;
	uint64_t generation;

	(void)state;
	set("a", "1");
	generation = store.generation;
	assert_null(kv_set(&store, kv_entry_new("a", "22", 2), &change));
	kv_undo(&store, &change);
	assert_null(kv_set(&store, kv_entry_new("b", "22", 2), &change));
	kv_undo(&store, &change);
	kv_delete(&store, "a", &change);
	kv_undo(&store, &change);
	assert_memory_equal(kv_find(&store, "a")->value, "1", 1);
	assert_null(kv_find(&store, "b"));
	assert_int_equal(store.generation, generation);
	assert_int_equal(store.total, 2);
	assert_int_equal(store.nr, 1);
}

/* What a watcher hears, as "key+" and "key-", "!" for lost. */
static void follow(const char *prefix, uint64_t *position, uint64_t begin, char *heard)
{
	struct kv_news news;

	*heard = '\0';
	while (kv_next(&store, prefix, *position, begin, &news)) {
		if (news.lost) {
			strcat(heard, "!");
			return;
		}
		assert_true(news.generation > *position);
		*position = news.generation;
		sprintf(heard + strlen(heard), "%s%c ", news.entry ? news.entry->key : news.deleted,
			news.entry ? '+' : '-');
	}
}

static void test_watch(void **state)
{
	uint64_t position = 0, begin, other = 0;
	char heard[4096], key[16];
	int i;

	(void)state;
	set("a/1", "x");
	set("b", "x");
	set("a/2", "x");
	delete("b");
	begin = store.generation;
	follow("", &position, begin, heard);
	/* The deletion was before it began. */
	assert_string_equal(heard, "a/1+ a/2+ ");
	follow("", &position, begin, heard);
	assert_string_equal(heard, "");
	set("a/1", "y");
	set("a/1", "z");
	delete("a/2");
	set("c", "x");
	follow("", &position, begin, heard);
	assert_string_equal(heard, "a/1+ a/2- c+ ");
	follow("a/", &other, begin, heard);
	assert_string_equal(heard, "a/1+ a/2- ");
	/* Set again after it was deleted. */
	delete("c");
	set("c", "y");
	follow("", &position, begin, heard);
	assert_string_equal(heard, "c- c+ ");
	for (i = 0; i < (int)KV_DELETIONS; i++) {
		sprintf(key, "k%d", i);
		set_value(key, "", 0, true);
		delete(key);
	}
	follow("k255", &position, begin, heard);
	assert_string_equal(heard, "k255- ");
	position = begin;
	follow("", &position, begin, heard);
	assert_string_equal(heard, "!");
}

static void test_file(void **state)
{
	struct kv_store other = { 0 };
	size_t len, i;

	(void)state;
	set("a", "1");
	set_value("v", "x", 1, true);
	set_value("big", big, KV_VALUE_MAX, false);
	len = kv_encode(&store, store.generation + KV_RESERVE, file);
	assert_null(kv_decode(&other, file, len));
	assert_int_equal(other.nr, 2);
	assert_int_equal(other.nr_transient, 0);
	assert_int_equal(other.generation, store.generation + KV_RESERVE);
	assert_int_equal(kv_find(&other, "a")->generation, 1);
	assert_memory_equal(kv_find(&other, "big")->value, big, KV_VALUE_MAX);
	kv_free(&other);
	/* Torn anywhere, or with a bit that fell over, it is none. */
	for (i = 0; i < len; i += i < 200 ? 1 : 997) {
		assert_non_null(kv_decode(&other, file, i));
		file[i] ^= 1;
		assert_non_null(kv_decode(&other, file, len));
		file[i] ^= 1;
		assert_int_equal(other.nr, 0);
	}
	assert_null(kv_decode(&other, file, len));
	kv_free(&other);
}

/* The largest store there can be has room in the file. */
static void test_full_file(void **state)
{
	struct kv_store other = { 0 };
	char key[KV_KEY_MAX + 1];
	unsigned int i;

	(void)state;
	memset(key, 'k', sizeof(key));
	for (i = 0; i < KV_KEYS_MAX; i++) {
		sprintf(key + KV_KEY_MAX - 3, "%03u", i);
		assert_null(set_value(key, big, KV_TOTAL_MAX / KV_KEYS_MAX - KV_KEY_MAX, false));
	}
	assert_int_equal(store.total, KV_TOTAL_MAX);
	assert_null(kv_decode(&other, file, kv_encode(&store, 1000, file)));
	assert_int_equal(other.nr, KV_KEYS_MAX);
	kv_free(&other);
}

/* Numbers are not used again, though volatile changes write no file. */
static void test_reserve(void **state)
{
	struct kv_change change;
	struct kv_entry *entry;

	(void)state;
	store.reserved = 2;
	entry = kv_entry_new("v", "", 0);
	entry->transient = true;
	kv_set(&store, entry, &change);
	assert_false(change.in_file);
	kv_done(&store, &change);
	kv_delete(&store, "v", &change);
	assert_false(change.in_file);
	kv_done(&store, &change);
	entry = kv_entry_new("v", "", 0);
	entry->transient = true;
	kv_set(&store, entry, &change);
	assert_true(change.in_file);
	kv_done(&store, &change);
}

int test_kv(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_keys, end),
		cmocka_unit_test_teardown(test_values, end),
		cmocka_unit_test_teardown(test_limits, end),
		cmocka_unit_test_teardown(test_undo, end),
		cmocka_unit_test_teardown(test_watch, end),
		cmocka_unit_test_teardown(test_file, end),
		cmocka_unit_test_teardown(test_full_file, end),
		cmocka_unit_test_teardown(test_reserve, end),
	};

	return cmocka_run_group_tests_name("kv", tests, NULL, NULL);
}
