// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams between a host and a daemon, over PVC/1 and /dev/pvg_control. The daemon is a
 * child of this program, see provider.h; the host is the program itself, see peer.h.
 * Run by stream.sh with the host's port as its argument; prints TAP 13.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "provider.h"

/* ---- the tests ----------------------------------------------------------- */

/* errno of a call in another process that has the descriptor; 0: it succeeded. */
static int elsewhere(int (*call)(int fd), int fd)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(call(fd) < 0 ? errno : 0);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
	       WEXITSTATUS(status) : -1;
}

static int try_bind(int fd)
{
	return bind_service(fd, SERVICE + 2, 1, 1);
}

static int try_accept(int fd)
{
	struct pvg_control_accept req;
	__u8 args[100];

	return accept_into(fd, &req, args, sizeof(args), 0);
}

static int try_freeze(int fd)
{
	int none = -1;
	struct pvg_control_freeze req = {
		.nr_fds = 1, .fds = (__u64)(unsigned long)&none,
	};

	return ioctl(fd, PVG_CONTROL_FREEZE, &req);
}

static int try_drop(int fd)
{
	__u32 rights = PVG_CONTROL_RIGHTS;

	return ioctl(fd, PVG_CONTROL_DROP, &rights);
}

static void test_rights(void)
{
	int fd = open("/dev/pvg_control", O_RDWR | O_NONBLOCK);
	__u32 rights = 0x8000;

	check(elsewhere(try_bind, fd) == EPERM && elsewhere(try_accept, fd) == EPERM &&
	      elsewhere(try_freeze, fd) == EPERM,
	      "a process that inherited the descriptor may not bind, accept or freeze");
	check(try_freeze(fd) < 0 && errno == EBADF && try_accept(fd) < 0 &&
	      errno == EAGAIN, "who opened it may freeze and accept");
	check(elsewhere(try_drop, fd) == EPERM, "nor give up what the other has");
	check(ioctl(fd, PVG_CONTROL_DROP, &rights) < 0 && errno == EINVAL,
	      "giving up a right that does not exist is EINVAL");
	rights = PVG_CONTROL_RIGHT_FREEZE;
	check(!ioctl(fd, PVG_CONTROL_DROP, &rights) && try_freeze(fd) < 0 &&
	      errno == EPERM && !bind_service(fd, SERVICE + 2, 1, 1),
	      "who gave up the right to freeze may not, but may bind");
	rights = PVG_CONTROL_RIGHT_BIND;
	check(!ioctl(fd, PVG_CONTROL_DROP, &rights) &&
	      bind_service(fd, SERVICE + 3, 1, 1) && errno == EPERM,
	      "who gave up the right to bind may not");
	close(fd);
}

static void test_bind(void)
{
	int a = open("/dev/pvg_control", O_RDWR | O_NONBLOCK);
	int b = open("/dev/pvg_control", O_RDWR);
	char byte;

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
	check(read(a, &byte, 1) < 0 && errno == EINVAL && write(a, "", 1) < 0 &&
	      errno == EINVAL, "reading and writing the device itself is EINVAL");
	close(a);
	close(b);
}

/* A request that waits, with the listening file in @fd. */
static bool waits(int fd, struct call *call)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return peer_session() && peer_request(call) &&
	       peer_until(poll(&pfd, 1, 0) == 1) && pfd.revents == POLLIN;
}

