/* link's decisions in virtual time, with all neighbours played (link_world.h). */
#include "link_world.h"
#include "test.h"
#include "wire/blob.h"

static struct world w;

static void a_normal_life(void)
{
        world_init(&w);
        world_until(&w, WIRE_PHASE_WARM, 20000);
        world_expect(&w, "> hello 0\n"
                         "app-start prime\n"
                         "probe prime\n"
                         "app-stop\n"
                         "restore ahead\n");
        CHECK_INT(w.report.phase, WIRE_PHASE_WARM);
        CHECK_INT(w.report.person_age_ms, -1);
        world_command(&w, WIRE_VERB_CLAIM);
        world_until(&w, WIRE_PHASE_READY, 20000);
        world_expect(&w, "config restoring\n"
                         "restore\n"
                         "config app-starting\n"
                         "app-start\n"
                         "probe\n"
                         "config ready\n");
        CHECK_INT(w.report.phase, WIRE_PHASE_READY);
        CHECK_INT(w.report.acted_id, 1);
        CHECK_INT(w.report.generation, 3);
        CHECK_INT(w.held_seq, 8);
        world_run(&w, 60000);
        world_expect(&w, "sense\n"
                         "save 1\n"
                         "> saved 1\n");
        CHECK_INT(w.report.saved_seq, 1);
        CHECK_INT(w.report.unsaved_age_ms, 0);
        world_change(&w);
        world_run(&w, 25000);
        world_expect(&w, "save 2\n"
                         "> saved 2\n");
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        world_expect(&w, "config stopping saving your work\n"
                         "down\n"
                         "app-stop\n"
                         "config saving saving your work\n"
                         "save 3 final\n"
                         "> saved 3 final\n"
                         "saved\n"
                         "config saved\n");
        CHECK_INT(w.report.acted_id, 2);
        CHECK(w.final_committed);
}

/* The gate hears how far the controller's clock is from this machine's, and not of each second. */
static void clocks_that_differ(void)
{
        static const struct {
                int64_t off_ms;
                int32_t told_s;
                bool config;
        } t[] = {
                {29999, 0, false},
                {3600000, 3600, true},
                {3604000, 3600, false},
                {3606000, 3606, true},
                {-7200000, -7200, true},
                {-29999, 0, true},
                {INT64_C(1) << 52, INT32_MAX, true},
        };

        world_to(&w, WIRE_PHASE_READY);
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                world_forget(&w);
                w.hosts[w.at].clock_ms = WORLD_UTC_MS + t[i].off_ms;
                world_run(&w, 12000);
                CHECK_INT(w.clock_off_s, t[i].told_s);
                CHECK_INT(strstr(w.trace, "config ready\n") != NULL, t[i].config);
        }
        /* One that does not tell is not one that is right. */
        w.hosts[w.at].clock_ms = 0;
        world_run(&w, 12000);
        CHECK_INT(w.clock_off_s, INT32_MAX);
}

static void on_the_way_up_only_what_lasts_is_told(void)
{
        for (int slow = 0; slow < 2; slow++) {
                uint64_t before;

                world_to(&w, WIRE_PHASE_WARM);
                w.restore_ms = 10;
                w.start_ms = slow ? 500 : 10;
                before = w.reports;
                world_command(&w, WIRE_VERB_CLAIM);
                if (slow) {
                        world_run(&w, 100);
                        CHECK_INT(w.report.phase, WIRE_PHASE_APP_STARTING);
                }
                world_until(&w, WIRE_PHASE_READY, 20000);
                CHECK_INT(w.report.phase, WIRE_PHASE_READY);
                CHECK_INT(w.report.acted_id, 1);
                CHECK_INT(w.reports - before, slow ? 2 : 1);
        }
}

