/* What init decides, in virtual time. */
#include "init/supervise.h"
#include "test.h"

#define T(ms) ((mono_t){(ms)*US_PER_MS})

static void role_backs_off_and_starts_over(void)
{
        static const int64_t delays[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
        struct role_sup r;
        int64_t now = 1000;

        role_sup_init(&r, T(now));
        CHECK(mono_due(role_sup_deadline(&r), T(now)));
        for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
                role_sup_started(&r, T(now));
                CHECK(mono_is_never(role_sup_deadline(&r)));
                now += 5;
                role_sup_ended(&r, T(now));
                CHECK_INT(mono_diff_ms(T(now), role_sup_deadline(&r)), delays[i]);
                now += delays[i];
        }
        /* One that lived long enough starts over. */
        role_sup_started(&r, T(now));
        role_sup_ended(&r, T(now + 30000));
        CHECK_INT(mono_diff_ms(T(now + 30000), role_sup_deadline(&r)), 100);
}

static struct app_sup app(void)
{
        struct app_sup a;

        app_sup_init(&a, 20000, 5000);
        return a;
}

static struct app_sup app_running(bool prime)
{
        struct app_sup a = app();

        CHECK_INT(app_sup_step(&a, APP_EV_START, prime, T(0)), APP_ACT_SPAWN);
        CHECK_INT(a.phase, APP_RUNNING);
        return a;
}

static void app_restarts_with_back_off(void)
{
        static const int64_t delays[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
        struct app_sup a = app_running(false);
        int64_t now = 0;

        for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
                CHECK_INT(app_sup_step(&a, APP_EV_EXITED, 0, T(now)), APP_ACT_TELL_EXITED);
                CHECK_INT(a.phase, APP_BACKOFF);
                now += delays[i];
                CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(now - 1)), 0);
                CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(now)), APP_ACT_SPAWN);
        }
        CHECK_INT(app_sup_step(&a, APP_EV_START, 0, T(now)), APP_ACT_REFUSE);
}

static void priming_app_is_not_restarted(void)
{
        struct app_sup a = app_running(true);

        CHECK_INT(app_sup_step(&a, APP_EV_EXITED, 0, T(10)), APP_ACT_TELL_EXITED);
        CHECK_INT(a.phase, APP_NONE);
        CHECK(mono_is_never(app_sup_deadline(&a, T(10))));
        CHECK_INT(app_sup_step(&a, APP_EV_START, 0, T(20)), APP_ACT_SPAWN);
}

static void stop_waits_for_what_the_app_leaves(void)
{
        struct app_sup a = app_running(false);

        CHECK_INT(app_sup_step(&a, APP_EV_STOP, 0, T(100)), APP_ACT_TERM_MAIN);
        CHECK_INT(app_sup_step(&a, APP_EV_STOP, 0, T(150)), 0); /* once is enough */
        /* While the main process lives, what else is there does not matter. */
        CHECK_INT(app_sup_step(&a, APP_EV_LEFT, 0, T(200)), 0);
        CHECK_INT(app_sup_step(&a, APP_EV_EXITED, 0, T(4400)), APP_ACT_TERM_REST);
        CHECK_INT(app_sup_step(&a, APP_EV_LEFT, 3, T(4500)), 0);
        CHECK_INT(mono_diff_ms(T(4500), app_sup_deadline(&a, T(4500))), APP_POLL_MS);
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(9399)), 0);
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(9400)), APP_ACT_KILL_REST);
        CHECK_INT(app_sup_step(&a, APP_EV_LEFT, 1, T(9500)), 0);
        /* A process forked meanwhile is killed too. */
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(9500)), APP_ACT_KILL_REST);
        CHECK_INT(app_sup_step(&a, APP_EV_LEFT, 0, T(9600)), APP_ACT_TELL_STOPPED);
        CHECK_INT(a.phase, APP_NONE);
}

static void stop_does_not_wait_for_ever(void)
{
        struct app_sup a = app_running(false);

        (void)app_sup_step(&a, APP_EV_STOP, 0, T(0));
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(19999)), 0);
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(20000)), APP_ACT_TERM_REST);
        CHECK_INT(app_sup_step(&a, APP_EV_EXITED, 0, T(20001)), 0);
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(25000)), APP_ACT_KILL_REST);
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(25000 + APP_GIVE_UP_MS)),
                  APP_ACT_GAVE_UP | APP_ACT_TELL_STOPPED);
}

