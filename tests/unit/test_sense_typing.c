/* Keys and answers: terminals played in virtual time, with the pauses that a flood of output gets.
 */
#include "base/macro.h"
#include "sense/typing.h"
#include "test.h"

#define NIGHT_MS (8 * 3600 * 1000)
#define MINUTE_MS (60 * 1000)

static struct typing t;
static int64_t now_ms, resume_ms; /* resume_ms < 0: output is watched */
static unsigned keys, answers, wakes;
static uint64_t seed;

static mono_t at(int64_t ms)
{
        return (mono_t){(ms + 1000000) * US_PER_MS};
}

/* To a later time, as the loop would: with the timer that ends a pause. */
static void go(int64_t ms)
{
        CHECK(ms >= now_ms);
        if (resume_ms >= 0 && resume_ms <= ms) {
                typing_watch(&t, at(resume_ms));
                resume_ms = -1;
                wakes++;
        }
        now_ms = ms;
}

static void output(int64_t ms)
{
        go(ms);
        if (resume_ms >= 0)
                return;
        resume_ms = ms + typing_output(&t, at(ms));
        wakes++;
}

static bool reads(int64_t ms)
{
        bool key;

        go(ms);
        key = typing_read(&t, at(ms));
        if (key)
                keys++;
        else
                answers++;
        return key;
}

static void fresh(void)
{
        t = (struct typing){0};
        now_ms = 0;
        resume_ms = -1;
        keys = answers = wakes = 0;
        typing_watch(&t, at(0));
}

/* A key that is echoed. */
static bool types(int64_t ms)
{
        bool key = reads(ms);

        output(ms + 2);
        return key;
}

/* A question and its answer of seven bytes, which the program reads one by one. */
static void asks(int64_t ms, int64_t round_trip_ms)
{
        output(ms);
        for (int i = 0; i < 7; i++)
                (void)reads(ms + round_trip_ms + i / 3);
}

static int64_t between(int64_t low, int64_t high)
{
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        return low + (int64_t)((seed >> 33) % (uint64_t)(high - low + 1));
}

static void first_key_counts(void)
{
        fresh();
        CHECK(types(1000));
        CHECK(types(60000));
        /* behind a prompt, after a moment's thought */
        output(100000);
        CHECK(types(100400));
}

static void fast_typing(void)
{
        fresh();
        for (int64_t ms = 1000; ms < 2900; ms += 100)
                CHECK(types(ms));
        /* five minutes as people type: never a 20 s without a key that is seen as one */
        for (int64_t ms = 10000, last = 10000; ms < 5 * MINUTE_MS; ms += between(80, 500)) {
                if (types(ms))
                        last = ms;
                CHECK(ms - last < 20000);
        }
}

static void slow_typing(void)
{
        fresh();
        for (int64_t ms = 0; ms < NIGHT_MS; ms += 4 * MINUTE_MS)
                CHECK(types(ms));
}

static void a_program_that_asks(void)
{
        static const int64_t periods[] = {400, 1000, 15000, 60000};
        static const int64_t round_trips[] = {0, 1, 40, 250};

        for (size_t i = 0; i < ARRAY_LEN(periods); i++) {
                for (size_t k = 0; k < ARRAY_LEN(round_trips); k++) {
                        fresh();
                        for (int64_t ms = 5000; ms < NIGHT_MS; ms += periods[i])
                                asks(ms, round_trips[k]);
                        CHECK_INT(keys, 0);
                        CHECK(answers > 0);
                }
        }
}

/* Answers do not keep alive what a key has begun. */
static void a_key_before_answers(void)
{
        fresh();
        CHECK(reads(1000));
        for (int64_t ms = 1500; ms < 600000; ms += 700)
                asks(ms, 20);
        CHECK(keys <= 1 + 7 * 3);
}

