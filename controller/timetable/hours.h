/*
 * Hours, days, holidays and time zones as they are written in a configuration, made into the tables
 * that pool/schedule.h reads. Each verb: false, with its output untouched, for a text that is not
 * one.
 */
#pragma once

#include <stdbool.h>

#include "pool/schedule.h"

/* "09:00-21:00", "00:00-24:00", or "never". */
bool hours_parse_peak(const char *text, struct schedule *s);
/* "mon-fri", "mon,wed,sat-sun". */
bool hours_parse_weekdays(const char *text, struct schedule *s);
/* "2026-12-24..2027-01-03,2027-05-01", at most SCHEDULE_HOLIDAYS_MAX days; "" for none. */
bool hours_parse_holidays(const char *text, struct schedule *s);
/*
 * "UTC", "+05:30", or a name such as Europe/Berlin of the system's time zone database, of which the
 * changes from 2025 to 2056 are taken. Changes TZ while it works: not beside other threads.
 */
bool hours_parse_zone(const char *text, struct zone *ret_zone);
/*
 * Called before there are threads, it lets zones be parsed beside ones that only read the
 * environment: TZ is set from then on, so its entry is replaced and no other is moved.
 */
void hours_prepare(void);
