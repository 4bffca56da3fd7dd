/*
 * What the files of the core share. Nobody outside controller/core includes this.
 *
 * Pointers to tasks and workspaces stay valid until the entity is dropped; a task is dropped by
 * entering TASK_GONE, a workspace by EV_ERASED. After any call that may drop one, look it up again.
 */
#pragma once

#include "core/core.h"
#include "core/index.h"
#include "core/timers.h"
#include "pool/bucket.h"
#include "pool/budget.h"
#include "pool/idlelimit.h"
#include "pool/pool.h"
#include "pool/scalein.h"
#include "pool/sizer.h"

/* Effects that one entity can cause in one go, with room to spare. */
#define ENTITY_EFFECTS_MAX 40

/* How soon an unanswered intent is repeated. */
#define COMMAND_AGAIN_MS 5000
#define LAUNCH_AGAIN_MS 10000
#define ATTACH_AGAIN_MS 10000
#define STOP_AGAIN_MS 10000
#define VERIFY_AGAIN_MS 10000
#define SALVAGE_AGAIN_MS 10000
#define ERASE_AGAIN_MS 30000
#define DRAINED_AGAIN_MS 1000
/* Storage said "try again": doubled from the first to the second. */
#define STORAGE_PAUSE_MIN_MS 2000
#define STORAGE_PAUSE_MAX_MS 60000
/* How long a saved task may take to hear that its save is committed before it is ended anyway. */
#define SAVED_WAIT_MS 3000
/* A task that was asked to end and did not is ended by force after this. */
#define END_PATIENCE_MS 120000
/* After an agent declined, or a person came back, idleness is not looked at for this long. */
#define DECLINE_HOLD_MS 60000
/* So long after the last person of any other source a platform may say that somebody is there. */
#define KEEP_MAX_MS INT64_C(14400000)
#define KEEP_SOURCE "api"
/* active_at is stored at most this often. */
#define ACTIVE_STORE_MS 60000
/* The same alert about the same task is written at most this often. */
#define ALERT_AGAIN_MS 60000
/* An alert about a workspace in attention is repeated after this, while it stays there. */
#define ATTENTION_ALERT_MS 600000
/* Attempts to save in attention: the configured pause, doubled each time, at most so many times. */
#define ATTENTION_DOUBLINGS 4
/* A pool is not refilled while a claim runs that is not older than this, on the same machine. */
#define CLAIM_FIRST_MS 10000
/* What an agent says of jobs is believed up to here; the job limit is far below. */
#define BUSY_MS_MAX (365 * 86400 * INT64_C(1000))
/* After which time a refused person may ask again: a launch's usual time, within these. */
#define RETRY_DEFAULT_MS 10000
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 300000
/* A task that the provider will end is stopped so long before, to be saved. */
#define NOTICE_STOP_MS 120000
#define NOTICE_MS_MAX (30 * 86400 * INT64_C(1000))
/* Somebody who was there less than this ago is given another task. */
#define NOTICE_PERSON_MS 600000
/* Lists may be late by so much: what they lack is gone when they lack it for longer. */
#define LIST_LATE_MS 60000
/* stops_per_min is counted in windows of this length. */
#define STOPS_WINDOW_MS 60000
/* How many tasks there were is forgotten by this part of it in a window. */
#define STOPS_BASE_FADES 8
/* Of those that may be stopped, so many in a row may go ahead of others that wait. */
#define STOPS_AHEAD_MAX 3
/* After trouble with storage fewer last saves run at a time; again fewer after this. */
#define PACE_EASE_MS 10000
/* How long a last save takes is the mean of so many at least. */
#define PACE_MEAN_OF 8
/* A commit comes every minute; what is old is swept at most so often. */
#define SWEEP_MS 3600000
/* Agents that come back are spread so that no more than this many do in a second. */
#define RECONNECTS_PER_S 200
#define LEAD_UNKNOWN_MS 60000 /* from launch to warm, until some were seen */
#define RECONNECT_MIN_MS 1000
#define RECONNECT_MAX_MS 60000
/* A silent agent is one not heard for this many heartbeats. */
#define SILENT_HEARTBEATS 3

