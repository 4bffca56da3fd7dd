/*
 * A limit of bytes a second for all connections together, in turn: who asks for a piece waits until
 * the pieces of those who asked before have had their time. Blocking; many threads.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mono.h"

#define STORAGE_PACE_PIECE (16u << 10) /* ask for so many at a time, so that turns are short */

struct storage_pace {
        uint64_t rate; /* bytes a second; 0: no limit */
        pthread_mutex_t lock;
        mono_t next; /* when the next piece may go */
};

void storage_pace_init(struct storage_pace *p, uint64_t rate);
/* Waits for `n` bytes. What is not used within a tenth of a second is lost. */
void storage_pace_take(struct storage_pace *p, size_t n);