static void test_accept(void)
{
	int a = open("/dev/pvg_control", O_RDWR | O_NONBLOCK), s;
	struct pollfd pfd = { .fd = a, .events = POLLIN };
	struct call call = { .version = 1, .args = "abc", .args_len = 3 };
	struct pvg_control_accept req;
	__u8 args[10], byte;

	bind_service(a, SERVICE, 1, 1);
	check(!poll(&pfd, 1, 0) && accept_into(a, &req, args, 10, 0) < 0 &&
	      errno == EAGAIN, "accepting without a request is EAGAIN with O_NONBLOCK");
	check(waits(a, &call), "poll() says that there is a request");
	check(accept_into(a, &req, args, 2, 0) < 0 && errno == EMSGSIZE &&
	      req.args_len == 3, "too little room for the arguments is EMSGSIZE, with how much");
	check(accept_into(a, &req, args, 10, O_APPEND) < 0 && errno == EINVAL &&
	      accept_into(a, &req, (void *)8, 10, 0) < 0 && errno == EFAULT,
	      "unknown flags are EINVAL, a bad address is EFAULT");
	s = accept_into(a, &req, args, 10, O_CLOEXEC | O_NONBLOCK);
	check(read(s, &byte, 1) == 0, "a request without data has none to read");
	check(s >= 0 && req.service == SERVICE && req.args_len == 3 &&
	      !memcmp(args, "abc", 3) && req.flags == PVC_OPEN_NODATA,
	      "the request is still there, and becomes a descriptor");
	check(fcntl(s, F_GETFD) == FD_CLOEXEC && fcntl(s, F_GETFL) & O_NONBLOCK,
	      "the descriptor has the flags that were asked for");
	check(ioctl(s, PVG_CONTROL_BIND, &req) < 0 && errno == ENOTTY &&
	      ioctl(s, PVG_CONTROL_FREEZE, &req) < 0 && errno == ENOTTY,
	      "the descriptor can neither bind nor freeze");
	close(a);
	check(!reply(s, PVC_BUSY, "xy", 2) && peer_finish(&call) &&
	      call.status == PVC_BUSY && call.body_len == 2,
	      "it is answered after the listening file was closed");
	close(s);

	a = open("/dev/pvg_control", O_RDWR | O_NONBLOCK);
	bind_service(a, SERVICE, 1, 1);
	waits(a, &call);
	close(a);
	check(peer_finish(&call) && call.status == PVC_NO_SERVICE,
	      "a request that was not accepted ends with NO_SERVICE");
	a = open("/dev/pvg_control", O_RDWR | O_NONBLOCK);
	bind_service(a, SERVICE, 1, 1);
	waits(a, &call);
	pvc_reset(&peer.pvc, call.s, PVC_CANCELLED);
	pfd.fd = a;
	check(peer_until(!poll(&pfd, 1, 0)), "a request that the host gave up is not offered");
	close(a);
}

/* The process that may accept is gone, and an heir keeps the file open. */
static void test_heir(void)
{
	struct call call = { .version = 1 };
	int b, alive[2];
	char byte;
	pid_t pid;

	if (pipe(alive))
		return;
	pid = fork();
	if (!pid) {
		int a = open("/dev/pvg_control", O_RDWR);

		bind_service(a, SERVICE, 1, 1);
		if (!fork()) {
			/* Until the test closes its end. */
			close(alive[1]);
			_exit(read(alive[0], &byte, 1));
		}
		_exit(0);
	}
	/* Not reaped yet, as with a parent that is busy. */
	waitid(P_PID, pid, NULL, WEXITED | WNOWAIT);
	check(peer_ask(&call) == PVC_NO_SERVICE &&
	      peer_until(!peer.pvc.peer.services[SERVICE].version_max),
	      "a provider that has ended provides nothing, though its file is open");
	waitpid(pid, NULL, 0);
	b = open("/dev/pvg_control", O_RDWR);
	check(!bind_service(b, SERVICE, 1, 1), "another one can bind the service");
	close(b);
	close(alive[0]);
	close(alive[1]);
}

