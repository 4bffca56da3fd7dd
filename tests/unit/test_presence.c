/*
 * Evidence in, verdict out: tables of what must follow, and random evidence against a plain
 * reference that keeps everything and looks at all of it.
 *
 *   test_presence [FIRST_SEED [COUNT]]      without arguments: a fixed range and a fresh one
 */
#include "base/macro.h"
#include "base/num.h"
#include "presence/presence.h"
#include "test.h"

#define S INT64_C(1000) /* ms */
#define M (60 * S)
#define H (60 * M)

static mono_t at(int64_t ms)
{
        return (mono_t){(100000 + ms) * US_PER_MS};
}

/* ---- rows: at a time, something happens or something must be so ---- */

enum act {
        /* happens */
        PERSON,
        WEAK,
        HINT,
        MACHINE,
        HOLD,
        TRACKED,
        BUSY,
        RESTART,
        STOP,
        /* must be so */
        AGE,
        BY,
        BUSY_MS,
        CONNECTED,
        NEVER_CONNECTED,
        DISCONNECTED,
        CONFIDENCE,
        SHOWN_AGE,
        SHOWN_COUNT,
        SHOWN_KIND,
};

/* The kind that SHOWN_KIND compares with is a kind, or one of these. */
#define KIND_NONE (-1)
#define KIND_JOB (-2)

struct row {
        int64_t ms;
        enum act act;
        int64_t value;
        enum presence_source source;
};

static int64_t kind_of(const char *name)
{
        for (int k = 0; k < PRESENCE_KIND_MAX; k++) {
                if (strcmp(name, presence_kind_name(k)) == 0)
                        return k;
        }
        CHECK(*name == '\0' || strcmp(name, "job") == 0);
        return *name ? KIND_JOB : KIND_NONE;
}

static int64_t judge(const struct presence *p, const struct row *r)
{
        struct presence_verdict v;

        presence_judge(p, at(r->ms), &v);
        switch (r->act) {
        case AGE:
                return v.person_age_ms;
        case BY:
                return v.person_by;
        case BUSY_MS:
                CHECK_STR(v.job, v.busy_ms > 0 ? "make" : "");
                return v.busy_ms;
        case CONNECTED:
                return v.connected;
        case NEVER_CONNECTED:
                return v.never_connected;
        case DISCONNECTED:
                return v.disconnected_ms;
        case CONFIDENCE:
                return v.confidence;
        case SHOWN_AGE:
                return v.signals[r->source].age_ms;
        case SHOWN_COUNT:
                return v.signals[r->source].count;
        case SHOWN_KIND:
                return kind_of(v.signals[r->source].kind);
        case PERSON:
        case WEAK:
        case HINT:
        case MACHINE:
        case HOLD:
        case TRACKED:
        case BUSY:
        case RESTART:
        case STOP:
                break;
        }
        CHECK(!"a row that says what must be so");
        return 0;
}

static void play_row(struct presence *p, const struct row *r)
{
        switch (r->act) {
        case PERSON:
        case WEAK:
        case HINT:
        case MACHINE:
                presence_note(p, r->source, (enum presence_kind)r->act, at(r->ms),
                              (uint64_t)r->value);
                return;
        case HOLD:
                presence_hold(p, r->source, (uint32_t)r->value, at(r->ms));
                return;
        case TRACKED:
                presence_tracked(p, r->value != 0);
                return;
        case BUSY:
                presence_job(p, "make", at(r->ms));
                return;
        case RESTART:
                presence_restart(p, at(r->ms));
                return;
        case STOP:
                presence_stop(p);
                return;
        case AGE:
        case BY:
        case BUSY_MS:
        case CONNECTED:
        case NEVER_CONNECTED:
        case DISCONNECTED:
        case CONFIDENCE:
        case SHOWN_AGE:
        case SHOWN_COUNT:
        case SHOWN_KIND:
                CHECK_INT(judge(p, r), r->value);
                return;
        }
}

static void play(const char *what, const struct row *rows, size_t n)
{
        struct presence p = {0};

        for (size_t i = 0; i < n; i++) {
                bool good = rows[i].act < AGE || judge(&p, &rows[i]) == rows[i].value;

                if (!good)
                        fprintf(stderr, "%s: row %zu\n", what, i);
                play_row(&p, &rows[i]);
        }
}

