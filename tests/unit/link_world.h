/*
 * Everything around link in virtual time: init with the app and its saves, gate, sense, and a
 * controller that commits. It checks with every order that link may give it now, and keeps a trace.
 */
#pragma once

#include "link/state.h"

#define WORLD_PENDING_MAX 64
#define WORLD_TRACE_MAX 16384
#define WORLD_GRANTS_MAX 1024 /* more seqs than one life uses at a time */

enum world_thing {
        WORLD_FREE,
        WORLD_APP_STARTED,
        WORLD_APP_UP, /* the gate's answer; value: probe id */
        WORLD_APP_STOPPED,
        WORLD_RESTORED,
        WORLD_REST_DONE, /* value: of which run */
        WORLD_PROGRESS,  /* of the restore; value: bytes done */
        WORLD_SAVED,
        WORLD_HELD,    /* init makes the last save by itself */
        WORLD_CHANGE,  /* sense tells a change in the workspace, again every value ms */
        WORLD_NONE,    /* the await comes back empty */
        WORLD_DIALLED, /* value: index of the address */
        WORLD_HUNG_UP,
        WORLD_NO_ANSWER, /* on the report line; value: seq of the question */
};

/* What a controller of the list does. */
enum world_host {
        WORLD_LEADS,
        WORLD_FOLLOWS, /* answers not-leader */
        WORLD_REFUSES, /* nobody listens */
        WORLD_FROZEN,  /* the kernel accepts, nobody answers: a dialling ends when it is hung up */
};

enum world_answer {
        WORLD_COMMIT,
        WORLD_PENDING,
        WORLD_REFUSE,
        WORLD_SILENT, /* messages to the controller are lost */
};

#define WORLD_UTC_MS INT64_C(1795868424123) /* the machine's clock, which stands still */

struct world {
        struct state s;
        mono_t now;
        struct state_actions fx;
        struct wire_msg msg;
        struct {
                mono_t at;
                enum world_thing what;
                int64_t value;
        } pending[WORLD_PENDING_MAX];
        char trace[WORLD_TRACE_MAX];
        size_t trace_len;

        /* init */
        enum control_app_state app;
        bool app_primed, save_runs, restore_runs, terminating;
        bool home_complete; /* the essentials are there, or there was nothing to restore */
        bool rest_runs;
        uint64_t rests_expired; /* runs whose request had expired */
        uint64_t rests;         /* runs of the rest */
        uint64_t rest_left;     /* bytes that are still to bring */
        uint64_t rest_request;  /* which one the last run was given */
        bool student_ran;       /* the student's app ran on the home */
        bool save_is_final;
        bool held_failed; /* init waits for another request */
        uint64_t save_seq, held_seq;
        uint64_t uploaded_seq; /* highest ever */
        uint64_t saved_told;   /* CONTROL_SAVED orders */
        uint32_t stops, starts, saves, finals, held_saves;
        uint32_t syncs;            /* last saves of a home; not among saves */
        bool held_sync, syncs_now; /* init holds one; one runs */

        /* knobs */
        int64_t start_ms, stop_ms, restore_ms, save_ms;
        const char *save_error; /* code of every save from now on; NULL: they succeed */
        int save_errors_left;   /* so many, then they succeed; 0: no end */
        const char *restore_error;
        const char *fell_back; /* why; NULL: it does not */
        uint64_t later_bytes;  /* what a restore leaves */
        uint64_t rest_step;    /* what one run of the rest brings; 0: all */
        int64_t rest_ms;
        const char *rest_error;   /* code */
        int64_t restore_ttl_ms;   /* how long a restore request can be used; 0: for ever */
        uint64_t save_unreadable; /* files that saves lack */
        const char *save_message; /* of saves that succeed, or fail */
        bool save_unchanged;
        int64_t url_ttl_ms; /* how long a request can be used; 0: for ever */
        bool home;          /* its files stay in its home */
        int64_t backup_ms, backup_in_ms;
        uint64_t taken_seq; /* requests up to this one were used before */
        bool app_never_up;

        /* gate: what it has counted since it started, and what is open */
        struct {
                uint32_t events[PRESENCE_SOURCE_MAX][PRESENCE_KIND_MAX];
                mono_t at[PRESENCE_SOURCE_MAX][PRESENCE_KIND_MAX];
                uint32_t websockets, undecoded, active, jobs;
                bool untracked;
                uint64_t unknown;
        } gate;
        int64_t notice_ms; /* the stop that it was told of last; -1 none */

        /* the controllers of the list */
        const char *urls; /* NULL: one */
        uint64_t seed;
        struct {
                enum world_host does;
                uint64_t epoch;
                int64_t window_ms;  /* that it tells */
                int64_t clock_ms;   /* of its clock; 0 not told */
                const char *leader; /* that it names as a follower */
                uint64_t dials, hellos;
        } hosts[ROUTE_MAX];
        int32_t clock_off_s; /* as the gate was told last */
        int at;              /* connected to, or -1 */
        uint64_t dials;
        mono_t dialled_at;

        /* controller */
        int64_t idle_ms; /* > 0: it announces the stop that follows from the person's age */
        enum world_answer answer;
        bool reachable;
        bool claimed;
        uint64_t generation, granted_seq, committed_seq;
        mono_t granted_at[WORLD_GRANTS_MAX];            /* by seq */
        uint64_t restore_requests;                      /* so many were given, numbered */
        mono_t restore_given_at;                        /* the last one */
        char notices[STATE_NOTICE_MAX][WIRE_TEXT_SIZE]; /* as the gate was told last */
        char message[WIRE_TEXT_SIZE];
        bool final_committed;
        struct wire_command command; /* given while its id is above what the agent has seen */
        uint64_t last_command;
        struct wire_report report; /* the last one */
        uint64_t reports, hellos;
        int64_t unsaved_ms_max;
        bool await_open;
        uint64_t await_seq, await_acted;
};

void world_init(struct world *w);
/* The same with several controllers, none of which is reached yet; hosts are the caller's to set.
 */
void world_init_several(struct world *w, const char *urls, uint64_t seed);
/* What it does from now on; `cut` ends the connection that it has. */
void world_host(struct world *w, int host, enum world_host does, bool cut);
/* Let time pass; everything that comes due happens in order. */
void world_run(struct world *w, int64_t ms);
/* Run until the phase is reached; fails after `ms`. */
void world_until(struct world *w, enum wire_phase phase, int64_t ms);
/* From nothing to that phase. */
void world_to(struct world *w, enum wire_phase phase);

/* Give a command; returns its id. */
uint64_t world_command(struct world *w, enum wire_verb verb);
/* The answer of an await comes (again): whatever is in w->command. */
void world_deliver(struct world *w);
void world_change(struct world *w);
void world_file_stream(struct world *w, int64_t every_ms);
void world_later(struct world *w, int64_t ms, enum world_thing what, int64_t value);

void world_crash_link(struct world *w);
void world_crash_gate(struct world *w);
void world_crash_sense(struct world *w);
void world_crash_app(struct world *w);
void world_sigterm(struct world *w);
/* init knows of nothing that ran before; what it ran is gone. */
void world_restart_init(struct world *w);
void world_cut(struct world *w);
void world_reconnect(struct world *w);

void world_channel(struct world *w, const struct channel_msg *m);
/* The gate sees something; link hears of it with world_gate_tell. */
void world_gate_sees(struct world *w, enum presence_source s, enum presence_kind k);
void world_gate_tell(struct world *w);

/* Forget the trace; then compare what came since with `lines` (each ends with a newline). */
void world_forget(struct world *w);
void world_expect(struct world *w, const char *lines);
