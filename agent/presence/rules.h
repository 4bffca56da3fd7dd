/*
 * The presence rules of an image, compiled: which name means what. Pure data and lookups; the JSON
 * beside the profile is read by profile/rules_parse.c, which owns the memory.
 *
 * A list of name rules is sorted by name; rules of one name keep the order in which they were
 * written, and the first that fits wins. A rule with `has` fits when that text occurs in the
 * arguments (their first RULES_ARGS_MAX bytes).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULES_NAME_MAX 128  /* bytes of a name */
#define RULES_ARGS_MAX 4096 /* bytes of arguments that are looked into */
#define RULES_LIST_MAX 1024 /* rules in one list */
#define RULES_KEY_MAX 64    /* bytes that tell one job from another */

enum rule_verdict {
#define RULE_VERDICT(id, word, doc) RULE_##id,
#include "presence/verdict.def"
#undef RULE_VERDICT
        RULE_VERDICT_MAX
};

struct rule_name {
        const char *name; /* "$acceptModelChanged", "remoteterminal.$input", "spa_navigation" */
        const char *has;  /* "" fits always */
        enum rule_verdict verdict;
};

struct rule_names {
        const struct rule_name *items;
        size_t n;
};

/* What the browser says of a request. */
enum rule_fetch {
        RULE_FETCH_OTHER,      /* the page asked for it, or the browser by itself */
        RULE_FETCH_NAVIGATION, /* "Sec-Fetch-Mode: navigate" and "Sec-Fetch-User: ?1" */
        RULE_FETCH_PLAIN,      /* no Sec-Fetch-* header at all: an old browser, or a program */
};

/* A request, or an upgrade. All parts that are given must fit; the first rule that fits wins. */
struct rule_request {
        const char *method;  /* "GET"; "" any */
        const char *path;    /* without the query; '*' is any text, also with '/'; "" any */
        const char *query;   /* text that must occur in the query; "" any */
        const char *without; /* text that must not occur in the query; "" none */
        bool navigation;     /* only RULE_FETCH_NAVIGATION */
        bool plain;          /* only RULE_FETCH_PLAIN */
        enum rule_verdict verdict;
};

struct rule_requests {
        const struct rule_request *items;
        size_t n;
};

struct rule_words {
        const char *const *items;
        size_t n;
};

struct rules {
        /* The editor's protocol on upgrades whose query has this parameter; "" there is none. */
        const char *editor_query;
        struct rule_names methods; /* extension host: method names */
        /*
         * One job may be told of several times: the arguments of a JOB and a JOB_END have a member
         * of this name whose text tells which job it is. "" they have none and are counted.
         */
        const char *job_key;
        struct rule_names commands;    /* management: "channel.command" */
        struct rule_requests upgrades; /* other WebSockets; none fits: UNDECODED */
        struct rule_requests requests; /* none fits: counted as unknown, MACHINE */
        /* The page's own event log: POST to this path ("" none), a form field or JSON list. */
        const char *log_path;
        const char *log_field; /* of the form, "events" */
        const char *log_key;   /* of each entry, "event_name" */
        struct rule_names log_events;
        /*
         * A log event of verdict MACHINE named here (an automatic refresh) makes weak requests a
         * machine's for so long after it. "" none.
         */
        const char *log_refresh;
        int64_t log_refresh_ms;
        /* sense: a session whose leader's parent has one of these in its command line is the app's.
         */
        struct rule_words app_terminals;
        /* sense: commands (their base name) that are never a job, although they may use CPU. */
        struct rule_words job_ignore;
        /* sense: outside terminals, a process is a job only if its command line has one of these.
         */
        struct rule_words job_kernels;
};

const char *rules_verdict_word(enum rule_verdict v);
bool rules_verdict_parse(const char *word, size_t len, enum rule_verdict *ret_verdict);

/*
 * Whether any rule has this name, whatever its `has`; with args the first that fits. False: the
 * name is unknown (ret untouched). A known name none of whose rules fits is RULE_MACHINE.
 */
bool rules_find(const struct rule_names *l, const char *name, size_t name_len, const char *args,
                size_t args_len, enum rule_verdict *ret_verdict);
/* Whether the arguments are needed to judge this name. */
bool rules_want_args(const struct rule_names *l, const char *name, size_t name_len);
/* Which job, by job_key: bytes of the text at *ret_key; 0 (ret untouched) when they do not say. */
size_t rules_job_key(const struct rules *r, const char *args, size_t args_len,
                     const char **ret_key);
bool rules_find_request(const struct rule_requests *l, const char *method, size_t method_len,
                        const char *target, size_t target_len, enum rule_fetch fetch,
                        enum rule_verdict *ret_verdict);
/* Whether `a`, standing before `b`, leaves it nothing: every request that fits b fits a. */
bool rules_request_covers(const struct rule_request *a, const struct rule_request *b);
