/*
 * Who leads, in virtual time: several controllers, one lease in a database, messages that take
 * their time or are lost, processes that are killed or frozen.
 */
#include "lead/lead.h"

#include <stdlib.h>

#include "base/macro.h"
#include "test.h"

#define NODES 3
#define LEASE_MS 5000

struct answer {
        int64_t at; /* ms; -1 none is on its way */
        struct lead_event ev;
};

struct node {
        bool runs, frozen;
        uint64_t id; /* another one after each start */
        struct lead lead;
        int64_t asked; /* a question arrives then; -1 none */
        int64_t asked_from;
        struct answer lease, boot, load;
        uint64_t boots, ends;
};

static struct {
        int64_t now; /* ms */
        uint64_t random, ids;
        struct {
                uint64_t holder, epoch;
                int64_t expires;
                bool away;
        } db;
        struct node nodes[NODES];
        int n;
        int64_t boot_ms, delay_max;
        uint64_t acted_id, acted_epoch; /* of who acted last */
        int64_t acted_at;
} w;

static int64_t draw(int64_t bound)
{
        w.random ^= w.random << 13;
        w.random ^= w.random >> 7;
        w.random ^= w.random << 17;
        return (int64_t)((w.random >> 11) % (uint64_t)(bound + 1));
}

static mono_t at_ms(int64_t ms)
{
        return (mono_t){ms * US_PER_MS};
}

static void give(struct node *n, const struct lead_event *ev)
{
        unsigned todo = lead_step(&n->lead, ev, at_ms(w.now));

        if (todo & LEAD_ASK && !w.db.away) {
                n->asked_from = w.now;
                n->asked = w.now + draw(w.delay_max);
        }
        if (todo & LEAD_BOOT) {
                n->boots++;
                n->boot = (struct answer){w.now + w.boot_ms, {.type = LEAD_EV_BOOTED}};
        }
        if (todo & LEAD_LOAD)
                n->load = (struct answer){w.now + 5, {.type = LEAD_EV_LOADED}};
        if (todo & LEAD_END) {
                CHECK(n->lead.why[0]);
                n->runs = false;
                n->ends++;
        }
}

static void start(struct node *n)
{
        uint64_t boots = n->boots, ends = n->ends;

        *n = (struct node){.runs = true, .id = ++w.ids, .asked = -1, .boots = boots, .ends = ends};
        n->lease.at = n->boot.at = n->load.at = -1;
        lead_init(&n->lead, LEASE_MS, (uint64_t)draw(INT64_C(1) << 40), at_ms(w.now));
        if (!w.db.away)
                give(n, &(struct lead_event){.type = LEAD_EV_UP});
}

/* The database's side of a question: one statement, by its own clock. */
static void ask_arrives(struct node *n)
{
        bool mine;

        n->asked = -1;
        if (w.db.away)
                return;
        mine = w.db.holder == n->id || w.db.expires <= w.now;
        if (mine) {
                if (w.db.holder != n->id)
                        w.db.epoch++;
                w.db.holder = n->id;
                w.db.expires = w.now + LEASE_MS;
        }
        n->lease = (struct answer){w.now + draw(w.delay_max),
                                   {.type = LEAD_EV_LEASE,
                                    .mine = mine,
                                    .epoch = w.db.epoch,
                                    .until = at_ms(n->asked_from + (w.db.expires - w.now))}};
}

static void take(struct node *n, struct answer *a)
{
        if (a->at < 0 || a->at > w.now || !n->runs)
                return;
        a->at = -1;
        give(n, &a->ev);
}

/* At most one may act, frozen ones included; and never one of an epoch that is over. */
static void look(void)
{
        int acting = 0;

        for (int i = 0; i < w.n; i++) {
                struct node *n = &w.nodes[i];

                if (!n->runs || !lead_may_act(&n->lead, at_ms(w.now)))
                        continue;
                acting++;
                CHECK(n->lead.epoch >= w.acted_epoch);
                CHECK(n->lead.epoch > w.acted_epoch || n->id == w.acted_id);
                w.acted_id = n->id;
                w.acted_epoch = n->lead.epoch;
                w.acted_at = w.now;
        }
        CHECK(acting <= 1);
}

