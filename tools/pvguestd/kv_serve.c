// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process that has the key-value store. One thread, one poll(); what a client does not
 * read is not sent to it, so that a slow one needs no memory: a watcher is a position in the
 * order of changes, and hears the last value of a key, not each.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "kv.h"
#include "kv_serve.h"
#include "sandbox.h"
#include "worker.h"

#define CLIENTS		64
#define CLIENTS_EACH	8	/* of these, of one user that is not root */
#define IDLE_MS		10000	/* so long the process waits for another client */

/**
 * struct client - a connection
 * @fd: of it; -1: this slot is free
 * @uid: whose
 * @may_write: is that root?
 * @follows: it lists or watches, from @position on
 * @once: it lists
 * @values: it wants them
 * @initial: what follows are values of now, not changes
 * @blocked: it does not read what it was sent
 * @prefix: of the keys it wants
 * @position: number of the last change that it was told
 * @begin: the store's number when @initial was set
 */
struct client {
	int fd;
	uid_t uid;
	bool may_write;
	bool follows;
	bool once;
	bool values;
	bool initial;
	bool blocked;
	char prefix[KV_KEY_MAX + 1];
	uint64_t position;
	uint64_t begin;
};

static struct client clients[CLIENTS];
static struct kv_store store;
static int dir = -1;
static gid_t readers = (gid_t)-1;

static void close_client(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->follows = false;
}