static void stop_of_nothing_still_looks(void)
{
        struct app_sup a = app();

        CHECK_INT(app_sup_step(&a, APP_EV_STOP, 0, T(0)), APP_ACT_TERM_REST);
        CHECK_INT(app_sup_step(&a, APP_EV_LEFT, 0, T(0)), APP_ACT_TELL_STOPPED);
}

static void hurry_shortens_a_stop_under_way(void)
{
        struct app_sup a = app_running(false);

        (void)app_sup_step(&a, APP_EV_STOP, 0, T(0));
        app_sup_hurry(&a, 4500, T(1000));
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(4000)), APP_ACT_TERM_REST);
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(5500)), APP_ACT_KILL_REST);
        /* Not even what nobody can kill takes what is the save's. */
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(6999)), APP_ACT_KILL_REST);
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(7000)),
                  APP_ACT_GAVE_UP | APP_ACT_TELL_STOPPED);
        /* Nor when SIGTERM comes while that is waited for. */
        a = app_running(false);
        (void)app_sup_step(&a, APP_EV_STOP, 0, T(0));
        (void)app_sup_step(&a, APP_EV_EXITED, 0, T(0));
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(5000)), APP_ACT_KILL_REST);
        app_sup_hurry(&a, 900, T(5000));
        CHECK_INT(app_sup_step(&a, APP_EV_TICK, 0, T(5300)),
                  APP_ACT_GAVE_UP | APP_ACT_TELL_STOPPED);
}

static void the_last_save_has_its_share_of_the_grace(void)
{
        CHECK_INT(term_app_ms(120000, 0), 60000);     /* never more than half */
        CHECK_INT(term_app_ms(120000, 30000), 60000); /* which is enough here */
        CHECK_INT(term_app_ms(120000, 60000), 28000); /* one and a half times what they take */
        CHECK_INT(term_app_ms(120000, 600000), 15000);
        CHECK_INT(term_app_ms(10000, 3000), 3500);
}

static void end_without_anything_to_save(void)
{
        struct term_sup t = {0};
        struct term_facts f = {0};

        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_NONE);
        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_NONE); /* the app is not gone */
        f.app_gone = true;
        CHECK_INT(term_sup_step(&t, &f, T(1)), TERM_ACT_EXIT);
        CHECK_INT(t.code, 0);
        CHECK_INT(term_sup_step(&t, &f, T(2)), TERM_ACT_NONE); /* once */
}

static void end_saves_with_the_held_request(void)
{
        struct term_sup t = {0};
        struct term_facts f = {.app_gone = true, .held = true, .busy = true};

        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_NONE); /* a background save runs */
        f.busy = false;
        CHECK_INT(term_sup_step(&t, &f, T(1)), TERM_ACT_SAVE);
        f.held = false;
        f.busy = true;
        CHECK_INT(term_sup_step(&t, &f, T(2)), TERM_ACT_NONE);
        f.busy = false;
        f.final_ok = true;
        CHECK_INT(term_sup_step(&t, &f, T(3)), TERM_ACT_NONE);
        CHECK_INT(mono_diff_ms(T(3), term_sup_deadline(&t)), TERM_WAIT_MS);
        f.saved = true;
        CHECK_INT(term_sup_step(&t, &f, T(4)), TERM_ACT_EXIT);
        CHECK_INT(t.code, 0);
}

static void end_reports_a_failed_save(void)
{
        struct term_sup t = {0};
        struct term_facts f = {.app_gone = true, .held = true};

        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_SAVE);
        f.held = false;
        CHECK_INT(term_sup_step(&t, &f, T(1)), TERM_ACT_NONE);
        /* link gives another request: another try. */
        f.held = true;
        CHECK_INT(term_sup_step(&t, &f, T(2)), TERM_ACT_SAVE);
        f.held = false;
        CHECK_INT(term_sup_step(&t, &f, T(3)), TERM_ACT_NONE);
        CHECK_INT(term_sup_step(&t, &f, T(3 + TERM_WAIT_MS)), TERM_ACT_EXIT);
        CHECK_INT(t.code, TERM_EXIT_UNSAVED);
}

