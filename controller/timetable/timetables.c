#include "timetable/timetables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "loop/loop.h"
#include "shell.h"
#include "wire/scan.h"

#define LOOK_MS 2000
/* The core has room for so many classes of a type: it is told of those of the next two days. */
#define AHEAD_S (2 * INT64_C(86400))
#define AGAIN_S INT64_C(3600)
#define SOURCES 2

struct timetables {
        struct shell *shell;
        const char *path;
        const struct core_config *config;
        struct loop_timer timer;
        struct timetable_text texts[SOURCES]; /* by enum timetable_source, as read last */
        struct timetable_entry *entries;      /* of both, by id */
        size_t n;
        struct timespec changed; /* of the file that was read last */
        off_t size;
        char errors[SOURCES][TIMETABLE_ERROR_SIZE];
        utc_t told;
};

/* ---- telling the core ---- */

static void tell(struct timetables *t, const struct timetable_class *k, uint32_t roster)
{
        struct core_event ev = {.type = EV_CLASS_SET,
                                .class_set = {.start = k->start, .roster = roster}};

        STR_CUT(ev.class_set.id, k->id);
        STR_CUT(ev.class_set.type, k->type);
        STR_CUT(ev.class_set.course, k->course);
        shell_post(t->shell, &ev);
}

static void tell_all(struct timetables *t)
{
        utc_t now = utc_read();

        t->told = now;
        for (size_t i = 0; i < t->n; i++) {
                const struct timetable_class *k = &t->entries[i].class;
                int64_t in_s = (k->start.us - now.us) / US_PER_S;

                if (!t->entries[i].replaced && in_s > -AGAIN_S && in_s < AHEAD_S)
                        tell(t, k, k->students);
        }
}

/* By id, those of the API first. */
static int by_id(const void *a, const void *b)
{
        const struct timetable_entry *x = a, *y = b;
        int r = timetable_compare(&x->class, &y->class);

        return r ? r : (int)x->source - (int)y->source;
}

/* The entry in force with that id, or NULL. */
static const struct timetable_entry *find(const struct timetable_entry *entries, size_t n,
                                          const char *id)
{
        size_t from = 0, to = n;

        while (from < to) { /* the first that is not before */
                size_t mid = from + (to - from) / 2;

                if (strcmp(entries[mid].class.id, id) < 0)
                        from = mid + 1;
                else
                        to = mid;
        }
        return from < n && strcmp(entries[from].class.id, id) == 0 ? &entries[from] : NULL;
}

static struct timetable_entry *merge(const struct timetables *t, size_t *ret_n)
{
        size_t n = 0, all = t->texts[TIMETABLE_API].n + t->texts[TIMETABLE_FILE].n;
        struct timetable_entry *entries = calloc(all + 1, sizeof(*entries));

        for (int s = 0; s < SOURCES && entries; s++) {
                for (size_t i = 0; i < t->texts[s].n; i++)
                        entries[n++] = (struct timetable_entry){.class = t->texts[s].classes[i],
                                                                .source = (enum timetable_source)s};
        }
        if (entries)
                qsort(entries, n, sizeof(*entries), by_id);
        for (size_t i = 1; i < n; i++)
                entries[i].replaced = strcmp(entries[i - 1].class.id, entries[i].class.id) == 0;
        *ret_n = n;
        return entries;
}

/* One source is another text now: the core is told what is not held any more, and the rest. */
static void replace(struct timetables *t, enum timetable_source source,
                    const struct timetable_text *text)
{
        struct timetable_entry *entries;
        size_t n;

        free(t->texts[source].classes);
        t->texts[source] = *text;
        entries = merge(t, &n);
        if (!entries) {
                log_error("no memory for the timetable; what was known stays");
                return;
        }
        for (size_t i = 0; i < t->n; i++) {
                const struct timetable_entry *old = &t->entries[i];
                const struct timetable_entry *new = find(entries, n, old->class.id);

                if (!old->replaced && (!new || strcmp(new->class.type, old->class.type) != 0))
                        tell(t, &old->class, 0);
        }
        free(t->entries);
        t->entries = entries;
        t->n = n;
        tell_all(t);
}

/* ---- the file ---- */

static void fail(struct timetables *t, enum timetable_source source, int r, const char *detail)
{
        log_error("the timetable is not taken; what was known stays",
                  LOG_STR("source", source == TIMETABLE_FILE ? t->path : "API"), LOG_ERR(r),
                  LOG_STR("detail", detail));
        (void)snprintf(t->errors[source], TIMETABLE_ERROR_SIZE, "%.250s",
                       *detail ? detail : strerror(-r));
}

static void read_file(struct timetables *t)
{
        AUTO_BUF text = BUF_INIT(TIMETABLE_FILE_BYTES);
        char error[TIMETABLE_ERROR_SIZE] = "";
        struct timetable_text read = {0};
        int r = file_read(t->path, &text);

        if (r == 0)
                r = timetable_parse((const char *)text.data, text.len, t->config, utc_read(), error,
                                    &read);
        if (r < 0) {
                fail(t, TIMETABLE_FILE, r, error);
                return;
        }
        t->errors[TIMETABLE_FILE][0] = 0;
        log_info("timetable read", LOG_STR("file", t->path), LOG_INT("classes", (int64_t)read.n),
                 LOG_INT("events_that_are_none", (int64_t)read.skipped));
        replace(t, TIMETABLE_FILE, &read);
}