/* False: not now, or the client is gone. */
static bool send_record(struct client *c, pvo_kv_record *record, const struct kv_value *value)
{
	static uint8_t packet[KV_RECORD_MAX];
	pb_ostream_t out = pb_ostream_from_buffer(packet, sizeof(packet));

	record->value.funcs.encode = kv_encode_value;
	record->value.arg = (void *)value;
	if (pb_encode(&out, pvo_kv_record_fields, record) &&
	    send(c->fd, packet, out.bytes_written, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	c->blocked = errno == EAGAIN || errno == ENOBUFS;
	if (!c->blocked)
		close_client(c);
	return false;
}

static pvo_kv_record record_of(const struct kv_entry *entry, pvo_kv_event event)
{
	pvo_kv_record record = pvo_kv_record_init_zero;

	record.event = event;
	strcpy(record.key, entry->key);
	record.size = entry->len;
	record.generation = entry->generation;
	record.transient = entry->transient;
	record.from_host = entry->from_host;
	record.time_ms = entry->time_ms;
	return record;
}

static void refuse_client(struct client *c, uint32_t status, const char *text)
{
	pvo_kv_record record = pvo_kv_record_init_zero;

	record.status = status;
	snprintf(record.text, sizeof(record.text), "%s", text);
	/* A client that does not even take an answer is not worth to be waited for. */
	if (!send_record(c, &record, NULL) && c->fd >= 0)
		close_client(c);
}

static void send_entry(struct client *c, const struct kv_entry *entry, bool value)
{
	struct kv_value bytes = { .data = (void *)entry->value, .len = entry->len };
	pvo_kv_record record = record_of(entry, pvo_kv_event_KV_END);

	if (!send_record(c, &record, value ? &bytes : NULL) && c->fd >= 0)
		close_client(c);
}

/* One piece of news, or that there is none for now; false: no more can be sent. */
static bool follow_once(struct client *c)
{
	pvo_kv_record record = pvo_kv_record_init_zero;
	struct kv_value bytes = { 0 };
	struct kv_news news;

	if (!kv_next(&store, c->prefix, c->position, c->begin, &news)) {
		if (!c->initial)
			return false;
		record.event = c->once ? pvo_kv_event_KV_END : pvo_kv_event_KV_CURRENT;
		record.generation = store.generation;
		if (!send_record(c, &record, NULL))
			return false;
		c->initial = false;
		c->follows = !c->once;
		return c->follows;
	}
	if (news.lost || (c->once && news.deleted)) {
		record.event = pvo_kv_event_KV_LOST;
		if (!c->once && !send_record(c, &record, NULL))
			return false;
		c->position = news.lost ? 0 : news.generation;
		c->begin = news.lost ? store.generation : c->begin;
		c->initial = true;
		return true;
	}
	if (news.entry) {
		record = record_of(news.entry, pvo_kv_event_KV_VALUE);
		bytes.data = (void *)news.entry->value;
		bytes.len = c->values ? news.entry->len : 0;
	} else {
		record.event = pvo_kv_event_KV_DELETED;
		strcpy(record.key, news.deleted);
		record.generation = news.generation;
	}
	if (!send_record(c, &record, &bytes))
		return false;
	c->position = news.generation;
	return true;
}

static void follow(struct client *c)
{
	while (c->fd >= 0 && c->follows && !c->blocked && follow_once(c))
		;
}

static uint64_t realtime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

/* The change is on the disk, if it has to be, or was not made. */
static bool keep(struct client *c, struct kv_change *change)
{
	bool needed = (change->before && !change->before->transient) ||
		(change->after && !change->after->transient);
	char text[128];
	int err;

	err = change->in_file ? kv_save(&store, dir) : 0;
	if (err && needed) {
		kv_undo(&store, change);
		snprintf(text, sizeof(text), "the file of the values cannot be written: %s",
			 strerror(-err));
		refuse_client(c, PVC_FAILED, text);
		return false;
	}
	kv_done(&store, change);
	return true;
}

/* Is the generation what the request says it has to be? */
static bool condition_holds(struct client *c, const pvo_kv_request *request,
			    const struct kv_entry *entry)
{
	uint64_t generation = entry ? entry->generation : 0;
	char text[128];

	if (!request->conditional || request->generation == generation)
		return true;
	snprintf(text, sizeof(text), "the key has generation %llu, not %llu",
		 (unsigned long long)generation, (unsigned long long)request->generation);
	refuse_client(c, PVC_EXPIRED, text);
	return false;
}

static void set(struct client *c, const pvo_kv_request *request, const struct kv_value *value)
{
	struct kv_change change;
	struct kv_entry *entry;
	const char *bad;

	if (!condition_holds(c, request, kv_find(&store, request->key)))
		return;
	entry = kv_entry_new(request->key, value->data, value->len);
	if (!entry) {
		refuse_client(c, PVC_FAILED, "out of memory");
		return;
	}
	entry->transient = request->transient;
	entry->from_host = request->from_host;
	entry->time_ms = realtime_ms();
	bad = kv_set(&store, entry, &change);
	if (bad)
		refuse_client(c, PVC_FAILED, bad);
	else if (keep(c, &change))
		send_entry(c, entry, false);
}

static void delete(struct client *c, const pvo_kv_request *request, const struct kv_entry *entry)
{
	pvo_kv_record record = pvo_kv_record_init_zero;
	struct kv_change change;

	if (!condition_holds(c, request, entry))
		return;
	kv_delete(&store, request->key, &change);
	if (!keep(c, &change))
		return;
	strcpy(record.key, request->key);
	record.generation = store.generation;
	if (!send_record(c, &record, NULL) && c->fd >= 0)
		close_client(c);
}

static void begin_following(struct client *c, const pvo_kv_request *request)
{
	c->follows = true;
	c->initial = true;
	c->once = request->op == PVO_KV_LIST;
	c->values = !c->once || request->values;
	c->position = 0;
	c->begin = store.generation;
	strcpy(c->prefix, request->key);
}

static void carry_out(struct client *c, const pvo_kv_request *request,
		      const struct kv_value *value)
{
	bool follows = request->op == PVO_KV_LIST || request->op == PVO_KV_WATCH;
	bool writes = request->op == PVO_KV_SET || request->op == PVO_KV_DELETE;
	const struct kv_entry *entry = kv_find(&store, request->key);
	const char *bad = follows && !*request->key ? NULL : kv_check_key(request->key);

	if (c->follows)
		close_client(c);
	else if (bad)
		refuse_client(c, PVC_INVALID, bad);
	else if (writes && !c->may_write)
		refuse_client(c, PVC_DENIED, "only root may change values");
	else if (follows)
		begin_following(c, request);
	else if (request->op == PVO_KV_SET)
		set(c, request, value);
	else if (!entry)
		refuse_client(c, PVC_NOT_FOUND, "there is no such key");
	else if (request->op == PVO_KV_GET)
		send_entry(c, entry, true);
	else if (request->op == PVO_KV_DELETE)
		delete(c, request, entry);
	else
		refuse_client(c, PVC_UNSUPPORTED, "there is no such operation");
}

static void hear(struct client *c)
{
	static uint8_t packet[KV_RECORD_MAX], bytes[KV_VALUE_MAX];
	struct kv_value value = { .data = bytes, .room = sizeof(bytes) };
	struct iovec iov = { .iov_base = packet, .iov_len = sizeof(packet) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	pvo_kv_request request = pvo_kv_request_init_zero;
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT);
	pb_istream_t in;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || (msg.msg_flags & MSG_TRUNC)) {
		close_client(c);
		return;
	}
	in = pb_istream_from_buffer(packet, n);
	request.value.funcs.decode = kv_decode_value;
	request.value.arg = &value;
	if (pb_decode(&in, pvo_kv_request_fields, &request))
		carry_out(c, &request, &value);
	else
		refuse_client(c, PVC_INVALID, "the request is malformed, or its value is longer than 65536 bytes");
}

/* root may write, members of the group may read. */
static bool admit(struct client *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	gid_t groups[256];
	unsigned int i, others = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	c->uid = peer.uid;
	c->may_write = !peer.uid;
	if (c->may_write)
		return true;
	for (i = 0; i < CLIENTS; i++)
		others += clients[i].fd >= 0 && &clients[i] != c && clients[i].uid == peer.uid;
	if (others >= CLIENTS_EACH || readers == (gid_t)-1)
		return false;
	if (peer.gid == readers)
		return true;
	len = sizeof(groups);
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == readers)
			return true;
	return false;
}

