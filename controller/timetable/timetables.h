/*
 * The timetables that are in force, and the core being told of their classes: the file of the
 * configuration (`timetable`), read when this controller begins to lead and whenever it changes,
 * and the one of the API, kept in the store. Classes of both are in force; of two with the same id
 * the API's is, so that a class of the file can be corrected without touching it.
 *
 * One with an error is refused as a whole: what was known before stays. Loop thread only.
 */
#pragma once

#include <assert.h>

#include "base/buf.h"
#include "timetable/text.h"

#define TIMETABLE_FILE_BYTES (4 << 20) /* at most */
#define TIMETABLE_API_BYTES (256u * 1024)

static_assert(TIMETABLE_API_BYTES <= CORE_TIMETABLE_BYTES, "the core holds it");

struct loop;
struct shell;
struct timetables;

enum timetable_source { TIMETABLE_API, TIMETABLE_FILE };

struct timetable_entry {
        struct timetable_class class;
        enum timetable_source source;
        bool replaced; /* by one of the API with its id */
};

/*
 * `path`: "" for no file; it and `config` are kept. Reads nothing before timetables_lead. 0 or
 * -ENOMEM.
 */
NODISCARD int timetables_new(struct loop *l, struct shell *shell, const char *path,
                             const struct core_config *config, struct timetables **ret_timetables);
struct timetables *timetables_free(struct timetables *t);
/* Read them anew, and look for changes from now on; or no more. */
void timetables_lead(struct timetables *t);
void timetables_follow(struct timetables *t);

/* All classes, by id; valid until the next call of the loop. */
const struct timetable_entry *timetables_entries(const struct timetables *t, size_t *ret_n);
/* "" without a file. */
const char *timetables_path(const struct timetables *t);
/* What is wrong with it, so that an older one of it is in force; "" nothing. */
const char *timetables_error(const struct timetables *t, enum timetable_source source);

/* The text of the API's timetable, appended to `out`. 0, -ENOMEM, -ENOBUFS. */
NODISCARD int timetables_text(const struct core *core, struct buf *out);
/* `"7-0123456789abcdef"`, quotes included, for this revision; another for each. */
#define TIMETABLE_ETAG_SIZE 48
void timetables_etag(const struct core *core, char ret_etag[static TIMETABLE_ETAG_SIZE]);

/*
 * May this text replace the API's timetable? `len` 0 clears it. 0 with what it holds (free
 * ret_text->classes), -EINVAL with `ret_error`, -ENOMEM.
 */
NODISCARD int timetables_check(const struct timetables *t, const char *text, size_t len,
                               char ret_error[static TIMETABLE_ERROR_SIZE],
                               struct timetable_text *ret_text);
/* Post one that was checked, in this turn. FX_REPLY with `token` follows when it is stored. */
void timetables_put(struct timetables *t, const char *text, size_t len, uint64_t token,
                    const char *actor);