/* How a task counts for its pool. */
enum task_class {
        CLASS_NONE,
        CLASS_LAUNCHING,
        CLASS_WARM,    /* can be given to somebody */
        CLASS_UNHEARD, /* warm, but its agent has not spoken since start */
        CLASS_SILENT,  /* warm, but its agent is not heard any more */
        CLASS_CLAIMED,
        CLASS_SERVING,
        CLASS_ENDING,
        CLASS_LOST,
        CLASS_MAX
};

/* An upload that the agent announced and storage has not checked yet. */
struct pending_save {
        bool active;
        bool final;
        struct save_ref ref;
        uint64_t conn;
        mono_t ask_at;
        uint32_t tries;
        bool slow; /* it was told once that storage does not answer */
        /* The agent has said since: the last save, taken after this one, found nothing new. */
        bool unchanged_final;
        uint64_t unchanged_conn, unchanged_seq;
};

/* What an operator has set; `why` is "who: reason". */
struct mode {
        bool on;
        bool hard;
        char why[CORE_REASON_SIZE];
        char wait[CORE_REASON_SIZE + 16]; /* the same as an explanation of core_idle */
};

/* It waits to be stopped. */
struct stop_wait {
        enum core_stop_kind kind;
        bool stored;  /* a restart must not forget it */
        mono_t since; /* it should have been stopped then */
        uint32_t next, prev;
        char why[CORE_REASON_SIZE]; /* of one that was asked or ordered */
};

struct workspace {
        struct workspace_row row; /* first: the index reads its id */
        uint32_t slot;
        uint32_t type; /* number in the configuration; n_types when it is not configured any more */
        bool waiting;  /* in the queue of its pool */
        uint32_t wait_next, wait_prev;
        uint32_t user_next; /* in the chain of its person's bucket */
        uint64_t turn;      /* of the last deadline that was looked at */
        bool drain;         /* the shutdown has not reached it yet */
        bool resume;        /* it comes from the store and was not looked at yet */
        bool erasing;       /* ERASE was asked for */
        bool home_removed;  /* before that: its home folder is gone */
        mono_t requested_at;
        mono_t human_at;  /* last evidence that is not by KEEP_SOURCE; the claim counts */
        mono_t person_at; /* last evidence of a person, or what counts as such */
        char person_by[CORE_SOURCE_SIZE]; /* its source; "" not known */
        mono_t hold_until;                /* not stopped for idleness before this */
        const char *hold_why;             /* static */
        mono_t ask_at;   /* attention: next attempt; recovering, deleted: next question */
        mono_t alert_at; /* attention: the next alert may be written */
        char alerted[CORE_REASON_SIZE]; /* attention: what was written last */
        utc_t attention_at;             /* since when */
        uint32_t tries;
        utc_t active_stored;
        utc_t back_at; /* asked for last while it did not run; 0 not since the start */
        struct pending_save save;
        mono_t sweep_at; /* not before this, while it runs */
        struct stop_wait stop;
};

