// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams between a host and a daemon, over PVC/1 and /dev/pvg_control. The
 * daemon is a child of this program; the host is the program itself, at the port
 * that is the other end of the control channel's. Run by relay.sh with that port
 * as its argument; prints TAP 13.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>

#include "tap.h"
#include "pvguest/protocol.h"
#include "../../include/uapi/pvguest/control_dev.h"
#include "../../include/uapi/pvguest/services.h"

#define SERVICE	17
#define KIB	1024u

/* What the daemon does upon a request. */
enum op {
	OP_REVERSE = 1,		/* answers its arguments backwards */
	OP_ECHO = 2,		/* data comes back; its length is the answer */
	OP_SOURCE = 3,		/* sends as much data as the arguments say */
	OP_NOTHING = 4,		/* does not answer */
	OP_DIE = 5,
	OP_LAST = 6,		/* how the last stream but this was closed */
	OP_DEAF = 7,		/* stops reading until it is woken up */
	OP_BYE = 8,		/* answers and is gone */
};

/* What the daemon has seen, as it counts, and what it waits for. */
struct shared {
	atomic_uint opened;	/* requests */
	atomic_uint failed;	/* streams that were closed, and not with PVC_OK */
	atomic_bool awake;	/* OP_DEAF goes on */
};

static struct shared *shared;
static __u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static __u8 pattern(__u64 offset)
{
	return (offset * 2654435761u) >> 13;
}

/* ---- the daemon ---------------------------------------------------------- */

struct message {
	struct pvg_control_message head;
	__u8 data[PVG_CONTROL_DATA_MAX];
};

static int control;
static __u32 last_closed;

static void post(__u32 type, __u64 stream, __u32 status, const void *data,
		 __u32 len)
{
	struct message m = {
		.head = {
			.type = type,
			.len = len,
			.stream = stream,
			.status = status,
		},
	};

	memcpy(m.data, data, len);
	if (write(control, &m, sizeof(m.head) + len) < 0 && errno != ENOENT)
		_exit(3);
}

static void send_pattern(__u64 stream, __u32 total)
{
	__u8 buf[PVG_CONTROL_DATA_MAX];
	__u32 i, n, done;

	for (done = 0; done < total; done += n) {
		n = min_t(__u32, total - done, sizeof(buf));
		for (i = 0; i < n; i++)
			buf[i] = pattern(done + i);
		post(PVG_CONTROL_DATA, stream, 0, buf, n);
	}
	post(PVG_CONTROL_REPLY, stream, PVC_OK, &total, sizeof(total));
}

static void begin(const struct message *m)
{
	struct pvg_control_open open;
	const __u8 *args = m->data + sizeof(open);
	__u32 i, len = m->head.len - sizeof(open), total;
	__u8 body[PVG_CONTROL_BODY_MAX];

	memcpy(&open, m->data, sizeof(open));
	switch (open.op) {
	case OP_REVERSE:
		for (i = 0; i < len; i++)
			body[i] = args[len - 1 - i];
		post(PVG_CONTROL_REPLY, m->head.stream, PVC_OK, body, len);
		break;
	case OP_SOURCE:
		memcpy(&total, args, sizeof(total));
		send_pattern(m->head.stream, total);
		break;
	case OP_DIE:
		_exit(0);
	case OP_BYE:
		post(PVG_CONTROL_REPLY, m->head.stream, PVC_OK, "bye", 3);
		_exit(0);
	case OP_DEAF:
		for (i = 0; i < 6000 && !shared->awake; i++)
			usleep(10000);
		break;
	case OP_LAST:
		post(PVG_CONTROL_REPLY, m->head.stream, PVC_OK, &last_closed,
		     sizeof(last_closed));
		break;
	}
}

