/*
 * The faces of the controller's nouns: names made from keys, requests checked, rows and ages shown
 * as JSON. Pure: reads the core's views, knows no socket and no clock; the JSON library is used in
 * view*.c only. Shared by the HTTP API and the ops socket, so that both show the same fields.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"
#include "core/core.h"
#include "crypto/access.h"
#include "in/about.h"
#include "in/stored.h"
#include "keys.h"
#include "shell.h"

#define WORKSPACE_ID_LEN 15 /* "ws-" and 12 characters of a-z 2-7 */
#define VIEW_ANSWER_MAX (16u * 1024 * 1024)

/* The id of a key: the same key has the same id, for ever, on every controller. */
void workspace_id(const struct ws_key *key, char ret_id[static CORE_ID_SIZE]);
/* Is `id` formed like one? Says nothing about whether the workspace exists. */
bool workspace_id_valid(const char *id);

enum view_error_id {
#define VIEW_ERROR(id, code, status, hint) VIEW_ERROR_##id,
#include "in/view_error.def"
#undef VIEW_ERROR
        VIEW_ERROR_MAX
};

/* Why a request is refused: which rule, and a sentence that names the field and the rule. */
struct view_error {
        enum view_error_id id;
        uint32_t place;   /* with queue-full: how many would be before it, and it; 0 not shown */
        uint32_t retry_s; /* when to ask again; 0 not said */
        char message[320];
        char leader[SHELL_ADDRESS_SIZE]; /* with NOT_LEADER: its HTTP address, where it is known */
};

const char *view_error_code(enum view_error_id id);
int view_error_status(enum view_error_id id);
const char *view_error_hint(enum view_error_id id);
void view_error_set(struct view_error *e, enum view_error_id id, const char *fmt, ...)
        PRINTF_LIKE(3, 4);
/* What a reply status of the core other than REPLY_OK means to the one who asked. */
void view_error_reply(struct view_error *e, enum reply_status status, const char *subject);

/* True, and the error, when this controller does not lead and so cannot do what is asked. */
bool view_not_leader(const struct shell_lead *lead, struct view_error *ret_error);

/* ---- requests ---- */

struct view_launch {
        struct ws_key key;
        char id[CORE_ID_SIZE];
        char labels[CORE_LABELS_SIZE];
};

/* The body of a launch request. 0, or > 0 with *ret_error set and *ret_launch untouched. */
NODISCARD int view_launch_parse(const char *text, size_t len, struct view_launch *ret_launch,
                                struct view_error *ret_error);

/* The course in a launch's labels, {"course":"cs101",…}, when it is a name; else "". */
void view_course(const char *labels, char ret_course[static CORE_NAME_SIZE]);

/* What the events of the first design ask for. */
struct view_action {
        enum { VIEW_ACTION_LAUNCH, VIEW_ACTION_MONITOR, VIEW_ACTION_TERMINATE } kind;
        struct view_launch launch; /* when LAUNCH */
        char task_arn[256];        /* when TERMINATE */
};

/* {"action":"launch","user_id":42,"workspace_type":"vscode"}; user_id may be a number here. */
NODISCARD int view_action_parse(const char *text, size_t len, struct view_action *ret_action,
                                struct view_error *ret_error);

/* An operator's mode (core/mode.def). */
struct view_mode {
        enum core_mode mode;
        bool on, hard;
        char type[CORE_TYPE_SIZE]; /* "" for every type */
        char reason[CORE_REASON_SIZE];
};

/* Body of PUT /v1/modes/MODE: {"on":true,"hard":false,"workspace_type":"…","reason":"…"}. */
NODISCARD int view_mode_parse(const char *mode, const char *text, size_t len,
                              struct view_mode *ret_mode, struct view_error *ret_error);
/* A size that an operator sets for the pool of a type. */
struct view_pool_size {
        char type[CORE_TYPE_SIZE];
        bool set; /* false: as its policy says */
        uint32_t size;
        char reason[CORE_REASON_SIZE];
};

#define VIEW_POOL_SIZE_MAX 4096

/* Body of PUT /v1/pools/TYPE: {"size":5,"reason":"…"} or {"size":null}. */
NODISCARD int view_pool_parse(const char *type, const char *text, size_t len,
                              struct view_pool_size *ret_pool, struct view_error *ret_error);
