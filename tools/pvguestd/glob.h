/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Patterns of the policy. Within a component of a path: "?" is any byte, "*" any number of
 * bytes, "[a-z]" and "[!a-z]" one byte of a set. A component "**" is any number of
 * components, also none. There is no escape; "[*]" is a star. Time is bounded by the product
 * of both lengths.
 */
#ifndef _PVGUESTD_GLOB_H
#define _PVGUESTD_GLOB_H

#include <stdbool.h>

/* NULL if @pattern is one, else what is wrong with it. */
const char *glob_check(const char *pattern);
/* Has it a "*", "?" or "["? */
bool glob_is_pattern(const char *pattern);
/* All of @text; "/" is a byte like another. */
bool glob_text(const char *pattern, const char *text);
/* All of @path, component by component. */
bool glob_path(const char *pattern, const char *path);
/* @path, or a directory above it. */
bool glob_beneath(const char *pattern, const char *path);
/* Could it match something beneath @path? A "**" counts only if @deep. */
bool glob_above(const char *pattern, const char *path, bool deep);
/* Absolute, without "//", ".", ".." and a "/" at its end (but "/" itself). */
bool path_is_normal(const char *path);
/* Is @path @dir or something beneath it? Both are normal. */
bool path_beneath(const char *dir, const char *path);

#endif /* _PVGUESTD_GLOB_H */
