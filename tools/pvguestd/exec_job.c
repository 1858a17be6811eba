// SPDX-License-Identifier: GPL-2.0-only
/*
 * A job and its streams: those that join it, those that leave it, and signals.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "exec.h"

bool job_attached(const struct job *job)
{
	return job->out[OUT].stream.fd >= 0;
}

static bool is_request(const struct job *job, const struct stream *s)
{
	return s->fd >= 0 && s->fd == job->req->stream;
}

static void forget_request(struct job *job)
{
	job->req->stream = -1;
	job->req->answer = -1;
}

void job_leave(struct job *job)
{
	if (is_request(job, &job->out[OUT].stream))
		forget_request(job);
	stream_close(&job->out[OUT].stream);
	stream_close(&job->out[ERR].stream);
	job->wait_err = false;
}

void job_answer(struct job *job, const pvo_exec_result *result)
{
	struct stream *out = &job->out[OUT].stream, *err = &job->out[ERR].stream;
	pb_byte_t body[pvo_exec_result_size];
	pb_ostream_t os = pb_ostream_from_buffer(body, sizeof(body));

	pb_encode(&os, pvo_exec_result_fields, result);
	/* Both in one go: the last of stderr, and the answer. */
	if (err->fd >= 0)
		stream_reply_more(err, PVC_OK, "", 0);
	if (!job->answered || is_request(job, out))
		answer(job->req, PVC_OK, body, os.bytes_written);
	if (!is_request(job, out) && out->fd >= 0)
		stream_reply(out, PVC_OK, body, os.bytes_written);
	job->answered = true;
	job_leave(job);
}

int job_signal(struct job *job, int signal)
{
	if (job->exited || job->pidfd < 0)
		return -ESRCH;
	if (!kill(-job->pid, signal))
		return 0;
	if (errno != ESRCH)
		return -errno;
	/* It has no group of its own yet. */
	if (syscall(SYS_pidfd_send_signal, job->pidfd, signal, NULL, 0) < 0)
		return -errno;
	return 0;
}

void job_kill(struct job *job)
{
	if (job->kill_fd >= 0 && write(job->kill_fd, "1", 1) == 1)
		return;
	job_signal(job, SIGKILL);
}

void job_tell(struct job *job)
{
	pvo_exec_job note = { .pid = job->pid, .has_result = job->exited };
	pb_byte_t buf[JOB_NOTE_MAX];
	pb_ostream_t os = pb_ostream_from_buffer(buf, sizeof(buf));
	const char *at = job->exec.strings;
	size_t room = sizeof(note.command) - 1, len = 0;
	__u32 i;

	job->noted = true;
	for (i = 0; i < job->exec.argc && len < room; i++, at += strlen(at) + 1) {
		int n = snprintf(note.command + len, room - len + 1, "%s%s", i ? " " : "", at);

		len += min_t(size_t, n, room - len);
	}
	if (job->exec.msg.login)
		snprintf(note.command, sizeof(note.command), "-%.100s", job->req->shell);
	if (job->exited)
		note.state = PVO_EXEC_EXITED;
	else if (job_attached(job))
		note.state = PVO_EXEC_ATTACHED;
	else
		note.state = job->detached ? PVO_EXEC_DETACHED : PVO_EXEC_CUT_OFF;
	note.result = job->result;
	if (pb_encode(&os, pvo_exec_job_fields, &note))
		job_note(job->req, buf, os.bytes_written);
}

static void refuse_joined(struct joined *j, __u32 status, const char *text)
{
	stream_reply(&j->stream, status, text, strlen(text));
}

static bool decode(struct joined *j, const pb_msgdesc_t *fields, void *msg, __u32 max)
{
	pb_istream_t in = pb_istream_from_buffer(j->record, j->record_len);

	if (!exec_known_fields(j->record, j->record_len, max)) {
		refuse_joined(j, PVC_UNSUPPORTED,
			      "exec: the record has an option that this pvguestd does not know");
		return false;
	}
	if (pb_decode(&in, fields, msg))
		return true;
	refuse_joined(j, PVC_INVALID, "exec: the record is malformed");
	return false;
}

static void join_err(struct job *job, struct joined *j)
{
	pvo_exec_stderr msg = pvo_exec_stderr_init_zero;

	if (!decode(j, pvo_exec_stderr_fields, &msg, pvo_exec_stderr_token_tag))
		return;
	if (!job->wait_err || msg.token != job->err_token) {
		/* There is none, since it goes with stdout, or it is another host's. */
		stream_reply(&j->stream, PVC_OK, "", 0);
		return;
	}
	job->wait_err = false;
	job->out[ERR].stream = j->stream;
	set_nonblock(j->stream.fd);
	j->stream.fd = -1;
	j->stream.answer = -1;
}

/* The host leaves the job, which goes on. */
static void detach(struct job *job)
{
	pvo_exec_result running = { .running = true, .pid = job->pid };

	job->detached = true;
	if (job_attached(job))
		job_answer(job, &running);
	job_tell(job);
}