#define PLAY(...)                                                                                  \
        do {                                                                                       \
                static const struct row rows_[] = {__VA_ARGS__};                                   \
                play(__func__, rows_, ARRAY_LEN(rows_));                                           \
        } while (0)

#define INPUT PRESENCE_INPUT
#define SCROLL PRESENCE_SCROLL
#define TERMINAL PRESENCE_TERMINAL
#define FILES PRESENCE_FILE
#define CONNECTION PRESENCE_CONNECTION
#define UNDECODED PRESENCE_UNDECODED
#define ACTIVE PRESENCE_ACTIVE

/* ---- the clock ---- */

static void nobody_before_the_claim(void)
{
        PLAY({0, AGE, PRESENCE_NEVER}, {0, HOLD, 2, CONNECTION}, {0, HOLD, 1, UNDECODED},
             {1 * S, PERSON, 3, INPUT}, {1 * S, BUSY}, {2 * S, AGE, PRESENCE_NEVER},
             {2 * S, BUSY_MS, 0}, {2 * S, CONFIDENCE, PRESENCE_CONFIDENCE_NONE},
             {2 * S, CONNECTED, 1}, {2 * S, NEVER_CONNECTED, 0}, {2 * S, DISCONNECTED, 0},
             {2 * S, SHOWN_COUNT, 3, INPUT}, {2 * S, SHOWN_KIND, PRESENCE_KIND_PERSON, INPUT});
}

static void the_claim_starts_the_clock(void)
{
        PLAY({0, PERSON, 3, FILES}, {1 * S, WEAK, 1, SCROLL}, {5 * S, RESTART}, {5 * S, AGE, 0},
             {65 * S, AGE, 60 * S}, {65 * S, BY, PRESENCE_CLAIM},
             {65 * S, SHOWN_AGE, PRESENCE_NEVER, FILES}, {65 * S, SHOWN_COUNT, 0, FILES},
             {65 * S, SHOWN_KIND, KIND_NONE, FILES}, {65 * S, SHOWN_COUNT, 1, PRESENCE_CLAIM},
             /* one piece from before and one from after are no pair, also when the first is late */
             {4 * S, WEAK, 1, SCROLL}, {66 * S, WEAK, 1, SCROLL}, {67 * S, AGE, 62 * S},
             {70 * S, RESTART}, {71 * S, AGE, 1 * S}, {72 * S, WEAK, 1, SCROLL},
             {73 * S, AGE, 3 * S}, {74 * S, STOP}, {74 * S, AGE, PRESENCE_NEVER});
}

static void times_in_any_order(void)
{
        PLAY({0, RESTART}, {10 * S, PERSON, 4, TERMINAL}, {40 * S, PERSON, 1, INPUT},
             {50 * S, AGE, 10 * S}, {50 * S, BY, INPUT}, {50 * S, SHOWN_AGE, 40 * S, TERMINAL},
             {50 * S, SHOWN_COUNT, 4, TERMINAL}, {50 * S, SHOWN_AGE, 50 * S, PRESENCE_CLAIM},
             /* what comes late and is older changes the count only */
             {30 * S, PERSON, 5, TERMINAL}, {60 * S, AGE, 20 * S}, {60 * S, BY, INPUT},
             {60 * S, SHOWN_AGE, 30 * S, TERMINAL}, {20 * S, PERSON, 1, INPUT},
             {60 * S, SHOWN_AGE, 20 * S, INPUT}, {60 * S, SHOWN_COUNT, 2, INPUT},
             /* from before the claim it is nobody's */
             {-5 * S, PERSON, 1, INPUT}, {60 * S, AGE, 20 * S},
             /* no events are no evidence */
             {70 * S, PERSON, 0, INPUT}, {70 * S, AGE, 30 * S},
             /* a date ahead of the observation is age 0, not negative */
             {90 * S, PERSON, 1, INPUT}, {80 * S, AGE, 0}, {80 * S, SHOWN_AGE, 0, INPUT});
}

/* ---- what each kind does ---- */