/* Watching waits for the app; a stop does not wait for the watching. */
static void a_stop_comes_before_sense_has_begun(void)
{
        world_to(&w, WIRE_PHASE_WARM);
        w.restore_ms = w.start_ms = 10;
        world_command(&w, WIRE_VERB_CLAIM);
        world_until(&w, WIRE_PHASE_READY, 900);
        world_forget(&w);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        world_expect(&w, "sense\n"
                         "config stopping saving your work\n"
                         "down\n"
                         "app-stop\n"
                         "config saving saving your work\n"
                         "save 1 final\n"
                         "> saved 1 final\n"
                         "saved\n"
                         "config saved\n");
        world_run(&w, 60000);
        world_expect(&w, "");
}

static void unchanged_files_cost_no_upload(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 30000);
        CHECK_INT(w.committed_seq, 1);
        w.save_unchanged = true;
        world_forget(&w);
        /* At least every five minutes someone looks, and the request stays good. */
        world_run(&w, 620000);
        world_expect(&w, "save 2\n"
                         "save 2\n");
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        CHECK(strstr(w.trace, "> saved 2 final unchanged\n"));
}

static void unsaved_work_is_never_old(void)
{
        static const int64_t save_ms[] = {100, 5000, 20000, 27000};

        for (size_t i = 0; i < ARRAY_LEN(save_ms); i++) {
                world_to(&w, WIRE_PHASE_READY);
                w.save_ms = save_ms[i];
                world_file_stream(&w, 700);
                world_run(&w, 3600000);
                if (w.unsaved_ms_max > 60000)
                        fprintf(stderr, "saves take %lld ms\n", (long long)save_ms[i]);
                CHECK(w.unsaved_ms_max <= 60000);
                CHECK(w.committed_seq > 60);
        }
}

static void the_age_covers_what_a_running_save_misses(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 60000);
        w.save_ms = 10000;
        world_change(&w);
        world_run(&w, 20000); /* the save begins */
        CHECK(w.save_runs);
        world_run(&w, 1000);
        world_change(&w); /* too late for it */
        world_run(&w, 10000);
        CHECK(!w.save_runs);
        /* The first change is committed; the second is 10 s old. */
        CHECK_INT(saves_unsaved_ms(&w.s.saves, w.now), 10000);
        world_run(&w, 60000);
        CHECK_INT(w.report.unsaved_age_ms, 0);
}

static void commands_are_acted_on_once(void)
{
        struct wire_command stop;

        world_to(&w, WIRE_PHASE_READY);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        stop = w.command;
        world_run(&w, 1000);
        world_deliver(&w); /* the same answer again */
        world_run(&w, 1000);
        world_command(&w, WIRE_VERB_RESUME);
        world_until(&w, WIRE_PHASE_READY, 20000);
        CHECK_INT(w.stops, 2); /* the priming run's, and this one */
        /* A late copy of the stop must not end the app of the person who came back. */
        w.command = stop;
        for (int i = 0; i < 3; i++) {
                world_deliver(&w);
                world_run(&w, 2000);
        }
        CHECK_INT(w.stops, 2);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        CHECK_INT(w.report.acted_id, 3);
}

static void another_generation_is_not_ours(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_command(&w, WIRE_VERB_SAVE_NOW);
        world_run(&w, 6000);
        memset(&w.command, 0, sizeof(w.command));
        w.command.id = ++w.last_command;
        w.command.verb = WIRE_VERB_PREPARE_STOP;
        w.command.generation = w.generation - 1;
        world_deliver(&w);
        world_run(&w, 10000);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        CHECK_INT(w.report.acted_id, 3); /* taken on, without effect */
        /* nor may a second claim take what is taken */
        w.command.id = ++w.last_command;
        w.command.verb = WIRE_VERB_CLAIM;
        w.command.generation = 9;
        strcpy(w.command.claim.workspace, "ws-b");
        w.command.claim.generation = 9;
        world_deliver(&w);
        world_run(&w, 10000);
        CHECK_INT(w.s.generation, 3);
        CHECK_STR(w.s.claim.workspace, "ws-a");
}

