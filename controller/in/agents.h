/*
 * The agents' edge: messages of shared/wire/PROTOCOL.md become events, effects become answers.
 *
 * It holds what is true of the conversation only (who is enrolled, which question waits, which
 * command is not taken on yet); every decision is the core's. After a restart it knows nothing, and
 * agents say hello again. Everything here runs in the loop's thread.
 *
 * An agent may have two questions parked here, an await and a saved; a hello waits for the core's
 * answer. Limits: AGENTS_SESSIONS_MAX tasks, AGENTS_HELLOS_MAX parked hellos.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "keys.h"
#include "shell.h"

#define AGENTS_SESSIONS_MAX 20000
#define AGENTS_HELLOS_MAX 1000
#define AGENTS_AWAIT_MS 25000  /* an await is answered `none` after this, or what it says */
#define AGENTS_SAVED_MS 60000  /* a saved is answered `pending` after this */
#define AGENTS_HELLO_MS 10000  /* a hello that the core did not answer is refused after this */
#define AGENTS_LISTEN_MS 10000 /* how long agents_new waits for a taken address */
#define AGENTS_BACK_MS 5 /* a follower has this for each of its agents before they ask again */

/* Strings are copied; keys, core and grants_ctx must outlive the edge. */
struct agents_config {
        const char *url;         /* tcp://127.0.0.1:7700 */
        const char *host_suffix; /* "localhost:8080": a workspace's public host is <id>.<suffix> */
        bool paths;              /* ... is the suffix itself: they differ by their paths */
        const struct keys *keys;
        const char *cookie;   /* further words of the gates' Set-Cookie: "; SameSite=Lax" */
        int64_t cookie_ms;    /* how long a cookie of a gate is good */
        const char *platform; /* where a student gets a new link, or "" */
        int64_t heartbeat_ms;
        void *grants_ctx;
        /* What the restore worker is given, appended as JSON text. 0 or -errno. */
        int (*restore_request)(void *ctx, const char *workspace, uint64_t generation,
                               const struct save_ref *head, const struct save_ref *previous,
                               struct buf *ret_json);
        /* What the save worker is given for one save; `parent` may be NULL. 0 or -errno. */
        int (*save_request)(void *ctx, const char *workspace, uint64_t generation, uint64_t seq,
                            const struct save_ref *parent, struct buf *ret_json);
        const struct core_config *core; /* for the idle limit of each type; NULL: not told */
};

/* Since the start, for `wsctl` and for tests. */
struct agents_counters {
        uint64_t messages;     /* read, of any kind */
        uint64_t bad_messages; /* refused as bad-message */
        uint64_t bad_secrets;
        uint64_t not_enrolled; /* reports, awaits and saveds of nobody */
        uint64_t stale;        /* reports that were older than one already taken */
        uint64_t refused;      /* by the core */
        uint64_t not_leader;   /* messages to a follower */
        uint64_t sessions;     /* now */
        uint64_t parked;       /* questions waiting now */
};

struct agents;

/*
 * Listen and begin. Call before the loop runs: while the address is taken (a predecessor that is
 * still going down) it tries again every 200 ms, for AGENTS_LISTEN_MS, and blocks meanwhile.
 * 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EINVAL (no such URL), -ENOMEM; logged with the address.
 */
NODISCARD int agents_new(struct loop *l, struct shell *s, const struct agents_config *config,
                         struct agents **ret_agents);
/*
 * The keys have changed (they are kept by pointer): each agent is told at its next report, which is
 * answered `not-enrolled`, so that it says hello and gets them with the welcome.
 */
void agents_rekey(struct agents *a);
/*
 * Whether this controller leads; it does after agents_new, with epoch 0 ("not told"). A follower
 * answers everything with not-leader and names `leader`, an address of the agents' list or ""; so
 * does one whose lease has run out, until it is renewed.
 */
void agents_lead(struct agents *a, uint64_t epoch);
void agents_follow(struct agents *a, const char *leader);

/* Closes all connections; parked questions go unanswered. The shell must not give effects after. */
struct agents *agents_free(struct agents *a);

void agents_counters(const struct agents *a, struct agents_counters *ret_counters);
