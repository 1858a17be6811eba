// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of EXEC RUN, decoded and checked. By the supervisor, without privileges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pb_decode.h>

#include "exec.h"

/* Strings of one of the two lists. */
struct strings {
	struct exec_request *exec;
	__u32 room;		/* bytes of exec->strings */
	__u32 count;
	const char *wrong;	/* why decoding has failed */
};

static bool add_string(pb_istream_t *in, const pb_field_t *field, void **arg)
{
	struct strings *list = *arg;
	struct exec_request *exec = list->exec;
	size_t len = in->bytes_left;

	(void)field;
	if (list->count == EXEC_STRINGS) {
		list->wrong = "more than 4096 arguments, or more than 4096 variables";
		return false;
	}
	if (len >= list->room - exec->len) {
		list->wrong = "arguments and variables of more than 256 KiB";
		return false;
	}
	if (!pb_read(in, (pb_byte_t *)exec->strings + exec->len, len))
		return false;
	if (memchr(exec->strings + exec->len, '\0', len)) {
		list->wrong = "a zero byte in an argument or variable";
		return false;
	}
	exec->len += len;
	exec->strings[exec->len++] = '\0';
	list->count++;
	return true;
}

bool exec_known_fields(const __u8 *record, __u32 len, __u32 max)
{
	pb_istream_t in = pb_istream_from_buffer(record, len);
	pb_wire_type_t type;
	uint32_t tag;
	bool eof;

	while (pb_decode_tag(&in, &type, &tag, &eof)) {
		if (tag > max)
			return false;
		if (!pb_skip_field(&in, type))
			break;
	}
	return true;	/* what is malformed is for the decoder to say */
}

/* Bytes for its strings: with their zero bytes they are never longer than the record. */
static __u32 room_for(__u32 len)
{
	return min_t(__u32, len, EXEC_BYTES);
}

/* A pass over the record for one of the lists; the other's strings are skipped. */
static bool pass(struct exec_request *exec, const __u8 *record, __u32 len, bool env,
		 __u32 *count, char text[REQUEST_TEXT_MAX])
{
	pb_istream_t in = pb_istream_from_buffer(record, len);
	struct strings list = { .exec = exec, .room = room_for(len) };
	pb_callback_t *callback = env ? &exec->msg.env : &exec->msg.argv;

	exec->msg = (pvo_exec_run)pvo_exec_run_init_zero;
	callback->funcs.decode = add_string;
	callback->arg = &list;
	if (!pb_decode(&in, pvo_exec_run_fields, &exec->msg)) {
		snprintf(text, REQUEST_TEXT_MAX, "exec: the record is malformed: %s",
			 list.wrong ? list.wrong : PB_GET_ERROR(&in));
		return false;
	}
	*count = list.count;
	return true;
}

static const char *wrong_argv(const struct exec_request *exec)
{
	const pvo_exec_run *msg = &exec->msg;

	if (msg->login && (exec->argc || msg->shell))
		return "a login shell takes no arguments";
	if (!msg->login && !exec->argc)
		return "no command was given";
	if (!msg->login && !*exec->strings)
		return "the command is empty";
	if (msg->shell && exec->argc != 1)
		return "text for the shell is one argument";
	return NULL;
}

static const char *wrong_env(const struct exec_request *exec)
{
	const char *at = exec->strings;
	__u32 i;

	for (i = 0; i < exec->argc; i++)
		at += strlen(at) + 1;
	for (i = 0; i < exec->envc; i++, at += strlen(at) + 1)
		if (!strchr(at, '=') || *at == '=')
			return "a variable of the environment is not NAME=VALUE";
	return NULL;
}

static const char *wrong_limits(const pvo_exec_run *msg)
{
	pb_size_t i;

	for (i = 0; i < msg->rlimits_count; i++) {
		const pvo_rlimit *limit = &msg->rlimits[i];

		if (limit->resource >= RLIM_NLIMITS)
			return "there is no such resource limit";
		if (limit->soft > limit->hard)
			return "a soft limit is above the hard one";
	}
	if (msg->memory_max && msg->memory_max < 65536)
		return "memory.max is less than 64 KiB";
	if (msg->memory_max > INT64_MAX || msg->pids_max > PLAN_PIDS_MAX)
		return "memory.max or pids.max is out of range";
	if (msg->cpu_milli && (msg->cpu_milli < 10 || msg->cpu_milli > 1000000))
		return "cpu.max is not from 0.01 to 1000 CPUs";
	if (msg->timeout_ms > 1000ull * 86400 * 365)
		return "the timeout is more than a year";
	return NULL;
}

static const char *wrong_rest(const pvo_exec_run *msg)
{
	const pvo_winsize *size = &msg->size;

	if (*msg->cwd && *msg->cwd != '/')
		return "the working directory is not absolute";
	if (msg->umask > 0777 || (msg->umask && !msg->set_umask))
		return "the umask is not from 0 to 0777";
	if (size->rows > 65535 || size->columns > 65535 || size->xpixels > 65535 ||
	    size->ypixels > 65535)
		return "the window's size is more than 65535";
	if (msg->tty && msg->separate)
		return "a terminal has no stderr of its own";
	return wrong_limits(msg);
}

__u32 exec_decode(struct exec_request *exec, const __u8 *record, __u32 len,
		  char text[REQUEST_TEXT_MAX])
{
	const char *wrong;

	memset(exec, 0, sizeof(*exec));
	if (!exec_known_fields(record, len, pvo_exec_run_kill_group_tag)) {
		snprintf(text, REQUEST_TEXT_MAX,
			 "exec: the record has an option that this pvguestd does not know");
		return PVC_UNSUPPORTED;
	}
	exec->strings = malloc(room_for(len) + 1);
	if (!exec->strings) {
		snprintf(text, REQUEST_TEXT_MAX, "exec: no memory");
		return PVC_FAILED;
	}
	if (!pass(exec, record, len, false, &exec->argc, text) ||
	    !pass(exec, record, len, true, &exec->envc, text))
		return PVC_INVALID;
	wrong = wrong_argv(exec);
	if (!wrong)
		wrong = wrong_env(exec);
	if (!wrong)
		wrong = wrong_rest(&exec->msg);
	if (!wrong)
		return PVC_OK;
	snprintf(text, REQUEST_TEXT_MAX, "exec: %s", wrong);
	return PVC_INVALID;
}