struct task {
        struct task_row row; /* first: the index reads its id */
        struct task_live live;
        uint32_t slot;
        uint32_t type;
        bool seen;     /* in the inventory that runs */
        bool resume;   /* it comes from the store and was not looked at yet */
        bool missing;  /* the inventory did not have it */
        bool doubted;  /* the provider says that it has ended, and its agent does not agree */
        bool unlisted; /* ... because lists lack it; one that has it again ends the doubt */
        mono_t doubted_at;
        char doubt[CORE_REASON_SIZE]; /* what the provider said */
        bool resumed;                 /* a stop of it was cancelled */
        mono_t hold_until;            /* the cap on stops: not ended for silence before */
        bool noticed;                 /* the provider will end it */
        mono_t notice_at;             /* it is stopped then at the latest */
        char notice[CORE_REASON_SIZE];
        bool drain;            /* the shutdown has not reached it yet */
        bool launched;         /* the provider has confirmed the launch */
        bool heard;            /* its agent has spoken since start */
        bool silent;           /* said so in the history */
        bool app_started;      /* the student's files may have changed in it */
        bool empty;            /* it surely holds nothing of a student's: SIGKILL is fine */
        mono_t since;          /* entered its state */
        mono_t ask_at;         /* next repetition of what this state asks for */
        mono_t alert_at;       /* next alert may be written */
        enum task_class class; /* as counted by its pool */
        uint32_t list_next, list_prev;
        uint64_t turn;           /* of the last deadline that was looked at */
        struct save_ref damaged; /* that its agent could not restore; seq 0: none */
        bool saving;             /* its last save is under way, as counted by pace.c */
        mono_t saving_at;
        bool attached;   /* its workspace's home folder is shown in it */
        bool end_sure;   /* the provider says for certain that it has ended */
        uint32_t tries;  /* of attaching the home */
        bool end_turn;   /* the provider takes this one at ask_at */
        mono_t ended_at; /* the provider was first asked to end it; NEVER: it was not */
        /* The command that the agent has not acted on yet, or was the last; id 0: none. */
        uint64_t command_id;
        enum command_verb command;
        bool acted;
        bool recheck;
        int64_t recheck_ms; /* decline when a person was there less than this ago; 0 not known */
        char command_reason[CORE_REASON_SIZE];
};

/* Tasks in the order in which they came; a task is in one list at most. */
struct task_list {
        uint32_t head, tail;
};

#define LEARNED_VERSION (1000 + SIZER_VERSION)
#define LEARNED_MS 600000 /* between two times of storing it */
#define LEARNED_PIECE 72  /* bytes in a row */

/* What a pool must not forget: learned.c. */
struct learned {
        uint32_t version;
        uint32_t size;
        struct sizer_memory memory;
        int32_t day, month;
        double day_spent, month_spent;
        uint64_t sum;
};

#define LEARNED_PIECES ((sizeof(struct learned) + LEARNED_PIECE - 1) / LEARNED_PIECE)

union learned_image {
        struct learned learned;
        uint8_t bytes[LEARNED_PIECES * LEARNED_PIECE];
};

#define ADAPTIVE_VERSION 1
#define ADAPTIVE_MS 60000 /* from a gap that was seen to what follows of it */
#define ADAPTIVE_PIECE 64 /* bytes in a row */

#define POOL_REPLACED_SIZE 32 /* ", replacing 3 old" within a pool's reason */

struct pool {
        uint32_t n[CLASS_MAX];    /* tasks by class */
        struct task_list warm;    /* those that can be given away */
        struct task_list claimed; /* those whose claim runs */
        struct mode modes[MODE_MAX];
        int64_t lead_ms;           /* from launch to warm, as it was lately; 0 not known */
        int64_t ready_ms;          /* from claim to ready */
        struct adaptive *adaptive; /* NULL: its idle limit is fixed */
        struct pool_breaker breaker;
        struct pool_backoff backoff;
        uint32_t wait_head, wait_tail;
        uint32_t waiting;
        uint64_t hits, misses;
        uint32_t target;
        bool set; /* by an operator, who goes before everything else */
        uint32_t set_size;
        char set_why[POOL_WHY_SIZE];
        bool sized; /* by POOL_TARGET, and why; otherwise by the configuration */
        uint32_t size;
        char size_why[POOL_WHY_SIZE];
        struct sizer *sizer;     /* NULL: its size is fixed */
        struct classes *classes; /* with a sizer */
        struct budget budget;
        uint32_t budget_max; /* free tasks that are paid for */
        struct scalein scalein;
        mono_t size_due;    /* time goes on for what is above; NEVER: nothing of it changes */
        mono_t learned_due; /* it is stored again */
        union learned_image *stored;     /* as it is in the store */
        bool has_stored;                 /* read at the start */
        bool rate_held;                  /* more would be launched, if the provider took more */
        struct bucket refill;            /* the operator's limit */
        bool refill_held;                /* more would be launched without it */
        char version[CORE_VERSION_SIZE]; /* of its image; "" not known */
        uint64_t version_from;           /* tasks up to this number are of another version */
        char failure[CORE_REASON_SIZE];  /* of the last launch that failed */
        char reason[POOL_REASON_SIZE + POOL_REPLACED_SIZE + CORE_REASON_SIZE + 2];
};

