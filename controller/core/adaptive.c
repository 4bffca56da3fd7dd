/*
 * How long an idle workspace of a type is kept, where that is learned (pool/idlelimit.h): the
 * facts, the limit in force, and the gaps through a restart, in setting rows "idle.TYPE.N" that are
 * stored all in one step. The limit changes at most once in ADAPTIVE_MS, and only by more than
 * chance.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "core/idle_words.h"
#include "core/internal.h"

#define PREFIX "idle."
#define HOUR_MS 3600000
/* A younger return is no gap: that is how people work. */
#define GAP_MS_MIN 60000
#define READY_UNKNOWN_MS 10000 /* from a claim to ready, until some were seen */
/* A limit that would change by less stays: 1 / so many of it. */
#define STEP_SHARE 20

struct memory {
        uint32_t version;
        uint32_t size;
        struct gaps gaps;
        uint64_t sum;
};

union image {
        struct memory memory;
        uint8_t bytes[sizeof(struct memory)];
};

#define PIECES (sizeof(union image) / ADAPTIVE_PIECE)
static_assert(sizeof(union image) % ADAPTIVE_PIECE == 0, "whole pieces");
static_assert(sizeof(struct memory) == 16 + sizeof(struct gaps), "no holes");
static_assert(2 * ADAPTIVE_PIECE < CORE_REASON_SIZE, "a piece in hex is a setting's value");

struct adaptive {
        struct gaps gaps;
        int64_t idle_ms; /* in force */
        mono_t due;      /* looked at again; NEVER: nothing was learned since */
        union image stored;
        bool has_stored; /* read at the start */
        char why[POOL_WHY_SIZE];
};

int adaptive_new(struct core *c)
{
        for (uint32_t i = 0; i < c->config.n_types; i++) {
                struct adaptive *a;

                if (!c->config.types[i].adaptive.on)
                        continue;
                a = c->pools[i].adaptive = calloc(1, sizeof(*a));
                if (!a)
                        return -ENOMEM;
                gaps_init(&a->gaps);
                a->due = (mono_t){0};
                a->idle_ms = c->config.types[i].adaptive.idle_ms_max;
        }
        return 0;
}

void adaptive_free(struct core *c)
{
        for (uint32_t i = 0; i < c->config.n_types; i++)
                free(c->pools[i].adaptive);
}

/* ---- through a restart ---- */

/* FNV-1a over all but the sum itself, which is last. */
static uint64_t sum_of(const union image *image)
{
        uint64_t sum = UINT64_C(14695981039346656037);

        for (size_t i = 0; i < offsetof(struct memory, sum); i++)
                sum = (sum ^ image->bytes[i]) * UINT64_C(1099511628211);
        return sum;
}

static void name_of(const struct core *c, uint32_t type, uint32_t piece, char *dst, size_t size)
{
        (void)snprintf(dst, size, PREFIX "%s.%u", c->config.types[type].name, piece);
}

bool adaptive_boot(struct core *c, const struct setting_row *row)
{
        char name[CORE_NAME_SIZE];

        for (uint32_t type = 0; !c->booted && type < c->config.n_types; type++) {
                struct adaptive *a = c->pools[type].adaptive;

                for (uint32_t i = 0; a && i < PIECES; i++) {
                        name_of(c, type, i, name, sizeof(name));
                        if (strcmp(name, row->name) != 0)
                                continue;
                        a->has_stored = true;
                        return hex_decode(row->value, a->stored.bytes + (size_t)i * ADAPTIVE_PIECE,
                                          ADAPTIVE_PIECE) == 0;
                }
        }
        return false;
}

/* Whatever is not a number fails this as well. */
static bool sane(const struct gaps *g)
{
        bool good = g->weight >= 1 && g->weight < 1e9 && g->total >= 0 && g->total < 1e12;

        for (size_t i = 0; i < IDLELIMIT_BINS; i++)
                good = good && g->bins[i] >= 0 && g->bins[i] < 1e12F;
        return good;
}

void adaptive_booted(struct core *c)
{
        for (uint32_t i = 0; i < c->config.n_types; i++) {
                struct adaptive *a = c->pools[i].adaptive;
                const struct memory *m;
                char text[CORE_REASON_SIZE];

                if (!a || !a->has_stored)
                        continue;
                m = &a->stored.memory;
                if (m->version == ADAPTIVE_VERSION && m->size == sizeof(*m) &&
                    m->sum == sum_of(&a->stored) && sane(&m->gaps)) {
                        a->gaps = m->gaps;
                        continue;
                }
                (void)snprintf(text, sizeof(text),
                               "the gaps of people's presence in %s are of another version, or "
                               "damaged; its idle limit is learned anew",
                               c->config.types[i].name);
                fx_audit(c, "", "", "core", "idle-forgot", text);
        }
}

