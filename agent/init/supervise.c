#include "init/supervise.h"

#include "base/macro.h"

mono_t backoff_due(struct backoff *b, mono_t started, mono_t now)
{
        int64_t delay = b->next_ms;

        if (delay == 0 || mono_diff_ms(started, now) >= b->reset_ms)
                delay = b->first_ms;
        b->next_ms = MIN(delay * 2, b->max_ms);
        return mono_add_ms(now, delay);
}

void role_sup_init(struct role_sup *r, mono_t now)
{
        *r = (struct role_sup){.backoff = BACKOFF(100, 10000, 30000), .due = now};
}

void role_sup_started(struct role_sup *r, mono_t now)
{
        r->up = true;
        r->started = now;
}

void role_sup_ended(struct role_sup *r, mono_t now)
{
        r->up = false;
        r->due = backoff_due(&r->backoff, r->started, now);
}

mono_t role_sup_deadline(const struct role_sup *r)
{
        return r->up ? MONO_NEVER : r->due;
}

void app_sup_init(struct app_sup *a, int64_t stop_grace_ms, int64_t kill_grace_ms)
{
        *a = (struct app_sup){
                .stop_grace_ms = stop_grace_ms,
                .kill_grace_ms = kill_grace_ms,
                .give_up_ms = APP_GIVE_UP_MS,
                .backoff = BACKOFF(500, 30000, 30000),
                .due = MONO_NEVER,
        };
}

bool app_sup_stopping(const struct app_sup *a)
{
        return a->phase == APP_STOP_MAIN || app_sup_counts(a);
}

bool app_sup_counts(const struct app_sup *a)
{
        return a->phase == APP_STOP_REST || a->phase == APP_STOP_KILL;
}

static uint32_t enter_running(struct app_sup *a, mono_t now)
{
        a->phase = APP_RUNNING;
        a->main_alive = true;
        a->started = now;
        a->due = MONO_NEVER;
        return APP_ACT_SPAWN;
}

static uint32_t enter_none(struct app_sup *a)
{
        a->phase = APP_NONE;
        a->due = MONO_NEVER;
        return 0;
}

static uint32_t enter_stop_rest(struct app_sup *a, mono_t now)
{
        a->phase = APP_STOP_REST;
        a->due = mono_add_ms(now, a->kill_grace_ms);
        return APP_ACT_TERM_REST;
}

static uint32_t on_start(struct app_sup *a, bool prime, mono_t now)
{
        if (a->phase != APP_NONE)
                return APP_ACT_REFUSE;
        a->prime = prime;
        a->backoff.next_ms = 0;
        return enter_running(a, now);
}

static uint32_t on_stop(struct app_sup *a, mono_t now)
{
        if (app_sup_stopping(a))
                return 0;
        if (!a->main_alive)
                return enter_stop_rest(a, now);
        a->phase = APP_STOP_MAIN;
        a->due = mono_add_ms(now, a->stop_grace_ms);
        return APP_ACT_TERM_MAIN;
}

static uint32_t on_exited(struct app_sup *a, mono_t now)
{
        a->main_alive = false;
        switch (a->phase) {
        case APP_RUNNING:
                if (a->prime)
                        return enter_none(a) | APP_ACT_TELL_EXITED;
                a->phase = APP_BACKOFF;
                a->due = backoff_due(&a->backoff, a->started, now);
                return APP_ACT_TELL_EXITED;
        case APP_STOP_MAIN:
                return enter_stop_rest(a, now);
        case APP_NONE:
        case APP_BACKOFF:
        case APP_STOP_REST:
        case APP_STOP_KILL:
                break;
        }
        return 0;
}

static uint32_t on_tick(struct app_sup *a, mono_t now)
{
        bool due = mono_due(a->due, now);

        switch (a->phase) {
        case APP_BACKOFF:
                return due ? enter_running(a, now) : 0;
        case APP_STOP_MAIN:
                return due ? enter_stop_rest(a, now) : 0;
        case APP_STOP_REST:
                if (!due)
                        return 0;
                a->phase = APP_STOP_KILL;
                a->due = mono_add_ms(now, a->give_up_ms);
                return APP_ACT_KILL_REST;
        case APP_STOP_KILL:
                /* Each time again: a process may have been forked since. */
                if (!due)
                        return APP_ACT_KILL_REST;
                return enter_none(a) | APP_ACT_GAVE_UP | APP_ACT_TELL_STOPPED;
        case APP_NONE:
        case APP_RUNNING:
                break;
        }
        return 0;
}