static void every_source_and_kind(void)
{
        for (int s = 0; s < PRESENCE_SOURCE_MAX; s++) {
                for (int k = 0; k < PRESENCE_KIND_MAX; k++) {
                        for (int undecoded = 0; undecoded < 2; undecoded++) {
                                bool once = k == PRESENCE_KIND_PERSON;
                                bool twice = once || k == PRESENCE_KIND_WEAK ||
                                             (k == PRESENCE_KIND_HINT && undecoded);
                                struct presence_verdict v;
                                struct presence p = {0};

                                presence_restart(&p, at(0));
                                presence_hold(&p, UNDECODED, (uint32_t)undecoded, at(0));
                                /* behind what an undecoded stream presumes by itself */
                                presence_note(&p, s, k, at(3 * H), 2);
                                presence_judge(&p, at(3 * H + 5 * S), &v);
                                /* and a person begins that anew */
                                if (once)
                                        CHECK_INT(v.person_age_ms, undecoded ? 0 : 5 * S);
                                else
                                        CHECK_INT(v.person_age_ms,
                                                  (undecoded ? 1 * H : 3 * H) + 5 * S);
                                CHECK_STR(v.signals[s].kind, s == UNDECODED && undecoded ? "hint"
                                                             : s == PRESENCE_JOB
                                                                     ? "job"
                                                                     : presence_kind_name(k));
                                presence_note(&p, s, k, at(3 * H + 10 * S), 1);
                                presence_judge(&p, at(3 * H + 12 * S), &v);
                                if (undecoded && twice)
                                        CHECK_INT(v.person_age_ms, 0);
                                else if (twice)
                                        CHECK_INT(v.person_age_ms, 2 * S);
                                else
                                        CHECK(v.person_age_ms > 1 * H);
                                if (twice && !undecoded)
                                        CHECK_INT(v.person_by, s);
                        }
                }
        }
}

static void the_kind_shown_is_the_youngest(void)
{
        PLAY({0, RESTART}, {10 * S, PERSON, 1, INPUT}, {20 * S, MACHINE, 7, INPUT},
             {30 * S, SHOWN_KIND, PRESENCE_KIND_MACHINE, INPUT}, {30 * S, SHOWN_AGE, 10 * S, INPUT},
             {30 * S, SHOWN_COUNT, 8, INPUT}, {30 * S, AGE, 20 * S},
             /* of the same moment the stronger */
             {40 * S, MACHINE, 1, INPUT}, {40 * S, PERSON, 1, INPUT},
             {50 * S, SHOWN_KIND, PRESENCE_KIND_PERSON, INPUT});
}

static void one_weak_piece_is_nobody(void)
{
        PLAY({0, RESTART}, {20 * M, WEAK, 9, SCROLL}, {21 * M, AGE, 21 * M},
             /* too soon after it, however many */
             {20 * M + 1999, WEAK, 9, SCROLL}, {20 * M + 1999, WEAK, 9, PRESENCE_REQUEST},
             {21 * M, AGE, 21 * M},
             /* far enough from the first of them */
             {20 * M + 2000, WEAK, 1, SCROLL}, {21 * M, AGE, 58 * S}, {21 * M, BY, SCROLL});
}

static void a_pair_has_a_window(void)
{
        PLAY({0, RESTART}, {1 * H, WEAK, 1, SCROLL}, {1 * H + 15 * M + 1, WEAK, 1, SCROLL},
             {2 * H, AGE, 2 * H},
             /* the second is the first of another pair; two sources do */
             {1 * H + 30 * M, WEAK, 1, PRESENCE_REQUEST}, {2 * H, AGE, 30 * M},
             {2 * H, BY, PRESENCE_REQUEST});
        /* exactly the window is inside */
        PLAY({0, RESTART}, {1 * H, WEAK, 1, SCROLL}, {1 * H + 15 * M, WEAK, 1, SCROLL},
             {1 * H + 15 * M, AGE, 0});
        /* the partner may be the last of a burst whose first is too old */
        PLAY({0, RESTART}, {1 * H, WEAK, 1, SCROLL}, {1 * H + 1 * S, WEAK, 1, SCROLL},
             {1 * H + 15 * M + 1 * S, WEAK, 1, SCROLL}, {1 * H + 15 * M + 1 * S, AGE, 0});
        /* or the one before the burst that is too near */
        PLAY({0, RESTART}, {1 * H, WEAK, 1, SCROLL}, {1 * H + 20 * M, WEAK, 1, SCROLL},
             {1 * H + 21 * M, WEAK, 1, SCROLL}, {1 * H + 21 * M + 1 * S, WEAK, 1, SCROLL},
             {1 * H + 21 * M + 1 * S, AGE, 0});
}

