/*
 * Stops are paced. A class ends, and a thousand workspaces are to be saved in the same minute: as
 * many last saves run at a time as storage bears, the others wait for their turn and run on. Of
 * those that wait the first are who was asked to stop; then who should have been stopped earlier.
 * How many at a time: what is configured, half of it when storage is in trouble, and one more for
 * every round of saves that went well. The provider is asked for ends at its own rate.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/internal.h"

#define TROUBLE_MS INT64_C(60000) /* two workspaces in trouble within this: it is the storage's */
#define PREFIX "stop."            /* of the settings that hold what was asked for */

void pace_new(struct core *c)
{
        struct pace *p = &c->pace;

        for (int i = 0; i < STOP_KIND_MAX; i++)
                p->lists[i].head = p->lists[i].tail = INDEX_NONE;
        p->parallel = c->config.save_parallel;
        p->due = MONO_NEVER;
        bucket_init(&p->ends, c->config.stop_burst, c->config.stop_rate, (mono_t){0});
}

/* ---- who waits ---- */

/* Behind those that should have been stopped earlier; most come in order. */
static void put_in(struct core *c, struct workspace *w)
{
        struct stop_list *l = &c->pace.lists[w->stop.kind];
        uint32_t before = l->tail;

        while (before != INDEX_NONE && mono_before(w->stop.since, c->workspaces[before].stop.since))
                before = c->workspaces[before].stop.prev;
        w->stop.prev = before;
        w->stop.next = before == INDEX_NONE ? l->head : c->workspaces[before].stop.next;
        if (before == INDEX_NONE)
                l->head = w->slot;
        else
                c->workspaces[before].stop.next = w->slot;
        if (w->stop.next == INDEX_NONE)
                l->tail = w->slot;
        else
                c->workspaces[w->stop.next].stop.prev = w->slot;
        l->n++;
}

static void take_out(struct core *c, struct workspace *w)
{
        struct stop_list *l = &c->pace.lists[w->stop.kind];

        if (w->stop.prev == INDEX_NONE)
                l->head = w->stop.next;
        else
                c->workspaces[w->stop.prev].stop.next = w->stop.next;
        if (w->stop.next == INDEX_NONE)
                l->tail = w->stop.prev;
        else
                c->workspaces[w->stop.next].stop.prev = w->stop.prev;
        l->n--;
        w->stop.kind = STOP_NONE;
        w->stop.next = w->stop.prev = INDEX_NONE;
}

/* What was asked for and accepted is carried out by the next leader, too. */
static void put_setting(struct core *c, struct workspace *w, const char *value)
{
        struct setting_row *row = &fx_add(c, FX_PUT_SETTING)->setting_row;

        (void)snprintf(row->name, sizeof(row->name), PREFIX "%s", w->row.id);
        STR_CUT(row->value, value);
        w->stop.stored = value[0] != 0;
}

static void wait_in(struct core *c, struct workspace *w, enum core_stop_kind kind, mono_t since)
{
        w->stop.kind = kind;
        w->stop.since = since;
        put_in(c, w);
        c->pace.dirty = true;
}

void pace_leave(struct core *c, struct workspace *w)
{
        if (w->stop.kind != STOP_NONE)
                take_out(c, w);
        if (w->stop.stored)
                put_setting(c, w, "");
}

static bool has_room(const struct core *c)
{
#ifdef CORE_PLANTED_NO_PACE
        return true;
#endif
        return c->config.save_parallel == 0 || c->pace.under_way < c->pace.parallel;
}