static void serve(void)
{
	static struct message m;
	__u32 echoed = 0;
	void *nowhere;
	ssize_t n;

	nowhere = mmap(NULL, sizeof(m), PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (;;) {
		/* What cannot be written is not lost. */
		if (read(control, nowhere, sizeof(m)) >= 0 || errno != EFAULT)
			_exit(6);
		n = read(control, &m, sizeof(m));
		if (n != (ssize_t)(sizeof(m.head) + m.head.len))
			_exit(4);
		if (m.head.type == PVG_CONTROL_OPEN) {
			shared->opened++;
			begin(&m);
			echoed = 0;
		} else if (m.head.type == PVG_CONTROL_DATA) {
			post(PVG_CONTROL_DATA, m.head.stream, 0, m.data,
			     m.head.len);
			echoed += m.head.len;
		} else if (m.head.type == PVG_CONTROL_EOF) {
			post(PVG_CONTROL_REPLY, m.head.stream, PVC_OK, &echoed,
			     sizeof(echoed));
		} else if (m.head.type == PVG_CONTROL_CLOSED &&
			   m.head.status != PVC_OK) {
			last_closed = m.head.status;
			shared->failed++;
		}
	}
}

static int bind_service(int fd, __u16 service, __u8 lowest, __u8 highest)
{
	struct pvg_control_bind bind = {
		.service = service,
		.version_min = lowest,
		.version_max = highest,
	};

	return ioctl(fd, PVG_CONTROL_BIND, &bind);
}

static pid_t start_daemon(void)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		exit(2);
	pid = fork();
	if (!pid) {
		control = open("/dev/pvg_control", O_RDWR);
		if (bind_service(control, SERVICE, 2, 3) ||
		    write(ready[1], "", 1) != 1)
			_exit(5);
		serve();
	}
	close(ready[1]);
	check(read(ready[0], &c, 1) == 1, "a daemon binds service 17 in versions 2 to 3");
	close(ready[0]);
	return pid;
}

/* ---- the host ------------------------------------------------------------ */

static struct host {
	struct pvc pvc;
	struct pvc_stream streams[8];
	__u8 rx[PVC_SYNC_RUN];
	int fd;
	/* the request under way */
	const void *args;
	__u32 args_len;
	__u64 to_send, sent, got;
	__u32 piece;		/* bytes of data in a frame at most; 0: any */
	bool intact, answered, closed;
	__u32 status, body_len;
	__u8 body[PVG_CONTROL_BODY_MAX];
} h;

static void on_random(struct pvc *p, void *buf, __u32 len)
{
	(void)p;
	if (getrandom(buf, len, 0) != (ssize_t)len)
		exit(2);
}

static void on_data(struct pvc *p, struct pvc_stream *s, const void *data,
		    __u32 len)
{
	__u32 i;

	for (i = 0; i < len; i++)
		if (((const __u8 *)data)[i] != pattern(h.got + i))
			h.intact = false;
	h.got += len;
	pvc_consumed(p, s, len);
}

static void on_result(struct pvc *p, struct pvc_stream *s, __u32 flags,
		      const void *body, __u32 len)
{
	(void)p;
	(void)s;
	(void)flags;
	h.answered = true;
	h.body_len = min_t(__u32, len, sizeof(h.body));
	memcpy(h.body, body, h.body_len);
}

static void on_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	(void)p;
	(void)s;
	h.closed = true;
	h.status = status;
}

static __u32 on_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		     void *buf, __u32 max)
{
	__u32 i, n;

	if (type == PVC_OPEN) {
		memcpy(buf, h.args, h.args_len);
		return h.args_len;
	}
	n = min_t(__u64, h.piece ? h.piece : max, h.to_send - h.sent);
	for (i = 0; i < n; i++)
		((__u8 *)buf)[i] = pattern(h.sent + i);
	h.sent += n;
	if (h.sent == h.to_send)
		pvc_finish(p, s);
	return n;
}

static const struct pvc_ops host_ops = {
	.random = on_random,
	.data = on_data,
	.result = on_result,
	.closed = on_closed,
	.fill = on_fill,
};

static void send_all(void)
{
	static __u8 buf[PVC_SYNC_RUN];
	__u32 len, at;
	ssize_t n;

	while ((len = pvc_output(&h.pvc, buf, sizeof(buf), now_ms())))
		for (at = 0; at < len; at += n) {
			n = write(h.fd, buf + at, len - at);
			if (n < 0)
				exit(2);
		}
}

