/* What a plan costs a month, by item. Pure. A month has 730 hours. */
#pragma once

#include "plan/plan.h"

#define BILL_MONTH_HOURS 730.0

enum bill_item {
#define ITEM(id, name, doc) ITEM_##id,
#include "plan/item.def"
#undef ITEM
        ITEM_MAX
};

struct prices {
#define PRICE(name, doc) double name;
#include "plan/price.def"
#undef PRICE
};

/* The address of a price by its key; NULL for another. */
double *price_find(struct prices *p, const char *name);
/* NULL behind the last. */
const char *price_name(size_t i);

struct bill {
        double items[ITEM_MAX]; /* dollars a month */
        double total;
        double per_student;
};

const char *bill_item_name(enum bill_item i); /* "work", "pool", … */
const char *bill_item_doc(enum bill_item i);

/* Dollars of one container of this type for an hour. */
double bill_hour(const struct plan_type *t, const struct prices *prices);
/* Set what budgets count: the `hour` of each type. Before plan_run of a plan with a budget. */
void bill_price(struct plan *p, const struct prices *prices);
void bill_make(const struct plan *p, const struct prices *prices, const struct plan_result *r,
               struct bill *ret_bill);
/* Every student's container runs day and night; nothing has to be saved. `r`: what is worked. */
void bill_always_on(const struct plan *p, const struct prices *prices, const struct plan_result *r,
                    struct bill *ret_bill);

/*
 * The arithmetic of the original design, to the cent: 100 students, 3 h on each of 30 days, 3 warm
 * containers, $0.04 an hour -> $3,050 against $539.10. No idle limit, no platform, no arrivals.
 */
struct original {
        double always_compute, always_storage, always_transfer, always;
        double pool, work, storage, snapshots, transfer, warm;
};
void bill_original(double students, double hours_per_day, double pool, double price_per_hour,
                   struct original *ret_bill);
/* What it projected for so many students; 0: it said nothing. */
double bill_original_projection(double students);