uint32_t app_sup_step(struct app_sup *a, enum app_event event, uint32_t arg, mono_t now)
{
        switch (event) {
        case APP_EV_START:
                return on_start(a, arg != 0, now);
        case APP_EV_STOP:
                return on_stop(a, now);
        case APP_EV_EXITED:
                return on_exited(a, now);
        case APP_EV_LEFT:
                return app_sup_counts(a) && arg == 0 ? enter_none(a) | APP_ACT_TELL_STOPPED : 0;
        case APP_EV_TICK:
                return on_tick(a, now);
        }
        return 0;
}

mono_t app_sup_deadline(const struct app_sup *a, mono_t now)
{
        return app_sup_counts(a) ? mono_min(a->due, mono_add_ms(now, APP_POLL_MS)) : a->due;
}

void app_sup_hurry(struct app_sup *a, int64_t app_ms, mono_t now)
{
        a->stop_grace_ms = MIN(a->stop_grace_ms, app_ms / 3 * 2);
        a->kill_grace_ms = MIN(a->kill_grace_ms, app_ms / 3);
        a->give_up_ms = MIN(a->give_up_ms, app_ms / 3);
        if (a->phase == APP_STOP_MAIN)
                a->due = mono_min(a->due, mono_add_ms(now, a->stop_grace_ms));
        else if (a->phase == APP_STOP_REST)
                a->due = mono_min(a->due, mono_add_ms(now, a->kill_grace_ms));
        else if (a->phase == APP_STOP_KILL)
                a->due = mono_min(a->due, mono_add_ms(now, a->give_up_ms));
}

int64_t term_app_ms(int64_t grace_ms, int64_t save_ms)
{
        int64_t left = grace_ms - save_ms - save_ms / 2 - TERM_WAIT_MS;

        return MIN(MAX(left, grace_ms / 8), grace_ms / 2);
}

void term_sup_begin(struct term_sup *t, mono_t give_up)
{
        *t = (struct term_sup){.phase = TERM_STOP, .due = MONO_NEVER, .give_up = give_up};
}

static enum term_action term_exit(struct term_sup *t, int code)
{
        t->phase = TERM_DONE;
        t->due = MONO_NEVER;
        t->code = code;
        return TERM_ACT_EXIT;
}

static enum term_action term_wait(struct term_sup *t, enum term_phase phase, mono_t now)
{
        t->phase = phase;
        t->due = mono_add_ms(now, TERM_WAIT_MS);
        return TERM_ACT_NONE;
}

static enum term_action term_save(struct term_sup *t)
{
        t->phase = TERM_SAVE;
        t->due = MONO_NEVER;
        return TERM_ACT_SAVE;
}

static enum term_action term_once(struct term_sup *t, const struct term_facts *f, mono_t now)
{
        switch (t->phase) {
        case TERM_NO:
        case TERM_DONE:
                return TERM_ACT_NONE;
        case TERM_STOP:
                if (!f->app_gone || f->busy)
                        return TERM_ACT_NONE;
                if (f->saved)
                        return term_exit(t, 0);
                if (f->final_ok)
                        return term_wait(t, TERM_WAIT_SAVED, now);
                if (f->held)
                        return term_save(t);
                /* link may be about to give a request: its own last save may just have failed. */
                return f->worked ? term_wait(t, TERM_WAIT_HOLD, now) : term_exit(t, 0);
        case TERM_SAVE:
                if (f->busy)
                        return TERM_ACT_NONE;
                if (f->final_ok)
                        return term_wait(t, TERM_WAIT_SAVED, now);
                if (mono_due(t->give_up, now))
                        return term_exit(t, TERM_EXIT_UNSAVED);
                return term_wait(t, TERM_WAIT_HOLD, now);
        case TERM_WAIT_SAVED:
                return f->saved || mono_due(t->due, now) ? term_exit(t, 0) : TERM_ACT_NONE;
        case TERM_WAIT_HOLD:
                if (f->held)
                        return term_save(t);
                if (!mono_due(t->due, now))
                        return TERM_ACT_NONE;
                /* link is dead, or has no other either. */
                return f->kept && !mono_due(t->give_up, now) ? term_save(t)
                                                             : term_exit(t, TERM_EXIT_UNSAVED);
        }
        return TERM_ACT_NONE;
}

enum term_action term_sup_step(struct term_sup *t, const struct term_facts *f, mono_t now)
{
        /* A phase just entered may be over already: what it waits for came together with what
         * ended the phase before. */
        for (;;) {
                enum term_phase before = t->phase;
                enum term_action act = term_once(t, f, now);

                if (act != TERM_ACT_NONE || t->phase == before)
                        return act;
        }
}

mono_t term_sup_deadline(const struct term_sup *t)
{
        return t->phase == TERM_NO ? MONO_NEVER : t->due;
}
