#include "pool/timetable.h"

#include <math.h>
#include <string.h>

#include "base/macro.h"

#define LAW_BEFORE_S (TIMETABLE_BEFORE_MIN * 60)
#define LAW_S (TIMETABLE_LAW_MIN * 60)
#define KEEP_S 7200
/* The law itself differs from class to class: counts say less than they seem to. */
#define TEMPER 0.5
#define SHAPE_CV 0.2
#define CANCELLED 0.1F /* of 3.24 */
#define WEIGHT_MIN 1e-4F
/* Fewer than that within the horizon are nobody. */
#define MEAN_MIN 0.01
#define LAW_PRIOR 100.0
/* The students of one class stay away together: a class counts as so many independent ones. */
#define CLASS_COUNTS 4.0
#define COURSE_FADE 0.8
#define HELD 0.1 /* of those expected: with fewer, it was cancelled */

/* Share of a class that has arrived some minutes after its first (the reference's table C). */
static const struct {
        int minute;
        double share;
} law_known[] = {{0, 0},    {1, .04},  {2, .08},  {3, .15}, {5, .29},
                 {10, .59}, {15, .78}, {30, .92}, {60, 1}};

/* ---- the arrival law ---- */

static void law_add_up(struct timetable *t)
{
        double sum = 0;
        double total = 0;

        for (int i = 0; i < TIMETABLE_LAW_MIN; i++)
                total += t->law[i];
        for (int i = 0; i < TIMETABLE_LAW_MIN; i++) {
                t->law_sum[i] = sum / total;
                sum += t->law[i];
        }
        t->law_sum[TIMETABLE_LAW_MIN] = 1;
}

static void law_init(struct timetable *t)
{
        for (size_t k = 1; k < ARRAY_LEN(law_known); k++) {
                int from = law_known[k - 1].minute;
                int to = law_known[k].minute;
                double each = (law_known[k].share - law_known[k - 1].share) / (to - from);

                for (int m = from; m < to; m++)
                        t->law[m + TIMETABLE_BEFORE_MIN] = LAW_PRIOR * each;
        }
        law_add_up(t);
}

/* Share of a class that has arrived `s` seconds after its true start. */
static double law_at(const struct timetable *t, double s)
{
        double minute = (s + LAW_BEFORE_S) / 60;
        int i = (int)minute;

        if (minute <= 0)
                return 0;
        if (i >= TIMETABLE_LAW_MIN)
                return 1;
        return t->law_sum[i] + (t->law_sum[i + 1] - t->law_sum[i]) * (minute - i);
}

/* ---- lessons ---- */

void timetable_init(struct timetable *t, struct lesson *memory, uint32_t max,
                    struct course *courses, uint32_t n_courses, double attendance, double deviation)
{
        double n = attendance * (1 - attendance) / (deviation * deviation) - 1;

        *t = (struct timetable){.lessons = memory,
                                .max = max,
                                .courses = courses,
                                .n_courses = n_courses,
                                .start_spread_s = 180};
        n = fmax(n, 1);
        t->prior = (struct course){attendance * n, (1 - attendance) * n, 0};
        for (uint32_t i = 0; i < n_courses; i++)
                courses[i] = t->prior;
        law_init(t);
}

void timetable_forget(struct timetable *t, uint32_t course)
{
        t->courses[course] = t->prior;
}

double timetable_share(const struct course *c, double *ret_deviation)
{
        double n = c->came + c->missed;
        double mean = c->came / n;

        *ret_deviation = sqrt(mean * (1 - mean) / (n + 1));
        return mean;
}

static uint32_t lesson_find(const struct timetable *t, uint32_t id)
{
        uint32_t i = 0;

        while (i < t->n && t->lessons[i].id != id)
                i++;
        return i;
}

bool timetable_has(const struct timetable *t, uint32_t id)
{
        return lesson_find(t, id) < t->n;
}

bool timetable_drop(struct timetable *t, uint32_t id)
{
        uint32_t i = lesson_find(t, id);

        if (i == t->n)
                return false;
        memmove(&t->lessons[i], &t->lessons[i + 1], (t->n - i - 1) * sizeof(t->lessons[0]));
        t->n--;
        return true;
}

int timetable_put(struct timetable *t, uint32_t id, uint32_t course, utc_t start, uint32_t roster)
{
        uint32_t at;

        if (course >= t->n_courses)
                return 2;
        at = lesson_find(t, id);
        if (at < t->n && t->lessons[at].open && t->lessons[at].start.us == start.us) {
                t->lessons[at].roster = roster; /* what was seen of it stays */
                return 0;
        }
        (void)timetable_drop(t, id);
        if (t->n == t->max)
                return 1;
        for (at = t->n; at > 0 && t->lessons[at - 1].start.us > start.us; at--)
                t->lessons[at] = t->lessons[at - 1];
        t->lessons[at] =
                (struct lesson){.id = id,
                                .course = course,
                                .roster = roster,
                                .start = start,
                                .late = t->now_s > start.us / US_PER_S - t->start_spread_s};
        t->n++;
        return 0;
}