/* Without credit, and so without room. */
static void test_no_room(void)
{
	struct call call = { .version = 1, .send = 10, .hold = true };
	int a = open("/dev/pvg_control", O_RDWR), s;
	struct pvg_control_accept req;
	static __u8 buf[65536];
	int flags;

	bind_service(a, SERVICE, 1, 1);
	s = waits(a, &call) ? accept_into(a, &req, buf, sizeof(buf), O_NONBLOCK) : -1;
	if (!check(s >= 0, "a request is accepted whose host holds what comes"))
		return;
	peer_until((write(s, buf, sizeof(buf)) < 0 && call.got == 256 * KIB &&
		    errno == EAGAIN));
	check(write(s, buf, 1) < 0 && errno == EAGAIN, "a stream is full");
	flags = fcntl(s, F_GETFL);
	check(!ioctl(s, PVG_STREAM_SHUTDOWN) && write(s, buf, 1) < 0 && errno == EPIPE &&
	      !fcntl(s, F_SETFL, flags & ~O_NONBLOCK) && write(s, buf, 1) < 0 &&
	      errno == EPIPE, "a full stream whose data was ended is EPIPE, at once");
	pvc_reset(&peer.pvc, call.s, PVC_CANCELLED);
	peer_turn(100);
	close(s);
	close(a);
}

/* What a descriptor says of itself, from the request to its end. */
static void test_descriptor(void)
{
	int a = open("/dev/pvg_control", O_RDWR), s = -1, nr = 0;
	struct call call = { .version = 1, .send = 100, .hold = true };
	struct pvg_control_accept req;
	struct pollfd pfd = { .events = POLLIN | POLLOUT | POLLRDHUP };
	static __u8 buf[8192];
	__u32 status = PVC_OK, sent = 0;
	ssize_t n;

	bind_service(a, SERVICE, 1, 1);
	check(waits(a, &call) &&
	      (s = accept_into(a, &req, buf, sizeof(buf), O_NONBLOCK)) >= 0,
	      "a request with data is accepted");
	pfd.fd = s;
	check(peer_until(poll(&pfd, 1, 0) == 1 && pfd.revents & POLLRDHUP) &&
	      pfd.revents == (POLLIN | POLLOUT | POLLRDHUP),
	      "poll() tells of data, of room and of the end of the host's data (%#x)",
	      pfd.revents);
	check(read(s, buf, 60) == 60 && read(s, buf + 60, 1000) == 40 &&
	      buf[99] == pattern(99) && read(s, buf, 1000) == 0,
	      "the data is read in two parts, then there is its end");
	check(lseek(s, 0, SEEK_SET) < 0 && errno == ESPIPE && pread(s, buf, 1, 0) < 0 &&
	      errno == ESPIPE, "a stream cannot be positioned");
	/* The host holds what comes: 256 KiB of its window, then 64 KiB here. */
	while (peer_until(poll(&pfd, 1, 0) == 1 && pfd.revents & POLLOUT)) {
		while ((n = write(s, buf, sizeof(buf))) > 0)
			sent += n;
		if (errno != EAGAIN || sent >= 300 * KIB)
			break;
	}
	peer_until(call.got == 256 * KIB);
	poll(&pfd, 1, 0);
	check(sent > 256 * KIB && sent <= (256 + 80) * KIB && !(pfd.revents & POLLOUT) &&
	      status_of(s).unsent == sent - 256 * KIB && errno == EAGAIN,
	      "without credit 64 KiB are kept, then EAGAIN and no POLLOUT (%u bytes)", sent);
	if (call.s)
		pvc_consumed(&peer.pvc, call.s, 256 * KIB);
	call.hold = false;
	check(peer_until(poll(&pfd, 1, 0) == 1 && pfd.revents & POLLOUT),
	      "POLLOUT comes with credit");
	check(reply(s, PVC_STATUS_NR, "", 0) && errno == EINVAL &&
	      reply(s, PVC_LOST, "", 0) && errno == EINVAL &&
	      reply(s, PVC_OK, buf, PVG_STREAM_BODY_MAX + 1) && errno == EINVAL &&
	      reply(s, PVC_OK, (void *)8, 1) && errno == EFAULT &&
	      ioctl(s, PVG_STREAM_RESET, &status) && errno == EINVAL,
	      "bad answers are refused");
	check(!ioctl(s, PVG_STREAM_SHUTDOWN) && ioctl(s, PVG_STREAM_SHUTDOWN) &&
	      errno == EPIPE && write(s, "", 1) < 0 && errno == EPIPE,
	      "after its end no more data is taken: EPIPE, and no signal");
	check(status_of(s).state == PVG_STREAM_OPEN && !reply(s, PVC_OK, "", 0) &&
	      reply(s, PVC_OK, "", 0) && errno == EPIPE,
	      "it can be answered after that, once");
	peer_finish(&call);
	check(call.closed && call.status == PVC_OK && call.got == sent,
	      "the host gets all data and then the answer (%llu bytes)",
	      (unsigned long long)call.got);
	check(peer_until(status_of(s).state == PVG_STREAM_CLOSED) &&
	      status_of(s).status == PVC_OK && poll(&pfd, 1, 0) == 1 &&
	      pfd.revents & POLLHUP && !(pfd.revents & POLLERR) &&
	      read(s, buf, 1) == 0, "it is closed then: POLLHUP, and reads are 0");
	close(s);

	call.hold = false;
	check(waits(a, &call) && (s = accept_into(a, &req, buf, sizeof(buf), 0)) >= 0,
	      "another one is accepted");
	pfd.fd = s;
	pvc_reset(&peer.pvc, call.s, PVC_CANCELLED);
	check(peer_until(poll(&pfd, 1, 0) == 1 && pfd.revents & POLLHUP) &&
	      pfd.revents & POLLERR && status_of(s).status == PVC_CANCELLED,
	      "one that the host gives up: POLLHUP, POLLERR and CANCELLED");
	do {
		n = read(s, buf, sizeof(buf));
	} while (n > 0 && nr++ < 100);
	check(n < 0 && errno == ECANCELED && write(s, "", 1) < 0 && errno == EPIPE,
	      "reading it is ECANCELED, writing EPIPE");
	close(s);
	close(a);
}

