/* A plan's and a price file's JSON, as bytes: what is taken is a plan that can be run. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "ctl/plan_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct plan *p)
{
        for (uint32_t i = 0; i < p->n_types; i++) {
                assert(name_valid(p->types[i].name, CORE_TYPE_SIZE - 1));
                assert(plan_find_type(p, p->types[i].name) == i);
                assert(isfinite(p->types[i].vcpu) && p->types[i].pool >= 0);
        }
        for (uint32_t i = 0; i < p->n_classes; i++) {
                const struct plan_class *c = &p->classes[i];

                assert(c->type < p->n_types && c->roster >= 1 && c->roster <= p->students);
                assert(c->start_min < PLAN_DAY_MIN && c->attendance >= 0 && c->attendance <= 1);
        }
        for (const char *t = p->title; *t; t++)
                assert((unsigned char)*t >= ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct plan p;
        struct plan_error e = {""};
        struct price_list l;

        plan_init(&p);
        if (plan_read((const char *)data, size, &p, &e) != 0)
                assert(e.text[0]);
        else if (plan_check(&p, &e) == 0)
                check(&p);
        if (price_list_read((const char *)data, size, &l, &e) != 0)
                assert(e.text[0]);
        return 0;
}
