/*
 * THE decision core: events in, effects out. Deterministic; no I/O, no clock, no allocation after
 * core_new, no logging, no threads. It links with base and pool only (a test reads the symbol
 * table).
 *
 * Rules that every caller and every change must keep:
 *  - Persist, then act, then tell. The caller commits the storage effects of a step before it
 *    carries out any other effect of that step or a later one.
 *  - The caller may lose or repeat any effect. Intents are level-triggered: the core asks again at
 * a deadline, with the same ids.
 *  - An unknown outcome is a state, not a failure.
 *  - event.now never decreases.
 */
#pragma once

#include <stddef.h>
#include <string.h>

#include "base/macro.h"
#include "core/types.h"

enum core_event_type {
#define EVENT(id, member, doc) EV_##id,
#include "core/event.def"
#undef EVENT
        EV_MAX
};

enum core_effect_type {
#define EFFECT(id, member, doc) FX_##id,
#include "core/effect.def"
#undef EFFECT
        FX_MAX
};

const char *core_event_name(enum core_event_type t);
const char *core_effect_name(enum core_effect_type t);

/* What the agent says it is doing; the names are on the wire (PROTOCOL.md). */
enum agent_phase {
#define AGENT_PHASE(id, name, doc) AGENT_##id,
#include "wire/agent_phase.def"
#undef AGENT_PHASE
        AGENT_PHASE_MAX
};

enum command_verb {
#define COMMAND_VERB(id, name, doc) COMMAND_##id,
#include "wire/command_verb.def"
#undef COMMAND_VERB
        COMMAND_VERB_MAX
};

/* As on the wire; never NULL. */
const char *agent_phase_name(enum agent_phase p);
const char *command_verb_name(enum command_verb v);

enum core_mode {
#define CORE_MODE(id, name, doc) MODE_##id,
#include "core/mode.def"
#undef CORE_MODE
        MODE_MAX
};

enum launch_failure {
#define LAUNCH_FAILURE(id, name, doc) LAUNCH_##id,
#include "core/launch_failure.def"
#undef LAUNCH_FAILURE
        LAUNCH_FAILURE_MAX
};

/* "pause", …; "throttled", …; never NULL. */
const char *core_mode_name(enum core_mode m);
const char *launch_failure_name(enum launch_failure f);
bool core_mode_parse(const char *name, enum core_mode *ret_mode);

enum reply_status {
        REPLY_OK,            /* accepted; for a launch: look at the workspace's state */
        REPLY_NOT_FOUND,     /* no such workspace */
        REPLY_BAD_TYPE,      /* no such workspace type */
        REPLY_FULL,          /* workspaces_max reached */
        REPLY_DELETED,       /* the workspace waits for its erasure */
        REPLY_DRAINING,      /* a shutdown is under way */
        REPLY_CLOSED,        /* its type, or everything, is drained by an operator */
        REPLY_USER_LIMIT,    /* this person has as many workspaces running as one may have */
        REPLY_QUEUE_FULL,    /* too many wait for this type already; reply.place says how many */
        REPLY_NOT_RUNNING,   /* only what runs can be kept alive or restarted */
        REPLY_KEPT_LONG,     /* kept alive as long as may be without a person */
        REPLY_NOT_ATTENTION, /* only a workspace in attention can be abandoned */
        REPLY_NOT_STOPPED,   /* only a stopped workspace can be taken to another save */
        REPLY_STATUS_MAX,
};

#define CORE_SIGNALS_MAX 16

/* One piece of evidence, as shown by `wsctl why`. */
struct signal_age {
        char source[CORE_SOURCE_SIZE]; /* "connection", "typed", "file", … */
        int64_t age_ms;                /* since the last evidence; -1 for never */
        int64_t count;                 /* open connections, events so far: what the source counts */
        char kind[CORE_SOURCE_SIZE];   /* "person", "weak", "hint", "machine", "job"; "" not told */
};

