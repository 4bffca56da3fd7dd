#include "recording.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"

#define FILE_MAX (512U << 20)
#define PIECE (256U << 10)
#define FORMAT 1

static const char *const kind_names[] = {
#define EVENT(id, name) [EVENT_##id] = (name),
#include "event.def"
#undef EVENT
};
static_assert(ARRAY_LEN(kind_names) == EVENT_KIND_MAX, "every kind has a name");

struct recording {
        char dir[4096];
        char *error;
        cJSON *about;
        struct buf events, streams;
        size_t line_at, line;
        size_t stream_at;
        int64_t t_ms;
        cJSON *current;
        uint8_t *open; /* a bit for each connection number */
        size_t open_max;
        struct {
                char name[32];
                uint64_t count;
        } ignored[RECORDING_IGNORED_MAX];
        size_t n_ignored;
};

PRINTF_LIKE(2, 3) static int wrong(struct recording *r, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(r->error, RECORDING_ERROR_MAX, format, ap);
        va_end(ap);
        return -1;
}

/* --- files --- */

static int read_plain(struct recording *r, const char *path, int fd, struct buf *out)
{
        ssize_t n;

        do {
                if (buf_reserve(out, PIECE) < 0)
                        return wrong(r, "%s: larger than %u MB, or no memory", path,
                                     FILE_MAX >> 20);
                n = read(fd, out->data + out->len, PIECE);
                if (n < 0)
                        return wrong(r, "%s: %s", path, strerror(errno));
                out->len += (size_t)n;
        } while (n > 0);
        return 0;
}

static int inflate_all(struct recording *r, const char *path, const struct buf *packed,
                       ZSTD_DStream *z, struct buf *out)
{
        ZSTD_inBuffer in = {.src = packed->data, .size = packed->len};
        size_t left = 1;

        while (in.pos < in.size || left > 0) {
                ZSTD_outBuffer piece = {.size = PIECE};

                if (buf_reserve(out, PIECE) < 0)
                        return wrong(r, "%s: larger than %u MB when unpacked, or no memory", path,
                                     FILE_MAX >> 20);
                piece.dst = out->data + out->len;
                left = ZSTD_decompressStream(z, &piece, &in);
                if (ZSTD_isError(left))
                        return wrong(r, "%s: not zstd, or damaged: %s", path,
                                     ZSTD_getErrorName(left));
                out->len += piece.pos;
                if (in.pos == in.size && piece.pos < piece.size && left > 0)
                        return wrong(r, "%s: cut short: the recording did not end, or its copy did",
                                     path);
        }
        return 0;
}