/* Body of an abandon: {"reason":"…"}, which is needed. */
NODISCARD int view_reason_parse(const char *text, size_t len,
                                char ret_reason[static CORE_REASON_SIZE],
                                struct view_error *ret_error);

/* Body of a restore or export: {"at":"3-7"}, a save or a time (stored_at_parse); where it is not
 * needed, its absence is the head. */
NODISCARD int view_at_parse(const char *text, size_t len, bool needed, struct stored_at *ret_at,
                            struct view_error *ret_error);

/* One request of the ops socket (OPS.md). */
struct view_command {
        char cmd[24];
        char workspace[CORE_ID_SIZE];  /* a full id or the beginning of one */
        struct view_launch launch;     /* when cmd is "launch" */
        struct view_mode mode;         /* when cmd is "mode" */
        char reason[CORE_REASON_SIZE]; /* when cmd is "abandon" */
        struct stored_at at;           /* when cmd is "restore" or "export" */
        char *text;                    /* when cmd is "timetable": malloc'd, NULL: not given */
        bool check;                    /* and whether it is only looked at */
        char if_match[48];             /* and "" or "*" or an etag */
        uint64_t after;
        uint64_t wait_ms;
        bool has_after;
};

#define VIEW_WAIT_MS_MAX 60000

NODISCARD int view_command_parse(const char *text, size_t len, struct view_command *ret_command,
                                 struct view_error *ret_error);

/* ---- answers: each appends one JSON text to `out`; 0, -ENOMEM, -ENOBUFS ---- */

/* What every rendering needs. `links` may be NULL: then no URLs are shown. */
struct view_links {
        const char *scheme;      /* "http" or "https" */
        const char *host_suffix; /* "localhost:8080": what follows "<workspace>." */
        const struct keys *keys;
        int64_t ticket_ms; /* how long a link is good */
        bool paths; /* "/w/<workspace>/" behind host_suffix, and no "<workspace>." in front */
};

struct view {
        const struct core *core;
        const struct view_links *links;
        mono_t now;
        utc_t utc;
};

enum view_sort {
#define VIEW_SORT(id, name, doc) VIEW_SORT_##id,
#include "in/view_sort.def"
#undef VIEW_SORT
        VIEW_SORT_MAX
};

#define VIEW_TEXT_SIZE 81

/* Which workspaces, in which order. */
struct view_filter {
        bool has_state;
        enum ws_state state;
        bool trouble;                 /* only those that somebody should look at */
        char user_id[CORE_USER_SIZE]; /* "" for all */
        char type[CORE_TYPE_SIZE];    /* "" for all */
        char text[VIEW_TEXT_SIZE];    /* stands in a name, a label or the reason; "" for all */
        enum view_sort sort;
        bool descending;
        uint64_t limit, offset; /* limit 0: all */
};

/* "user_id", "-idle": the name of an order, "-" before it turns it round. False: none. */
bool view_sort_parse(const char *text, enum view_sort *ret_sort, bool *ret_descending);

/* Running, and its task serves the student's files. */
bool view_ready(const struct view *v, const struct workspace_row *w);
/*
 * The generation that a link made now is for: of the task it has and is to keep, else the next one.
 */
uint64_t view_access_generation(const struct workspace_row *w);
/* "<generation>.<expires>.<id>.<mac>" (crypto/access.h). */
void view_ticket(const struct view_links *links, utc_t now, const struct workspace_row *w,
                 char ret_text[static ACCESS_SIZE]);
/* The same link as that of this id, 32 hex digits, for as long again. */
void view_ticket_of(const struct view_links *links, utc_t now, const struct workspace_row *w,
                    const char *id, char ret_text[static ACCESS_SIZE]);
/*
 * An answer of view_launched or view_action_launched that was given before, with a link made now in
 * place of its own. 1: it has none, or its workspace has no way in any more.
 */
NODISCARD int view_link_anew(const struct view *v, const void *text, size_t len, struct buf *out);
/* "http://ws-….localhost:8080/?ws_access=…", a link that is good once and for ticket_ms. */
NODISCARD int view_access_url(const struct view *v, const struct workspace_row *w, struct buf *out);

NODISCARD int view_workspace(const struct view *v, const struct workspace_row *w, struct buf *out);
/* The answer to a launch; `waited_ms` since the request. */
NODISCARD int view_launched(const struct view *v, const struct workspace_row *w, int64_t waited_ms,
                            struct buf *out);