/* Let the session go on, for at most that long. */
static void turn(int ms)
{
	struct pollfd pfd = { .fd = h.fd, .events = POLLIN };
	static __u8 buf[65536];
	ssize_t n;

	send_all();
	if (poll(&pfd, 1, ms) > 0) {
		n = read(h.fd, buf, sizeof(buf));
		if (n > 0)
			pvc_input(&h.pvc, buf, n, now_ms());
	}
	pvc_tick(&h.pvc, now_ms());
	send_all();
}

static bool session(void)
{
	__u64 until = now_ms() + 20000;

	while (h.pvc.state != PVC_UP && now_ms() < until)
		turn(20);
	/* Nothing here is about silence, which a busy machine may well cause. */
	h.pvc.peer.quiet_ms = 0;
	return h.pvc.state == PVC_UP;
}

/* Opens a stream; its end is h.closed. */
static struct pvc_stream *request(__u8 version, enum op op, const void *args,
				  __u32 len, __u64 data, __u32 deadline_ms)
{
	struct pvc_request req = {
		.service = SERVICE,
		.op = op,
		.version = version,
		.window = 256 * KIB,
		.flags = data ? 0 : PVC_OPEN_NODATA,
		.deadline_ms = deadline_ms,
	};
	struct pvc_stream *s;

	h.args = args;
	h.args_len = len;
	h.to_send = data;
	h.sent = 0;
	h.got = 0;
	h.intact = true;
	h.answered = false;
	h.closed = false;
	h.status = PVC_LOST;
	h.body_len = 0;
	s = pvc_open(&h.pvc, &req);
	if (s && data)
		pvc_ready(&h.pvc, s);
	return s;
}

static bool finish(__u32 ms)
{
	__u64 until = now_ms() + ms;

	while (!h.closed && now_ms() < until)
		turn(20);
	return h.closed;
}

/* Lets the session go on until the daemon has counted that far. */
static bool counted(atomic_uint *count, unsigned int wanted)
{
	__u64 until = now_ms() + 20000;

	while (*count < wanted && now_ms() < until)
		turn(20);
	return *count >= wanted;
}

/* Lets it go on until there is something to read for the service's provider. */
static bool arrives(struct pollfd *pfd)
{
	__u64 until = now_ms() + 20000;

	while (!poll(pfd, 1, 0) && now_ms() < until)
		turn(20);
	return pfd->revents & POLLIN;
}

/* The status of a request that takes no data. */
static __u32 ask(__u8 version, enum op op, const void *args, __u32 len)
{
	if (!session() || !request(version, op, args, len, 0, 0) ||
	    !finish(20000))
		return PVC_LOST;
	return h.status;
}

static __u32 number(void)
{
	__u32 n = ~0u;

	if (h.body_len == sizeof(n))
		memcpy(&n, h.body, sizeof(n));
	return n;
}

/* ---- the tests ----------------------------------------------------------- */

