#include "link/saves.h"

#include <assert.h>
#include <string.h>

void saves_init(struct saves *s)
{
        s->n_grants = 0;
        s->grant_seq = s->used_seq = s->committed_seq = 0;
        s->since = MONO_NEVER;
        s->n_out = 0;
}

void saves_use(struct saves *s, uint64_t seq)
{
        size_t used = 0;

        s->used_seq = MAX(s->used_seq, seq);
        while (used < s->n_grants && s->grants[used].save.seq <= seq)
                used++;
        s->n_grants -= used;
        memmove(&s->grants[0], &s->grants[used], s->n_grants * sizeof(s->grants[0]));
}

static void put_grant(struct saves *s, const struct wire_save *grant, mono_t now)
{
        size_t at = 0;

        while (at < s->n_grants && s->grants[at].save.seq < grant->seq)
                at++;
        if (at < s->n_grants && s->grants[at].save.seq == grant->seq) {
                s->grants[at] = (struct saves_grant){.save = *grant, .at = now};
                return;
        }
        if (s->n_grants == SAVES_GRANTS_MAX) {
                if (at == 0)
                        return;
                saves_use(s, s->grants[0].save.seq);
                at--;
        }
        memmove(&s->grants[at + 1], &s->grants[at], (s->n_grants - at) * sizeof(s->grants[0]));
        s->grants[at] = (struct saves_grant){.save = *grant, .at = now};
        s->n_grants++;
}

static bool is_fresh(const struct saves_grant *g, mono_t now)
{
        return mono_diff_ms(g->at, now) < SAVES_FRESH_MS;
}

size_t saves_fresh(const struct saves *s, mono_t now)
{
        size_t n = 0;

        for (size_t i = 0; i < s->n_grants; i++)
                n += is_fresh(&s->grants[i], now);
        return n;
}

/* What is old may still work, so it goes only when there is something better. */
static void drop_old(struct saves *s, mono_t now)
{
        if (saves_fresh(s, now) == 0)
                return;
        while (!is_fresh(&s->grants[0], now))
                saves_use(s, s->grants[0].save.seq);
}

void saves_grant(struct saves *s, const struct wire_save *saves, size_t n, mono_t now)
{
        for (size_t i = 0; i < n; i++) {
                s->grant_seq = MAX(s->grant_seq, saves[i].seq);
                if (saves[i].seq > s->used_seq)
                        put_grant(s, &saves[i], now);
        }
        drop_old(s, now);
}

const struct wire_save *saves_pick(const struct saves *s, bool last)
{
        return s->n_grants > (last ? 0 : 1) ? &s->grants[0].save : NULL;
}

const struct wire_save *saves_highest(const struct saves *s)
{
        return s->n_grants > 0 ? &s->grants[s->n_grants - 1].save : NULL;
}

static mono_t *last_interval(struct saves *s)
{
        return s->n_out > 0 ? &s->out[s->n_out - 1].since : &s->since;
}

void saves_change(struct saves *s, mono_t at)
{
        mono_t *since = last_interval(s);

        *since = mono_min(*since, at);
}

bool saves_start(struct saves *s, uint64_t seq, mono_t now)
{
        if (s->n_out == SAVES_OUT_MAX)
                return false;
        assert(!saves_running(s));
        s->out[s->n_out++] = (struct saves_out){.seq = seq, .started = now, .since = MONO_NEVER};
        return true;
}

bool saves_start_unknown(struct saves *s, uint64_t seq, mono_t now)
{
        if (s->n_out == SAVES_OUT_MAX)
                return false;
        memmove(&s->out[1], &s->out[0], s->n_out * sizeof(s->out[0]));
        s->out[0] = (struct saves_out){.seq = seq, .started = now, .since = s->since};
        s->since = MONO_NEVER;
        s->n_out++;
        return true;
}

struct saves_out *saves_running(struct saves *s)
{
        for (size_t i = 0; i < s->n_out; i++) {
                if (!s->out[i].uploaded)
                        return &s->out[i];
        }
        return NULL;
}

struct saves_out *saves_find(struct saves *s, uint64_t seq)
{
        for (size_t i = 0; i < s->n_out; i++) {
                if (s->out[i].uploaded && s->out[i].msg.save_seq == seq)
                        return &s->out[i];
        }
        return NULL;
}

static void drop_until(struct saves *s, size_t n)
{
        s->n_out -= n;
        memmove(&s->out[0], &s->out[n], s->n_out * sizeof(s->out[0]));
}

void saves_fail(struct saves *s, struct saves_out *out)
{
        size_t at = (size_t)(out - s->out);
        mono_t *before = at > 0 ? &s->out[at - 1].since : &s->since;

        assert(at < s->n_out);
        *before = mono_min(*before, out->since);
        s->n_out--;
        memmove(&s->out[at], &s->out[at + 1], (s->n_out - at) * sizeof(s->out[0]));
}

void saves_commit(struct saves *s, struct saves_out *out, uint64_t seq)
{
        size_t at = (size_t)(out - s->out);

        assert(at < s->n_out);
        s->committed_seq = MAX(s->committed_seq, seq);
        s->since = out->since;
        drop_until(s, at + 1);
}

struct saves_out *saves_to_tell(struct saves *s, mono_t now)
{
        for (size_t i = 0; i < s->n_out; i++) {
                if (s->out[i].uploaded)
                        return mono_due(s->out[i].tell_at, now) ? &s->out[i] : NULL;
        }
        return NULL;
}

mono_t saves_tell_due(const struct saves *s)
{
        for (size_t i = 0; i < s->n_out; i++) {
                if (s->out[i].uploaded)
                        return s->out[i].tell_at;
        }
        return MONO_NEVER;
}

mono_t saves_uncovered(const struct saves *s)
{
        return s->n_out > 0 ? s->out[s->n_out - 1].since : s->since;
}

int64_t saves_unsaved_ms(const struct saves *s, mono_t now)
{
        mono_t since = s->since;

        for (size_t i = 0; i < s->n_out; i++)
                since = mono_min(since, s->out[i].since);
        /* A change at this very moment is unsaved too: 0 is kept for "none". */
        return mono_is_never(since) ? 0 : MAX(mono_diff_ms(since, now), 1);
}
