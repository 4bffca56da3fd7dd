/* What a plan says, field by field; presets and checks. */
#include "plan/plan.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

static const struct field {
        const char *name;
        size_t offset;
        double otherwise, least, most;
        bool whole;
        const char *doc;
} fields[] = {
#define FIELD(name, otherwise, least, most, whole, doc)                                            \
        {#name, offsetof(struct plan, name), otherwise, least, most, whole, doc},
#include "plan/field.def"
#undef FIELD
};

static const char *const arrivals[] = {
        [ARRIVAL_UNIFORM] = "uniform", [ARRIVAL_POISSON] = "poisson", [ARRIVAL_CLASS] = "class"};
static const char *const weekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

const char *plan_arrival_name(enum plan_arrival a)
{
        return arrivals[a];
}

const char *plan_use_name(enum plan_use u)
{
        static const char *const names[] = {
#define USE(id, name, doc) [USE_##id] = name,
#include "plan/use.def"
#undef USE
        };
        return names[u];
}

const char *plan_field(size_t i, const char **ret_doc)
{
        if (i >= ARRAY_LEN(fields))
                return NULL;
        if (ret_doc)
                *ret_doc = fields[i].doc;
        return fields[i].name;
}

static double *member(struct plan *p, const struct field *f)
{
        return (double *)(void *)((char *)p + f->offset);
}

void plan_init(struct plan *p)
{
        memset(p, 0, sizeof(*p));
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
                *member(p, &fields[i]) = fields[i].otherwise;
        p->weekdays = PLAN_EVERY_DAY;
        STR_CUT(p->title, "plan");
}

static int wrong(struct plan_error *e, const char *field, const char *text)
{
        (void)snprintf(e->text, sizeof(e->text), "%.40s: %.190s", field, text);
        return -EINVAL;
}

int plan_set(struct plan *p, const char *name, double value, struct plan_error *ret_error)
{
        const struct field *f = NULL;
        char text[160];

        for (size_t i = 0; i < ARRAY_LEN(fields) && !f; i++) {
                if (strcmp(fields[i].name, name) == 0)
                        f = &fields[i];
        }
        if (!f)
                return -ENOENT;
        if (!isfinite(value) || value < f->least || value > f->most) {
                (void)snprintf(text, sizeof(text), "%g is out of range; give %g to %g (%s)", value,
                               f->least, f->most, f->doc);
                return wrong(ret_error, name, text);
        }
        if (f->whole && value != floor(value)) {
                (void)snprintf(text, sizeof(text), "%g is not a whole number; give %g or %g", value,
                               floor(value), ceil(value));
                return wrong(ret_error, name, text);
        }
        *member(p, f) = value;
        return 0;
}

/* Digits with at most one point: no sign, exponent, hex, infinity. */
static bool number_parse(const char *text, double *ret)
{
        double value = 0, unit = 1;
        bool point = false, digit = false;

        if (strlen(text) > 18)
                return false;
        for (; *text; text++) {
                if (*text == '.' && !point) {
                        point = true;
                        continue;
                }
                if (*text < '0' || *text > '9')
                        return false;
                digit = true;
                value = value * 10 + (*text - '0');
                if (point)
                        unit *= 10;
        }
        *ret = value / unit;
        return digit;
}

static bool arrival_parse(const char *text, enum plan_arrival *ret)
{
        for (size_t i = 0; i < ARRAY_LEN(arrivals); i++) {
                if (strcmp(arrivals[i], text) == 0) {
                        *ret = (enum plan_arrival)i;
                        return true;
                }
        }
        return false;
}

/* Bytes of a UTF-8 character that may be shown; 0: none begins here. */
static size_t character(const char *text)
{
        const unsigned char *t = (const unsigned char *)text;
        size_t n = t[0] < 0x80 ? 1 : t[0] < 0xc2 ? 0 : t[0] < 0xe0 ? 2 : t[0] < 0xf0 ? 3 : 0;

        if (n == 1 && (t[0] < ' ' || t[0] == 0x7f))
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((t[i] & 0xc0) != 0x80)
                        return 0;
        }
        if (n == 2 && t[0] == 0xc2 && t[1] < 0xa0)
                return 0; /* C1 controls */
        if (n == 3 && ((t[0] == 0xe0 && t[1] < 0xa0) || (t[0] == 0xed && t[1] >= 0xa0)))
                return 0; /* too long, or a surrogate */
        if (n == 3 && t[0] == 0xef && t[1] == 0xbf && t[2] >= 0xbe)
                return 0; /* no character in XML */
        return n;
}

