/* When a workspace may be stopped: each limit, their boundaries and combinations, and the words. */
#include "base/fd.h"
#include "base/num.h"
#include "core/idle_rule.h"
#include "core/idle_words.h"
#include "core/types.h"
#include "test.h"

#define MIN_MS (60 * INT64_C(1000))

static mono_t at(int64_t ms)
{
        return (mono_t){ms * US_PER_MS};
}

static int64_t ms_of(mono_t t)
{
        return t.us / US_PER_MS;
}

/* Claimed at 1000, a person at 5000, now 6000; a browser is connected and no job runs. */
static struct idle_facts quiet(void)
{
        return (struct idle_facts){
                .now = at(6000), .person_at = at(5000), .claim_at = at(1000), .connected = true};
}

#define EXPECT(limits, facts, due_ms, by)                                                          \
        do {                                                                                       \
                struct idle_limits l_ = limits;                                                    \
                struct idle_facts f_ = facts;                                                      \
                struct idle_stop s_ = idle_stop_of(&l_, &f_);                                      \
                CHECK_INT(ms_of(s_.due), due_ms);                                                  \
                CHECK_STR(idle_rule_name(s_.rule), by);                                            \
        } while (0)
#define LIMITS(...) ((struct idle_limits){__VA_ARGS__})

static void test_off(void)
{
        struct idle_limits none = {0};
        struct idle_facts f = quiet();

        f.busy_ms = 100;
        CHECK(mono_is_never(idle_stop_of(&none, &f).due));
        CHECK_INT(idle_stop_of(&none, &f).rule, IDLE_RULE_NONE);
        f.connected = false;
        CHECK(mono_is_never(idle_stop_of(&none, &f).due));
        f.never_connected = true;
        CHECK(mono_is_never(idle_stop_of(&none, &f).due));
        /* A job holds what some limit would stop; alone it stops nothing. */
        none.job_ms = 1000;
        CHECK(mono_is_never(idle_stop_of(&none, &f).due));
}

static void test_idle(void)
{
        struct idle_facts f = quiet();

        EXPECT(LIMITS(.idle_ms = 2000), f, 7000, "idle");
        f.person_at = at(6000);
        EXPECT(LIMITS(.idle_ms = 2000), f, 8000, "idle");
        /* Nothing has been open for long, and no limit of its own: as idle. */
        f.connected = false;
        f.disconnected_at = at(2000);
        EXPECT(LIMITS(.idle_ms = 2000), f, 8000, "idle");
        f.never_connected = true;
        EXPECT(LIMITS(.idle_ms = 2000), f, 8000, "idle");
}

static void test_never_connected(void)
{
        struct idle_facts f = quiet();

        f.never_connected = true;
        f.connected = false;
        EXPECT(LIMITS(.idle_ms = 2000, .never_connected_ms = 1000), f, 6000, "never-connected");
        /* Asked for again meanwhile: that counts. */
        f.person_at = at(5500);
        EXPECT(LIMITS(.idle_ms = 2000, .never_connected_ms = 1000), f, 6500, "never-connected");
        /* Evidence that is older than the claim is of another life. */
        f.person_at = at(500);
        EXPECT(LIMITS(.idle_ms = 20000, .never_connected_ms = 1000), f, 2000, "never-connected");
        EXPECT(LIMITS(.never_connected_ms = 1000), f, 2000, "never-connected");
        /* Of equal limits it is idle's: nothing special has ended. */
        f.person_at = at(1000);
        EXPECT(LIMITS(.idle_ms = 1000, .never_connected_ms = 1000), f, 2000, "idle");
        EXPECT(LIMITS(.idle_ms = 1000, .never_connected_ms = 1001), f, 2000, "idle");
        f.never_connected = false;
        f.connected = true;
        EXPECT(LIMITS(.idle_ms = 2000, .never_connected_ms = 1000), f, 3000, "idle");
}

