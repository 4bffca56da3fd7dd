#include "snapshot/manifest.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "snapshot/lines.h"
#include "snapshot/zstream.h"

#define BLOCK (64u << 10)
#define HEADER_MAX (16u << 20)
#define ENTRY_LINE_MAX (64u << 10)
#define FLUSH_AT (256u << 10)

/* ---- writing ---- */

struct snapshot_writer {
        int fd;
        bool local;
        struct buf text;
        uint64_t entries, bytes; /* bytes of text */
        struct zstream_writer *zstd;
        int to_fd; /* where compressed bytes go */
};

static int on_compressed(void *ctx, const void *data, size_t len)
{
        const struct snapshot_writer *w = ctx;

        return fd_write_all(w->to_fd, data, len);
}

int snapshot_writer_open(int fd, bool local, struct snapshot_writer **ret)
{
        struct snapshot_writer *w = malloc(sizeof(*w));

        if (!w)
                return -ENOMEM;
        *w = (struct snapshot_writer){
                .fd = fd, .to_fd = fd, .local = local, .text = BUF_INIT(HEADER_MAX)};
        if (!local)
                w->zstd = zstream_writer_new(0, on_compressed, w);
        if (!local && !w->zstd) {
                snapshot_writer_free(w);
                return -ENOMEM;
        }
        *ret = w;
        return 0;
}

struct snapshot_writer *snapshot_writer_free(struct snapshot_writer *w)
{
        if (w) {
                zstream_writer_free(w->zstd);
                buf_deinit(&w->text);
        }
        free(w);
        return NULL;
}

static int flush(struct snapshot_writer *w)
{
        int r = w->zstd ? zstream_write(w->zstd, w->text.data, w->text.len)
                        : fd_write_all(w->to_fd, w->text.data, w->text.len);

        buf_clear(&w->text);
        return r;
}

int snapshot_writer_add(struct snapshot_writer *w, const struct snapshot_entry *e, const char *id)
{
        size_t before = w->text.len;
        int r = snapshot_entry_write(e, id, w->local, &w->text);

        if (r < 0)
                return r;
        w->bytes += w->text.len - before;
        if (++w->entries > SNAPSHOT_ENTRIES_MAX || w->bytes > SNAPSHOT_TEXT_MAX - HEADER_MAX)
                return -E2BIG;
        return w->text.len >= FLUSH_AT ? flush(w) : 0;
}

