/*
 * The inside of the simulated world, shared by its files:
 *
 *   world.c      randomness, the list of what comes, faults, what a broken rule does
 *   store.c      rows, the lease row, commits and their outcomes
 *   controller.c the shell around a core: lead, boot, step, commit, carry out, die, freeze
 *   edge.c       what carried-out effects become: calls, messages, answers
 *   provider.c   containers, tokens, lists; homes.c: home folders
 *   storage.c    uploaded saves
 *   agent.c      what an agent hears and does; agent_save.c: its saves; agent_talk.c: what it says
 *   person.c     what people want and do; operator.c: what operators do
 *   settled.c    what must hold in the end
 *   check.c      the invariants; check_stops.c: of stops in their turn
 *   life.c       one seed: draw, storm, heal, settle
 */
#pragma once

#include <setjmp.h>

#include "base/str.h"
#include "core/core.h"
#include "sim.h"

#define SIM_WORKSPACES 5
#define SIM_TASKS 12
#define SIM_LEARNED 260 /* setting rows of what a pool and its idle limit have learned, at most */
#define SIM_BODIES 96
#define SIM_CONTROLLERS 2
#define SIM_NOTES 2048
#define SIM_OBJECTS 512
#define SIM_OUTS 3
#define SIM_STOPS_PER_MIN 4
#define SIM_EPOCHS 1024
#define SIM_S INT64_C(1000)
#define SIM_MIN (60 * SIM_S)
#define NEVER_MS INT64_MAX

/* What comes. The first group is addressed to a controller. */
enum what {
        W_HELLO,
        W_REPORT,
        W_SAVED,
        W_LAUNCHED,
        W_LISTED,
        W_ENDED,
        W_VERIFIED,
        W_SALVAGED,
        W_ERASED,
        W_NOTICE,
        W_HOME_ATTACHED,
        W_HOME_REMOVED,
        W_REQUEST,
        W_TURN, /* a controller's own: carry out, retry */
        W_LEASE,
        W_COMMITTED, /* the store's answer to a commit */
        W_RESTART,
        W_THAW,
        W_CALL_LAUNCH, /* to the provider */
        W_CALL_STOP,
        W_CALL_LIST,
        W_CALL_ATTACH,
        W_CALL_REMOVE_HOME,
        W_COMMIT, /* to the store */
        W_STORE_BACK,
        W_ASK_VERIFY, /* to the storage */
        W_ASK_SALVAGE,
        W_ASK_SWEEP,
        W_ASK_PIN,
        W_ASK_ERASE,
        W_WELCOME, /* to an agent */
        W_REFUSE,
        W_COMMAND,
        W_ACK,
        W_BODY_UP,
        W_BODY_STEP,
        W_BODY_BEAT,
        W_BODY_UPLOAD,
        W_BODY_END,
        W_REPLY, /* to a person */
        W_PERSON,
        W_OPERATOR,
        W_MINUTE,
};

/* What a student's files are: a chain of writes. */
struct content {
        uint64_t hash;
        uint64_t length; /* writes so far */
};

struct told {
        int64_t person_ms, left_ms, busy_ms;
        enum browser_state browser;
};

struct note {
        int64_t at_ms;
        uint64_t order;
        enum what what;
        int ctl;
        uint32_t life; /* of the controller it is from or for; 0: any */
        int body;
        uint32_t body_life;
        int person;
        uint64_t epoch;
        uint64_t number; /* command id, save number, token, step */
        uint64_t generation;
        int kind; /* verb, request, result */
        bool flag, flag2;
        int64_t ms;
        enum agent_phase phase;
        uint64_t acted;
        struct told told;
        char id[CORE_ID_SIZE]; /* task or workspace */
        char nonce[CORE_NONCE_SIZE];
        struct save_ref ref, ref2;
};

/*
 * A save in the storage. `bad`: a check refuses it; `absent`: it is not there at all; `damaged`: it
 * was committed, and cannot be restored any more.
 */
struct object {
        bool used, bad, absent, damaged, pinned;
        char workspace[CORE_ID_SIZE];
        struct save_ref ref;
        struct content content, base;
        int64_t at_ms;
};

