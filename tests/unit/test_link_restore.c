/* A restore in two parts, seen from link, and what people are told of it (link_world.h). */
#include "link_world.h"
#include "test.h"
#include "wire/blob.h"

#define GB UINT64_C(1000000000)

static struct world w;

/* A claimed task whose restore leaves something; the app starts. */
static void restored_in_part(void)
{
        world_to(&w, WIRE_PHASE_WARM);
        w.later_bytes = 2 * GB;
        world_command(&w, WIRE_VERB_CLAIM);
        world_until(&w, WIRE_PHASE_APP_STARTING, 20000);
}

static void the_rest_comes_beside_the_app(void)
{
        restored_in_part();
        CHECK_INT(w.rests, 0); /* the app comes up first */
        world_until(&w, WIRE_PHASE_READY, 20000);
        CHECK_INT(w.rests, 1);
        world_run(&w, 60000);
        CHECK_INT(w.rest_left, 0);
        CHECK_INT(w.rests, 1);
        CHECK_STR(w.report.error, "");
        CHECK_INT(w.report.restored_generation, 2);
        CHECK_INT(w.report.restored_seq, 4);
        CHECK(!w.report.fell_back);
        CHECK(w.committed_seq > 0);
        /* Where nothing was left, nothing is brought. */
        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 60000);
        CHECK_INT(w.rests, 0);
}

/* An app that never comes up must not keep the files away that it may need for that. */
static void the_rest_does_not_wait_for_ever(void)
{
        world_to(&w, WIRE_PHASE_WARM);
        w.later_bytes = GB;
        w.app_never_up = true;
        world_command(&w, WIRE_VERB_CLAIM);
        world_run(&w, 20000);
        CHECK_INT(w.s.phase, WIRE_PHASE_APP_STARTING);
        CHECK_INT(w.rest_left, 0);
}

static void the_rest_is_brought_in_steps(void)
{
        restored_in_part();
        w.rest_step = GB / 10;
        world_run(&w, 120000);
        CHECK_INT(w.rest_left, 0);
        CHECK_INT(w.rests, 20);
}

static void saves_go_on_beside_the_rest(void)
{
        restored_in_part();
        w.rest_ms = 3600000;
        world_file_stream(&w, 1000);
        world_run(&w, 600000);
        CHECK(w.rest_runs);
        CHECK(w.committed_seq > 10);
        CHECK(w.unsaved_ms_max <= 60000);
}

static void failures_of_the_rest_back_off(void)
{
        uint64_t rests;

        restored_in_part();
        world_until(&w, WIRE_PHASE_READY, 20000);
        w.rest_error = BLOB_CODE_NETWORK;
        world_run(&w, 10000);
        CHECK_STR(w.report.error, "some files are still to be brought: planned");
        CHECK_STR(w.notices[STATE_NOTICE_RESTORE], ""); /* it passes by itself */
        world_run(&w, 600000);
        rests = w.rests;
        world_run(&w, 600000);
        CHECK(w.rests - rests <= 600000 / 22500 + 1);
        CHECK(w.rests - rests >= 600000 / 33500);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        w.rest_error = NULL;
        world_run(&w, 60000);
        CHECK_INT(w.rest_left, 0);
        CHECK_STR(w.report.error, "");
        /* What is not there, or damaged, is looked for at times, and told. */
        restored_in_part();
        world_until(&w, WIRE_PHASE_READY, 20000);
        w.rest_error = BLOB_CODE_MISSING;
        world_run(&w, 1800000);
        CHECK(w.rests >= 6 && w.rests <= 9);
        CHECK_STR(w.notices[STATE_NOTICE_RESTORE],
                  "Some of your files could not be brought back yet.");
}

