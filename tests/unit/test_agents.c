/* Enrolment, reports, commands and saves between real nng agents and the controller's edge. */
#include "agents_fixture.h"

#include <errno.h>

#include "base/log.h"
#include "base/str.h"

static void test_enrol_and_report(void)
{
        struct client c;
        struct wire_msg *m;
        struct core_event *ev;

        client_up(&c, "t-0000000001", 'a');
        m = client_enrol(&c);
        CHECK_INT(m->welcome.re, 1);
        CHECK_INT(m->welcome.v, 1);
        CHECK_INT(m->welcome.heartbeat_ms, 5000);
        CHECK_STR(m->welcome.claim.workspace, "");
        ev = fixture_last(EV_AGENT_HELLO);
        CHECK_STR(ev->hello.task, c.task);
        CHECK_STR(ev->hello.addr, "127.0.0.1:41234");

        m = client_report(&c);
        m->report.phase = WIRE_PHASE_SAVE_FAILED;
        m->report.acted_id = 3;
        m->report.person_age_ms = 1234;
        m->report.n_signals = 1;
        m->report.signals[0] = (struct wire_signal){
                .source = "terminal", .age_ms = 99, .count = 2, .kind = "hint"};
        m->report.busy_ms = 70000;
        m->report.never_connected = true;
        m->report.disconnected_ms = 17;
        m->report.unknown = 5;
        m->report.restore_done = 120;
        m->report.restore_total = 300;
        m->report.restored_generation = 2;
        m->report.restored_seq = 9;
        m->report.fell_back = true;
        STR_CUT(m->report.restored_why, "2-10 is damaged");
        STR_CUT(m->report.job, "make");
        STR_CUT(m->report.person_by, "typed");
        STR_CUT(m->report.confidence, "low");
        STR_CUT(m->report.error, "disk full");
        ask_msg(&c.report, m);
        m = ask_answer(&c.report);
        CHECK_INT(m->type, WIRE_OK);
        CHECK_INT(m->ok.re, 2);
        CHECK_INT(m->ok.n_saves, 0);
        ev = fixture_last(EV_AGENT_REPORT);
        CHECK_INT(ev->report.phase, AGENT_SAVE_FAILED);
        CHECK_INT(ev->report.acted_id, 3);
        CHECK_INT(ev->report.person_age_ms, 1234);
        CHECK_STR(ev->report.signals[0].source, "terminal");
        CHECK_INT(ev->report.signals[0].age_ms, 99);
        CHECK_INT(ev->report.signals[0].count, 2);
        CHECK_STR(ev->report.signals[0].kind, "hint");
        CHECK_INT(ev->report.busy_ms, 70000);
        CHECK(ev->report.never_connected);
        CHECK_INT(ev->report.disconnected_ms, 17);
        CHECK_INT((long long)ev->report.unknown, 5);
        CHECK_INT(ev->report.restore_done, 120);
        CHECK_INT(ev->report.restore_total, 300);
        CHECK_INT(ev->report.restored_generation, 2);
        CHECK_INT(ev->report.restored_seq, 9);
        CHECK(ev->report.fell_back);
        CHECK_STR(ev->report.restored_why, "2-10 is damaged");
        CHECK_STR(ev->report.job, "make");
        CHECK_STR(ev->report.person_by, "typed");
        CHECK_STR(ev->report.confidence, "low");
        CHECK_STR(ev->report.error, "disk full");
        client_down(&c);
}

static struct wire_ok report_ok(struct client *c)
{
        ask_msg(&c->report, client_report(c));
        return ask_answer(&c->report)->ok;
}

/*
 * The answer to a report says when the workspace would be stopped. It is worked out behind the
 * report: the small core plans nothing before it has had an event, and the first answer has it.
 */
static void test_stop_is_told(void)
{
        struct client c;
        struct wire_ok ok;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        fixture.running = true;
        CHECK(!report_ok(&c).stop_known); /* not claimed: there is no workspace */
        fixture_claim(c.task, 7, 41);
        (void)client_enrol(&c);
        fixture.n_events = 0;
        ok = report_ok(&c);
        CHECK(ok.stop_known);
        CHECK_INT(ok.stop_in_ms, 90000);
        CHECK_STR(ok.stop_rule, "disconnected");
        fixture.read_only = true; /* nothing is stopped while nothing can be stored */
        CHECK(!report_ok(&c).stop_known);
        fixture.read_only = false;
        fixture.running = false;
        ok = report_ok(&c);
        CHECK(!ok.stop_known);
        CHECK_STR(ok.stop_rule, "");
        client_down(&c);
}

