/*
 * What link makes of evidence, in virtual time (link_world.h): what counts, what the controller is
 * told and when, what the gate is told of an announced stop, and when a stop is declined.
 */
#include "link_world.h"
#include "test.h"

static struct world w;

/* The controller decides to stop for want of a person, by this limit. */
static void ask_to_stop(int64_t idle_ms)
{
        memset(&w.command, 0, sizeof(w.command));
        w.command.id = ++w.last_command;
        w.command.generation = w.generation;
        w.command.verb = WIRE_VERB_PREPARE_STOP;
        w.command.recheck = true;
        w.command.idle_ms = idle_ms;
        world_deliver(&w);
        world_run(&w, 1000);
}

static void a_person_types(void)
{
        world_gate_sees(&w, PRESENCE_INPUT, PRESENCE_KIND_PERSON);
}

static const struct wire_signal *reported(const char *source)
{
        for (uint32_t i = 0; i < w.report.n_signals; i++) {
                if (strcmp(w.report.signals[i].source, source) == 0)
                        return &w.report.signals[i];
        }
        return NULL;
}

static void a_present_person_declines(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.gate.websockets = w.gate.active = 1;
        for (int i = 0; i < 40; i++) {
                a_person_types();
                world_gate_tell(&w);
                world_run(&w, 90000);
        }
        CHECK_INT(w.report.person_age_ms, 0);
        CHECK_STR(w.report.person_by, "active");
        ask_to_stop(1800000);
        CHECK(w.report.declined);
        CHECK_INT(w.report.acted_id, w.last_command);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        /* the person leaves; long enough later the same question has another answer */
        w.gate.websockets = w.gate.active = 0;
        world_gate_tell(&w);
        world_run(&w, 1800000);
        w.command.id = ++w.last_command;
        world_deliver(&w);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        CHECK(!w.report.declined);
}

static void a_stop_without_an_idle_time_does_not_cut_off(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 600000);
        a_person_types();
        world_gate_tell(&w);
        world_run(&w, 600000);
        ask_to_stop(0); /* not known: the claim's counts */
        CHECK(w.report.declined);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
}

/* Younger than the limit or not: what the controller could not know is told before anything ends.
 */
static void what_the_controller_does_not_know_declines(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 1800000);
        w.answer = WORLD_SILENT; /* reports go out, and it is not known whether they arrive */
        a_person_types();
        world_gate_tell(&w);
        world_run(&w, 8000);
        CHECK(w.report.person_age_ms >= 1790000);
        w.answer = WORLD_COMMIT;
        /* its limit is shorter than the time since then */
        ask_to_stop(1000);
        CHECK(w.s.declined);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        world_cut(&w);
        world_reconnect(&w);
        CHECK(w.report.declined);
        /* asked again, knowing it, by the same limit */
        world_run(&w, 10000);
        ask_to_stop(1000);
        world_until(&w, WIRE_PHASE_SAVED, 20000);

        /* a browser that came back while "disconnected" was decided */
        world_to(&w, WIRE_PHASE_READY);
        w.gate.websockets = 1;
        world_gate_tell(&w);
        world_run(&w, 60000);
        w.gate.websockets = 0;
        world_gate_tell(&w);
        world_run(&w, 600000);
        CHECK(w.report.disconnected_ms >= 595000);
        w.gate.websockets = 1;
        world_gate_tell(&w);
        CHECK(w.report.disconnected_ms > 0);
        ask_to_stop(300000);
        CHECK(w.report.declined);
        CHECK_INT(w.report.disconnected_ms, 0);
        ask_to_stop(300000);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
}

/* How long a job may go on is the controller's matter: it has been told of it. */
static void a_job_does_not_decline(void)
{
        struct channel_msg job = {.type = CHANNEL_SENSE_JOB, .u.job = {"make", 1}};

        world_to(&w, WIRE_PHASE_READY);
        for (int i = 0; i < 200; i++) {
                world_channel(&w, &job);
                world_run(&w, 10000);
        }
        CHECK(w.report.busy_ms > 100000);
        CHECK_STR(w.report.job, "make");
        CHECK(w.report.person_age_ms > 1900000);
        CHECK_STR(reported("job")->kind, "job");
        ask_to_stop(1800000);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
}