/* A title goes to terminals and into pictures: what is no character becomes '?'. */
static void set_title(struct plan *p, const char *text)
{
        size_t len = 0;

        while (*text && len + 4 < sizeof(p->title)) {
                size_t n = character(text);

                if (n == 0) {
                        p->title[len++] = '?';
                        text++;
                        continue;
                }
                memcpy(p->title + len, text, n);
                len += n;
                text += n;
        }
        p->title[len] = 0;
}

int plan_set_text(struct plan *p, const char *name, const char *text, struct plan_error *ret_error)
{
        char why[160];
        double value;
        bool known = false;

        if (strcmp(name, "title") == 0) {
                set_title(p, text);
                return 0;
        }
        if (strcmp(name, "arrival") == 0)
                return arrival_parse(text, &p->arrival)
                               ? 0
                               : wrong(ret_error, name,
                                       "no such shape; give uniform, poisson or class");
        if (strcmp(name, "weekdays") == 0)
                return plan_weekdays_parse(text, &p->weekdays)
                               ? 0
                               : wrong(ret_error, name,
                                       "not weekdays; give all, mon-fri or mon,wed,fri");
        if (strcmp(name, "arch") == 0) {
                if (strcmp(text, "x86") != 0 && strcmp(text, "arm") != 0)
                        return wrong(ret_error, name, "no such architecture; give x86 or arm");
                p->arm = strcmp(text, "arm") == 0;
                return 0;
        }
        if (strcmp(name, "policy") == 0) {
                if (strcmp(text, "fixed") != 0 && strcmp(text, "forecast") != 0)
                        return wrong(ret_error, name, "no such policy; give fixed or forecast");
                p->forecast = strcmp(text, "forecast") == 0;
                return 0;
        }
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
                known |= strcmp(fields[i].name, name) == 0;
        if (!known)
                return -ENOENT;
        if (!number_parse(text, &value)) {
                (void)snprintf(why, sizeof(why),
                               "\"%.40s\" is not a number; give one like 30 or 0.5", text);
                return wrong(ret_error, name, why);
        }
        return plan_set(p, name, value, ret_error);
}

static bool weekday_at(const char *text, size_t *ret_day)
{
        for (size_t i = 0; i < ARRAY_LEN(weekdays); i++) {
                if (strncmp(text, weekdays[i], 3) == 0) {
                        *ret_day = i;
                        return true;
                }
        }
        return false;
}

bool plan_weekdays_parse(const char *text, uint8_t *ret_days)
{
        uint8_t days = 0;
        size_t from, to;

        if (strcmp(text, "all") == 0) {
                *ret_days = PLAN_EVERY_DAY;
                return true;
        }
        for (;;) {
                if (!weekday_at(text, &from))
                        return false;
                to = from;
                text += 3;
                if (*text == '-') {
                        if (!weekday_at(text + 1, &to) || to < from)
                                return false;
                        text += 4;
                }
                for (size_t d = from; d <= to; d++)
                        days = (uint8_t)(days | 1u << d);
                if (*text != ',')
                        break;
                text++;
        }
        if (*text)
                return false;
        *ret_days = days;
        return true;
}