struct core_event {
        enum core_event_type type;
        mono_t now;
        utc_t utc;
        union {
                struct workspace_row workspace_row;
                struct task_row task_row;
                struct setting_row setting_row;
                struct {
                        uint64_t task_number_max; /* highest number ever given to a task id */
                        uint64_t audit_seq_max;
                        uint64_t command_id_max;
                        uint64_t generation_max; /* of any workspace that was erased */
                        uint64_t epoch;          /* of this leadership; it is in every order */
                } boot;
                struct {
                        char task[CORE_ID_SIZE];
                } task_seen;
                /*
                 * A provider whose lists may be late cannot be sure: then a task that holds work
                 * is taken for gone only when its agent is silent too and the lists of a minute
                 * lack it; so such a provider lists again and again.
                 */
                struct {
                        bool certain; /* what is not in this list is not there */
                        /*
                         * Each task has a machine of its own: a refill takes nothing from a claim
                         * that runs, and does not wait for it.
                         */
                        bool own_machines;
                } inventory;
                struct {
                        uint64_t token; /* comes back in FX_REPLY; 0 wants no reply */
                        char id[CORE_ID_SIZE];
                        struct ws_key key; /* all empty: launch the existing `id` */
                        char labels[CORE_LABELS_SIZE];
                        char course[CORE_NAME_SIZE]; /* whose class it is for; "" not known */
                        char actor[CORE_NAME_SIZE];
                } launch;
                struct {
                        uint64_t token;
                        char id[CORE_ID_SIZE];
                        char actor[CORE_NAME_SIZE];
                        char reason[CORE_REASON_SIZE];
                        bool again; /* of a stop: launch it anew once it is stopped */
                } req_workspace;
                struct {
                        uint64_t token;
                        char actor[CORE_NAME_SIZE];
                } req_plain;
                struct {
                        uint64_t token;
                        char id[CORE_ID_SIZE];
                        char actor[CORE_NAME_SIZE];
                        struct save_ref save; /* the storage has it, whole */
                } req_restore;
                struct {
                        uint64_t token;
                        enum core_mode mode;
                        bool on;
                        bool hard;                 /* see mode.def */
                        char type[CORE_TYPE_SIZE]; /* "": every type */
                        char actor[CORE_NAME_SIZE];
                        char reason[CORE_REASON_SIZE];
                } req_mode;
                struct {
                        uint64_t token;
                        char type[CORE_TYPE_SIZE];
                        bool set; /* false: as its policy says */
                        uint32_t size;
                        char actor[CORE_NAME_SIZE];
                        char reason[CORE_REASON_SIZE];
                } req_pool;
                /*
                 * A plan or a forecast outside of the core sizes the pool, in place of the
                 * configured size, until the next such event. Not stored: whoever sends it sends it
                 * again after a start.
                 */
                struct {
                        char type[CORE_TYPE_SIZE];
                        uint32_t size;
                        char reason[CORE_REASON_SIZE]; /* "class cs101 at 10:00", for people */
                } pool_target;
                struct {
                        char id[CORE_NAME_SIZE]; /* of this class of this day; again: changes it */
                        char type[CORE_TYPE_SIZE];
                        char course[CORE_NAME_SIZE]; /* whose attendance is learned */
                        utc_t start;
                        uint32_t roster; /* students; 0: it is not held */
                } class_set;
                struct {
                        uint32_t i;                  /* below CORE_TIMETABLE_PIECES */
                        char text[CORE_REASON_SIZE]; /* whole characters; "" behind the last */
                } timetable_piece;
                struct {
                        uint64_t token;
                        uint32_t n; /* pieces that it has; 0: no timetable */
                        char actor[CORE_NAME_SIZE];
                } timetable_set;
                struct {
                        char type[CORE_TYPE_SIZE];
                        char version[CORE_VERSION_SIZE]; /* "" is ignored */
                } version_set;
                struct {
                        char name[CORE_ALARM_SIZE];
                        bool on;
                        utc_t at; /* whole seconds; its id is made of it */
                        char detail[CORE_ALARM_DETAIL];
                } alarm;
                struct {
                        char task[CORE_ID_SIZE];
                        bool ok;
                        char reason[CORE_REASON_SIZE]; /* when not ok */
                        enum launch_failure failure;   /* when not ok */
                } task_result;
                struct {
                        char task[CORE_ID_SIZE];
                        int exit_status; /* 0..255, 128 + signal, -1 unknown */
                        char reason[CORE_REASON_SIZE];
                        bool certain; /* seen by the provider itself, not read in a list */
                } task_ended;
                struct {
                        char task[CORE_ID_SIZE];
                        char workspace[CORE_ID_SIZE];
                        char where[CORE_REASON_SIZE]; /* and why, for people */
                } task_kept;
                struct {
                        char task[CORE_ID_SIZE];
                        int64_t left_ms; /* it will be ended in so long */
                        char reason[CORE_REASON_SIZE];
                } task_notice;
                struct {
                        uint64_t conn; /* comes back in WELCOME or REFUSE */
                        char task[CORE_ID_SIZE];
                        char nonce[CORE_NONCE_SIZE];
                        char addr[CORE_ADDR_SIZE];
                        uint64_t generation; /* that the agent believes to have; 0 none */
                } hello;
                struct {
                        uint64_t conn;
                        char task[CORE_ID_SIZE];
                        char nonce[CORE_NONCE_SIZE];
                        uint64_t generation;
                        uint64_t acted_id; /* highest command id it has acted on or declined */
                        enum agent_phase phase;
                        bool declined;          /* the last prepare-stop was declined */
                        int64_t person_age_ms;  /* since the last evidence of a person; -1 never */
                        int64_t unsaved_age_ms; /* 0: nothing unsaved; -1 unknown */
                        uint64_t saved_seq;     /* highest seq it knows to be committed */
                        uint32_t n_signals;
                        struct signal_age signals[CORE_SIGNALS_MAX];
                        char person_by[CORE_SOURCE_SIZE];  /* what person_age_ms is from, or "" */
                        char confidence[CORE_SOURCE_SIZE]; /* "none", "low", "high", or "" */
                        int64_t busy_ms;                   /* jobs want it so long; 0 no job */
                        char job[CORE_JOB_SIZE];
                        bool never_connected;    /* no browser since the claim */
                        int64_t disconnected_ms; /* since the last one left; 0 connected, never */
                        uint64_t unknown;        /* messages of names that no rule has */
                        uint64_t restore_done, restore_total;       /* bytes; total 0: not told */
                        uint64_t restored_generation, restored_seq; /* seq 0: none or not told */
                        bool fell_back; /* that is not the newest save, which is damaged */
                        char restored_why[CORE_REASON_SIZE]; /* why it fell back, or "" */
                        char error[CORE_REASON_SIZE];        /* what went wrong last, or "" */
                } report;
                struct {
                        uint64_t conn;
                        char task[CORE_ID_SIZE];
                        uint64_t generation;
                        uint64_t seq;
                        bool final;     /* taken after the app had ended */
                        bool unchanged; /* nothing new since the head: nothing was uploaded */
                        uint64_t length;
                        uint64_t data_length;
                        char sha256[CORE_SHA256_SIZE];
                } saved;
                struct {
                        char task[CORE_ID_SIZE]; /* HOME_ATTACHED */
                        char workspace[CORE_ID_SIZE];
                        uint64_t generation; /* HOME_ATTACHED */
                        int result; /* 0 done, > 0 refused (see reason), < 0 -errno: try again */
                        char reason[CORE_REASON_SIZE];
                } home;
                struct {
                        char workspace[CORE_ID_SIZE];
                        uint64_t generation, seq;
                        int result; /* 0 good, > 0 refused (see reason), < 0 -errno: try again */
                        char reason[CORE_REASON_SIZE];
                } verified;
                struct {
                        char workspace[CORE_ID_SIZE];
                        uint64_t generation;
                        int result;            /* 0 looked, < 0 -errno: try again */
                        struct save_ref found; /* already verified; seq 0: nothing newer */
                } salvaged;
        };
};

