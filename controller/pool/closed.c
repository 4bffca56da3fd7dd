#include "pool/closed.h"

#include <math.h>
#include <stdbool.h>

#define SIZE_MAX_SEARCHED 1000000

/* ln P(X = k), Poisson. */
static double poisson_log(double load, uint32_t k)
{
        return load > 0 ? k * log(load) - load - lgamma(k + 1.0) : k == 0 ? 0 : -INFINITY;
}

double closed_poisson(double load, uint32_t k)
{
        double sum = 0;

        for (uint32_t i = 0; i <= k; i++)
                sum += exp(poisson_log(load, i));
        return fmin(sum, 1);
}

static double negative_binomial_log(double mean, double var, uint32_t k)
{
        double r = mean * mean / (var - mean);
        double q = 1 - mean / var;

        return lgamma(k + r) - lgamma(r) - lgamma(k + 1.0) + r * log1p(-q) + k * log(q);
}

double closed_negative_binomial(double mean, double var, uint32_t k)
{
        double sum = 0;

        if (mean <= 0 || var <= mean * (1 + 1e-9))
                return closed_poisson(mean, k);
        for (uint32_t i = 0; i <= k; i++)
                sum += exp(negative_binomial_log(mean, var, i));
        return fmin(sum, 1);
}

double closed_hit(double load, uint32_t size)
{
        return size == 0 ? 0 : closed_poisson(load, size - 1);
}

double closed_idle(double load, uint32_t size)
{
        double idle = 0;

        for (uint32_t k = 0; k < size; k++)
                idle += (size - k) * exp(poisson_log(load, k));
        return idle;
}

/* Integral over w of P(Poisson(load (1 - w)) >= S): Simpson's rule. */
double closed_wait(double load, uint32_t size)
{
        const int n = 2000;
        double sum = 0;

        for (int i = 0; i <= n; i++) {
                double p = 1 - closed_hit(load * (1 - (double)i / n), size);

                sum += p * (i == 0 || i == n ? 1 : i % 2 ? 4 : 2);
        }
        return sum / n / 3;
}

static uint32_t smallest(double mean, double var, double hit_rate)
{
        double sum = 0;
        bool poisson = mean <= 0 || var <= mean * (1 + 1e-9);
        uint32_t s = 0;

        while (sum < hit_rate && s < SIZE_MAX_SEARCHED) {
                sum += exp(poisson ? poisson_log(mean, s) : negative_binomial_log(mean, var, s));
                s++;
        }
        return s;
}

uint32_t closed_size(double load, double hit_rate)
{
        return smallest(load, load, hit_rate);
}

uint32_t closed_size_overdispersed(double mean, double var, double hit_rate)
{
        return smallest(mean, var, hit_rate);
}

double closed_erlang_b(double load, uint32_t size)
{
        double b = 1;

        for (uint32_t k = 1; k <= size; k++)
                b = load * b / (k + load * b);
        return b;
}