static void a_failed_save_is_shown_and_retried(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 30000);
        w.save_error = BLOB_CODE_NETWORK;
        w.save_errors_left = 4;
        world_change(&w);
        world_run(&w, 22000);
        CHECK_STR(w.report.error, "saving failed, it is retried: planned");
        CHECK(w.report.unsaved_age_ms > 20000);
        world_run(&w, 40000);
        CHECK_STR(w.report.error, "");
        CHECK_INT(w.report.unsaved_age_ms, 0);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        CHECK_INT(w.committed_seq, 2); /* the request was not wasted */
}

static void used_up_requests_are_skipped(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.save_error = BLOB_CODE_EXISTS;
        w.save_errors_left = 3;
        world_run(&w, 60000);
        CHECK_INT(w.committed_seq, 4);
        CHECK_STR(w.report.error, "");
}

static void a_failed_last_save_waits_for_another_order(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.save_error = BLOB_CODE_DISK_FULL;
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVE_FAILED, 20000);
        world_run(&w, 300000);
        CHECK_INT(w.report.phase, WIRE_PHASE_SAVE_FAILED);
        CHECK_STR(w.report.error, "the last save failed: planned");
        CHECK_INT(w.finals, 1);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_run(&w, 10000);
        CHECK_INT(w.finals, 2);
        CHECK_INT(w.report.phase, WIRE_PHASE_SAVE_FAILED);
        w.save_error = NULL;
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        world_run(&w, 1000);
        CHECK_STR(w.report.error, "");
        CHECK(w.final_committed);
        CHECK_INT(w.saved_told, 1);
}

/* A storage that is slow at the end of a class is nobody's alert. */
static void a_last_save_has_patience_with_the_storage(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.save_error = BLOB_CODE_NETWORK;
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_run(&w, 45000);
        CHECK_INT(w.report.phase, WIRE_PHASE_SAVING);
        CHECK_STR(w.report.error, "the last save failed: planned");
        CHECK(w.finals >= 5 && w.finals <= 8);
        w.save_error = NULL;
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        CHECK(w.final_committed);
        CHECK_INT(w.uploaded_seq, 1); /* with one request all along */
        /* but not for ever, and with a new order from the beginning */
        world_to(&w, WIRE_PHASE_READY);
        w.save_error = BLOB_CODE_NETWORK;
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVE_FAILED, 100000);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_run(&w, 45000);
        CHECK_INT(w.report.phase, WIRE_PHASE_SAVING);
        /* Who comes back in between goes on. */
        world_command(&w, WIRE_VERB_RESUME);
        world_until(&w, WIRE_PHASE_READY, 20000);
        world_run(&w, 60000);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
}

static void a_refused_commit_is_a_failure(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.answer = WORLD_REFUSE;
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVE_FAILED, 20000);
        CHECK_INT(w.saved_told, 0);
        w.answer = WORLD_COMMIT;
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        CHECK(w.final_committed);
}

static void a_pending_commit_is_asked_again(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.answer = WORLD_PENDING;
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_run(&w, 20000);
        CHECK_INT(w.s.phase, WIRE_PHASE_SAVING);
        CHECK_INT(w.finals, 1);
        w.answer = WORLD_COMMIT;
        world_until(&w, WIRE_PHASE_SAVED, 5000);
        CHECK_INT(w.finals, 1);
}

static void resume_at_every_moment_of_a_stop(void)
{
        static const enum wire_phase phases[] = {WIRE_PHASE_STOPPING, WIRE_PHASE_SAVING,
                                                 WIRE_PHASE_SAVE_FAILED};

        for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
                world_to(&w, phases[i]);
                world_command(&w, WIRE_VERB_RESUME);
                world_until(&w, WIRE_PHASE_READY, 20000);
                world_run(&w, 60000);
                CHECK(!w.final_committed && w.saved_told == 0);
                CHECK_INT(w.report.unsaved_age_ms, 0);
                world_command(&w, WIRE_VERB_PREPARE_STOP);
                world_until(&w, WIRE_PHASE_SAVED, 60000);
                CHECK(w.final_committed);
        }
}