static void test_hello_is_idempotent(void)
{
        struct client c;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        (void)client_enrol(&c);
        CHECK_INT(fixture_count(EV_AGENT_HELLO), 2);
        CHECK_INT(fixture_counters().sessions, 1);
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        client_down(&c);
}

/* A late report of a stalled connection changes nothing any more, and is no error. */
static void test_stale_report(void)
{
        struct client c;
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        c.seq--;
        ask_msg(&c.report, client_report(&c));
        m = ask_answer(&c.report);
        CHECK_INT(m->type, WIRE_OK);
        CHECK_INT(fixture_count(EV_AGENT_REPORT), 1);
        CHECK_INT(fixture_counters().stale, 1);
        client_down(&c);
}

static void check_claim(const struct wire_claim *c, uint64_t first_seq)
{
        char key[KEYS_HEX];

        keys_gate(&fixture.keys, "ws-one", 7, key);
        CHECK_STR(c->workspace, "ws-one");
        CHECK_INT(c->generation, 7);
        CHECK_STR(c->host, "ws-one.localhost:8080");
        CHECK_STR(c->gate_key, key);
        CHECK_INT(c->idle_ms, 1800000);
        CHECK_STR(c->restore, "{\"workspace\":\"ws-one\",\"generation\":7,\"head\":12}");
        CHECK_INT(c->n_saves, WIRE_SAVES_MAX);
        for (uint32_t i = 0; i < c->n_saves; i++)
                CHECK_INT(c->saves[i].seq, first_seq + i);
}

static void test_claim_reaches_waiting_agent(void)
{
        struct client c;
        struct wire_msg *m;

        fixture.workspace.head = (struct save_ref){.generation = 6, .seq = 12};
        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        ask_msg(&c.await, client_await(&c, 0));
        ask_msg(&c.report, client_report(&c)); /* the two do not wait for each other */
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        while (fixture_counters().parked == 0) {
                ask_msg(&c.report, client_report(&c));
                (void)ask_answer(&c.report);
        }
        CHECK(!atomic_load(&c.await.done));
        fixture_claim(c.task, 7, 41);
        m = ask_answer(&c.await);
        CHECK_INT(m->type, WIRE_COMMAND);
        CHECK_INT(m->command.id, 41);
        CHECK_INT(m->command.generation, 7);
        CHECK_INT(m->command.verb, WIRE_VERB_CLAIM);
        CHECK_STR(m->command.reason, "launched");
        check_claim(&m->command.claim, 1);

        /* Taken on: it is not given again. */
        ask_msg(&c.await, client_await(&c, 41));
        fixture_claim(c.task, 7, 41);
        m = client_report(&c);
        m->report.acted_id = 41;
        ask_msg(&c.report, m);
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        CHECK(!atomic_load(&c.await.done));
        client_down(&c);
}

static void check_keys(const struct wire_claim *c, const struct keys *now, const struct keys *old)
{
        char key[KEYS_HEX] = "";

        keys_gate(now, "ws-one", 7, key);
        CHECK_STR(c->gate_key, key);
        keys_access(now, "ws-one", 7, key);
        CHECK_STR(c->access_key, key);
        key[0] = 0;
        if (old)
                keys_gate(old, "ws-one", 7, key);
        CHECK_STR(c->gate_key_old, key);
        if (old)
                keys_access(old, "ws-one", 7, key);
        CHECK_STR(c->access_key_old, key);
}

static struct wire_msg *hello_by(struct client *c, const struct keys *k)
{
        struct wire_msg *m = client_hello(c);

        keys_task_secret(k, c->task, m->hello.secret);
        ask_msg(&c->report, m);
        return ask_answer(&c->report);
}

/* Each agent is told of new keys at its next report, and keeps the secret that it was launched
 * with. */