static void weak_pieces_that_come_late(void)
{
        /* the pair counts at its later piece, whichever came first */
        PLAY({0, RESTART}, {1 * H + 10 * S, WEAK, 1, SCROLL},
             {1 * H + 5 * S, WEAK, 1, PRESENCE_REQUEST}, {1 * H + 20 * S, AGE, 10 * S});
        /* and the late one is a partner for what follows */
        PLAY({0, RESTART}, {1 * H + 10 * S, WEAK, 1, SCROLL}, {1 * H, MACHINE, 1, SCROLL},
             {1 * H + 9 * S, WEAK, 1, PRESENCE_REQUEST}, {1 * H + 10 * S, AGE, 1 * H + 10 * S},
             {1 * H + 11 * S, WEAK, 1, SCROLL}, {1 * H + 12 * S, WEAK, 1, SCROLL},
             {1 * H + 12 * S, AGE, 0});
}

static void hints_count_only_while_something_cannot_be_read(void)
{
        PLAY({0, RESTART}, {10 * M, HINT, 1, FILES}, {15 * M, HINT, 1, FILES},
             {15 * M, AGE, 15 * M}, {15 * M, SHOWN_KIND, PRESENCE_KIND_HINT, FILES},
             {16 * M, HOLD, 1, UNDECODED},
             /* what came before it opened makes no pair */
             {3 * H, AGE, 3 * H - 2 * H - 16 * M}, {3 * H, BY, UNDECODED}, {3 * H, HINT, 1, FILES},
             {3 * H, AGE, 44 * M}, {3 * H + 5 * M, HINT, 1, TERMINAL}, {3 * H + 5 * M, AGE, 0},
             {3 * H + 5 * M, BY, TERMINAL},
             /* a hint and a weak piece are a pair too */
             {6 * H, HINT, 1, FILES}, {6 * H + 3 * S, WEAK, 1, SCROLL}, {6 * H + 3 * S, AGE, 0},
             {6 * H + 3 * S, BY, SCROLL}, {7 * H, HOLD, 0, UNDECODED}, {7 * H, AGE, 0},
             {8 * H, HINT, 1, FILES}, {8 * H + 1 * M, HINT, 1, FILES},
             {8 * H + 1 * M, AGE, 61 * M});
}

/* ---- what is held ---- */

static void an_open_connection_is_nobody(void)
{
        PLAY({0, RESTART}, {0, NEVER_CONNECTED, 1}, {0, DISCONNECTED, 0}, {0, CONNECTED, 0},
             {10 * S, HOLD, 2, CONNECTION}, {10 * S, NEVER_CONNECTED, 0}, {10 * S, CONNECTED, 1},
             {1 * H, AGE, 1 * H}, {1 * H, SHOWN_COUNT, 2, CONNECTION},
             {1 * H, SHOWN_AGE, 0, CONNECTION}, {1 * H, DISCONNECTED, 0},
             {1 * H, SHOWN_KIND, PRESENCE_KIND_MACHINE, CONNECTION}, {2 * H, HOLD, 1, CONNECTION},
             {2 * H, CONNECTED, 1}, {2 * H, DISCONNECTED, 0},
             /* closed now is not "never" */
             {3 * H, HOLD, 0, CONNECTION}, {3 * H, DISCONNECTED, 1}, {3 * H, CONNECTED, 0},
             {3 * H + 30 * S, DISCONNECTED, 30 * S}, {3 * H + 30 * S, NEVER_CONNECTED, 0},
             {3 * H + 30 * S, SHOWN_AGE, 30 * S, CONNECTION},
             /* "nothing open" again is no closing */
             {3 * H + 40 * S, HOLD, 0, CONNECTION}, {3 * H + 60 * S, DISCONNECTED, 60 * S},
             {3 * H + 61 * S, HOLD, 1, CONNECTION}, {3 * H + 61 * S, DISCONNECTED, 0},
             {3 * H + 62 * S, HOLD, 0, CONNECTION}, {3 * H + 63 * S, DISCONNECTED, 1 * S});
}