static void test_disconnected(void)
{
        struct idle_limits l = {.idle_ms = 2000, .disconnected_ms = 500};
        struct idle_facts f = quiet();

        EXPECT(l, f, 7000, "idle");
        f.connected = false;
        f.disconnected_at = at(5800);
        EXPECT(l, f, 6300, "disconnected");
        f.disconnected_at = at(4000); /* a shell from outside was used after it */
        EXPECT(l, f, 5500, "disconnected");
        f.disconnected_at = at(6500); /* beyond idle */
        EXPECT(l, f, 7000, "idle");
        f.disconnected_at = at(6499);
        EXPECT(l, f, 6999, "disconnected");
        l.idle_ms = 0;
        EXPECT(l, f, 6999, "disconnected");
        l.disconnected_ms = 0;
        CHECK(mono_is_never(idle_stop_of(&l, &f).due));
}

static void test_job(void)
{
        struct idle_limits l = {.idle_ms = 2000, .job_ms = 10000};
        struct idle_facts f = quiet();

        f.busy_ms = 1000; /* until 7000, when idle ends anyway */
        EXPECT(l, f, 7000, "idle");
        f.busy_ms = 1001;
        EXPECT(l, f, 7001, "job");
        f.busy_ms = 9000; /* until 15000: exactly the ceiling */
        EXPECT(l, f, 15000, "job");
        f.busy_ms = 9001;
        EXPECT(l, f, 15000, "job");
        f.busy_ms = INT64_MAX;
        EXPECT(l, f, 15000, "job");
        f.busy_ms = -1;
        EXPECT(l, f, 7000, "idle");
        /* Past the ceiling: due at it, in the past, whatever is still wanted. */
        f.now = at(50000);
        f.busy_ms = 5000;
        EXPECT(l, f, 15000, "job");
        l.job_ms = 2000; /* not longer than idle: it holds nothing */
        EXPECT(l, f, 7000, "idle");
        l.job_ms = 0;
        EXPECT(l, f, 7000, "idle");
        /* It puts the shorter limits off as well. */
        f = quiet();
        f.busy_ms = 3000;
        f.connected = false;
        f.disconnected_at = at(5000);
        EXPECT(LIMITS(.idle_ms = 2000, .disconnected_ms = 500, .job_ms = 10000), f, 9000, "job");
}

static void test_lifetime(void)
{
        struct idle_limits l = {.lifetime_ms = 10 * MIN_MS};
        struct idle_facts f = {.now = at(MIN_MS), .connected = true};

        EXPECT(l, f, 10 * MIN_MS, "lifetime");
        f.person_at = at(5 * MIN_MS); /* just long enough ago by then */
        EXPECT(l, f, 10 * MIN_MS, "lifetime");
        f.person_at = at(5 * MIN_MS + 1);
        EXPECT(l, f, 10 * MIN_MS + 1, "lifetime");
        f.person_at = at(60 * MIN_MS); /* long over, and somebody is there */
        EXPECT(l, f, 65 * MIN_MS, "lifetime");
        l.idle_ms = 30 * MIN_MS;
        EXPECT(l, f, 65 * MIN_MS, "lifetime");
        l.idle_ms = 4 * MIN_MS; /* idle is even shorter */
        EXPECT(l, f, 64 * MIN_MS, "idle");
        /* No job outlives it. */
        l.job_ms = 100 * MIN_MS;
        f.now = at(60 * MIN_MS);
        f.busy_ms = 50 * MIN_MS;
        EXPECT(l, f, 65 * MIN_MS, "lifetime");
        f.claim_at = at(59 * MIN_MS);
        EXPECT(l, f, 69 * MIN_MS, "lifetime");
        f.claim_at = at(200 * MIN_MS);
        EXPECT(l, f, 110 * MIN_MS, "job");
}

static void test_absent(void)
{
        struct idle_limits l = {.idle_ms = 2000, .disconnected_ms = 500, .job_ms = 10000};
        struct idle_facts f = quiet();

        CHECK_INT(idle_stop_of(&l, &f).absent_ms, 2000);
        f.busy_ms = 5000;
        CHECK_INT(idle_stop_of(&l, &f).absent_ms, 2000); /* not the job's limit */
        f.connected = false;
        CHECK_INT(idle_stop_of(&l, &f).absent_ms, 500);
        l.lifetime_ms = 1;
        f.busy_ms = 0;
        CHECK_INT(idle_stop_of(&l, &f).absent_ms, 500);
        l.idle_ms = l.disconnected_ms = 0;
        CHECK_INT(idle_stop_of(&l, &f).absent_ms, IDLE_LIFETIME_ABSENT_MS);
}

