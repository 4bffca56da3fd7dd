/* Kinds of values of the configuration: how a text of each is read, and what is said of a wrong
 * one. */
#pragma once

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
};

/* What to write, for people: "a duration such as 30s, 5m, 2h". */
const char *config_kind_hint(enum config_kind kind);
/* Check a text; *ret_num is what it is worth where the kind is a number (ms, bytes, millionths). 0,
 * -EINVAL. */
NODISCARD int config_kind_parse(enum config_kind kind, const char *text, int64_t *ret_num);
/* "HOST:PORT" taken apart; `size` bytes at `host`. 0 or -EINVAL. */
NODISCARD int config_addr_split(const char *text, char *host, size_t size, uint64_t *ret_port);