static void a_page_that_says_active(void)
{
        PLAY({0, RESTART}, {1 * M, HOLD, 1, CONNECTION}, {2 * M, PERSON, 1, ACTIVE},
             {2 * M, HOLD, 1, ACTIVE}, {20 * M, AGE, 0}, {20 * M, BY, ACTIVE},
             {20 * M, SHOWN_KIND, PRESENCE_KIND_PERSON, ACTIVE}, {20 * M, SHOWN_AGE, 0, ACTIVE},
             /* held by something else than a person: not for ever */
             {32 * M, AGE, 0}, {33 * M, AGE, 1 * M}, {90 * M, AGE, 58 * M},
             /* other evidence renews it */
             {100 * M, PERSON, 1, INPUT}, {120 * M, AGE, 0}, {120 * M, BY, ACTIVE},
             {131 * M, AGE, 1 * M},
             /* it ends: the last key was at least 40 s ago, and the bound stays one */
             {140 * M, HOLD, 0, ACTIVE}, {140 * M, AGE, 10 * M}, {140 * M, BY, ACTIVE});
        PLAY({0, RESTART}, {2 * M, PERSON, 1, ACTIVE}, {2 * M, HOLD, 1, ACTIVE},
             {12 * M, HOLD, 2, ACTIVE}, {13 * M, HOLD, 1, ACTIVE}, {13 * M, AGE, 0},
             {14 * M, HOLD, 0, ACTIVE}, {14 * M, AGE, 40 * S}, {14 * M, BY, ACTIVE},
             {15 * M, HOLD, 0, ACTIVE}, {15 * M, AGE, 100 * S});
        /* a key just before the page is closed is younger than that */
        PLAY({0, RESTART}, {2 * M, PERSON, 1, ACTIVE}, {2 * M, HOLD, 1, ACTIVE},
             {14 * M - 3 * S, PERSON, 1, INPUT}, {14 * M, HOLD, 0, ACTIVE}, {14 * M, AGE, 3 * S},
             {14 * M, BY, INPUT});
        /* nor does it reach back before the claim */
        PLAY({0, RESTART}, {1 * S, HOLD, 1, ACTIVE}, {5 * S, HOLD, 0, ACTIVE}, {9 * S, AGE, 9 * S},
             {9 * S, BY, PRESENCE_CLAIM});
}

/* A page that sleeps and wakes: the tracker's word is old, and no edge comes. */
static void flapping_prolongs_nothing(void)
{
        static const enum presence_source held[] = {ACTIVE, UNDECODED};
        static const int64_t bound[] = {PRESENCE_ACTIVE_HOLD_MS, PRESENCE_UNDECODED_HOLD_MS};

        for (size_t i = 0; i < ARRAY_LEN(held); i++) {
                struct presence_verdict v;
                struct presence p = {0};

                presence_restart(&p, at(0));
                presence_note(&p, INPUT, PRESENCE_KIND_PERSON, at(10 * S), 1);
                for (int64_t t = 10 * S; t < 12 * H; t += 50 * S) {
                        presence_hold(&p, held[i], 1, at(t));
                        presence_hold(&p, held[i], 0, at(t + 45 * S));
                }
                presence_judge(&p, at(12 * H), &v);
                /* an opening in the moment of the evidence does not use up the one that counts */
                CHECK(v.person_age_ms >= 12 * H - 2 * M - bound[i]);
                CHECK(v.person_age_ms <= 12 * H - bound[i] + 2 * M);
        }
}