static int copy_all(int from, int to)
{
        off_t at = 0;

        for (;;) {
                ssize_t n = copy_file_range(from, &at, to, NULL, 1u << 30, 0);

                if (n == 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        break;
        }
        for (;;) { /* not between these file systems, or not to this kind of file */
                uint8_t block[BLOCK];
                ssize_t n = pread(from, block, sizeof(block), at);
                int r = n > 0 ? fd_write_all(to, block, (size_t)n) : 0;

                if (n == 0 || r < 0)
                        return r;
                if (n < 0)
                        return -errno;
                at += n;
        }
}

int snapshot_writer_finish(struct snapshot_writer *w, const struct snapshot_header *h, int out_fd)
{
        int r = flush(w);

        assert(h->entries == w->entries);
        if (r == 0 && w->zstd)
                r = zstream_writer_end(w->zstd);
        w->to_fd = out_fd;
        if (r == 0)
                r = snapshot_header_write(h, &w->text);
        if (r == 0)
                r = flush(w);
        if (r == 0 && w->zstd)
                r = zstream_writer_end(w->zstd);
        return r == 0 ? copy_all(w->fd, out_fd) : r;
}

/* ---- reading ---- */

struct snapshot_reader {
        int fd;
        off_t at;
        struct zstream_reader *zstd; /* NULL: plain */
        uint8_t block[BLOCK];
        struct buf text; /* read and not yet taken */
        size_t seen;     /* of `text`: bytes in which there is no newline */
        bool ended;
        uint64_t total; /* bytes of text so far */
        uint64_t line, entries;
        struct snapshot_header header;
        uint64_t head_lines; /* of the header, once it is known */
        /* The entry before: order, and that only folders have something in them. */
        char last[SNAPSHOT_PATH_MAX];
        bool last_dir;
        char error[SNAPSHOT_ERROR_SIZE];
};

static int bad(struct snapshot_reader *r, const char *what)
{
        (void)snprintf(r->error, sizeof(r->error), "line %" PRIu64 ": %s", r->line, what);
        return -EBADMSG;
}

static ssize_t on_source(void *ctx, const void **ret_data)
{
        struct snapshot_reader *r = ctx;
        ssize_t n;

        do
                n = pread(r->fd, r->block, sizeof(r->block), r->at);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        r->at += n;
        *ret_data = r->block;
        return n;
}

/* More text behind what is there; at the end r->ended. */
static int more(struct snapshot_reader *r, size_t line_max)
{
        ssize_t n;
        int e;

        if (r->text.len > line_max)
                return bad(r, "too long a line");
        e = buf_reserve(&r->text, BLOCK);
        if (e < 0)
                return e == -ENOBUFS ? bad(r, "too long a line") : e;
        if (r->zstd) {
                n = zstream_read(r->zstd, r->text.data + r->text.len, BLOCK);
        } else {
                const void *data;

                n = on_source(r, &data);
                if (n > 0)
                        memcpy(r->text.data + r->text.len, data, (size_t)n);
        }
        if (n == -EBADMSG)
                return bad(r, "what follows is not zstd, or is cut off");
        if (n < 0)
                return (int)n;
        r->ended = n == 0;
        r->text.len += (size_t)n;
        r->total += (uint64_t)n;
        return r->total > SNAPSHOT_TEXT_MAX ? bad(r, "more than 256 MiB of text") : 0;
}

/* 1: *ret_line, `*ret_len` bytes, without its newline, valid until the next call; 0: the end. */
static int next_line(struct snapshot_reader *r, size_t line_max, char **ret_line, size_t *ret_len)
{
        for (;;) {
                uint8_t *from = r->text.data + r->seen;
                uint8_t *newline =
                        r->text.len > r->seen ? memchr(from, '\n', r->text.len - r->seen) : NULL;
                int e;

                if (newline) {
                        *ret_line = (char *)r->text.data;
                        *ret_len = (size_t)(newline - r->text.data);
                        r->line++;
                        r->seen = 0;
                        if (*ret_len > line_max)
                                return bad(r, "too long a line");
                        buf_consume(&r->text, *ret_len + 1);
                        return 1;
                }
                r->seen = r->text.len;
                if (r->ended) {
                        r->line++;
                        return r->text.len > 0 ? bad(r, "the last line has no end") : 0;
                }
                e = more(r, line_max);
                if (e < 0)
                        return e;
        }
}

static bool keyword(const char *line, size_t len, const char *word, size_t n)
{
        return len > n && memcmp(line, word, n) == 0;
}

static int read_header(struct snapshot_reader *r)
{
        static const char ws[] = "#ws ", archive[] = "#archive ";
        const char *wrong = NULL;
        size_t len;
        char *line;
        int e = next_line(r, HEADER_MAX, &line, &len);

        if (e <= 0)
                return e < 0 ? e : bad(r, "nothing is there");
        if (len != 6 || memcmp(line, "#mtree", 6) != 0)
                return bad(r, "not a manifest: it does not begin with #mtree");
        e = next_line(r, HEADER_MAX, &line, &len);
        if (e < 0)
                return e;
        if (e == 0 || !keyword(line, len, ws, sizeof(ws) - 1))
                return bad(r, "#ws is missing");
        wrong = snapshot_ws_parse(line + sizeof(ws) - 1, len - sizeof(ws) + 1, &r->header);
        while (!wrong) {
                /* The header ends with its frame, or at a line that does not begin with '#'. */
                while (r->text.len == 0 && !r->ended &&
                       !(r->zstd && zstream_reader_between(r->zstd))) {
                        e = more(r, HEADER_MAX);
                        if (e < 0)
                                return e;
                }
                if (r->text.len == 0 || r->text.data[0] != '#')
                        break;
                e = next_line(r, HEADER_MAX, &line, &len);
                if (e < 0)
                        return e;
                if (keyword(line, len, archive, sizeof(archive) - 1))
                        wrong = snapshot_archive_parse(line + sizeof(archive) - 1,
                                                       len - sizeof(archive) + 1, &r->header);
        }
        if (wrong)
                return bad(r, wrong);
        r->head_lines = r->line;
        return 0;
}

static int begin(struct snapshot_reader *r)
{
        uint8_t magic[4];
        ssize_t n = pread(r->fd, magic, sizeof(magic), 0);

        if (n < 0)
                return -errno;
        r->at = 0;
        r->zstd = zstream_reader_free(r->zstd);
        if (n == sizeof(magic) && memcmp(magic, "#mtr", 4) != 0) {
                r->zstd = zstream_reader_new(on_source, r);
                if (!r->zstd)
                        return -ENOMEM;
        }
        buf_clear(&r->text);
        r->seen = 0;
        r->ended = false;
        r->total = r->line = r->entries = 0;
        r->last[0] = 0;
        r->last_dir = true;
        return 0;
}

int snapshot_reader_open(int fd, char error[static SNAPSHOT_ERROR_SIZE],
                         struct snapshot_reader **ret)
{
        struct snapshot_reader *r = calloc(1, sizeof(*r));
        int e;

        if (!r)
                return -ENOMEM;
        r->fd = fd;
        r->text = BUF_INIT(HEADER_MAX + 2 * BLOCK);
        e = begin(r);
        if (e == 0)
                e = read_header(r);
        if (e < 0) {
                (void)snprintf(error, SNAPSHOT_ERROR_SIZE, "%s",
                               e == -EBADMSG ? r->error : strerror(-e));
                snapshot_reader_free(r);
                return e;
        }
        *ret = r;
        return 0;
}

struct snapshot_reader *snapshot_reader_free(struct snapshot_reader *r)
{
        if (r) {
                zstream_reader_free(r->zstd);
                snapshot_header_deinit(&r->header);
                buf_deinit(&r->text);
        }
        free(r);
        return NULL;
}

const struct snapshot_header *snapshot_reader_header(const struct snapshot_reader *r)
{
        return &r->header;
}

const char *snapshot_reader_error(const struct snapshot_reader *r)
{
        return r->error;
}

static const char *order_wrong(const struct snapshot_reader *r, const char *path)
{
        size_t n = strlen(r->last);

        if (r->entries == 0)
                return NULL;
        if (snapshot_path_compare(r->last, path) >= 0)
                return "out of order, or the same path twice";
        if (!r->last_dir && strncmp(r->last, path, n) == 0 && path[n] == '/')
                return "below an entry that is not a folder";
        return NULL;
}

int snapshot_reader_next(struct snapshot_reader *r, struct snapshot_entry *ret_entry)
{
        struct snapshot_entry e;
        const char *wrong;
        size_t len;
        char *line;
        int got = next_line(r, ENTRY_LINE_MAX, &line, &len);

        if (got < 0)
                return got;
        if (got == 0)
                return r->entries == r->header.entries ? 0 : bad(r, "fewer entries than it says");
        wrong = snapshot_entry_parse(line, len, &r->header, &e);
        if (!wrong)
                wrong = order_wrong(r, e.path);
        if (!wrong && r->entries >= r->header.entries)
                wrong = "more entries than it says";
        if (wrong)
                return bad(r, wrong);
        str_copy_cut(r->last, sizeof(r->last), e.path);
        r->last_dir = e.type == SNAPSHOT_DIR;
        r->entries++;
        *ret_entry = e;
        return 1;
}

int snapshot_reader_rewind(struct snapshot_reader *r)
{
        int e = begin(r);
        size_t len;
        char *line;

        for (uint64_t i = 0; e == 0 && i < r->head_lines; i++) {
                e = next_line(r, HEADER_MAX, &line, &len);
                e = e == 0 ? bad(r, "it became shorter") : MIN(e, 0);
        }
        return e;
}
