// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVO_EXEC_JOBS: what runs for the principal that asks. The broker knows which jobs there are,
 * and what their workers have noted of them, which is data like any other.
 */
#include <stdio.h>
#include <string.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "exec_list.h"
#include "generated/exec.pb.h"

static void fill(pvo_exec_job *job, const struct job_info *info)
{
	pb_istream_t in = pb_istream_from_buffer(info->note, info->note_len);

	if (!pb_decode(&in, pvo_exec_job_fields, job))
		*job = (pvo_exec_job)pvo_exec_job_init_zero;
	job->job = info->job;
	job->began = info->began;
	snprintf(job->user, sizeof(job->user), "%s", *info->user ? info->user : "root");
	snprintf(job->verb, sizeof(job->verb), "%s", info->verb);
}

void jobs_run(struct request *req)
{
	struct stream s = stream_of(req);
	pb_byte_t buf[pvo_exec_job_size + 5];
	struct job_info info;
	unsigned int i;

	if (req->record_len) {
		refuse(req, PVC_INVALID, "jobs: the request has no record");
		return;
	}
	for (i = 0; job_at(i, &info); i++) {
		pvo_exec_job job = pvo_exec_job_init_zero;
		pb_ostream_t os = pb_ostream_from_buffer(buf, sizeof(buf));

		if (strcmp(info.principal, req->principal))
			continue;
		fill(&job, &info);
		if (!pb_encode_ex(&os, pvo_exec_job_fields, &job, PB_ENCODE_DELIMITED) ||
		    stream_write_all(&s, buf, os.bytes_written))
			return;
	}
	answer(req, PVC_OK, "", 0);
}
