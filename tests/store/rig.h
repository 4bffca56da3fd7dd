/*
 * What the tests of the stores share: one loop, any number of stores in it, and waiting for what
 * they answer. A wait that lasts 30 s fails the test.
 */
#pragma once

#include "base/mono.h"
#include "loop/loop.h"
#include "store/store.h"

extern struct loop *loop;

#define ROWS_MAX 64

struct rig {
        struct store *store;
        char error[STORE_ERROR_SIZE];
        int up; /* what hooks.connection said last; 1 nothing yet */
        unsigned ups, downs;
        struct store_lease lease;
        unsigned leases; /* answers */
        int result;
        bool done;
        size_t n_workspaces, n_tasks, n_settings, n_audits, n_counters;
        struct workspace_row workspaces[ROWS_MAX]; /* the first ones */
        struct task_row tasks[ROWS_MAX];
        struct setting_row settings[ROWS_MAX];
        struct audit_row audits[ROWS_MAX];
        uint64_t counters[STORE_COUNTER_MAX];
};

/* One turn of the loop; waits for something to happen. */
void rig_turn(void);
#define UNTIL(cond)                                                                                \
        do {                                                                                       \
                mono_t until_ = mono_add_ms(mono_read(), 30000);                                   \
                while (!(cond)) {                                                                  \
                        if (mono_due(until_, mono_read())) {                                       \
                                fprintf(stderr, "%s:%d: did not come in 30 s: %s\n", __FILE__,     \
                                        __LINE__, #cond);                                          \
                                exit(1);                                                           \
                        }                                                                          \
                        rig_turn();                                                                \
                }                                                                                  \
        } while (0)
/* Let `ms` pass while the loop turns. */
void rig_pass(int64_t ms);

extern const char *password_file;

/* store_open's result; does not wait. */
int rig_open(struct rig *r, const char *url, const char *holder, int64_t lease_ms);
/* Opens and waits until it can be used; for a database that is there. */
void rig_up(struct rig *r, const char *url, const char *holder, int64_t lease_ms);
/* Opens, waits, and takes the lease. */
void rig_lead(struct rig *r, const char *url);
void rig_close(struct rig *r);
/* Asks and waits for the answer. */
const struct store_lease *rig_take(struct rig *r);
/* store_commit, waited for. */
int rig_commit(struct rig *r);
int rig_load(struct rig *r);
int rig_load_brief(struct rig *r); /* store_visitor.brief */
int rig_after(struct rig *r, uint64_t seq, const char *workspace, uint32_t limit);
int rig_newest(struct rig *r, const char *workspace, uint32_t limit);
int rig_prune(struct rig *r, int64_t before_us);
/* One batch of one setting. */
int rig_set(struct rig *r, const char *name, const char *value);
/* The value of a setting after a load; "" for none. */
const char *rig_get(struct rig *r, const char *name);

/* Seeded by WS_TEST_SEED, or anew and printed. */
void rig_seed(void);
uint32_t rig_random(uint32_t below);
