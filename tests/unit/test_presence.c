/* Tables of evidence and the verdict that follows. */
#include "base/macro.h"
#include "presence/presence.h"
#include "test.h"

#define S INT64_C(1000) /* ms */

static mono_t at(int64_t ms)
{
        return (mono_t){(100000 + ms) * US_PER_MS};
}

enum act { NOTE, HOLD, RESTART, STOP, AGE, SIGNAL_AGE, SIGNAL_COUNT };

struct row {
        int64_t ms;
        enum act act;
        enum presence_source source;
        enum presence_kind kind;
        int64_t value;
};

static int64_t judge(const struct presence *p, const struct row *row)
{
        struct presence_verdict v;

        presence_judge(p, at(row->ms), &v);
        if (row->act == AGE)
                return v.person_age_ms;
        return row->act == SIGNAL_AGE ? v.signals[row->source].age_ms
                                      : v.signals[row->source].count;
}

static void play(const struct row *rows, size_t n)
{
        struct presence p = {0};

        for (size_t i = 0; i < n; i++) {
                const struct row *r = &rows[i];

                switch (r->act) {
                case NOTE:
                        presence_note(&p, r->source, r->kind, at(r->ms), (uint64_t)r->value);
                        break;
                case HOLD:
                        presence_hold(&p, r->source, (uint32_t)r->value, at(r->ms));
                        break;
                case RESTART:
                        presence_restart(&p, at(r->ms));
                        break;
                case STOP:
                        presence_stop(&p);
                        break;
                case AGE:
                case SIGNAL_AGE:
                case SIGNAL_COUNT:
                        if (judge(&p, r) != r->value)
                                fprintf(stderr, "row %zu\n", i);
                        CHECK_INT(judge(&p, r), r->value);
                        break;
                }
        }
}

#define PLAY(...)                                                                                  \
        do {                                                                                       \
                static const struct row rows_[] = {__VA_ARGS__};                                   \
                play(rows_, ARRAY_LEN(rows_));                                                     \
        } while (0)

static void nobody_before_the_claim(void)
{
        PLAY({0, AGE, 0, 0, PRESENCE_NEVER}, {0, HOLD, PRESENCE_CONNECTION, 0, 2},
             {1 * S, NOTE, PRESENCE_FILE, PRESENCE_KIND_PERSON, 3},
             {2 * S, AGE, 0, 0, PRESENCE_NEVER});
}

static void the_claim_starts_the_clock(void)
{
        PLAY({0, NOTE, PRESENCE_FILE, PRESENCE_KIND_PERSON, 3}, {5 * S, RESTART, 0, 0, 0},
             {5 * S, AGE, 0, 0, 0}, {65 * S, AGE, 0, 0, 60 * S},
             {65 * S, SIGNAL_AGE, PRESENCE_FILE, 0, PRESENCE_NEVER},
             {65 * S, SIGNAL_COUNT, PRESENCE_FILE, 0, 0}, {70 * S, RESTART, 0, 0, 0},
             {71 * S, AGE, 0, 0, 1 * S}, {71 * S, STOP, 0, 0, 0},
             {72 * S, AGE, 0, 0, PRESENCE_NEVER});
}

static void an_open_connection_is_someone(void)
{
        PLAY({0, RESTART, 0, 0, 0}, {10 * S, HOLD, PRESENCE_CONNECTION, 0, 2},
             {3600 * S, AGE, 0, 0, 0}, {3600 * S, SIGNAL_COUNT, PRESENCE_CONNECTION, 0, 2},
             {3700 * S, HOLD, PRESENCE_CONNECTION, 0, 1}, {3800 * S, AGE, 0, 0, 0},
             {3900 * S, HOLD, PRESENCE_CONNECTION, 0, 0}, {3930 * S, AGE, 0, 0, 30 * S},
             {3930 * S, SIGNAL_AGE, PRESENCE_CONNECTION, 0, 30 * S},
             /* repeated "nothing open" does not make it younger */
             {3940 * S, HOLD, PRESENCE_CONNECTION, 0, 0}, {3960 * S, AGE, 0, 0, 60 * S});
}

static void the_youngest_counts(void)
{
        PLAY({0, RESTART, 0, 0, 0}, {10 * S, NOTE, PRESENCE_TERMINAL, PRESENCE_KIND_PERSON, 4},
             {40 * S, NOTE, PRESENCE_FILE, PRESENCE_KIND_PERSON, 1}, {50 * S, AGE, 0, 0, 10 * S},
             {50 * S, SIGNAL_AGE, PRESENCE_TERMINAL, 0, 40 * S},
             {50 * S, SIGNAL_COUNT, PRESENCE_TERMINAL, 0, 4},
             {50 * S, SIGNAL_AGE, PRESENCE_CLAIM, 0, 50 * S},
             /* what comes late and is older changes the count only */
             {30 * S, NOTE, PRESENCE_FILE, PRESENCE_KIND_PERSON, 5}, {60 * S, AGE, 0, 0, 20 * S},
             {60 * S, SIGNAL_COUNT, PRESENCE_FILE, 0, 6},
             /* no events is no evidence */
             {70 * S, NOTE, PRESENCE_FILE, PRESENCE_KIND_PERSON, 0}, {70 * S, AGE, 0, 0, 30 * S},
             /* a date ahead of the observation is age 0, not negative */
             {90 * S, NOTE, PRESENCE_FILE, PRESENCE_KIND_PERSON, 1}, {80 * S, AGE, 0, 0, 0});
}

static void machines_are_shown_and_not_counted(void)
{
        PLAY({0, RESTART, 0, 0, 0}, {100 * S, NOTE, PRESENCE_FILE, PRESENCE_KIND_MACHINE, 9},
             {100 * S, NOTE, PRESENCE_TERMINAL, PRESENCE_KIND_WEAK, 9},
             {110 * S, AGE, 0, 0, 110 * S}, {110 * S, SIGNAL_AGE, PRESENCE_FILE, 0, 10 * S},
             {110 * S, SIGNAL_AGE, PRESENCE_TERMINAL, 0, 10 * S});
}

static void connections_survive_the_claim(void)
{
        PLAY({0, HOLD, PRESENCE_CONNECTION, 0, 1}, {5 * S, RESTART, 0, 0, 0},
             {500 * S, AGE, 0, 0, 0}, {600 * S, HOLD, PRESENCE_CONNECTION, 0, 0},
             {601 * S, AGE, 0, 0, 1 * S});
}

static void names_are_those_of_the_wire(void)
{
        CHECK_STR(presence_source_name(PRESENCE_CONNECTION), "connection");
        CHECK_STR(presence_source_name(PRESENCE_TERMINAL), "terminal");
        CHECK_STR(presence_source_name(PRESENCE_FILE), "file");
        CHECK_INT(presence_source_kind(PRESENCE_FILE), PRESENCE_KIND_PERSON);
}

int main(void)
{
        RUN(nobody_before_the_claim);
        RUN(the_claim_starts_the_clock);
        RUN(an_open_connection_is_someone);
        RUN(the_youngest_counts);
        RUN(machines_are_shown_and_not_counted);
        RUN(connections_survive_the_claim);
        RUN(names_are_those_of_the_wire);
        return 0;
}