static void stop_during_a_restore(void)
{
        world_to(&w, WIRE_PHASE_RESTORING);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        CHECK(w.final_committed && !w.student_ran);
        /* What was never complete is not saved: it would look like deleted files. */
        world_to(&w, WIRE_PHASE_WARM);
        w.restore_error = BLOB_CODE_CORRUPT;
        world_command(&w, WIRE_VERB_CLAIM);
        world_until(&w, WIRE_PHASE_FAILED, 20000);
        CHECK_STR(w.report.error, "the files cannot be restored: planned");
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        CHECK_INT(w.saves, 0);
        CHECK(strstr(w.trace, "> saved 0 final unchanged\n"));
}

static void storage_out_of_reach_is_waited_for(void)
{
        world_to(&w, WIRE_PHASE_WARM);
        w.restore_error = BLOB_CODE_NETWORK;
        world_command(&w, WIRE_VERB_CLAIM);
        world_run(&w, 600000);
        CHECK_INT(w.s.phase, WIRE_PHASE_RESTORING);
        CHECK_STR(w.report.error, "restoring is being retried: planned");
        CHECK_INT(w.starts, 1); /* the priming run alone */
        w.restore_error = NULL;
        world_until(&w, WIRE_PHASE_READY, 60000);
        CHECK_STR(w.report.error, "");
}

static void the_controller_is_away(void)
{
        uint32_t starts, stops;

        world_to(&w, WIRE_PHASE_READY);
        world_file_stream(&w, 1000);
        world_run(&w, 30000);
        starts = w.starts;
        stops = w.stops;
        world_cut(&w);
        world_run(&w, 3600000);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        CHECK_INT(w.starts, starts);
        CHECK_INT(w.stops, stops);
        CHECK_INT(w.uploaded_seq, 7); /* all but the one that init holds */
        CHECK_INT(w.held_seq, 8);
        world_forget(&w);
        world_reconnect(&w);
        world_run(&w, 30000);
        if (!strstr(w.trace, "> saved 2\n> saved 3\n"))
                fprintf(stderr, "%s", w.trace);
        CHECK(strstr(w.trace, "> saved 2\n> saved 3\n"));
        CHECK(w.committed_seq >= 8);
        world_run(&w, 60000);
        CHECK(w.report.unsaved_age_ms < 30000);
}

/* The claim was decided while it was away: the welcome brings it, and the command again. */
static void a_claim_that_was_missed_comes_with_the_welcome(void)
{
        enum wire_phase phases[] = {WIRE_PHASE_PRIMING, WIRE_PHASE_WARM};

        for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
                world_to(&w, phases[i]);
                world_cut(&w);
                world_command(&w, WIRE_VERB_CLAIM); /* nobody hears it yet */
                world_run(&w, 5000);
                CHECK_INT(w.s.generation, 0);
                world_reconnect(&w);
                world_until(&w, WIRE_PHASE_READY, 20000);
                world_run(&w, 5000);
                CHECK_INT(w.report.acted_id, w.last_command);
                CHECK_INT(w.report.generation, 3);
                CHECK_INT(w.starts, 2); /* the priming run, and the student's */
        }
}

static void a_deaf_controller_is_dialled_anew(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.answer = WORLD_SILENT;
        world_forget(&w);
        for (int i = 0; i < 3; i++) {
                world_run(&w, 6000);
                w.fx.n = 0;
                state_step(&w.s,
                           &(struct state_event){.type = STATE_NO_ANSWER,
                                                 .answer.line = STATE_REPORT_LINE},
                           w.now, &w.fx);
        }
        CHECK_INT(w.fx.n, 1);
        CHECK_INT(w.fx.v[0].type, STATE_ACT_HANG_UP);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
}