bool pace_admit(struct core *c, struct workspace *w, enum core_stop_kind kind, mono_t since,
                const char *why)
{
        bool ahead = false;

        if (w->stop.kind != STOP_NONE && kind != STOP_NONE && w->stop.kind <= kind)
                return false; /* it waits already, no further behind */
        for (int k = STOP_ASKED; k <= (int)kind; k++)
                ahead |= c->pace.lists[k].n > 0;
        /* Of the idle ones several may come in one step, and not in their order. */
        if (kind == STOP_NONE || (kind != STOP_IDLE && has_room(c) && !ahead)) {
                pace_leave(c, w);
                return true;
        }
        if (w->stop.kind != STOP_NONE)
                take_out(c, w);
        STR_CUT(w->stop.why, why);
#ifndef CORE_PLANTED_FORGETS_STOP
        if (kind == STOP_ASKED)
                put_setting(c, w, why);
#endif
        wait_in(c, w, kind, since);
        return false;
}

void pace_cancel(struct core *c, struct workspace *w, const char *by)
{
        if (w->stop.kind != STOP_ASKED || w->row.wanted) /* it will be launched again anyway */
                return;
        pace_leave(c, w);
        fx_audit(c, w->row.id, w->row.task, by, "stop-cancelled",
                 "it is wanted again, before its turn to be stopped came");
}

void pace_check(struct core *c, struct workspace *w)
{
        bool runs = w->row.state == WS_RUNNING || w->row.state == WS_STARTING;

        if (w->stop.kind == STOP_NONE)
                return;
        if (!runs || (w->stop.kind == STOP_IDLE && !mono_due(idle_due(c, w), c->now)) ||
            (w->stop.kind == STOP_ORDERED && !c->draining && !modes_hard_drain(c, w->type)))
                pace_leave(c, w);
}

/* ---- whose turn it is ---- */

static struct workspace *head_of(const struct core *c, enum core_stop_kind kind)
{
        uint32_t slot = c->pace.lists[kind].head;

#ifdef CORE_PLANTED_LAST_FIRST
        slot = c->pace.lists[kind].tail;
#endif
        return slot == INDEX_NONE ? NULL : &c->workspaces[slot];
}

/* `capped`: no more idle ones in this minute. */
static struct workspace *next_of(struct core *c, bool capped)
{
        struct workspace *asked = head_of(c, STOP_ASKED);
        struct workspace *ordered = head_of(c, STOP_ORDERED);
        struct workspace *idle = capped ? NULL : head_of(c, STOP_IDLE);
        struct workspace *other = ordered ? ordered : idle;

        if (ordered && idle && mono_before(idle->stop.since, ordered->stop.since))
                other = idle;
        if (!asked || (other && c->pace.ahead >= STOPS_AHEAD_MAX)) {
                c->pace.ahead = 0;
                return other;
        }
        c->pace.ahead += other != NULL;
        return asked;
}

static void begin(struct core *c, struct workspace *w)
{
        bool idle = w->stop.kind == STOP_IDLE;

        pace_leave(c, w);
        if (idle)
                idle_stop(c, w);
        else
                workspace_begin_stop(c, w, false, w->stop.why);
}

void pace_run(struct core *c)
{
        bool capped = false;
        struct workspace *w;

        c->pace.dirty = false;
        c->pace.due = MONO_NEVER;
        while (c->open && has_room(c) && (w = next_of(c, capped))) {
                if (!fx_room(c)) {
                        c->pace.due = c->now;
                        return;
                }
                if (w->stop.kind == STOP_IDLE && !idle_still(c, w)) {
                        pace_leave(c, w);
                        workspace_arm(c, w);
                } else if (w->stop.kind == STOP_IDLE && !stops_allowed(c)) {
                        capped = true;
                        c->pace.due = stops_again(c);
                } else {
                        begin(c, w);
                }
        }
}

/* ---- how many at a time, and how long it takes ---- */

void pace_account(struct core *c, struct task *t)
{
        const struct workspace *w = workspace_of(c, t);
        bool saving = t->row.state == TASK_STOPPING && !task_is_resuming(t) && w &&
                      w->row.state == WS_SAVING;

        if (t->saving == saving)
                return;
        if (!saving) {
                pace_forget(c, t);
                return;
        }
        t->saving = true;
        t->saving_at = c->now;
        c->pace.under_way++;
}

