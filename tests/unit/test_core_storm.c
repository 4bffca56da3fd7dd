/*
 * Random storms against the core, and what must hold whatever happens (core_world.c). Each seed
 * draws which faults exist and how strong they are, storms, heals, must settle, and must then
 * drain. Each seed runs twice and must give the same trace.
 *
 *   test_core_storm [FIRST_SEED [COUNT]]      without arguments: a fixed range and a fresh one
 */
#include <errno.h>

#include "base/fd.h"
#include "base/num.h"
#include "core/core.h"
#include "core_alloc.h"
#include "core_world.h"
#include "test.h"

static unsigned draw(struct world *w, unsigned most)
{
        /* Half of the faults do not exist in a given storm, so that none hides the others. */
        return world_random(w) % 2 ? 0 : (unsigned)(world_random(w) % (most + 1));
}

static unsigned stops[IDLE_RULE_MAX];
static unsigned resumed;

static uint64_t storm(uint64_t seed)
{
        const struct world_faults none = {0};
        struct world *w = world_new(seed, &none);
        struct world_faults f = {
                .lose_effect = draw(w, 300),
                .lose_message = draw(w, 300),
                .late = draw(w, 400),
                .die = draw(w, 20),
                .crash = draw(w, 30),
                .launch_fails = draw(w, 400),
                .save_fails = draw(w, 400),
                .storage_fails = draw(w, 400),
                .restore_fails = draw(w, 300),
                .decline = draw(w, 800),
                .hostile = draw(w, 500),
                .lie = draw(w, 20),
                .notice = draw(w, 10),
                .operate = draw(w, 60),
        };
        uint64_t hash;

        world_set_faults(w, &f);
        for (int i = 0; i < 400; i++)
                world_turn(w, true);
        world_set_faults(w, &none);
        for (int i = 0; i < 800; i++) {
                world_turn(w, false);
                world_check_settled(w);
        }
        world_shutdown(w);
        for (int i = 0; i < 300 && !world_drained(w); i++)
                world_turn(w, false);
        if (!world_drained(w)) {
                fprintf(stderr, "invariant: not drained (seed %llu)\n", (unsigned long long)seed);
                exit(1);
        }
        for (unsigned rule = 0; rule < IDLE_RULE_MAX; rule++)
                stops[rule] += world_stops(w, rule);
        resumed += world_resumed(w);
        hash = world_hash(w);
        world_free(w);
        return hash;
}

static void storms(uint64_t first, uint64_t count)
{
        for (uint64_t seed = first; seed < first + count; seed++) {
                uint64_t once = storm(seed);

                if (storm(seed) != once) {
                        fprintf(stderr, "invariant: not deterministic (seed %llu)\n",
                                (unsigned long long)seed);
                        exit(1);
                }
        }
}

/* core_new with each of its allocations failing in turn: an error, and nothing left behind. */
static void no_memory(void)
{
        const struct core_config config = {
                .workspaces_max = 4,
                .tasks_max = 4,
                .n_types = 1,
                .types = {{.name = "code",
                           .launch_timeout_ms = 1,
                           .claim_timeout_ms = 1,
                           .stop_timeout_ms = 1}},
                .heartbeat_ms = 1,
                .agent_lost_ms = 1,
                .retry_save_ms = 1,
                .stops_per_min = 1,
        };
        struct core *c = NULL;
        unsigned n = 1;

        for (;; n++) {
                int r;

                alloc_fail_at(n);
                r = core_new(&config, &c);
                alloc_fail_at(0);
                if (r == 0)
                        break;
                CHECK_INT(r, -ENOMEM);
                CHECK(!c);
        }
        CHECK(n > 10);
        core_free(c);
}

