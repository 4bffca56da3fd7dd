/*
 * Shared by the files of the agents' edge: agents.c (dispatch, reports, commands, saves) and
 * agents_enrol.c (hello, and what a claim gives to an agent).
 */
#pragma once

#include "in/agents.h"
#include "in/agents_session.h"
#include "in/agents_socket.h"
#include "wire/wire.h"

#define AGENTS_RETRY_SOON_MS 1000  /* in a refusal: we cannot now */
#define AGENTS_RETRY_LATE_MS 30000 /* in a refusal: it will not help to ask again */

struct agents {
        struct loop *loop;
        struct shell *shell;
        struct agents_config config;
        char *host_suffix;
        uint64_t keys_round; /* grows when the keys change */
        char cookie[WIRE_COOKIE_SIZE], platform[WIRE_PLATFORM_SIZE];
        struct agents_socket *socket;
        struct agents_tables *tables;
        struct loop_timer tick;
        struct agents_counters counters;
        mono_t log_since;
        unsigned log_lines;
        struct buf bytes;
        struct wire_msg in, out;
        bool follows;
        uint64_t epoch;       /* of this controller's lead; 0 not told */
        int64_t reconnect_ms; /* that agents are told: as the core said last */
        char leader[WIRE_URL_SIZE];
};

/* May another line about what strangers send be written? The counters tell the rest. */
bool agents_may_log(struct agents *a);

/* Answer with a->out, and give up the request. */
void agents_answer(struct agents *a, struct agents_request *rq);
void agents_refuse(struct agents *a, struct agents_request *rq, uint64_t re, const char *code,
                   const char *reason, int64_t retry_ms);
/* All questions of a session are answered with no. */
void agents_refuse_parked(struct agents *a, struct agents_session *s, const char *code,
                          const char *reason);
/* As parked_new, due in `wait_ms`. */
struct parked *agents_park(struct agents *a, enum parked_kind kind, struct agents_session *s,
                           struct agents_request *rq, uint64_t re, int64_t wait_ms);

/* The type of a task; NULL when it is not known. */
const struct core_type *agents_type_of(struct agents *a, const char *task);
/* The session is for this workspace and generation from now on. */
void agents_set_claim(struct agents_session *s, const char *workspace, uint64_t generation);
/* What makes the session's task its workspace, with the first save requests. 0 or -errno. */
NODISCARD int agents_fill_claim(struct agents *a, struct agents_session *s,
                                const struct save_ref *head, const struct save_ref *previous,
                                struct wire_claim *c);
/* Further save requests, when the agent runs low. Returns how many. */
uint32_t agents_top_up(struct agents *a, struct agents_session *s, uint64_t generation,
                       uint64_t grant_seq, uint32_t grants_left,
                       struct wire_save saves[static WIRE_SAVES_MAX]);

void agents_on_hello(struct agents *a, struct agents_request *rq, const struct wire_hello *m);
/* Effects; ctx is the edge. */
void agents_on_welcome(void *ctx, const struct core_effect *fx);
void agents_on_refuse(void *ctx, const struct core_effect *fx);