void pace_forget(struct core *c, struct task *t)
{
        if (!STEAL(t->saving, false))
                return;
        assert(c->pace.under_way > 0);
        c->pace.under_way--;
#ifndef CORE_PLANTED_FORGETS_ROOM
        c->pace.dirty = true;
#endif
}

static bool eased_lately(const struct core *c)
{
        return c->pace.eased_at.us && mono_diff_ms(c->pace.eased_at, c->now) < PACE_EASE_MS;
}

void pace_saved(struct core *c, const struct task *t, uint64_t bytes)
{
        struct pace *p = &c->pace;
        int64_t ms = mono_diff_ms(t->saving_at, c->now);
        double weight;

        if (!t->saving)
                return;
        p->saved++;
        p->bytes += bytes;
        /* Over a round of them. */
        weight = 1 / (double)MIN(p->saved, (uint64_t)MAX(p->parallel, PACE_MEAN_OF));
        p->save_bytes += weight * ((double)bytes - p->save_bytes);
        p->save_ms += weight * ((double)ms - p->save_ms);
        p->good += !eased_lately(c);
        if (p->good >= p->parallel && p->parallel < c->config.save_parallel) {
                p->parallel++;
                p->good = 0;
                p->dirty = true;
        }
        pace_goes_on(c);
}

/* One workspace is not the storage; two of them within a short time are. */
void pace_trouble(struct core *c, const struct workspace *w, const char *why)
{
        struct pace *p = &c->pace;
        char text[CORE_REASON_SIZE];
        bool others = p->trouble_by && p->trouble_by != w &&
                      mono_diff_ms(p->trouble_at, c->now) < TROUBLE_MS;

        p->trouble_by = w;
        p->trouble_at = c->now;
        if (!others)
                return;
        p->good = 0;
        if (p->parallel <= 1 || eased_lately(c))
                return;
        p->parallel /= 2;
        p->eased_at = c->now;
        (void)snprintf(text, sizeof(text), "%u at a time from now on: %.120s", p->parallel, why);
        fx_audit(c, "", "", "core", "saves-slowed", text);
}

/* One that has to wait is given a moment of its own, so that those that wait do not race. */
bool pace_may_end(struct core *c, struct task *t)
{
        struct bucket *b = &c->pace.ends;
        mono_t at;

#ifdef CORE_PLANTED_ENDS_AT_ONCE
        return true;
#endif
        if (STEAL(t->end_turn, false))
                return true;
        at = bucket_next(b, c->now);
        bucket_take(b, c->now, 1);
        if (mono_due(at, c->now))
                return true;
        t->end_turn = true;
        t->ask_at = at;
        pace_goes_on(c);
        return false;
}

void pace_goes_on(struct core *c)
{
        int64_t patience_ms = 0;

        if (!c->draining)
                return;
        for (uint32_t i = 0; i < c->config.n_types; i++)
                patience_ms = MAX(patience_ms, c->config.types[i].stop_timeout_ms);
        /* Beyond the stop timeout, so that what hangs is in attention by then. */
        c->drain_until = mono_max(c->drain_until, mono_add_ms(c->now, patience_ms + SAVED_WAIT_MS));
}

/* ---- through a restart ---- */

bool pace_boot(struct core *c, const struct setting_row *row)
{
        struct workspace *w;

        if (c->booted || !str_starts(row->name, PREFIX))
                return false;
        w = workspace_find(c, row->name + sizeof(PREFIX) - 1);
        if (!w) {
                c->ignored++;
                return true;
        }
        STR_CUT(w->stop.why, row->value);
        w->stop.stored = true;
        return true;
}

void pace_resume(struct core *c, struct workspace *w)
{
        const struct task *t = task_of(c, w);

        if (!w->stop.stored)
                return;
        if (t && (t->row.state == TASK_CLAIMED || t->row.state == TASK_READY))
                wait_in(c, w, STOP_ASKED, c->now);
        else
                pace_leave(c, w);
}

