// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of tools/transfer: what a hostile sender can put into a stream, and that what a
 * sender makes of a tree a receiver makes a tree of, whatever pieces the bytes come in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "transfer/receive.h"
#include "transfer/send.h"

static char dir[64];
static int base;
static __u8 stream[1 << 20];
static size_t stream_len;
static pvo_file_record rec;
static unsigned int complaints;

static int setup(void **state)
{
	(void)state;
	umask(0);
	strcpy(dir, "/tmp/transfer.XXXXXX");
	assert_non_null(mkdtemp(dir));
	base = open(dir, O_RDONLY | O_DIRECTORY);
	stream_len = 0;
	complaints = 0;
	return base < 0;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	close(base);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void failed(struct receiver *r, const struct trouble *trouble)
{
	(void)r;
	assert_int_not_equal(trouble->status, PVC_OK);
	complaints++;
}

static const struct receiver_ops receiver_ops = { .failed = failed };

static void put(void)
{
	ssize_t len = record_write(stream + stream_len, sizeof(stream) - stream_len,
				   pvo_file_record_fields, &rec);

	assert_true(len > 0);
	stream_len += len;
}

static void begin(enum pvo_file_kind kind, const void *name, size_t len)
{
	record_begin(&rec, kind);
	memcpy(rec.name.bytes, name, len);
	rec.name.size = len;
	rec.has_attr = true;
	memset(&rec.attr, 0, sizeof(rec.attr));
	rec.attr.mode = kind == PVO_FILE_DIR ? 040755 : 0100644;
}

static void put_end(void)
{
	record_begin(&rec, PVO_FILE_END);
	put();
}

/* A file whose content is @text, which says that it has @size bytes. */
static void put_file(const char *name, size_t name_len, const char *text, __u64 size, bool right)
{
	struct digest d;

	begin(PVO_FILE_FILE, name, name_len);
	rec.size = size;
	put();
	record_begin(&rec, PVO_FILE_DATA);
	rec.length = strlen(text);
	put();
	memcpy(stream + stream_len, text, strlen(text));
	stream_len += strlen(text);
	assert_int_equal(digest_new(&d, false), 0);
	digest_update(&d, text, strlen(text));
	record_begin(&rec, PVO_FILE_FILE_END);
	rec.size = size;
	digest_xxh3(&d, rec.xxh3.bytes);
	rec.xxh3.bytes[3] ^= !right;
	rec.xxh3.size = DIGEST_XXH3;
	put();
	digest_free(&d);
}

/* With CORPUS, a directory, in the environment: the stream becomes an input of fuzz_files. */
static void keep_stream(void)
{
	static unsigned int count;
	const char *corpus = getenv("CORPUS");
	char path[200];
	FILE *file;

	if (!corpus || stream_len > 2000 || count > 60)
		return;
	snprintf(path, sizeof(path), "%s/stream-%u", corpus, count);
	file = fopen(path, "w");
	assert_non_null(file);
	fputc(count, file);
	fputc(count * 37 % 256, file);
	fwrite(stream, 1, stream_len, file);
	fclose(file);
	count++;
}

/* The stream, in pieces of @piece bytes; 0 or -errno. */
static int take(__u32 flags, size_t piece, bool finish)
{
	struct receiver *r = receiver_new(&receiver_ops, flags, base, NULL);
	size_t at = 0, n;
	int err = 0;

	assert_non_null(r);
	keep_stream();
	for (; at < stream_len && !err; at += n) {
		n = stream_len - at < piece ? stream_len - at : piece;
		err = receiver_input(r, stream + at, n);
	}
	if (!err && finish)
		err = receiver_finish(r);
	if (err)
		assert_int_not_equal(r->trouble.status, PVC_OK);
	receiver_free(r, false);
	return err;
}

static bool there(const char *name)
{
	struct stat st;

	return !fstatat(base, name, &st, AT_SYMLINK_NOFOLLOW);
}

static void test_names(void **state)
{
	static const char *const wrong[] = {
		"", "/", "/etc/x", ".", "..", "../x", "a/../x", "a/..", "a//b", "a/", "./a",
		"a/./b",
	};
	char name[NAME_SIZE + 8];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_false(name_valid(wrong[i], strlen(wrong[i])));
		stream_len = 0;
		put_file(wrong[i], strlen(wrong[i]), "x", 1, true);
		assert_true(take(0, 4096, false) < 0);
		stream_len = 0;
		begin(PVO_FILE_DIR, wrong[i], strlen(wrong[i]));
		put();
		assert_true(take(0, 4096, false) < 0);
	}
	assert_false(name_valid("a\0b", 3));
	assert_true(name_valid("...", 3));
	assert_true(name_valid("..a/b..", 7));
	memset(name, 'a', sizeof(name));
	assert_true(name_valid(name, 255));
	assert_false(name_valid(name, 256));
	for (i = 1; i < sizeof(name); i += 2)
		name[i] = '/';
	assert_true(name_valid(name, 2 * PVO_FILE_DEPTH_MAX - 1));
	assert_false(name_valid(name, 2 * PVO_FILE_DEPTH_MAX + 1));
	assert_int_equal(rmdir(dir), 0);	/* nothing was made */
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void test_paths(void **state)
{
	char out[NAME_SIZE];
	bool slash;

	(void)state;
	assert_int_equal(path_normal("//a/./b//", 9, out, &slash), 0);
	assert_string_equal(out, "/a/b");
	assert_true(slash);
	assert_int_equal(path_normal("/", 1, out, &slash), 0);
	assert_string_equal(out, "/");
	assert_int_equal(path_normal("a", 1, out, NULL), -EINVAL);
	assert_int_equal(path_normal("", 0, out, NULL), -EINVAL);
	assert_int_equal(path_normal("/a/../b", 7, out, NULL), -EINVAL);
	assert_int_equal(path_normal("/a\0b", 4, out, NULL), -EINVAL);
	assert_true(name_order("a", "a/b") < 0);
	assert_true(name_order("a/b", "a!") < 0);
	assert_true(name_order("a!", "a/b") > 0);
}

static void test_links(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("/tmp", base, "link"), 0);
	put_file("link/escaped", 12, "x", 1, true);
	put_end();
	assert_int_equal(take(0, 4096, true), 0);
	assert_int_equal(complaints, 1);
	assert_int_not_equal(access("/tmp/escaped", F_OK), 0);
	/* A link of the sender's own is not gone through, either. */
	stream_len = 0;
	begin(PVO_FILE_SYMLINK, "own", 3);
	memcpy(rec.target.bytes, "/tmp", 4);
	rec.target.size = 4;
	put();
	put_file("own/escaped", 11, "x", 1, true);
	put_end();
	assert_int_equal(take(0, 4096, true), 0);
	assert_int_equal(complaints, 2);
	assert_true(there("own"));
	assert_int_not_equal(access("/tmp/escaped", F_OK), 0);
}

