#include "plan_read.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "doc.h"

static int wrong(struct plan_error *e, const char *field, const char *text)
{
        (void)snprintf(e->text, sizeof(e->text), "%.60s: %.170s", field, text);
        return -EINVAL;
}

/* "classes[2]: " in front of what a field of it said. */
static int within(struct plan_error *e, const char *list, size_t i)
{
        char text[PLAN_ERROR_SIZE];

        STR_CUT(text, e->text);
        (void)snprintf(e->text, sizeof(e->text), "%s[%zu].%.200s", list, i, text);
        return -EINVAL;
}

static int set(struct plan *p, const struct doc *d, struct plan_error *e)
{
        const char *key = doc_key(d);
        int r = -EINVAL;

        if (doc_kind(d) == DOC_NUMBER)
                r = plan_set(p, key, doc_value(d), e);
        else if (doc_kind(d) == DOC_TEXT)
                r = plan_set_text(p, key, doc_text(d), e);
        else
                return wrong(e, key, "neither a number nor a text; see wsctl plan --help");
        return r == -ENOENT ? wrong(e, key, "no such field; wsctl plan --help lists them") : r;
}

/* ---- types ---- */

/* The fields of a type are the plan's own of these names, for this type only. */
static int read_type(struct plan *p, const struct doc *d, struct plan_error *e)
{
        static const char *const keys[] = {"vcpu",           "gb",   "spot_share",
                                           "price_per_hour", "pool", "arch"};
        const char *name = doc_str(d, "name");
        struct plan own = *p;
        struct plan_type *t;

        if (!name_valid(name, CORE_TYPE_SIZE - 1))
                return wrong(e, "name", "not a name; give 1 to 32 of A-Z a-z 0-9 . _ -");
        if (plan_find_type(p, name) < p->n_types)
                return wrong(e, "name", "there is a type of this name already; give another");
        for (const struct doc *at = doc_next(d, NULL); at; at = doc_next(d, at)) {
                bool known = strcmp(doc_key(at), "name") == 0;
                int r = 0;

                for (size_t i = 0; i < ARRAY_LEN(keys) && !known; i++) {
                        if (strcmp(keys[i], doc_key(at)) != 0)
                                continue;
                        known = true;
                        r = set(&own, at, e);
                }
                if (!known)
                        return wrong(e, doc_key(at),
                                     "no such field of a type; give name, vcpu, gb, arch, "
                                     "spot_share, price_per_hour or pool");
                if (r < 0)
                        return r;
        }
        t = plan_add_type(&own, name);
        if (!t)
                return wrong(e, "name", "more types than there may be (16); give fewer");
        p->types[p->n_types++] = *t;
        return 0;
}

/* ---- classes ---- */

static int class_number(const struct doc *d, const char *key, double otherwise, double least,
                        double most, double *ret, struct plan_error *e)
{
        const struct doc *at = doc_get(d, key);
        char text[120];

        *ret = at ? doc_value(at) : otherwise;
        if (doc_kind(at) != DOC_NUMBER && (at || otherwise < least))
                return wrong(e, key, "not given as a number; give one");
        if (*ret >= least && *ret <= most)
                return 0;
        (void)snprintf(text, sizeof(text), "%g is out of range; give %g to %g", *ret, least, most);
        return wrong(e, key, text);
}

static int read_class(struct plan *p, const struct doc *d, struct plan_error *e)
{
        static const char *const keys[] = {"course", "type",    "roster", "attendance",
                                           "start",  "minutes", "days"};
        struct plan_class c = {.days = PLAN_EVERY_DAY};
        const char *type = doc_str(d, "type");
        double roster;

        for (const struct doc *at = doc_next(d, NULL); at; at = doc_next(d, at)) {
                bool known = false;

                for (size_t i = 0; i < ARRAY_LEN(keys); i++)
                        known |= strcmp(keys[i], doc_key(at)) == 0;
                if (!known)
                        return wrong(e, doc_key(at),
                                     "no such field of a class; give course, type, roster, "
                                     "attendance, start, minutes or days");
        }
        if (class_number(d, "roster", -1, 1, 200000, &roster, e) < 0 ||
            class_number(d, "attendance", 1, 0, 1, &c.attendance, e) < 0 ||
            class_number(d, "minutes", 90, 1, 1440, &c.minutes, e) < 0)
                return -EINVAL;
        c.roster = (uint32_t)roster;
        if (!plan_clock_parse(doc_str(d, "start"), &c.start_min))
                return wrong(e, "start", "not a time of day; give one like \"10:00\"");
        if (doc_get(d, "days") && !plan_weekdays_parse(doc_str(d, "days"), &c.days))
                return wrong(e, "days", "not weekdays; give all, mon-fri or mon,wed,fri");
        if (!name_valid(doc_str(d, "course"), CORE_NAME_SIZE - 1))
                return wrong(e, "course", "not a name; give 1 to 64 of A-Z a-z 0-9 . _ -");
        STR_CUT(c.course, doc_str(d, "course"));
        c.type = plan_find_type(p, type);
        if (doc_get(d, "type") && c.type >= p->n_types)
                return wrong(e, "type", "no such type; give the name of one under \"types\"");
        if (!doc_get(d, "type"))
                c.type = 0;
        p->classes[p->n_classes++] = c;
        return 0;
}

