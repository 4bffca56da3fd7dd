/* What people want and do, and how they come back in the middle of a stop. */
#include <stdio.h>
#include <string.h>

#include "state.h"

#define PATIENCE_MS (20 * SIM_S)

struct person *person_of(struct sim *s, const char *workspace)
{
        for (int i = 0; i < s->n_people; i++) {
                if (strcmp(s->people[i].workspace, workspace) == 0)
                        return &s->people[i];
        }
        return NULL;
}

struct body *person_body(struct sim *s, const char *workspace)
{
        const struct workspace_row *row = store_workspace(s, workspace);
        struct body *b = row && row->task[0] ? provider_body(s, row->task) : NULL;

        return b && agent_serves(b) && b->generation == row->generation ? b : NULL;
}

void person_write(struct sim *s, struct body *b)
{
        if (!b->restored)
                return;
        b->content.hash = (b->content.hash ^ ++s->writes) * UINT64_C(0x9e3779b97f4a7c15) + 1;
        b->content.length++;
        homes_written(s, b);
}

/* A key is pressed: a file changes, and there is evidence of a person. */
void person_type(struct sim *s, struct body *b)
{
        person_write(s, b);
        b->now.person_ms = s->now_ms;
        b->now.browser = BROWSER_CONNECTED;
}

/* ---- requests ---- */

static void request(struct sim *s, struct person *p, enum core_event_type type)
{
        struct note *n = sim_note(s, W_REQUEST, sim_delay(s));

        n->person = (int)(p - s->people);
        n->kind = (int)type;
        n->number = ++s->tokens << 16 | (uint64_t)type << 8 | (uint64_t)(n->person + 1);
        p->asked = true;
        p->asked_ms = s->now_ms;
        sim_say(s, "%s: somebody asks to %s", p->workspace,
                type == EV_REQ_LAUNCH ? "launch"
                : type == EV_REQ_STOP ? "stop"
                                      : "delete");
}

static void replied(struct sim *s, const struct note *n)
{
        int i = (int)(n->number & 255) - 1;
        struct person *p;

        if (i < 0 || i >= s->n_people)
                return;
        p = &s->people[i];
        p->asked = false;
        if (n->kind == REPLY_OK)
                p->wants = (enum core_event_type)(n->number >> 8 & 255) == EV_REQ_LAUNCH;
        else if (n->kind >= 0)
                p->wants = false;
}

/* ---- acting ---- */

static void work(struct sim *s, struct person *p, struct body *b)
{
        switch (sim_below(s, 10)) {
        case 0:
                b->now.browser = BROWSER_LEFT;
                b->now.left_ms = s->now_ms;
                break;
        case 1:
                b->now.busy_ms = s->now_ms + (int64_t)sim_below(s, 200 * SIM_S);
                break;
        case 2:
        case 3:
                p->away_until_ms = s->now_ms + sim_about(s, 4 * SIM_MIN);
                if (sim_below(s, 2) && b->now.browser == BROWSER_CONNECTED) {
                        b->now.browser = BROWSER_LEFT;
                        b->now.left_ms = s->now_ms;
                }
                break;
        default:
                person_type(s, b);
                break;
        }
}

static void act_storm(struct sim *s, struct person *p)
{
        struct body *b = person_body(s, p->workspace);

        if (s->now_ms < p->away_until_ms)
                return;
        if (p->asked && s->now_ms - p->asked_ms < PATIENCE_MS)
                return;
        if (sim_fault(s, FAULT_STOP_REQUEST)) {
                request(s, p, EV_REQ_STOP);
        } else if (sim_fault(s, FAULT_DELETE_REQUEST)) {
                request(s, p, EV_REQ_DELETE);
        } else if (b) {
                work(s, p, b);
        } else if (sim_below(s, 3)) {
                request(s, p, EV_REQ_LAUNCH);
        }
}

/* Whoever is there after the healing has the page open and presses a key now and then. */
static void act_present(struct sim *s, struct person *p)
{
        const struct workspace_row *row = store_workspace(s, p->workspace);
        struct body *b = person_body(s, p->workspace);

        if (b)
                person_type(s, b);
        else if ((!p->asked || s->now_ms - p->asked_ms >= PATIENCE_MS) &&
                 (!p->wants || !row || row->state == WS_STOPPED))
                request(s, p, EV_REQ_LAUNCH);
}

static void act(struct sim *s, struct person *p)
{
        struct note *n;

        if (p->mood == MOOD_STORM)
                act_storm(s, p);
        else if (p->mood == MOOD_PRESENT)
                act_present(s, p);
        n = sim_note(s, W_PERSON, 4 * SIM_S + (int64_t)sim_below(s, 16 * SIM_S));
        n->person = (int)(p - s->people);
}

void person_note(struct sim *s, const struct note *n)
{
        if (n->what == W_REPLY)
                replied(s, n);
        else
                act(s, &s->people[n->person]);
}

void person_tempted(struct sim *s, const char *workspace, enum moment m)
{
        struct person *p = person_of(s, workspace);
        struct body *b;

        if (!p || p->mood != MOOD_STORM || !sim_fault(s, FAULT_RETURNS))
                return;
        s->result.returns[m]++;
        sim_say(s, "%s: the person returns: %s", workspace, moment_name(m));
        p->away_until_ms = 0;
        b = person_body(s, workspace);
        if (b && sim_below(s, 2))
                person_type(s, b);
        if (!b || sim_below(s, 2))
                request(s, p, EV_REQ_LAUNCH);
}

/* The storm is over: half of them stay, the others have gone home. */
void person_settle(struct sim *s)
{
        for (int i = 0; i < s->n_people; i++) {
                struct person *p = &s->people[i];
                const struct workspace_row *row = store_workspace(s, p->workspace);

                p->wants = p->asked = false;
                p->mood = sim_below(s, 2) ? MOOD_PRESENT : MOOD_ABSENT;
                if (row && (row->erase_at.us || row->state == WS_DELETED))
                        p->mood = MOOD_ABSENT;
                sim_say(s, "%s: its person is %s", p->workspace,
                        p->mood == MOOD_PRESENT ? "there" : "away");
        }
        for (int i = 0; i < SIM_BODIES; i++) {
                struct body *b = &s->bodies[i];
                const struct person *p = person_of(s, b->workspace);

                if (!b->alive || !b->generation)
                        continue;
                b->now.busy_ms = 0;
                if (p && p->mood == MOOD_ABSENT && b->now.browser == BROWSER_CONNECTED) {
                        b->now.browser = BROWSER_LEFT;
                        b->now.left_ms = s->now_ms;
                }
        }
}
