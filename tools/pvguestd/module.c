// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel of a guest with the kernel module: /dev/pvg_control.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <syslog.h>
#include <unistd.h>

#include "channel.h"
#include "worker.h"
#include "../../include/uapi/pvguest/control_dev.h"

static int module_accept(struct channel *ch, struct arrival *arrival, void *args)
{
	struct pvg_control_accept req = {
		.args = (__u64)(unsigned long)args,
		.args_len = ARGS_MAX,
		.fd_flags = O_CLOEXEC,
	};
	int fd = ioctl(ch->fd, PVG_CONTROL_ACCEPT, &req);

	if (fd < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	memset(arrival, 0, sizeof(*arrival));
	arrival->stream = fd;
	arrival->answer = -1;
	arrival->service = req.service;
	arrival->op = req.op;
	arrival->flags = req.flags;
	arrival->deadline_ms = req.deadline_ms;
	arrival->key = req.key;
	arrival->args_len = req.args_len;
	memcpy(arrival->principal, req.principal, sizeof(arrival->principal));
	return 0;
}

static int bind_services(int fd)
{
	struct pvg_control_bind bind = {
		.version_min = PVO_VERSION, .version_max = PVO_VERSION,
	};
	const struct operation *operation;
	unsigned int i;
	__u64 bound = 0;

	for (i = 0; (operation = operation_at(i)); i++) {
		if (bound & 1ull << operation->service)
			continue;
		bound |= 1ull << operation->service;
		bind.service = operation->service;
		if (ioctl(fd, PVG_CONTROL_BIND, &bind) < 0) {
			log_line(LOG_ERR, "%s: service %u: %s%s", MODULE_PATH, bind.service,
				 strerror(errno),
				 errno == EBUSY ? ": another daemon provides it" : "");
			return -errno;
		}
	}
	return 0;
}

int module_open(struct channel *ch, const char *path)
{
	__u32 rights = PVG_CONTROL_RIGHT_BIND | PVG_CONTROL_RIGHT_FREEZE;
	int err, fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	err = bind_services(fd);
	if (!err && ioctl(fd, PVG_CONTROL_DROP, &rights) < 0)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	ch->fd = fd;
	ch->accept = module_accept;
	ch->pid = 0;
	return 0;
}