static int read_list(struct plan *p, const struct doc *root, const char *key, size_t max,
                     int (*fn)(struct plan *, const struct doc *, struct plan_error *),
                     struct plan_error *e)
{
        const struct doc *list = doc_get(root, key);
        size_t i = 0;

        if (!list)
                return 0;
        if (doc_kind(list) != DOC_LIST)
                return wrong(e, key, "not a list; give [ {…}, {…} ]");
        for (const struct doc *d = doc_next(list, NULL); d; d = doc_next(list, d), i++) {
                if (i == max)
                        return wrong(e, key, "more than there may be; give fewer");
                if (doc_kind(d) != DOC_OBJECT) {
                        (void)wrong(e, key, "not an object; give {…}");
                        return -EINVAL;
                }
                if (fn(p, d, e) < 0)
                        return within(e, key, i);
        }
        return 0;
}

/* Classes alone: nobody comes outside of them, and there are as many students as they have. */
static void complete(struct plan *p, const struct doc *root)
{
        double students = 0;

        if (p->n_classes == 0)
                return;
        if (!doc_get(root, "sessions_per_day"))
                p->sessions_per_day = 0;
        if (doc_get(root, "students"))
                return;
        for (uint32_t i = 0; i < p->n_classes; i++) {
                bool seen = false;

                for (uint32_t k = 0; k < i; k++)
                        seen |= strcmp(p->classes[k].course, p->classes[i].course) == 0;
                students += seen ? 0 : p->classes[i].roster;
                students = MAX(students, p->classes[i].roster);
        }
        p->students = MIN(students, 200000);
}

int plan_read(const char *text, size_t len, struct plan *p, struct plan_error *ret_error)
{
        AUTO_DOC *root = doc_parse(text, len);
        int r = 0;

        if (doc_kind(root) != DOC_OBJECT)
                return wrong(ret_error, "plan", "not a JSON object; give {\"students\": 100, …}");
        for (const struct doc *d = doc_next(root, NULL); d && r == 0; d = doc_next(root, d)) {
                if (strcmp(doc_key(d), "types") != 0 && strcmp(doc_key(d), "classes") != 0)
                        r = set(p, d, ret_error);
        }
        if (r == 0 && doc_get(root, "types"))
                p->n_types = 0;
        if (r == 0)
                r = read_list(p, root, "types", CORE_TYPES_MAX, read_type, ret_error);
        if (r == 0 && doc_get(root, "classes"))
                p->n_classes = 0;
        if (r == 0)
                r = read_list(p, root, "classes", PLAN_CLASSES_MAX, read_class, ret_error);
        if (r == 0)
                complete(p, root);
        return r;
}

int price_list_read(const char *text, size_t len, struct price_list *ret_list,
                    struct plan_error *ret_error)
{
        AUTO_DOC *root = doc_parse(text, len);
        const struct doc *prices = doc_get(root, "prices");
        struct price_list l = {0};
        const char *name;

        if (doc_kind(prices) != DOC_OBJECT)
                return wrong(ret_error, "prices",
                             "not there; begin with what wsctl plan --print-prices prints");
        for (size_t i = 0; (name = price_name(i)); i++) {
                const struct doc *d = doc_get(prices, name);
                double usd = doc_kind(d) == DOC_OBJECT ? doc_num(d, "usd", -1)
                                                       : doc_num(prices, name, -1);

                if (!isfinite(usd) || usd < 0 || usd > 1e6)
                        return wrong(ret_error, name,
                                     "no price; give {\"usd\": …}, dollars from 0 to 1,000,000");
                *price_find(&l.prices, name) = usd;
        }
        STR_CUT(l.region, doc_str(root, "region"));
        STR_CUT(l.date, doc_str(root, "date"));
        *ret_list = l;
        return 0;
}
