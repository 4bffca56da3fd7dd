/*
 * What a timetable says: classes in JSON (as in wscontroller.conf(5), "TIMETABLES"), or a calendar
 * (RFC 5545, calendar.c). A text with an error is refused as a whole. Not beside threads that
 * read TZ (hours.h).
 */
#pragma once

#include "core/core.h"

#define TIMETABLE_CLASSES_MAX 4096
#define TIMETABLE_ERROR_SIZE 256
/* A calendar is read so far ahead, and so far back. */
#define TIMETABLE_AHEAD_S (60 * INT64_C(86400))
#define TIMETABLE_BACK_S INT64_C(86400)

struct timetable_class {
        char id[CORE_NAME_SIZE];
        char course[CORE_NAME_SIZE];
        char type[CORE_TYPE_SIZE];
        utc_t start;
        uint32_t students;
};

struct timetable_text {
        struct timetable_class *classes; /* by id; free() it */
        size_t n;
        bool calendar;
        size_t skipped; /* events of a calendar without a roster: they are no classes */
};

/*
 * 0; -EINVAL with the place, the cause and the cure in `ret_error`; -ENOMEM. Types are names of
 * `config`; with NULL any will do. Of a calendar the classes from a day before `now` to
 * TIMETABLE_AHEAD_S after it are given.
 */
NODISCARD int timetable_parse(const char *text, size_t len, const struct core_config *config,
                              utc_t now, char ret_error[static TIMETABLE_ERROR_SIZE],
                              struct timetable_text *ret_text);

/* ---- for the two formats ---- */

int timetable_compare(const void *a, const void *b); /* by id */
/* The number of a type that classes may name; false, and why, for another. */
bool timetable_type(const struct core_config *config, const char *name, char *ret_why, size_t size);
/* What timetable_parse does for a calendar, without sorting. */
NODISCARD int timetable_parse_ical(const char *text, size_t len, const struct core_config *config,
                                   utc_t now, char ret_error[static TIMETABLE_ERROR_SIZE],
                                   struct timetable_text *ret_text);