static void tick(void)
{
        w.now++;
        for (int i = 0; i < w.n; i++) {
                struct node *n = &w.nodes[i];

                /* The network and the database go on while a process is frozen. */
                if (n->asked >= 0 && n->asked <= w.now)
                        ask_arrives(n);
                if (!n->runs || n->frozen)
                        continue;
                if (mono_due(lead_deadline(&n->lead), at_ms(w.now)))
                        give(n, &(struct lead_event){.type = LEAD_EV_DEADLINE});
                take(n, &n->lease);
                take(n, &n->boot);
                take(n, &n->load);
        }
        look();
}

static void run(int64_t ms)
{
        for (int64_t i = 0; i < ms; i++)
                tick();
}

static void begin(uint64_t seed, int n)
{
        memset(&w, 0, sizeof(w));
        w.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
        w.now = 1000;
        w.n = n;
        w.boot_ms = 50;
        w.delay_max = 20;
        for (int i = 0; i < n; i++)
                start(&w.nodes[i]);
}

static struct node *leader(void)
{
        for (int i = 0; i < w.n; i++) {
                if (w.nodes[i].runs && lead_may_act(&w.nodes[i].lead, at_ms(w.now)))
                        return &w.nodes[i];
        }
        return NULL;
}

static struct node *until_leads(int64_t ms)
{
        while (!leader() && ms-- > 0)
                tick();
        CHECK(leader());
        return leader();
}

static void db_returns(void)
{
        w.db.away = false;
        for (int i = 0; i < w.n; i++) {
                if (w.nodes[i].runs && !w.nodes[i].frozen)
                        give(&w.nodes[i], &(struct lead_event){.type = LEAD_EV_UP});
        }
}

static void one_of_two_leads_and_stays(void)
{
        struct node *first;
        uint64_t id;

        begin(1, 2);
        first = until_leads(200);
        id = first->id;
        for (int i = 0; i < 600; i++) {
                run(100);
                CHECK(leader() == first && first->id == id);
        }
        CHECK_INT(w.db.epoch, 1);
        CHECK_INT(w.nodes[0].boots + w.nodes[1].boots, 1);
}

static void a_dead_one_is_followed_soon(void)
{
        int64_t longest = 0;

        for (uint64_t seed = 1; seed <= 300; seed++) {
                int64_t died;

                begin(seed, 2);
                until_leads(200);
                run(draw(5000));
                leader()->runs = false;
                died = w.now;
                until_leads(LEASE_MS + 1000);
                longest = w.now - died > longest ? w.now - died : longest;
                CHECK_INT(w.db.epoch, 2);
        }
        fprintf(stderr, "    acting at most %lld ms after the death, of which the lease is %d ms\n",
                (long long)longest, LEASE_MS);
        CHECK(longest <= LEASE_MS + LEAD_SNATCH_MS + 2 * 20 + 50 + 20);
}

static void a_frozen_one_ends_when_it_awakes(void)
{
        struct node *old;

        begin(2, 2);
        old = until_leads(200);
        old->frozen = true;
        run(LEASE_MS + 1000);
        CHECK(leader() && leader() != old);
        old->frozen = false;
        CHECK(!lead_may_act(&old->lead, at_ms(w.now))); /* before it has heard anything */
        run(100);
        CHECK(!old->runs && old->lead.lost);
        CHECK(leader());
}

/* Frozen for less than its lease: nobody has led meanwhile. */
static void a_nap_is_no_loss(void)
{
        struct node *old;

        begin(3, 2);
        old = until_leads(200);
        run(1700);
        old->frozen = true;
        run(1500);
        old->frozen = false;
        run(20000);
        CHECK(leader() == old && w.db.epoch == 1);
}