static void evidence_counts_once(void)
{
        struct channel_msg last = {.type = CHANNEL_GATE_EVIDENCE};

        world_to(&w, WIRE_PHASE_READY);
        CHECK(w.report.never_connected);
        CHECK_STR(w.report.person_by, "claim");
        CHECK_STR(w.report.confidence, "low");
        w.gate.websockets = 2;
        a_person_types();
        a_person_types();
        world_gate_sees(&w, PRESENCE_REQUEST, PRESENCE_KIND_MACHINE);
        w.gate.unknown = 7;
        world_gate_tell(&w);
        world_run(&w, 60000);
        CHECK_STR(w.report.person_by, "input");
        CHECK_STR(w.report.confidence, "high");
        CHECK(!w.report.never_connected);
        CHECK_INT(reported("input")->count, 2);
        CHECK_STR(reported("input")->kind, "person");
        CHECK_STR(reported("request")->kind, "machine");
        CHECK_INT(reported("connection")->count, 2);
        CHECK(!reported("terminal") && !reported("undecoded"));
        CHECK_INT(w.report.unknown, 7);
        /* the same record again, every ten seconds, ever older: nothing is new in it */
        for (int i = 0; i < 60; i++) {
                world_gate_tell(&w);
                world_run(&w, 10000);
        }
        CHECK(w.report.person_age_ms >= 655000);
        CHECK_INT(reported("input")->count, 2);
        /* nor when its ages were wrong */
        last.u.evidence.n_notes = 1;
        last.u.evidence.tracked = 1;
        last.u.evidence.websockets = 2;
        last.u.evidence.notes[0] = (struct channel_note){
                .source = PRESENCE_INPUT, .kind = PRESENCE_KIND_PERSON, .events = 2};
        world_channel(&w, &last);
        world_run(&w, 5000);
        CHECK(w.report.person_age_ms >= 660000);
        /* what was lost on the way comes with the next record, with its own date */
        a_person_types();
        world_run(&w, 30000);
        a_person_types();
        world_run(&w, 20000);
        world_gate_tell(&w);
        world_run(&w, 5000);
        CHECK_INT(reported("input")->count, 4);
        CHECK(w.report.person_age_ms >= 20000 && w.report.person_age_ms <= 25000);
}

static void a_new_gate_counts_from_the_start(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.gate.websockets = w.gate.active = 1;
        w.gate.unknown = 5;
        for (int i = 0; i < 9; i++)
                a_person_types();
        world_gate_tell(&w);
        world_run(&w, 600000);
        CHECK_INT(w.report.person_age_ms, 0);
        world_crash_gate(&w);
        world_run(&w, 5000);
        CHECK(w.report.disconnected_ms > 0);
        CHECK(w.report.person_age_ms >= 40000 && w.report.person_age_ms <= 45000);
        CHECK_STR(w.report.confidence, "low");
        CHECK_INT(w.report.unknown, 5);
        world_run(&w, 600000);
        /* one is more than none, although it is less than nine */
        a_person_types();
        w.gate.unknown = 2;
        world_gate_tell(&w);
        world_run(&w, 5000);
        CHECK(w.report.person_age_ms <= 5000);
        CHECK_INT(reported("input")->count, 10);
        CHECK_INT(w.report.unknown, 7);
        /* its hello was lost: at most what came before the first record is, nothing else */
        for (int i = 0; i < 3; i++)
                a_person_types();
        world_gate_tell(&w);
        memset(&w.gate, 0, sizeof(w.gate));
        a_person_types();
        world_gate_tell(&w);
        world_run(&w, 600000);
        a_person_types();
        world_gate_tell(&w);
        world_run(&w, 5000);
        CHECK(w.report.person_age_ms <= 5000);
        CHECK_INT(reported("input")->count, 14);
        /* and a counter may run over */
        w.gate.events[PRESENCE_INPUT][PRESENCE_KIND_PERSON] = UINT32_MAX / 2;
        world_gate_tell(&w);
        w.gate.events[PRESENCE_INPUT][PRESENCE_KIND_PERSON] = UINT32_MAX;
        world_gate_tell(&w);
        world_run(&w, 600000);
        a_person_types();
        CHECK_INT(w.gate.events[PRESENCE_INPUT][PRESENCE_KIND_PERSON], 0);
        w.gate.events[PRESENCE_INPUT][PRESENCE_KIND_PERSON] = 1;
        world_gate_tell(&w);
        world_run(&w, 5000);
        CHECK(w.report.person_age_ms <= 5000);
}

