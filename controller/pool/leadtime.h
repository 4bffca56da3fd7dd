/*
 * How long a task of a type takes from launch to warm, learned from the launches seen. Pure.
 *
 * A histogram with bins 5 % apart; older launches fade by half every 200. What is asked for is a
 * high quantile: the pool has to last until nearly every launch has come. Until
 * LEADTIME_ENOUGH launches were seen, the configured time counts as well, where it is longer.
 * Plain data without pointers.
 */
#pragma once

#include <stdint.h>

#define LEADTIME_BINS 160 /* 0.5 s to 20 min */
#define LEADTIME_ENOUGH 5
#define LEADTIME_QUANTILE 0.99

struct leadtime {
        uint32_t expected_ms;
        uint32_t seen;
        double weight;
        double total;
        float bins[LEADTIME_BINS];
};

void leadtime_init(struct leadtime *l, uint32_t expected_ms);
void leadtime_seen(struct leadtime *l, int64_t ms);
/* The p99, rounded up to a bin's edge. */
uint32_t leadtime_ms(const struct leadtime *l);
uint32_t leadtime_s(const struct leadtime *l); /* rounded up, at least 1 */
