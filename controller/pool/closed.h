/*
 * Closed formulas for a pool under constant demand: what simulations and plans are checked against.
 * Pure.
 *
 * Base stock S, Poisson arrivals, `load` = arrival rate x mean lead time. Every arrival orders its
 * own replacement, so orders under way are Poisson(load) for any law of the lead time (M/G/inf).
 */
#pragma once

#include <stdint.h>

/* P(X <= k), X Poisson. */
double closed_poisson(double load, uint32_t k);
/* P(X <= k), X negative binomial with that mean and variance (Poisson when var <= mean). */
double closed_negative_binomial(double mean, double var, uint32_t k);
/* Share of arrivals that find a warm task: P(X <= S - 1). */
double closed_hit(double load, uint32_t size);
/* Warm tasks that wait, on average. */
double closed_idle(double load, uint32_t size);
/* Mean wait of an arrival over the lead time L (fixed): the share of L. */
double closed_wait(double load, uint32_t size);
/* The smallest size with that hit rate. */
uint32_t closed_size(double load, double hit_rate);
/* The smallest size with P(X <= S - 1) >= hit_rate, X negative binomial. */
uint32_t closed_size_overdispersed(double mean, double var, double hit_rate);
/* Where people who find none start their own task: the share of them (Erlang B). */
double closed_erlang_b(double load, uint32_t size);
