// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost info, and the daemon's part of pvhost status.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "info.h"
#include "pvhost.h"

#define DATA_MAX	(8u << 20)	/* bytes of all records */
#define STATUS_MS	3000	/* pvhost status waits for the daemon that long */

static const char *const sections[] = { "tools", "os", "users", "net", "fs", "load" };

#define SECTIONS	(sizeof(sections) / sizeof(*sections))

struct info {
	pvo_InfoRecord rec;
	cJSON *object;		/* NULL: lines */
};

static bool print_record(void *priv)
{
	struct info *info = priv;
	char text[4096];

	/* A later version may have more. */
	if (!info->rec.which_what)
		return true;
	info_text(text, sizeof(text), &info->rec);
	printf("%-16s %s\n", info_label(&info->rec), text);
	return true;
}

static bool add_record(void *priv)
{
	struct info *info = priv;
	const char *list = info_list(&info->rec);
	cJSON *object = cJSON_CreateObject(), *array;

	info_json(object, &info->rec);
	if (!list) {
		cJSON_AddItemToObject(info->object, info_event(&info->rec), object);
		return true;
	}
	array = cJSON_GetObjectItemCaseSensitive(info->object, list);
	if (!array)
		array = cJSON_AddArrayToObject(info->object, list);
	cJSON_AddItemToArray(array, object);
	return true;
}

/* Asks, and passes each record to @each. @quiet: a guest without a daemon is no error. */
static enum outcome ask(struct client *c, __u32 wanted, __u32 deadline_ms, struct info *info,
			bool (*each)(void *priv), bool quiet)
{
	const pvo_InfoRequest args = { .sections = wanted };
	__u8 record[pvo_InfoRequest_size];
	struct channel_request req = {
		.service = PVO_SERVICE_INFO, .op = PVO_INFO_GET, .record = record,
		.record_len = record_encode(pvo_InfoRequest_fields, &args, record, sizeof(record)),
		.deadline_ms = deadline_ms,
	};
	static struct records reader;
	static struct reply reply;
	enum outcome out = client_call(c, &req, DATA_MAX, &reply);

	reader = (struct records){
		.fields = pvo_InfoRecord_fields, .record = &info->rec, .each = each, .priv = info,
	};
	if (out == DONE && reply.status != PVC_OK)
		out = quiet ? FAILED :
			client_refused("info", NULL, reply.status, reply.body, reply.len);
	else if (out == DONE && !records_all(&reader, reply.data, reply.data_len))
		out = bad_answer("info");
	free(reply.data);
	return out;
}

void info_print(struct client *c)
{
	static struct info info;

	ask(c, 0, STATUS_MS, &info, print_record, true);
}

static const struct option longopts[] = {
	{ "json", no_argument, NULL, 'j' },
	{ }
};

static enum outcome parse(struct client *c, int argc, char **argv, __u32 *wanted)
{
	size_t i;
	int opt;

	while ((opt = getopt_long(argc, argv, "j", longopts, NULL)) != -1) {
		if (opt != 'j')
			return USAGE;
		client_set_json(c);
	}
	for (*wanted = 0; optind < argc; optind++) {
		for (i = 0; i < SECTIONS && strcmp(sections[i], argv[optind]); i++)
			;
		if (i == SECTIONS) {
			fprintf(stderr, "pvhost: info has no section '%s': tools, os, users, net, fs, load\n",
				argv[optind]);
			return USAGE;
		}
		*wanted |= 1u << i;
	}
	return DONE;
}

static int verb_info(struct client *c, int argc, char **argv)
{
	static struct info info;
	enum outcome out;
	__u32 wanted;

	out = parse(c, argc, argv, &wanted);
	if (out != DONE)
		return out;
	if (!client_json(c))
		return ask(c, wanted, client_timeout(c), &info, print_record, false);
	info.object = cJSON_CreateObject();
	out = ask(c, wanted, client_timeout(c), &info, add_record, false);
	if (out == DONE)
		print_object(&(struct options){ .json = true }, info.object);
	else
		cJSON_Delete(info.object);
	return out;
}

const struct command info_commands[] = {
	{ "info", "[tools|os|users|net|fs|load]...", "what the guest is and has", verb_info,
	  "  -j, --json           one object\n" },
	{ }
};