/* A new link of an old gate: what it counted has its dates. */
static void a_new_link_takes_the_dates(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.gate.websockets = 1;
        a_person_types();
        world_gate_tell(&w);
        world_run(&w, 600000);
        world_crash_link(&w);
        world_run(&w, 10000);
        world_gate_tell(&w);
        world_run(&w, 590000);
        CHECK(w.report.person_age_ms >= 590000); /* the new link's claim, not the old key */
        CHECK(reported("input")->age_ms >= 1190000);
        CHECK(!w.report.never_connected);
}

static void weak_pieces_of_one_record_are_a_pair(void)
{
        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 600000);
        world_gate_sees(&w, PRESENCE_REQUEST, PRESENCE_KIND_WEAK);
        world_run(&w, 5000);
        world_gate_sees(&w, PRESENCE_SCROLL, PRESENCE_KIND_WEAK);
        world_run(&w, 1000);
        world_gate_tell(&w);
        world_run(&w, 4000);
        CHECK_STR(w.report.person_by, "scroll");
        CHECK(w.report.person_age_ms <= 6000);
}

/* Without evidence an open tab is presumed to be somebody, for a while. */
static void a_gate_that_cannot_read(void)
{
        struct channel_msg traffic = {.type = CHANNEL_GATE_TRAFFIC};

        world_to(&w, WIRE_PHASE_READY);
        traffic.u.traffic.websockets = 1;
        world_channel(&w, &traffic);
        world_run(&w, 3600000);
        CHECK_INT(w.report.person_age_ms, 0);
        CHECK_STR(w.report.person_by, "undecoded");
        CHECK_STR(w.report.confidence, "low");
        CHECK_INT(reported("undecoded")->count, 1);
        world_run(&w, 3600000 * 2);
        CHECK(w.report.person_age_ms >= 3590000 && w.report.person_age_ms <= 3605000);
        /* once it tells, its traffic is not asked */
        w.gate.websockets = 3;
        world_gate_tell(&w);
        world_channel(&w, &traffic);
        world_run(&w, 5000);
        CHECK_INT(reported("connection")->count, 3);
        CHECK_INT(w.s.presence.source[PRESENCE_UNDECODED].held, 0);
        world_crash_gate(&w);
        world_channel(&w, &traffic);
        world_run(&w, 5000);
        CHECK_INT(reported("connection")->count, 1);
}

static void sense_tells_terminals_files_and_jobs(void)
{
        struct channel_msg m = {.type = CHANNEL_SENSE_TERMINAL};

        world_to(&w, WIRE_PHASE_READY);
        w.save_unchanged = true;
        world_run(&w, 600000);
        m.u.terminal.events = m.u.terminal.replies = 3; /* a program and its terminal */
        m.u.terminal.app_events = 2;
        world_channel(&w, &m);
        world_run(&w, 30000);
        world_channel(&w, &m);
        world_change(&w);
        world_run(&w, 30000);
        CHECK(w.report.person_age_ms >= 600000);
        CHECK_STR(reported("terminal")->kind, "machine");
        CHECK_STR(reported("app-terminal")->kind, "hint");
        CHECK_STR(reported("file")->kind, "hint");
        m.u.terminal.events = 2; /* fewer than the replies among them: junk */
        m.u.terminal.app_events = 0;
        world_channel(&w, &m);
        world_run(&w, 5000);
        CHECK(w.report.person_age_ms >= 600000);
        m.u.terminal.events = 4;
        world_channel(&w, &m);
        world_run(&w, 5000);
        CHECK(w.report.person_age_ms <= 5000);
        CHECK_STR(w.report.person_by, "terminal");
        CHECK_INT(reported("terminal")->count, 12);
        /* cells run in the page */
        w.gate.jobs = 1;
        world_gate_tell(&w);
        world_run(&w, 5000);
        CHECK_STR(w.report.job, "notebook");
        CHECK(w.report.busy_ms > 100000);
        /* none is none */
        world_run(&w, 600000);
        m = (struct channel_msg){.type = CHANNEL_SENSE_JOB, .u.job = {"make", 0}};
        world_channel(&w, &m);
        world_run(&w, 5000);
        CHECK_INT(w.report.busy_ms, 0);
}