static void what_cannot_be_read_is_presumed(void)
{
        PLAY({0, RESTART}, {0, TRACKED, 1}, {0, CONFIDENCE, PRESENCE_CONFIDENCE_HIGH},
             {1 * H, AGE, 1 * H}, {1 * H, HOLD, 1, UNDECODED}, {2 * H, AGE, 0},
             {2 * H, BY, UNDECODED}, {2 * H, CONFIDENCE, PRESENCE_CONFIDENCE_LOW},
             {2 * H, SHOWN_KIND, PRESENCE_KIND_HINT, UNDECODED}, {2 * H, SHOWN_COUNT, 1, UNDECODED},
             {3 * H, AGE, 0}, {3 * H + 1 * M, AGE, 1 * M}, {5 * H, AGE, 2 * H},
             /* evidence begins it anew */
             {5 * H, PERSON, 1, TERMINAL}, {7 * H, AGE, 0}, {8 * H, AGE, 1 * H},
             /* it ends: what was presumed stays true */
             {8 * H, HOLD, 0, UNDECODED}, {9 * H, AGE, 2 * H}, {9 * H, BY, UNDECODED},
             {9 * H, CONFIDENCE, PRESENCE_CONFIDENCE_HIGH},
             /* opened again after evidence: an opening like the first */
             {9 * H, HOLD, 1, UNDECODED}, {11 * H, AGE, 0}, {11 * H + 1 * M, AGE, 1 * M},
             {11 * H + 30 * M, HOLD, 0, UNDECODED}, {11 * H + 30 * M, AGE, 30 * M},
             /* and not again without any */
             {13 * H, HOLD, 1, UNDECODED}, {13 * H, AGE, 2 * H});
        PLAY({0, RESTART}, {1 * H, HOLD, 1, UNDECODED}, {90 * M, HOLD, 0, UNDECODED},
             {100 * M, AGE, 10 * M}, {100 * M, BY, UNDECODED});
}

static void confidence_needs_trackers(void)
{
        PLAY({0, RESTART}, {0, CONFIDENCE, PRESENCE_CONFIDENCE_LOW}, {0, TRACKED, 1},
             {0, CONFIDENCE, PRESENCE_CONFIDENCE_HIGH}, {1 * S, HOLD, 1, CONNECTION},
             {1 * S, CONFIDENCE, PRESENCE_CONFIDENCE_HIGH}, {2 * S, TRACKED, 0},
             {2 * S, CONFIDENCE, PRESENCE_CONFIDENCE_LOW}, {3 * S, TRACKED, 1}, {3 * S, RESTART},
             {3 * S, CONFIDENCE, PRESENCE_CONFIDENCE_HIGH});
}

static void what_is_held_survives_the_claim(void)
{
        PLAY({0, HOLD, 2, CONNECTION}, {0, HOLD, 1, UNDECODED}, {1 * H, PERSON, 1, INPUT},
             {2 * H, RESTART}, {2 * H, NEVER_CONNECTED, 0}, {2 * H, CONNECTED, 1}, {2 * H, AGE, 0},
             {2 * H, SHOWN_COUNT, 2, CONNECTION}, {2 * H, SHOWN_COUNT, 0, INPUT}, {4 * H, AGE, 0},
             {5 * H, AGE, 1 * H}, {5 * H, HOLD, 0, CONNECTION},
             {5 * H + 5 * S, DISCONNECTED, 5 * S},
             /* the next owner's browser never came */
             {6 * H, RESTART}, {6 * H, NEVER_CONNECTED, 1}, {7 * H, DISCONNECTED, 0});
        PLAY({0, HOLD, 1, ACTIVE}, {0, RESTART}, {30 * M, AGE, 0}, {31 * M, AGE, 1 * M});
}

/* ---- jobs ---- */

static void a_job_is_bounded(void)
{
        PLAY({0, RESTART}, {0, BUSY_MS, 0}, {10 * M, BUSY}, {10 * M, BUSY_MS, 2 * M},
             {11 * M, BUSY_MS, 1 * M}, {11 * M, AGE, 11 * M}, {12 * M, BUSY_MS, 0},
             {12 * M, SHOWN_KIND, KIND_JOB, PRESENCE_JOB}, {12 * M, SHOWN_AGE, 2 * M, PRESENCE_JOB},
             /* what comes late shortens nothing */
             {1 * H, BUSY}, {1 * H - 30 * S, BUSY}, {1 * H, BUSY_MS, 2 * M},
             {1 * H, SHOWN_COUNT, 3, PRESENCE_JOB},
             /* in the end nobody is asked for */
             {24 * H - 1 * M, BUSY}, {24 * H - 1 * M, BUSY_MS, 1 * M}, {24 * H, BUSY},
             {24 * H, BUSY_MS, 0}, {24 * H, PERSON, 1, INPUT}, {24 * H, BUSY_MS, 2 * M},
             {24 * H, RESTART}, {24 * H, BUSY_MS, 0},
             {24 * H, SHOWN_AGE, PRESENCE_NEVER, PRESENCE_JOB},
             {24 * H, SHOWN_KIND, KIND_NONE, PRESENCE_JOB});
}

