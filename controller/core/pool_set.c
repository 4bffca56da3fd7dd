/*
 * A size of a pool that an operator has set, in place of what its policy says. Stored as setting
 * "size.TYPE" = "N who: reason".
 */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "core/internal.h"

#define PREFIX "size."

static void apply(struct core *c, struct pool *p, bool set, uint32_t size, const char *why)
{
        p->set = set;
        p->set_size = set ? size : 0;
        STR_CUT(p->set_why, set ? why : "");
        c->pool_dirty = true;
}

bool pool_set_boot(struct core *c, const struct setting_row *row)
{
        const char *space = strchr(row->value, ' ');
        size_t digits = space ? (size_t)(space - row->value) : strlen(row->value);
        char number[12];
        uint64_t size;
        uint32_t type;

        if (!str_starts(row->name, PREFIX))
                return false;
        type = type_find(c, row->name + sizeof(PREFIX) - 1);
        (void)snprintf(number, sizeof(number), "%.*s", (int)MIN(digits, sizeof(number) - 1),
                       row->value);
        if (c->booted || type >= c->config.n_types || !row->value[digits] ||
            num_parse_u64(number, 0, UINT32_MAX, &size) < 0)
                return false;
        apply(c, &c->pools[type], true, (uint32_t)MIN(size, c->config.tasks_max),
              row->value + digits + 1);
        return true;
}

void pool_set_request(struct core *c, const struct core_event *ev)
{
        const char *actor = ev->req_pool.actor[0] ? ev->req_pool.actor : "core";
        uint32_t type = type_find(c, ev->req_pool.type);
        char why[POOL_WHY_SIZE], detail[CORE_REASON_SIZE];
        struct setting_row *row;
        struct pool *p;

        if (!c->booted) {
                fx_reply(c, ev->req_pool.token, REPLY_DRAINING, "");
                return;
        }
        if (type >= c->config.n_types) {
                fx_reply(c, ev->req_pool.token, REPLY_BAD_TYPE, "");
                return;
        }
        p = &c->pools[type];
        if (!p->set && !ev->req_pool.set) {
                fx_reply(c, ev->req_pool.token, REPLY_OK, "");
                return;
        }
        (void)snprintf(why, sizeof(why), "%.40s: %.50s", actor, ev->req_pool.reason);
        apply(c, p, ev->req_pool.set, MIN(ev->req_pool.size, c->config.tasks_max), why);
        row = &fx_add(c, FX_PUT_SETTING)->setting_row;
        (void)snprintf(row->name, sizeof(row->name), PREFIX "%s", ev->req_pool.type);
        if (p->set)
                (void)snprintf(row->value, sizeof(row->value), "%u %s", p->set_size, p->set_why);
        if (p->set)
                (void)snprintf(detail, sizeof(detail), "%s: %u, %.100s", ev->req_pool.type,
                               p->set_size, ev->req_pool.reason);
        else
                (void)snprintf(detail, sizeof(detail), "%s: as its policy says again",
                               ev->req_pool.type);
        fx_audit(c, "", "", actor, "pool-size", detail);
        fx_reply(c, ev->req_pool.token, REPLY_OK, "");
}
