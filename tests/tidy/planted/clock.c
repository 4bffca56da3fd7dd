/* plant: controller/core/c.c  expect: clock */
#include <time.h>
int f(struct timespec *t);
int f(struct timespec *t)
{
        return clock_gettime(CLOCK_REALTIME, t);
}