struct out {
        uint64_t seq;
        bool uploaded, final, unchanged;
        struct content content;
        struct save_ref ref;
};

/* A container with its agent and its student. */
struct body {
        bool used, alive, up;
        uint32_t life;
        char id[CORE_ID_SIZE];
        char nonce[CORE_NONCE_SIZE];
        char type[CORE_TYPE_SIZE];
        int64_t launched_ms, ended_ms;
        int64_t forget_ms;
        bool term; /* has had its SIGTERM */
        /* the agent */
        enum agent_phase phase;
        uint64_t step;           /* only the newest W_BODY_STEP counts */
        char home[CORE_ID_SIZE]; /* whose home folder is shown in it; "" none */
        char workspace[CORE_ID_SIZE];
        uint64_t generation, acted, seq;
        uint64_t epoch; /* newest that it has heard */
        bool app;       /* processes of the student's run */
        bool declined, stop_wanted, resume_wanted, final_wanted, restored;
        int ctl;
        uint32_t session;    /* life of the controller that has welcomed it; 0 none */
        uint32_t heard_life; /* of the controller that has heard its last report */
        int64_t report_ms;
        uint64_t said, taken;       /* reports; one that was overtaken is not taken */
        bool abandoned;             /* an operator has given up what it holds */
        bool rescue_asked, rescued; /* what it left was to be saved; ... and was */
        bool disowned;              /* its workspace was erased */
        int64_t heard_ms, cut_until_ms, tell_ms;
        bool forgot; /* a new link that has not been welcomed yet */
        /* saves */
        struct out outs[SIM_OUTS];
        int n_outs;
        int64_t save_at_ms;
        struct save_ref claim_head, claim_previous;
        bool fell_back; /* claim_previous was restored */
        /* the student's files */
        struct content content, base, committed;
        /* presence */
        struct told now, told; /* what is; what the leader has been told */
        int64_t claimed_ms;    /* by the core, as committed */
        bool reported_connected;
        int64_t reported_ms; /* evidence up to here is in an answered report */
};

/* How it waited to be stopped, after the last step. */
struct stop_seen {
        enum core_stop_kind kind;
        mono_t since;
        int64_t room_ms; /* since then it is the next, and there is room */
};

/* What is true of a workspace, told by the store. */
struct truth {
        char id[CORE_ID_SIZE];
        uint64_t generation;
        struct content head;   /* of the committed head */
        uint64_t acknowledged; /* longest content that an agent was told is committed */
        int64_t requested_ms;  /* last accepted launch that the leader knows of */
        bool wish, wish_due;   /* a launch was accepted during a stop; ... and not served by it */
        uint64_t wish_token;
        char type[CORE_TYPE_SIZE];
        uint64_t wait_order[SIM_CONTROLLERS]; /* 0: does not wait */
        enum ws_state state;
        bool ever;
        struct stop_seen stop[SIM_CONTROLLERS];
        struct save_ref back; /* that an operator takes it to; seq 0: none */
        bool went_back;       /* its head is one */
        uint64_t stop_token;
        bool stop_promised; /* a stop was accepted, and has not begun */
        bool home;          /* its home folder is there */
        struct content home_content;
        uint64_t home_generation; /* the last that it was attached for */
        uint64_t home_aside;      /* that has set the one before aside */
};

enum person_mood { MOOD_STORM, MOOD_PRESENT, MOOD_ABSENT };

struct person {
        char workspace[CORE_ID_SIZE];
        char type[CORE_TYPE_SIZE];
        char user[16];
        enum person_mood mood;
        bool wants; /* asked and was told yes, and has not changed its mind */
        bool asked; /* a request is under way */
        int64_t asked_ms;
        int64_t away_until_ms;
};

enum role { ROLE_DOWN, ROLE_FOLLOWER, ROLE_BOOTING, ROLE_LEADER };

/* What a type has cost while a controller led, in millionths of a dollar. */
struct spending {
        int64_t at_ms;
        uint32_t tasks;
        int32_t day, month;
        double day_spent, month_spent;
};

