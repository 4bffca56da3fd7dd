/*
 * The clairvoyant bound: who knows everything launches each container one lead time before its
 * person and ends it as the person goes; between two sessions it stays only where that is cheaper.
 * Nobody waits, nothing idles. No policy can cost less for the same people.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/mono.h"
#include "plan/plan.h"

/* Seconds of [from, to) within the planned days, also into the minutes of the day. */
static double spend(struct plan_result *r, enum plan_use use, double from, double to)
{
        double end = r->days * 86400, all;

        from = MAX(from, 0);
        to = MIN(to, end);
        all = to > from ? to - from : 0;
        while (from < to) {
                size_t minute = (size_t)(from / 60);
                double next = MIN(to, (double)(minute + 1) * 60);

                r->minutes[minute % PLAN_DAY_MIN].mean[use] += (next - from) / 60 / r->days;
                from = next;
        }
        return all;
}

int plan_bound(const struct plan *p, const struct plan_sessions *s, struct plan_result **ret_result)
{
        size_t n = MAX(s->students, 1u) * (size_t)p->n_types;
        double *until = malloc(n * sizeof(*until));
        struct plan_result *r = calloc(1, sizeof(*r));

        if (!until || !r) {
                free(until);
                free(r);
                return -ENOMEM;
        }
        r->days = p->days;
        for (size_t i = 0; i < n; i++)
                until[i] = -1e18;
        for (size_t i = 0; i < s->n; i++) {
                const struct plan_session *x = &s->v[i];
                double *busy = &until[x->student * (size_t)p->n_types + x->type];
                double from = (double)x->start_us / 1e6, to = from + (double)x->stay_us / 1e6;
                double *seconds = r->seconds[x->type];

                r->launches++;
                r->hits++;
                if (from - *busy <= p->lead_time_s + p->save_s) {
                        seconds[USE_AWAY] += spend(r, USE_AWAY, *busy, from);
                } else {
                        r->tasks++;
                        seconds[USE_LAUNCHING] +=
                                spend(r, USE_LAUNCHING, from - p->lead_time_s, from);
                        seconds[USE_SAVING] += p->save_s;
                }
                seconds[USE_WORK] += spend(r, USE_WORK, MAX(from, *busy), to);
                *busy = MAX(*busy, to);
        }
        free(until);
        *ret_result = r;
        return 0;
}