static void test_bind(void)
{
	int a = open("/dev/pvg_control", O_RDWR | O_NONBLOCK);
	int b = open("/dev/pvg_control", O_RDWR);
	struct pollfd pfd = { .fd = a, .events = POLLIN };
	struct message m;

	check(a >= 0 && b >= 0, "/dev/pvg_control can be open twice");
	check(bind_service(a, PVC_SERVICE_POWER, 1, 1) && errno == EINVAL &&
	      bind_service(a, PVC_SERVICE_NR, 1, 1) && errno == EINVAL &&
	      bind_service(a, SERVICE, 2, 1) && errno == EINVAL &&
	      bind_service(a, SERVICE, 0, 1) && errno == EINVAL,
	      "binding a kernel service, one beyond the last or a bad version is EINVAL");
	check(!bind_service(a, SERVICE, 1, 1), "a service for daemons can be bound");
	check(bind_service(b, SERVICE, 1, 1) && errno == EBUSY,
	      "a service that is bound is EBUSY for another file");
	check(!bind_service(b, SERVICE + 1, 1, 1), "another file can bind another service");
	check(poll(&pfd, 1, 0) == 0 && read(a, &m, sizeof(m)) < 0 &&
	      errno == EAGAIN, "a non-blocking read without messages is EAGAIN");
	m.head = (struct pvg_control_message){
		.type = PVG_CONTROL_EOF, .stream = 1
	};
	check(write(a, &m, sizeof(m.head)) < 0 && errno == ENOENT,
	      "a message for a stream that does not exist is ENOENT");
	m.head.type = PVG_CONTROL_OPEN;
	check(write(a, &m, sizeof(m.head)) < 0 && errno == EINVAL &&
	      write(a, &m, 3) < 0 && errno == EINVAL,
	      "a message of a wrong type or of 3 bytes is EINVAL");
	m.head = (struct pvg_control_message){
		.type = PVG_CONTROL_DATA, .len = 5
	};
	check(write(a, &m, sizeof(m.head) + 4) < 0 && errno == EINVAL,
	      "a message shorter than its header says is EINVAL");
	check(session() && request(1, OP_REVERSE, "abc", 3, 0, 0) &&
	      arrives(&pfd) && !h.closed && read(a, &m, 10) < 0 &&
	      errno == EMSGSIZE && read(a, &m, sizeof(m)) ==
	      sizeof(m.head) + sizeof(struct pvg_control_open) + 3 &&
	      m.head.type == PVG_CONTROL_OPEN,
	      "a request is read whole, and a short read is EMSGSIZE");
	close(a);
	check(finish(20000) && h.status == PVC_NO_SERVICE,
	      "a request ends with NO_SERVICE when its provider closes the device");
	close(b);
}

static void test_requests(void)
{
	static __u8 args[PVG_CONTROL_BODY_MAX];
	__u32 i;

	check(ask(2, OP_REVERSE, "abc", 3) == PVC_OK && h.body_len == 3 &&
	      !memcmp(h.body, "cba", 3), "a request is answered with its arguments backwards");
	check(ask(3, OP_REVERSE, "", 0) == PVC_OK && h.body_len == 0,
	      "a request without arguments is answered");
	check(ask(1, OP_REVERSE, "", 0) == PVC_BAD_VERSION &&
	      ask(4, OP_REVERSE, "", 0) == PVC_BAD_VERSION,
	      "a request of a version that is not provided is BAD_VERSION");
	for (i = 0; i < sizeof(args); i++)
		args[i] = i * 7;
	check(ask(2, OP_REVERSE, args, sizeof(args)) == PVC_OK &&
	      h.body_len == sizeof(args) && h.body[0] == args[sizeof(args) - 1],
	      "a request with the longest arguments is answered");
	/* What the guest provides is said when a session begins. */
	pvc_stop(&h.pvc, now_ms());
	pvc_start(&h.pvc, now_ms());
	check(session() && h.pvc.peer.services[SERVICE].version_min == 2 &&
	      h.pvc.peer.services[SERVICE].version_max == 3,
	      "a new session tells the host the versions of the service");
}

static void test_data(void)
{
	__u32 total = 1000 * KIB;
	__u64 until;
	bool waits;

	check(session() && request(2, OP_ECHO, "", 0, 1000 * KIB, 0) &&
	      finish(60000) && h.status == PVC_OK,
	      "1000 KiB sent to the daemon end with OK");
	check(h.got == 1000 * KIB && h.intact && number() == 1000 * KIB,
	      "1000 KiB come back from the daemon intact (%llu bytes)", (unsigned long long)h.got);
	check(ask(2, OP_SOURCE, &total, sizeof(total)) == PVC_OK &&
	      h.got == total && h.intact,
	      "1000 KiB that the daemon sends, more than its credit, arrive intact");
	h.piece = 1;
	check(session() && request(2, OP_ECHO, "", 0, 3000, 0) &&
	      finish(60000) && h.status == PVC_OK && h.got == 3000 && h.intact &&
	      number() == 3000, "3000 bytes in frames of one byte come back intact");
	h.piece = 0;
	/* A daemon that does not read is not sent more than the window. */
	waits = session() && request(2, OP_DEAF, "", 0, 1000 * KIB, 0);
	until = now_ms() + 20000;
	while (waits && h.sent < PVC_BULK_PAYLOAD && now_ms() < until)
		turn(20);
	waits = waits && !finish(1000);
	check(waits && h.sent >= PVC_BULK_PAYLOAD &&
	      h.sent <= 64 * KIB + 2 * PVC_BULK_PAYLOAD,
	      "a daemon that does not read is sent no more than its window (%llu bytes)",
	      (unsigned long long)h.sent);
	shared->awake = true;
	check(finish(60000) && h.got == 1000 * KIB && h.intact,
	      "1000 KiB come back intact once the daemon reads");
}