static void each_run_has_a_request_that_works(void)
{
        restored_in_part();
        world_until(&w, WIRE_PHASE_READY, 20000);
        w.rest_error = BLOB_CODE_NETWORK;
        w.restore_ttl_ms = 7200000;
        world_run(&w, 3 * w.restore_ttl_ms);
        w.rest_error = NULL;
        world_run(&w, 40000);
        CHECK_INT(w.rest_left, 0);
        CHECK_INT(w.rests_expired, 0); /* asked anew before that */
        CHECK(w.rest_request > 1);
        /* A clock that is wrong, a key that was changed: the storage refuses it all the same. */
        restored_in_part();
        world_until(&w, WIRE_PHASE_READY, 20000);
        CHECK_INT(w.rest_request, 1);
        w.restore_ttl_ms = 8000;
        w.restore_given_at = mono_add_ms(w.now, -w.restore_ttl_ms);
        world_run(&w, 20000);
        CHECK_INT(w.rest_left, 0);
        CHECK_INT(w.rest_request, 2);
        CHECK_STR(w.report.error, "");
        /* Nobody to ask: what there is is tried. */
        restored_in_part();
        world_until(&w, WIRE_PHASE_READY, 20000);
        w.rest_error = BLOB_CODE_NETWORK;
        world_run(&w, 60000);
        world_cut(&w);
        world_run(&w, 7200000);
        w.rest_error = NULL;
        world_run(&w, 40000);
        CHECK_INT(w.rest_left, 0);
        CHECK_INT(w.rest_request, 1);
}

static void a_stop_ends_the_rest_first(void)
{
        restored_in_part();
        w.rest_ms = 600000;
        world_run(&w, 30000);
        CHECK(w.rest_runs);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 60000); /* link_world checks what the last save sees */
        CHECK(w.final_committed && !w.rest_runs);
        CHECK_INT(w.rests, 1);
        /* Who comes back has it brought from where it was. */
        restored_in_part();
        w.rest_ms = 600000;
        world_run(&w, 30000);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_run(&w, 1000);
        CHECK_INT(w.s.phase, WIRE_PHASE_STOPPING);
        w.rest_ms = 3000;
        world_command(&w, WIRE_VERB_RESUME);
        world_until(&w, WIRE_PHASE_READY, 60000);
        world_run(&w, 20000);
        CHECK_INT(w.rest_left, 0);
        CHECK_STR(w.report.error, "");
}

static void sigterm_ends_the_rest_first(void)
{
        restored_in_part();
        w.rest_ms = 600000;
        world_until(&w, WIRE_PHASE_READY, 20000);
        CHECK(w.rest_runs);
        world_sigterm(&w);
        world_run(&w, 20000);
        CHECK(w.final_committed && !w.rest_runs);
        CHECK_INT(w.held_saves, 1);
        /* Before the essentials are there nothing is saved. */
        world_to(&w, WIRE_PHASE_WARM);
        w.later_bytes = GB;
        w.restore_ms = 60000;
        world_command(&w, WIRE_VERB_CLAIM);
        world_run(&w, 1000);
        world_sigterm(&w);
        world_run(&w, 20000);
        CHECK_INT(w.held_saves, 0);
        CHECK(!w.final_committed);
}

/* kill -9 of link: while the rest runs, when it has ended, and in between. */
static void a_new_link_brings_the_rest(void)
{
        static const int64_t moments[] = {100, 2000, 2999, 3001, 3500};

        for (size_t i = 0; i < ARRAY_LEN(moments); i++) {
                restored_in_part();
                w.rest_step = GB / 2;
                world_until(&w, WIRE_PHASE_READY, 20000);
                world_run(&w, moments[i]);
                world_crash_link(&w);
                world_run(&w, 60000);
                CHECK_INT(w.s.phase, WIRE_PHASE_READY);
                CHECK_INT(w.rest_left, 0);
                CHECK_INT(w.starts, 2);
                world_command(&w, WIRE_VERB_PREPARE_STOP);
                world_until(&w, WIRE_PHASE_SAVED, 60000);
                CHECK(w.final_committed);
        }
        /* and while it stops: no run of the rest comes beside the last save */
        restored_in_part();
        w.rest_ms = 600000;
        world_until(&w, WIRE_PHASE_READY, 20000);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_run(&w, 200);
        world_crash_link(&w);
        world_until(&w, WIRE_PHASE_SAVED, 60000);
        CHECK(w.final_committed);
        CHECK_INT(w.rests, 1);
}

