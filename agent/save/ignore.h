/*
 * What a student leaves out of saves: .workspaceignore files in gitignore(5) syntax (comments, "!",
 * anchoring, "**", character classes, a trailing "/", files in sub-folders). It decides as git
 * does; a pattern that would take very long to match is taken not to match, so that in doubt a file
 * is saved. Pure; bounded: IGNORE_FILE_MAX bytes a file, IGNORE_RULES_MAX rules at a time.
 *
 *   ignore_push(&ig, "src", text, len)   on entering the folder "src" that has such a file
 *   ignore_matches(&ig, "src/x", false)  for what is in it; an ignored folder is not entered
 *   ignore_pop(&ig, mark)                on leaving: back to what ignore_push returned
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define IGNORE_FILE_NAME ".workspaceignore"
#define IGNORE_FILE_MAX (64u << 10)
#define IGNORE_RULES_MAX 10000

struct ignore_rule;

struct ignore {
        struct ignore_rule *rules;
        size_t n, cap;
};

void ignore_deinit(struct ignore *ig);
/*
 * Rules of the file in the folder `base` ("" is the root). `text` need not end with a NUL. Returns
 * the mark for ignore_pop, or -ENOMEM, -E2BIG (over a bound: nothing was added).
 */
NODISCARD int ignore_push(struct ignore *ig, const char *base, const char *text, size_t len);
void ignore_pop(struct ignore *ig, int mark);
/* Left out by the rules so far? Of its folders it is assumed that they are not. */
bool ignore_matches(const struct ignore *ig, const char *path, bool is_dir);
