/*
 * Local time, and the hours in which people are to be expected. Pure: functions of UTC and tables.
 *
 * A zone is the list of its offset changes (who reads them from the system's database makes the
 * table; this file never does). Days are counted from 1970-01-01 in local time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

#define SCHEDULE_HOLIDAYS_MAX 64
#define ZONE_STEPS_MAX 64
#define SCHEDULE_WORKDAYS 0x1F /* bit 0 is Monday */
#define SCHEDULE_EVERY_DAY 0x7F

struct zone {
        uint32_t n; /* 0: UTC */
        struct {
                utc_t from;
                int32_t offset_s;
        } steps[ZONE_STEPS_MAX]; /* by time; the first also holds before its time */
};

struct schedule {
        struct zone zone;
        uint16_t from_min; /* peak hours, minutes of the local day: from <= t < to */
        uint16_t to_min;   /* at most 1440, above from_min; both 0: never */
        uint8_t weekdays;
        uint32_t n_holidays;
        int32_t holidays[SCHEDULE_HOLIDAYS_MAX]; /* local days, any order */
};

/* UTC, 9 to 21, every day, no holidays. */
void schedule_init(struct schedule *s);
int32_t zone_offset(const struct zone *z, utc_t at);
/* The local day, since 1970-01-01. */
int32_t zone_day(const struct zone *z, utc_t at);
/* The first moment of a local day. */
utc_t zone_midnight(const struct zone *z, int32_t day);
/* Months since January 1970 of a day. */
int32_t day_month(int32_t day);
/* 0 is Monday. */
int day_weekday(int32_t day);
bool schedule_peak(const struct schedule *s, utc_t at);
/* When peak hours next begin or end after `at`; INT64_MAX when not within 400 days. */
utc_t schedule_next(const struct schedule *s, utc_t at);
