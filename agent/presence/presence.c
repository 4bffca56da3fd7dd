#include "presence/presence.h"

#include <assert.h>

#include "base/macro.h"
#include "base/str.h"

/* When the tracker says "inactive", the last key is at least so long ago. */
#define INACTIVE_AGE_MS 40000

static const char *const source_names[] = {
#define PRESENCE_SOURCE(id, text, doc) [PRESENCE_##id] = (text),
#include "presence/source.def"
#undef PRESENCE_SOURCE
};
static_assert(ARRAY_LEN(source_names) == PRESENCE_SOURCE_MAX, "every source has a name");

static const char *const kind_names[] = {
        [PRESENCE_KIND_PERSON] = "person",
        [PRESENCE_KIND_WEAK] = "weak",
        [PRESENCE_KIND_HINT] = "hint",
        [PRESENCE_KIND_MACHINE] = "machine",
};
static_assert(ARRAY_LEN(kind_names) == PRESENCE_KIND_MAX, "every kind has a name");

const char *presence_source_name(enum presence_source s)
{
        assert(s < PRESENCE_SOURCE_MAX);
        return source_names[s];
}

const char *presence_kind_name(enum presence_kind k)
{
        assert(k < PRESENCE_KIND_MAX);
        return kind_names[k];
}

const char *presence_confidence_name(enum presence_confidence c)
{
        switch (c) {
        case PRESENCE_CONFIDENCE_NONE:
                return "none";
        case PRESENCE_CONFIDENCE_LOW:
                return "low";
        case PRESENCE_CONFIDENCE_HIGH:
                return "high";
        }
        return "none";
}

static void note_at(struct presence *p, enum presence_source s, enum presence_kind kind, mono_t at)
{
        if (p->source[s].seen[kind] && !mono_before(p->source[s].at[kind], at))
                return;
        p->source[s].seen[kind] = true;
        p->source[s].at[kind] = at;
}

static void person_at(struct presence *p, enum presence_source s, mono_t at)
{
        if (!p->running || !mono_before(p->person, at))
                return;
        p->person = at;
        p->person_by = s;
}

static bool makes_pair(mono_t a, mono_t b)
{
        int64_t apart;

        if (mono_is_never(a) || mono_is_never(b))
                return false;
        apart = mono_diff_ms(mono_min(a, b), mono_max(a, b));
        return apart >= PRESENCE_WEAK_APART_MS && apart <= PRESENCE_WEAK_WINDOW_MS;
}

/* Into the two groups. Late and between them, it is newer than the older one: as good a partner. */
static void keep_weak(struct presence *p, mono_t at)
{
        mono_t newest = p->weak[0].first;

        if (mono_is_never(newest) || mono_diff_ms(newest, at) >= PRESENCE_WEAK_APART_MS) {
                p->weak[1] = p->weak[0];
                p->weak[0].first = p->weak[0].last = at;
        } else if (!mono_before(at, newest)) {
                p->weak[0].last = mono_max(p->weak[0].last, at);
        } else if (mono_diff_ms(at, newest) >= PRESENCE_WEAK_APART_MS &&
                   (mono_is_never(p->weak[1].first) || mono_before(p->weak[1].last, at))) {
                p->weak[1].first = p->weak[1].last = at;
        }
}

static void weak_at(struct presence *p, enum presence_source s, mono_t at)
{
        /* Whoever did it, it was for another owner or before a stop. */
        if (mono_before(at, p->began))
                return;
        for (size_t i = 0; i < ARRAY_LEN(p->weak); i++) {
                if (makes_pair(p->weak[i].first, at))
                        person_at(p, s, mono_max(p->weak[i].first, at));
                if (makes_pair(p->weak[i].last, at))
                        person_at(p, s, mono_max(p->weak[i].last, at));
        }
        keep_weak(p, at);
}

/* Until when this source, being held, presumes a person; `now` at the latest. */
static mono_t presumes(const struct presence *p, enum presence_source s, mono_t now)
{
        mono_t from = p->person;

        if (s == PRESENCE_ACTIVE)
                return mono_min(now, mono_add_ms(from, PRESENCE_ACTIVE_HOLD_MS));
        if (!mono_is_never(p->undecoded_since))
                from = mono_max(from, p->undecoded_since);
        return mono_min(now, mono_add_ms(from, PRESENCE_UNDECODED_HOLD_MS));
}

/* The newest of what was noted, what was presumed and what is being presumed. */
static mono_t last_seen(const struct presence *p, mono_t now, enum presence_source *ret_by)
{
        static const enum presence_source presuming[] = {PRESENCE_ACTIVE, PRESENCE_UNDECODED};
        mono_t at = p->person;

        *ret_by = p->person_by;
        if (mono_before(at, p->settled)) {
                at = p->settled;
                *ret_by = p->settled_by;
        }
        for (size_t i = 0; i < ARRAY_LEN(presuming); i++) {
                mono_t until = presumes(p, presuming[i], now);

                if (p->source[presuming[i]].held > 0 && mono_before(at, until)) {
                        at = until;
                        *ret_by = presuming[i];
                }
        }
        return at;
}