/* Workspaces that wait to be stopped, in the order in which they should have been. */
struct stop_list {
        uint32_t head, tail, n;
};

struct pace {
        struct stop_list lists[STOP_KIND_MAX]; /* of NONE: empty */
        uint32_t under_way;
        uint32_t parallel; /* now; between 1 and the configured number */
        uint32_t good;     /* last saves since it has changed */
        uint32_t ahead;    /* begun ahead of others that wait, in a row */
        mono_t eased_at;
        const struct workspace *trouble_by; /* the last that had trouble, or NULL */
        mono_t trouble_at;
        mono_t due; /* somebody's turn may come then */
        bool dirty;
        double save_ms, save_bytes; /* as it was lately */
        uint64_t saved, bytes;
        struct bucket ends; /* of the provider */
};

struct core {
        struct core_config config;
        struct core_type fallback; /* for rows whose type is not configured any more */
        struct workspace *workspaces;
        struct task *tasks;
        struct index workspace_index, task_index;
        struct timers workspace_timers, task_timers; /* by slot */
        uint64_t turn;                               /* counts calls of events_deadlines */
        uint32_t *user_buckets;                      /* first workspace of each chain of persons */
        uint32_t n_user_buckets;
        struct pool pools[CORE_TYPES_MAX + 1]; /* the last: types not configured any more */
        uint32_t n[CLASS_MAX];                 /* tasks of all types by class */
        struct mode modes[MODE_MAX];           /* for every type */
        uint64_t epoch;
        mono_t pool_due;
        bool pool_dirty;
        struct pace pace;
        struct document *document;                 /* the timetable of the API */
        struct core_alarm alarms[CORE_ALARMS_MAX]; /* name "": free */
        struct bucket launches;                    /* of the provider */
        union learned_image learning;              /* room to put it together */
        bool booted;                               /* BOOT_DONE was given */
        bool open;                                 /* the first inventory is complete */
        bool certain;      /* what the last inventory did not have is not there */
        bool own_machines; /* of the provider: see EV_INVENTORY_DONE */
        bool draining;
        mono_t drain_until; /* then DRAINED comes, whatever is left */
        mono_t drain_due;
        bool drain_told;
        mono_t quiet_until;
        mono_t stops_window; /* start of the minute that idle stops are counted in */
        uint32_t stops;
        uint32_t stops_base; /* tasks, as many as there were lately */
        uint64_t task_number, audit_seq, command_id;
        uint64_t generation_erased; /* highest; new workspaces begin above it */
        uint64_t ignored;
        /* of the step that runs */
        mono_t now;
        utc_t utc;
        struct core_effects *fx;
};

/* ---- core.c ---- */

bool fx_room(const struct core *c);
struct core_effect *fx_add(struct core *c, enum core_effect_type type);
void fx_audit(struct core *c, const char *workspace, const char *task, const char *actor,
              const char *what, const char *detail);
void fx_reply(struct core *c, uint64_t token, enum reply_status status, const char *workspace);
/*
 * May one more be stopped that nobody asked for? Counts it. False: not before stops_again().
 */
