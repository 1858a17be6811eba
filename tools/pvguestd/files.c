// SPDX-License-Identifier: GPL-2.0-only
/* The operations on files: the list of them, and what they have in common. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "policy.h"

static struct files files;

static int add_root(const char *path, bool write, void *priv)
{
	struct files_root *root = &files.roots[files.nr_roots];

	(void)priv;
	if (files.nr_roots == FILES_ROOTS)
		return -E2BIG;
	root->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root->fd < 0)
		return 0;
	root->path = strdup(path);
	root->write = write;
	if (!root->path)
		return -ENOMEM;
	files.nr_roots++;
	return 0;
}

__u32 files_prepare(struct request *req)
{
	int err;

	files.req = req;
	req->priv = &files;
	err = policy_roots(req->policy, req->principal, req->operation->verb, req->user, add_root,
			   NULL);
	if (err) {
		refuse(req, PVC_FAILED, "%s: the policy's roots: %s (%u at most)",
		       req->operation->verb, strerror(-err), FILES_ROOTS);
		return PVC_FAILED;
	}
	files.passwd = fopen("/etc/passwd", "re");
	files.group = fopen("/etc/group", "re");
	if (req->op == PVO_FILE_PUT || req->op == PVO_FILE_GET || req->op == PVO_FILE_STAT ||
	    req->op == PVO_FILE_SUMS)
		sha256_prepare();
	/* Modes are as they are asked for. */
	umask(0);
	return PVC_OK;
}

bool files_decode(struct request *req, const pb_msgdesc_t *fields, void *message)
{
	pb_istream_t in = pb_istream_from_buffer(req->record, req->record_len);

	if (pb_decode(&in, fields, message))
		return true;
	refuse(req, PVC_INVALID,
	       "%s: the record is none of this operation, or is out of its bounds (%u paths of %u bytes)",
	       req->operation->verb, PVO_FILE_PATHS_MAX, PVO_FILE_NAME_MAX);
	return false;
}

bool files_flags(struct request *req, __u32 flags, __u32 known)
{
	if (!(flags & ~known))
		return true;
	refuse(req, PVC_UNSUPPORTED, "%s: flags 0x%x are unknown, 0x%x would do",
	       req->operation->verb, flags & ~known, known);
	return false;
}

void files_refuse(struct request *req, const struct trouble *trouble)
{
	refuse(req, trouble->status ? trouble->status : PVC_FAILED, "%s: %s",
	       req->operation->verb, trouble->text);
}

/* There is no transfer, or no hash: why. */
void files_refuse_new(struct request *req, int error, __u32 flags)
{
	struct trouble trouble;

	trouble_errno(&trouble, error, flags & PVO_FILE_SHA256 ?
		      "SHA-256 of the guest's kernel (algif_hash); XXH3-128 is there" :
		      "a transfer");
	files_refuse(req, &trouble);
}

bool files_over(void *priv)
{
	const struct request *req = priv;
	const struct stream stream = stream_of(req);

	return stream_closed(&stream) != PVC_OK;
}

void files_answer(struct request *req, const pvo_file_summary *summary)
{
	__u8 body[pvo_file_summary_size];
	pb_ostream_t out = pb_ostream_from_buffer(body, sizeof(body));

	if (pb_encode(&out, pvo_file_summary_fields, summary))
		answer(req, PVC_OK, body, out.bytes_written);
}

#define CAP(name)	(1ull << CAP_##name)
#define CAPS_READ	(CAP(DAC_READ_SEARCH) | CAP(DAC_OVERRIDE))
#define CAPS_WRITE	(CAPS_READ | CAP(CHOWN) | CAP(FOWNER) | CAP(FSETID) | CAP(SETFCAP))

#define FILE_OPERATION(_op, _verb, _caps, _run)	\
	{ .service = PVO_SERVICE_FILE, .op = (_op), .verb = (_verb), .keep = KEEP_FILES, \
	  .caps = (_caps), .prepare = files_prepare, .run = (_run) }

const struct operation file_operations[] = {
	FILE_OPERATION(PVO_FILE_PUT, "put", CAPS_WRITE, files_run_put),
	FILE_OPERATION(PVO_FILE_GET, "get", CAPS_READ, files_run_get),
	FILE_OPERATION(PVO_FILE_LIST, "ls", CAPS_READ, files_run_list),
	FILE_OPERATION(PVO_FILE_STAT, "stat", CAPS_READ, files_run_list),
	FILE_OPERATION(PVO_FILE_MKDIR, "mkdir", CAPS_WRITE, files_run_mkdir),
	FILE_OPERATION(PVO_FILE_RENAME, "mv", CAPS_WRITE, files_run_rename),
	FILE_OPERATION(PVO_FILE_REMOVE, "rm", CAPS_WRITE, files_run_remove),
	FILE_OPERATION(PVO_FILE_SUMS, "sync", CAPS_READ, files_run_list),
	{ .verb = NULL }
};