#define SWEEP_KEEP_MAX 3 /* the head, the one before, a damaged one */

struct core_effect {
        enum core_effect_type type;
        union {
                struct workspace_row workspace_row;
                struct task_row task_row;
                struct setting_row setting_row;
                struct audit_row audit_row;
                struct {
                        char id[CORE_ID_SIZE];
                } id;
                struct {
                        char task[CORE_ID_SIZE];
                        char type[CORE_TYPE_SIZE];
                        uint64_t epoch;
                } launch_task;
                struct {
                        char task[CORE_ID_SIZE];
                        uint64_t epoch;
                        bool at_once; /* it holds nothing: SIGKILL is fine */
                        char reason[CORE_REASON_SIZE];
                } stop_task;
                struct {
                        char task[CORE_ID_SIZE];
                        uint64_t epoch;
                } remove_task;
                struct {
                        char task[CORE_ID_SIZE]; /* ATTACH_HOME */
                        char workspace[CORE_ID_SIZE];
                        uint64_t generation; /* REMOVE_HOME: up to here; a later one's stays */
                        uint64_t epoch;
                        bool must_exist; /* it is not made: it was there */
                        bool replace;    /* what is there is set aside, once in a generation */
                } home;
                struct {
                        uint64_t conn;
                        char task[CORE_ID_SIZE];
                        uint64_t generation;          /* 0: not claimed */
                        char workspace[CORE_ID_SIZE]; /* "" : not claimed */
                        int64_t heartbeat_ms;
                        int64_t reconnect_ms; /* after a lost connection come back within this */
                        uint64_t epoch;
                } welcome;
                struct {
                        uint64_t conn;
                        char task[CORE_ID_SIZE];
                        char code[32]; /* "unknown-task", "nonce-mismatch", … (PROTOCOL.md) */
                        char reason[CORE_REASON_SIZE];
                } refuse;
                struct {
                        char task[CORE_ID_SIZE];
                        uint64_t id;
                        uint64_t generation;
                        uint64_t epoch;
                        enum command_verb verb;
                        char workspace[CORE_ID_SIZE];
                        struct save_ref head, previous; /* for a claim: what to restore */
                        bool recheck;       /* prepare-stop: decline if a person is there */
                        int64_t recheck_ms; /* was there less than this ago; 0: its idle limit */
                        char reason[CORE_REASON_SIZE];
                } command;
                struct {
                        uint64_t conn; /* of the AGENT_SAVED, 0 when it came another way */
                        char task[CORE_ID_SIZE];
                        uint64_t generation, seq;
                        bool committed;
                        char reason[CORE_REASON_SIZE];
                } save_ack;
                struct {
                        char workspace[CORE_ID_SIZE];
                        struct save_ref save;
                } verify;
                struct {
                        char workspace[CORE_ID_SIZE];
                        uint64_t generation;
                        uint64_t after_seq;
                        bool has_saves; /* there must be older ones, else it is the wrong storage */
                        char task[CORE_ID_SIZE];   /* whose home may hold what no save has; or "" */
                        char type[CORE_TYPE_SIZE]; /* its */
                } salvage;
                struct {
                        char workspace[CORE_ID_SIZE];
                        uint64_t generation, seq;
                } pin;
                struct {
                        char workspace[CORE_ID_SIZE];
                        uint32_t n_keep;
                        struct save_ref keep[SWEEP_KEEP_MAX];
                        uint64_t before_generation, before_seq; /* only saves older than this go */
                } sweep;
                struct {
                        char workspace[CORE_ID_SIZE];
                        uint64_t generation; /* what a later workspace of this key saves stays */
                } erase;
                struct {
                        uint64_t token;
                        enum reply_status status;
                        char workspace[CORE_ID_SIZE];
                        uint32_t place;   /* in the queue; 1 is next, 0 does not wait */
                        int64_t retry_ms; /* with QUEUE_FULL: when to ask again */
                } reply;
        };
};