/* A request, accepted. */
static int accepted(int fd, struct call *call)
{
	struct pvg_control_accept req;
	__u8 args[10];

	return waits(fd, call) ? accept_into(fd, &req, args, sizeof(args), 0) : -1;
}

/* What goes out with something else goes out without it, too. */
static void test_more(void)
{
	int a = open("/dev/pvg_control", O_RDWR | O_NONBLOCK), first, second;
	struct call calls[2] = { { .version = 1 }, { .version = 1 } };

	bind_service(a, SERVICE, 1, 1);
	first = accepted(a, &calls[0]);
	second = accepted(a, &calls[1]);
	check(!reply_more(first, PVC_OK, "a", 1) && !reply(second, PVC_BUSY, "b", 1) &&
	      peer_finish(&calls[0]) && peer_finish(&calls[1]) &&
	      calls[0].status == PVC_OK && calls[1].status == PVC_BUSY,
	      "an answer that another one follows arrives, and so does the other");
	check(reply_more(first, PVC_OK, "", 0) && errno == EPIPE,
	      "it was the only one of its request");
	close(first);
	close(second);
	first = accepted(a, &calls[0]);
	check(!reply_more(first, PVC_OK, "c", 1) && peer_finish(&calls[0]) &&
	      calls[0].status == PVC_OK && *calls[0].body == 'c',
	      "an answer that nothing follows arrives, too");
	close(first);
	first = accepted(a, &calls[0]);
	check(!reply_more(first, PVC_OK, "d", 1) && !close(first) && peer_finish(&calls[0]) &&
	      calls[0].status == PVC_OK && *calls[0].body == 'd',
	      "and one whose stream is closed");
	close(a);
}