/* NAME.zst, or NAME as it is. */
static int read_part(struct recording *r, const char *name, struct buf *out)
{
        char path[4096 + 64];
        struct buf packed = BUF_INIT(FILE_MAX);
        ZSTD_DStream *z;
        bool is_packed = true;
        int fd, result;

        (void)snprintf(path, sizeof(path), "%s/%s.zst", r->dir, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                is_packed = false;
                path[strlen(path) - 4] = 0;
                fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        if (fd < 0)
                return wrong(r, "%s: %s (is this the folder of a finished recording?)", path,
                             strerror(errno));
        result = read_plain(r, path, fd, is_packed ? &packed : out);
        if (result == 0 && is_packed) {
                z = ZSTD_createDStream();
                result = z ? inflate_all(r, path, &packed, z, out) : wrong(r, "no memory");
                ZSTD_freeDStream(z);
        }
        buf_deinit(&packed);
        fd_close(fd);
        return result;
}

/* --- events --- */

int64_t event_number(const struct event *e, const char *name, int64_t otherwise)
{
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(e->fields, name);

        return cJSON_IsNumber(v) ? (int64_t)v->valuedouble : otherwise;
}

const char *event_text(const struct event *e, const char *name, const char *otherwise)
{
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(e->fields, name);

        return cJSON_IsString(v) ? v->valuestring : otherwise;
}

static bool find_kind(const char *name, enum event_kind *ret_kind)
{
        for (int k = 0; k < EVENT_KIND_MAX; k++) {
                if (strcmp(kind_names[k], name) == 0) {
                        *ret_kind = (enum event_kind)k;
                        return true;
                }
        }
        return false;
}

static void ignore(struct recording *r, const char *name)
{
        size_t i = 0;

        while (i < r->n_ignored &&
               strncmp(r->ignored[i].name, name, sizeof(r->ignored[i].name) - 1))
                i++;
        if (i == RECORDING_IGNORED_MAX)
                i--; /* the last one stands for the rest too */
        if (i == r->n_ignored) {
                STR_CUT(r->ignored[i].name, name);
                r->n_ignored++;
        }
        r->ignored[i].count++;
}

/* Bytes may come only while their connection is open. */
static int check_connection(struct recording *r, const struct event *e)
{
        int64_t c = event_number(e, "c", -1);
        uint8_t *is_open;

        if (e->kind > EVENT_CLOSE)
                return 0;
        if (c < 0 || c >= (1 << 24))
                return wrong(r, "%s/events.jsonl: line %zu: \"c\" is not a connection's number",
                             r->dir, r->line);
        if ((size_t)c >= r->open_max) {
                size_t max = (size_t)c + 1024;
                uint8_t *more = realloc(r->open, max);

                if (!more)
                        return wrong(r, "no memory");
                memset(more + r->open_max, 0, max - r->open_max);
                r->open = more;
                r->open_max = max;
        }
        is_open = &r->open[c];
        if (e->kind == EVENT_OPEN ? *is_open : !*is_open && e->kind == EVENT_UP)
                return wrong(r, "%s/events.jsonl: line %zu: connection %lld is %s", r->dir, r->line,
                             (long long)c,
                             *is_open ? "opened again before it was closed"
                                      : "not open, but bytes come from it");
        if (e->kind == EVENT_OPEN || e->kind == EVENT_CLOSE)
                *is_open = e->kind == EVENT_OPEN;
        return 0;
}

static int take_bytes(struct recording *r, struct event *e)
{
        int64_t n = event_number(e, "n", -1);

        if (e->kind != EVENT_UP)
                return 0;
        if (n < 0 || (uint64_t)n > r->streams.len - r->stream_at)
                return wrong(r,
                             "%s/events.jsonl: line %zu: %lld bytes from the client, but "
                             "streams.bin has only %zu more",
                             r->dir, r->line, (long long)n, r->streams.len - r->stream_at);
        e->data = r->streams.data + r->stream_at;
        e->len = (size_t)n;
        r->stream_at += (size_t)n;
        return 0;
}

static int read_line(struct recording *r, const char *text, size_t len, struct event *e)
{
        cJSON_Delete(r->current);
        r->current = cJSON_ParseWithLength(text, len);
        *e = (struct event){.fields = r->current};
        if (!cJSON_IsObject(r->current))
                return wrong(r, "%s/events.jsonl: line %zu: not a JSON object", r->dir, r->line);
        e->t_ms = event_number(e, "t", -1);
        if (e->t_ms < r->t_ms)
                return wrong(r, "%s/events.jsonl: line %zu: \"t\" %s", r->dir, r->line,
                             e->t_ms < 0 ? "is missing or negative"
                                         : "is earlier than on the line before");
        r->t_ms = e->t_ms;
        if (!find_kind(event_text(e, "e", ""), &e->kind)) {
                ignore(r, event_text(e, "e", ""));
                return 1;
        }
        if (check_connection(r, e) < 0)
                return -1;
        e->connection = (uint32_t)event_number(e, "c", 0);
        return take_bytes(r, e);
}

/* 0 an event, 1 the end, -1 wrong. */
static int next(struct recording *r, struct event *ret_event)
{
        while (r->line_at < r->events.len) {
                const char *text = (const char *)r->events.data + r->line_at;
                const char *end = memchr(text, '\n', r->events.len - r->line_at);
                size_t len = end ? (size_t)(end - text) : r->events.len - r->line_at;
                int got;

                r->line_at += len + 1;
                r->line++;
                if (len == 0)
                        continue;
                got = read_line(r, text, len, ret_event);
                if (got <= 0)
                        return got;
        }
        return 1;
}

static void rewind_events(struct recording *r)
{
        r->line_at = r->line = r->stream_at = 0;
        r->t_ms = 0;
        r->n_ignored = 0;
        memset(r->ignored, 0, sizeof(r->ignored));
        if (r->open)
                memset(r->open, 0, r->open_max);
}

static int check_all(struct recording *r)
{
        struct event e;
        int got;

        do
                got = next(r, &e);
        while (got == 0);
        return got < 0 ? -1 : 0;
}

static int read_about(struct recording *r)
{
        struct buf text = BUF_INIT(1 << 20);
        const cJSON *v;
        int result = read_part(r, "recording.json", &text);

        if (result == 0) {
                r->about = cJSON_ParseWithLength((const char *)text.data, text.len);
                v = cJSON_GetObjectItemCaseSensitive(r->about, "format");
                if (!cJSON_IsObject(r->about) ||
                    !cJSON_IsString(cJSON_GetObjectItem(r->about, "name")))
                        result = wrong(r, "%s/recording.json: not an object with a \"name\"",
                                       r->dir);
                else if (!cJSON_IsNumber(v) || v->valueint != FORMAT)
                        result =
                                wrong(r, "%s/recording.json: \"format\" is not %d", r->dir, FORMAT);
                else if (cJSON_GetObjectItemCaseSensitive(r->about, "looped"))
                        result = wrong(r,
                                       "%s/recording.json: \"looped\": streams can not be "
                                       "repeated, only evidence; see --night",
                                       r->dir);
                else if (recording_duration_ms(r) <= 0)
                        result = wrong(r, "%s/recording.json: \"duration_ms\" is missing", r->dir);
        }
        buf_deinit(&text);
        return result;
}

int recording_open(const char *dir, char error[RECORDING_ERROR_MAX],
                   struct recording **ret_recording)
{
        struct recording *r = calloc(1, sizeof(*r));
        int result;

        if (!r) {
                (void)snprintf(error, RECORDING_ERROR_MAX, "no memory");
                return -1;
        }
        r->error = error;
        r->events = r->streams = BUF_INIT(FILE_MAX);
        STR_CUT(r->dir, dir);
        result = read_about(r);
        if (result == 0)
                result = read_part(r, "events.jsonl", &r->events);
        if (result == 0)
                result = read_part(r, "streams.bin", &r->streams);
        if (result == 0)
                result = check_all(r);
        if (result < 0) {
                recording_free(r);
                return -1;
        }
        rewind_events(r);
        *ret_recording = r;
        return 0;
}

struct recording *recording_free(struct recording *r)
{
        if (!r)
                return NULL;
        cJSON_Delete(r->about);
        cJSON_Delete(r->current);
        buf_deinit(&r->events);
        buf_deinit(&r->streams);
        free(r->open);
        free(r);
        return NULL;
}

const char *recording_name(const struct recording *r)
{
        return cJSON_GetObjectItemCaseSensitive(r->about, "name")->valuestring;
}

const cJSON *recording_labels(const struct recording *r)
{
        return cJSON_GetObjectItemCaseSensitive(r->about, "labels");
}

int64_t recording_duration_ms(const struct recording *r)
{
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->about, "duration_ms");

        return cJSON_IsNumber(v) ? (int64_t)v->valuedouble : 0;
}

bool recording_next(struct recording *r, struct event *ret_event)
{
        int got = next(r, ret_event);

        if (got < 0)
                abort(); /* checked when it was opened */
        return got == 0;
}

const char *recording_ignored(const struct recording *r, size_t i, uint64_t *ret_count)
{
        if (i >= r->n_ignored)
                return NULL;
        *ret_count = r->ignored[i].count;
        return r->ignored[i].name;
}
