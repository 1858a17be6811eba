// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer targets: the stream of a transfer as its receiver takes it, on either side, and
 * with TARGET_ENTRIES the records of ls and sync. Whatever comes, nothing is made outside the
 * receiver's directory, which has a link that leads out of it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transfer/receive.h"
#include "transfer/remove.h"

#define CHECK(what)	do { if (!(what)) abort(); } while (0)

static int base = -1, top;

static const struct receiver_ops ops = { .allow = NULL };

static void make_directories(void)
{
	char dir[32] = "/dev/shm/fuzz-files.XXXXXX";

	/* The corpus has a relative path, so there is no chdir(). */
	CHECK(mkdtemp(dir));
	top = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK(top >= 0);
	CHECK(!mkdirat(top, "base", 0700) && !mkdirat(top, "outside", 0700));
	base = openat(top, "base", O_RDONLY | O_DIRECTORY);
	CHECK(base >= 0);
	umask(0);
}

static void begin_again(void)
{
	char name[NAME_SIZE] = "base";
	struct remover r = { .recursive = true, .name = name };

	close(base);
	remove_tree(&r, top, "base");
	CHECK(!mkdirat(top, "base", 0700));
	base = openat(top, "base", O_RDONLY | O_DIRECTORY);
	CHECK(base >= 0 && !symlinkat("../outside", base, "l"));
}

static void receive(const uint8_t *data, size_t size)
{
	__u8 id[16] = { 0 }, hash[DIGEST_XXH3];
	struct receiver *r;
	__u64 offset;
	size_t at, n;

	r = receiver_new(&ops, (PVO_FILE_PRESERVE | PVO_FILE_DELETE | PVO_FILE_NO_REPLACE) &
			 (data[0] << 1 | data[0] << 8), base, NULL);
	CHECK(r);
	r->limit = 1 << 20;
	if (data[0] & 4)
		strcpy(r->top, "top");
	if (data[0] & 8)
		receiver_resume(r, id, &offset, hash);
	n = data[1] + 1;
	for (at = 2; at < size; at += n) {
		if (n > size - at)
			n = size - at;
		if (receiver_input(r, data + at, n))
			break;
	}
	if (at >= size)
		receiver_finish(r);
	receiver_free(r, data[0] & 16);
	CHECK(!unlinkat(top, "outside", AT_REMOVEDIR));
	CHECK(!mkdirat(top, "outside", 0700));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static pvo_file_entry entry;
	static struct record_reader reader;
	bool whole;
	size_t at;

	if (size < 2)
		return 0;
	if (base < 0)
		make_directories();
	begin_again();
	receive(data, size);
	reader.have = 0;
	for (at = 0; at < size;) {
		ssize_t n = record_take(&reader, data + at, size - at, pvo_file_entry_fields,
					&entry, &whole);

		if (n < 0)
			break;
		CHECK(n > 0 || whole);
		at += n;
		if (whole)
			text_clean(entry.text);
	}
	return 0;
}