static bool file_changed(struct timetables *t)
{
        struct stat st;

        if (!t->path[0])
                return false;
        if (stat(t->path, &st) < 0) {
                if (!t->errors[TIMETABLE_FILE][0])
                        fail(t, TIMETABLE_FILE, -errno, "");
                t->size = -1;
                return false;
        }
        if (st.st_size == t->size && st.st_mtim.tv_sec == t->changed.tv_sec &&
            st.st_mtim.tv_nsec == t->changed.tv_nsec)
                return false;
        t->size = st.st_size;
        t->changed = st.st_mtim;
        return true;
}

/* ---- the API's ---- */

int timetables_text(const struct core *core, struct buf *out)
{
        uint32_t n = core_timetable(core)->n;
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < n; i++)
                r = buf_append_str(out, core_timetable_piece(core, i));
        return r;
}

void timetables_etag(const struct core *core, char ret_etag[static TIMETABLE_ETAG_SIZE])
{
        const struct core_timetable *h = core_timetable(core);

        (void)snprintf(ret_etag, TIMETABLE_ETAG_SIZE, "\"%" PRIu64 "-%016" PRIx64 "\"", h->revision,
                       h->sum);
}

int timetables_check(const struct timetables *t, const char *text, size_t len,
                     char ret_error[static TIMETABLE_ERROR_SIZE], struct timetable_text *ret_text)
{
        if (len > TIMETABLE_API_BYTES) {
                (void)snprintf(ret_error, TIMETABLE_ERROR_SIZE,
                               "it has %zu bytes, at most %u are taken; leave out what is over",
                               len, TIMETABLE_API_BYTES);
                return -EINVAL;
        }
        for (size_t i = 0; i < len;) {
                size_t n = scan_utf8((const unsigned char *)text + i, len - i);

                if (n == 0) {
                        (void)snprintf(ret_error, TIMETABLE_ERROR_SIZE,
                                       "it is not valid UTF-8 at byte %zu; save it as UTF-8", i);
                        return -EINVAL;
                }
                i += n;
        }
        *ret_text = (struct timetable_text){0};
        return len ? timetable_parse(text, len, t->config, utc_read(), ret_error, ret_text) : 0;
}

static void read_api(struct timetables *t)
{
        AUTO_BUF text = BUF_INIT(CORE_TIMETABLE_BYTES);
        char error[TIMETABLE_ERROR_SIZE] = "";
        struct timetable_text read = {0};
        int r = timetables_text(shell_core(t->shell), &text);

        if (r == 0)
                r = timetables_check(t, (const char *)text.data, text.len, error, &read);
        if (r < 0) { /* a type that it names is not configured any more */
                fail(t, TIMETABLE_API, r, error);
                return;
        }
        t->errors[TIMETABLE_API][0] = 0;
        replace(t, TIMETABLE_API, &read);
}

/* So many bytes from here are a piece: whole characters of UTF-8. */
static size_t piece_len(const char *text, size_t len)
{
        size_t n = MIN(len, CORE_REASON_SIZE - 1);

        while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
                n--;
        return n;
}

static void post_piece(struct timetables *t, uint32_t i, const char *text, size_t len)
{
        struct core_event ev = {.type = EV_TIMETABLE_PIECE, .timetable_piece = {.i = i}};

        memcpy(ev.timetable_piece.text, text, len);
        shell_post(t->shell, &ev);
}

void timetables_put(struct timetables *t, const char *text, size_t len, uint64_t token,
                    const char *actor)
{
        uint32_t had = core_timetable(shell_core(t->shell))->n;
        struct core_event ev = {.type = EV_TIMETABLE_SET, .timetable_set = {.token = token}};
        uint32_t n = 0;

        for (size_t at = 0; at < len; n++) {
                size_t piece = piece_len(text + at, len - at);

                post_piece(t, n, text + at, piece);
                at += piece;
        }
        for (uint32_t i = n; i < had; i++)
                post_piece(t, i, "", 0);
        ev.timetable_set.n = n;
        STR_CUT(ev.timetable_set.actor, actor);
        shell_post(t->shell, &ev);
        read_api(t);
}

/* ---- time ---- */

static void look(void *ctx)
{
        struct timetables *t = ctx;
        bool again = utc_read().us - t->told.us > AGAIN_S * US_PER_S;

        loop_timer_set_in(&t->timer, LOOK_MS);
        if (file_changed(t) || (again && t->texts[TIMETABLE_FILE].calendar))
                read_file(t);
        /* A calendar goes on with the days. */
        if (again && t->texts[TIMETABLE_API].calendar)
                read_api(t);
        if (again)
                tell_all(t);
}

int timetables_new(struct loop *l, struct shell *shell, const char *path,
                   const struct core_config *config, struct timetables **ret_timetables)
{
        struct timetables *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        *t = (struct timetables){.shell = shell, .path = path, .config = config, .size = -1};
        loop_timer_init(l, &t->timer, look, t);
        *ret_timetables = t;
        return 0;
}

struct timetables *timetables_free(struct timetables *t)
{
        if (!t)
                return NULL;
        loop_timer_cancel(&t->timer);
        for (int s = 0; s < SOURCES; s++)
                free(t->texts[s].classes);
        free(t->entries);
        free(t);
        return NULL;
}

void timetables_lead(struct timetables *t)
{
        t->size = -1;
        read_api(t);
        look(t);
}

void timetables_follow(struct timetables *t)
{
        loop_timer_cancel(&t->timer);
}

/* ---- views ---- */

const struct timetable_entry *timetables_entries(const struct timetables *t, size_t *ret_n)
{
        *ret_n = t->n;
        return t->entries;
}

const char *timetables_path(const struct timetables *t)
{
        return t->path;
}

const char *timetables_error(const struct timetables *t, enum timetable_source source)
{
        return t->errors[source];
}
