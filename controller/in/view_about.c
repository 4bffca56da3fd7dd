#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "in/about.h"
#include "in/view_print.h"

#define VALUE_SIZE 1100
#define HIDDEN "***"

/* "scheme://user:password@host/path?query": the password and the query; with `all` the path too. */
static void mask_address(const char *value, bool all, char *dst, size_t size)
{
        const char *host = strstr(value, "://") + 3;
        size_t len = strcspn(host, "/?#");
        const char *at = memrchr(host, '@', len);
        const char *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
        const char *rest = host + len;
        size_t path = all ? 0 : strcspn(rest, "?");
        const char *behind = rest[path] ? (all ? "/" HIDDEN : "?" HIDDEN) : "";

        if (colon)
                (void)snprintf(dst, size, "%.*s:" HIDDEN "%.*s%.*s%s", (int)(colon - value), value,
                               (int)(rest - at), at, (int)path, rest, behind);
        else
                (void)snprintf(dst, size, "%.*s%.*s%s", (int)(rest - value), value, (int)path, rest,
                               behind);
}

/*
 * A copy of `value` without what is a secret in it: the password of an address, its query, and for
 * `webhook` all behind the host, where such services put their keys. Cut at `size`.
 */
static void mask(const char *name, const char *value, char *dst, size_t size)
{
        if (strstr(value, "://"))
                mask_address(value, strcmp(name, "webhook") == 0, dst, size);
        else
                str_copy_cut(dst, size, value);
}

int view_config(const struct about *a, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(o, "options");
        struct about_option option;
        char value[VALUE_SIZE];

        for (size_t i = 0; a && a->option && a->option(a->ctx, i, &option); i++) {
                cJSON *one = cJSON_CreateObject();

                mask(option.name, option.value, value, sizeof(value));
                cJSON_AddStringToObject(one, "type", option.type);
                cJSON_AddStringToObject(one, "name", option.name);
                cJSON_AddStringToObject(one, "value", value);
                cJSON_AddStringToObject(one, "source", option.source);
                cJSON_AddItemToArray(list, one);
        }
        return view_print(o, out);
}

static const char *state_of(const struct about_kpi *k)
{
        if (isnan(k->value) || isnan(k->target))
                return "unknown";
        return (k->at_least ? k->value >= k->target : k->value <= k->target) ? "met" : "missed";
}

static void add_known(cJSON *o, const char *key, double value)
{
        if (isnan(value))
                cJSON_AddNullToObject(o, key);
        else
                cJSON_AddNumberToObject(o, key, value);
}

int view_kpi(const struct about *a, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(o, "kpis");
        struct about_kpi kpi;

        for (size_t i = 0; a && a->kpi && a->kpi(a->ctx, i, &kpi); i++) {
                cJSON *one = cJSON_CreateObject();

                cJSON_AddStringToObject(one, "name", kpi.name);
                cJSON_AddStringToObject(one, "meaning", kpi.meaning);
                cJSON_AddStringToObject(one, "unit", kpi.unit);
                add_known(one, "value", kpi.value);
                add_known(one, "target", kpi.target);
                cJSON_AddBoolToObject(one, "at_least", kpi.at_least);
                cJSON_AddStringToObject(one, "state", state_of(&kpi));
                cJSON_AddItemToArray(list, one);
        }
        return view_print(o, out);
}