#define CORE_EFFECTS_MAX 512

/*
 * The effects of one step, in order. Caller-owned; core_step appends and never overflows it. At
 * least CORE_STEP_ROOM must be free at entry; what does not fit is done by further EV_DEADLINE
 * steps, for which core_next_deadline is then already due.
 */
#define CORE_STEP_ROOM 128
struct core_effects {
        size_t n;
        struct core_effect v[CORE_EFFECTS_MAX];
};

struct core;

/* The type of that name; NULL when there is none. `config` may be NULL. */
static inline const struct core_type *core_type_named(const struct core_config *config,
                                                      const char *name)
{
        for (uint32_t i = 0; config && i < config->n_types; i++) {
                if (strcmp(config->types[i].name, name) == 0)
                        return &config->types[i];
        }
        return NULL;
}

/* 0, -ENOMEM, -EINVAL (a configuration that cannot work). Everything is allocated here. */
NODISCARD int core_new(const struct core_config *config, struct core **ret_core);
struct core *core_free(struct core *c);

/* Take one event. Total: hostile or late events are ignored (and counted), never asserted on. */
void core_step(struct core *c, const struct core_event *ev, struct core_effects *fx);

/* The earliest time at which EV_DEADLINE should be given; MONO_NEVER for none. */
mono_t core_next_deadline(const struct core *c);

