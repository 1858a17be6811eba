// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last values of a stream of INFO WATCH or GET, and what of them has changed.
 */
#include <errno.h>
#include <pb_decode.h>
#include <stdlib.h>
#include <string.h>

#include "info.h"

#define KEY_MAX	(1 + 4 + 1024)

struct key {
	size_t len;
	__u8 bytes[KEY_MAX];
};

static void add(struct key *key, const void *data, size_t len)
{
	if (len > sizeof(key->bytes) - key->len)
		len = sizeof(key->bytes) - key->len;
	memcpy(key->bytes + key->len, data, len);
	key->len += len;
}

#define add_field(key, field)	add(key, (field).bytes, (field).size)

/* What names a value: two records with the same key are about the same thing. */
static void make_key(struct key *key, const info_record *rec)
{
	__u8 tag = rec->which_what;

	key->len = 0;
	add(key, &tag, sizeof(tag));
	switch (tag) {
	case pvo_InfoRecord_user_tag:
		add(key, &rec->what.user.pid, sizeof(rec->what.user.pid));
		add_field(key, rec->what.user.line);
		break;
	case pvo_InfoRecord_link_tag:
		add(key, &rec->what.link.index, sizeof(rec->what.link.index));
		break;
	case pvo_InfoRecord_address_tag:
		add(key, &rec->what.address.index, sizeof(rec->what.address.index));
		add(key, &rec->what.address.prefix, sizeof(rec->what.address.prefix));
		add_field(key, rec->what.address.address);
		break;
	case pvo_InfoRecord_route_tag:
		/* All that the kernel tells routes apart by. */
		add(key, &rec->what.route.family, sizeof(rec->what.route.family));
		add(key, &rec->what.route.prefix, sizeof(rec->what.route.prefix));
		add(key, &rec->what.route.metric, sizeof(rec->what.route.metric));
		add(key, &rec->what.route.index, sizeof(rec->what.route.index));
		add_field(key, rec->what.route.destination);
		add_field(key, rec->what.route.gateway);
		break;
	case pvo_InfoRecord_fs_tag:
		add(key, &rec->what.fs.major, sizeof(rec->what.fs.major));
		add(key, &rec->what.fs.minor, sizeof(rec->what.fs.minor));
		add_field(key, rec->what.fs.target);
		break;
	default:	/* there is one of it */
		break;
	}
}

static int send_as(struct info_table *t, info_record *rec, bool gone)
{
	rec->seq = ++t->seq;
	rec->gone = gone;
	return record_put(t->out, pvo_InfoRecord_fields, rec);
}

int table_send(struct info_table *t, info_record *rec)
{
	return send_as(t, rec, false);
}

void table_begin(struct info_table *t, pvo_InfoSection section)
{
	struct info_value *v;

	for (v = t->first; v; v = v->next)
		if (v->section == section)
			v->seen = false;
	t->left_out[section].now = 0;
}

void table_left_out(struct info_table *t, pvo_InfoSection section)
{
	t->left_out[section].now++;
}

static struct info_value **find(struct info_table *t, const struct key *key)
{
	struct info_value **v = &t->first;

	while (*v && ((*v)->key_len != key->len || memcmp((*v)->bytes, key->bytes, key->len)))
		v = &(*v)->next;
	return v;
}

static struct info_value *new_value(pvo_InfoSection section, const struct key *key,
				    const void *record, size_t len)
{
	struct info_value *v = malloc(sizeof(*v) + key->len + len);

	if (!v)
		return NULL;
	v->next = NULL;
	v->section = section;
	v->key_len = key->len;
	v->len = len;
	v->seen = true;
	memcpy(v->bytes, key->bytes, key->len);
	memcpy(v->bytes + key->len, record, len);
	return v;
}

int table_put(struct info_table *t, pvo_InfoSection section, const info_record *rec)
{
	static info_record copy;
	__u8 buf[pvo_InfoRecord_size];
	pb_ostream_t to = pb_ostream_from_buffer(buf, sizeof(buf));
	struct info_value **at, *v;
	struct key key;

	copy = *rec;
	copy.seq = 0;
	copy.gone = false;
	if (!pb_encode(&to, pvo_InfoRecord_fields, &copy))
		return -EMSGSIZE;
	make_key(&key, &copy);
	at = find(t, &key);
	if (*at && (*at)->len == to.bytes_written &&
	    !memcmp((*at)->bytes + key.len, buf, to.bytes_written)) {
		(*at)->seen = true;
		return 0;
	}
	v = new_value(section, &key, buf, to.bytes_written);
	if (!v)
		return -ENOMEM;
	if (*at) {
		v->next = (*at)->next;
		free(*at);
	}
	*at = v;
	return send_as(t, &copy, false);
}

static int send_gone(struct info_table *t, const struct info_value *v)
{
	static info_record rec;
	pb_istream_t from = pb_istream_from_buffer(v->bytes + v->key_len, v->len);

	/* It is what we encoded ourselves. */
	if (!pb_decode(&from, pvo_InfoRecord_fields, &rec))
		return -EINVAL;
	return send_as(t, &rec, true);
}

int table_end(struct info_table *t, pvo_InfoSection section)
{
	struct info_value **at = &t->first, *v;
	info_record rec = { .which_what = pvo_InfoRecord_left_out_tag };
	int ret = 0;

	while (*at && !ret) {
		v = *at;
		if (v->section != section || v->seen) {
			at = &v->next;
			continue;
		}
		ret = send_gone(t, v);
		*at = v->next;
		free(v);
	}
	if (ret || t->left_out[section].now == t->left_out[section].told)
		return ret;
	t->left_out[section].told = t->left_out[section].now;
	rec.what.left_out.section = section;
	rec.what.left_out.count = t->left_out[section].now;
	return send_as(t, &rec, false);
}

void table_free(struct info_table *t)
{
	struct info_value *v;

	while ((v = t->first)) {
		t->first = v->next;
		free(v);
	}
}