/* Whatever another process writes: bounded, and nobody is made up by what it may not say. */
static void junk_from_the_neighbours(void)
{
        static const uint8_t not_the_gates[] = {PRESENCE_CLAIM, PRESENCE_TERMINAL,
                                                PRESENCE_APP_TERMINAL, PRESENCE_FILE, PRESENCE_JOB};
        struct channel_msg m = {.type = CHANNEL_GATE_EVIDENCE};
        uint64_t x = 88172645463325252u;

        world_to(&w, WIRE_PHASE_READY);
        world_run(&w, 600000);
        for (size_t i = 0; i < ARRAY_LEN(not_the_gates); i++)
                m.u.evidence.notes[m.u.evidence.n_notes++] = (struct channel_note){
                        .source = not_the_gates[i], .kind = PRESENCE_KIND_PERSON, .events = 1};
        m.u.evidence.notes[m.u.evidence.n_notes++] = (struct channel_note){
                .source = PRESENCE_SOURCE_MAX, .kind = PRESENCE_KIND_PERSON, .events = 1};
        m.u.evidence.notes[m.u.evidence.n_notes++] = (struct channel_note){
                .source = PRESENCE_INPUT, .kind = PRESENCE_KIND_MAX, .events = 1};
        m.u.evidence.notes[m.u.evidence.n_notes++] = (struct channel_note){
                .source = PRESENCE_TYPED, .kind = PRESENCE_KIND_PERSON, .events = 1, .age_ms = -1};
        m.u.evidence.notes[m.u.evidence.n_notes++] =
                (struct channel_note){.source = PRESENCE_INPUT,
                                      .kind = PRESENCE_KIND_PERSON,
                                      .events = 1,
                                      .age_ms = INT64_MAX};
        m.u.evidence.undecoded = m.u.evidence.active = 5; /* of no WebSocket */
        world_channel(&w, &m);
        world_run(&w, 5000);
        CHECK(w.report.person_age_ms >= 600000);
        CHECK_INT(reported("input")->age_ms, mono_diff_ms((mono_t){0}, w.now));
        for (int i = 0; i < 20000; i++) {
                uint32_t *words = (uint32_t *)(void *)&m;

                for (size_t k = 0; k < sizeof(m) / sizeof(*words); k++) {
                        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                        /* small numbers that mean something, and any */
                        words[k] = x % 3 ? (uint32_t)(x >> 32) % 20 : (uint32_t)(x >> 32);
                }
                m.type =
                        (uint32_t[]){CHANNEL_GATE_EVIDENCE, CHANNEL_GATE_TRAFFIC,
                                     CHANNEL_SENSE_TERMINAL, CHANNEL_SENSE_JOB, (uint32_t)x}[i % 5];
                if (m.type == CHANNEL_GATE_HELLO || m.type == CHANNEL_SENSE_HELLO)
                        continue;
                world_channel(&w, &m);
                world_run(&w, (int64_t)(x % 300));
                CHECK(w.report.person_age_ms >= 0 && w.report.disconnected_ms >= 0);
        }
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        /* While some are open, their number is told, and not the events so far. */
        m = (struct channel_msg){.type = CHANNEL_GATE_EVIDENCE};
        m.u.evidence.websockets = UINT32_MAX;
        world_channel(&w, &m);
        world_run(&w, 5000);
        CHECK_INT(reported("connection")->count, 65536);
}

/* ---- the announced stop ---- */

static void the_gate_is_told_of_the_stop(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.idle_ms = 1800000;
        world_run(&w, 10000);
        CHECK(w.notice_ms > 1700000);
        world_run(&w, 20000);
        world_forget(&w);
        /* the same stop all the time: the gate counts by itself */
        world_run(&w, 200000);
        CHECK(!strstr(w.trace, "notice"));
        /* nor for the difference that the way of an answer makes, until it adds up */
        for (int i = 0; i < 4; i++) {
                CHECK(!strstr(w.trace, "notice"));
                w.idle_ms += 240;
                world_run(&w, 5000);
        }
        CHECK(!strstr(w.trace, "notice"));
        w.idle_ms += 240;
        world_run(&w, 5000);
        CHECK(strstr(w.trace, "notice"));
        /* a new gate wants to know; the rest is as ever */
        world_forget(&w);
        world_crash_gate(&w);
        CHECK(strstr(w.trace, "! gate\nconfig ready\nnotice 15"));
        CHECK(strstr(w.trace, " idle\nprobe\n"));
        world_run(&w, 5000);
        world_forget(&w);
        /* a person: another stop */
        a_person_types();
        world_gate_tell(&w);
        world_run(&w, 6000);
        CHECK(strstr(w.trace, "notice 179"));
        /* a controller that is away stops nothing; when it is back, it says */
        world_forget(&w);
        world_cut(&w);
        world_expect(&w, "notice -1 \n");
        world_run(&w, 30000);
        world_expect(&w, "");
        world_crash_gate(&w);
        world_expect(&w, "! gate\nconfig ready\nprobe\n");
        world_reconnect(&w);
        world_run(&w, 1000);
        CHECK(w.notice_ms > 1700000);
        /* nor is one announced any more */
        w.idle_ms = 0;
        world_run(&w, 6000);
        CHECK_INT(w.notice_ms, -1);
}