static void the_busiest_job_is_named(void)
{
        struct presence_verdict v;
        struct presence p = {0};

        presence_restart(&p, at(0));
        presence_job(&p, "cc1", at(5 * S));
        presence_job(&p, "a-name-that-is-longer-than-it-may-be", at(6 * S));
        presence_job(&p, "cc1", at(5 * S)); /* late */
        presence_judge(&p, at(7 * S), &v);
        CHECK_STR(v.job, "a-name-that-is-");
}

static void names_are_those_of_the_wire(void)
{
        CHECK_STR(presence_source_name(PRESENCE_CONNECTION), "connection");
        CHECK_STR(presence_source_name(PRESENCE_APP_TERMINAL), "app-terminal");
        CHECK_STR(presence_kind_name(PRESENCE_KIND_HINT), "hint");
        CHECK_STR(presence_confidence_name(PRESENCE_CONFIDENCE_NONE), "none");
        CHECK_STR(presence_confidence_name(PRESENCE_CONFIDENCE_LOW), "low");
        CHECK_STR(presence_confidence_name(PRESENCE_CONFIDENCE_HIGH), "high");
}

/* ---- random evidence against a reference that forgets nothing ---- */

#define PIECES_MAX 400
#define STEPS 160

struct reference {
        int64_t began, person, settled, since;
        int64_t weak[PIECES_MAX];
        size_t n;
        bool active, undecoded;
};

static uint64_t rng;

static uint64_t next(uint64_t below)
{
        rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
        return (rng >> 11) % below;
}

static void ref_note(struct reference *r, enum presence_kind k, int64_t t)
{
        if (k == PRESENCE_KIND_PERSON)
                r->person = MAX(r->person, t);
        if ((k != PRESENCE_KIND_WEAK && (k != PRESENCE_KIND_HINT || !r->undecoded)) || t < r->began)
                return;
        for (size_t i = 0; i < r->n; i++) {
                int64_t apart = llabs(r->weak[i] - t);

                if (apart >= PRESENCE_WEAK_APART_MS && apart <= PRESENCE_WEAK_WINDOW_MS)
                        r->person = MAX(r->person, MAX(r->weak[i], t));
        }
        CHECK(r->n < PIECES_MAX);
        r->weak[r->n++] = t;
}

static int64_t ref_active(const struct reference *r, int64_t now)
{
        return MIN(now, r->person + PRESENCE_ACTIVE_HOLD_MS);
}

static int64_t ref_undecoded(const struct reference *r, int64_t now)
{
        return MIN(now, MAX(r->person, r->since) + PRESENCE_UNDECODED_HOLD_MS);
}

static void ref_hold(struct reference *r, enum presence_source s, bool open, int64_t now)
{
        if (s == ACTIVE && r->active && !open)
                r->settled = MAX(r->settled, ref_active(r, now - 40 * S));
        if (s == UNDECODED && r->undecoded && !open)
                r->settled = MAX(r->settled, ref_undecoded(r, now));
        if (s == UNDECODED && !r->undecoded && open && r->since <= r->person)
                r->since = now;
        *(s == ACTIVE ? &r->active : &r->undecoded) = open;
}

static int64_t ref_age(const struct reference *r, int64_t now)
{
        int64_t last = MAX(r->person, r->settled);

        if (r->active)
                last = MAX(last, ref_active(r, now));
        if (r->undecoded)
                last = MAX(last, ref_undecoded(r, now));
        return MAX(now - last, 0);
}

static int64_t age_of(const struct presence *p, int64_t now)
{
        struct presence_verdict v;

        presence_judge(p, at(now), &v);
        CHECK(v.person_age_ms >= 0 && v.busy_ms >= 0 && v.disconnected_ms >= 0);
        CHECK(v.person_by < PRESENCE_SOURCE_MAX);
        CHECK(!v.connected || (v.disconnected_ms == 0 && !v.never_connected));
        CHECK(!v.never_connected || v.disconnected_ms == 0);
        for (int s = 0; s < PRESENCE_SOURCE_MAX; s++)
                CHECK(v.signals[s].age_ms >= PRESENCE_NEVER && v.signals[s].count >= 0);
        return v.person_age_ms;
}