/* ---- the rule beside a slow one ---- */

static uint64_t rng;

static uint64_t below(uint64_t n)
{
        uint64_t z = (rng += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return (z ^ (z >> 31)) % n;
}

/* Minutes, so that the lifetime's five are near the rest. */
static int64_t some(uint64_t most)
{
        return below(3) ? (int64_t)below(most) * MIN_MS : 0;
}

static bool within(int64_t limit, int64_t t, int64_t from)
{
        return limit == 0 || t < from + limit;
}

/* Said as people say it: is there a reason at time t not to stop it? */
static bool alive(const struct idle_limits *l, const struct idle_facts *f, int64_t t)
{
        int64_t person = ms_of(f->person_at), claim = ms_of(f->claim_at);
        int64_t left = ms_of(f->disconnected_at);
        bool none_limited = l->idle_ms == 0;
        bool hold = within(l->idle_ms, t, person);

        if (l->lifetime_ms && t >= claim + l->lifetime_ms && t >= person + 5 * MIN_MS)
                return false;
        if (f->never_connected) {
                hold &= within(l->never_connected_ms, t, MAX(person, claim));
                none_limited &= l->never_connected_ms == 0;
        } else if (!f->connected) {
                hold &= within(l->disconnected_ms, t, MAX(person, left));
                none_limited &= l->disconnected_ms == 0;
        }
        if (none_limited || hold)
                return true;
        return l->job_ms && f->busy_ms > 0 && t < ms_of(f->now) + f->busy_ms &&
               t < person + l->job_ms;
}

static void draw(struct idle_limits *l, struct idle_facts *f)
{
        int64_t now = 20 * MIN_MS;

        *l = (struct idle_limits){.idle_ms = some(30),
                                  .never_connected_ms = some(30),
                                  .disconnected_ms = some(30),
                                  .job_ms = some(60),
                                  .lifetime_ms = some(60)};
        *f = (struct idle_facts){.now = at(now),
                                 .person_at = at(now - some(20)),
                                 .claim_at = at(now - some(20)),
                                 .busy_ms = some(60)};
        f->never_connected = below(3) == 0;
        f->connected = !f->never_connected && below(2);
        f->disconnected_at = at(now - some(20));
}

static void check_one(const struct idle_limits *l, const struct idle_facts *f)
{
        struct idle_stop s = idle_stop_of(l, f);
        int64_t end = 200 * MIN_MS, due = mono_is_never(s.due) ? end : ms_of(s.due);

        CHECK((s.rule == IDLE_RULE_NONE) == mono_is_never(s.due));
        for (int64_t t = ms_of(f->person_at); t < end; t += MIN_MS)
                CHECK(alive(l, f, t) == (t < due));
        if (mono_is_never(s.due))
                return;
        /* What the other side looks at once more is true at that time. */
        CHECK(s.absent_ms > 0 && due >= ms_of(f->person_at) + s.absent_ms);
        if (s.rule == IDLE_RULE_JOB)
                CHECK(f->busy_ms > 0 && due <= ms_of(f->person_at) + l->job_ms);
}

/* More evidence of a person, or more of a job, never brings the stop nearer. */
static void check_order(const struct idle_limits *l, const struct idle_facts *f)
{
        struct idle_stop s = idle_stop_of(l, f), t;
        struct idle_facts g = *f;

        g.person_at = at(MIN(ms_of(f->person_at) + some(20), ms_of(f->now)));
        t = idle_stop_of(l, &g);
        CHECK(!mono_before(t.due, s.due));
        g = *f;
        g.busy_ms += some(20);
        t = idle_stop_of(l, &g);
        CHECK(!mono_before(t.due, s.due));
        /* The same later is the same, later. */
        g = *f;
        g.now.us += 7;
        g.person_at.us += 7;
        g.claim_at.us += 7;
        g.disconnected_at.us += 7;
        t = idle_stop_of(l, &g);
        CHECK(t.rule == s.rule && t.absent_ms == s.absent_ms);
        CHECK(mono_is_never(s.due) ? mono_is_never(t.due) : t.due.us == s.due.us + 7);
}

static void test_random(uint64_t seed, int rounds)
{
        unsigned seen[IDLE_RULE_MAX] = {0};
        struct idle_limits l;
        struct idle_facts f;

        fprintf(stderr, "  seed %llu\n", (unsigned long long)seed);
        rng = seed;
        for (int i = 0; i < rounds; i++) {
                draw(&l, &f);
                seen[idle_stop_of(&l, &f).rule]++;
                check_one(&l, &f);
                check_order(&l, &f);
        }
        for (int i = 0; i < IDLE_RULE_MAX; i++)
                CHECK(seen[i] > 0);
}

/* ---- words ---- */

static void check_words(int64_t ms, const char *words)
{
        char text[DURATION_WORDS_SIZE];

        duration_words(ms, text);
        CHECK_STR(text, words);
}

static void test_durations(void)
{
        check_words(-5, "0 s");
        check_words(999, "0 s");
        check_words(59999, "59 s");
        check_words(60000, "1 min");
        check_words(30 * MIN_MS + 2000, "30 min 2 s");
        check_words(60 * MIN_MS, "1 h");
        check_words(60 * MIN_MS + 59000, "1 h");
        check_words(125 * MIN_MS, "2 h 5 min");
        check_words(24 * 60 * MIN_MS, "1 d");
        check_words(76 * 60 * MIN_MS, "3 d 4 h");
        check_words(INT64_MAX, "106751991167 d 7 h");
}

static void test_names(void)
{
        for (int i = 0; i < IDLE_RULE_MAX; i++) {
                char text[64];

                (void)snprintf(text, sizeof(text), "%s: and so on", idle_rule_name(i));
                CHECK_INT(idle_rule_of_reason(text), i);
        }
        CHECK_INT(idle_rule_of_reason("api asked for it"), IDLE_RULE_NONE);
        CHECK_INT(idle_rule_of_reason(""), IDLE_RULE_NONE);
        CHECK_INT(idle_rule_of_reason(": x"), IDLE_RULE_NONE);
        CHECK_INT(idle_rule_of_reason("idle"), IDLE_RULE_NONE);
        CHECK_INT(idle_rule_of_reason("idleness: x"), IDLE_RULE_NONE);
        CHECK_INT(idle_rule_of_reason("it said idle: x"), IDLE_RULE_NONE);
}

static void check_reason(const struct idle_limits *l, const struct idle_facts *f,
                         const struct idle_tale *tale, const char *words)
{
        struct idle_stop s = idle_stop_of(l, f);
        char text[CORE_REASON_SIZE];

        idle_reason(l, f, &s, tale, text, sizeof(text));
        CHECK_STR(text, words);
        CHECK_INT(idle_rule_of_reason(text), s.rule);
}

static void test_reasons(void)
{
        struct idle_limits l = {.idle_ms = 30 * MIN_MS, .job_ms = 120 * MIN_MS};
        struct idle_facts f = {.now = at(30 * MIN_MS + 2000), .connected = true};
        struct idle_tale tale = {.person_by = "typed", .job = "", .confidence = "high"};

        check_reason(&l, &f, &tale, "idle: nobody was there for 30 min 2 s (last: typed); no job");
        tale.person_by = "";
        check_reason(&l, &f, &tale, "idle: nobody was there for 30 min 2 s; no job");
        tale.person_by = "claim";
        tale.confidence = "low";
        check_reason(&l, &f, &tale,
                     "idle: nobody was there for 30 min 2 s (since it was started); no job; low "
                     "confidence");
        tale.confidence = "";
        f.connected = false;
        f.never_connected = true;
        l.never_connected_ms = 30 * MIN_MS - 1;
        check_reason(&l, &f, &tale, "never-connected: no browser came for 30 min 2 s; no job");
        tale.person_by = "terminal";
        f.never_connected = false;
        f.disconnected_at = at(2000);
        l.disconnected_ms = 5 * MIN_MS;
        check_reason(&l, &f, &tale,
                     "disconnected: the last browser left 30 min ago, nobody was there for 30 min "
                     "2 s (last: terminal); no job");
        f.now = at(121 * MIN_MS);
        f.busy_ms = MIN_MS;
        tale.job = "make";
        check_reason(
                &l, &f, &tale,
                "job: a job may hold it for 2 h at most; nobody was there for 2 h 1 min (last: "
                "terminal); make is busy");
        l.lifetime_ms = 100 * MIN_MS;
        check_reason(&l, &f, &tale,
                     "lifetime: it has run for 2 h 1 min; nobody was there for 2 h 1 min (last: "
                     "terminal); make is busy");
}

/* The longest source, the longest name that an agent gives a job, a year: nothing is lost. */
static void test_reasons_fit(void)
{
        struct idle_limits l = {.disconnected_ms = 1};
        struct idle_facts f = {.now = at(INT64_C(364) * 24 * 60 * MIN_MS + 23 * 60 * MIN_MS),
                               .busy_ms = 1};
        struct idle_tale tale = {
                .person_by = "app-terminal", .job = "fifteen-letters", .confidence = "low"};
        struct idle_stop s = idle_stop_of(&l, &f);
        char text[512], small[8];

        idle_reason(&l, &f, &s, &tale, text, sizeof(text));
        fprintf(stderr, "  %zu of %d: %s\n", strlen(text), CORE_REASON_SIZE, text);
        CHECK(strlen(text) < CORE_REASON_SIZE);
        CHECK(strstr(text, "; low confidence"));
        idle_reason(&l, &f, &s, &tale, small, sizeof(small));
        CHECK_STR(small, "disconn");
}

static void test_holds(void)
{
        struct idle_limits l = {.idle_ms = 30 * MIN_MS, .job_ms = 120 * MIN_MS};
        struct idle_facts f = {.now = at(12000), .connected = true};
        struct idle_tale tale = {.person_by = "typed", .job = "", .confidence = ""};
        struct idle_stop s = idle_stop_of(&l, &f);
        char text[256];

        idle_hold(&l, &f, &s, &tale, s.due, text, sizeof(text));
        CHECK_STR(text,
                  "a person was last seen by typed 12 s ago; without new evidence it is saved "
                  "and stopped in 29 min 48 s (idle limit 30 min)");
        idle_hold(&l, &f, &s, &tale, MONO_NEVER, text, sizeof(text));
        CHECK_STR(text, "a person was last seen by typed 12 s ago; no limit stops it");
        f.now = at(34 * MIN_MS);
        f.busy_ms = 2 * MIN_MS;
        tale.job = "make";
        tale.person_by = "claim";
        s = idle_stop_of(&l, &f);
        idle_hold(&l, &f, &s, &tale, s.due, text, sizeof(text));
        CHECK_STR(text,
                  "the job make holds it, for 1 h 26 min more at most; no person was seen since "
                  "it was started 34 min ago; without new evidence it is saved and stopped "
                  "in 2 min (job limit 2 h)");
}

int main(int argc, char **argv)
{
        uint64_t fresh = 0;

        if (argc > 1) {
                CHECK(num_parse_u64(argv[1], 0, UINT64_MAX, &fresh) == 0);
                test_random(fresh, 20000);
                return 0;
        }
#ifdef IDLE_RANDOM_ONLY
        test_random(1, 20000);
#endif
        RUN(test_off);
        RUN(test_idle);
        RUN(test_never_connected);
        RUN(test_disconnected);
        RUN(test_job);
        RUN(test_lifetime);
        RUN(test_absent);
        RUN(test_durations);
        RUN(test_names);
        RUN(test_reasons);
        RUN(test_reasons_fit);
        RUN(test_holds);
        test_random(1, 20000);
        random_bytes(&fresh, sizeof(fresh));
        test_random(fresh >> 16, 20000); /* short enough to type */
        return 0;
}