static void a_refusal_is_asked_again_slowly(void)
{
        static struct wire_msg m;
        static struct state_actions fx;
        int hellos = 0;

        world_to(&w, WIRE_PHASE_READY);
        w.answer = WORLD_SILENT;
        world_cut(&w);
        world_reconnect(&w);
        for (int64_t ms = 0; ms < 100000; ms += 100) {
                w.now = mono_add_ms(w.now, 100);
                if (w.s.busy[STATE_REPORT_LINE]) {
                        m = (struct wire_msg){.type = WIRE_REFUSED};
                        m.refused.re = w.s.sent_seq[STATE_REPORT_LINE];
                        strcpy(m.refused.code, "nonce-mismatch");
                        fx.n = 0;
                        state_step(&w.s,
                                   &(struct state_event){.type = STATE_ANSWER,
                                                         .answer.line = STATE_REPORT_LINE,
                                                         .answer.msg = &m},
                                   w.now, &fx);
                        hellos++;
                }
                (void)state_message(&w.s, STATE_REPORT_LINE, w.now, &w.msg);
        }
        CHECK(hellos >= 9 && hellos <= 11);
        CHECK_STR(w.s.refused_code, "nonce-mismatch");
        /* The student's app is none of the quarrel. */
        CHECK_INT(w.stops, 1);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
}

static void sigterm_of_the_container(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_forget(&w);
        world_sigterm(&w);
        world_run(&w, 10000);
        world_expect(&w, "! term\n"
                         "config stopping saving your work\n"
                         "down\n"
                         "> saved 8 final\n"
                         "saved\n"
                         "config saved\n");
        CHECK(w.final_committed);
        /* before the claim there is nothing to save */
        world_to(&w, WIRE_PHASE_WARM);
        world_sigterm(&w);
        world_run(&w, 10000);
        CHECK_INT(w.report.phase, WIRE_PHASE_STOPPING);
        CHECK(!w.final_committed);
        /* and a save that fails is told as that */
        world_to(&w, WIRE_PHASE_READY);
        w.save_error = BLOB_CODE_NETWORK;
        world_sigterm(&w);
        world_run(&w, 10000);
        CHECK_INT(w.report.phase, WIRE_PHASE_SAVE_FAILED);
        CHECK_INT(w.saved_told, 0);
}

/* A URL is signed for a day; nobody changes anything for longer than that. */
static void requests_are_renewed_before_they_expire(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 30000);
        w.url_ttl_ms = INT64_C(86400000);
        w.save_unchanged = true;
        world_run(&w, 2 * w.url_ttl_ms + 3600000);
        w.save_unchanged = false;
        world_forget(&w);
        world_change(&w);
        world_run(&w, 25000);
        CHECK_STR(w.report.error, "");
        CHECK_INT(w.report.unsaved_age_ms, 0);
        /* and init's own save, with nobody there to give it a newer request */
        world_run(&w, w.url_ttl_ms);
        world_cut(&w);
        world_change(&w);
        world_sigterm(&w);
        world_run(&w, 10000);
        CHECK_INT(w.held_saves, 1);
        CHECK(!w.held_failed);
}

/* The request that init holds may be of no use: link must give another one, not the same again. */
static void a_used_up_held_request_is_replaced(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 30000);
        w.taken_seq = w.held_seq;
        world_change(&w);
        world_sigterm(&w);
        world_run(&w, 10000);
        CHECK_INT(w.held_saves, 2);
        CHECK(w.final_committed);
        CHECK_INT(w.s.phase, WIRE_PHASE_SAVED);
}

/* A new link while init ends: what init has of a home is not complete before the app has run. */
static void a_half_restored_home_is_never_held(void)
{
        world_to(&w, WIRE_PHASE_RESTORING);
        w.terminating = true; /* the restore does not end: it sits in a dead disk */
        world_crash_link(&w);
        world_run(&w, 60000); /* link_world checks each HOLD */
        CHECK_INT(w.held_seq, 0);
        /* nor is one that was never there: neither primed nor restored */
        world_to(&w, WIRE_PHASE_WARM);
        w.restore_ms = 3600000; /* and the restore is lost with its init's memory of the priming */
        world_command(&w, WIRE_VERB_CLAIM);
        world_restart_init(&w);
        w.restore_ms = 700;
        world_crash_link(&w);
        world_run(&w, 20000);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        CHECK(w.home_complete);
}