bool stops_allowed(struct core *c);
uint32_t stops_limit(const struct core *c);
mono_t stops_again(const struct core *c);
const struct core_type *type_config(const struct core *c, uint32_t type);
uint32_t type_find(const struct core *c, const char *name);
struct workspace *workspace_find(const struct core *c, const char *id);
struct task *task_find(const struct core *c, const char *id);
struct workspace *workspace_add(struct core *c, const struct workspace_row *row);
void workspace_drop(struct core *c, struct workspace *w);
struct task *task_add(struct core *c, const struct task_row *row);
void task_drop(struct core *c, struct task *t);
/* Workspaces of this person that are not stopped. */
uint32_t user_running(const struct core *c, const struct ws_key *key);
/* The task of this workspace, NULL for none; and the other way round. */
struct task *task_of(const struct core *c, const struct workspace *w);
struct workspace *workspace_of(const struct core *c, const struct task *t);
void fx_put_workspace(struct core *c, const struct workspace *w);
void fx_put_task(struct core *c, const struct task *t);
int64_t backoff_ms(uint32_t tries);

/* ---- task.c: the task machine ---- */

void task_enter(struct core *c, struct task *t, enum task_state state, const char *reason);
/* Ask its agent, with a new id. Stores nothing. */
void task_command(struct core *c, struct task *t, enum command_verb verb, bool recheck,
                  const char *reason);
void task_launch(struct core *c, uint32_t type);
void task_report(struct core *c, struct task *t, const struct core_event *ev);
/* It is gone. */
void task_ended(struct core *c, struct task *t, const char *reason);
void task_deadline(struct core *c, struct task *t);
void task_arm(struct core *c, const struct task *t);
bool task_is_silent(const struct core *c, const struct task *t, int64_t ms);
/* May it hold work that is in no save? */
bool task_may_hold_work(const struct task *t);
/* It is lost: ask for its end until the provider is certain of it. */
void task_end_surely(struct core *c, struct task *t);
bool task_stop_answered(const struct task *t);

void task_audit(struct core *c, const struct task *t, const char *what, const char *detail);

/* ---- provider.c: what the provider says ---- */

void provider_launched(struct core *c, const struct core_event *ev);
void provider_ended(struct core *c, const struct core_event *ev);
void provider_noticed(struct core *c, const struct core_event *ev);
void provider_kept(struct core *c, const struct core_event *ev);
/* What is left of it may go; "" is fine. */
void provider_remove(struct core *c, const char *task);
/* It says that it has ended, and may be late or wrong. `unlisted`: its list lacks it. */
void provider_end_said(struct core *c, struct task *t, const char *reason, bool unlisted);
/* It has ended, and the provider is certain of it. */
void provider_gone(struct core *c, struct task *t, const char *reason);
/* Its list has it. */
void provider_listed(struct core *c, struct task *t);
/* The inventory did not have it. */
void provider_missing(struct core *c, struct task *t);
/* Its agent speaks. */
void provider_heard(struct core *c, struct task *t);
/* When the provider is believed if the agent stays silent; NEVER without a doubt. */
mono_t provider_doubt_due(const struct core *c, const struct task *t);
/* It must be stopped now to be saved in time. */
void provider_notice_stop(struct core *c, struct task *t);

/* ---- home.c: workspaces whose files stay in a home folder ---- */

/* Is that so for this workspace? One that has a home keeps it whatever its type says now. */
bool home_used(const struct core *c, const struct workspace *w);
/* ... for this task's? Then only a certain end of the task is one: never two on one home. */
bool home_of_task(const struct core *c, const struct task *t);
/* Give the claim to its agent; before that, the home to the task. */
void home_claim(struct core *c, struct task *t);
/* True: it must not hear of its claim before its home is attached, which is asked for. */
bool home_await(struct core *c, struct task *t);
/* The student's app was started in it: the home is complete. */
void home_lived_in(struct core *c, struct workspace *w);
void home_attached(struct core *c, const struct core_event *ev);
/* Before the erasure of the saves; true: the folder is gone. Asks for it otherwise. */
bool home_erase(struct core *c, struct workspace *w);
void home_removed(struct core *c, const struct core_event *ev);

