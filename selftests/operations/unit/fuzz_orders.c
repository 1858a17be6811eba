// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a host may send as the record of a SYSTEM request: the first byte is the operation.
 * Either it is refused, or what comes of it is an order that the doer takes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "system.h"

static unsigned int refused;

void refuse(struct request *req, __u32 status, const char *format, ...)
{
	(void)req;
	(void)format;
	if (status == PVC_OK)
		abort();
	refused++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct operation operation = { .verb = "fuzz" };
	static struct system_order order;
	struct request req = { .operation = &operation };
	unsigned int before = refused;

	if (!size)
		return 0;
	req.op = data[0] % 5 + 1;
	req.record = data + 1;
	req.record_len = size - 1;
	memset(&order, 0, sizeof(order));
	if (order_parse(&req, &order) == (refused != before))
		abort();
	if (refused == before && !order_is_valid(&order))
		abort();
	return 0;
}
