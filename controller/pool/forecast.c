#include "pool/forecast.h"

#include <math.h>

#include "base/macro.h"

#define WEEK_FADE 0.7F
#define PROFILE_PRIOR 0.5 /* slots of the mean rate that every slot starts with */
#define MEAN_LEAST 1e-3
/* These were chosen on days 0 to 86 of tests/data; results are flat around them (+-2 %). */
#define RATE_CV 0.25
#define BURST_DEVIATIONS 1.0
#define SURPLUS_STEPS 30 /* a task ordered up to this much earlier may still be there */
#define HOUR_STEPS 360
#define WEEK_S (FORECAST_SLOTS * FORECAST_SLOT_S) /* keeps local times above 0 */
/* Factors for 99 % before anything was learned. */
#define Z99_ALONE 4.5
#define Z99_CLASSES 3.5
void forecast_init(struct forecast *f)
{
        *f = (struct forecast){.version = FORECAST_VERSION};
        calibrate_init(&f->alone, Z99_ALONE);
        calibrate_init(&f->classes, Z99_CLASSES);
}

static struct forecast_step *step_at(struct forecast *f, int64_t step)
{
        return &f->ring[step % FORECAST_RING];
}

static const struct forecast_step *step_was(const struct forecast *f, int64_t step)
{
        return &f->ring[MAX(step, f->first) % FORECAST_RING];
}

/* ---- the week ---- */

static void slot_turns(struct forecast *f, int64_t slot)
{
        uint32_t i = (uint32_t)(f->slot % FORECAST_SLOTS);

        if (slot == f->slot)
                return;
        if (f->whole && slot > f->slot) {
                f->seen[i] = f->seen[i] * WEEK_FADE + (float)(f->background - f->slot_from);
                f->weight[i] = f->weight[i] * WEEK_FADE + 1;
        }
        f->whole = f->slot != 0 && slot == f->slot + 1;
        f->slot = slot;
        f->slot_from = f->background;
}

/* Arrivals a minute, of the 20 minutes around it in earlier weeks. */
static double profile_at(const struct forecast *f, int64_t local_s, double mean)
{
        int64_t slot = (local_s + WEEK_S) / FORECAST_SLOT_S;
        double part = (double)((local_s + WEEK_S) % FORECAST_SLOT_S) / FORECAST_SLOT_S;
        double share[3] = {1 - part, 1, part};
        double seen = mean * PROFILE_PRIOR;
        double weight = PROFILE_PRIOR;

        for (int k = 0; k < 3; k++) {
                uint32_t i = (uint32_t)((slot + k + FORECAST_SLOTS - 1) % FORECAST_SLOTS);

                seen += share[k] * f->seen[i];
                weight += share[k] * f->weight[i];
        }
        return seen / weight * 60 / FORECAST_SLOT_S;
}

/* Arrivals in a slot, on average over the week. */
static double slot_mean(const struct forecast *f)
{
        double seen = 0;
        double weight = 0;

        for (int i = 0; i < FORECAST_SLOTS; i++) {
                seen += f->seen[i];
                weight += f->weight[i];
        }
        return weight > 0 ? seen / weight : 0;
}

/* ---- time ---- */

static void forget_rates(struct forecast *f, int64_t step)
{
        f->first = f->step = step;
        *step_at(f, step) =
                (struct forecast_step){.background = f->background, .arrivals = f->arrivals};
        f->whole = false;
}

void forecast_advance(struct forecast *f, utc_t now, int32_t offset_s)
{
        int64_t now_s = MAX(now.us / US_PER_S, 0);
        int64_t step = now_s / FORECAST_STEP_S;

        if (f->step == 0 || step > f->step + HOUR_STEPS || step < f->step - HOUR_STEPS)
                forget_rates(f, step);
        while (f->step < step) {
                struct forecast_step *s = step_at(f, ++f->step);

                *s = *step_at(f, f->step - 1);
                s->background = f->background;
                s->arrivals = f->arrivals;
        }
        if (step == f->step)
                slot_turns(f, (now_s + offset_s + WEEK_S) / FORECAST_SLOT_S);
}

/* ---- the rate ---- */

/* Background arrivals a minute over the last `steps`, as far as seen. */
static double recent(const struct forecast *f, int64_t steps)
{
        int64_t seen = MIN(steps, f->step - f->first);
        double n = f->background - step_was(f, f->step - steps)->background;

        return n / ((double)MAX(seen, 6) * FORECAST_STEP_S / 60);
}

