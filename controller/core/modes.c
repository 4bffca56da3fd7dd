/* What operators have set and a restart must not forget: pause, maintenance, drain. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

/* The stored value: how, and "who: reason". */
#define HARD "hard "
#define SOFT "soft "
#define WORD_LEN (sizeof(HARD) - 1)

static struct mode *slot_of(struct core *c, enum core_mode mode, uint32_t type, bool every)
{
        return every ? &c->modes[mode] : &c->pools[type].modes[mode];
}

const struct mode *modes_get(const struct core *c, enum core_mode mode, uint32_t type)
{
        const struct mode *every = &c->modes[mode];
        const struct mode *one = &c->pools[MIN(type, c->config.n_types)].modes[mode];

        if (every->on && (every->hard || !one->on))
                return every;
        return one->on ? one : NULL;
}

bool modes_hard_drain(const struct core *c, uint32_t type)
{
        const struct mode *drain = modes_get(c, MODE_DRAIN, type);

        return drain && drain->hard;
}

bool core_mode_on(const struct core *c, enum core_mode mode, const char *type, bool *ret_hard,
                  const char **ret_why)
{
        const struct mode *m =
                type[0] ? &c->pools[type_find(c, type)].modes[mode] : &c->modes[mode];

        *ret_hard = m->hard;
        *ret_why = m->why;
        return m->on;
}

static void switch_on(struct mode *m, enum core_mode mode, bool hard, const char *why)
{
        m->on = true;
        m->hard = hard;
        STR_CUT(m->why, why);
        (void)snprintf(m->wait, sizeof(m->wait), "%s, %s", core_mode_name(mode), m->why);
}

/* "drain.vscode" */
static void name_of(enum core_mode mode, const char *type, char *dst, size_t size)
{
        (void)snprintf(dst, size, "%s%s%s", core_mode_name(mode), *type ? "." : "", type);
}

void modes_boot(struct core *c, const struct core_event *ev)
{
        const struct setting_row *row = &ev->setting_row;
        char name[CORE_NAME_SIZE];
        bool hard = str_starts(row->value, HARD);

        if (learned_boot(c, row) || classes_boot(c, row) || document_boot(c, row) ||
            pool_set_boot(c, row) || adaptive_boot(c, row) || versions_boot(c, row) ||
            pace_boot(c, row) || alarms_boot(c, row))
                return;
        if (c->booted || !(hard || str_starts(row->value, SOFT))) {
                c->ignored++;
                return;
        }
        for (unsigned mode = 0; mode < MODE_MAX; mode++) {
                for (uint32_t type = 0; type <= c->config.n_types; type++) {
                        bool every = type == c->config.n_types;

                        name_of((enum core_mode)mode, every ? "" : c->config.types[type].name, name,
                                sizeof(name));
                        if (strcmp(name, row->name) != 0)
                                continue;
                        switch_on(slot_of(c, (enum core_mode)mode, type, every),
                                  (enum core_mode)mode, hard, row->value + WORD_LEN);
                        return;
                }
        }
        /* Of a type that is not configured any more. */
        c->ignored++;
}

static void put_setting(struct core *c, const struct core_event *ev, const struct mode *m)
{
        struct setting_row *row = &fx_add(c, FX_PUT_SETTING)->setting_row;

        name_of(ev->req_mode.mode, ev->req_mode.type, row->name, sizeof(row->name));
        if (m->on)
                (void)snprintf(row->value, sizeof(row->value), "%s%.*s", m->hard ? HARD : SOFT,
                               (int)(sizeof(row->value) - sizeof(HARD)), m->why);
}

static void audit_mode(struct core *c, const struct core_event *ev)
{
        const char *type = ev->req_mode.type;
        char what[CORE_NAME_SIZE];
        char detail[CORE_REASON_SIZE];

        (void)snprintf(what, sizeof(what), "%s%s", core_mode_name(ev->req_mode.mode),
                       ev->req_mode.on ? "" : "-ended");
        (void)snprintf(detail, sizeof(detail), "%s%s%s%.100s", *type ? type : "every type",
                       ev->req_mode.on && ev->req_mode.hard ? ", hard" : "",
                       ev->req_mode.reason[0] ? ": " : "", ev->req_mode.reason);
        fx_audit(c, "", "", ev->req_mode.actor, what, detail);
}

/* Everybody whom the change concerns is looked at in a turn of its own. */
static void workspaces_note(struct core *c, const struct core_event *ev, bool every, uint32_t type)
{
        bool stop = ev->req_mode.on && ev->req_mode.hard && ev->req_mode.mode == MODE_DRAIN;

        for (uint32_t i = 0; i < c->config.workspaces_max; i++) {
                struct workspace *w = &c->workspaces[i];

                if (!w->row.id[0] || (!every && w->type != type))
                        continue;
                if (stop && w->row.state != WS_STOPPED && w->row.state != WS_DELETED)
                        w->drain = true;
                workspace_arm(c, w);
        }
}

void modes_request(struct core *c, const struct core_event *ev)
{
        uint32_t type = type_find(c, ev->req_mode.type);
        bool every = !ev->req_mode.type[0];
        char why[CORE_REASON_SIZE];
        struct mode *m;
        bool was;

        if (!c->booted || (size_t)ev->req_mode.mode >= MODE_MAX) {
                c->ignored++;
                fx_reply(c, ev->req_mode.token, REPLY_DRAINING, "");
                return;
        }
        if (!every && type >= c->config.n_types) {
                fx_reply(c, ev->req_mode.token, REPLY_BAD_TYPE, "");
                return;
        }
        m = slot_of(c, ev->req_mode.mode, type, every);
        was = m->on;
        if (ev->req_mode.on) {
                (void)snprintf(why, sizeof(why), "%s: %.80s",
                               ev->req_mode.actor[0] ? ev->req_mode.actor : "core",
                               ev->req_mode.reason);
                switch_on(m, ev->req_mode.mode, ev->req_mode.hard, why);
        } else {
                memset(m, 0, sizeof(*m));
        }
        if (was || m->on) {
                put_setting(c, ev, m);
                audit_mode(c, ev);
                c->pool_dirty = true;
                if (c->open)
                        workspaces_note(c, ev, every, type);
        }
        fx_reply(c, ev->req_mode.token, REPLY_OK, "");
}