static double shift_of(const struct timetable *t, int i)
{
        return (2.0 * i / (TIMETABLE_SHIFTS - 1) - 1) * t->start_spread_s;
}

static double since(const struct timetable *t, const struct lesson *l)
{
        int64_t start_s = l->start.us / US_PER_S;

        return (double)(t->now_s - start_s);
}

static void lesson_open(const struct timetable *t, struct lesson *l)
{
        static const float spread[TIMETABLE_SHARES] = {.32F, .75F, 1, .75F, .32F, CANCELLED};
        double deviation;
        double mean = timetable_share(&t->courses[l->course], &deviation);

        l->open = true;
        for (int a = 0; a < TIMETABLE_SHARES - 1; a++) {
                double share = mean + 0.75 * (a - 2) * deviation;

                l->share[a] = (float)fmin(fmax(share, 0.02), 1);
        }
        l->share[TIMETABLE_SHARES - 1] = 0;
        for (int h = 0; h < TIMETABLE_HYPOTHESES; h++)
                l->weight[h] = spread[h % TIMETABLE_SHARES];
}

/* People of the lesson between `from` and `to` (seconds from the announced start), by hypothesis h,
 * given how many are here. */
static double expected(const struct timetable *t, const struct lesson *l, int h, double from,
                       double to)
{
        double shift = shift_of(t, h / TIMETABLE_SHARES);
        double came = law_at(t, from - shift);
        double share = l->share[h % TIMETABLE_SHARES];
        double left = fmax(l->roster - l->arrived, 0);

        return left * share * (law_at(t, to - shift) - came) / fmax(1 - share * came, 0.05);
}

static void normalize(struct lesson *l)
{
        float sum = 0;

        for (int h = 0; h < TIMETABLE_HYPOTHESES; h++)
                sum += l->weight[h];
        for (int h = 0; h < TIMETABLE_HYPOTHESES; h++)
                l->weight[h] = sum > 0 ? fmaxf(l->weight[h] / sum, WEIGHT_MIN) : 1;
}

/* ---- time ---- */

static double shift_mean(const struct timetable *t, const struct lesson *l)
{
        double sum = 0;
        double weight = 0;

        for (int h = 0; h < TIMETABLE_HYPOTHESES; h++) {
                sum += l->weight[h] * shift_of(t, h / TIMETABLE_SHARES);
                weight += l->weight[h];
        }
        return weight > 0 ? sum / weight : 0;
}

static void lesson_learn(struct timetable *t, const struct lesson *l)
{
        struct course *c = &t->courses[l->course];
        double counts = fmin(1, CLASS_COUNTS / fmax(l->roster, 1));
        int shift = (int)lround(shift_mean(t, l) / 60);

        if (!l->open || l->late || l->arrived < HELD * l->roster * c->came / (c->came + c->missed))
                return; /* one that was not held says nothing about the next */
        c->came = c->came * COURSE_FADE + fmin(l->arrived, l->roster) * counts;
        c->missed = c->missed * COURSE_FADE + fmax(l->roster - l->arrived, 0) * counts;
        c->classes++;
        for (int i = 0; i < TIMETABLE_LAW_MIN; i++) {
                int to = MIN(MAX(i - shift, 0), TIMETABLE_LAW_MIN - 1);

                t->law[to] += l->minutes[i];
        }
        law_add_up(t);
}

static void lesson_passes(const struct timetable *t, struct lesson *l, double from, double to)
{
        if (!l->open)
                lesson_open(t, l);
        for (int h = 0; h < TIMETABLE_HYPOTHESES; h++)
                l->weight[h] *= (float)exp(-TEMPER * expected(t, l, h, from, to));
        normalize(l);
}

/* Seconds before the start from which somebody may come. */
static double opens_before(const struct timetable *t)
{
        return LAW_BEFORE_S + t->start_spread_s;
}

void timetable_advance(struct timetable *t, utc_t now)
{
        int64_t now_s = now.us / US_PER_S;
        double dt = (double)(now_s - t->now_s);

        if (now_s <= t->now_s)
                return;
        t->now_s = now_s;
        while (t->n > 0 && since(t, &t->lessons[0]) > KEEP_S) {
                lesson_learn(t, &t->lessons[0]);
                (void)timetable_drop(t, t->lessons[0].id);
        }
        for (uint32_t i = 0; i < t->n && since(t, &t->lessons[i]) > -opens_before(t); i++) {
                double to = since(t, &t->lessons[i]);

                lesson_passes(t, &t->lessons[i], fmax(to - dt, -opens_before(t)), to);
        }
}

