#include "edges_stored.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "in/stored.h"
#include "out/storage.h"

#define EXPORT_TTL_S 86400

static_assert(STORED_URL_SIZE >= BLOB_GRANT_URL_SIZE, "a grant fits");

struct question {
        stored_list_fn fn;
        void *ctx;
};

static void on_saves(void *ctx, int result, const struct storage_save *saves, uint32_t n)
{
        struct question q = *(struct question *)ctx;
        struct stored_save *list = n ? calloc(n, sizeof(*list)) : NULL;

        free(ctx);
        if (n && !list) {
                q.fn(q.ctx, -ENOMEM, NULL, 0);
                return;
        }
        for (uint32_t i = 0; i < n; i++)
                list[i] = (struct stored_save){.save = saves[i].save,
                                               .entries = saves[i].entries,
                                               .bytes = saves[i].bytes,
                                               .parent_generation = saves[i].parent_generation,
                                               .parent_seq = saves[i].parent_seq,
                                               .pinned = saves[i].pinned,
                                               .old = saves[i].old};
        q.fn(q.ctx, result, list, n);
        free(list);
}

static int list(void *ctx, const char *workspace, stored_list_fn fn, void *fn_ctx)
{
        struct question *q = malloc(sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        *q = (struct question){fn, fn_ctx};
        r = storage_list_saves(ctx, workspace, on_saves, q);
        if (r < 0)
                free(q);
        return r;
}

static void on_inspected(void *ctx, int result, const char *reason, const struct storage_save *save)
{
        (void)reason; /* it is in the log */
        on_saves(ctx, result > 0 ? -EBADMSG : result, save, result == 0 ? 1 : 0);
}

static int inspect(void *ctx, const char *workspace, uint64_t generation, uint64_t seq,
                   stored_list_fn fn, void *fn_ctx)
{
        struct question *q = malloc(sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        *q = (struct question){fn, fn_ctx};
        r = storage_inspect(ctx, workspace, generation, seq, on_inspected, q);
        if (r < 0)
                free(q);
        return r;
}

static int pin(void *ctx, const char *workspace, uint64_t generation, uint64_t seq, bool pinned,
               stored_list_fn fn, void *fn_ctx)
{
        struct question *q = malloc(sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        *q = (struct question){fn, fn_ctx};
        r = storage_pin(ctx, workspace, generation, seq, pinned, on_inspected, q);
        if (r < 0)
                free(q);
        return r;
}

static int grant(void *ctx, const char *workspace, uint64_t generation,
                 char ret_url[static STORED_URL_SIZE])
{
        return storage_export_grant(ctx, workspace, generation, EXPORT_TTL_S, ret_url);
}

int edges_stored_new(struct storage *storage, struct stored **ret_stored)
{
        const struct stored_edge edge = {
                .ctx = storage, .list = list, .inspect = inspect, .pin = pin, .grant = grant};

        return stored_new(&edge, ret_stored);
}