static const enum wire_phase life[] = {
        WIRE_PHASE_PRIMING,      WIRE_PHASE_WARM,        WIRE_PHASE_RESTORING,
        WIRE_PHASE_APP_STARTING, WIRE_PHASE_READY,       WIRE_PHASE_STOPPING,
        WIRE_PHASE_SAVING,       WIRE_PHASE_SAVE_FAILED, WIRE_PHASE_SAVED,
};

static void goes_on_to_the_end(enum wire_phase from, const char *who)
{
        fprintf(stderr, "    %s dies while %s\n", who, wire_phase_name(from));
        world_run(&w, 15000);
        if (from == WIRE_PHASE_PRIMING || from == WIRE_PHASE_WARM) {
                CHECK_INT(w.s.phase, WIRE_PHASE_WARM);
                CHECK_INT(w.starts, 1);
                world_command(&w, WIRE_VERB_CLAIM);
                world_run(&w, 5000);
                CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        } else if (from < WIRE_PHASE_STOPPING) {
                CHECK_INT(w.s.phase, WIRE_PHASE_READY);
                CHECK_INT(w.starts, 2);
        }
        world_run(&w, 60000);
        if (!w.final_committed) {
                world_command(&w, WIRE_VERB_PREPARE_STOP);
                world_until(&w, WIRE_PHASE_SAVED, 60000);
        }
        CHECK(w.final_committed);
        CHECK_INT(w.starts, 2);
        CHECK_INT(w.s.phase, WIRE_PHASE_SAVED);
}

static void every_neighbour_dies_in_every_phase(void)
{
        static const struct {
                const char *name;
                void (*crash)(struct world *w);
        } who[] = {{"link", world_crash_link},
                   {"gate", world_crash_gate},
                   {"sense", world_crash_sense}};

        for (size_t i = 0; i < ARRAY_LEN(life); i++) {
                for (size_t k = 0; k < ARRAY_LEN(who); k++) {
                        world_to(&w, life[i]);
                        who[k].crash(&w);
                        goes_on_to_the_end(life[i], who[k].name);
                        /* twice in a row, the second in the middle of the recovery */
                        world_to(&w, life[i]);
                        who[k].crash(&w);
                        world_run(&w, 100);
                        who[k].crash(&w);
                        goes_on_to_the_end(life[i], who[k].name);
                }
        }
}

static void the_app_dies(void)
{
        world_to(&w, WIRE_PHASE_PRIMING);
        world_crash_app(&w);
        world_run(&w, 10000);
        CHECK_INT(w.report.phase, WIRE_PHASE_FAILED);
        CHECK_STR(w.report.error, "the app ended while it was primed: exit status 1");
        world_to(&w, WIRE_PHASE_READY);
        world_forget(&w);
        world_crash_app(&w);
        CHECK_INT(w.s.phase, WIRE_PHASE_APP_STARTING);
        world_run(&w, 350);
        CHECK_STR(w.report.error, "the app ended and is being started again: exit status 1");
        world_until(&w, WIRE_PHASE_READY, 20000);
        world_expect(&w, "! app\n"
                         "config app-starting\n"
                         "probe\n"
                         "config ready\n");
        world_run(&w, 1000);
        CHECK_STR(w.report.error, "");
        /* while it crashes for ever, the work is still saved */
        w.app_never_up = true;
        world_crash_app(&w);
        world_run(&w, 60000);
        CHECK(w.committed_seq > 0);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
}

static void a_new_link_while_the_controller_is_away(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_cut(&w);
        world_crash_link(&w);
        world_run(&w, 600000);
        CHECK_INT(w.stops, 1);
        CHECK_INT(w.s.phase, WIRE_PHASE_STARTING);
        world_reconnect(&w);
        world_until(&w, WIRE_PHASE_READY, 5000);
        CHECK_INT(w.starts, 2);
        world_run(&w, 60000);
        CHECK_INT(w.report.unsaved_age_ms, 0);
}

