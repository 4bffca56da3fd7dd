/*
 * What link decides. Pure: an event and a `now` go in, actions come out; the only other outputs are
 * what state_message() wants sent and when state_deadline() wants to be asked again. No clock, no
 * descriptor, no logging.
 *
 * The promises kept here:
 *  - each command id is acted on once, and only for this generation
 *  - a change is in a committed save within a minute where saves take less than half of that
 *  - the last save is made when no process of the student is left, and never of a home that lacks
 *    the essentials; the rest is brought beside the app, for as long as it takes
 *  - one unused save request is always with init (CONTROL_HOLD), for a SIGTERM in link's absence
 *  - the controller's absence stops nothing
 *  - a controller that another one has superseded (a lower epoch) moves nothing here
 *
 * struct state is about 250 KiB: keep it on the heap or static. It owns no memory. `now` never
 * decreases from call to call.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"
#include "channel.h"
#include "init/control.h"
#include "link/route.h"
#include "link/saves.h"
#include "presence/presence.h"
#include "wire/wire.h"

#define STATE_HEARTBEAT_MS INT64_C(5000) /* until the controller says otherwise */
#define STATE_AWAIT_MS INT64_C(120000)   /* how long the controller may hold an await */
#define STATE_CHECK_MS INT64_C(300000)   /* a save at least so often, changes or not */
#define STATE_UNSAVED_MS INT64_C(60000)  /* the age that saves are planned for */
#define STATE_REFUSED_MS INT64_C(10000)  /* after a refused hello */
#define STATE_DIAL_MS INT64_C(3000)      /* to reach one controller, before the next is tried */
#define STATE_PROGRESS_MS INT64_C(1000)  /* between reports that only progress is for */
#define STATE_CLOCK_MS INT64_C(30000)    /* clocks nearer than that are as good as the same */
#define STATE_EPOCH_MS INT64_C(600000)   /* of a highest epoch that nobody speaks any more */

struct state_config {
        char task[WIRE_ID_SIZE];
        char nonce[WIRE_NONCE_SIZE];
        char secret[WIRE_HEX_SIZE];
        char agent[WIRE_AGENT_SIZE];
        char health_path[CHANNEL_PATH_MAX];
        char prime_path[CHANNEL_PATH_MAX];
        char workspace[CHANNEL_PATH_MAX];
        char home[CHANNEL_PATH_MAX];
        int64_t save_after_ms;
        struct route route; /* to the controllers */
        uint64_t seed;      /* for jitter */
        uint64_t first_seq; /* of messages: above those of an earlier link of this instance */
};

enum state_event_type {
        STATE_CONNECTED,    /* a connection to the controller exists */
        STATE_DISCONNECTED, /* it is gone; so are the answers that were outstanding */
        STATE_DIAL_FAILED,  /* STATE_ACT_DIAL led to no connection */
        STATE_ANSWER,       /* to what state_message() had us send on `line` */
        STATE_NO_ANSWER,    /* none came in time, or it could not be read */
        STATE_CONTROL,      /* from init */
        STATE_GATE,         /* from gate or sense */
        STATE_DEADLINE,     /* nothing but time */
};

/* The lines of the session, each with at most one question under way. */
enum state_line {
        STATE_REPORT_LINE, /* hello, report: answered at once */
        STATE_AWAIT_LINE,  /* await: answered when there is a command */
        STATE_SAVED_LINE,  /* saved: answered when the save is committed or refused */
        STATE_LINE_MAX
};

struct state_event {
        enum state_event_type type;
        union {
                struct {
                        enum state_line line;
                        const struct wire_msg *msg;
                        int64_t utc_ms; /* this machine's clock; 0 not known */
                } answer;
                struct {
                        const struct control_msg *msg;
                        const void *blob; /* msg->len bytes */
                } control;
                const struct channel_msg *channel;
        };
};

enum state_action_type {
        STATE_ACT_CONTROL, /* an order to init */
        STATE_ACT_GATE,
        STATE_ACT_SENSE,
        STATE_ACT_DIAL,    /* -> STATE_CONNECTED or STATE_DIAL_FAILED */
        STATE_ACT_HANG_UP, /* the connection -> STATE_DISCONNECTED, or the dialling -> _FAILED */
};

struct state_action {
        enum state_action_type type;
        union {
                struct {
                        uint32_t type, id, flags;
                        const char *blob; /* JSON text or NULL; valid until the next state_step */
                        /* CONTROL_SAVE, CONTROL_HOLD: to be set in the request */
                        uint64_t committed_seq;
                } control;
                struct channel_msg channel;
                const char *url; /* of STATE_ACT_DIAL; valid until the next state_step */
        };
};

#define STATE_ACTIONS_MAX 24
struct state_actions {
        size_t n;
        struct state_action v[STATE_ACTIONS_MAX];
};

/* Which trouble `error` tells of, so that only its own recovery clears it. */
enum state_trouble {
        STATE_FINE,
        STATE_TROUBLE_SAVE,
        STATE_TROUBLE_RESTORE,
        STATE_TROUBLE_APP,
        STATE_TROUBLE_REST,     /* of a restore */
        STATE_TROUBLE_LEFT_OUT, /* the newest save lacks something */
};

/* What the student is told in the editor, one sentence of each at a time. */
enum state_notice { STATE_NOTICE_RESTORE, STATE_NOTICE_SAVE, STATE_NOTICE_MAX };
static_assert((int)STATE_NOTICE_MAX == CHANNEL_NOTICES_MAX, "the gate shows all of them");

/* What a report said that a stop may depend on. */
struct evidence_told {
        mono_t person; /* last seen */
        bool connected, busy;
};

