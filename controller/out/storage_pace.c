#include "out/storage_pace.h"

#include <errno.h>
#include <time.h>

#include "base/macro.h"

#define BURST_US 100000

void storage_pace_init(struct storage_pace *p, uint64_t rate)
{
        *p = (struct storage_pace){.rate = rate, .next = mono_read()};
        pthread_mutex_init(&p->lock, NULL);
}

void storage_pace_take(struct storage_pace *p, size_t n)
{
        struct timespec left;
        mono_t now, mine;

        if (p->rate == 0)
                return;
        pthread_mutex_lock(&p->lock);
        now = mono_read();
        mine = p->next;
        if (mine.us < now.us - BURST_US)
                mine.us = now.us - BURST_US;
        p->next.us = mine.us + (int64_t)((double)n * 1e6 / (double)p->rate);
        pthread_mutex_unlock(&p->lock);
        if (mine.us <= now.us)
                return;
        left = (struct timespec){.tv_sec = (mine.us - now.us) / US_PER_S,
                                 .tv_nsec = (mine.us - now.us) % US_PER_S * 1000};
        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}