static void test_hashes(void **state)
{
	(void)state;
	put_file("right", 5, "content", 7, true);
	put_file("wrong", 5, "content", 7, false);
	put_file("short", 5, "content", 8, true);
	put_end();
	assert_int_equal(take(0, 4096, true), 0);
	assert_int_equal(complaints, 2);
	assert_true(there("right"));
	assert_false(there("wrong"));
	assert_false(there("short"));
	stream_len = 0;
	put_file("long", 4, "content", 6, true);
	assert_true(take(0, 4096, false) < 0);
	assert_false(there("long"));
}

static void test_ends(void **state)
{
	size_t len;

	(void)state;
	put_file("file", 4, "content", 7, true);
	put_end();
	len = stream_len;
	/* Wherever it ends, it is an error, and nothing is there that is not whole. */
	for (stream_len = 0; stream_len < len; stream_len++) {
		assert_true(take(0, 4096, true) < 0);
		assert_false(there("file"));
	}
	stream_len = len;
	put_end();
	assert_true(take(0, 4096, true) < 0);
}

static void test_order(void **state)
{
	static const enum pvo_file_kind kinds[] = {
		PVO_FILE_DATA, PVO_FILE_HOLE, PVO_FILE_FILE_END, PVO_FILE_RESUME, PVO_FILE_DONE,
		PVO_FILE_WANT, 0, PVO_FILE_KIND_NR, PVO_FILE_XATTR, PVO_FILE_GONE,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		stream_len = 0;
		begin(kinds[i], "x", 1);
		rec.length = 1;
		put();
		assert_true(take(0, 4096, false) < 0);
	}
	stream_len = 0;
	begin(PVO_FILE_FILE, "sparse", 6);
	rec.size = 100;
	put();
	record_begin(&rec, PVO_FILE_HOLE);
	rec.length = ~0ull;
	put();
	assert_true(take(0, 4096, false) < 0);
	memset(stream, 0xff, 100);
	stream_len = 100;
	assert_true(take(0, 4096, false) < 0);
}