/* ---- read-only views, for the edges; valid until the next core_step ---- */

/* Where the browsers of a workspace are. */
enum browser_state {
        BROWSER_UNKNOWN, /* not told */
        BROWSER_NEVER,   /* none came since the claim */
        BROWSER_CONNECTED,
        BROWSER_LEFT,
};

/* What is known of a running task beyond its row; never stored. */
struct task_live {
        mono_t heard_at; /* last message of its agent */
        mono_t claimed_at;
        mono_t ready_at;
        enum agent_phase phase;
        int64_t person_age_ms;  /* at heard_at */
        int64_t unsaved_age_ms; /* at heard_at */
        bool unsaved_alarm;     /* ... is above its type's limit, and was told */
        uint32_t n_signals;
        struct signal_age signals[CORE_SIGNALS_MAX];
        mono_t busy_until; /* a job wants it until then; long ago: none does */
        char job[CORE_JOB_SIZE];
        bool came; /* somebody, with a browser or without, since the claim */
        enum browser_state browser;
        mono_t browser_left_at; /* when it has left */
        char confidence[CORE_SOURCE_SIZE];
        uint64_t unknown;
        uint64_t restore_done, restore_total; /* bytes of the restore under way; total 0: none */
        bool fell_back; /* the newest save was damaged, and an older one was restored */
        uint64_t restored_generation, restored_seq; /* seq 0: none, or not told */
        char restored_why[CORE_REASON_SIZE];        /* why it fell back, or "" */
        char error[CORE_REASON_SIZE];
};

const struct workspace_row *core_workspace(const struct core *c, const char *id);
const struct task_row *core_task(const struct core *c, const char *id);
/* NULL for an unknown task. */
const struct task_live *core_task_live(const struct core *c, const char *id);
/* Iterate: start with *pos = 0; NULL at the end. */
const struct workspace_row *core_next_workspace(const struct core *c, size_t *pos);
const struct task_row *core_next_task(const struct core *c, size_t *pos);

/* When, and by which limit, a running workspace is stopped if nothing comes. */
struct core_idle {
        struct idle_limits limits; /* that apply to it */
        const char *idle_why;      /* of limits.idle_ms where it is learned, or "" */
        struct idle_facts facts;
        struct idle_stop stop; /* what the rule says */
        mono_t due;            /* not before this in any case; NEVER: not at all */
        const char *wait;      /* why `due` is later than what the rule says, or "" */
        const char *person_by; /* source of the last evidence of a person, or "" */
        bool heard;            /* its agent has spoken since the controller's start */
};

/* As of `now`. False when it is not running or not known: then nothing is planned. */
bool core_idle(const struct core *c, const char *workspace, mono_t now, struct core_idle *ret_idle);

/* ---- stops: how many last saves run at a time, and who waits for its turn ---- */

/* Why a workspace waits to be stopped. */
enum core_stop_kind {
        STOP_NONE,    /* it does not wait; of an order: it cannot wait */
        STOP_ASKED,   /* a person or an operator wants this one stopped: before the others */
        STOP_ORDERED, /* a drain or a shutdown */
        STOP_IDLE,    /* nobody is there; whoever comes back before its turn goes on */
        STOP_KIND_MAX
};

/* "asked", "ordered", "idle"; "" for none. */
const char *core_stop_kind_name(enum core_stop_kind k);

struct core_stop {
        enum core_stop_kind kind; /* it waits; NONE: its last save is under way */
        uint32_t place;           /* 1 is next; 0 when it is under way */
        mono_t since;             /* it should have been stopped then */
        int64_t eta_ms;           /* until it is saved, as it looks now; -1 not known yet */
        const char *why;          /* why it waits, for people; "" when it is under way */
};

/* Does it wait to be stopped, or is its last save under way? */
bool core_stop(const struct core *c, const char *workspace, mono_t now, struct core_stop *ret_stop);

struct core_stops {
        uint32_t parallel;  /* last saves that may run at a time, now; 0: any number */
        uint32_t under_way; /* those that do */
        uint32_t waiting;
        int64_t eta_ms;  /* until all of these are saved; -1 not known yet; 0: there are none */
        int64_t save_ms; /* from the order to the commit, as it was lately; -1 not known */
        int64_t bytes_s; /* uploaded by last saves, as it was lately; -1 not known */
        uint64_t saved;  /* last saves since start */
        uint64_t bytes;  /* ... and what they uploaded */
};

