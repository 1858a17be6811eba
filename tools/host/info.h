/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of INFO, for people and as JSON.
 */
#ifndef _TOOLS_HOST_INFO_H
#define _TOOLS_HOST_INFO_H

#include <cjson/cJSON.h>

#include "records.h"
#include "units.h"
#include "info.pb.h"

/* The values of a record, added to @object. */
void info_json(cJSON *object, const pvo_InfoRecord *rec);
/* What it is, as an event of pvhost watch and in the object of pvhost info. */
const char *info_event(const pvo_InfoRecord *rec);
/* A line or two of what it says, without a newline at the end. */
void info_text(char *to, size_t size, const pvo_InfoRecord *rec);
/* The name of the list that it belongs to in the JSON of pvhost info; NULL: there is one. */
const char *info_list(const pvo_InfoRecord *rec);
/* What stands before it on a line for people. */
const char *info_label(const pvo_InfoRecord *rec);

/*
 * What the daemon says of the guest, one line for each value; nothing if there is no daemon, or
 * it says nothing within a few seconds: for pvhost status.
 */
void info_print(struct client *c);

#endif /* _TOOLS_HOST_INFO_H */