/* What is in "closed" is not the sender's, nor is that directory. */
static void allow(struct receiver *r, const char *name, struct trouble *trouble)
{
	(void)r;
	if (!strncmp(name, "closed", 6))
		trouble_set(trouble, PVC_DENIED, "%s: it is closed", name);
}

static void put_xattr(const char *name)
{
	record_begin(&rec, PVO_FILE_XATTR);
	record_name(&rec, name);
	rec.length = 1;
	put();
	stream[stream_len++] = 'x';
}

static bool has_xattr(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return getxattr(path, "user.x", NULL, 0) >= 0;
}

/* An attribute of a directory that is left out is left out, too, however it was named last. */
static void test_attributes(void **state)
{
	static const struct receiver_ops ops = { .failed = failed, .allow = allow };
	struct receiver *r;

	(void)state;
	if (setxattr(dir, "user.x", "x", 1, 0) && errno == EOPNOTSUPP)
		skip();
	assert_int_equal(mkdirat(base, "closed", 0700), 0);
	assert_int_equal(mkdirat(base, "closed/sub", 0700), 0);
	begin(PVO_FILE_DIR, "open", 4);
	put();
	put_xattr("user.x");
	begin(PVO_FILE_DIR, "closed", 6);
	put();
	put_xattr("user.x");
	begin(PVO_FILE_DIR_END, "closed/sub/x", 12);
	put();
	put_xattr("user.x");
	put_end();
	r = receiver_new(&ops, PVO_FILE_PRESERVE, base, NULL);
	assert_non_null(r);
	assert_int_equal(receiver_input(r, stream, stream_len), 0);
	assert_int_equal(receiver_finish(r), 0);
	receiver_free(r, false);
	assert_true(has_xattr("open"));
	assert_false(has_xattr("closed"));
	assert_false(has_xattr("closed/sub"));
	assert_int_equal(complaints, 2);
}

/* More transfers into one directory than parts are kept of those that ended. */
static void test_parts(void **state)
{
	struct receiver *r[PARTIAL_COUNT + 4];
	__u8 id[16] = { 0 }, hash[DIGEST_XXH3];
	const size_t n = sizeof(r) / sizeof(*r);
	__u64 offset;
	size_t i;

	(void)state;
	for (i = 0; i < n; i++) {
		id[0] = i;
		r[i] = receiver_new(&receiver_ops, 0, base, NULL);
		assert_non_null(r[i]);
		assert_int_equal(receiver_resume(r[i], id, &offset, hash), 0);
		assert_int_equal(offset, 0);
	}
	for (i = 0; i < n; i++)
		assert_true(there(r[i]->partial_name));
	for (i = 0; i < n; i++)
		receiver_free(r[i], true);
	/* Now none is at work there, and the next one removes one of them. */
	id[0] = n;
	r[0] = receiver_new(&receiver_ops, 0, base, NULL);
	assert_non_null(r[0]);
	assert_int_equal(receiver_resume(r[0], id, &offset, hash), 0);
	receiver_free(r[0], true);
	for (i = 0, id[0] = 0; id[0] <= n; id[0]++) {
		char name[48];

		snprintf(name, sizeof(name), ".pvguest-%02x%030d.part", id[0], 0);
		i += there(name);
	}
	assert_int_equal(i, n);
}

/* A file of @size bytes, of which a record has @len. */
static int take_piece(enum pvo_file_kind kind, __u64 size, __u64 len)
{
	stream_len = 0;
	begin(PVO_FILE_FILE, "file", 4);
	rec.size = size;
	put();
	record_begin(&rec, kind);
	rec.length = len;
	put();
	return take(0, 4096, false);
}