static void test_requests(void)
{
	static __u8 args[PVG_STREAM_BODY_MAX];
	struct call abc = { .op = OP_REVERSE, .args = "abc", .args_len = 3 };
	struct call none = { .op = OP_REVERSE, .version = 3 };
	struct call old = { .op = OP_REVERSE, .version = 1 };
	struct call new = { .op = OP_REVERSE, .version = 4 };
	struct call longest = {
		.op = OP_REVERSE, .args = args, .args_len = sizeof(args)
	};
	struct call name = { .op = OP_NAME, .principal = "bob@host" };
	struct call nobody = { .op = OP_NAME };
	__u32 announced = peer.announced;

	check(peer_ask(&abc) == PVC_OK && abc.body_len == 3 &&
	      !memcmp(abc.body, "cba", 3), "a request is answered with its arguments backwards");
	check(peer_ask(&none) == PVC_OK && none.body_len == 0,
	      "a request without arguments is answered");
	check(peer_ask(&old) == PVC_BAD_VERSION && peer_ask(&new) == PVC_BAD_VERSION,
	      "a request of a version that is not provided is BAD_VERSION");
	fill_pattern(args, sizeof(args), 0);
	check(peer_ask(&longest) == PVC_OK && longest.body_len == sizeof(args) &&
	      longest.body[0] == args[sizeof(args) - 1],
	      "a request with long arguments is answered at length");
	check(peer_ask(&name) == PVC_OK && name.body_len == 8 &&
	      !memcmp(name.body, "bob@host", 8) && peer_ask(&nobody) == PVC_OK &&
	      !nobody.body_len, "the daemon sees on whose behalf the host asks");
	check(peer.pvc.peer.services[SERVICE].version_min == 2 &&
	      peer.pvc.peer.services[SERVICE].version_max == 3 && announced > 0,
	      "the host was told of the service during the session");
}

static void test_data(void)
{
	static const enum op ops[] = { OP_ECHO, OP_WORKER, OP_PASS };
	static const char *const how[] = {
		"the daemon", "a worker that inherited the descriptor",
		"an unprivileged process that was sent the descriptor",
	};
	__u32 i, total = 1000 * KIB;
	struct call source = {
		.op = OP_SOURCE, .args = &total, .args_len = sizeof(total),
		.prio = PVC_PRIO_BULK,
	};
	struct call small = { .op = OP_ECHO, .send = 3000, .piece = 1 };
	struct call deaf = { .op = OP_DEAF, .send = 1000 * KIB };
	__u64 until;
	bool all;

	for (i = 0; i < 3; i++) {
		struct call call = { .op = ops[i], .send = 1000 * KIB };

		all = peer_session() && peer_request(&call) && peer_finish(&call);
		check(all && call.status == PVC_OK && call.got == 1000 * KIB && call.intact &&
		      call_number(&call) == 1000 * KIB,
		      "1000 KiB come back intact from %s (%llu bytes)", how[i],
		      (unsigned long long)call.got);
	}
	check(peer_ask(&source) == PVC_OK && source.got == total && source.intact,
	      "1000 KiB that the daemon sends, more than its credit, arrive intact");
	check(peer_request(&small) && peer_finish(&small) && small.status == PVC_OK &&
	      small.got == 3000 && small.intact && call_number(&small) == 3000,
	      "3000 bytes in frames of one byte come back intact");
	/* A daemon that does not read is not sent more than the window. */
	peer_request(&deaf);
	peer_until(deaf.sent >= PVC_BULK_PAYLOAD);
	for (until = now_ms() + 1000; now_ms() < until;)
		peer_turn(20);
	check(!deaf.closed && deaf.sent >= PVC_BULK_PAYLOAD &&
	      deaf.sent <= 64 * KIB + 2 * PVC_BULK_PAYLOAD,
	      "a daemon that does not read is sent no more than its window (%llu bytes)",
	      (unsigned long long)deaf.sent);
	shared->awake = true;
	check(peer_finish(&deaf) && deaf.got == 1000 * KIB && deaf.intact,
	      "1000 KiB come back intact once the daemon reads");
}