void presence_restart(struct presence *p, mono_t now)
{
        for (int s = 0; s < PRESENCE_SOURCE_MAX; s++) {
                uint32_t held = p->source[s].held;

                /* A browser that waits for the claim keeps its connection across it. */
                p->source[s] = (__typeof__(p->source[s])){.held = held};
        }
        p->running = true;
        p->was_connected = p->source[PRESENCE_CONNECTION].held > 0;
        p->began = p->person = p->settled = p->closed = now;
        p->person_by = p->settled_by = PRESENCE_CLAIM;
        p->undecoded_since = p->busy = MONO_NEVER;
        for (size_t i = 0; i < ARRAY_LEN(p->weak); i++)
                p->weak[i].first = p->weak[i].last = MONO_NEVER;
        p->job[0] = 0;
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
        if (!p->running)
                return;
        switch (kind) {
        case PRESENCE_KIND_PERSON:
                person_at(p, s, at);
                return;
        case PRESENCE_KIND_HINT:
                if (p->source[PRESENCE_UNDECODED].held > 0)
                        weak_at(p, s, at);
                return;
        case PRESENCE_KIND_WEAK:
                weak_at(p, s, at);
                return;
        case PRESENCE_KIND_MACHINE:
        case PRESENCE_KIND_MAX:
                return;
        }
}

static enum presence_kind held_kind(enum presence_source s)
{
        if (s == PRESENCE_ACTIVE)
                return PRESENCE_KIND_PERSON;
        return s == PRESENCE_UNDECODED ? PRESENCE_KIND_HINT : PRESENCE_KIND_MACHINE;
}

static void settle(struct presence *p, enum presence_source s, mono_t now)
{
        mono_t until;

        if (!p->running)
                return;
        until = presumes(p, s, s == PRESENCE_ACTIVE ? mono_add_ms(now, -INACTIVE_AGE_MS) : now);
        if (!mono_before(p->settled, until))
                return;
        p->settled = until;
        p->settled_by = s;
#ifdef PRESENCE_PLANTED_PROLONGS
        p->person = until;
#endif
}

void presence_hold(struct presence *p, enum presence_source s, uint32_t count, mono_t now)
{
        uint32_t was;

        assert(s == PRESENCE_CONNECTION || s == PRESENCE_UNDECODED || s == PRESENCE_ACTIVE);
        was = p->source[s].held;
        p->source[s].held = count;
        if (was > 0 || count > 0)
                note_at(p, s, held_kind(s), now);
        if (s == PRESENCE_CONNECTION) {
                p->was_connected = p->was_connected || count > 0;
                if (was > 0 && count == 0)
                        p->closed = now;
                return;
        }
        if (was > 0 && count == 0)
                settle(p, s, now);
        if (s == PRESENCE_UNDECODED && was == 0 && count > 0 &&
            (mono_is_never(p->undecoded_since) || !mono_before(p->person, p->undecoded_since)))
                p->undecoded_since = now;
}

void presence_tracked(struct presence *p, bool tracked)
{
        p->tracked = tracked;
}

void presence_job(struct presence *p, const char *name, mono_t at)
{
        note_at(p, PRESENCE_JOB, PRESENCE_KIND_MACHINE, at);
        p->source[PRESENCE_JOB].events++;
        if (!mono_is_never(p->busy) && !mono_before(p->busy, at))
                return;
        p->busy = at;
        STR_CUT(p->job, name);
}

static void show(const struct presence *p, enum presence_source s, mono_t now,
                 struct presence_signal *ret_signal)
{
        struct presence_signal v = {
                .source = source_names[s],
                .kind = "",
                .age_ms = PRESENCE_NEVER,
                .count = p->source[s].held > 0 ? (int64_t)p->source[s].held
                                               : (int64_t)p->source[s].events,
        };

        for (int k = 0; k < PRESENCE_KIND_MAX; k++) {
                int64_t age = MAX(mono_diff_ms(p->source[s].at[k], now), 0);

                if (!p->source[s].seen[k] || (v.age_ms != PRESENCE_NEVER && v.age_ms <= age))
                        continue;
                v.age_ms = age;
                v.kind = kind_names[k];
        }
        if (p->source[s].held > 0) {
                v.age_ms = 0;
                v.kind = kind_names[held_kind(s)];
        }
        if (s == PRESENCE_JOB && v.age_ms != PRESENCE_NEVER)
                v.kind = "job";
        *ret_signal = v;
}

static int64_t busy_ms(const struct presence *p, mono_t person, mono_t now)
{
        mono_t until;

        if (mono_is_never(p->busy))
                return 0;
        until = mono_min(mono_add_ms(p->busy, PRESENCE_JOB_LINGER_MS),
                         mono_add_ms(person, PRESENCE_JOB_MAX_MS));
        return MAX(mono_diff_ms(now, until), 0);
}

void presence_judge(const struct presence *p, mono_t now, struct presence_verdict *ret_verdict)
{
        struct presence_verdict v = {.person_age_ms = PRESENCE_NEVER};

        for (int s = 0; s < PRESENCE_SOURCE_MAX; s++)
                show(p, s, now, &v.signals[s]);
        v.connected = p->source[PRESENCE_CONNECTION].held > 0;
        if (p->running) {
                mono_t person = last_seen(p, now, &v.person_by);

                v.person_age_ms = MAX(mono_diff_ms(person, now), 0);
                v.busy_ms = busy_ms(p, person, now);
                if (v.busy_ms > 0)
                        STR_CUT(v.job, p->job);
                v.never_connected = !p->was_connected;
                if (!v.connected && p->was_connected)
                        v.disconnected_ms = MAX(mono_diff_ms(p->closed, now), 1);
                v.confidence = p->source[PRESENCE_UNDECODED].held > 0 || !p->tracked
                                       ? PRESENCE_CONFIDENCE_LOW
                                       : PRESENCE_CONFIDENCE_HIGH;
        }
        *ret_verdict = v;
}