/* ---- workspace.c: the workspace machine ---- */

void workspace_enter(struct core *c, struct workspace *w, enum ws_state state, const char *reason);
/* Give it a warm task. */
void workspace_claim(struct core *c, struct workspace *w, struct task *t);
/* Save and stop, when its turn comes; any state. */
void workspace_stop(struct core *c, struct workspace *w, enum core_stop_kind kind,
                    const char *reason);
/* Its turn has come. `recheck`: the agent declines if a person is there. */
void workspace_begin_stop(struct core *c, struct workspace *w, bool recheck, const char *reason);
/*
 * Its task became ready; declined to stop; cannot save or serve, or is late (kept, attention);
 * could not restore and so holds nothing (ended); was lost; is gone.
 */
void workspace_task_ready(struct core *c, struct workspace *w, struct task *t);
/*
 * Somebody is back while it is being stopped: cancel that, if the task has not said saved. False
 * when it is too late, or was not to be. `by` asked for it.
 */
bool workspace_resume(struct core *c, struct workspace *w, const char *by);
/* A resume was ordered and the agent has not started the app again yet. */
bool task_is_resuming(const struct task *t);
/* When it is stopped it is launched again. Stores the row. */
void workspace_want(struct core *c, struct workspace *w);
/* The same for somebody whose machine goes, unless it is wanted already, erased, or all ends. */
void workspace_want_another(struct core *c, struct workspace *w);
void workspace_task_resumed(struct core *c, struct workspace *w, struct task *t);
void workspace_task_declined(struct core *c, struct workspace *w, struct task *t);
void workspace_task_failed(struct core *c, struct workspace *w, struct task *t, const char *reason);
void workspace_task_useless(struct core *c, struct workspace *w, struct task *t,
                            const char *reason);
void workspace_task_lost(struct core *c, struct workspace *w, struct task *t, const char *reason);
void workspace_task_gone(struct core *c, struct workspace *w, const struct task *t);
void workspace_salvaged(struct core *c, struct workspace *w, const struct core_event *ev);
/* It was in attention before the restart. */
void workspace_attention_again(struct core *c, struct workspace *w);
void workspace_deadline(struct core *c, struct workspace *w);
void workspace_arm(struct core *c, struct workspace *w);

/* ---- saves.c: what happens to an upload ---- */

void saves_announced(struct core *c, const struct core_event *ev);
void saves_verified(struct core *c, struct workspace *w, const struct core_event *ev);
void saves_verify(struct core *c, struct workspace *w);
void saves_forget(struct workspace *w);
/* Its agent has restored an older save, because the newest is damaged. */
void saves_fell_back(struct core *c, struct workspace *w, struct task *t,
                     const struct core_event *ev);
/* Its agent says that all is saved, and nothing is being checked. */
void saves_agent_saved(struct core *c, struct workspace *w, struct task *t);
/* Head becomes `ref`; stores the row. */
void saves_commit(struct core *c, struct workspace *w, const struct save_ref *ref);
/* What is old may go: at the end of a life, and now and then in a long one. */
void saves_sweep(struct core *c, struct workspace *w);
/* The next life begins from this one; what was the head is the one before it. */
void saves_go_back(struct core *c, struct workspace *w, const struct save_ref *save,
                   const char *actor);

/* ---- pace.c: how many last saves run at a time, and who waits for its turn ---- */

void pace_new(struct core *c);
/*
 * Its turn to be stopped, now? False: it waits. `why` is kept; of an idle one it is not needed.
 */
bool pace_admit(struct core *c, struct workspace *w, enum core_stop_kind kind, mono_t since,
                const char *why);