static void test_ends(void)
{
	unsigned int opened, failed, tries = 0;
	struct pvc_stream *s;
	bool passes;

	/* It may pass before the daemon has seen a request, which it then never does. */
	do {
		opened = shared->opened;
		failed = shared->failed;
		passes = session() && request(2, OP_NOTHING, "", 0, 0, 500) &&
			 finish(20000) && h.status == PVC_TIMED_OUT;
	} while (passes && shared->opened == opened && ++tries < 10);
	check(passes, "a request that is not answered ends with TIMED_OUT");
	check(counted(&shared->failed, failed + 1) &&
	      ask(2, OP_LAST, "", 0) == PVC_OK && number() == PVC_TIMED_OUT,
	      "the daemon is told TIMED_OUT when a deadline passes");

	opened = shared->opened;
	failed = shared->failed;
	s = request(2, OP_NOTHING, "", 0, 0, 0);
	counted(&shared->opened, opened + 1);
	pvc_reset(&h.pvc, s, PVC_CANCELLED);
	check(counted(&shared->failed, failed + 1) &&
	      ask(2, OP_LAST, "", 0) == PVC_OK && number() == PVC_CANCELLED,
	      "the daemon is told CANCELLED when the host gives up");

	opened = shared->opened;
	failed = shared->failed;
	check(request(2, OP_NOTHING, "", 0, 0, 0) &&
	      counted(&shared->opened, opened + 1) && !h.closed,
	      "a request that is not answered stays open");
	pvc_stop(&h.pvc, now_ms());
	pvc_start(&h.pvc, now_ms());
	check(counted(&shared->failed, failed + 1) &&
	      ask(2, OP_LAST, "", 0) == PVC_OK && number() == PVC_LOST,
	      "the daemon is told LOST when the session ends");
	check(ask(2, OP_DIE, "", 0) == PVC_NO_SERVICE,
	      "a request ends with NO_SERVICE when its daemon exits");
	check(ask(2, OP_REVERSE, "", 0) == PVC_NO_SERVICE,
	      "a request after the daemon has exited is NO_SERVICE");
}

int main(int argc, char **argv)
{
	struct pvc_config cfg = {
		.role = PVC_HOST,
		.ops = &host_ops,
		.rx_buf = h.rx,
		.rx_size = sizeof(h.rx),
		.streams = h.streams,
		.nr_streams = 8,
		.stream_window = 256 * KIB,
		.conn_window = 1024 * KIB,
		.quiet_ms = PVC_QUIET_MAX_MS,
	};
	pid_t pid;

	if (argc != 2)
		return 2;
	tap_begin();
	tap_watchdog(getenv("PVG_SLOW") ? 2000 : 400);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	h.fd = open(argv[1], O_RDWR);
	if (h.fd < 0 || pvc_init(&h.pvc, &cfg))
		return 2;
	pvc_start(&h.pvc, now_ms());
	check(ask(1, OP_REVERSE, "", 0) == PVC_NO_SERVICE,
	      "a request before a daemon has started is NO_SERVICE");
	test_bind();
	pid = start_daemon();
	test_requests();
	test_data();
	test_ends();
	check(waitpid(pid, NULL, 0) == pid, "the daemon that was told to exit has exited");
	pid = start_daemon();
	check(ask(2, OP_BYE, "", 0) == PVC_OK && h.body_len == 3 &&
	      waitpid(pid, NULL, 0) == pid,
	      "an answer that the daemon gave right before it exited arrives");
	return tap_end();
}