static void test_ends(void)
{
	struct call keep = { .op = OP_KEEP }, last = { .op = OP_LAST };
	struct call late = { .op = OP_KEEP, .deadline_ms = 500 };
	struct call die = { .op = OP_DIE }, after = { .op = OP_REVERSE };
	unsigned int opened, tries = 0;
	bool passes;

	/* It may pass before the daemon has seen a request, which it then never does. */
	do {
		opened = shared->opened;
		passes = peer_ask(&late) == PVC_TIMED_OUT;
	} while (passes && shared->opened == opened && ++tries < 10);
	check(passes, "a request that is not answered ends with TIMED_OUT");
	check(peer_ask(&last) == PVC_OK && call_number(&last) == PVC_TIMED_OUT,
	      "the daemon sees TIMED_OUT when a deadline passes");

	opened = shared->opened;
	peer_request(&keep);
	peer_counted(&shared->opened, opened + 1);
	pvc_reset(&peer.pvc, keep.s, PVC_CANCELLED);
	/* Streams take turns: it is to go before the next one's OPEN. */
	peer_turn(0);
	check(peer_ask(&last) == PVC_OK && call_number(&last) == PVC_CANCELLED,
	      "the daemon sees CANCELLED when the host gives up");

	opened = shared->opened;
	check(peer_request(&keep) && peer_counted(&shared->opened, opened + 1) &&
	      !keep.closed, "a request that is not answered stays open");
	pvc_stop(&peer.pvc, now_ms());
	pvc_start(&peer.pvc, now_ms());
	check(peer_ask(&last) == PVC_OK && call_number(&last) == PVC_LOST,
	      "the daemon sees LOST when the session ends");
	check(peer_ask(&die) == PVC_ABORTED,
	      "a request ends with ABORTED when the daemon that accepted it exits");
	check(peer_ask(&after) == PVC_NO_SERVICE &&
	      peer_until(!peer.pvc.peer.services[SERVICE].version_max),
	      "a request after the daemon has exited is NO_SERVICE, and the host was told");
}

/* Two processes that read one stream get each byte once. */
static void test_pair(void)
{
	struct call call = { .op = OP_PAIR, .send = 1000 * KIB };
	struct pair pair = {};
	__u32 i, sum = 0;

	for (i = 0; i < 1000 * KIB; i++)
		sum += pattern(i);
	if (peer_ask(&call) == PVC_OK)
		memcpy(&pair, call.body, sizeof(pair));
	check(pair.bytes == 1000 * KIB && pair.sum == sum,
	      "two readers of a stream get each byte once (%u bytes)", pair.bytes);
	check(pair.readers == 2, "both readers of the stream get some (%u)", pair.readers);
}

static struct call calls[MANY + 1];