/* Gaps of all sizes that matter: under a second to over the holds. */
static int64_t gap(void)
{
        static const int64_t upto[] = {1, 900, 3 * S, 20 * S, 3 * M, 16 * M, 40 * M, 3 * H};

        return (int64_t)next((uint64_t)upto[next(ARRAY_LEN(upto))]);
}

static void random_evidence(uint64_t seed, bool late)
{
        struct presence p = {0}, more = {0};
        struct reference r = {.since = INT64_MIN};
        int64_t now = 0;

        rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
        presence_restart(&p, at(0));
        presence_restart(&more, at(0));
        for (int i = 0; i < STEPS; i++) {
                enum presence_source s = (enum presence_source)next(PRESENCE_SOURCE_MAX);
                enum presence_kind k = (enum presence_kind)next(PRESENCE_KIND_MAX);
                bool hold = next(4) == 0;

                now += gap();
                if (hold) {
                        bool open = next(2) != 0;

                        s = next(2) ? ACTIVE : UNDECODED;
                        presence_hold(&p, s, open, at(now));
                        presence_hold(&more, s, open, at(now));
                        ref_hold(&r, s, open, now);
                } else {
                        int64_t t = late ? now - (int64_t)next(20 * S) : now;

                        /* a person is rare, or nothing else is ever seen */
                        if (k == PRESENCE_KIND_PERSON && next(8) != 0)
                                k = PRESENCE_KIND_WEAK;
                        presence_note(&p, s, k, at(t), 1 + next(3));
                        presence_note(&more, s, k, at(t), 1);
                        ref_note(&r, k, t);
                }
                /* whatever else is seen never makes the person older */
                if (!late && next(3) == 0)
                        presence_note(&more, s, (enum presence_kind)next(PRESENCE_KIND_MAX),
                                      at(now), 1);
                for (int64_t ahead = 0; ahead < 4 * H; ahead += 47 * M) {
                        int64_t age = age_of(&p, now + ahead), ref = ref_age(&r, now + ahead);

                        if (late ? age < ref : age != ref)
                                fprintf(stderr, "seed %llu step %d\n", (unsigned long long)seed, i);
                        /* what comes late may miss a partner, and never finds one that is none */
                        if (late)
                                CHECK(age >= ref);
                        else
                                CHECK_INT(age, ref);
                        if (!late && age_of(&more, now + ahead) > age)
                                fprintf(stderr, "seed %llu step %d\n", (unsigned long long)seed, i);
                        CHECK(late || age_of(&more, now + ahead) <= age);
                }
        }
}

static void random_seeds(uint64_t first, uint64_t count)
{
        fprintf(stderr, "    seeds %llu to %llu\n", (unsigned long long)first,
                (unsigned long long)(first + count - 1));
        for (uint64_t seed = first; seed < first + count; seed++) {
                random_evidence(seed, false);
                random_evidence(seed, true);
        }
}

int main(int argc, char **argv)
{
        uint64_t first = 1, count = 1;

        if (argc > 1) {
                CHECK_INT(num_parse_u64(argv[1], 0, INT64_MAX, &first), 0);
                if (argc > 2)
                        CHECK_INT(num_parse_u64(argv[2], 1, INT64_MAX, &count), 0);
                random_seeds(first, count);
                return 0;
        }
        RUN(nobody_before_the_claim);
        RUN(the_claim_starts_the_clock);
        RUN(times_in_any_order);
        RUN(every_source_and_kind);
        RUN(the_kind_shown_is_the_youngest);
        RUN(one_weak_piece_is_nobody);
        RUN(a_pair_has_a_window);
        RUN(weak_pieces_that_come_late);
        RUN(hints_count_only_while_something_cannot_be_read);
        RUN(an_open_connection_is_nobody);
        RUN(a_page_that_says_active);
        RUN(flapping_prolongs_nothing);
        RUN(what_cannot_be_read_is_presumed);
        RUN(confidence_needs_trackers);
        RUN(what_is_held_survives_the_claim);
        RUN(a_job_is_bounded);
        RUN(the_busiest_job_is_named);
        RUN(names_are_those_of_the_wire);
        random_seeds(1, 300);
        random_seeds((uint64_t)utc_read().us / US_PER_MS % 1000000000, 300);
        return 0;
}