/* Every field of every event at random: nothing may crash or overflow. */
static void garbage(uint64_t seed)
{
        static struct core_effects fx;
        static struct core_event ev;
        const struct world_faults none = {0};
        struct world *w = world_new(seed, &none);
        struct core_config config = {
                .workspaces_max = 4,
                .tasks_max = 6,
                .n_types = 1,
                .types = {{.name = "code",
                           .pool_size = 3,
                           .limits = {.idle_ms = 1000,
                                      .never_connected_ms = 500,
                                      .disconnected_ms = 700,
                                      .job_ms = 5000,
                                      .lifetime_ms = 20000},
                           .launch_timeout_ms = 1000,
                           .claim_timeout_ms = 1000,
                           .stop_timeout_ms = 1000}},
                .heartbeat_ms = 100,
                .agent_lost_ms = 1000,
                .retry_save_ms = 1000,
                .stops_per_min = 3,
        };
        struct core *c = NULL;
        mono_t now = {0};

        CHECK(core_new(&config, &c) == 0);
        for (int i = 0; i < 3000; i++) {
                uint8_t *bytes = (uint8_t *)&ev;

                memset(&ev, 0, sizeof(ev));
                /* Ones and zeros: numbers and names that meet, and no byte that is not a bool. */
                for (size_t k = 0; k < sizeof(ev); k++)
                        bytes[k] = world_random(w) % 8 == 0;
                ev.type = (enum core_event_type)(world_random(w) % (EV_MAX + 1));
                if (i == 0)
                        ev.type = EV_BOOT_DONE;
                if (i == 1)
                        ev.type = EV_INVENTORY_DONE;
                /* Every id field is first or after a number: put plausible ones at both. */
                for (size_t at = 0; at < 3; at++) {
                        char *id = (char *)&ev.launch + at * sizeof(uint64_t);

                        if (world_random(w) % 2)
                                (void)snprintf(id, CORE_ID_SIZE,
                                               world_random(w) % 2 ? "t-%010llu" : "ws-%llu",
                                               (unsigned long long)(world_random(w) % 8));
                }
                bytes[sizeof(ev) - 1] = 0;
                /* A name may lie where these have a bool, which can be 0 or 1 only. */
                if (ev.type == EV_INVENTORY_DONE)
                        ev.inventory.certain = ev.inventory.own_machines = world_random(w) % 2;
                if (ev.type == EV_REQ_MODE) {
                        ev.req_mode.on = world_random(w) % 2;
                        ev.req_mode.hard = world_random(w) % 2;
                }
                now.us += (int64_t)(world_random(w) % 500000);
                ev.now = now;
                ev.utc = (utc_t){now.us};
                fx.n = 0;
                alloc_forbid(true);
                core_step(c, &ev, &fx);
                alloc_forbid(false);
                CHECK(fx.n <= CORE_EFFECTS_MAX);
        }
        core_free(c);
        world_free(w);
}

int main(int argc, char **argv)
{
        uint64_t first = 1;
        uint64_t count = 60;
        uint64_t fresh = 0;

        if (argc > 1)
                CHECK(num_parse_u64(argv[1], 0, UINT64_MAX, &first) == 0);
        if (argc > 2)
                CHECK(num_parse_u64(argv[2], 1, UINT64_MAX, &count) == 0);
        fprintf(stderr, "seeds %llu to %llu\n", (unsigned long long)first,
                (unsigned long long)(first + count - 1));
        storms(first, count);
        if (argc > 1)
                return 0;
        /* Storms in which no limit ever ends would show nothing about them. */
        for (unsigned rule = IDLE_RULE_NONE + 1; rule < IDLE_RULE_MAX; rule++) {
                fprintf(stderr, "%u stops by %s\n", stops[rule], idle_rule_name(rule));
                CHECK(stops[rule] > 0);
        }
        fprintf(stderr, "%u stops were cancelled\n", resumed);
        CHECK(resumed > 0);
        random_bytes(&fresh, sizeof(fresh));
        fresh >>= 16; /* short enough to type */
        fprintf(stderr, "fresh seeds %llu to %llu\n", (unsigned long long)fresh,
                (unsigned long long)(fresh + 9));
        storms(fresh, 10);
        no_memory();
        for (uint64_t seed = 1; seed <= 20; seed++)
                garbage(seed);
        return 0;
}
