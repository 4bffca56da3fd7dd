#include "pool/sizer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

#define HOLD 0.5 /* tasks */
#define EARLY_MAX_S 1200
/* Less than one person in a hundred lead times is nobody: a task kept for that waits for hours. The
 * floor is for it. */
#define NOBODY 0.01
/* Near that line the forecast of an evening goes up and down with every ten minutes of the profile:
 * a pool of none becomes one when somebody was expected for so long, or many times as much is; and
 * it becomes none again when nobody was for so long. Time in which it was otherwise is taken off.
 * (Not a lower line: what is expected where nobody ever came may be just below this one.) */
#define SOMEBODY_S 120
#define SURELY 5
#define NOBODY_S 900

void sizer_init(struct sizer *s, const struct sizer_config *config)
{
        *s = (struct sizer){.config = *config, .budget_max = UINT32_MAX};
        forecast_init(&s->forecast);
        leadtime_init(&s->lead, config->lead_ms);
        s->size.next_change = (utc_t){INT64_MAX};
}

static int32_t offset_of(const struct sizer *s, utc_t now)
{
        return zone_offset(&s->config.schedule->zone, now);
}

/*
 * How far beyond the lead time to look: people of classes within lead + e need launches that must
 * be made from now on, of which the provider takes `has` at once and then so many a second. Where
 * that is too few by the end of e, they are begun now.
 */
static uint32_t look_ahead(const struct sizer *s, uint32_t horizon_s, const struct bucket *launches,
                           uint32_t has)
{
        double factor = calibrate_factor(&s->forecast.classes, s->config.hit_rate);
        uint32_t early = 0;

        for (uint32_t e = EARLY_MAX_S; e > 0; e -= FORECAST_STEP_S) {
                struct demand d = timetable_demand(s->config.timetable, horizon_s + e);
                double need = d.mean + factor * sqrt(d.var);

                if (need <= has)
                        break; /* and nearer, even fewer */
                if (bucket_early_s(launches, has, need) > e) {
                        early = e;
                        break;
                }
        }
        return early;
}

static void expect_classes(struct sizer *s, uint32_t lead_s, const struct bucket *launches,
                           uint32_t has)
{
        uint32_t horizon_s = lead_s + FORECAST_STEP_S / 2;

        s->size.classes = (struct demand){0};
        s->size.early_s = 0;
        if (!s->config.timetable)
                return;
        if (launches && launches->per_s > 0)
                s->size.early_s = look_ahead(s, horizon_s, launches, has);
        s->size.classes = timetable_demand(s->config.timetable, horizon_s + s->size.early_s);
}

/* Is anybody expected? It takes a while to change. */
static bool somebody(struct sizer *s, double people)
{
        bool was = s->held > 0;
        bool is = people >= NOBODY;
        int64_t passed_s = MIN((s->step - s->counted) * FORECAST_STEP_S, NOBODY_S);

        s->counted = s->step;
        s->otherwise_s = MAX(s->otherwise_s + (is == was ? -passed_s : passed_s), 0);
        if (people < SURELY * NOBODY && s->otherwise_s < (was ? NOBODY_S : SOMEBODY_S))
                return was;
        if (is != was || people >= SURELY * NOBODY)
                s->otherwise_s = 0;
        return is;
}

static double wanted_by_demand(struct sizer *s)
{
        double h = s->config.hit_rate;
        double factor = calibrate_factor(&s->forecast.alone, h);
        double class_factor = calibrate_factor(&s->forecast.classes, h);
        struct demand background = s->config.forecast ? s->size.demand : (struct demand){0};

        if (!somebody(s, background.mean + s->size.classes.mean))
                return 0;
        /* More than nothing, which hold() would take for nobody. */
        return fmax(demand_size(background, factor, s->size.classes, class_factor), NOBODY);
}

static void hold(struct sizer *s, double wanted)
{
        if (wanted > s->held || wanted <= 0 || wanted < s->held - 1 - HOLD)
                s->held = (uint32_t)ceil(fmin(wanted, UINT32_MAX - 1.0));
}

static void explain(struct sizer *s, uint32_t floor)
{
        struct sizer_size *r = &s->size;
        size_t room = sizeof(r->why);
        int n;

        if (s->held <= floor)
                n = snprintf(r->why, room, "floor %u", floor);
        else if (r->classes.mean > r->demand.mean)
                n = snprintf(r->why, room, "class: %.1f expected in a lead time of %u s",
                             r->classes.mean, leadtime_s(&s->lead) + r->early_s);
        else
                n = snprintf(r->why, room, "forecast: %.1f in a lead time of %u s", r->demand.mean,
                             leadtime_s(&s->lead));
        if (r->size == r->wanted || n < 0 || (size_t)n >= room)
                return;
        (void)snprintf(r->why + n, room - (size_t)n, ", %u wanted, %s %u", r->wanted,
                       r->size == s->config.ceiling ? "ceiling" : "budget", r->size);
}

