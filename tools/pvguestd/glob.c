// SPDX-License-Identifier: GPL-2.0-only
/*
 * Patterns of the policy, see glob.h.
 */
#include <string.h>

#include "glob.h"

struct span {
	const char *at;
	const char *end;
};

/* The end of the set that begins at @at, which is its "["; NULL: it has none. */
static const char *set_end(const char *at, const char *end)
{
	at++;
	if (at < end && *at == '!')
		at++;
	/* A "]" at the beginning is a member. */
	if (at < end && *at == ']')
		at++;
	while (at < end && *at != ']')
		at++;
	return at < end ? at : NULL;
}

static bool in_set(const char *at, const char *close, unsigned char c)
{
	bool negated = at[1] == '!', found = false;

	at += negated ? 2 : 1;
	for (; at < close; at++) {
		unsigned char low = *at, high = low;

		if (at + 2 < close && at[1] == '-') {
			high = at[2];
			at += 2;
		}
		if (low <= c && c <= high)
			found = true;
	}
	return found != negated;
}

/* Does one element of the pattern, not "*", match @c? *@next: the element after it. */
static bool match_one(struct span pattern, unsigned char c, const char **next)
{
	const char *close;

	*next = pattern.at + 1;
	if (*pattern.at == '?')
		return true;
	if (*pattern.at != '[')
		return (unsigned char)*pattern.at == c;
	close = set_end(pattern.at, pattern.end);
	if (!close)
		return false;
	*next = close + 1;
	return in_set(pattern.at, close, c);
}

/* To go back to the last "*" only is enough: what is before it has matched already. */
static bool match(struct span pattern, struct span text)
{
	const char *star = NULL, *star_text = NULL, *next;

	while (text.at < text.end) {
		if (pattern.at < pattern.end && *pattern.at == '*') {
			star = ++pattern.at;
			star_text = text.at;
		} else if (pattern.at < pattern.end && match_one(pattern, *text.at, &next)) {
			pattern.at = next;
			text.at++;
		} else if (star) {
			pattern.at = star;
			text.at = ++star_text;
		} else {
			return false;
		}
	}
	while (pattern.at < pattern.end && *pattern.at == '*')
		pattern.at++;
	return pattern.at == pattern.end;
}

static struct span whole(const char *text)
{
	return (struct span){ text, text + strlen(text) };
}

bool glob_text(const char *pattern, const char *text)
{
	return match(whole(pattern), whole(text));
}

/* The component at @at; NULL is after the last one. */
static struct span component(const char *at)
{
	return (struct span){ at, at + strcspn(at, "/") };
}

static const char *following(const char *at)
{
	at += strcspn(at, "/");
	return *at ? at + 1 : NULL;
}

static bool is_any_depth(const char *at)
{
	struct span name = component(at);

	return name.end - name.at == 2 && name.at[0] == '*' && name.at[1] == '*';
}

/* As match(), with components for bytes; @prefix: the path may go on. */
static bool match_path(const char *pattern, const char *path, bool prefix)
{
	const char *star = NULL, *star_path = NULL;

	for (;;) {
		if (!pattern && (prefix || !path))
			return true;
		if (pattern && is_any_depth(pattern)) {
			pattern = following(pattern);
			star = pattern;
			star_path = path;
			/* At its end it takes all that is left. */
			if (!star)
				return true;
			continue;
		}
		if (!path)
			return false;
		if (pattern && match(component(pattern), component(path))) {
			pattern = following(pattern);
			path = following(path);
			continue;
		}
		if (!star || !star_path)
			return false;
		star_path = following(star_path);
		pattern = star;
		path = star_path;
	}
}

bool glob_path(const char *pattern, const char *path)
{
	return match_path(pattern, path, false);
}

bool glob_beneath(const char *pattern, const char *path)
{
	/* "/" is a component that is empty, and one more. */
	if (!strcmp(pattern, "/"))
		return *path == '/';
	return match_path(pattern, path, true);
}

bool glob_above(const char *pattern, const char *path, bool deep)
{
	if (!strcmp(path, "/"))
		return true;
	while (pattern && path) {
		if (is_any_depth(pattern))
			return deep;
		if (!match(component(pattern), component(path)))
			return false;
		pattern = following(pattern);
		path = following(path);
	}
	return pattern;
}

bool glob_is_pattern(const char *pattern)
{
	return strpbrk(pattern, "*?[");
}

const char *glob_check(const char *pattern)
{
	const char *at, *end;
	struct span name;

	for (at = pattern; at; at = following(at)) {
		name = component(at);
		if (!is_any_depth(at) && memmem(name.at, name.end - name.at, "**", 2))
			return "'**' is a component of its own, between slashes";
		for (; name.at < name.end; name.at++) {
			if (*name.at != '[')
				continue;
			end = set_end(name.at, name.end);
			if (!end)
				return "'[' has no ']' in the same component";
			name.at = end;
		}
	}
	return NULL;
}

bool path_is_normal(const char *path)
{
	const char *at;
	struct span name;
	size_t len;

	if (*path != '/')
		return false;
	if (!path[1])
		return true;
	for (at = path + 1; at; at = following(at)) {
		name = component(at);
		len = name.end - name.at;
		if (!len || (len == 1 && *at == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
			return false;
	}
	return true;
}

bool path_beneath(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	if (len == 1)
		return true;
	return !strncmp(dir, path, len) && (!path[len] || path[len] == '/');
}
