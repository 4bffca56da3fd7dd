/* Which controller link talks to, and whom it obeys, in virtual time (link_world.h). */
#include "link_world.h"
#include "test.h"

#define A "tcp://10.0.0.1:7700"
#define B "tcp://10.0.0.2:7700"
#define BOTH A ", " B

static struct world w;

/* A leads with epoch 1 and has welcomed us, B follows. */
static void a_leads(uint64_t seed)
{
        world_init_several(&w, BOTH, seed);
        w.hosts[0].does = WORLD_LEADS;
        w.hosts[0].epoch = 1;
        w.hosts[1].does = WORLD_FOLLOWS;
        w.hosts[1].leader = A;
        world_until(&w, WIRE_PHASE_WARM, 20000);
        CHECK_INT(w.at, 0);
        CHECK_INT(w.s.epoch, 1);
}

static void b_leads(uint64_t epoch)
{
        w.hosts[1].does = WORLD_LEADS;
        w.hosts[1].epoch = epoch;
}

/* Until the agent is enrolled at `host`; returns how long that took. */
static int64_t until_enrolled(int host, int64_t ms)
{
        mono_t from = w.now;

        while (!(w.at == host && w.s.enrolled) && mono_diff_ms(from, w.now) < ms)
                world_run(&w, 10);
        if (!(w.at == host && w.s.enrolled))
                fprintf(stderr, "seed %llu, at %d\n%s", (unsigned long long)w.seed, w.at, w.trace);
        CHECK(w.at == host && w.s.enrolled);
        return mono_diff_ms(from, w.now);
}

static void a_follower_is_left_for_the_leader(void)
{
        world_init_several(&w, BOTH, 1);
        w.hosts[0].does = WORLD_FOLLOWS;
        w.hosts[0].leader = B;
        b_leads(7);
        world_run(&w, 1000);
        world_expect(&w, "dial 0\n"
                         "hang-up\n"
                         "dial 1\n"
                         "> hello 0\n"
                         "app-start prime\n"
                         "probe prime\n"
                         "app-stop\n");
        CHECK_INT(w.s.epoch, 7);
}

static void only_own_addresses_are_dialled(void)
{
        world_init_several(&w, BOTH, 2);
        w.hosts[0].does = w.hosts[1].does = WORLD_FOLLOWS;
        w.hosts[0].leader = w.hosts[1].leader = "tcp://6.6.6.6:7700";
        world_run(&w, 60000); /* the world fails at an address that is not its own */
        CHECK(w.hosts[0].hellos > 5 && w.hosts[1].hellos > 5);
        CHECK_INT(w.hellos, 0);
        b_leads(1);
        until_enrolled(1, 15000);
}

static void a_dead_leader_is_left_at_once(void)
{
        for (uint64_t seed = 1; seed <= 200; seed++) {
                a_leads(seed);
                world_host(&w, 0, WORLD_REFUSES, true);
                /* Its lease runs on for a while: the follower still names it. */
                world_run(&w, 5000);
                if (w.at != 1)
                        fprintf(stderr, "seed %llu\n%s", (unsigned long long)seed, w.trace);
                CHECK_INT(w.at, 1);
                b_leads(2);
                CHECK(until_enrolled(1, 5000) <= 2100);
                CHECK_INT(w.s.phase, WIRE_PHASE_WARM);
                CHECK_INT(w.s.epoch, 2);
        }
}

static void a_frozen_leader_is_left_in_time(void)
{
        int64_t longest = 0, took;

        for (uint64_t seed = 1; seed <= 200; seed++) {
                a_leads(seed);
                world_run(&w, (int64_t)(seed * 37 % 5000));
                world_host(&w, 0, WORLD_FROZEN, false);
                world_run(&w, 6700); /* the lease and a follower's look at it */
                b_leads(2);
                took = 6700 + until_enrolled(1, 20000);
                longest = MAX(longest, took);
        }
        /* A heartbeat, the time for its answer, and a follower's "ask again" at worst. */
        CHECK(longest <= 5000 + 3000 + 250 + 2000);
        fprintf(stderr, "    at most %lld ms from the freeze to the new leader's welcome\n",
                (long long)longest);
}

static void a_frozen_address_is_passed_over(void)
{
        world_init_several(&w, BOTH, 3);
        w.hosts[0].does = WORLD_FROZEN;
        b_leads(5);
        CHECK(until_enrolled(1, 20000) <= STATE_DIAL_MS + ROUTE_STEP_MS + 20);
}

/* It answers, but its lease has run out: it is left at once, and no follower asks it back. */
static void a_leader_that_is_cut_off_is_left(void)
{
        for (uint64_t seed = 1; seed <= 50; seed++) {
                int64_t took;

                a_leads(seed);
                w.hosts[0].does = WORLD_FOLLOWS;
                b_leads(2);
                took = until_enrolled(1, 20000);
                CHECK(took <= 5000 + ROUTE_STEP_MS + 100); /* with the next heartbeat at worst */
        }
}

static void send_stale(uint64_t id, enum wire_verb verb, uint64_t epoch)
{
        w.command = (struct wire_command){
                .id = id, .verb = verb, .generation = w.generation, .epoch = epoch};
        world_deliver(&w);
}

