/*
 * The nouns of the decision core: what a workspace and a task are, and what of them is stored.
 * Plain data, no functions with effects; every layer of the controller may include this.
 *
 * All text is NUL-terminated and was checked by the edge that let it in (base/str.h name_valid).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "core/idle_rule.h"
#include "pool/schedule.h"

#define CORE_ID_SIZE 32       /* "ws-k3v9…", "t-0000000012", with NUL */
#define CORE_NAME_SIZE 65     /* tenant, workspace name */
#define CORE_USER_SIZE 129    /* user id */
#define CORE_TYPE_SIZE 33     /* workspace type */
#define CORE_LABELS_SIZE 1025 /* JSON object text, kept and shown, never read */
#define CORE_ADDR_SIZE 64     /* "127.0.0.1:41234" */
#define CORE_NONCE_SIZE 33    /* 16 bytes in hex */
#define CORE_SHA256_SIZE 65   /* 32 bytes in hex */
#define CORE_REASON_SIZE 160
#define CORE_ALARM_SIZE 56    /* "KIND.TYPE"; behind "alarm." the name of a setting */
#define CORE_ALARM_DETAIL 120 /* behind the seconds the value of one */
#define CORE_SOURCE_SIZE 24   /* "terminal"; a kind, a confidence */
#define CORE_JOB_SIZE 32      /* what a job is called */
#define CORE_VERSION_SIZE 65  /* of an image: a tag, a digest cut short, a revision */
#define CORE_TYPES_MAX 16
#define CORE_ALARMS_MAX (2 * CORE_TYPES_MAX + 4)

enum task_state {
#define TASK_STATE(id, name, doc) TASK_##id,
#include "core/task_state.def"
#undef TASK_STATE
        TASK_STATE_MAX
};

enum ws_state {
#define WS_STATE(id, name, doc) WS_##id,
#include "core/ws_state.def"
#undef WS_STATE
        WS_STATE_MAX
};

/* "warm", "attention", …; never NULL for a valid value. */
const char *task_state_name(enum task_state s);
const char *ws_state_name(enum ws_state s);
/* The value of a stored name. Returns false for text that is no name. */
bool task_state_parse(const char *name, enum task_state *ret_state);
bool ws_state_parse(const char *name, enum ws_state *ret_state);

struct ws_key {
        char tenant[CORE_NAME_SIZE];
        char user_id[CORE_USER_SIZE];
        char name[CORE_NAME_SIZE];
        char type[CORE_TYPE_SIZE];
};

/*
 * A save that was committed: the manifest object of (workspace, generation, seq), its length and
 * hash. seq 0 means "none". Object names follow from the three numbers (PROTOCOL.md).
 */
struct save_ref {
        uint64_t generation;
        uint64_t seq;
        uint64_t length;      /* bytes of the manifest object */
        uint64_t data_length; /* bytes of the data object, for people */
        char sha256[CORE_SHA256_SIZE];
        utc_t at;
};

/* Where the files of a workspace are that is kept in a home folder (mode `home`). */
enum home_state {
        HOME_NONE,    /* in its saves: it has no home folder, or none that is complete */
        HOME_THERE,   /* in its home folder, which must be there when it starts */
        HOME_REPLACE, /* in its newest save: an operator went back; the folder is set aside */
        HOME_STATE_MAX
};

struct workspace_row {
        char id[CORE_ID_SIZE];
        struct ws_key key;
        char labels[CORE_LABELS_SIZE];
        enum ws_state state;
        uint64_t generation;     /* of the current or last task; grows by one with each claim */
        char task[CORE_ID_SIZE]; /* "" while it has none */
        struct save_ref head;
        struct save_ref previous;
        utc_t created_at;
        utc_t active_at;  /* last evidence of a person */
        utc_t human_at;   /* the last that is more than a request to keep it; 0 not known */
        utc_t stopped_at; /* 0 while never stopped */
        utc_t erase_at;   /* 0 unless deleted; objects and row go at that time */
        bool wanted;      /* asked for while it was being stopped or recovered */
        enum home_state home;
        char reason[CORE_REASON_SIZE]; /* why it is in this state, one sentence for people */
};

