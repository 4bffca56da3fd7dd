/*
 * What kinds of values options have: does a text parse as one, and what should it have been? Pure,
 * but for time zones, which are files of the system.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum config_kind {
        KIND_TEXT,
        KIND_PATH,
        KIND_URL,
        KIND_ADDR,
        KIND_SCHEME,
        KIND_BIND,
        KIND_COUNT,
        KIND_DURATION,
        KIND_SIZE,
        KIND_LEVEL,
        KIND_DECIMAL, /* in millionths */
        KIND_POLICY,
        KIND_IDLE_POLICY,
        KIND_SAME_SITE,
        KIND_STORAGE_MODE,
        KIND_HOURS,
        KIND_WEEKDAYS,
        KIND_DATES,
        KIND_ZONE,
        KIND_SWITCH,
        KIND_PROVIDER,
};

/* 0, with the number of those that are one; else negative. */
NODISCARD int config_kind_parse(enum config_kind kind, const char *text, int64_t *ret_num);
/* "a duration such as 500ms, ..." */
const char *config_kind_hint(enum config_kind kind);
bool config_kind_is_number(enum config_kind kind);
/* "HOST:PORT" -> both. 0, -EINVAL, -ERANGE. */
NODISCARD int config_kind_split_addr(const char *text, char *host, size_t size, uint64_t *ret_port);