static void end_tries_the_same_request_when_there_is_no_other(void)
{
        struct term_sup t = {0};
        struct term_facts f = {.app_gone = true, .held = true, .worked = true};
        int64_t now = 0;

        term_sup_begin(&t, T(10000));
        CHECK_INT(term_sup_step(&t, &f, T(now)), TERM_ACT_SAVE);
        f = (struct term_facts){.app_gone = true, .kept = true, .worked = true};
        /* Each fails after a second; link, dead or without another, says nothing. */
        for (int i = 0; i < 3; i++) {
                now += 1000;
                CHECK_INT(term_sup_step(&t, &f, T(now)), TERM_ACT_NONE);
                now += TERM_WAIT_MS;
                CHECK_INT(term_sup_step(&t, &f, T(now - 1)), TERM_ACT_NONE);
                CHECK_INT(term_sup_step(&t, &f, T(now)), TERM_ACT_SAVE);
        }
        /* Not beyond the grace. */
        CHECK_INT(term_sup_step(&t, &f, T(10000)), TERM_ACT_EXIT);
        CHECK_INT(t.code, TERM_EXIT_UNSAVED);
}

static void end_after_a_final_save(void)
{
        struct term_sup t = {0};
        struct term_facts f = {.app_gone = true, .held = true, .final_ok = true};

        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_NONE); /* its commit may be on the way */
        CHECK_INT(term_sup_step(&t, &f, T(TERM_WAIT_MS)), TERM_ACT_EXIT);
        CHECK_INT(t.code, 0);

        f = (struct term_facts){.app_gone = true, .held = true, .saved = true};
        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_EXIT);
        CHECK_INT(t.code, 0);
}

static void end_when_all_comes_at_once(void)
{
        struct term_sup t = {0};
        struct term_facts f = {.app_gone = true, .held = true};

        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_SAVE);
        /* The end of the save and the word that it is committed, seen in one turn. */
        f = (struct term_facts){.app_gone = true, .final_ok = true, .saved = true};
        CHECK_INT(term_sup_step(&t, &f, T(1)), TERM_ACT_EXIT);

        f = (struct term_facts){.app_gone = true, .held = true};
        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_SAVE);
        CHECK_INT(term_sup_step(&t, &f, T(1)), TERM_ACT_SAVE); /* failed, and a new request */
}

static void end_waits_for_a_request_where_work_was_done(void)
{
        struct term_sup t = {0};
        struct term_facts f = {.app_gone = true, .worked = true, .busy = true};

        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_NONE);
        f.busy = false; /* link's own last save has failed; it is about to give another request */
        CHECK_INT(term_sup_step(&t, &f, T(1)), TERM_ACT_NONE);
        f.held = true;
        CHECK_INT(term_sup_step(&t, &f, T(2)), TERM_ACT_SAVE);

        f.held = false;
        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_NONE);
        CHECK_INT(term_sup_step(&t, &f, T(TERM_WAIT_MS)), TERM_ACT_EXIT);
        CHECK_INT(t.code, TERM_EXIT_UNSAVED);
}

static void end_does_not_try_for_ever(void)
{
        struct term_sup t = {0};
        struct term_facts f = {.app_gone = true, .held = true};

        term_sup_begin(&t, T(30000));
        CHECK_INT(term_sup_step(&t, &f, T(0)), TERM_ACT_SAVE);
        CHECK_INT(term_sup_step(&t, &f, T(29999)), TERM_ACT_SAVE);
        CHECK_INT(term_sup_step(&t, &f, T(30000)), TERM_ACT_EXIT);
        CHECK_INT(t.code, TERM_EXIT_UNSAVED);
}

int main(void)
{
        RUN(end_waits_for_a_request_where_work_was_done);
        RUN(end_does_not_try_for_ever);
        RUN(role_backs_off_and_starts_over);
        RUN(app_restarts_with_back_off);
        RUN(priming_app_is_not_restarted);
        RUN(stop_waits_for_what_the_app_leaves);
        RUN(stop_does_not_wait_for_ever);
        RUN(stop_of_nothing_still_looks);
        RUN(hurry_shortens_a_stop_under_way);
        RUN(end_without_anything_to_save);
        RUN(end_saves_with_the_held_request);
        RUN(the_last_save_has_its_share_of_the_grace);
        RUN(end_reports_a_failed_save);
        RUN(end_tries_the_same_request_when_there_is_no_other);
        RUN(end_after_a_final_save);
        RUN(end_when_all_comes_at_once);
        return 0;
}