static void without_a_database_nobody_acts_and_then_one_goes_on(void)
{
        struct node *old;

        begin(4, 1);
        old = until_leads(200);
        run(3000);
        w.db.away = true;
        run(LEASE_MS + 1);
        CHECK(!leader() && old->runs && old->lead.paused);
        run(60000);
        CHECK(!leader() && old->runs);
        db_returns();
        CHECK(until_leads(500) == old);
        CHECK(old->boots == 1 && w.db.epoch == 1 && !old->lead.paused);
}

static void what_cannot_be_loaded_ends_it(void)
{
        begin(5, 1);
        w.boot_ms = 100000;
        run(1000);
        CHECK_INT(w.nodes[0].lead.state, LEAD_TAKING);
        run(20000); /* it keeps the lease meanwhile, and does not act */
        CHECK_INT(w.nodes[0].lead.state, LEAD_TAKING);
        CHECK_INT(w.db.epoch, 1);
        give(&w.nodes[0], &(struct lead_event){.type = LEAD_EV_FAILED});
        CHECK(!w.nodes[0].runs && !w.nodes[0].lead.lost);
}

static void a_fenced_commit_ends_it(void)
{
        begin(6, 1);
        give(until_leads(200), &(struct lead_event){.type = LEAD_EV_FENCED});
        CHECK(!w.nodes[0].runs && w.nodes[0].lead.lost);
}

static void disturb(struct node *n)
{
        switch (draw(7)) {
        case 0:
                n->runs = false;
                n->frozen = false;
                break;
        case 1:
                n->frozen = true;
                break;
        case 2:
        case 3:
                /* Connections of a frozen process are gone when it awakes; a question is lost. */
                if (n->frozen && draw(1))
                        n->asked = n->lease.at = -1;
                n->frozen = false;
                break;
        case 4:
                w.db.away = true;
                break;
        case 5:
                w.delay_max = draw(1) ? 20 : 3000;
                break;
        default:
                if (w.db.away)
                        db_returns();
                if (!n->runs)
                        start(n);
                break;
        }
}

static void random_histories(void)
{
        uint64_t seed =
                (uint64_t)strtoll(getenv("WS_TEST_SEED") ? getenv("WS_TEST_SEED") : "0", NULL, 10);
        uint64_t takeovers = 0, n = test_full() ? 2000 : 150;

        if (seed == 0)
                seed = (uint64_t)mono_read().us % 1000000;
        fprintf(stderr, "    seed %llu\n", (unsigned long long)seed);
        for (uint64_t i = 0; i < n; i++) {
                begin(seed + i, NODES);
                for (int k = 0; k < 60; k++) {
                        run(draw(3000));
                        disturb(&w.nodes[draw(NODES - 1)]);
                }
                w.delay_max = 20;
                for (int k = 0; k < NODES; k++)
                        w.nodes[k].frozen = false;
                db_returns();
                for (int k = 0; k < NODES; k++) {
                        if (!w.nodes[k].runs)
                                start(&w.nodes[k]);
                }
                run(3000 + LEASE_MS);
                /* Whoever was superseded has ended; its supervisor starts it again. */
                for (int k = 0; k < NODES; k++) {
                        if (!w.nodes[k].runs)
                                start(&w.nodes[k]);
                }
                until_leads(LEASE_MS + 1000);
                takeovers += w.db.epoch;
        }
        CHECK(takeovers > 3 * n); /* the histories are not dull */
}

int main(void)
{
        RUN(one_of_two_leads_and_stays);
        RUN(a_dead_one_is_followed_soon);
        RUN(a_frozen_one_ends_when_it_awakes);
        RUN(a_nap_is_no_loss);
        RUN(without_a_database_nobody_acts_and_then_one_goes_on);
        RUN(what_cannot_be_loaded_ends_it);
        RUN(a_fenced_commit_ends_it);
        RUN(random_histories);
        return 0;
}
