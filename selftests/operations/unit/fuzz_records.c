// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest may send as records, to all that shows them: the first byte chooses the schema,
 * the second how the rest is cut into pieces. Whatever it is, JSON is made of it, text without
 * control characters, and frames that fit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../tools/host/info.h"
#include "../../../tools/host/pvhost.h"
#include "../../../tools/host/top.h"
#include "system.pb.h"

static pvo_InfoRecord info;
static pvo_TopRecord top;
static pvo_SystemRecord sys;
static struct top_model model;
static struct screen screen;

static void check_text(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' && *text != '\n') || *text == 0x7f)
			abort();
}

static bool each_info(void *priv)
{
	cJSON *object = cJSON_CreateObject();
	char text[4096], *json;

	(void)priv;
	info_json(object, &info);
	json = cJSON_PrintUnformatted(object);
	check_text(json);
	cJSON_free(json);
	cJSON_Delete(object);
	info_text(text, sizeof(text), &info);
	check_text(text);
	check_text(info_label(&info));
	check_text(info_event(&info));
	return true;
}

static void check_frame(unsigned int columns, unsigned int rows)
{
	struct top_look look = { .columns = columns, .rows = rows, .utf8 = true };
	const char *at, *lf;
	size_t bytes;
	int width, used;

	top_render(&screen, &model, &look);
	for (at = screen.text; (lf = strchr(at, '\n')); at = lf + 1) {
		if (!rows--)
			abort();
		for (used = 0; at < lf; at += bytes, used += width) {
			width = char_width(at, lf - at, &bytes);
			if (width < 0)
				abort();
		}
		if (used > (int)columns)
			abort();
	}
}

static bool each_top(void *priv)
{
	cJSON *object;

	(void)priv;
	if (!top_take(&model, &top))
		return true;
	object = top_json(&model.now);
	cJSON_Delete(object);
	check_frame(80, 24);
	check_frame(19, 50);
	return true;
}

static bool each_system(void *priv)
{
	(void)priv;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct records r;
	size_t piece, n;

	if (size < 2)
		return 0;
	use_utf8();
	top_forget(&model);
	r = (struct records){ .fields = pvo_InfoRecord_fields, .record = &info, .each = each_info };
	if (data[0] % 3 == 1)
		r = (struct records){ .fields = pvo_TopRecord_fields, .record = &top,
				      .each = each_top };
	if (data[0] % 3 == 2)
		r = (struct records){ .fields = pvo_SystemRecord_fields, .record = &sys,
				      .each = each_system };
	piece = data[1] + 1;
	for (data += 2, size -= 2; size; data += n, size -= n) {
		n = size < piece ? size : piece;
		if (!records_take(&r, data, n))
			break;
	}
	return 0;
}
