/*
 * The timetable as the HTTP API and the ops socket show and take it: which classes are in force,
 * what is expected of each, and whether the pools will do. Loop thread only.
 */
#pragma once

#include "in/view.h"
#include "timetable/timetables.h"

#define TIMETABLE_SHOWN_MAX 1000 /* classes */

/* What a program with no timetables answers. */
void timetable_api_none(struct view_error *ret_error);

/* The fields of API.md, "Timetable". 0, -ENOMEM, -ENOBUFS. */
NODISCARD int timetable_api_show(const struct view *v, const struct timetables *t, struct buf *out);

/*
 * May `text` be the API's timetable, for one who has seen `if_match` ("*": whatever there is)? 0,
 * or > 0 with *ret_error: no timetable, changed since, or wrong.
 */
NODISCARD int timetable_api_check(const struct timetables *t, const struct core *core,
                                  const char *if_match, const char *text, size_t len,
                                  struct view_error *ret_error);
/* {"classes":N,"skipped":N} of a text that is good; > 0 with *ret_error for another. */
NODISCARD int timetable_api_try(const struct timetables *t, const char *text, size_t len,
                                struct buf *out, struct view_error *ret_error);
