#include "plan/bill.h"

#include <stddef.h>
#include <string.h>

static const struct {
        const char *name;
        size_t offset;
} price_fields[] = {
#define PRICE(name, doc) {#name, offsetof(struct prices, name)},
#include "plan/price.def"
#undef PRICE
};

const char *price_name(size_t i)
{
        return i < ARRAY_LEN(price_fields) ? price_fields[i].name : NULL;
}

double *price_find(struct prices *p, const char *name)
{
        for (size_t i = 0; i < ARRAY_LEN(price_fields); i++) {
                if (strcmp(price_fields[i].name, name) == 0)
                        return (double *)(void *)((char *)p + price_fields[i].offset);
        }
        return NULL;
}

const char *bill_item_name(enum bill_item i)
{
        static const char *const names[] = {
#define ITEM(id, name, doc) [ITEM_##id] = name,
#include "plan/item.def"
#undef ITEM
        };
        return names[i];
}

const char *bill_item_doc(enum bill_item i)
{
        static const char *const docs[] = {
#define ITEM(id, name, doc) [ITEM_##id] = doc,
#include "plan/item.def"
#undef ITEM
        };
        return docs[i];
}

static double sized(const struct prices *c, double vcpu, double gb, bool arm)
{
        return arm ? vcpu * c->fargate_arm_vcpu_hour + gb * c->fargate_arm_gb_hour
                   : vcpu * c->fargate_x86_vcpu_hour + gb * c->fargate_x86_gb_hour;
}

double bill_hour(const struct plan_type *t, const struct prices *prices)
{
        double spot = 1 - t->spot_share * (1 - prices->fargate_spot_share);

        return (t->price_per_hour > 0 ? t->price_per_hour : sized(prices, t->vcpu, t->gb, t->arm)) *
               spot;
}

void bill_price(struct plan *p, const struct prices *prices)
{
        for (uint32_t i = 0; i < p->n_types; i++)
                p->types[i].hour = bill_hour(&p->types[i], prices);
}

static void add_up(const struct plan *p, struct bill *b)
{
        b->total = 0;
        for (size_t i = 0; i < ITEM_MAX; i++)
                b->total += b->items[i];
        b->per_student = b->total / p->students;
}

/* What does not depend on when containers run. */
static void standing(const struct plan *p, const struct prices *c, struct bill *b)
{
        double h = BILL_MONTH_HOURS;

        b->items[ITEM_EFS] =
                p->students * (p->efs_gb * c->efs_gb_month + p->efs_read_gb * c->efs_read_gb +
                               p->efs_write_gb * c->efs_write_gb);
        b->items[ITEM_TRANSFER] = p->students * p->transfer_gb * c->transfer_gb;
        b->items[ITEM_NAT] = p->nat_gateways * h * c->nat_hour + p->nat_gb * c->nat_gb;
        b->items[ITEM_ALB] = p->load_balancers * h * (c->alb_hour + c->alb_lcu_hour);
        b->items[ITEM_RDS] = p->rds_nodes * (h * c->rds_node_hour + p->rds_gb * c->rds_gb_month);
        b->items[ITEM_CACHE] = p->cache_nodes * h * c->cache_node_hour;
        b->items[ITEM_SERVICES] = p->services * h * sized(c, 0.25, 0.5, false);
        b->items[ITEM_ADDRESSES] = p->public_ips * h * c->public_ip_hour;
        b->items[ITEM_LOGS] = p->logs_gb * c->logs_gb + p->secrets * c->secret_month;
}

/* Of the planned days, how many make a month. */
static double months(const struct plan_result *r)
{
        return BILL_MONTH_HOURS / (24 * r->days);
}

void bill_make(const struct plan *p, const struct prices *prices, const struct plan_result *r,
               struct bill *ret_bill)
{
        struct bill b = {0};
        double worked = plan_seconds(r, USE_WORK) / 3600 * months(r);

        standing(p, prices, &b);
        for (uint32_t i = 0; i < p->n_types; i++) {
                const double *s = r->seconds[i];
                double second = bill_hour(&p->types[i], prices) / 3600 * months(r);

                b.items[ITEM_WORK] += s[USE_WORK] * second;
                b.items[ITEM_POOL] += (s[USE_LAUNCHING] + s[USE_WARM] + r->rounding_s[i]) * second;
                b.items[ITEM_AWAY] += (s[USE_AWAY] + s[USE_SAVING]) * second;
        }
        b.items[ITEM_S3] = p->students * p->s3_gb * prices->s3_gb_month +
                           worked * p->s3_puts_per_hour / 1000 * prices->s3_put_1000;
        add_up(p, &b);
        *ret_bill = b;
}

void bill_always_on(const struct plan *p, const struct prices *prices, const struct plan_result *r,
                    struct bill *ret_bill)
{
        struct bill b = {0};
        double all, worked = 0;

        standing(p, prices, &b);
        all = p->students * BILL_MONTH_HOURS * bill_hour(&p->types[0], prices);
        for (uint32_t i = 0; i < p->n_types; i++)
                worked += r->seconds[i][USE_WORK] / 3600 * months(r) *
                          bill_hour(&p->types[i], prices);
        b.items[ITEM_WORK] = MIN(worked, all);
        b.items[ITEM_AWAY] = all - b.items[ITEM_WORK];
        add_up(p, &b);
        *ret_bill = b;
}

void bill_original(double students, double hours_per_day, double pool, double price_per_hour,
                   struct original *ret_bill)
{
        struct original o = {
                .always_compute = students * BILL_MONTH_HOURS * price_per_hour,
                .always_storage = students * 0.30, /* a GB of EFS each */
                .always_transfer = students * 1.00,
                .pool = pool * BILL_MONTH_HOURS * price_per_hour,
                .work = students * hours_per_day * 30 * price_per_hour,
                .storage = students * 0.30,
                .snapshots = students * 0.115, /* 5 GB of S3 each */
                .transfer = students * 0.50,
        };

        o.always = o.always_compute + o.always_storage + o.always_transfer;
        o.warm = o.pool + o.work + o.storage + o.snapshots + o.transfer;
        *ret_bill = o;
}

double bill_original_projection(double students)
{
        static const double said[][2] = {{100, 539}, {500, 1800}, {1000, 3200}, {5000, 12000}};

        for (size_t i = 0; i < ARRAY_LEN(said); i++) {
                if (said[i][0] <= students && students <= said[i][0])
                        return said[i][1];
        }
        return 0;
}