/* ---- arrivals ---- */

/* The lesson's rate now, a second, by hypothesis: over the half minute around now. */
static double rates(const struct timetable *t, const struct lesson *l,
                    double ret_rates[TIMETABLE_HYPOTHESES])
{
        double at = since(t, l);
        double mean = 0;
        double weight = 0;

        for (int h = 0; h < TIMETABLE_HYPOTHESES; h++) {
                ret_rates[h] = expected(t, l, h, at - 15, at + 15) / 30;
                mean += l->weight[h] * ret_rates[h];
                weight += l->weight[h];
        }
        return mean / weight;
}

static void lesson_arrival(const struct timetable *t, struct lesson *l, double share, double other)
{
        double rate[TIMETABLE_HYPOTHESES];
        double mean = rates(t, l, rate);
        int minute = (int)floor((since(t, l) + LAW_BEFORE_S) / 60);

        for (int h = 0; h < TIMETABLE_HYPOTHESES && other + mean > 0; h++)
                l->weight[h] *= (float)pow((other + rate[h]) / (other + mean), TEMPER);
        normalize(l);
        l->arrived += share;
        l->minutes[MIN(MAX(minute, 0), TIMETABLE_LAW_MIN - 1)] += (float)share;
}

double timetable_arrived(struct timetable *t, uint32_t id, double background)
{
        double unused[TIMETABLE_HYPOTHESES];
        double all = background;

        if (id != TIMETABLE_NONE) {
                uint32_t i = lesson_find(t, id);

                if (i == t->n)
                        return 0;
                if (t->lessons[i].open)
                        lesson_arrival(t, &t->lessons[i], 1, 0);
                return 1;
        }
        for (uint32_t i = 0; i < t->n && t->lessons[i].open; i++)
                all += rates(t, &t->lessons[i], unused);
        if (all <= 0)
                return 0;
        for (uint32_t i = 0; i < t->n && t->lessons[i].open; i++) {
                double rate = rates(t, &t->lessons[i], unused);

                lesson_arrival(t, &t->lessons[i], rate / all, all - rate);
        }
        return 1 - background / all;
}

uint32_t timetable_running(const struct timetable *t, uint32_t course)
{
        uint32_t id = TIMETABLE_NONE;

        for (uint32_t i = 0; i < t->n && t->lessons[i].open; i++) {
                if (t->lessons[i].course == course && since(t, &t->lessons[i]) < LAW_S)
                        id = t->lessons[i].id; /* of two, the later */
        }
        return id;
}

/* ---- demand ---- */

static void lesson_demand(const struct timetable *t, const struct lesson *l, double horizon_s,
                          struct demand *sum)
{
        double at = since(t, l);
        double mean = 0;
        double square = 0;
        double weight = 0;
        struct lesson fresh;

        if (!l->open) {
                fresh = *l;
                lesson_open(t, &fresh);
                l = &fresh;
        }
        for (int h = 0; h < TIMETABLE_HYPOTHESES; h++) {
                double e = expected(t, l, h, at, at + horizon_s);

                weight += l->weight[h];
                mean += l->weight[h] * e;
                square += l->weight[h] * e * e;
        }
        mean /= weight;
        square /= weight;
        sum->mean += mean;
        sum->var += mean + fmax(square - mean * mean, 0) + SHAPE_CV * SHAPE_CV * mean * mean;
}

struct demand timetable_demand(const struct timetable *t, uint32_t horizon_s)
{
        struct demand sum = {0};

        for (uint32_t i = 0; i < t->n; i++) {
                if (since(t, &t->lessons[i]) + horizon_s <= -opens_before(t))
                        break;
                lesson_demand(t, &t->lessons[i], horizon_s, &sum);
        }
        return sum.mean < MEAN_MIN ? (struct demand){0} : sum;
}

struct demand timetable_peak(const struct timetable *t, utc_t start, uint32_t horizon_s,
                             const struct lesson *more)
{
        struct timetable then = *t; /* the same, later */
        int64_t start_s = start.us / US_PER_S;
        struct demand best = {0};

        for (int64_t s = -(int64_t)opens_before(t) - horizon_s; s < LAW_S - LAW_BEFORE_S; s += 60) {
                struct demand d;

                then.now_s = MAX(start_s + s, t->now_s);
                d = timetable_demand(&then, horizon_s);
                if (more)
                        lesson_demand(&then, more, horizon_s, &d);
                if (d.mean > best.mean)
                        best = d;
        }
        return best;
}

const struct lesson *timetable_next(const struct timetable *t, utc_t now)
{
        for (uint32_t i = 0; i < t->n; i++) {
                if (t->lessons[i].start.us > now.us)
                        return &t->lessons[i];
        }
        return NULL;
}