static void news_before_a_stop_is_told_at_once(void)
{
        uint64_t before;

        world_to(&w, WIRE_PHASE_READY);
        w.idle_ms = 1800000;
        world_run(&w, 10000);
        /* far from a stop the heartbeat does */
        for (before = w.reports; w.reports == before;)
                world_run(&w, 100);
        before = w.reports;
        world_run(&w, 2000);
        a_person_types();
        world_gate_tell(&w);
        world_run(&w, 2000);
        CHECK_INT(w.reports, before);
        world_run(&w, 1500000);
        CHECK(w.notice_ms > 300000);
        world_run(&w, 2001); /* between two heartbeats */
        before = w.reports;
        a_person_types();
        world_gate_tell(&w);
        CHECK_INT(w.reports, before + 1);
        CHECK(w.report.person_age_ms <= 1);
        CHECK(w.notice_ms > 1799000);
        /* "Keep working" at any time, but not oftener than once a second */
        world_run(&w, 1200);
        before = w.reports;
        for (int i = 0; i < 20; i++) {
                world_gate_sees(&w, PRESENCE_KEEP, PRESENCE_KIND_PERSON);
                world_gate_tell(&w);
                world_run(&w, 100);
        }
        CHECK(w.reports >= before + 2 && w.reports <= before + 4);
        CHECK_STR(w.report.person_by, "keep");
        /* so is a browser that comes, and a job */
        world_run(&w, 1500000);
        world_run(&w, 2001);
        before = w.reports;
        w.gate.websockets = 1;
        world_gate_tell(&w);
        CHECK_INT(w.reports, before + 1);
        world_gate_tell(&w);
        world_run(&w, 1100);
        CHECK_INT(w.reports, before + 1);
        w.gate.jobs = 1;
        world_gate_tell(&w);
        CHECK_INT(w.reports, before + 2);
        /* files and the machine's own are no news */
        world_run(&w, 1100);
        before = w.reports;
        world_gate_sees(&w, PRESENCE_REQUEST, PRESENCE_KIND_MACHINE);
        world_gate_sees(&w, PRESENCE_SCROLL, PRESENCE_KIND_WEAK);
        world_gate_tell(&w);
        world_change(&w);
        CHECK_INT(w.reports, before);
}

static void a_resume_starts_the_clock(void)
{
        world_to(&w, WIRE_PHASE_READY);
        w.gate.websockets = 1;
        a_person_types();
        world_gate_tell(&w);
        w.idle_ms = 1800000;
        world_run(&w, 3600000);
        w.gate.websockets = 0;
        world_gate_tell(&w);
        CHECK_INT(w.notice_ms, 0);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_run(&w, 1000);
        world_command(&w, WIRE_VERB_RESUME);
        CHECK(w.report.person_age_ms <= 1);
        CHECK_STR(w.report.person_by, "claim");
        CHECK(w.report.never_connected);
        CHECK(!reported("input"));
        world_until(&w, WIRE_PHASE_READY, 20000);
        world_run(&w, 10000);
        CHECK(w.notice_ms > 1700000);
        /* what the gate counted before does not come again */
        world_gate_tell(&w);
        world_run(&w, 5000);
        CHECK(!reported("input"));
}

int main(void)
{
        RUN(a_present_person_declines);
        RUN(a_stop_without_an_idle_time_does_not_cut_off);
        RUN(what_the_controller_does_not_know_declines);
        RUN(a_job_does_not_decline);
        RUN(evidence_counts_once);
        RUN(a_new_gate_counts_from_the_start);
        RUN(a_new_link_takes_the_dates);
        RUN(weak_pieces_of_one_record_are_a_pair);
        RUN(a_gate_that_cannot_read);
        RUN(sense_tells_terminals_files_and_jobs);
        RUN(junk_from_the_neighbours);
        RUN(the_gate_is_told_of_the_stop);
        RUN(news_before_a_stop_is_told_at_once);
        RUN(a_resume_starts_the_clock);
        return 0;
}
