/*
 * What pools have learned, through a restart: as bytes in setting rows "pool.TYPE.NNN", each a
 * piece in hex; a piece of zeros has no row. Every LEARNED_MS the pieces that have changed are
 * stored, all in one step, so that a crash leaves the old ones or the new ones. The sum over all of
 * them finds what was mixed by hand.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "core/internal.h"

#define PREFIX "pool."

static_assert(sizeof(struct sizer_memory) == 2 * sizeof(struct calibrate) +
                                                     sizeof(struct leadtime) +
                                                     2 * sizeof(float) * FORECAST_SLOTS,
              "no holes");
static_assert(2 * LEARNED_PIECE < CORE_REASON_SIZE, "a piece in hex is a setting's value");
/* A step that begins empty has room for all of them. */
static_assert(LEARNED_PIECES + CORE_STEP_ROOM < CORE_EFFECTS_MAX, "one step stores it all");

/* FNV-1a over all but the sum itself, which is last. */
static uint64_t sum_of(const struct learned *l)
{
        uint64_t sum = UINT64_C(14695981039346656037);

        for (size_t i = 0; i < offsetof(struct learned, sum); i++)
                sum = (sum ^ ((const uint8_t *)l)[i]) * UINT64_C(1099511628211);
        return sum;
}

static void piece_of(const union learned_image *image, uint32_t i, uint8_t *dst)
{
        memcpy(dst, image->bytes + (size_t)i * LEARNED_PIECE, LEARNED_PIECE);
}

/* ---- reading ---- */

bool learned_boot(struct core *c, const struct setting_row *row)
{
        const char *dot = strrchr(row->name, '.');
        char type[CORE_NAME_SIZE];
        uint8_t piece[LEARNED_PIECE];
        uint64_t i;
        uint32_t t;

        if (!str_starts(row->name, PREFIX) || dot < row->name + sizeof(PREFIX))
                return false;
        (void)snprintf(type, sizeof(type), "%.*s", (int)(dot - row->name - sizeof(PREFIX) + 1),
                       row->name + sizeof(PREFIX) - 1);
        t = type_find(c, type);
        if (c->booted || t >= c->config.n_types || !c->pools[t].sizer)
                return false;
        if (num_parse_u64(dot + 1, 0, LEARNED_PIECES - 1, &i) < 0 ||
            hex_decode(row->value, piece, sizeof(piece)) < 0)
                return false;
        memcpy(c->pools[t].stored->bytes + i * LEARNED_PIECE, piece, LEARNED_PIECE);
        c->pools[t].has_stored = true;
        return true;
}

static void take(struct core *c, uint32_t type)
{
        struct pool *p = &c->pools[type];
        const struct learned *l = &p->stored->learned;
        char text[CORE_REASON_SIZE];

        if (!p->has_stored)
                return;
        if (l->version == LEARNED_VERSION && l->size == sizeof(*l) && l->sum == sum_of(l) &&
            sizer_recall(p->sizer, &l->memory)) {
                p->budget.day = l->day;
                p->budget.month = l->month;
                p->budget.day_spent = l->day_spent;
                p->budget.month_spent = l->month_spent;
                return;
        }
        (void)snprintf(text, sizeof(text),
                       "what the pool of %s has learned is of another version, or damaged; it "
                       "learns anew",
                       c->config.types[type].name);
        fx_audit(c, "", "", "core", "pool-forgot", text);
}

void learned_booted(struct core *c)
{
        for (uint32_t i = 0; i < c->config.n_types; i++) {
                if (c->pools[i].sizer)
                        take(c, i);
        }
}

/* ---- storing ---- */

static uint32_t changed(const union learned_image *a, const union learned_image *b)
{
        uint8_t x[LEARNED_PIECE], y[LEARNED_PIECE];
        uint32_t n = 0;

        for (uint32_t i = 0; i < LEARNED_PIECES; i++) {
                piece_of(a, i, x);
                piece_of(b, i, y);
                n += memcmp(x, y, sizeof(x)) != 0;
        }
        return n;
}

static void put_piece(struct core *c, uint32_t type, uint32_t i, const uint8_t *piece)
{
        static const uint8_t zeros[LEARNED_PIECE];
        struct setting_row *row = &fx_add(c, FX_PUT_SETTING)->setting_row;

        (void)snprintf(row->name, sizeof(row->name), PREFIX "%s.%u", c->config.types[type].name, i);
        if (memcmp(piece, zeros, sizeof(zeros)) != 0)
                hex_encode(piece, LEARNED_PIECE, row->value);
}

bool learned_store(struct core *c, uint32_t type)
{
        struct pool *p = &c->pools[type];
        union learned_image *now = &c->learning;
        uint8_t old[LEARNED_PIECE], new[LEARNED_PIECE];

        memset(now, 0, sizeof(*now));
        now->learned.version = LEARNED_VERSION;
        now->learned.size = sizeof(now->learned);
        sizer_remember(p->sizer, &now->learned.memory);
        now->learned.day = p->budget.day;
        now->learned.month = p->budget.month;
        now->learned.day_spent = p->budget.day_spent;
        now->learned.month_spent = p->budget.month_spent;
        now->learned.sum = sum_of(&now->learned);
        if (c->fx->n + changed(now, p->stored) + CORE_STEP_ROOM > CORE_EFFECTS_MAX)
                return false;
        for (uint32_t i = 0; i < LEARNED_PIECES; i++) {
                piece_of(now, i, new);
                piece_of(p->stored, i, old);
                if (memcmp(old, new, sizeof(new)) != 0)
                        put_piece(c, type, i, new);
        }
        *p->stored = *now;
        return true;
}
