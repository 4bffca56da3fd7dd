/*
 * What the fleet did during the last 24 hours, a row a minute, and what it has cost today and this
 * month beside a task for each workspace all the time. Looked at every few seconds while this
 * controller leads; kept in memory, and every five minutes and at the end in a file, so that a
 * restart of the same controller goes on from there. What was not looked at is not there: minutes
 * are missing, and of costs a gap of up to an hour is counted as what is there behind it, a longer
 * one not at all. Days and months are those of UTC. Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "core/core.h"
#include "loop/loop.h"
#include "shell.h"

#define DAY_MINUTES 1440

enum day_column {
#define DAY_COLUMN(id, name, doc) DAY_##id,
#include "in/day_column.def"
#undef DAY_COLUMN
        DAY_COLUMN_MAX
};

const char *day_column_name(enum day_column c);

/* The most that was seen in this minute. */
struct day_minute {
        int64_t minute; /* since 1970; 0: not looked at */
        uint32_t n[DAY_COLUMN_MAX];
};

/* Since `from` (0: nothing yet), as far as it was looked at. Money in dollars. */
struct day_spent {
        int64_t period; /* the day or the month of UTC that is counted */
        utc_t from;
        double dollars, task_hours;
        double always_dollars, always_task_hours; /* a task for each workspace all the time */
};

/* As of the last look, an hour of it. */
struct day_rate {
        double dollars, always_dollars;
};

struct day;

struct day_config {
        const struct core_config *core; /* prices of the types; kept by pointer */
        const char *path;               /* the file, kept by pointer; NULL: memory only */
};

/* 0 or -ENOMEM. A file that cannot be read is logged and not used. */
NODISCARD int day_new(struct loop *l, struct shell *s, const struct day_config *config,
                      struct day **ret_day);
struct day *day_free(struct day *d);

/* True when a type has a price (task_price). */
bool day_priced(const struct day *d);
const struct day_spent *day_today(const struct day *d);
const struct day_spent *day_this_month(const struct day *d);
struct day_rate day_rate(const struct day *d);
/* The minute that was `ago` minutes before the newest; NULL: not looked at, or too long ago. */
const struct day_minute *day_ago(const struct day *d, uint32_t ago);