struct task_row {
        char id[CORE_ID_SIZE];
        char type[CORE_TYPE_SIZE];
        enum task_state state;
        uint64_t generation;          /* 0 until claimed */
        char workspace[CORE_ID_SIZE]; /* "" until claimed */
        char nonce[CORE_NONCE_SIZE];  /* of the instance that enrolled; "" before */
        char addr[CORE_ADDR_SIZE];    /* of its gate; "" before it enrolled */
        utc_t launched_at;
        utc_t claimed_at; /* 0 until claimed */
        utc_t state_at;   /* when it entered its state */
        char reason[CORE_REASON_SIZE];
};

struct audit_row {
        uint64_t seq; /* grows by one; the store keeps the highest */
        utc_t at;
        char workspace[CORE_ID_SIZE]; /* or "" */
        char task[CORE_ID_SIZE];      /* or "" */
        char actor[CORE_NAME_SIZE];   /* "core", "api", "operator", … */
        char what[CORE_NAME_SIZE];    /* "launched", "claimed", "ready", "saved", "stopped", … */
        char detail[CORE_REASON_SIZE];
};

/* What an operator has set and a restart must not forget: "maintenance", "pause.vscode", … */
struct setting_row {
        char name[CORE_NAME_SIZE];
        char value[CORE_REASON_SIZE]; /* "" removes it */
};

/* How a pool is sized that follows its demand: pool/sizer.h. */
struct core_sizing {
        bool forecast;        /* false: pool_size, and nothing of the rest */
        uint32_t floor;       /* in peak hours */
        uint32_t floor_quiet; /* outside them */
        uint32_t ceiling;
        double hit_rate;          /* 0 < h < 1 */
        struct schedule schedule; /* peak hours, and the zone of days and weeks */
        /* Millionths of a dollar: a task for an hour; the ceilings of a day and a month, 0: none */
        int64_t task_hour, day_max, month_max;
};

/* The idle limit, where it is learned: pool/idlelimit.h. Keeping costs sizing.task_hour. */
struct core_adaptive {
        bool on; /* false: limits.idle_ms, and nothing of the rest; true: in its place */
        int64_t idle_ms_min, idle_ms_max;
        int64_t value_of_time; /* millionths of a dollar: an hour of a student who waits */
};

struct core_type {
        char name[CORE_TYPE_SIZE];
        uint32_t pool_size; /* warm tasks to keep */
        struct core_sizing sizing;
        char version[CORE_VERSION_SIZE]; /* of its image; "": nobody says, or the provider does */
        double refill_per_min;           /* launches that nobody waits for; 0: no limit */
        int64_t warm_age_ms;             /* a warm task is replaced when it is older; 0: never */
        uint32_t queue_max;              /* people who may wait; more are refused. 0: no limit */
        struct idle_limits limits;       /* after which it is stopped */
        struct core_adaptive adaptive;
        int64_t launch_timeout_ms; /* launch to warm */
        int64_t claim_timeout_ms;  /* claim to ready */
        int64_t stop_timeout_ms;   /* prepare-stop to saved, then attention */
        int64_t unsaved_alarm_ms;  /* changes that are older and in no save are told; 0: never */
        bool home;                 /* files stay in a home folder that outlives the task */
        int64_t backup_ms;         /* ... and are saved so often; 0: never */
};

struct core_config {
        uint32_t workspaces_max;
        uint32_t tasks_max;
        uint32_t n_types;
        struct core_type types[CORE_TYPES_MAX];
        int64_t quiet_ms;      /* after start nothing is stopped for idleness */
        int64_t heartbeat_ms;  /* asked of agents */
        int64_t agent_lost_ms; /* silence after which a claimed task is shown as lost, not killed */
        int64_t retry_save_ms; /* between attempts in attention */
        int64_t erase_delay_ms;    /* between DELETE and the objects going */
        uint32_t stops_per_min;    /* cap on what is stopped that nobody asked for */
        double stops_share;        /* ... or this share of the tasks of late, if that is more */
        double launch_rate;        /* launches a second that the provider takes; 0: any number */
        double launch_burst;       /* and so many at once */
        uint32_t save_parallel;    /* last saves under way at a time; 0: any number */
        double stop_rate;          /* tasks a second that the provider is asked to end; 0: any */
        double stop_burst;         /* and so many at once */
        uint32_t user_running_max; /* workspaces of one person that are not stopped; 0: no limit */
};