static void test_keys_change(void)
{
        struct keys first = fixture.keys, second, third;
        struct client c;

        memset(second.master, 9, sizeof(second.master));
        client_up(&c, "t-0000000001", 'a');
        fixture_task(c.task)->launched_at = (utc_t){90 * US_PER_S};
        (void)client_enrol(&c);
        fixture_claim(c.task, 7, 41);
        check_keys(&hello_by(&c, &first)->welcome.claim, &first, NULL);
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);

        memcpy(fixture.keys.newest, second.master, sizeof(second.master));
        memcpy(fixture.keys.before, first.master, sizeof(first.master));
        fixture.keys.two = true;
        fixture.keys.turn_s = 100;
        fixture.keys.retire_s = 200;
        for (uint64_t now = 50; now <= 250; now += 100) {
                struct wire_msg *m;

                CHECK(keys_turn(&fixture.keys, now));
                agents_rekey(fixture.agents);
                ask_msg(&c.report, client_report(&c));
                m = ask_answer(&c.report);
                CHECK_INT(m->type, WIRE_REFUSED);
                CHECK_STR(m->refused.code, "not-enrolled");
                m = hello_by(&c, &first);
                CHECK_INT(m->type, WIRE_WELCOME);
                check_keys(&m->welcome.claim, now < 100 ? &first : &second,
                           now < 100   ? &second
                           : now < 200 ? &first
                                       : NULL);
                ask_msg(&c.report, client_report(&c));
                CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        }
        /* A second change: what was launched before the first is known by it, a stranger is not. */
        fixture.keys.older[fixture.keys.n_older++].turn_s = 100;
        memcpy(fixture.keys.older[0].key, first.master, sizeof(first.master));
        memset(fixture.keys.newest, 0x77, sizeof(second.master));
        memcpy(fixture.keys.before, second.master, sizeof(second.master));
        fixture.keys.turn_s = 1000;
        fixture.keys.retire_s = 2000;
        for (uint64_t now = 1500; now <= 2500; now += 1000) {
                CHECK(keys_turn(&fixture.keys, now));
                CHECK_INT(hello_by(&c, &first)->type, WIRE_WELCOME);
        }
        memset(third.master, 0x33, sizeof(third.master));
        CHECK_STR(hello_by(&c, &third)->refused.code, "bad-secret");
        /* Launched later: the new key; in the first minute either. */
        fixture_task(c.task)->launched_at = (utc_t){150 * US_PER_S};
        CHECK_INT(hello_by(&c, &first)->type, WIRE_WELCOME);
        fixture_task(c.task)->launched_at = (utc_t){170 * US_PER_S};
        CHECK_STR(hello_by(&c, &first)->refused.code, "bad-secret");
        CHECK_INT(hello_by(&c, &second)->type, WIRE_WELCOME);
        client_down(&c);
}

static void test_command_before_await(void)
{
        struct client c;
        struct core_effect fx = {.type = FX_COMMAND};
        struct wire_msg *m;

        fixture_task("t-0000000001");
        fx.command.id = 5;
        fx.command.verb = COMMAND_PREPARE_STOP;
        fx.command.generation = 7;
        fx.command.recheck = true;
        STR_CUT(fx.command.task, "t-0000000001");
        fixture_give(&fx);
        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        ask_msg(&c.await, client_await(&c, 0));
        m = ask_answer(&c.await);
        CHECK_INT(m->command.id, 5);
        CHECK_INT(m->command.verb, WIRE_VERB_PREPARE_STOP);
        CHECK(m->command.recheck);
        CHECK_INT(m->command.idle_ms, 1800000); /* the type's, where the core names none */
        CHECK_STR(m->command.claim.workspace, "");

        /* The answer was lost, the agent asks again: the same command. */
        ask_msg(&c.await, client_await(&c, 0));
        CHECK_INT(ask_answer(&c.await)->command.id, 5);

        /* A newer one takes its place; an older one never. */
        fx.command.id = 6;
        fx.command.verb = COMMAND_RESUME;
        fixture_give(&fx);
        fx.command.id = 5;
        fx.command.verb = COMMAND_PREPARE_STOP;
        fixture_give(&fx);
        ask_msg(&c.await, client_await(&c, 5));
        m = ask_answer(&c.await);
        CHECK_INT(m->command.id, 6);
        CHECK_INT(m->command.verb, WIRE_VERB_RESUME);

        /* A shorter limit than the idle limit: the agent looks again by that one. */
        fx.command.id = 7;
        fx.command.recheck_ms = 300000;
        fixture_give(&fx);
        ask_msg(&c.await, client_await(&c, 6));
        CHECK_INT(ask_answer(&c.await)->command.idle_ms, 300000);
        client_down(&c);
}

