#include "pool/schedule.h"

#define DAY_S 86400
#define LOOK_DAYS 400

void schedule_init(struct schedule *s)
{
        *s = (struct schedule){
                .from_min = 9 * 60, .to_min = 21 * 60, .weekdays = SCHEDULE_EVERY_DAY};
}

int32_t zone_offset(const struct zone *z, utc_t at)
{
        uint32_t i = z->n;

        while (i > 1 && z->steps[i - 1].from.us > at.us)
                i--;
        return z->n == 0 ? 0 : z->steps[i - 1].offset_s;
}

static int64_t floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b < 0 ? 1 : 0);
}

int32_t zone_day(const struct zone *z, utc_t at)
{
        return (int32_t)floor_div(floor_div(at.us, US_PER_S) + zone_offset(z, at), DAY_S);
}

/* The moment at which a local clock shows that minute; where it is skipped, the moment after. */
static utc_t moment(const struct zone *z, int32_t day, int minute)
{
        int64_t local_s = (int64_t)day * DAY_S + minute * 60;
        utc_t guess = {(local_s - zone_offset(z, (utc_t){local_s * US_PER_S})) * US_PER_S};

        return (utc_t){(local_s - zone_offset(z, guess)) * US_PER_S};
}

utc_t zone_midnight(const struct zone *z, int32_t day)
{
        return moment(z, day, 0);
}

/* Howard Hinnant's civil_from_days: years begin in March. */
int32_t day_month(int32_t day)
{
        int64_t z = (int64_t)day + 719468;
        int64_t era = floor_div(z, 146097);
        int64_t doe = z - era * 146097;
        int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        int64_t mp = (5 * doy + 2) / 153;
        int64_t month = mp < 10 ? mp + 2 : mp - 10; /* 0 is January */
        int64_t year = yoe + era * 400 + (month < 2 ? 1 : 0);

        return (int32_t)((year - 1970) * 12 + month);
}

int day_weekday(int32_t day)
{
        return (int)(((int64_t)day + 3) - floor_div((int64_t)day + 3, 7) * 7);
}

static bool day_works(const struct schedule *s, int32_t day)
{
        if (s->from_min >= s->to_min || !(s->weekdays >> day_weekday(day) & 1))
                return false;
        for (uint32_t i = 0; i < s->n_holidays; i++) {
                if (s->holidays[i] == day)
                        return false;
        }
        return true;
}

bool schedule_peak(const struct schedule *s, utc_t at)
{
        int32_t day = zone_day(&s->zone, at);

        return day_works(s, day) && at.us >= moment(&s->zone, day, s->from_min).us &&
               at.us < moment(&s->zone, day, s->to_min).us;
}

utc_t schedule_next(const struct schedule *s, utc_t at)
{
        int32_t today = zone_day(&s->zone, at);

        for (int32_t day = today; day < today + LOOK_DAYS; day++) {
                utc_t from = moment(&s->zone, day, s->from_min);
                utc_t to = moment(&s->zone, day, s->to_min);

                if (!day_works(s, day))
                        continue;
                if (from.us > at.us)
                        return from;
                if (to.us > at.us)
                        return to;
        }
        return (utc_t){INT64_MAX};
}
