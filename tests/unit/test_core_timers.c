/* The heap of deadlines beside a plain search, over many random changes. */
#include "core/timers.h"
#include "test.h"

#define SLOTS 37

static uint64_t rng = 1;

static uint64_t draw(uint64_t n)
{
        rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
        return rng % n;
}

static void check(const struct timers *x, const mono_t *due)
{
        uint32_t first = 0, n = 0;

        for (uint32_t i = 0; i < SLOTS; i++) {
                CHECK(x->due[i].us == due[i].us);
                n += !mono_is_never(due[i]);
                if (mono_before(due[i], due[first]))
                        first = i;
        }
        CHECK_INT(x->n, n);
        CHECK(timers_next(x).us == due[first].us);
        if (n > 0)
                CHECK_INT(timers_first(x), first);
}

static void test_random(void)
{
        struct timers x;
        mono_t due[SLOTS];

        CHECK(timers_init(&x, SLOTS) == 0);
        for (uint32_t i = 0; i < SLOTS; i++)
                due[i] = MONO_NEVER;
        check(&x, due);
        for (int i = 0; i < 20000; i++) {
                uint32_t slot = (uint32_t)draw(SLOTS);

                /* Few different times, so that equal ones are common. */
                due[slot] = draw(3) == 0 ? MONO_NEVER : (mono_t){(int64_t)draw(40)};
                timers_set(&x, slot, due[slot]);
                check(&x, due);
        }
        timers_deinit(&x);
}

int main(void)
{
        RUN(test_random);
        return 0;
}