/* As many as there may be, and one more; all answered, none forgotten. */
static void test_many(void)
{
	struct call all = { .op = OP_ANSWER_ALL }, files = { .op = OP_OPEN_FILES };
	unsigned int opened = shared->opened, i, closed = 0, rounds;
	__u32 before;

	peer_ask(&files);
	before = call_number(&files);
	opened++;
	/* One is for the request that has all answered. */
	for (i = 0; i < MANY - 1; i++) {
		calls[i] = (struct call){ .op = OP_KEEP };
		peer_request(&calls[i]);
	}
	if (!check(peer_counted(&shared->opened, opened + MANY - 1),
		   "%u requests are open at a time", MANY - 1) ||
	    !check(peer_ask(&all) == PVC_OK, "the daemon answers all of them"))
		return;
	for (i = 0; i < MANY - 1; i++)
		closed += peer_finish(&calls[i]) && calls[i].status == PVC_OK;
	check(closed == MANY - 1, "each is answered once (%u)", closed);

	for (i = 0; i < MANY; i++) {
		calls[i] = (struct call){ .op = OP_KEEP };
		peer_request(&calls[i]);
	}
	calls[MANY] = (struct call){ .op = OP_KEEP };
	check(peer_counted(&shared->opened, opened + 2 * MANY) &&
	      peer_ask(&calls[MANY]) == PVC_BUSY, "one more than %u is BUSY", MANY);
	for (i = 0; i < MANY; i++)
		pvc_reset(&peer.pvc, calls[i].s, PVC_CANCELLED);
	peer_until(!pvc_find(&peer.pvc, 1) && peer_ask(&all) == PVC_OK);

	rounds = getenv("PVG_STREAMS") ? atoi(getenv("PVG_STREAMS")) : 500;
	for (i = closed = 0; i < rounds; i++) {
		calls[0] = (struct call){ .op = OP_REVERSE, .args = "ab", .args_len = 2 };
		closed += peer_ask(&calls[0]) == PVC_OK;
	}
	check(closed == rounds && peer_ask(&files) == PVC_OK &&
	      call_number(&files) == before,
	      "%u streams later the daemon has as many descriptors as before (%u, %u)",
	      rounds, before, call_number(&files));
}

/* 64 at once share what there is. */
static void test_fairness(void)
{
	__u64 least = ~0ull, most = 0, until;
	unsigned int i, opened = shared->opened;

	for (i = 0; i < 64; i++) {
		calls[i] = (struct call){
			.op = OP_WORKER, .send = 1u << 30, .prio = PVC_PRIO_BULK,
		};
		peer_request(&calls[i]);
	}
	peer_counted(&shared->opened, opened + 64);
	/* From when each has begun until the first has had much. */
	for (i = 0; i < 64; i++)
		peer_until(calls[i].got);
	for (i = 0; i < 64; i++)
		calls[i].mark = calls[i].got;
	for (until = now_ms() + WAIT_MS; most < 512 * KIB && now_ms() < until;) {
		peer_turn(10);
		for (i = 0; i < 64; i++)
			if (calls[i].got - calls[i].mark > most)
				most = calls[i].got - calls[i].mark;
	}
	for (i = 0; i < 64; i++)
		if (calls[i].got - calls[i].mark < least)
			least = calls[i].got - calls[i].mark;
	check(most && least * 2 >= most,
	      "of 64 streams none has less than half of what another has (%llu, %llu KiB)",
	      (unsigned long long)least / KIB, (unsigned long long)most / KIB);
	for (i = 0; i < 64; i++)
		pvc_reset(&peer.pvc, calls[i].s, PVC_CANCELLED);
	peer_turn(100);
}

/* Bytes of the allocator in a memory.stat, or -1. */
static long slab_of(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[64];
	long bytes = -1;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "slab %ld", &bytes);
	if (file)
		fclose(file);
	return bytes;
}

/* What nobody reads is the daemon's memory, not the system's. */
static void test_charge(void)
{
	const char *stat = getenv("PVG_CGROUP_STAT");
	struct call all = { .op = OP_ANSWER_ALL };
	unsigned int i, opened = shared->opened;
	long before, after;

	if (!stat) {
		printf("# this kernel does not account memory\n");
		return;
	}
	before = slab_of(stat);
	for (i = 0; i < 32; i++) {
		calls[i] = (struct call){ .op = OP_KEEP, .send = 1u << 20 };
		peer_request(&calls[i]);
	}
	peer_counted(&shared->opened, opened + 32);
	for (i = 0; i < 32; i++)
		peer_until(calls[i].sent >= 64 * KIB);
	peer_turn(500);
	after = slab_of(stat);
	check(before >= 0 && after - before >= (1 << 20),
	      "what 32 streams keep is charged to the daemon's cgroup (%ld to %ld bytes)",
	      before, after);
	for (i = 0; i < 32; i++)
		pvc_reset(&peer.pvc, calls[i].s, PVC_CANCELLED);
	check(peer_ask(&all) == PVC_OK, "the daemon lets go of them");
}