/* ---- views ---- */

/* How long until the last of `n` that wait is saved: they go in rounds. */
static int64_t eta_ms(const struct core *c, uint32_t n, uint32_t n_idle)
{
        const struct pace *p = &c->pace;
        int64_t capped_ms = (int64_t)n_idle / stops_limit(c) * STOPS_WINDOW_MS;
        int64_t ms = 0;

        if (p->saved == 0)
                return -1;
        if (c->config.save_parallel)
                ms = (int64_t)(p->save_ms * n / p->parallel);
        return MAX(ms, capped_ms) + (int64_t)p->save_ms;
}

static uint32_t index_in(const struct core *c, const struct workspace *w)
{
        uint32_t n = 1;

        for (uint32_t slot = c->pace.lists[w->stop.kind].head; slot != w->slot;
             slot = c->workspaces[slot].stop.next)
                n++;
        return n;
}

/* Those of the other list that go first. */
static uint32_t earlier_in(const struct core *c, enum core_stop_kind kind, mono_t since)
{
        uint32_t n = 0;

        for (uint32_t slot = c->pace.lists[kind].head;
             slot != INDEX_NONE && !mono_before(since, c->workspaces[slot].stop.since);
             slot = c->workspaces[slot].stop.next)
                n++;
        return n;
}

static const char *why_of(const struct core *c, const struct workspace *w)
{
        if (!has_room(c))
                return "as many are saved at once as storage bears";
        if (w->stop.kind == STOP_IDLE)
                return "as many are stopped in this minute as may be";
        return "its turn comes";
}

bool core_stop(const struct core *c, const char *workspace, mono_t now, struct core_stop *ret_stop)
{
        const struct workspace *w = workspace_find(c, workspace);
        const struct task *t = w ? task_of(c, w) : NULL;
        uint32_t in_list, place;

        if (t && t->saving) {
                int64_t left_ms = (int64_t)c->pace.save_ms - mono_diff_ms(t->saving_at, now);

                *ret_stop = (struct core_stop){.eta_ms = c->pace.saved == 0 ? -1 : MAX(left_ms, 0),
                                               .why = ""};
                return true;
        }
        if (!w || w->stop.kind == STOP_NONE)
                return false;
        in_list = place = index_in(c, w);
        if (w->stop.kind != STOP_ASKED)
                place += c->pace.lists[STOP_ASKED].n +
                         earlier_in(c, w->stop.kind == STOP_IDLE ? STOP_ORDERED : STOP_IDLE,
                                    w->stop.since);
        *ret_stop = (struct core_stop){
                .kind = w->stop.kind,
                .place = place,
                .since = w->stop.since,
                .eta_ms = eta_ms(c, place, w->stop.kind == STOP_IDLE ? in_list - 1 : 0),
                .why = why_of(c, w)};
        return true;
}

void core_stops(const struct core *c, mono_t now, struct core_stops *ret_stops)
{
        const struct pace *p = &c->pace;
        uint32_t idle = p->lists[STOP_IDLE].n;
        uint32_t waiting = p->lists[STOP_ASKED].n + p->lists[STOP_ORDERED].n + idle;

        (void)now;
        *ret_stops = (struct core_stops){
                .parallel = c->config.save_parallel ? p->parallel : 0,
                .under_way = p->under_way,
                .waiting = waiting,
                .eta_ms = waiting + p->under_way ? eta_ms(c, waiting, idle ? idle - 1 : 0) : 0,
                .save_ms = p->saved ? (int64_t)p->save_ms : -1,
                .bytes_s = p->save_ms > 0 ? (int64_t)(p->save_bytes * 1000 / p->save_ms *
                                                      MAX(p->under_way, 1))
                                          : -1,
                .saved = p->saved,
                .bytes = p->bytes,
        };
}