/* It does not wait any more, whatever it waited for. */
void pace_leave(struct core *c, struct workspace *w);
/* Somebody wants it to run: what was asked for before is not wanted. */
void pace_cancel(struct core *c, struct workspace *w, const char *by);
/* It has changed: does it still have to wait? */
void pace_check(struct core *c, struct workspace *w);
/* Begin what may be begun. */
void pace_run(struct core *c);
/* It, or its workspace, has changed its state or has a new command. */
void pace_account(struct core *c, struct task *t);
void pace_forget(struct core *c, struct task *t);
/* Its last save is committed; `bytes` were uploaded for it. */
void pace_saved(struct core *c, const struct task *t, uint64_t bytes);
/* Storage is not as quick as it is asked. */
void pace_trouble(struct core *c, const struct workspace *w, const char *why);
/* May the provider be asked to end it now? False: its ask_at is set. */
bool pace_may_end(struct core *c, struct task *t);
/* A shutdown waits as long as something goes on. */
void pace_goes_on(struct core *c);
/* False: it is not about that. */
bool pace_boot(struct core *c, const struct setting_row *row);
/* Its row was looked at after a start. */
void pace_resume(struct core *c, struct workspace *w);

/* ---- idle.c ---- */

/* Of a running one. */
mono_t idle_due(const struct core *c, const struct workspace *w);
/* `by`: its source. */
void idle_evidence(struct core *c, struct workspace *w, int64_t person_age_ms, const char *by);
/* Its idle deadline has come: it waits for its turn to be stopped, or is looked at later. */
void idle_deadline(struct core *c, struct workspace *w);
/* It has waited for its turn: false when it is not to be stopped any more, or not now. */
bool idle_still(struct core *c, struct workspace *w);
void idle_stop(struct core *c, struct workspace *w);

/* ---- pools.c ---- */

void pools_run(struct core *c);
/* A task's state or its agent's silence has changed. */
/* ---- sizing.c: how many free tasks each pool should have ---- */

int sizing_new(struct core *c);
void sizing_free(struct core *c);
/* Time goes on: at most every SIZING_STEP_MS for each type. */
void sizing_run(struct core *c);
/* Somebody asked for a workspace that takes a task, for a course ("": not known). */
void sizing_arrived(struct core *c, uint32_t type, const char *course);
/* The size now; `ret_why`: NULL for one that is fixed. Replacement included. */
uint32_t sizing_size(const struct core *c, uint32_t type, const char **ret_why);
/* What keeps it below what is wanted: "pool_max", "budget", or "". */
const char *sizing_limit(const struct core *c, uint32_t type);
/* Is this warm task of another version, or too old? And how many of a type are. */
bool sizing_replaces(const struct core *c, const struct task *t);
uint32_t sizing_outdated(const struct core *c, uint32_t type);
/* Of `stop` warm tasks above `target`, how many are to be ended now; and outdated ones. */
uint32_t sizing_stop(struct core *c, uint32_t type, uint32_t target, uint32_t stop);

/* ---- adaptive.c: an idle limit that is learned ---- */

int adaptive_new(struct core *c);
void adaptive_free(struct core *c);
/* False: it is not about that, or of no use. */
bool adaptive_boot(struct core *c, const struct setting_row *row);
/* All rows were given. */
void adaptive_booted(struct core *c);
/* Time goes on. */
void adaptive_run(struct core *c);
/* The idle limit of a type in force; `*ret_why` is "" where it is fixed. */
int64_t adaptive_idle_ms(const struct core *c, uint32_t type, const char **ret_why);
/* Somebody was away for so long, and is back. */
void adaptive_gap(struct core *c, uint32_t type, int64_t ms);
/* Somebody asks for this workspace. */
void adaptive_back(struct core *c, struct workspace *w);

/* ---- classes.c: classes that are known beforehand ---- */

#define CLASSES_MAX 256 /* of a type, at a time */
#define COURSES_MAX 64

/* Free it with free(). NULL: no memory. */
struct classes *classes_new(struct timetable **ret_timetable);
void classes_set(struct core *c, const struct core_event *ev);
/* False: it is not about that, or of no use. */
bool classes_boot(struct core *c, const struct setting_row *row);
/* Time has gone on: tell once when there will not be enough tasks for a class, and store what was
 * learned of courses. */
