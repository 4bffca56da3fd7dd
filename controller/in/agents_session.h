/*
 * The tables of the agents' edge: who is enrolled, and which questions wait for an answer. Fixed
 * capacity, no policy; memory is touched only as far as it was ever used.
 *
 * Both kinds of entry have a handle of 64 bits that is never given twice, so that an effect for an
 * entry that has gone finds nothing. A handle is never 0.
 */
#pragma once

#include "core/core.h"
#include "in/agents_socket.h"
#include "wire/wire.h"

enum parked_kind {
        PARKED_FREE,
        PARKED_HELLO, /* for the core's WELCOME or REFUSE */
        PARKED_AWAIT, /* for a command */
        PARKED_SAVED, /* for the core's SAVE_ACK */
};

struct parked {
        enum parked_kind kind;
        uint32_t life_, next_free_;
        struct agents_request *rq;
        uint64_t re;                    /* seq of the question */
        mono_t due;                     /* answered without the core then */
        struct agents_session *session; /* NULL for a hello */
        union {
                struct {
                        char task[WIRE_ID_SIZE];
                        char nonce[WIRE_NONCE_SIZE];
                        char peer[AGENTS_PEER_SIZE];
                        char agent[WIRE_AGENT_SIZE];
                        uint32_t v;
                        uint64_t grant_seq;
                } hello;
                struct {
                        uint64_t generation, save_seq, grant_seq;
                        uint32_t grants_left;
                } saved;
                struct {
                        uint64_t acted_id;
                } await;
        };
};

struct agents_command {
        uint64_t id; /* 0: none */
        uint64_t generation;
        enum command_verb verb;
        bool recheck;
        int64_t recheck_ms; /* as in the core's command; 0: the type's idle limit */
        struct save_ref head, previous;
        char reason[CORE_REASON_SIZE];
        uint64_t sent; /* how often */
        mono_t sent_at;
};

struct agents_session {
        bool used_, enrolled;
        uint64_t keys_round;   /* which of our keys its agent has been told: agents->keys_round */
        uint32_t life_, next_; /* in its bucket, or in the free list; index + 1 */
        char task[CORE_ID_SIZE];
        char nonce[CORE_NONCE_SIZE];
        uint32_t v;                   /* version agreed */
        uint64_t last_seq;            /* of the newest report taken */
        uint64_t acted_id;            /* highest command known to be taken on */
        char workspace[CORE_ID_SIZE]; /* "" while not claimed */
        uint64_t generation;
        uint64_t granted_seq;          /* highest save request ever given in the generation */
        struct agents_command command; /* not taken on yet */
        struct parked *await, *saved;
};

struct agents_tables;

NODISCARD int agents_tables_new(uint32_t sessions_max, uint32_t hellos_max,
                                struct agents_tables **ret_tables);
/* Drops what is parked, unanswered. */
struct agents_tables *agents_tables_free(struct agents_tables *t);

/* NULL when there is none. */
struct agents_session *session_find(struct agents_tables *t, const char *task);
struct agents_session *session_by_handle(struct agents_tables *t, uint64_t handle);
/* Find or make; NULL when full. A new one is not enrolled. */
struct agents_session *session_get(struct agents_tables *t, const char *task);
/* Nothing of it may be parked any more. */
void session_drop(struct agents_tables *t, struct agents_session *s);
uint64_t session_handle(const struct agents_tables *t, const struct agents_session *s);
uint32_t session_count(const struct agents_tables *t);

/*
 * Park a question. A session's await and saved have one place each: the caller empties it first.
 * NULL when as many hellos wait as may; the rest always has room.
 */
struct parked *parked_new(struct agents_tables *t, enum parked_kind kind,
                          struct agents_session *session, struct agents_request *rq, uint64_t re,
                          mono_t due);
/* Take the request out; the entry is free, its content may be read until the next parked_new. */
struct agents_request *parked_take(struct agents_tables *t, struct parked *p);
uint64_t parked_handle(const struct agents_tables *t, const struct parked *p);
/* NULL when it has gone or is of another kind. */
struct parked *parked_find(struct agents_tables *t, uint64_t handle, enum parked_kind kind);
/* All that wait, in no order: start with *pos = 0. The one returned may be taken meanwhile. */
struct parked *parked_next(struct agents_tables *t, uint32_t *pos);
uint32_t parked_count(const struct agents_tables *t);