NODISCARD int view_workspaces(const struct view *v, const struct view_filter *f, struct buf *out);
/* `saves` newest first, as the storage has them. */
NODISCARD int view_saves(const struct view *v, const struct workspace_row *w,
                         const struct stored_save *saves, uint32_t n, struct buf *out);
/*
 * What questions to storage come to, for whoever asks (`result`: 0 or -errno): the row that it was
 * asked for, the save that is meant, and that it was not asked. NULL: *ret_error says why.
 */
const struct workspace_row *view_saves_row(const struct core *core, const char *id, int result,
                                           struct view_error *ret_error);
const struct stored_save *view_saves_pick(const struct workspace_row *w,
                                          const struct stored_save *saves, uint32_t n,
                                          const struct stored_at *at, struct view_error *ret_error);
void view_saves_not_asked(int result, struct view_error *ret_error);
/* What an export needs: the save with length and hash of its manifest, where to read objects. */
NODISCARD int view_export(const struct view *v, const struct workspace_row *w,
                          const struct stored_save *save, const char *grant, struct buf *out);
NODISCARD int view_tasks(const struct view *v, struct buf *out);
NODISCARD int view_pools(const struct view *v, struct buf *out);
/* {"modes":[{"mode","workspace_type","hard","why"}]}: those that are on. */
NODISCARD int view_modes(const struct view *v, struct buf *out);
NODISCARD int view_why(const struct view *v, const struct workspace_row *w, struct buf *out);
/*
 * The fleet at a glance: as view_status, and how many are idle or in trouble, the newest row of the
 * history and what `day` has counted (NULL: nothing).
 */
struct day;
NODISCARD int view_overview(const struct view *v, bool writable, const struct shell_lead *lead,
                            const struct day *day, uint64_t last_event, struct buf *out);
/* The last 24 hours, a row for each `step` minutes. */
NODISCARD int view_day(const struct view *v, const struct day *day, uint32_t step, struct buf *out);
/* {"name":"night","roles":["read","operate"]} */
NODISCARD int view_whoami(const char *name, const char *const *roles, uint32_t n, struct buf *out);
/* `a` may be NULL. */
NODISCARD int view_status(const struct view *v, const struct about *a, bool writable,
                          const struct shell_lead *lead, struct buf *out);
NODISCARD int view_error_json(const struct view_error *e, struct buf *out);
/*
 * The same as a problem document (RFC 9457): type, title, status, detail, instance, and of ours
 * `code`, `hint` and what the error has more; `error` repeats it as above.
 */
NODISCARD int view_problem_json(const struct view_error *e, int status, const char *instance,
                                struct buf *out);
/* {"status":"ready","url":…,"startup_time":0.3,"task_arn":…,"workspace":…} */
NODISCARD int view_action_launched(const struct view *v, const struct workspace_row *w,
                                   int64_t waited_ms, struct buf *out);
/* {"terminated":2,"active":17} */
NODISCARD int view_action_monitored(const struct view *v, uint64_t terminated, struct buf *out);
/* {"status":"terminated"} */
NODISCARD int view_action_status(const char *status, struct buf *out);
/* {"status":"error","error":"the message","code":…,"hint":…,"instance":…} */
NODISCARD int view_action_error(const struct view_error *e, const char *instance, struct buf *out);
/* What `wsctl nginx-config` needs. */
NODISCARD int view_gateway(const char *controller, const struct view_links *links,
                           const char *gateway_key, struct buf *out);
/* What a waiting page polls: another phase loads it again, the rest is shown in it. */
struct view_page_status {
        const char *phase, *state, *message, *detail;
        uint64_t generation;
        uint32_t place;     /* in the queue; 0: null */
        unsigned step;      /* of a start, from 1; 0: null */
        int permille;       /* of what is under way, as "progress" from 0 to 1; < 0: null */
        const char *ticket; /* in place of the one that the page has; "": null */
};

/* {"phase","state","message","detail","generation","place","step","progress","ticket"} */
NODISCARD int view_page_status(const struct view_page_status *v, struct buf *out);

/* One row of the history, as in that list. */
NODISCARD int view_event(const struct audit_row *row, struct buf *out);
/* A list of events is made row by row, because the rows live in the shell. */
struct view_events;
struct view_events *view_events_new(void);
struct view_events *view_events_free(struct view_events *e);
NODISCARD int view_events_add(struct view_events *e, const struct audit_row *row);
NODISCARD int view_events_end(struct view_events *e, uint64_t after, struct buf *out);