/* An agent that asks again and again without taking the command on does not make us spin. */
static void test_redelivery_is_slow(void)
{
        struct client c;
        struct core_effect fx = {.type = FX_COMMAND};
        mono_t since;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        fx.command.id = 5;
        fx.command.verb = COMMAND_SAVE_NOW;
        STR_CUT(fx.command.task, c.task);
        fixture_give(&fx);
        since = mono_read();
        for (int i = 0; i < 4; i++) {
                ask_msg(&c.await, client_await(&c, 0));
                CHECK_INT(ask_answer(&c.await)->command.id, 5);
        }
        CHECK(mono_diff_ms(since, mono_read()) >= 900);
        client_down(&c);
}

static void test_redelivered_after_reconnect(void)
{
        struct client c;
        struct client again;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        ask_msg(&c.await, client_await(&c, 0));
        fixture_claim(c.task, 7, 41);
        CHECK_INT(ask_answer(&c.await)->command.id, 41);
        ask_msg(&c.await, client_await(&c, 41)); /* parked, and its connection goes */
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        fixture_claim(c.task, 8, 42);
        client_down(&c);

        client_up(&again, "t-0000000001", 'a');
        CHECK_INT(client_enrol(&again)->welcome.claim.generation, 8);
        ask_msg(&again.await, client_await(&again, 41));
        CHECK_INT(ask_answer(&again.await)->command.id, 42);
        CHECK_INT(fixture_counters().sessions, 1);
        client_down(&again);
}

/* A second await of a session answers the first, so that no more than one is held. */
static void test_one_await_per_session(void)
{
        struct client c;
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        ask_msg(&c.await, client_await(&c, 0));
        ask_msg(&c.report, client_await(&c, 0)); /* the other context, same agent */
        m = ask_answer(&c.await);
        if (m->type != WIRE_NONE) /* they may have overtaken each other */
                m = ask_answer(&c.report);
        CHECK_INT(m->type, WIRE_NONE);
        CHECK_INT(fixture_counters().parked, 1);
        client_down(&c);
}

static void test_restarted_link_gets_claim_again(void)
{
        struct client c;
        struct wire_msg *m;

        fixture.workspace.head = (struct save_ref){.generation = 6, .seq = 12};
        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        ask_msg(&c.await, client_await(&c, 0));
        fixture_claim(c.task, 7, 41);
        check_claim(&ask_answer(&c.await)->command.claim, 1);
        /* It does not know what it was given: nothing is given twice. */
        m = client_enrol(&c);
        check_claim(&m->welcome.claim, 8 + 64 + 1);
        /* It knows: the next ones follow. */
        m = client_hello(&c);
        m->hello.grant_seq = 90;
        ask_msg(&c.report, m);
        check_claim(&ask_answer(&c.report)->welcome.claim, 91);
        client_down(&c);
}

static void test_controller_restart(void)
{
        struct client c;
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        fixture_claim(c.task, 7, 41);
        ask_msg(&c.await, client_await(&c, 0));
        CHECK_INT(ask_answer(&c.await)->command.id, 41);
        ask_msg(&c.await, client_await(&c, 41));
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);

        fixture_restart_edge();
        fixture_until(&c.await.done);
        CHECK_INT(c.await.rv, NNG_ECONNRESET);
        /* The head is of this generation by now, and the agent says what it holds. */
        fixture.workspace.head = (struct save_ref){.generation = 7, .seq = 3};
        ask_msg(&c.report, client_report(&c));
        m = ask_answer(&c.report);
        CHECK_INT(m->type, WIRE_REFUSED);
        CHECK_STR(m->refused.code, "not-enrolled");
        CHECK_INT(fixture_count(EV_AGENT_REPORT), 1);
        m = client_hello(&c);
        m->hello.grant_seq = 8;
        ask_msg(&c.report, m);
        m = ask_answer(&c.report);
        CHECK_INT(m->type, WIRE_WELCOME);
        CHECK_INT(m->welcome.claim.saves[0].seq, 9);
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        client_down(&c);
}