static void take_client(int listener)
{
	struct client *c = NULL;
	unsigned int i;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (i = 0; i < CLIENTS && !c; i++)
		if (clients[i].fd < 0)
			c = &clients[i];
	if (fd < 0)
		return;
	if (!c) {
		close(fd);
		return;
	}
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	if (admit(c))
		return;
	refuse_client(c, PVC_DENIED, "only root and members of group " KV_GROUP " may use the values");
	if (c->fd >= 0)
		close_client(c);
}

/* The number of clients; @pfds[0] is the listener. */
static unsigned int wait_for_events(int listener, struct pollfd *pfds, int *ready)
{
	unsigned int i, nr = 0;

	for (i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		pfds[i + 1].fd = c->fd;
		pfds[i + 1].events = POLLIN | (c->blocked ? POLLOUT : 0);
		nr += c->fd >= 0;
	}
	/* A full house waits at the door. */
	pfds[0].fd = nr < CLIENTS ? listener : -1;
	pfds[0].events = POLLIN;
	*ready = poll(pfds, CLIENTS + 1, nr || store.nr_transient ? -1 : IDLE_MS);
	return nr;
}

static void serve(int listener)
{
	struct pollfd pfds[CLIENTS + 1];
	unsigned int i, nr;
	int ready;

	for (;;) {
		nr = wait_for_events(listener, pfds, &ready);
		if (!ready && !nr)
			return;
		if (ready <= 0)
			continue;
		for (i = 0; i < CLIENTS; i++) {
			struct client *c = &clients[i];

			if (pfds[i + 1].revents & POLLOUT)
				c->blocked = false;
			if (c->fd >= 0 && pfds[i + 1].revents & ~POLLOUT)
				hear(c);
		}
		for (i = 0; i < CLIENTS; i++)
			follow(&clients[i]);
		if (pfds[0].revents)
			take_client(listener);
	}
}

/* Opens its directory, as root; makes it at first. */
static int open_directory(const char *state_dir, uid_t uid, gid_t gid)
{
	char path[4096];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/kv", state_dir);
	mkdir(state_dir, 0711);
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Whoever had the process before: root, or nobody where there was no user for it. */
	if (!fstat(fd, &st) && st.st_uid != uid && kv_give(fd, uid, gid)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

void kv_serve(int listener, const char *state_dir, pid_t parent)
{
	struct kv_ids ids = kv_ids();
	unsigned int i;
	int err;

	for (i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	readers = ids.readers;
	dir = open_directory(state_dir, ids.uid, ids.gid);
	if (dir < 0)
		log_line(LOG_WARNING, "kv: %s/kv: %s; values are kept no longer than the daemon runs",
			 state_dir, strerror(-dir));
	/* One process at a time, if an old daemon's has not ended yet. */
	else if (flock(dir, LOCK_EX))
		log_line(LOG_WARNING, "kv: %s/kv: %s", state_dir, strerror(errno));
	err = kv_confine(&ids, parent);
	if (!err && dir >= 0)
		err = kv_load(&store, dir);
	if (err)
		log_line(LOG_ERR, "kv: the values cannot be had: %s", strerror(-err));
	else
		serve(listener);
	_exit(err ? 1 : 0);
}
