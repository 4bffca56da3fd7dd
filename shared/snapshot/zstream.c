#include "snapshot/zstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define LEVEL 1
#define WINDOW_LOG_MAX 23
#define JOB_BYTES (512 << 10) /* the least that zstd takes: its buffers are some of these */
#define OUT_BYTES (128u << 10)
#define GATHER_BYTES (32u << 10)

struct zstream_writer {
        ZSTD_CCtx *zstd;
        zstream_sink sink;
        void *ctx;
        uint8_t out[OUT_BYTES];
        size_t gathered; /* small pieces, until they are worth a call of zstd */
        uint8_t gather[GATHER_BYTES];
};

struct zstream_writer *zstream_writer_new(int threads, zstream_sink sink, void *ctx)
{
        struct zstream_writer *w = malloc(sizeof(*w));

        if (!w)
                return NULL;
        *w = (struct zstream_writer){.zstd = ZSTD_createCCtx(), .sink = sink, .ctx = ctx};
        if (!w->zstd ||
            ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL)))
                return zstream_writer_free(w);
        /* A library without threads refuses: then it compresses in the caller. */
        if (threads > 0) {
                (void)ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_nbWorkers, threads);
                (void)ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_jobSize, JOB_BYTES);
        }
        return w;
}

struct zstream_writer *zstream_writer_free(struct zstream_writer *w)
{
        if (w)
                ZSTD_freeCCtx(w->zstd);
        free(w);
        return NULL;
}

/* One step; *ret_left: bytes that wait inside. */
static int step(struct zstream_writer *w, ZSTD_inBuffer *in, ZSTD_EndDirective how,
                size_t *ret_left)
{
        ZSTD_outBuffer out = {.dst = w->out, .size = sizeof(w->out)};

        *ret_left = ZSTD_compressStream2(w->zstd, &out, in, how);
        if (ZSTD_isError(*ret_left))
                return -EIO;
        return out.pos > 0 ? w->sink(w->ctx, w->out, out.pos) : 0;
}

static int compress(struct zstream_writer *w, const void *data, size_t len)
{
        ZSTD_inBuffer in = {.src = data, .size = len};
        size_t left;
        int r = 0;

        while (r == 0 && in.pos < in.size)
                r = step(w, &in, ZSTD_e_continue, &left);
        return r;
}

static int flush(struct zstream_writer *w)
{
        size_t n = STEAL(w->gathered, 0);

        return compress(w, w->gather, n);
}

int zstream_write(struct zstream_writer *w, const void *data, size_t len)
{
        int r = 0;

        if (len > sizeof(w->gather) - w->gathered)
                r = flush(w);
        if (r != 0 || len > sizeof(w->gather))
                return r == 0 ? compress(w, data, len) : r;
        memcpy(w->gather + w->gathered, data, len);
        w->gathered += len;
        return 0;
}

int zstream_writer_end(struct zstream_writer *w)
{
        ZSTD_inBuffer in = {0};
        size_t left = 1;
        int r = flush(w);

        while (r == 0 && left > 0)
                r = step(w, &in, ZSTD_e_end, &left);
        return r;
}

struct zstream_reader {
        ZSTD_DCtx *zstd;
        zstream_source source;
        void *ctx;
        ZSTD_inBuffer in;
        bool inside; /* a frame has begun and not ended */
        bool ended;  /* the source has no more */
};

struct zstream_reader *zstream_reader_new(zstream_source source, void *ctx)
{
        struct zstream_reader *r = calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        *r = (struct zstream_reader){.zstd = ZSTD_createDCtx(), .source = source, .ctx = ctx};
        if (!r->zstd ||
            ZSTD_isError(ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
                return zstream_reader_free(r);
        return r;
}

struct zstream_reader *zstream_reader_free(struct zstream_reader *r)
{
        if (r)
                ZSTD_freeDCtx(r->zstd);
        free(r);
        return NULL;
}

static int refill(struct zstream_reader *r)
{
        const void *data = NULL;
        ssize_t n = r->ended ? 0 : r->source(r->ctx, &data);

        if (n < 0)
                return (int)n;
        r->ended = n == 0;
        r->in = (ZSTD_inBuffer){.src = data, .size = (size_t)n};
        return 0;
}

ssize_t zstream_read(struct zstream_reader *r, void *dst, size_t n)
{
        ZSTD_outBuffer out = {.dst = dst, .size = n};

        while (out.pos == 0 && n > 0) {
                size_t before = r->in.pos;
                size_t left;
                int e;

                if (r->in.pos == r->in.size && !r->ended) {
                        e = refill(r);
                        if (e < 0)
                                return e;
                        before = 0;
                }
                if (r->ended && !r->inside)
                        return 0;
                /* At the end of the input there may still be bytes inside that did not fit. */
                left = ZSTD_decompressStream(r->zstd, &out, &r->in);
                if (ZSTD_isError(left))
                        return -EBADMSG;
                r->inside = left != 0;
                if (out.pos == 0 && r->ended && r->in.pos == before && r->inside)
                        return -EBADMSG;
        }
        return (ssize_t)out.pos;
}

bool zstream_reader_between(const struct zstream_reader *r)
{
        return !r->inside;
}