bool plan_clock_parse(const char *text, uint32_t *ret_min)
{
        const char *t = text;

        if (strlen(t) != 5 || t[2] != ':')
                return false;
        for (int i = 0; i < 5; i++) {
                if (i != 2 && (t[i] < '0' || t[i] > '9'))
                        return false;
        }
        if ((t[0] - '0') * 10 + (t[1] - '0') > 23 || t[3] > '5')
                return false;
        *ret_min =
                (uint32_t)((t[0] - '0') * 600 + (t[1] - '0') * 60 + (t[3] - '0') * 10 + t[4] - '0');
        return true;
}

struct plan_type *plan_add_type(struct plan *p, const char *name)
{
        struct plan_type *t;

        if (p->n_types == CORE_TYPES_MAX)
                return NULL;
        t = &p->types[p->n_types++];
        *t = (struct plan_type){.vcpu = p->vcpu,
                                .gb = p->gb,
                                .spot_share = p->spot_share,
                                .price_per_hour = p->price_per_hour,
                                .arm = p->arm,
                                .pool = p->pool};
        STR_CUT(t->name, name);
        return t;
}

uint32_t plan_find_type(const struct plan *p, const char *name)
{
        uint32_t i = 0;

        while (i < p->n_types && strcmp(p->types[i].name, name) != 0)
                i++;
        return i;
}

int plan_check(struct plan *p, struct plan_error *ret_error)
{
        double sessions = 0;

        if (p->from_hour >= p->to_hour)
                return wrong(ret_error, "to_hour",
                             "not after from_hour; give a later hour, up to 24");
        if (p->pool_from_hour > p->pool_to_hour)
                return wrong(ret_error, "pool_to_hour",
                             "before pool_from_hour; give a later hour, up to 24");
        if (p->n_types == 0)
                (void)plan_add_type(p, "workspace");
        for (uint32_t i = 0; p->forecast && i < p->n_types; i++) {
                if (MAX(p->types[i].pool, p->pool_quiet) > p->ceiling)
                        return wrong(ret_error, "ceiling",
                                     "below pool or pool_quiet; give at least as many");
        }
        for (uint32_t i = 0; i < p->n_classes; i++) {
                if (p->classes[i].roster > p->students)
                        return wrong(ret_error, "students",
                                     "fewer than the roster of a class; give at least as many");
                sessions += p->classes[i].roster * p->days;
        }
        sessions += p->students * p->sessions_per_day * p->days;
        if (sessions > PLAN_SESSIONS_MAX)
                return wrong(ret_error, "days",
                             "more than 10 million sessions in all; plan fewer days or students");
        if (p->students * p->n_types > 1000000)
                return wrong(ret_error, "types",
                             "more than a million workspaces; give fewer types or students");
        return 0;
}

bool plan_preset(struct plan *p, const char *name)
{
        static const struct {
                const char *field;
                double original, honest;
        } values[] = {
                {"students", 100, 100},
                {"hours_per_day", 3, 3},
                {"sessions_per_day", 1, 1},
                {"days", 30, 30},
                {"pool", 3, 3},
                {"price_per_hour", 0.04, 0},
                {"vcpu", 0.5, 0.5},
                {"gb", 1, 1},
                {"nat_gateways", 0, 2},
                {"nat_gb", 0, 100},
                {"load_balancers", 0, 1},
                {"rds_nodes", 0, 2},
                {"cache_nodes", 0, 2},
                {"services", 0, 4},
                {"public_ips", 0, 4},
                {"logs_gb", 0, 20},
                {"secrets", 0, 4},
                {"efs_read_gb", 0, 4},
                {"efs_write_gb", 0, 5},
                {"s3_gb", 5, 1},
                {"s3_puts_per_hour", 0, 60},
                {"compare_pool", 3, 20},
        };
        bool original = strcmp(name, "original") == 0;
        struct plan_error e;

        if (!original && strcmp(name, "honest") != 0)
                return false;
        plan_init(p);
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
                if (plan_set(p, values[i].field, original ? values[i].original : values[i].honest,
                             &e) < 0)
                        return false;
        }
        STR_CUT(p->title, original ? "the original design's figures, run"
                                   : "100 students, real task sizes, with the platform");
        return true;
}