static void join_signal(struct job *job, struct joined *j)
{
	pvo_exec_signal msg = pvo_exec_signal_init_zero;
	int err = 0;

	if (!decode(j, pvo_exec_signal_fields, &msg, pvo_exec_signal_detach_tag))
		return;
	if (msg.signal >= NSIG) {
		refuse_joined(j, PVC_INVALID, "exec: there is no signal of this number");
		return;
	}
	if (msg.signal)
		err = job_signal(job, msg.signal);
	if (err == -ESRCH)
		refuse_joined(j, PVC_NOT_FOUND, "exec: the program has ended");
	else if (err)
		refuse_joined(j, PVC_DENIED,
			      "exec: the program runs as another user by now, and takes no signal");
	else
		stream_reply(&j->stream, PVC_OK, "", 0);
	if (!err && msg.detach)
		detach(job);
}

static bool set_size(struct job *job, const pvo_winsize *msg)
{
	struct winsize size = {
		.ws_row = msg->rows, .ws_col = msg->columns,
		.ws_xpixel = msg->xpixels, .ws_ypixel = msg->ypixels,
	};

	if (msg->rows > 65535 || msg->columns > 65535 || msg->xpixels > 65535 ||
	    msg->ypixels > 65535)
		return false;
	/* Without a terminal, or before there is one, a size has no effect. */
	if (job->exec.msg.tty && job->out[OUT].fd >= 0)
		ioctl(job->out[OUT].fd, TIOCSWINSZ, &size);
	return true;
}

static void join_winsize(struct job *job, struct joined *j)
{
	pvo_winsize msg = pvo_winsize_init_zero;

	if (!decode(j, pvo_winsize_fields, &msg, pvo_winsize_ypixels_tag))
		return;
	if (!job->exec.msg.tty)
		refuse_joined(j, PVC_INVALID, "exec: the job has no terminal");
	else if (!set_size(job, &msg))
		refuse_joined(j, PVC_INVALID, "exec: the window's size is more than 65535");
	else
		stream_reply(&j->stream, PVC_OK, "", 0);
}

/* Where each output goes on; true: said to the host. */
static bool resume(struct job *job, struct joined *j, const pvo_exec_attach *msg)
{
	struct ring *out = &job->out[OUT].ring, *err = &job->out[ERR].ring;
	pvo_exec_attached reply = {
		.stdin_at = job->in_bytes, .tty = job->exec.msg.tty,
		.detached = job->detached,
		.stdout_at = ring_rewind(out, msg->replay ? 0 : msg->stdout_at),
	};
	pb_byte_t buf[pvo_exec_attached_size + 5];
	pb_ostream_t os = pb_ostream_from_buffer(buf, sizeof(buf));

	if (job->exec.msg.separate)
		reply.stderr_at = ring_rewind(err, msg->replay ? 0 : msg->stderr_at);
	return pb_encode_ex(&os, pvo_exec_attached_fields, &reply, PB_ENCODE_DELIMITED) &&
	       !stream_write_all(&j->stream, buf, os.bytes_written);
}

static void join_attach(struct job *job, struct joined *j)
{
	pvo_exec_attach msg = pvo_exec_attach_init_zero;

	if (!decode(j, pvo_exec_attach_fields, &msg, pvo_exec_attach_token_tag))
		return;
	if (job_attached(job)) {
		refuse_joined(j, PVC_BUSY, "exec: a host is attached to this job");
		return;
	}
	if (job->abandoned) {
		refuse_joined(j, PVC_NOT_FOUND, "exec: the job is about to be ended");
		return;
	}
	if (!resume(job, j, &msg))
		return;
	if (msg.has_size)
		set_size(job, &msg.size);
	job->out[OUT].stream = j->stream;
	set_nonblock(j->stream.fd);
	j->stream.fd = -1;
	j->stream.answer = -1;
	job->wait_err = msg.separate && job->exec.msg.separate;
	job->err_token = msg.token;
	job->err_by = exec_now_us() / 1000 + ERR_MS;
	job->patience = 0;
	job->in_eof = j->flags & PVC_OPEN_NODATA;
	if (msg.replay)
		job->in_ended = false;
	job_tell(job);
}

void job_join(struct job *job)
{
	static struct joined j;
	int err = job_next(job->req, &j);

	if (err) {
		/* The daemon ends, or wants no result kept: nothing could find the job again. */
		if (err == -ENOTCONN) {
			close(job->req->broker);
			job->req->broker = -1;
			job_abandon(job);
			if (!job->exited)
				job->kill_at = exec_now_us() / 1000 + STOP_MS;
		}
		return;
	}
	switch (j.op) {
	case PVO_EXEC_STDERR:
		join_err(job, &j);
		break;
	case PVO_EXEC_SIGNAL:
		join_signal(job, &j);
		break;
	case PVO_EXEC_WINSIZE:
		join_winsize(job, &j);
		break;
	case PVO_EXEC_ATTACH:
		join_attach(job, &j);
		break;
	default:
		refuse_joined(&j, PVC_UNSUPPORTED, "exec: no such operation on a job");
	}
	stream_close(&j.stream);
}