static void arriving_files_are_nobodys_work(void)
{
        restored_in_part();
        w.rest_ms = 600000;
        world_until(&w, WIRE_PHASE_READY, 20000);
        CHECK(w.rest_runs);
        for (int i = 0; i < 100; i++) {
                world_run(&w, 1000);
                world_change(&w);
        }
        world_run(&w, 6000);
        for (uint32_t i = 0; i < w.report.n_signals; i++)
                CHECK(strcmp(w.report.signals[i].source, "file") != 0);
}

static void progress_is_told_once_a_second(void)
{
        uint64_t reports;

        world_to(&w, WIRE_PHASE_WARM);
        w.restore_ms = 30000;
        world_command(&w, WIRE_VERB_CLAIM);
        reports = w.reports;
        for (int i = 0; i < 50; i++)
                world_later(&w, 1000 + i * 200, WORLD_PROGRESS, 120000000 + i * 2000000);
        world_run(&w, 1500);
        CHECK_INT(w.report.phase, WIRE_PHASE_RESTORING);
        CHECK_INT(w.report.restore_total, 300000000);
        CHECK(w.report.restore_done >= 120000000);
        CHECK(strstr(w.message, " of 300 MB"));
        world_run(&w, 10500);
        CHECK_INT(w.report.restore_done, 218000000);
        CHECK_STR(w.message, "Restoring 218 of 300 MB");
        CHECK(w.reports - reports >= 9 && w.reports - reports <= 14);
        world_until(&w, WIRE_PHASE_READY, 60000);
        world_run(&w, 6000);
        CHECK_INT(w.report.restore_total, 0);
        CHECK_STR(w.message, "");
        /* of the rest too, for as long as it takes */
        restored_in_part();
        w.rest_ms = 10000;
        world_until(&w, WIRE_PHASE_READY, 20000);
        world_later(&w, 2000, WORLD_PROGRESS, 7000000);
        world_run(&w, 8000);
        CHECK_INT(w.report.restore_done, 7000000);
        CHECK_STR(w.message, "");
        world_run(&w, 10000);
        CHECK_INT(w.report.restore_total, 0);
}

static void falling_back_is_told(void)
{
        world_to(&w, WIRE_PHASE_WARM);
        w.fell_back = "3-2 is damaged";
        world_command(&w, WIRE_VERB_CLAIM);
        world_until(&w, WIRE_PHASE_READY, 20000);
        world_run(&w, 6000);
        CHECK(w.report.fell_back);
        CHECK_STR(w.report.restored_why, "3-2 is damaged");
        CHECK_STR(w.notices[STATE_NOTICE_RESTORE],
                  "Your newest save was damaged; files are as of 2026-11-27 04:34 UTC.");
        /* A gate that starts again is told again. */
        memset(w.notices, 0, sizeof(w.notices));
        world_crash_gate(&w);
        CHECK(w.notices[STATE_NOTICE_RESTORE][0] != '\0');
}