void classes_run(struct core *c, uint32_t type);
/* The lesson that somebody comes for, whose course is this: TIMETABLE_NONE when that is not known,
 * TIMETABLE_OTHER when the course has none now. */
uint32_t classes_lesson(const struct core *c, uint32_t type, const char *course);

/* ---- alarms.c: what people were told and is not over ---- */

/* True: it was one of these. */
bool alarms_boot(struct core *c, const struct setting_row *row);
void alarms_set(struct core *c, const struct core_event *ev);

/* ---- document.c: the timetable of the API, as text ---- */

/* "12 …": the number, and *p behind its blank. */
bool row_number(const char **p, uint64_t max, uint64_t *ret_value);
/* Free it with free(). NULL: no memory. */
struct document *document_new(void);
/* False: it is not about that, or of no use. */
bool document_boot(struct core *c, const struct setting_row *row);
/* All rows were given. */
void document_booted(struct core *c);
void document_piece(struct core *c, const struct core_event *ev);
void document_set(struct core *c, const struct core_event *ev);

/* ---- learned.c: what pools have learned, through a restart ---- */

/* False: it is not about that, or of no use. */
bool learned_boot(struct core *c, const struct setting_row *row);
/* All rows were given. */
void learned_booted(struct core *c);
/* False: the step has no room for it. */
bool learned_store(struct core *c, uint32_t type);

void pools_account(struct core *c, struct task *t);
/* It is being dropped. */
void pools_forget(struct core *c, struct task *t);
void pools_wait(struct core *c, struct workspace *w);
void pools_unwait(struct core *c, struct workspace *w);
void pools_target(struct core *c, const struct core_event *ev);
void pools_launch_failed(struct core *c, uint32_t type, const char *reason);
void pools_launch_succeeded(struct core *c, uint32_t type, int64_t lead_ms);
/* The provider has begun with it; or it has no room, or was asked too often. */
void pools_launch_accepted(struct core *c, uint32_t type);
void pools_launch_refused(struct core *c, uint32_t type, const char *reason);
/* Place in the queue, 0 when it does not wait or a warm task is there for it. */
uint32_t pools_place(const struct core *c, const struct workspace *w);
bool pools_has_warm(const struct core *c, uint32_t type);

/* ---- versions.c: images that change ---- */

/* False: it is not about that, or of no use. */
bool versions_boot(struct core *c, const struct setting_row *row);
/* All rows were given. */
void versions_booted(struct core *c);
void versions_set(struct core *c, const struct core_event *ev);
/* Is it of another version than what is launched now? */
bool versions_outdated(const struct core *c, const struct task *t);

/* ---- modes.c: what operators have set ---- */

/* For this type, or for every one; NULL when it is off. */
const struct mode *modes_get(const struct core *c, enum core_mode mode, uint32_t type);
/* Also what runs is to be stopped. */
bool modes_hard_drain(const struct core *c, uint32_t type);
/* keep.c, pool_set.c */
void requests_keep(struct core *c, const struct core_event *ev);
void pool_set_request(struct core *c, const struct core_event *ev);
/* True: it was a size of a pool. */
bool pool_set_boot(struct core *c, const struct setting_row *row);
void modes_boot(struct core *c, const struct core_event *ev);
void modes_request(struct core *c, const struct core_event *ev);

/* ---- requests.c ---- */

void requests_launch(struct core *c, const struct core_event *ev);
void requests_stop(struct core *c, const struct core_event *ev);
void requests_delete(struct core *c, const struct core_event *ev);
void requests_abandon(struct core *c, const struct core_event *ev);
void requests_restore(struct core *c, const struct core_event *ev);
void requests_erased(struct core *c, const struct core_event *ev);
void requests_shutdown(struct core *c, const struct core_event *ev);

/* ---- events.c: one function per event ---- */

void events_dispatch(struct core *c, const struct core_event *ev);
void events_deadlines(struct core *c);