/* Writes @text to a file of the daemon's cgroup, or reads a number from it. */
static bool set_limit(const char *dir, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/memory.max", dir);
	file = fopen(path, "w");
	return file && fputs(text, file) >= 0 && !fclose(file);
}

static long number_of(const char *dir, const char *name)
{
	char path[256];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%ld", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	return value;
}

static pid_t daemon_starts(void)
{
	pid_t pid = start_daemon();

	check(pid > 0, "a daemon binds service 17 in versions 2 to 3");
	return pid;
}

/*
 * A daemon at its memory limit, which its kernel may kill, costs the channel nothing: the
 * host's data is taken as far as there is credit, and each request ends.
 */
static void test_limit(void)
{
	const char *dir = getenv("PVG_CGROUP");
	unsigned int i, full = 0, ended = 0;
	char limit[32];
	pid_t pid;

	if (!dir)
		return;
	pid = daemon_starts();
	snprintf(limit, sizeof(limit), "%ld", number_of(dir, "memory.current") + 512 * 1024);
	check(set_limit(dir, limit), "the daemon's memory can be limited to %s bytes", limit);
	for (i = 0; i < 64; i++) {
		calls[i] = (struct call){ .op = OP_KEEP, .send = 1u << 20 };
		peer_request(&calls[i]);
	}
	for (i = 0; i < 64; i++)
		full += peer_until(calls[i].closed || calls[i].sent >= 64 * KIB);
	check(full == 64, "64 streams of a daemon at its limit take their windows or end (%u)",
	      full);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (i = 0; i < 64; i++)
		ended += peer_finish(&calls[i]) && (calls[i].status == PVC_ABORTED ||
						    calls[i].status == PVC_NO_SERVICE);
	check(ended == 64, "the 64 requests of a daemon that was killed at its limit end (%u)",
	      ended);
	set_limit(dir, "max");
}

/* How many bytes come of those that the daemon is asked to send as bulk, all intact. */
static int only_source(__u32 bytes)
{
	struct call call = {
		.op = OP_SOURCE, .args = &bytes, .args_len = sizeof(bytes),
		.prio = PVC_PRIO_BULK,
	};
	pid_t pid;

	pid = daemon_starts();
	peer_ask(&call);
	kill(pid, SIGKILL);
	printf("# %llu bytes\n", (unsigned long long)call.got);
	check(call.status == PVC_OK && call.got == bytes && call.intact,
	      "%u bytes that the daemon sends come intact", bytes);
	return tap_end();
}

int main(int argc, char **argv)
{
	struct call early = { .op = OP_REVERSE, .version = 1 };
	struct call bye = { .op = OP_BYE };
	pid_t pid;

	if (argc != 2 && argc != 3)
		return 2;
	tap_begin();
	tap_watchdog(getenv("PVG_SLOW") ? 2000 : 600);
	if (!share() || !peer_open(argv[1]))
		return 2;
	if (argc == 3)
		return only_source(strtoul(argv[2], NULL, 0));
	check(peer_ask(&early) == PVC_NO_SERVICE,
	      "a request before a daemon has started is NO_SERVICE");
	test_rights();
	test_bind();
	test_accept();
	test_descriptor();
	test_more();
	test_no_room();
	test_heir();
	pid = daemon_starts();
	test_requests();
	/* Before there are workers, whose end changes the sum. */
	test_charge();
	test_data();
	test_pair();
	test_many();
	test_fairness();
	test_ends();
	check(waitpid(pid, NULL, 0) == pid, "the daemon that was told to exit has exited");
	pid = daemon_starts();
	check(peer_ask(&bye) == PVC_OK && bye.body_len == 3 &&
	      waitpid(pid, NULL, 0) == pid,
	      "an answer that the daemon gave right before it exited arrives");
	test_limit();
	return tap_end();
}
