// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who speaks with the process that has the key-value store, see kv.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kv.h"

static uint8_t packet[KV_RECORD_MAX];

int kv_connect(const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, err;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/" KV_SOCKET, run_dir) >=
	    (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int kv_send_request(int fd, pvo_kv_request *request, struct kv_value *value)
{
	pb_ostream_t out = pb_ostream_from_buffer(packet, sizeof(packet));

	request->value.funcs.encode = kv_encode_value;
	request->value.arg = value;
	if (!pb_encode(&out, pvo_kv_request_fields, request))
		return -EMSGSIZE;
	return send(fd, packet, out.bytes_written, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int kv_receive_record(int fd, pvo_kv_record *record, struct kv_value *value)
{
	struct iovec iov = { .iov_base = packet, .iov_len = sizeof(packet) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	pb_istream_t in;
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!n)
		return 1;
	*record = (pvo_kv_record)pvo_kv_record_init_zero;
	record->value.funcs.decode = kv_decode_value;
	record->value.arg = value;
	if (value)
		value->len = 0;
	in = pb_istream_from_buffer(packet, n);
	if ((msg.msg_flags & MSG_TRUNC) || !pb_decode(&in, pvo_kv_record_fields, record))
		return -EBADMSG;
	return 0;
}
