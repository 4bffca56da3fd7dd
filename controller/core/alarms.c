/*
 * Conditions that were announced to people: "alarm.NAME" = "SECONDS detail" among the settings,
 * from the announcement to its end. The core keeps them and does not judge them; the next leader
 * takes them from here, so that whoever was told of one is told of its end, with the same id.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

#define PREFIX "alarm."

static_assert(sizeof(PREFIX) - 1 + CORE_ALARM_SIZE <= CORE_NAME_SIZE, "a setting's name");
static_assert(24 + CORE_ALARM_DETAIL <= CORE_REASON_SIZE, "a setting's value");

/* "": a free place. NULL: there is none. */
static struct core_alarm *find(struct core *c, const char *name)
{
        for (size_t i = 0; i < CORE_ALARMS_MAX; i++) {
                if (strcmp(c->alarms[i].name, name) == 0)
                        return &c->alarms[i];
        }
        return NULL;
}

bool alarms_boot(struct core *c, const struct setting_row *row)
{
        const char *value = row->value;
        struct core_alarm *a;
        uint64_t at_s;

        if (!str_starts(row->name, PREFIX) || c->booted)
                return false;
        a = find(c, "");
        if (!a || !row_number(&value, UINT32_MAX, &at_s) ||
            STR_SET(a->name, row->name + sizeof(PREFIX) - 1) < 0) {
                c->ignored++;
                return true;
        }
        a->at.us = (int64_t)at_s * US_PER_S;
        STR_CUT(a->detail, value);
        return true;
}

void alarms_set(struct core *c, const struct core_event *ev)
{
        bool on = ev->alarm.on;
        struct core_alarm *a = ev->alarm.name[0] ? find(c, ev->alarm.name) : NULL;
        struct setting_row *row;

        if (!c->booted || !ev->alarm.name[0] || on == (a != NULL) || (on && !(a = find(c, "")))) {
                c->ignored++;
                return;
        }
        row = &fx_add(c, FX_PUT_SETTING)->setting_row;
        (void)snprintf(row->name, sizeof(row->name), PREFIX "%s", ev->alarm.name);
        if (on) {
                STR_CUT(a->name, ev->alarm.name);
                STR_CUT(a->detail, ev->alarm.detail);
                a->at = ev->alarm.at;
                (void)snprintf(row->value, sizeof(row->value), "%" PRId64 " %s",
                               a->at.us / US_PER_S, a->detail);
        } else {
                row->value[0] = '\0';
                *a = (struct core_alarm){0};
        }
        fx_audit(c, "", "", "core", on ? "alarm" : "alarm-over", ev->alarm.name);
}

const struct core_alarm *core_next_alarm(const struct core *c, size_t *pos)
{
        while (*pos < CORE_ALARMS_MAX) {
                const struct core_alarm *a = &c->alarms[(*pos)++];

                if (a->name[0])
                        return a;
        }
        return NULL;
}
