/*
 * Which version of its image a type is launched from, and which warm tasks are of an earlier one.
 * A task is of an earlier one when its number is not above the highest at the time of the change;
 * that is stored as setting "version.TYPE" = "NUMBER VERSION". Replacement: sizing.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "core/internal.h"

#define PREFIX "version."

bool versions_boot(struct core *c, const struct setting_row *row)
{
        const char *space = strchr(row->value, ' ');
        char number[24];
        uint32_t type;
        uint64_t n;

        if (!str_starts(row->name, PREFIX) || !space || c->booted)
                return false;
        type = type_find(c, row->name + sizeof(PREFIX) - 1);
        (void)snprintf(number, sizeof(number), "%.*s",
                       (int)MIN(space - row->value, (ptrdiff_t)sizeof(number) - 1), row->value);
        if (type >= c->config.n_types || num_parse_u64(number, 0, UINT64_MAX, &n) < 0)
                return false;
        STR_CUT(c->pools[type].version, space + 1);
        c->pools[type].version_from = n;
        return true;
}

static void change(struct core *c, uint32_t type, const char *version)
{
        struct pool *p = &c->pools[type];
        struct setting_row *row;
        char text[CORE_REASON_SIZE];

        if (!version[0] || strcmp(p->version, version) == 0)
                return;
        if (p->version[0])
                (void)snprintf(text, sizeof(text), "%s: %s after %s; warm tasks are replaced",
                               c->config.types[type].name, version, p->version);
        else
                (void)snprintf(text, sizeof(text), "%s: %s", c->config.types[type].name, version);
        fx_audit(c, "", "", "core", "version", text);
        STR_CUT(p->version, version);
        p->version_from = c->task_number;
        row = &fx_add(c, FX_PUT_SETTING)->setting_row;
        (void)snprintf(row->name, sizeof(row->name), PREFIX "%s", c->config.types[type].name);
        (void)snprintf(row->value, sizeof(row->value), "%llu %s",
                       (unsigned long long)p->version_from, p->version);
        c->pool_dirty = true;
}

void versions_booted(struct core *c)
{
        for (uint32_t i = 0; i < c->config.n_types; i++)
                change(c, i, c->config.types[i].version);
}

void versions_set(struct core *c, const struct core_event *ev)
{
        uint32_t type = type_find(c, ev->version_set.type);

        if (!c->booted || type >= c->config.n_types)
                c->ignored++;
        else
                change(c, type, ev->version_set.version);
}

bool versions_outdated(const struct core *c, const struct task *t)
{
        const struct pool *p = &c->pools[t->type];

        return p->version_from > 0 && core_task_number(t->row.id) <= p->version_from;
}