struct evidence {
        uint32_t counted[PRESENCE_SOURCE_MAX][PRESENCE_KIND_MAX]; /* of this gate's events */
        bool decoded;                                             /* this gate tells evidence */
        uint64_t unknown, unknown_before; /* of this gate, of those before it */
        struct evidence_told told, known; /* in the last report sent, in the last one answered */
        mono_t told_at;
        bool stop_known; /* the stop that the controller has announced, as the gate was told */
        mono_t stop_at;
        char stop_rule[WIRE_CODE_SIZE];
};

struct state {
        struct state_config config;
        mono_t now;
        int64_t utc_ms; /* of the answer that is being taken */
        uint64_t random;

        /* the connection: none and dialled at dial_at, dialling, or connected */
        struct route route;
        bool connected, dialling;
        bool leaving; /* hung up; dial_at is set already */
        mono_t dial_at, dial_since;

        /* session */
        bool enrolled, welcomed;
        bool busy[STATE_LINE_MAX]; /* an answer is outstanding */
        uint64_t sent_seq[STATE_LINE_MAX];
        uint64_t seq;
        int64_t heartbeat_ms;
        mono_t hello_at, report_at, reported_at, await_at, await_sent;
        unsigned timeouts;
        unsigned not_leader; /* answers in a row */
        uint64_t epoch;      /* highest seen; 0 none */
        mono_t epoch_at;     /* when it was last spoken for */
        uint64_t epoch_here; /* of this session's welcome */
        uint64_t superseded; /* messages of lower epochs, ever */
        /* The controller's clock is so many seconds ahead of this machine's; 0 while it is near. */
        int32_t clock_off_s, clock_told_s; /* as last heard; as the gate was told */
        char addr[WIRE_ADDR_SIZE];
        char refused_code[WIRE_CODE_SIZE]; /* of the last hello; "" when it was welcome */
        char refused_reason[WIRE_TEXT_SIZE];

        /* init */
        bool have_control, synced, terminating;
        enum control_app_state app;
        bool app_primed;
        bool app_ran;      /* the student's, before this link began */
        bool foreign_save; /* one that an earlier link ordered */
        uint32_t order_id;

        /* life */
        enum wire_phase phase;
        struct wire_claim claim;
        uint64_t generation;
        bool restoring, restored;
        mono_t sense_at; /* when sense is to begin; NEVER: it has, or nothing is in place */
        bool prime_stopping;
        bool final_wanted;      /* the stop goes on: the last save is still to be made */
        mono_t final_failed_at; /* first failure of the last saves of this order; NEVER none */
        bool stop_wanted;       /* prepare-stop came during a restore */
        bool resume_wanted;     /* resume came while the app ended or the last save ran */
        bool declined;
        uint64_t acted_id, seen_id;
        uint32_t probe_id;
        enum state_trouble trouble;
        char error[WIRE_TEXT_SIZE];
        char notices[STATE_NOTICE_MAX][WIRE_TEXT_SIZE];
        bool notices_new; /* the gate was not told yet */

        /* restore */
        mono_t restore_at; /* the next attempt after one that failed */
        unsigned restore_failures;
        mono_t restore_request_at;            /* when the request came */
        uint64_t restore_done, restore_total; /* bytes, of what runs or ran last; total 0 unknown */
        uint64_t restored_generation, restored_seq; /* seq 0: nothing, or by an earlier link */
        bool fell_back;
        char restored_why[WIRE_TEXT_SIZE]; /* when it fell back */
        bool rest_wanted;                  /* something was left, or may have been */
        bool rest_runs;
        mono_t rest_at; /* its next run */
        unsigned rest_failures;
        uint64_t rest_left; /* bytes, as its last run said; 0 not known */

        /* saves */
        struct saves saves;
        bool save_final;  /* the running one was ordered as final */
        bool save_forced; /* save-now, or something was missed: no waiting for save_after */
        mono_t save_at;   /* not before */
        mono_t save_started;
        int64_t save_took_ms; /* the last one, from its order to its commit */
        unsigned save_failures;
        uint64_t held_seq, held_committed; /* what init holds; 0 nothing */
        bool held_sync;                    /* mode `home`: it holds the sync */
        mono_t backup_at;                  /* mode `home`: the next is due; NEVER none */
        bool backup_asked;                 /* ... by an operator, or the provider's notice */
        char save_blob[WIRE_SAVE_SIZE];
        char hold_blob[WIRE_SAVE_SIZE];

        struct presence presence;
        struct evidence evidence;
};

/* config->route must be good. */
void state_init(struct state *s, const struct state_config *config, mono_t now);
/* Where the gate listens; no hello goes out before this is known. */
void state_set_addr(struct state *s, const char *addr);
/* Actions are appended; they have been carried out before the next call. */
void state_step(struct state *s, const struct state_event *ev, mono_t now,
                struct state_actions *fx);
/* The earliest time at which STATE_DEADLINE should be given or state_message() asked again. */
mono_t state_deadline(const struct state *s);
/*
 * Whether something should be sent on this line now. On true `ret_msg` is the message and it counts
 * as sent: STATE_ANSWER, STATE_NO_ANSWER or STATE_DISCONNECTED must follow.
 */
bool state_message(struct state *s, enum state_line line, mono_t now, struct wire_msg *ret_msg);

/* link/evidence.c: messages of names that no presence rule has, over all gates. */
uint64_t evidence_unknown(const struct state *s);

/* link/report.c: the bodies of the messages. */
void report_hello(const struct state *s, uint64_t seq, struct wire_hello *ret_hello);
void report_build(const struct state *s, uint64_t seq, struct wire_report *ret_report);
void report_await(const struct state *s, uint64_t seq, struct wire_await *ret_await);
void report_saved(const struct state *s, const struct saves_out *out, uint64_t seq,
                  struct wire_saved *ret_saved);