static utc_t next_change(const struct sizer *s, utc_t now, uint32_t lead_s)
{
        utc_t at = schedule_next(s->config.schedule, now);
        const struct timetable *t = s->config.timetable;
        const struct lesson *l = t ? timetable_next(t, now) : NULL;

        if (l) {
                int64_t before_s = lead_s + TIMETABLE_BEFORE_MIN * 60 + t->start_spread_s;
                int64_t from = l->start.us - before_s * US_PER_S;

                at.us = MIN(at.us, MAX(from, now.us));
        }
        return at;
}

const struct sizer_size *sizer_advance(struct sizer *s, utc_t now, mono_t mono,
                                       struct bucket *launches, uint32_t budget_max)
{
        struct sizer_size *r = &s->size;
        uint32_t lead_s = leadtime_s(&s->lead);
        int32_t offset_s = offset_of(s, now);
        bool peak;
        uint32_t floor;

        forecast_advance(&s->forecast, now, offset_s);
        if (s->config.timetable)
                timetable_advance(s->config.timetable, now);
        if (s->step == s->forecast.step && budget_max == s->budget_max)
                return r;
        s->step = s->forecast.step;
        s->budget_max = budget_max;
        r->demand = forecast_demand(&s->forecast, lead_s, offset_s);
        expect_classes(s, lead_s, launches, launches ? bucket_has(launches, mono) : 0);
        forecast_used(&s->forecast, r->demand, r->classes);
        hold(s, wanted_by_demand(s));
        peak = schedule_peak(s->config.schedule, now);
        floor = peak ? s->config.floor : s->config.floor_quiet;
        r->wanted = MAX(floor, s->held);
        r->size = MIN(MIN(r->wanted, s->config.ceiling), budget_max);
        r->class_short = r->size < r->wanted && r->classes.mean > 1;
        r->next_change = next_change(s, now, lead_s);
        explain(s, floor);
        return r;
}

void sizer_arrived(struct sizer *s, utc_t now, uint32_t lesson)
{
        double share = 0;

        if (s->config.timetable) {
                double background = s->size.demand.mean / leadtime_s(&s->lead);

                share = timetable_arrived(s->config.timetable, lesson, background);
        }
        (void)now;
        forecast_arrived(&s->forecast, leadtime_s(&s->lead), share, s->config.hit_rate);
}

void sizer_lead_seen(struct sizer *s, int64_t ms)
{
        leadtime_seen(&s->lead, ms);
}

void sizer_remember(const struct sizer *s, struct sizer_memory *ret_memory)
{
        ret_memory->alone = s->forecast.alone;
        ret_memory->classes = s->forecast.classes;
        ret_memory->lead = s->lead;
        memcpy(ret_memory->seen, s->forecast.seen, sizeof(ret_memory->seen));
        memcpy(ret_memory->weight, s->forecast.weight, sizeof(ret_memory->weight));
}

/* Whatever is not a number fails this as well. */
static bool sane(const float *v, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (!(v[i] >= 0 && v[i] < 1e30F))
                        return false;
        }
        return true;
}

bool sizer_recall(struct sizer *s, const struct sizer_memory *m)
{
        if (!sane(m->seen, ARRAY_LEN(m->seen)) || !sane(m->weight, ARRAY_LEN(m->weight)) ||
            !sane(m->alone.bins, ARRAY_LEN(m->alone.bins)) ||
            !sane(m->classes.bins, ARRAY_LEN(m->classes.bins)) ||
            !sane(m->lead.bins, ARRAY_LEN(m->lead.bins)))
                return false;
        s->forecast.alone = m->alone;
        s->forecast.classes = m->classes;
        memcpy(s->forecast.seen, m->seen, sizeof(m->seen));
        memcpy(s->forecast.weight, m->weight, sizeof(m->weight));
        s->lead = m->lead;
        s->lead.expected_ms = s->config.lead_ms;
        return true;
}

double sizer_rate(const struct sizer *s, utc_t now)
{
        return forecast_rate(&s->forecast, offset_of(s, now)) / 60 +
               s->size.classes.mean / (leadtime_s(&s->lead) + s->size.early_s);
}