/* A shell with its core. `fill` is what steps decide, `batch` what is being committed, then carried
 * out. */
struct controller {
        enum role role;
        uint32_t life;
        bool frozen;
        uint64_t epoch;
        int64_t lease_until_ms; /* as it believes */
        struct core *core;
        struct core_effects *fill, *batch;
        size_t carried;
        uint64_t batch_id;
        bool committing, carrying, writable;
        bool retry;     /* the batch is given to the store again */
        bool unknown;   /* ... if it is not in already */
        bool unchecked; /* it had looked at its lease just before it froze */
        bool doomed;    /* it dies at the end of this turn */
        int64_t thaw_ms;
        struct {
                int n;
                char ids[SIM_BODIES][CORE_ID_SIZE];
        } list; /* the provider's last answer */
        bool enrolled[SIM_BODIES];
        mono_t due;
        int64_t opened_ms; /* the inventory was in */
        int64_t list_ms;   /* the next inventory */
        uint64_t wait_counter;
        /* the cap on stops, counted beside the core */
        int64_t stops_ms[2 * SIM_STOPS_PER_MIN];
        unsigned stops;
        double ends; /* tasks that the provider may be asked to end, counted beside the core */
        int64_t ends_ms, stepped_ms;
        bool late;
        struct spending spending[CORE_TYPES_MAX];
        unsigned stuck; /* deadlines at one time */
        int64_t stuck_ms;
        bool drained;
};

struct store {
        struct workspace_row workspaces[SIM_WORKSPACES];
        struct task_row tasks[SIM_TASKS + 4];
        struct setting_row
                settings[MODE_MAX * (CORE_TYPES_MAX + 1) + 2 * SIM_LEARNED + SIM_WORKSPACES];
        uint64_t task_number, audit_seq, command_id, generation;
        uint64_t epoch;
        int holder;
        uint32_t holder_life;
        uint32_t life_of[SIM_EPOCHS]; /* which life an epoch was given to */
        int64_t expires_ms;           /* by the store's clock */
        int64_t clock_ms;             /* the store's clock is ahead of ours by so much */
        bool away;
        uint64_t applied[SIM_CONTROLLERS]; /* last batch applied, per controller */
};

/* What was ever committed of a task, by number. */
struct task_truth {
        uint32_t states;     /* bit per task_state */
        uint64_t generation; /* of its claim */
        char workspace[CORE_ID_SIZE];
        uint64_t gone_batch;                  /* that has removed it */
        uint32_t refused_to[SIM_CONTROLLERS]; /* lives that have heard a definite no */
};
#define SIM_NUMBERS 4096

struct mode_truth {
        bool on, hard;
};

struct timing {
        int64_t network_ms, boot_ms, prime_ms, restore_ms, app_ms, stop_ms, upload_ms;
        int64_t commit_ms, provider_ms, storage_ms, lag_ms;
        int64_t lease_ms, inventory_ms, token_ms;
};

struct sim {
        uint64_t rng, seed;
        jmp_buf broken;
        struct sim_result result;
        FILE *trace;
        int64_t now_ms;
        int64_t utc_offset_ms;
        unsigned faults[FAULT_MAX];
        bool healing;
        struct timing timing;
        struct core_config config;
        /* what comes */
        struct note notes[SIM_NOTES];
        uint16_t heap[SIM_NOTES], free_[SIM_NOTES];
        size_t n_heap, n_free;
        uint64_t order;
        struct store store;
        struct controller ctl[SIM_CONTROLLERS];
        int n_ctl;
        struct body bodies[SIM_BODIES];
        uint32_t body_life;
        struct object objects[SIM_OBJECTS];
        struct person people[SIM_WORKSPACES];
        int n_people;
        struct truth truth[SIM_WORKSPACES];
        struct task_truth *tasks; /* SIM_NUMBERS of them */
        uint64_t writes;
        struct core_event ev; /* built here: it is large */
        uint64_t batches, tokens;
        uint32_t lives;
        bool utc_jumped;
        bool certain;      /* this provider's lists are never late, and what it says is so */
        bool certain_ends; /* ... or at least when it says that a task has ended */
        bool own_machines; /* its tasks share none */
        struct mode_truth modes[MODE_MAX][CORE_TYPES_MAX + 1];
};