static void a_superseded_leader_is_not_obeyed(void)
{
        uint64_t dials;

        a_leads(4);
        world_command(&w, WIRE_VERB_CLAIM);
        world_until(&w, WIRE_PHASE_READY, 20000);
        world_host(&w, 0, WORLD_REFUSES, true);
        b_leads(2);
        until_enrolled(1, 20000);
        world_run(&w, 1000);
        /* A late command of the first epoch, with the highest id of all. */
        dials = w.dials;
        send_stale(1000, WIRE_VERB_PREPARE_STOP, 1);
        world_run(&w, 10000);
        CHECK_INT(w.s.phase, WIRE_PHASE_READY);
        CHECK(w.s.superseded > 0 && w.s.superseded <= 12); /* asked again once a second */
        CHECK(w.report.acted_id < 1000);
        CHECK_INT(w.dials, dials);
        /* The first one comes back to life and the second is away: its welcome is not taken. */
        w.command.id = 0;
        w.hosts[0].does = WORLD_LEADS;
        world_host(&w, 1, WORLD_REFUSES, true);
        dials = w.hosts[0].dials;
        world_run(&w, 60000);
        CHECK(w.hosts[0].dials > dials);
        CHECK(!w.s.enrolled);
        CHECK_INT(w.s.epoch, 2);
        /* The one that leads is obeyed, with an id below the stale one's. */
        b_leads(3);
        until_enrolled(1, 15000);
        world_command(&w, WIRE_VERB_PREPARE_STOP);
        world_until(&w, WIRE_PHASE_SAVED, 20000);
        CHECK_INT(w.s.epoch, 3);
}

/* A store that was restored from a copy begins again with a lower epoch. */
static void a_lower_epoch_is_taken_when_nobody_speaks_the_higher(void)
{
        a_leads(5);
        w.hosts[0].does = WORLD_REFUSES;
        b_leads(40);
        world_host(&w, 0, WORLD_REFUSES, true);
        until_enrolled(1, 20000);
        world_run(&w, 3600000);
        b_leads(3);
        world_host(&w, 1, WORLD_LEADS, true);
        world_run(&w, STATE_EPOCH_MS - 30000);
        CHECK(!w.s.enrolled);
        until_enrolled(1, 60000);
        CHECK_INT(w.s.epoch, 3);
}

static void a_new_link_learns_the_epoch(void)
{
        a_leads(6);
        w.hosts[0].epoch = 9;
        world_crash_link(&w);
        until_enrolled(0, 5000);
        CHECK_INT(w.s.epoch, 9);
}

static void absence_is_asked_after_slowly_and_for_ever(void)
{
        uint64_t dials;

        a_leads(7);
        world_host(&w, 1, WORLD_REFUSES, false);
        world_host(&w, 0, WORLD_REFUSES, true);
        world_run(&w, 60000);
        dials = w.dials;
        world_run(&w, 3600000);
        /* A pass of both every 5 s to 10 s. */
        CHECK(w.dials - dials >= 2 * 360 - 40 && w.dials - dials <= 2 * 720);
        w.hosts[0].does = WORLD_LEADS;
        CHECK(until_enrolled(0, 20000) <= ROUTE_PASS_MS_MAX + 2 * ROUTE_STEP_MS);
}

static void two_that_name_each_other_are_not_raced(void)
{
        world_init_several(&w, BOTH, 8);
        w.hosts[0].does = w.hosts[1].does = WORLD_FOLLOWS;
        w.hosts[0].leader = B;
        w.hosts[1].leader = A;
        world_run(&w, 600000);
        CHECK(w.dials >= 60 && w.dials <= 200);
}

#define AGENTS 1000
#define SLOTS 20

/* When each of AGENTS redials first after its controller is gone, in slots of `slot_ms`. */
static int spread(int64_t window_ms, int64_t slot_ms, int slots[static SLOTS])
{
        int most = 0;

        memset(slots, 0, SLOTS * sizeof(slots[0]));
        for (uint64_t i = 0; i < AGENTS; i++) {
                mono_t lost;
                uint64_t dials;

                world_init_several(&w, A, 77777 + i * 1234567);
                w.hosts[0].does = WORLD_LEADS;
                w.hosts[0].window_ms = window_ms;
                until_enrolled(0, 1000);
                lost = w.now;
                dials = w.dials;
                world_host(&w, 0, WORLD_REFUSES, true);
                while (w.dials == dials)
                        world_run(&w, 10);
                CHECK(mono_diff_ms(lost, w.dialled_at) <= MAX(window_ms, ROUTE_PASS_MS_MIN));
                slots[MIN(mono_diff_ms(lost, w.dialled_at) / slot_ms, SLOTS - 1)]++;
        }
        for (int i = 0; i < SLOTS; i++)
                most = MAX(most, slots[i]);
        return most;
}

static void a_lost_controller_is_dialled_over_the_window(void)
{
        int slots[SLOTS], none[SLOTS];
        int most = spread(20000, 1000, slots), most_none = spread(0, 1000, none);

        /* 50 expected in each second, deviation 7; all in the first without a window. */
        for (int i = 0; i < SLOTS; i++)
                CHECK(slots[i] >= 50 - 5 * 7 && slots[i] <= 50 + 5 * 7);
        CHECK_INT(most_none, AGENTS);
        fprintf(stderr,
                "    most of %d redials in one second: %d in a window of 20 s, %d without\n",
                AGENTS, most, most_none);
}

int main(void)
{
        RUN(a_follower_is_left_for_the_leader);
        RUN(only_own_addresses_are_dialled);
        RUN(a_dead_leader_is_left_at_once);
        RUN(a_frozen_leader_is_left_in_time);
        RUN(a_frozen_address_is_passed_over);
        RUN(a_leader_that_is_cut_off_is_left);
        RUN(a_superseded_leader_is_not_obeyed);
        RUN(a_lower_epoch_is_taken_when_nobody_speaks_the_higher);
        RUN(a_new_link_learns_the_epoch);
        RUN(absence_is_asked_after_slowly_and_for_ever);
        RUN(two_that_name_each_other_are_not_raced);
        RUN(a_lost_controller_is_dialled_over_the_window);
        return 0;
}
