// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host that asks for one operation, as its options say, or for the same several times at
 * once, and prints what came of each: the status, the bytes of data, "intact" or "broken" (data
 * is a pattern), and the answer's body.
 *
 *   client [-s SERVICE] [-p PRINCIPAL] [-u USER] [-k KEY] [-q] [-j JOB] [-d MS] [-r TEXT]
 *          [-R BYTES] [-b BYTES] [-m] [-h] [-n TIMES] [-o] [-e ENDED] [-l MS] [-w FILE] [-x BYTES]
 *          [-H OFFSET=VALUE]... OPERATION
 *
 *   -k  the key of the request; -q  only ask what became of it
 *   -r, -R  the record: a text, or so many bytes of the pattern
 *   -m  the record goes on in the data, it is said
 *   -b  bytes of data to send
 *   -h  data will come, it is said, and none does
 *   -n  that many at once; -o  one after the other
 *   -w  a file for the data that comes
 *   -H  OFFSET=VALUE: a byte of the arguments is another
 *   -x  so many bytes of the arguments, whatever they should have
 *   -e  the session is left once so many have ended, rather than all
 *   -l  the session is left after so long, or upon SIGTERM, whatever was answered
 */
#include <getopt.h>
#include <unistd.h>

#include "../control/peer.h"
#include "test_operations.h"
#include "../../protocol/include/pvguest/services.h"
#include "../../include/uapi/pvguest/operations.h"

#define CALLS_MAX	256

static struct call calls[CALLS_MAX];
static struct call model;
static __u8 args[PVC_PAYLOAD_MAX];
static struct pvo_header header;
static __u64 more;		/* bytes of the record that go as data */
static unsigned int times = 1;
static bool in_turn;
static int leave_ms;
static unsigned int enough;
static volatile sig_atomic_t stop;
static FILE *data_file;

#define POKES_MAX	64

static struct {
	unsigned int at;
	__u8 value;
} pokes[POKES_MAX];
static unsigned int nr_pokes;

static void set_record(const char *text, __u32 len)
{
	header.record_len = cpu_to_le32(len);
	if (text) {
		memcpy(args + sizeof(header), text, len);
		model.args_len = sizeof(header) + len;
		return;
	}
	/* All of it as data, which is the same pattern. */
	model.args_len = sizeof(header);
	model.flags |= len ? PVC_OPEN_MORE : 0;
	more = len;
}

static void poke(const char *what)
{
	if (nr_pokes == POKES_MAX ||
	    sscanf(what, "%u=%hhu", &pokes[nr_pokes].at, &pokes[nr_pokes].value) != 2 ||
	    pokes[nr_pokes].at >= sizeof(args))
		exit(2);
	nr_pokes++;
}

static bool parse(int argc, char **argv)
{
	int opt;

	model.service = TEST_SERVICE;
	model.args_len = sizeof(header);
	header.size = cpu_to_le16(sizeof(header));
	while ((opt = getopt(argc, argv, "s:p:u:k:qj:d:r:R:b:mn:ol:x:w:H:he:")) > 0) {
		if (opt == 's')
			model.service = atoi(optarg);
		else if (opt == 'p')
			model.principal = optarg;
		else if (opt == 'u')
			memcpy(header.user, optarg,
			       min_t(size_t, strlen(optarg), sizeof(header.user)));
		else if (opt == 'k')
			model.key = strtoull(optarg, NULL, 0);
		else if (opt == 'q')
			model.flags |= PVC_OPEN_QUERY;
		else if (opt == 'j')
			header.job = cpu_to_le64(strtoull(optarg, NULL, 0));
		else if (opt == 'd')
			model.deadline_ms = atoi(optarg);
		else if (opt == 'r')
			set_record(optarg, strlen(optarg));
		else if (opt == 'R')
			set_record(NULL, atoi(optarg));
		else if (opt == 'b')
			model.send = strtoull(optarg, NULL, 0);
		else if (opt == 'm')
			model.flags |= PVC_OPEN_MORE;
		else if (opt == 'n')
			times = atoi(optarg);
		else if (opt == 'o')
			in_turn = true;
		else if (opt == 'e')
			enough = atoi(optarg);
		else if (opt == 'l')
			leave_ms = atoi(optarg);
		else if (opt == 'w')
			data_file = fopen(optarg, "w");
		else if (opt == 'h')
			model.mute = true;
		else if (opt == 'H')
			poke(optarg);
		else if (opt == 'x')
			model.args_len = atoi(optarg);
		else
			return false;
	}
	if (optind != argc - 2 || !times || times > CALLS_MAX)
		return false;
	model.sink = data_file;
	model.op = strtoul(argv[optind], NULL, 0);
	model.version = PVO_VERSION;
	model.send += more;
	memcpy(args, &header, sizeof(header));
	while (nr_pokes--)
		args[pokes[nr_pokes].at] = pokes[nr_pokes].value;
	model.args = args;
	return true;
}

static void print_body(const struct call *call)
{
	__u32 i;

	for (i = 0; i < call->body_len; i++)
		if (call->body[i] < ' ' || call->body[i] > '~')
			break;
	putchar(' ');
	if (call->body_len && i == call->body_len)
		printf("%.*s", (int)call->body_len, call->body);
	else
		for (i = 0; i < call->body_len; i++)
			printf("%02x", call->body[i]);
}

static void print_call(const struct call *call)
{
	printf("%s %llu %s", call->closed ? pvc_status_name(call->status) : "open",
	       (unsigned long long)call->got, call->intact ? "intact" : "broken");
	print_body(call);
	putchar('\n');
}

static bool enough_closed(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < times; i++)
		n += !calls[i].s;
	return n >= enough;
}

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* Each of several has a key and a job of its own. */
static void vary(struct call *call, unsigned int i)
{
	struct pvo_header *own;

	if (!i || !header.job)
		return;
	own = malloc(model.args_len);
	if (!own)
		exit(4);
	memcpy(own, args, model.args_len);
	own->job = cpu_to_le64(le64_to_cpu(header.job) + i);
	call->args = own;
}

int main(int argc, char **argv)
{
	__u64 until;
	unsigned int i;

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: client [OPTION]... OPERATION SOCKET\n");
		return 2;
	}
	if (!peer_open(argv[argc - 1]) || !peer_session()) {
		fprintf(stderr, "client: no session at %s\n", argv[argc - 1]);
		return 3;
	}
	enough = enough ? enough : times;
	signal(SIGTERM, on_signal);
	for (i = 0; i < times; i++) {
		calls[i] = model;
		if (model.key)
			calls[i].key = model.key + i;
		vary(&calls[i], i);
		if (!peer_request(&calls[i]) || (in_turn && !peer_finish(&calls[i])))
			return 4;
	}
	if (leave_ms) {
		for (until = now_ms() + leave_ms; !stop && now_ms() < until;)
			peer_turn(10);
	} else {
		peer_until(stop || enough_closed());
	}
	for (i = 0; i < times; i++)
		print_call(&calls[i]);
	pvc_bye(&peer.pvc, PVC_WHY_BYE);
	peer_turn(0);
	return 0;
}
