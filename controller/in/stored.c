#include "in/stored.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/str.h"

#define ASKS_MAX 32

/* A question that the storage has; it outlives who asked. */
struct stored_slot {
        struct stored_question *q; /* NULL: nobody waits any more */
        struct stored *stored;
        bool used;
};

struct stored {
        struct stored_edge edge;
        struct stored_slot slots[ASKS_MAX];
};

int stored_new(const struct stored_edge *edge, struct stored **ret_stored)
{
        struct stored *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->edge = *edge;
        *ret_stored = s;
        return 0;
}

struct stored *stored_free(struct stored *s)
{
        free(s);
        return NULL;
}

static void on_list(void *ctx, int result, const struct stored_save *saves, uint32_t n)
{
        struct stored_slot *slot = ctx;
        struct stored_question *q = slot->q;

        *slot = (struct stored_slot){.stored = slot->stored};
        if (!q)
                return;
        q->slot = NULL;
        q->fn(q->ctx, result, saves, n);
}

/* NULL: too many ask already. */
static struct stored_slot *slot_take(struct stored *s, struct stored_question *q)
{
        struct stored_slot *slot = s->slots;

        while (slot < s->slots + ASKS_MAX && slot->used)
                slot++;
        if (slot == s->slots + ASKS_MAX)
                return NULL;
        *slot = (struct stored_slot){.q = q, .stored = s, .used = true};
        q->slot = slot;
        return slot;
}

static int asked(struct stored_slot *slot, int r)
{
        if (r < 0) {
                slot->q->slot = NULL;
                slot->q = NULL;
                slot->used = false;
        }
        return r;
}

int stored_ask(struct stored *s, const char *workspace, struct stored_question *q)
{
        struct stored_slot *slot = slot_take(s, q);

        return slot ? asked(slot, s->edge.list(s->edge.ctx, workspace, on_list, slot)) : -EAGAIN;
}

int stored_ask_whole(struct stored *s, const char *workspace, uint64_t generation, uint64_t seq,
                     struct stored_question *q)
{
        struct stored_slot *slot = slot_take(s, q);

        return slot ? asked(slot,
                            s->edge.inspect(s->edge.ctx, workspace, generation, seq, on_list, slot))
                    : -EAGAIN;
}

int stored_pin(struct stored *s, const char *workspace, uint64_t generation, uint64_t seq,
               bool pinned, struct stored_question *q)
{
        struct stored_slot *slot = slot_take(s, q);

        return slot ? asked(slot, s->edge.pin(s->edge.ctx, workspace, generation, seq, pinned,
                                              on_list, slot))
                    : -EAGAIN;
}

void stored_cancel(struct stored_question *q)
{
        if (q->slot)
                q->slot->q = NULL;
        q->slot = NULL;
}

int stored_grant(struct stored *s, const char *workspace, uint64_t generation,
                 char ret_url[static STORED_URL_SIZE])
{
        return s->edge.grant(s->edge.ctx, workspace, generation, ret_url);
}

/* ---- which one is meant ---- */

/* "3-7" */
static bool parse_save(const char *text, struct stored_at *at)
{
        const char *dash = strchr(text, '-');
        char generation[24];

        if (!dash || (size_t)(dash - text) >= sizeof(generation))
                return false;
        memcpy(generation, text, (size_t)(dash - text));
        generation[dash - text] = 0;
        at->kind = STORED_AT_SAVE;
        return num_parse_u64(generation, 1, INT64_MAX, &at->generation) == 0 &&
               num_parse_u64(dash + 1, 1, INT64_MAX, &at->seq) == 0;
}

static bool parse_time(const char *text, struct stored_at *at)
{
        static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S",
                                            "%Y-%m-%dT%H:%MZ",    "%Y-%m-%dT%H:%M",
                                            "%Y-%m-%d %H:%M:%S",  "%Y-%m-%d %H:%M"};

        for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
                struct tm tm = {0};
                const char *end = strptime(text, forms[i], &tm);

                if (!end || *end)
                        continue;
                at->kind = STORED_AT_TIME;
                at->time = (utc_t){(int64_t)timegm(&tm) * US_PER_S};
                /* All of the second, or minute, that was named. */
                at->time.us += (strstr(forms[i], "%S") ? 1 : 60) * US_PER_S - 1;
                return true;
        }
        return false;
}

/* The whole day. */
static bool parse_day(const char *text, struct stored_at *at)
{
        struct tm tm = {0};
        const char *end = strlen(text) == 10 ? strptime(text, "%Y-%m-%d", &tm) : NULL;

        if (!end || *end)
                return false;
        at->kind = STORED_AT_TIME;
        at->time = (utc_t){((int64_t)timegm(&tm) + 86400) * US_PER_S - 1};
        return true;
}

bool stored_at_parse(const char *text, struct stored_at *ret_at)
{
        struct stored_at at = {.kind = STORED_AT_HEAD};

        if (text[0] && !parse_save(text, &at) && !parse_day(text, &at) && !parse_time(text, &at))
                return false;
        *ret_at = at;
        return true;
}

static bool is(const struct stored_save *s, uint64_t generation, uint64_t seq)
{
        return s->save.generation == generation && s->save.seq == seq;
}

const struct stored_save *stored_pick(const struct stored_save *saves, uint32_t n,
                                      const struct stored_at *at, const struct save_ref *head)
{
        const struct stored_save *best = NULL;

        for (uint32_t i = 0; i < n; i++) {
                const struct stored_save *s = &saves[i];
                bool fits = at->kind == STORED_AT_HEAD   ? is(s, head->generation, head->seq)
                            : at->kind == STORED_AT_SAVE ? is(s, at->generation, at->seq)
                                                         : !s->old && s->save.at.us <= at->time.us;

                if (fits && (!best || s->save.at.us > best->save.at.us))
                        best = s;
        }
        return best;
}