static void test_sizes(void **state)
{
	(void)state;
	assert_int_equal(take_piece(PVO_FILE_DATA, 1ull << 40, PVO_FILE_PIECE), 0);
	assert_true(take_piece(PVO_FILE_DATA, 1ull << 40, PVO_FILE_PIECE + 1) < 0);
	assert_true(take_piece(PVO_FILE_DATA, 1ull << 40, 1ull << 32) < 0);
	assert_true(take_piece(PVO_FILE_DATA, 1ull << 40, ~0ull) < 0);
	assert_true(take_piece(PVO_FILE_DATA, 10, 11) < 0);
	assert_int_equal(take_piece(PVO_FILE_HOLE, INT64_MAX, 1), 0);
	assert_true(take_piece(PVO_FILE_HOLE, 1ull << 63, 1) < 0);
	assert_true(take_piece(PVO_FILE_HOLE, ~0ull, 1) < 0);
	assert_true(take_piece(PVO_FILE_HOLE, 10, 11) < 0);
	assert_false(there("file"));
}

static unsigned int asked;

static bool over(void *priv)
{
	asked++;
	return priv;
}

/* A hole of a sender that is gone: its hash is not made to the end. */
static void test_hole_is_over(void **state)
{
	static const struct receiver_ops ops = { .failed = failed, .over = over };
	struct receiver *r;
	unsigned int gone;

	(void)state;
	for (gone = 0; gone < 2; gone++) {
		asked = 0;
		r = receiver_new(&ops, 0, base, gone ? &asked : NULL);
		assert_non_null(r);
		stream_len = 0;
		begin(PVO_FILE_FILE, "file", 4);
		rec.size = 1ull << 30;
		put();
		record_begin(&rec, PVO_FILE_HOLE);
		rec.length = 1ull << 30;
		put();
		assert_int_equal(receiver_input(r, stream, stream_len), gone ? -ECANCELED : 0);
		assert_int_equal(asked, gone ? 1 : (1u << 30) / DIGEST_ASKS);
		receiver_free(r, false);
	}
}

/* What a sender makes. */
static int next(struct sender *s, struct source *source)
{
	int *left = s->priv;

	if (!(*left)--)
		return 0;
	memset(source, 0, sizeof(*source));
	source->dir = base;
	strcpy(source->name, "from");
	strcpy(source->as, "to");
	return 1;
}

static const struct sender_ops sender_ops = { .next = next };

static void send_tree(const char *after)
{
	int left = 1;
	struct sender *s = sender_new(&sender_ops, PVO_FILE_RECURSIVE | PVO_FILE_PRESERVE, &left);
	ssize_t len;

	assert_non_null(s);
	strcpy(s->after, after);
	stream_len = 0;
	while ((len = sender_fill(s, stream + stream_len, sizeof(stream) - stream_len)) > 0)
		stream_len += len;
	assert_int_equal(len, 0);
	sender_free(s);
}

static void make(const char *name, const char *text)
{
	int fd = openat(base, name, O_CREAT | O_WRONLY, 0640);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_tree(void **state)
{
	static const size_t pieces[] = { 1, 3, 7, 100, 65536 };
	char command[200];
	size_t i;

	(void)state;
	mkdirat(base, "from", 0755);
	mkdirat(base, "from/sub", 0700);
	make("from/a", "first");
	make("from/sub/b", "");
	make("from/z", "last");
	assert_int_equal(symlinkat("sub/b", base, "from/link"), 0);
	for (i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		send_tree("");
		assert_int_equal(take(PVO_FILE_PRESERVE, pieces[i], true), 0);
		assert_int_equal(complaints, 0);
		snprintf(command, sizeof(command),
			 "cd %s && diff -r --no-dereference from to && rm -r to", dir);
		assert_int_equal(system(command), 0);
	}
	/* After a name: what follows, and the directories that it is in. */
	send_tree("to/sub/b");
	assert_int_equal(take(PVO_FILE_PRESERVE, 4096, true), 0);
	assert_true(there("to/z"));
	assert_false(there("to/a"));
	assert_false(there("to/sub/b"));
}

static void test_text(void **state)
{
	char text[] = "a\033[31mb\xc3\xa4\xff\xe2\x80\xae z";

	(void)state;
	text_clean(text);
	assert_string_equal(text, "a?[31mb\xc3\xa4???? z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test(test_paths),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hashes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hole_is_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