static void test_save_requests_are_topped_up(void)
{
        struct client c;
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        fixture_claim(c.task, 7, 41);
        ask_msg(&c.await, client_await(&c, 0));
        CHECK_INT(ask_answer(&c.await)->command.claim.n_saves, 8);
        m = client_report(&c);
        m->report.generation = 7;
        m->report.acted_id = 41;
        m->report.grant_seq = 8;
        m->report.grants_left = 4;
        ask_msg(&c.report, m);
        CHECK_INT(ask_answer(&c.report)->ok.n_saves, 0);
        m = client_report(&c);
        m->report.generation = 7;
        m->report.grant_seq = 8;
        m->report.grants_left = 3;
        ask_msg(&c.report, m);
        m = ask_answer(&c.report);
        CHECK_INT(m->ok.n_saves, 5);
        CHECK_INT(m->ok.saves[0].seq, 9);
        CHECK_STR(m->ok.saves[0].request, "{\"workspace\":\"ws-one\",\"generation\":7,\"seq\":9}");
        /* Of an earlier life: nothing. */
        m = client_report(&c);
        m->report.generation = 6;
        m->report.grants_left = 0;
        ask_msg(&c.report, m);
        CHECK_INT(ask_answer(&c.report)->ok.n_saves, 0);
        client_down(&c);
}

static struct core_effect ack_of(const struct core_event *ev, bool committed)
{
        struct core_effect fx = {.type = FX_SAVE_ACK};

        fx.save_ack.conn = ev->saved.conn;
        fx.save_ack.generation = ev->saved.generation;
        fx.save_ack.seq = ev->saved.seq;
        fx.save_ack.committed = committed;
        STR_CUT(fx.save_ack.task, ev->saved.task);
        STR_CUT(fx.save_ack.reason, committed ? "" : "hash differs");
        return fx;
}

static void test_saved(void)
{
        struct client c;
        struct wire_msg *m;
        struct core_effect fx;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        fixture_claim(c.task, 7, 41);
        m = client_saved(&c, 7, 2);
        m->saved.final = true;
        m->saved.grants_left = 1;
        m->saved.grant_seq = 8;
        ask_msg(&c.report, m);
        fixture_until_events(2);
        CHECK(fixture_last(EV_AGENT_SAVED)->saved.final);
        CHECK_INT(fixture_last(EV_AGENT_SAVED)->saved.length, 400);
        CHECK(!atomic_load(&c.report.done));
        fx = ack_of(fixture_last(EV_AGENT_SAVED), true);
        fixture_give(&fx);
        m = ask_answer(&c.report);
        CHECK_INT(m->type, WIRE_SAVED_ACK);
        CHECK_INT(m->saved_ack.commit, WIRE_COMMIT_COMMITTED);
        CHECK_INT(m->saved_ack.generation, 7);
        CHECK_INT(m->saved_ack.save_seq, 2);
        CHECK_INT(m->saved_ack.n_saves, 7);
        CHECK_INT(m->saved_ack.saves[0].seq, 9);
        fixture_give(&fx); /* the same effect again finds nothing */

        ask_msg(&c.report, client_saved(&c, 7, 3));
        fixture_until_events(3);
        fx = ack_of(fixture_last(EV_AGENT_SAVED), false);
        fixture_give(&fx);
        m = ask_answer(&c.report);
        CHECK_INT(m->saved_ack.commit, WIRE_COMMIT_REFUSED);
        CHECK_STR(m->saved_ack.reason, "hash differs");
        client_down(&c);
}

/* The question was asked again on a new connection before the answer came: that one is answered. */
static void test_saved_asked_again(void)
{
        struct client c, again;
        struct core_effect fx;
        struct wire_msg *m;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        ask_msg(&c.report, client_saved(&c, 7, 2));
        fixture_until_events(2);
        fx = ack_of(fixture_last(EV_AGENT_SAVED), true);
        client_up(&again, "t-0000000001", 'a');
        again.seq = 100;
        ask_msg(&again.report, client_saved(&again, 7, 2));
        m = ask_answer(&c.report);
        CHECK_INT(m->saved_ack.commit, WIRE_COMMIT_PENDING);
        client_down(&c);
        fixture_until_events(3);
        fixture_give(&fx); /* for the first one */
        m = ask_answer(&again.report);
        CHECK_INT(m->saved_ack.re, 101);
        CHECK_INT(m->saved_ack.commit, WIRE_COMMIT_COMMITTED);
        client_down(&again);
}

