/*
 * One logfmt line per event to standard error:
 *
 *   ts=2026-01-02T03:04:05.678Z level=info prog=wscontroller msg="task warm" task=t-000012 ms=412
 *
 * The message is a constant; what varies is a field. Foreign text is escaped, so one call is always
 * one line. No allocation, no lock: a line is one write(2), cut at LOG_LINE_MAX bytes. errno is
 * preserved. Usable from any thread and from PID 1. Pure code does not log.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LOG_LINE_MAX 2048

enum log_level {
        LOG_DEBUG_LEVEL,
        LOG_INFO_LEVEL,
        LOG_WARN_LEVEL,
        LOG_ERROR_LEVEL,
};

enum log_kind { LOG_KIND_END, LOG_KIND_STR, LOG_KIND_INT, LOG_KIND_ERR };

struct log_field {
        enum log_kind kind;
        const char *key;
        const char *str;
        int64_t num;
};

/* The name that stands as `prog=`; `prog` is kept by pointer. */
void log_init(const char *prog, enum log_level lowest);
/* Would a line of this level be written? For callers whose fields are costly to make. */
bool log_enabled(enum log_level level);
/* "debug", "info", "warn", "error" -> level. Returns false and leaves *ret alone for other text. */
bool log_level_parse(const char *text, enum log_level *ret_level);
/* `fields` ends with a field of kind LOG_KIND_END; the first entry is skipped (see the macros). */
void log_write(enum log_level level, const char *msg, const struct log_field *fields);

#define LOG_STR(k, v) ((struct log_field){.kind = LOG_KIND_STR, .key = (k), .str = (v)})
#define LOG_INT(k, v) ((struct log_field){.kind = LOG_KIND_INT, .key = (k), .num = (int64_t)(v)})
/* `r` is -errno or errno; printed as its name and text under `err`. */
#define LOG_ERR(r) ((struct log_field){.kind = LOG_KIND_ERR, .key = "err", .num = (r)})

#define LOG_FIELDS(...) ((const struct log_field[]){{0}, ##__VA_ARGS__, {0}})
#define log_debug(msg, ...) log_write(LOG_DEBUG_LEVEL, msg, LOG_FIELDS(__VA_ARGS__))
#define log_info(msg, ...) log_write(LOG_INFO_LEVEL, msg, LOG_FIELDS(__VA_ARGS__))
#define log_warn(msg, ...) log_write(LOG_WARN_LEVEL, msg, LOG_FIELDS(__VA_ARGS__))
#define log_error(msg, ...) log_write(LOG_ERROR_LEVEL, msg, LOG_FIELDS(__VA_ARGS__))
