/* Operators: they pause, freeze and drain, abandon what cannot be saved, and take it all back. */
#include <stdio.h>
#include <string.h>

#include "state.h"

/* Number of a slot of s->modes: a type, or n_types for every type. */
static struct mode_truth *slot(struct sim *s, enum core_mode mode, const char *type)
{
        return &s->modes[mode][type[0] ? type_of(s, type) : s->config.n_types];
}

bool operator_mode(const struct sim *s, enum core_mode mode, uint32_t type, bool hard)
{
        const struct mode_truth *every = &s->modes[mode][s->config.n_types];
        const struct mode_truth *one = &s->modes[mode][type];

        return (every->on && (every->hard || !hard)) || (one->on && (one->hard || !hard));
}

/* A controller's core was given this request. */
void operator_posted(struct sim *s, const struct core_event *ev)
{
        *slot(s, ev->req_mode.mode, ev->req_mode.type) =
                (struct mode_truth){.on = ev->req_mode.on, .hard = ev->req_mode.hard};
        if (ev->req_mode.mode != MODE_DRAIN || !ev->req_mode.on || !ev->req_mode.hard)
                return;
        /* It ends the wishes too. */
        for (int i = 0; i < SIM_WORKSPACES; i++) {
                s->truth[i].wish = s->truth[i].wish_due = false;
                s->truth[i].wish_token = 0;
        }
}

/* What a new leader knows of modes is what is stored. */
void operator_boot(struct sim *s)
{
        memset(s->modes, 0, sizeof(s->modes));
        for (size_t i = 0; i < ARRAY_LEN(s->store.settings); i++) {
                const struct setting_row *row = &s->store.settings[i];
                char name[CORE_NAME_SIZE];
                enum core_mode mode;
                char *dot;

                if (!row->name[0])
                        continue;
                STR_CUT(name, row->name);
                dot = strchr(name, '.');
                if (dot)
                        *dot++ = 0;
                if (core_mode_parse(name, &mode))
                        *slot(s, mode, dot ? dot : "") = (struct mode_truth){
                                .on = true, .hard = str_starts(row->value, "hard ")};
        }
}

static struct note *request(struct sim *s, enum core_event_type type)
{
        struct note *n = sim_note(s, W_REQUEST, sim_delay(s));

        n->kind = (int)type;
        return n;
}

static void switch_mode(struct sim *s)
{
        struct note *n = request(s, EV_REQ_MODE);

        n->number = sim_below(s, MODE_MAX);
        n->flag = sim_below(s, 5) < 2;
        n->flag2 = sim_below(s, 3) == 0;
        if (sim_below(s, 2))
                STR_CUT(n->id, s->config.types[sim_below(s, s->config.n_types)].name);
}

static void abandon(struct sim *s)
{
        STR_CUT(request(s, EV_REQ_ABANDON)->id,
                s->people[sim_below(s, (uint64_t)s->n_people)].workspace);
}

/* The one before the head: no sweep that is on its way removes it. */
static void restore_at(struct sim *s)
{
        const char *id = s->people[sim_below(s, (uint64_t)s->n_people)].workspace;
        const struct workspace_row *row = store_workspace(s, id);
        struct note *n;

        if (!row || row->state != WS_STOPPED || row->previous.seq == 0)
                return;
        n = request(s, EV_REQ_RESTORE);
        STR_CUT(n->id, id);
        n->ref = row->previous;
}

/* After the storm: all that is set is taken back. */
static void tidy_up(struct sim *s)
{
        for (size_t i = 0; i < ARRAY_LEN(s->store.settings); i++) {
                const char *name = s->store.settings[i].name;
                const char *dot = strchr(name, '.');

                for (unsigned mode = 0; name[0] && mode < MODE_MAX; mode++) {
                        struct note *n;

                        if (!str_starts(name, core_mode_name((enum core_mode)mode)))
                                continue;
                        n = request(s, EV_REQ_MODE);
                        n->number = mode;
                        STR_CUT(n->id, dot ? dot + 1 : "");
                }
        }
}

void operator_act(struct sim *s)
{
        sim_note(s, W_OPERATOR, s->healing ? 10 * SIM_S : sim_about(s, SIM_MIN));
        if (s->healing)
                tidy_up(s);
        else if (sim_fault(s, FAULT_OPERATES))
                switch_mode(s);
        else if (sim_fault(s, FAULT_ABANDONS))
                abandon(s);
        else if (sim_fault(s, FAULT_RESTORES_AT))
                restore_at(s);
}