void core_stops(const struct core *c, mono_t now, struct core_stops *ret_stops);

struct pool_view {
        const char *type;
        uint32_t target, warm, launching, claimed, waiting;
        uint32_t outdated;     /* warm ones that are replaced: of another version, or too old */
        uint64_t hits, misses; /* launches since start that found (did not find) a warm task */
        const char *reason;    /* why the target is what it is */
        mono_t breaker_until;  /* launches pause until then after repeated failures; NEVER: no */
        int64_t lead_ms;       /* from launch to warm, as it was lately; 0 not known */
        const char *policy;    /* who sizes it: "fixed", "forecast", "plan" (from outside), "set" */
        utc_t next_change;     /* of the size, as far as known beforehand; INT64_MAX: none is */
        int64_t spent;         /* today, in millionths of a dollar; -1: not counted */
        int64_t idle_ms;       /* its idle limit in force; 0: never */
        const char *idle_why;  /* where that is learned, or "" */
        const char *limit;     /* what keeps the size below the wanted: "pool_max", "budget", "" */
};

/* The pool of types[i]; false behind the last. */
bool core_pool(const struct core *c, uint32_t i, struct pool_view *ret_view);

/* ---- the timetable of the API (the events TIMETABLE_*) ---- */

#define CORE_TIMETABLE_PIECES 1792
/* That many bytes fit in any case: a piece is short by at most three, to end with a character. */
#define CORE_TIMETABLE_BYTES (CORE_TIMETABLE_PIECES * (CORE_REASON_SIZE - 4))

/* A condition that was announced to people and is not over (out/notify_alarm.c). */
struct core_alarm {
        char name[CORE_ALARM_SIZE];
        utc_t at;
        char detail[CORE_ALARM_DETAIL];
};

/* `pos` from 0 to CORE_ALARMS_MAX: the next one from there, or NULL. */
const struct core_alarm *core_next_alarm(const struct core *c, size_t *pos);

struct core_timetable {
        uint64_t revision; /* grows with each replacement; 0: there was none */
        uint64_t sum;      /* of its text */
        uint32_t n;        /* pieces; 0: there is none */
        size_t length;     /* bytes in all */
        utc_t at;
        char actor[CORE_NAME_SIZE];
};

const struct core_timetable *core_timetable(const struct core *c);
/* "" behind the last. */
const char *core_timetable_piece(const struct core *c, uint32_t i);

/* What is expected of a class, and whether there will be enough tasks for it. */
struct core_class {
        bool known;       /* the core plans for it: it is among those of the next days */
        uint32_t classes; /* of this course, seen so far; 0: `share` is what is taken for any */
        double share;     /* of the roster that comes */
        double deviation; /* of it */
        uint32_t need;    /* warm tasks at the worst moment, for all classes of then */
        uint32_t may;     /* as many as there may be: the ceiling, or what the budget pays now */
        const char *by;   /* what `may` is by: "pool_max" or "the budget" */
        utc_t warm_from;  /* about when the pool begins to grow for it */
};

/* False: no such type, or none that is sized by forecast. */
bool core_class(const struct core *c, const char *type, const char *id, const char *course,
                utc_t start, uint32_t roster, struct core_class *ret_class);
bool core_draining(const struct core *c);
/* Its place in the queue of its type: 1 is next; 0 when it does not wait. */
uint32_t core_place(const struct core *c, const char *workspace);
/* Over how long agents should spread when they come back, for so many as there are now. */
int64_t core_reconnect_ms(const struct core *c);
/*
 * Is this mode set for exactly this type ("": for every type at once)? `*ret_why` is "who: reason",
 * valid until the next step; "" when it is off. `*ret_hard` as in REQ_MODE.
 */
bool core_mode_on(const struct core *c, enum core_mode mode, const char *type, bool *ret_hard,
                  const char **ret_why);
uint64_t core_epoch(const struct core *c);
/* The number in a task id ("t-0000000012": 12); 0 for any other text. */
uint64_t core_task_number(const char *task);
/* Events since start that were ignored because nothing they spoke of exists, or was possible. */
uint64_t core_ignored(const struct core *c);