/* Many short lives with everything going wrong at random; link_world checks each order. */
static void random_lives(void)
{
        for (uint64_t seed = 1; seed <= 300; seed++) {
                uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15);
                static void (*const crash[])(struct world *) = {world_crash_link, world_crash_gate,
                                                                world_crash_sense, world_crash_app};
                static const enum wire_verb verbs[] = {WIRE_VERB_PREPARE_STOP, WIRE_VERB_SAVE_NOW,
                                                       WIRE_VERB_RESUME};

                world_to(&w, WIRE_PHASE_WARM);
                w.later_bytes = seed % 3 * 1000000;
                w.rest_step = 100000;
                world_command(&w, WIRE_VERB_CLAIM);
                world_until(&w, WIRE_PHASE_READY, 20000);
                world_file_stream(&w, 900);
                w.idle_ms = 20000;
                for (int i = 0; i < 60; i++) {
                        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                        world_run(&w, (int64_t)(x % 7000));
                        w.gate.websockets = (uint32_t)(x >> 40) % 2;
                        world_gate_sees(&w, PRESENCE_INPUT, (x >> 42) % PRESENCE_KIND_MAX);
                        world_gate_tell(&w);
                        w.save_error = (x >> 20) % 8 == 0 ? BLOB_CODE_NETWORK : NULL;
                        w.save_errors_left = 2;
                        w.answer = (x >> 24) % 10 == 0 ? WORLD_PENDING : WORLD_COMMIT;
                        if (w.s.phase == WIRE_PHASE_SAVED)
                                break;
                        if ((x >> 28) % 3 == 0)
                                crash[(x >> 32) % ARRAY_LEN(crash)](&w);
                        else if ((x >> 28) % 3 == 1)
                                world_command(&w, verbs[(x >> 36) % ARRAY_LEN(verbs)]);
                        else if (w.reachable)
                                world_cut(&w);
                        else
                                world_reconnect(&w);
                }
                w.save_error = NULL;
                w.answer = WORLD_COMMIT;
                if (!w.reachable)
                        world_reconnect(&w);
                world_run(&w, 30000);
                for (int i = 0; i < 3 && w.s.phase != WIRE_PHASE_SAVED; i++) {
                        world_command(&w, WIRE_VERB_PREPARE_STOP);
                        world_run(&w, 60000);
                }
                if (w.s.phase != WIRE_PHASE_SAVED)
                        fprintf(stderr, "seed %llu\n%s", (unsigned long long)seed, w.trace);
                CHECK_INT(w.s.phase, WIRE_PHASE_SAVED);
        }
}

int main(void)
{
        RUN(a_normal_life);
        RUN(clocks_that_differ);
        RUN(on_the_way_up_only_what_lasts_is_told);
        RUN(a_stop_comes_before_sense_has_begun);
        RUN(unchanged_files_cost_no_upload);
        RUN(unsaved_work_is_never_old);
        RUN(the_age_covers_what_a_running_save_misses);
        RUN(commands_are_acted_on_once);
        RUN(another_generation_is_not_ours);
        RUN(a_failed_save_is_shown_and_retried);
        RUN(used_up_requests_are_skipped);
        RUN(a_failed_last_save_waits_for_another_order);
        RUN(a_last_save_has_patience_with_the_storage);
        RUN(a_refused_commit_is_a_failure);
        RUN(a_pending_commit_is_asked_again);
        RUN(resume_at_every_moment_of_a_stop);
        RUN(stop_during_a_restore);
        RUN(storage_out_of_reach_is_waited_for);
        RUN(the_controller_is_away);
        RUN(a_claim_that_was_missed_comes_with_the_welcome);
        RUN(a_deaf_controller_is_dialled_anew);
        RUN(a_refusal_is_asked_again_slowly);
        RUN(sigterm_of_the_container);
        RUN(requests_are_renewed_before_they_expire);
        RUN(a_used_up_held_request_is_replaced);
        RUN(a_half_restored_home_is_never_held);
        RUN(every_neighbour_dies_in_every_phase);
        RUN(the_app_dies);
        RUN(a_new_link_while_the_controller_is_away);
        RUN(random_lives);
        return 0;
}