/* ---- world.c ---- */

uint64_t sim_random(struct sim *s);
uint64_t sim_below(struct sim *s, uint64_t n);
/* About `ms`, between a half and three halves of it. */
int64_t sim_about(struct sim *s, int64_t ms);
/* Does this fault happen now? Counts it. */
bool sim_fault(struct sim *s, enum fault f);
/* A new note of this kind, due in so many ms; to be filled in before anything else is called. */
struct note *sim_note(struct sim *s, enum what what, int64_t in_ms);
/* Takes the earliest out; false when none is due until then. */
bool sim_next(struct sim *s, int64_t until_ms, struct note *ret_note);
int64_t sim_next_ms(const struct sim *s);
void sim_defer(struct sim *s, const struct note *n, int64_t in_ms);
/* Delay of a message. */
int64_t sim_delay(struct sim *s);
void sim_say(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_broken(struct sim *s, enum invariant i, const char *fmt, ...) PRINTF_LIKE(3, 4)
        __attribute__((noreturn));
void sim_hash(struct sim *s, uint64_t value);

/* ---- store.c ---- */

struct workspace_row *store_workspace(struct sim *s, const char *id);
struct task_row *store_task(struct sim *s, const char *id);
int64_t store_now_ms(const struct sim *s);
/* 1: yes; 0: somebody else has it; -1: the store does not answer. */
int store_lease(struct sim *s, int ctl);
void store_commit(struct sim *s, const struct note *n);
/* Whether the batch is in: 1, 0; -1: the store does not answer. */
int store_read_back(struct sim *s, int ctl);
/* The controller dies while its commit is on its way. */
void store_last_words(struct sim *s, int ctl);
bool store_has_effects(const struct core_effects *fx);

/* ---- controller.c ---- */

void controller_note(struct sim *s, const struct note *n);
void controller_start(struct sim *s, int ctl);
void controller_deadline(struct sim *s, int ctl);
int64_t controller_due_ms(const struct sim *s, int ctl);
/* The one that holds the newest epoch and is open, or -1. */
int controller_leader(const struct sim *s);
void controller_free(struct sim *s, int ctl);
void controller_post(struct sim *s, int ctl, struct core_event *ev);

/* ---- edge.c ---- */

void edge_carry_out(struct sim *s, int ctl, const struct core_effect *fx);
/* A message has arrived at a controller that leads. */
void edge_receive(struct sim *s, const struct note *n);
void edge_boot(struct sim *s, int ctl);
/* It was said over a connection that is gone. */
void edge_disconnected(struct sim *s, const struct note *n);

/* ---- provider.c ---- */

struct body *provider_body(struct sim *s, const char *id);
void provider_note(struct sim *s, const struct note *n);
void provider_end(struct sim *s, struct body *b, const char *why);
/* The list as this controller gets it. */
void provider_list(struct sim *s, int ctl);
int body_index(const struct sim *s, const struct body *b);

/* ---- homes.c ---- */

/* Do workspaces of this type have home folders? */
bool homes_used(const struct sim *s, const char *type);
bool homes_task(struct sim *s, const char *task);
void homes_note(struct sim *s, const struct note *n);
/* This body was given its claim. */
void homes_claimed(struct sim *s, const struct body *b);
/* What it has restored, if anything, is in the home. */
void homes_in_place(struct sim *s, struct body *b);
void homes_written(struct sim *s, const struct body *b);

/* ---- storage.c ---- */

void storage_note(struct sim *s, const struct note *n);
struct object *storage_find(struct sim *s, const char *workspace, const struct save_ref *ref);
struct object *storage_add(struct sim *s);

/* ---- agent*.c ---- */

void agent_note(struct sim *s, const struct note *n);
void agent_start(struct sim *s, struct body *b);
void agent_enter(struct sim *s, struct body *b, enum agent_phase phase, int64_t then_ms);
void agent_claim(struct sim *s, struct body *b, const struct note *n);
void agent_term(struct sim *s, struct body *b);
void agent_beat(struct sim *s, struct body *b);
void agent_report(struct sim *s, struct body *b);
void agent_hello(struct sim *s, struct body *b);
bool agent_cut(const struct sim *s, const struct body *b);
void agent_save(struct sim *s, struct body *b, bool final);
void agent_final(struct sim *s, struct body *b);
void agent_nothing(struct sim *s, struct body *b);
void agent_uploaded(struct sim *s, struct body *b, uint64_t seq);
void agent_rescue(struct sim *s, struct body *b);
void agent_tell(struct sim *s, struct body *b);
void agent_ack(struct sim *s, struct body *b, const struct note *n);
void agent_unfinal(struct body *b);
bool agent_uploading(const struct body *b);
bool agent_serves(const struct body *b);

/* ---- person.c ---- */

void person_note(struct sim *s, const struct note *n);
void person_settle(struct sim *s);
void person_tempted(struct sim *s, const char *workspace, enum moment m);
void person_type(struct sim *s, struct body *b);
/* A file changes. */
void person_write(struct sim *s, struct body *b);
struct person *person_of(struct sim *s, const char *workspace);
/* The live body that has this workspace and serves it, or NULL. */
struct body *person_body(struct sim *s, const char *workspace);

/* ---- operator.c ---- */

void operator_act(struct sim *s);
/* Is this mode on for this type (a hard one, with `hard`), as the leader was told? */
bool operator_mode(const struct sim *s, enum core_mode mode, uint32_t type, bool hard);
void operator_posted(struct sim *s, const struct core_event *ev);
void operator_boot(struct sim *s);

/* ---- check.c ---- */

/* Number of a type in the configuration. */
uint32_t type_of(const struct sim *s, const char *type);
struct truth *check_truth(struct sim *s, const char *workspace);
struct task_truth *check_task(struct sim *s, const char *task);
void check_step(struct sim *s, int ctl, const struct core_effect *fx, size_t n);
void check_put_workspace(struct sim *s, const struct workspace_row *old,
                         const struct workspace_row *row);
void check_put_task(struct sim *s, const struct task_row *row);
void check_act(struct sim *s, int ctl, const struct core_effect *fx);
void check_end(struct sim *s, const struct body *b);
void check_salvage(struct sim *s, const struct core_effect *fx);
void check_remove(struct sim *s, const char *task);
void check_restored(struct sim *s, struct body *b, const struct save_ref *head);
/* An older one, because the newest is damaged: what is lost is lost. */
void check_fell_back(struct sim *s, const struct body *b);
/* This controller's core was told so. */
void check_told_fell_back(struct sim *s, int ctl, const struct note *n);
void check_told(struct sim *s, int ctl, struct body *b, const struct note *n);
/* ---- check_stops.c ---- */

void check_stops(struct sim *s, int ctl, const struct core_effect *fx, size_t n);
void check_stop_asked(struct truth *t, const struct note *n);
void check_stop_replied(struct sim *s, struct truth *t, uint64_t token);
void check_stop_put(struct truth *t, const struct workspace_row *row);
void check_stops_boot(struct sim *s, int ctl);

/* After a step: nothing is launched for a pool beyond its budget. */
void check_budget(struct sim *s, int ctl, const struct core_effect *fx, size_t n);
/* A controller begins to lead: what it cannot know is not held against it. */
void check_boot(struct sim *s);
void check_batch(struct sim *s);
/* A request was given to this controller's core. */
void check_restore(struct sim *s, int ctl, const struct note *n);
void check_abandon(struct sim *s, int ctl, const char *workspace);
void check_request(struct sim *s, int ctl, const struct note *n, bool was_stopped);
/* While healing: NULL when all is as it should be, else the rule that does not hold yet. */
bool check_settled(struct sim *s, enum invariant *ret_invariant, char *ret_detail, size_t size);
