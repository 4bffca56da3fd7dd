#include "core/timers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int timers_init(struct timers *x, uint32_t n_slots)
{
        *x = (struct timers){
                .due = malloc(sizeof(*x->due) * n_slots),
                .heap = malloc(sizeof(*x->heap) * n_slots),
                .at = malloc(sizeof(*x->at) * n_slots),
        };
        if (!x->due || !x->heap || !x->at)
                return -ENOMEM;
        for (uint32_t i = 0; i < n_slots; i++)
                x->due[i] = MONO_NEVER;
        return 0;
}

void timers_deinit(struct timers *x)
{
        free(x->due);
        free(x->heap);
        free(x->at);
        *x = (struct timers){0};
}

static bool earlier(const struct timers *x, uint32_t a, uint32_t b)
{
        return x->due[a].us == x->due[b].us ? a < b : mono_before(x->due[a], x->due[b]);
}

static void put(struct timers *x, uint32_t place, uint32_t slot)
{
        x->heap[place] = slot;
        x->at[slot] = place;
}

static void up(struct timers *x, uint32_t place, uint32_t slot)
{
        while (place > 0 && earlier(x, slot, x->heap[(place - 1) / 2])) {
                put(x, place, x->heap[(place - 1) / 2]);
                place = (place - 1) / 2;
        }
        put(x, place, slot);
}

static void down(struct timers *x, uint32_t place, uint32_t slot)
{
        for (;;) {
                uint32_t child = 2 * place + 1;

                if (child >= x->n)
                        break;
                if (child + 1 < x->n && earlier(x, x->heap[child + 1], x->heap[child]))
                        child++;
                if (!earlier(x, x->heap[child], slot))
                        break;
                put(x, place, x->heap[child]);
                place = child;
        }
        put(x, place, slot);
}

static void take_out(struct timers *x, uint32_t slot)
{
        uint32_t place = x->at[slot];
        uint32_t last = x->heap[--x->n];

        x->due[slot] = MONO_NEVER;
        if (last == slot)
                return;
        if (place > 0 && earlier(x, last, x->heap[(place - 1) / 2]))
                up(x, place, last);
        else
                down(x, place, last);
}

void timers_set(struct timers *x, uint32_t slot, mono_t due)
{
        mono_t old = x->due[slot];

        if (old.us == due.us)
                return;
        if (mono_is_never(due)) {
                take_out(x, slot);
                return;
        }
        x->due[slot] = due;
        if (mono_is_never(old))
                up(x, x->n++, slot);
        else if (mono_before(due, old))
                up(x, x->at[slot], slot);
        else
                down(x, x->at[slot], slot);
}

uint32_t timers_first(const struct timers *x)
{
        assert(x->n > 0);
        return x->heap[0];
}

mono_t timers_next(const struct timers *x)
{
        return x->n ? x->due[x->heap[0]] : MONO_NEVER;
}
