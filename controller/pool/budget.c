#include "pool/budget.h"

#include <math.h>

void budget_init(struct budget *b, int64_t task_hour, int64_t day_max, int64_t month_max)
{
        *b = (struct budget){.task_hour = task_hour, .day_max = day_max, .month_max = month_max};
}

void budget_spend(struct budget *b, const struct zone *z, utc_t now, uint32_t tasks)
{
        int64_t now_s = now.us / US_PER_S;
        int32_t day = zone_day(z, now);
        int64_t dt = b->at_s == 0 ? 0 : now_s - b->at_s;
        double cost;

        if (day != b->day)
                b->day_spent = 0;
        if (day_month(day) != b->month)
                b->month_spent = 0;
        b->day = day;
        b->month = day_month(day);
        b->at_s = now_s;
        if (dt <= 0 || dt > BUDGET_LOOK_S)
                return;
        cost = (double)b->task_hour * tasks * (double)dt / 3600;
        b->day_spent += cost;
        b->month_spent += cost;
}

uint32_t budget_pool_max(const struct budget *b, uint32_t in_use)
{
        double left = INFINITY;
        double tasks;

        if (b->day_max > 0)
                left = (double)b->day_max - b->day_spent;
        if (b->month_max > 0)
                left = fmin(left, (double)b->month_max - b->month_spent);
        if (isinf(left) || b->task_hour <= 0)
                return UINT32_MAX;
        tasks = left / ((double)b->task_hour * BUDGET_LOOK_S / 3600) - in_use;
        return tasks <= 0 ? 0 : (uint32_t)fmin(tasks, UINT32_MAX - 1.0);
}