static void what_a_save_lacks_is_told_once(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.save_message = "3 sockets are left out";
        world_run(&w, 30000);
        CHECK_STR(w.notices[STATE_NOTICE_SAVE], ""); /* which they always are */
        CHECK_STR(w.report.error, "");
        w.save_unreadable = 2;
        w.save_message = "2 could not be read, first: a";
        world_change(&w);
        world_run(&w, 30000);
        CHECK_STR(w.notices[STATE_NOTICE_SAVE], "Not saved: 2 could not be read, first: a");
        CHECK_STR(w.report.error, "saved, but: 2 could not be read, first: a");
        /* Other numbers are no other news: the editor would show it again. */
        w.save_message = "13 could not be read, first: a";
        world_change(&w);
        world_run(&w, 30000);
        CHECK_STR(w.notices[STATE_NOTICE_SAVE], "Not saved: 2 could not be read, first: a");
        CHECK_STR(w.report.error, "saved, but: 13 could not be read, first: a");
        w.save_unreadable = 0;
        w.save_message = NULL;
        world_change(&w);
        world_run(&w, 30000);
        CHECK_STR(w.notices[STATE_NOTICE_SAVE], "");
        CHECK_STR(w.report.error, "");
        /* What nobody but the student can put right. */
        w.save_error = BLOB_CODE_TOO_BIG;
        w.save_message = "60 GB, and 50 GB are allowed";
        world_change(&w);
        world_run(&w, 60000);
        CHECK_STR(w.notices[STATE_NOTICE_SAVE],
                  "Your work cannot be saved: 60 GB, and 50 GB are allowed");
        w.save_error = w.save_message = NULL;
        world_run(&w, 60000);
        CHECK_STR(w.notices[STATE_NOTICE_SAVE], "");
        /* What passes by itself is not the student's. */
        w.save_error = BLOB_CODE_NETWORK;
        world_change(&w);
        world_run(&w, 60000);
        CHECK_STR(w.notices[STATE_NOTICE_SAVE], "");
}

/* Mode `home`: nothing is uploaded but backups, and those when they are due. */
static void a_home_is_backed_up_when_that_is_due(void)
{
        world_to(&w, WIRE_PHASE_WARM);
        w.home = true;
        w.backup_ms = 86400000;
        w.backup_in_ms = 3600000;
        world_command(&w, WIRE_VERB_CLAIM);
        world_until(&w, WIRE_PHASE_READY, 20000);
        CHECK(w.held_sync);
        world_file_stream(&w, 1000);
        world_run(&w, 3500000);
        CHECK_INT(w.saves, 0);
        CHECK_INT(w.unsaved_ms_max, 0);
        world_run(&w, 200000);
        CHECK_INT(w.saves, 1);
        CHECK(w.committed_seq > 0);
        world_run(&w, 80000000);
        CHECK_INT(w.saves, 1);
        world_run(&w, 10000000);
        CHECK_INT(w.saves, 2);
        CHECK(w.held_sync && w.held_seq == 0);
        world_command(&w, WIRE_VERB_SAVE_NOW);
        world_run(&w, 60000);
        CHECK_INT(w.saves, 3);
}

static void a_home_is_synced_at_the_end(void)
{
        world_to(&w, WIRE_PHASE_WARM);
        w.home = true;
        world_command(&w, WIRE_VERB_CLAIM);
        world_until(&w, WIRE_PHASE_READY, 20000);
        world_change(&w);
        w.save_error = BLOB_CODE_READ_ERROR;
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVE_FAILED, 60000);
        w.save_error = NULL;
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 60000);
        CHECK_INT(w.syncs, 2);
        CHECK_INT(w.saves, 0);
        CHECK(w.final_committed);
        CHECK_INT(w.uploaded_seq, 0);
}

int main(void)
{
        RUN(a_home_is_backed_up_when_that_is_due);
        RUN(a_home_is_synced_at_the_end);
        RUN(the_rest_comes_beside_the_app);
        RUN(the_rest_does_not_wait_for_ever);
        RUN(the_rest_is_brought_in_steps);
        RUN(saves_go_on_beside_the_rest);
        RUN(failures_of_the_rest_back_off);
        RUN(each_run_has_a_request_that_works);
        RUN(a_stop_ends_the_rest_first);
        RUN(sigterm_ends_the_rest_first);
        RUN(a_new_link_brings_the_rest);
        RUN(arriving_files_are_nobodys_work);
        RUN(progress_is_told_once_a_second);
        RUN(falling_back_is_told);
        RUN(what_a_save_lacks_is_told_once);
        return 0;
}
