#include "base/mono.h"

#include <assert.h>
#include <time.h>

static int64_t clock_us(clockid_t id)
{
        struct timespec ts;
        int r = clock_gettime(id, &ts);

        assert(r == 0);
        return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

mono_t mono_read(void)
{
        return (mono_t){clock_us(CLOCK_BOOTTIME)};
}

utc_t utc_read(void)
{
        return (utc_t){clock_us(CLOCK_REALTIME)};
}