static int64_t local_now(const struct forecast *f, int32_t offset_s)
{
        return f->step * FORECAST_STEP_S + offset_s;
}

static double level(const struct forecast *f, int32_t offset_s, double mean)
{
        int64_t local_s = local_now(f, offset_s);
        int64_t seen = MIN((int64_t)HOUR_STEPS, f->step - f->first);
        double expected = 0;
        double ratio;

        for (int64_t s = FORECAST_SLOT_S / 2; s < seen * FORECAST_STEP_S; s += FORECAST_SLOT_S)
                expected += profile_at(f, local_s - s, mean) * FORECAST_SLOT_S / 60;
        ratio = (f->background - step_was(f, f->step - HOUR_STEPS)->background + 5) /
                (expected + 5);
        return fmin(fmax(ratio, 0.25), 4);
}

static double base_rate(const struct forecast *f, int32_t offset_s)
{
        double mean = slot_mean(f);
        double profile = profile_at(f, local_now(f, offset_s), mean) * level(f, offset_s, mean);

        if (mean <= 0) /* nothing is known of any week yet */
                profile = recent(f, HOUR_STEPS);
        return 0.4 * recent(f, 30) + 0.3 * recent(f, 90) + 0.3 * profile;
}

/* What is left of a rate counted over `minutes` when chance is given the benefit of the doubt. */
static double surely(double rate, double minutes, double deviations)
{
        return fmax(0, rate - deviations * sqrt(rate / minutes));
}

double forecast_rate(const struct forecast *f, int32_t offset_s)
{
        return base_rate(f, offset_s);
}

double forecast_profile(const struct forecast *f, utc_t at, int32_t offset_s)
{
        return profile_at(f, at.us / US_PER_S + offset_s, slot_mean(f));
}

struct demand forecast_demand(const struct forecast *f, uint32_t lead_s, int32_t offset_s)
{
        double rate = base_rate(f, offset_s);
        double horizon_s = MIN(lead_s, FORECAST_LEAD_MAX_S) + FORECAST_STEP_S / 2.0;
        double mean;

        rate = fmax(rate, surely(recent(f, 18), 3, BURST_DEVIATIONS));
        rate = fmax(rate, (rate + surely(recent(f, 6), 1, BURST_DEVIATIONS)) / 2);
        mean = fmax(MEAN_LEAST, rate * horizon_s / 60);
        return (struct demand){.mean = mean, .var = mean + RATE_CV * RATE_CV * mean * mean};
}

/* ---- learning the margin ---- */

void forecast_used(struct forecast *f, struct demand background, struct demand classes)
{
        struct forecast_step *s = step_at(f, f->step);

        s->mean[0] = (float)background.mean;
        s->var[0] = (float)background.var;
        s->mean[1] = (float)classes.mean;
        s->var[1] = (float)classes.var;
}

/* The factor that would have been enough, the other part of the demand having its own. */
static double surprise(const struct forecast_step *s, uint64_t before, bool classes,
                       double other_factor)
{
        double above = (double)(before - s->arrivals) - s->mean[0] - s->mean[1];
        double other = other_factor * other_factor * s->var[classes ? 0 : 1];
        double left = above * above - other;

        if (above <= 0 || left <= 0)
                return 0;
        return sqrt(left / fmax(s->var[classes ? 1 : 0], 1e-6));
}

void forecast_arrived(struct forecast *f, uint32_t lead_s, double share, double hit_rate)
{
        int64_t lead = MIN(lead_s, FORECAST_LEAD_MAX_S) / FORECAST_STEP_S;
        int64_t newest = f->step - MAX(lead, 1);
        const struct forecast_step *s = step_was(f, newest);
        double least = INFINITY;

        if (newest - SURPLUS_STEPS > f->first && s->var[0] > 0) {
                bool classes = s->mean[1] > s->mean[0];
                double other = calibrate_factor(classes ? &f->alone : &f->classes, hit_rate);

                for (int64_t at = newest; at > newest - SURPLUS_STEPS; at--)
                        least = fmin(least, surprise(step_was(f, at), f->arrivals, classes, other));
                calibrate_seen(classes ? &f->classes : &f->alone, f->step * FORECAST_STEP_S, least);
        }
        f->arrivals++;
        f->background += 1 - share;
}

double demand_size(struct demand background, double factor, struct demand classes,
                   double class_factor)
{
        return background.mean + classes.mean +
               sqrt(factor * factor * background.var + class_factor * class_factor * classes.var);
}
