#include "core/idle_words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

struct words {
        char *dst;
        size_t size, len;
};

static void say(struct words *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(struct words *w, const char *fmt, ...)
{
        va_list ap;
        int n;

        if (w->len + 1 >= w->size)
                return;
        va_start(ap, fmt);
        n = vsnprintf(w->dst + w->len, w->size - w->len, fmt, ap);
        va_end(ap);
        if (n > 0)
                w->len = MIN(w->len + (size_t)n, w->size - 1);
}

void duration_words(int64_t ms, char ret_words[static DURATION_WORDS_SIZE])
{
        static const struct {
                const char *name;
                int64_t s;
        } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
        struct words w = {.dst = ret_words, .size = DURATION_WORDS_SIZE};
        int64_t s = MAX(ms, 0) / 1000;
        size_t i = 0;

        while (i + 1 < ARRAY_LEN(units) && s < units[i].s)
                i++;
        say(&w, "%lld %s", (long long)(s / units[i].s), units[i].name);
        s %= units[i].s;
        if (i + 1 < ARRAY_LEN(units) && s >= units[i + 1].s)
                say(&w, " %lld %s", (long long)(s / units[i + 1].s), units[i + 1].name);
}

static void say_ms(struct words *w, int64_t ms)
{
        char text[DURATION_WORDS_SIZE];

        duration_words(ms, text);
        say(w, "%s", text);
}

static void say_since(struct words *w, const struct idle_facts *f, mono_t at)
{
        say_ms(w, mono_diff_ms(at, f->now));
}

/* The claim is no sign of a person, only the start of the clock. */
static bool somebody_came(const struct idle_tale *tale)
{
        return tale->person_by[0] && strcmp(tale->person_by, "claim") != 0;
}

static void say_last(struct words *w, const struct idle_tale *tale)
{
        if (somebody_came(tale))
                say(w, " (last: %s)", tale->person_by);
        else if (tale->person_by[0])
                say(w, " (since it was started)");
}

static void say_absent(struct words *w, const struct idle_facts *f, const struct idle_tale *tale)
{
        say(w, "nobody was there for ");
        say_since(w, f, f->person_at);
        say_last(w, tale);
}

static void say_rest(struct words *w, const struct idle_facts *f, const struct idle_tale *tale)
{
        if (f->busy_ms > 0)
                say(w, "; %s is busy", tale->job[0] ? tale->job : "a job");
        else
                say(w, "; no job");
        if (strcmp(tale->confidence, "low") == 0)
                say(w, "; low confidence");
}

void idle_reason(const struct idle_limits *l, const struct idle_facts *f,
                 const struct idle_stop *stop, const struct idle_tale *tale, char *dst, size_t size)
{
        struct words w = {.dst = dst, .size = size};

        dst[0] = 0;
        say(&w, "%s: ", idle_rule_name(stop->rule));
        switch (stop->rule) {
        case IDLE_RULE_NEVER_CONNECTED:
                say(&w, "no browser came for ");
                say_since(&w, f, f->person_at);
                break;
        case IDLE_RULE_DISCONNECTED:
                say(&w, "the last browser left ");
                say_since(&w, f, f->disconnected_at);
                say(&w, " ago, ");
                say_absent(&w, f, tale);
                break;
        case IDLE_RULE_JOB:
                say(&w, "a job may hold it for ");
                say_ms(&w, l->job_ms);
                say(&w, " at most; ");
                say_absent(&w, f, tale);
                break;
        case IDLE_RULE_LIFETIME:
                say(&w, "it has run for ");
                say_since(&w, f, f->claim_at);
                say(&w, "; ");
                say_absent(&w, f, tale);
                break;
        case IDLE_RULE_NONE:
        case IDLE_RULE_IDLE:
        case IDLE_RULE_MAX:
                say_absent(&w, f, tale);
                break;
        }
        say_rest(&w, f, tale);
}

static int64_t limit_ms(const struct idle_limits *l, enum idle_rule rule)
{
        switch (rule) {
        case IDLE_RULE_IDLE:
                return l->idle_ms;
        case IDLE_RULE_NEVER_CONNECTED:
                return l->never_connected_ms;
        case IDLE_RULE_DISCONNECTED:
                return l->disconnected_ms;
        case IDLE_RULE_JOB:
                return l->job_ms;
        case IDLE_RULE_LIFETIME:
                return l->lifetime_ms;
        case IDLE_RULE_NONE:
        case IDLE_RULE_MAX:
                break;
        }
        return 0;
}

static void say_person(struct words *w, const struct idle_facts *f, const struct idle_tale *tale)
{
        if (somebody_came(tale))
                say(w, "a person was last seen by %s ", tale->person_by);
        else
                say(w, "no person was seen since it was started ");
        say_since(w, f, f->person_at);
        say(w, " ago");
}

static void say_job(struct words *w, const struct idle_limits *l, const struct idle_facts *f,
                    const struct idle_tale *tale)
{
        mono_t ceiling = mono_add_ms(f->person_at, l->job_ms);

        say(w, "the job %s holds it, for ", tale->job[0] ? tale->job : "of the student");
        say_ms(w, mono_diff_ms(f->now, ceiling));
        say(w, " more at most; ");
}

void idle_hold(const struct idle_limits *l, const struct idle_facts *f,
               const struct idle_stop *stop, const struct idle_tale *tale, mono_t due, char *dst,
               size_t size)
{
        struct words w = {.dst = dst, .size = size};

        dst[0] = 0;
        if (stop->rule == IDLE_RULE_NONE || mono_is_never(due)) {
                say_person(&w, f, tale);
                say(&w, "; no limit stops it");
                return;
        }
        if (stop->rule == IDLE_RULE_JOB)
                say_job(&w, l, f, tale);
        say_person(&w, f, tale);
        say(&w, "; without new evidence it is saved and stopped in ");
        say_ms(&w, mono_diff_ms(f->now, due));
        say(&w, " (%s limit ", idle_rule_name(stop->rule));
        say_ms(&w, limit_ms(l, stop->rule));
        say(&w, ")");
}
