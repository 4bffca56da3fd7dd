/*
 * Strings into fixed arrays, and the one rule for names that people and platforms give us.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

/* Copy with NUL. 0, or -ENAMETOOLONG with `dst` untouched. */
NODISCARD int str_copy(char *dst, size_t size, const char *src);
/* Copy what fits, always NUL-terminated; for text that is only shown. */
void str_copy_cut(char *dst, size_t size, const char *src);
bool str_starts(const char *s, const char *prefix);
/* FNV-1a, for tables whose keys nobody can choose: it does not withstand aimed collisions. */
uint32_t str_hash(const char *s);
/*
 * A name from outside (tenant, user id, workspace name, type): 1 to `max` bytes of
 * A-Z a-z 0-9 . _ @ + : - and not starting with '.' or '-'. No slash, no space, no control byte, so
 * it is safe in a path, a header, a log line and an SQL text.
 */
bool name_valid(const char *s, size_t max);

#define STR_SET(dst, src) str_copy((dst), sizeof(dst), (src))
#define STR_CUT(dst, src) str_copy_cut((dst), sizeof(dst), (src))