static void test_store_away(void)
{
        struct client c, d;
        struct wire_msg *m;
        size_t n;

        client_up(&c, "t-0000000001", 'a');
        client_up(&d, "t-0000000002", 'a');
        (void)client_enrol(&c);
        fixture.read_only = true;
        n = fixture.n_events;
        ask_msg(&c.report, client_report(&c));
        CHECK_INT(ask_answer(&c.report)->type, WIRE_OK);
        ask_msg(&c.report, client_saved(&c, 7, 2));
        m = ask_answer(&c.report);
        CHECK_INT(m->saved_ack.commit, WIRE_COMMIT_PENDING);
        ask_msg(&d.report, client_hello(&d));
        m = ask_answer(&d.report);
        CHECK_STR(m->refused.code, "busy");
        CHECK(m->refused.retry_ms > 0);
        CHECK_INT(fixture.n_events, n);
        fixture.read_only = false;
        (void)client_enrol(&d);
        client_down(&c);
        client_down(&d);
}

/* Without grants a claim cannot be given; it waits, and goes out when they are there. */
static void test_grants_away(void)
{
        struct client c;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        fixture.grants_fail = true;
        fixture.workspace.head = (struct save_ref){.generation = 6, .seq = 12};
        fixture_claim(c.task, 7, 41);
        ask_msg(&c.await, client_await(&c, 0));
        ask_msg(&c.report, client_hello(&c));
        CHECK_STR(ask_answer(&c.report)->refused.code, "busy");
        fixture.grants_fail = false;
        (void)client_enrol(&c);
        CHECK_INT(ask_answer(&c.await)->command.id, 41);
        client_down(&c);
}

/* Nothing was ever saved: the claim says so by naming no restore, and asks nobody for one. */
static void test_claim_with_nothing_to_restore(void)
{
        const struct wire_msg *m;
        struct client c;

        client_up(&c, "t-0000000001", 'a');
        (void)client_enrol(&c);
        fixture_claim(c.task, 7, 41);
        ask_msg(&c.await, client_await(&c, 0));
        m = ask_answer(&c.await);
        CHECK_INT(m->command.verb, WIRE_VERB_CLAIM);
        CHECK_STR(m->command.claim.restore, "");
        CHECK_INT(m->command.claim.n_saves, WIRE_SAVES_MAX);
        client_down(&c);
}

static void test_two_hundred(void)
{
        static struct client c[200];
        char task[WIRE_ID_SIZE];

        for (size_t i = 0; i < ARRAY_LEN(c); i++) {
                (void)snprintf(task, sizeof(task), "t-%010u", (unsigned)i);
                client_up(&c[i], task, 'a');
        }
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
                ask_msg(&c[i].report, client_hello(&c[i]));
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
                CHECK_INT(ask_answer(&c[i].report)->type, WIRE_WELCOME);
        for (size_t i = 0; i < ARRAY_LEN(c); i++) {
                ask_msg(&c[i].await, client_await(&c[i], 0));
                ask_msg(&c[i].report, client_report(&c[i]));
        }
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
                CHECK_INT(ask_answer(&c[i].report)->type, WIRE_OK);
        CHECK_INT(fixture_counters().sessions, 200);
        /* A command to each at once: nothing is lost, each gets its own. */
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
                fixture_claim(c[i].task, 7, 1000 + i);
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
                CHECK_INT(ask_answer(&c[i].await)->command.id, 1000 + i);
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
                client_down(&c[i]);
}

int main(void)
{
        static void (*const cases[])(void) = {
                test_enrol_and_report,
                test_stop_is_told,
                test_hello_is_idempotent,
                test_stale_report,
                test_claim_reaches_waiting_agent,
                test_keys_change,
                test_command_before_await,
                test_redelivery_is_slow,
                test_redelivered_after_reconnect,
                test_one_await_per_session,
                test_restarted_link_gets_claim_again,
                test_controller_restart,
                test_save_requests_are_topped_up,
                test_saved,
                test_saved_asked_again,
                test_store_away,
                test_grants_away,
                test_claim_with_nothing_to_restore,
                test_two_hundred,
        };

        log_init("test_agents", LOG_ERROR_LEVEL);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                fprintf(stderr, "  case %zu\n", i);
                fixture_up();
                cases[i]();
                fixture_down();
        }
        return 0;
}