/* False: the step has no room for it. */
static bool store(struct core *c, uint32_t type)
{
        struct adaptive *a = c->pools[type].adaptive;
        union image now = {.memory = {.version = ADAPTIVE_VERSION,
                                      .size = sizeof(struct memory),
                                      .gaps = a->gaps}};

        now.memory.sum = sum_of(&now);
        if (c->fx->n + PIECES + CORE_STEP_ROOM > CORE_EFFECTS_MAX)
                return false;
        for (uint32_t i = 0; i < PIECES; i++) {
                const uint8_t *piece = now.bytes + (size_t)i * ADAPTIVE_PIECE;
                struct setting_row *row;

                if (memcmp(piece, a->stored.bytes + (size_t)i * ADAPTIVE_PIECE, ADAPTIVE_PIECE) ==
                    0)
                        continue;
                row = &fx_add(c, FX_PUT_SETTING)->setting_row;
                name_of(c, type, i, row->name, sizeof(row->name));
                hex_encode(piece, ADAPTIVE_PIECE, row->value);
        }
        a->stored = now;
        return true;
}

/* ---- the limit ---- */

/* What a wrong stop costs here: a new claim, and a launch for whoever finds no warm task. */
static struct idlelimit_cost cost_of(const struct core *c, uint32_t type)
{
        const struct core_type *t = &c->config.types[type];
        const struct pool *p = &c->pools[type];
        int64_t lead_ms = p->lead_ms ? p->lead_ms : LEAD_UNKNOWN_MS;
        int64_t ready_ms = p->ready_ms ? p->ready_ms : READY_UNKNOWN_MS;
        uint64_t people = p->hits + p->misses;
        double miss = people ? (double)p->misses / (double)people : 0;

        return (struct idlelimit_cost){
                .task_hour = t->sizing.task_hour,
                .value_of_time = t->adaptive.value_of_time,
                .wait_ms = (uint32_t)MIN((double)ready_ms + miss * (double)lead_ms, HOUR_MS),
                .launch = t->sizing.task_hour * MIN(lead_ms + ready_ms, HOUR_MS) / HOUR_MS};
}

static void explain(struct adaptive *a, const struct core_adaptive *k, int64_t break_even_ms,
                    int64_t best_ms)
{
        char words[DURATION_WORDS_SIZE];
        int64_t clamped_ms = MIN(MAX(break_even_ms, k->idle_ms_min), k->idle_ms_max);
        const char *what = best_ms != clamped_ms       ? "least cost by gaps seen"
                           : best_ms == break_even_ms  ? "cost of a wrong stop"
                           : best_ms == k->idle_ms_min ? "idle_min"
                                                       : "idle_max";

        duration_words(break_even_ms, words);
        (void)snprintf(a->why, sizeof(a->why), "adaptive, %s; break-even %s, %.0f gaps", what,
                       words, a->gaps.total / a->gaps.weight);
}

/* True: everybody's deadline is another one. */
static bool decide(const struct core *c, uint32_t type)
{
        const struct core_adaptive *k = &c->config.types[type].adaptive;
        struct adaptive *a = c->pools[type].adaptive;
        struct idlelimit_cost cost = cost_of(c, type);
        int64_t floor_ms = k->idle_ms_min;
        int64_t best_ms;
        bool first = !a->why[0];

#ifdef CORE_PLANTED_BELOW_IDLE_MIN
        floor_ms = 1000;
#endif
        best_ms = idlelimit_ms(&a->gaps, &cost, floor_ms, k->idle_ms_max);
        if (!first && llabs(best_ms - a->idle_ms) <= a->idle_ms / STEP_SHARE)
                return false;
        explain(a, k, idlelimit_break_even_ms(&cost), best_ms);
        a->idle_ms = MAX(best_ms - best_ms % 1000, floor_ms);
        return true;
}

static void arm_all(struct core *c, uint32_t type)
{
        for (uint32_t i = 0; i < c->config.workspaces_max; i++) {
                struct workspace *w = &c->workspaces[i];

                if (w->row.id[0] && w->type == type && w->row.state == WS_RUNNING)
                        workspace_arm(c, w);
        }
}

void adaptive_run(struct core *c)
{
        for (uint32_t i = 0; i < c->config.n_types; i++) {
                struct adaptive *a = c->pools[i].adaptive;

                if (!a)
                        continue;
                if (mono_due(a->due, c->now)) {
                        if (decide(c, i))
                                arm_all(c, i);
                        a->due = a->gaps.total <= 0 || store(c, i) ? MONO_NEVER : c->now;
                }
                c->pool_due = mono_min(c->pool_due, a->due);
        }
}

int64_t adaptive_idle_ms(const struct core *c, uint32_t type, const char **ret_why)
{
        const struct adaptive *a = type < c->config.n_types ? c->pools[type].adaptive : NULL;

        *ret_why = a ? a->why : "";
        return a ? a->idle_ms : type_config(c, type)->limits.idle_ms;
}

/* ---- what is learned ---- */

void adaptive_gap(struct core *c, uint32_t type, int64_t ms)
{
        struct adaptive *a = type < c->config.n_types ? c->pools[type].adaptive : NULL;

        if (!a || ms < GAP_MS_MIN)
                return;
        gaps_seen(&a->gaps, ms);
        if (mono_is_never(a->due))
                a->due = mono_add_ms(c->now, ADAPTIVE_MS);
        c->pool_due = mono_min(c->pool_due, a->due);
}

void adaptive_back(struct core *c, struct workspace *w)
{
        int64_t last_us = MAX(w->row.active_at.us, w->back_at.us);

        if (w->row.state == WS_RUNNING)
                return; /* idle_evidence knows it better */
        w->back_at = c->utc;
        if (last_us > 0) /* else it is new */
                adaptive_gap(c, w->type, (c->utc.us - last_us) / US_PER_MS);
}