static void a_flood_is_cheap(void)
{
        unsigned before;

        fresh();
        for (int64_t ms = 0; ms < MINUTE_MS; ms++)
                output(ms);
        before = wakes;
        for (int64_t ms = MINUTE_MS; ms < 2 * MINUTE_MS; ms++)
                output(ms);
        fprintf(stderr, "    %u wake-ups in the first minute, %u in the second\n", before,
                wakes - before);
        CHECK(before <= 40);
        CHECK(wakes - before <= 20);
}

static void typing_into_a_flood(void)
{
        int64_t last = 0, key = 30000;

        fresh();
        for (int64_t ms = 0; ms < 5 * MINUTE_MS; ms++) {
                output(ms);
                if (ms < key)
                        continue;
                if (reads(ms))
                        last = ms;
                key = ms + between(100, 1500);
                CHECK(ms < 40000 || ms - last < 15000);
        }
}

/* `make` in one half of the screen, a program that asks in the other. */
static void asking_in_a_flood(void)
{
        fresh();
        for (int64_t ms = 0; ms < NIGHT_MS / 8; ms += 10) {
                output(ms);
                if (ms % 15000 == 7000)
                        asks(ms, 3);
        }
        CHECK_INT(keys, 0);
}

/* Asking so often floods, or is done beside a flood: that passes for typing, but not all night. */
static void asking_often_is_no_person_for_ever(void)
{
        static const struct {
                int64_t output_ms, ask_ms;
        } rows[] = {{0, 100}, {0, 200}, {10, 500}, {10, 4000}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                int64_t last = 0;
                unsigned before = 0;

                fresh();
                CHECK(types(1000));
                for (int64_t ms = 5000; ms < NIGHT_MS / 2; ms += 10) {
                        if (rows[i].output_ms > 0)
                                output(ms);
                        if (ms % rows[i].ask_ms == 0)
                                asks(ms, 1);
                        if (keys > before)
                                last = ms;
                        before = keys;
                }
                CHECK(last <= 1000 + TYPING_HOLD_MS + TYPING_BURST_MS);
                /* A key once it is quiet begins anew. */
                CHECK(types(NIGHT_MS / 2 + TYPING_PAUSE_MAX_MS + TYPING_REPLY_MS + 1));
        }
}

/* A clock, a progress line: output that is no flood leaves keys as they are. */
static void typing_beside_a_clock(void)
{
        int64_t last = 0, key = 3000;

        fresh();
        for (int64_t ms = 0; ms < 5 * MINUTE_MS; ms += 10) {
                if (ms % 1000 == 0)
                        output(ms);
                if (ms < key)
                        continue;
                if (types(ms))
                        last = ms;
                key = ms + between(500, 5000);
                CHECK(ms - last < 30000);
        }
        CHECK(keys > 20);
}

/* After a flood everything is as before. */
static void a_flood_ends(void)
{
        fresh();
        for (int64_t ms = 0; ms < MINUTE_MS; ms++)
                output(ms);
        CHECK(types(MINUTE_MS + TYPING_PAUSE_MAX_MS + TYPING_REPLY_MS + 1));
        fresh();
        for (int64_t ms = 0; ms < MINUTE_MS; ms++)
                output(ms);
        for (int64_t ms = MINUTE_MS + 10000; ms < 20 * MINUTE_MS; ms += 15000)
                asks(ms, 40);
        CHECK_INT(keys, 0);
}

int main(void)
{
        const char *text = getenv("WS_TEST_SEED");

        seed = text ? strtoull(text, NULL, 10) : 1;
        fprintf(stderr, "  seed %llu\n", (unsigned long long)seed);
        RUN(first_key_counts);
        RUN(fast_typing);
        RUN(slow_typing);
        RUN(a_program_that_asks);
        RUN(a_key_before_answers);
        RUN(a_flood_is_cheap);
        RUN(typing_into_a_flood);
        RUN(asking_in_a_flood);
        RUN(asking_often_is_no_person_for_ever);
        RUN(typing_beside_a_clock);
        RUN(a_flood_ends);
        return 0;
}
