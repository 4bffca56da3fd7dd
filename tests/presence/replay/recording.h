/*
 * Reading one recording: a folder as FORMAT.md describes it. All of it is read and checked at the
 * beginning, so that what is broken is said before anything is concluded from it. One thread; the
 * recording owns everything that it hands out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/macro.h"

#define RECORDING_ERROR_MAX 512
#define RECORDING_IGNORED_MAX 32

enum event_kind {
#define EVENT(id, name) EVENT_##id,
#include "event.def"
#undef EVENT
        EVENT_KIND_MAX
};

struct event {
        int64_t t_ms; /* since the recording's beginning */
        enum event_kind kind;
        uint32_t connection; /* OPEN to CLOSE */
        const uint8_t *data; /* UP: the bytes */
        size_t len;
        const cJSON *fields; /* all of it; lives until the next call */
};

struct recording;

/*
 * 0, or -1 with a sentence in `error` that names the file, the line and what is wrong: unreadable,
 * cut short, not JSON, times that go backwards, more bytes than streams.bin has.
 */
NODISCARD int recording_open(const char *dir, char error[RECORDING_ERROR_MAX],
                             struct recording **ret_recording);
struct recording *recording_free(struct recording *r);

const char *recording_name(const struct recording *r);
const cJSON *recording_labels(const struct recording *r); /* an object, perhaps empty */
int64_t recording_duration_ms(const struct recording *r);

/* The next event of a known kind; false after the last one. */
bool recording_next(struct recording *r, struct event *ret_event);
/* How many events of the i-th unknown kind were passed over; NULL behind the last. */
const char *recording_ignored(const struct recording *r, size_t i, uint64_t *ret_count);

/* Fields of an event: a number, or text; `otherwise` where it is missing or something else. */
int64_t event_number(const struct event *e, const char *name, int64_t otherwise);
const char *event_text(const struct event *e, const char *name, const char *otherwise);
