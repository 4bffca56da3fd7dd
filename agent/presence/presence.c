#include "presence/presence.h"

#include <assert.h>

#include "base/macro.h"

static const struct {
        const char *name;
        enum presence_kind kind;
} sources[] = {
#define PRESENCE_SOURCE(id, text, of_kind, doc)                                                    \
        [PRESENCE_##id] = {.name = text, .kind = PRESENCE_KIND_##of_kind},
#include "presence/source.def"
#undef PRESENCE_SOURCE
};
static_assert(ARRAY_LEN(sources) == PRESENCE_SOURCE_MAX, "every source has a name and a kind");

const char *presence_source_name(enum presence_source s)
{
        assert(s < PRESENCE_SOURCE_MAX);
        return sources[s].name;
}

enum presence_kind presence_source_kind(enum presence_source s)
{
        assert(s < PRESENCE_SOURCE_MAX);
        return sources[s].kind;
}

static void note_at(struct presence *p, enum presence_source s, enum presence_kind kind, mono_t at)
{
        if (p->source[s].seen[kind] && !mono_before(p->source[s].at[kind], at))
                return;
        p->source[s].seen[kind] = true;
        p->source[s].at[kind] = at;
}

void presence_restart(struct presence *p, mono_t now)
{
        for (int s = 0; s < PRESENCE_SOURCE_MAX; s++) {
                uint32_t held = p->source[s].held;

                /* A browser that waits for the claim keeps its connection across it. */
                p->source[s] = (__typeof__(p->source[s])){.held = held};
        }
        p->running = true;
        presence_note(p, PRESENCE_CLAIM, PRESENCE_KIND_PERSON, now, 1);
}

void presence_stop(struct presence *p)
{
        p->running = false;
}

void presence_note(struct presence *p, enum presence_source s, enum presence_kind kind, mono_t at,
                   uint64_t events)
{
        assert(s < PRESENCE_SOURCE_MAX && kind < PRESENCE_KIND_MAX);
        if (events == 0)
                return;
        p->source[s].events += events;
        note_at(p, s, kind, at);
}

void presence_hold(struct presence *p, enum presence_source s, uint32_t count, mono_t now)
{
        assert(s < PRESENCE_SOURCE_MAX);
        /* Open until this observation at the latest, so the closing is dated by it. */
        if (p->source[s].held > 0 || count > 0)
                note_at(p, s, PRESENCE_KIND_PERSON, now);
        p->source[s].held = count;
}

static int64_t age_of(const struct presence *p, int s, int kind, mono_t now)
{
        if (kind == PRESENCE_KIND_PERSON && p->source[s].held > 0)
                return 0;
        if (!p->source[s].seen[kind])
                return PRESENCE_NEVER;
        return MAX(mono_diff_ms(p->source[s].at[kind], now), 0);
}

static int64_t younger(int64_t a, int64_t b)
{
        if (a == PRESENCE_NEVER || b == PRESENCE_NEVER)
                return MAX(a, b);
        return MIN(a, b);
}

void presence_judge(const struct presence *p, mono_t now, struct presence_verdict *ret_verdict)
{
        struct presence_verdict v = {.person_age_ms = PRESENCE_NEVER};

        for (int s = 0; s < PRESENCE_SOURCE_MAX; s++) {
                int64_t age = PRESENCE_NEVER;

                for (int kind = 0; kind < PRESENCE_KIND_MAX; kind++)
                        age = younger(age, age_of(p, s, kind, now));
                v.signals[s] = (struct presence_signal){
                        .source = sources[s].name,
                        .age_ms = age,
                        .count = p->source[s].held > 0 ? (int64_t)p->source[s].held
                                                       : (int64_t)p->source[s].events,
                };
                v.person_age_ms = younger(v.person_age_ms, age_of(p, s, PRESENCE_KIND_PERSON, now));
        }
        if (!p->running)
                v.person_age_ms = PRESENCE_NEVER;
        *ret_verdict = v;
}
