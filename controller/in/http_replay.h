/*
 * Answers that were given, by Idempotency-Key: the same token, key and request gets the same answer
 * again for 24 hours, also when the first one was lost on the way. A bounded table in memory: the
 * oldest answers go first when it is full, and another controller (after a fail-over or a restart)
 * knows none of them. Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"
#include "core/types.h"

#define HTTP_REPLAY_KEY_SIZE 129
#define HTTP_REPLAY_MAX 4096                /* answers */
#define HTTP_REPLAY_ANSWER_MAX (16u * 1024) /* bytes of one; a larger one is not kept */
#define HTTP_REPLAY_BYTES_MAX (16u * 1024 * 1024)
#define HTTP_REPLAY_KEEP_MS INT64_C(86400000)

struct http_replay;

/* An answer as it was sent. */
struct http_replay_answer {
        int status;
        const char *content_type; /* a constant */
        char location[64];
        uint32_t retry_after_s;
        const void *body;
        size_t body_len;
};

enum http_replay_result {
        HTTP_REPLAY_NEW,       /* do it; then _put or _drop with the ticket */
        HTTP_REPLAY_KNOWN,     /* *ret_answer, valid until the next call */
        HTTP_REPLAY_RUNNING,   /* the first is not answered yet */
        HTTP_REPLAY_DIFFERENT, /* another request with this key */
        HTTP_REPLAY_FULL,      /* no memory, or all are running: cannot promise anything */
};

/* "8e03978e" or, as a structured field, "\"8e03978e\"": 1 to 128 of A-Z a-z 0-9 . _ : - into `dst`.
 */
NODISCARD bool http_replay_key(const char *header, char dst[static HTTP_REPLAY_KEY_SIZE]);

NODISCARD int http_replay_new(struct http_replay **ret_replay);
struct http_replay *http_replay_free(struct http_replay *r);

/* `request` is all that must be the same: method, path, body. */
enum http_replay_result http_replay_begin(struct http_replay *r, mono_t now, const char *actor,
                                          const char *key, const uint8_t request[static 32],
                                          uint64_t *ret_ticket,
                                          struct http_replay_answer *ret_answer);
/* The answer to what was begun. An unknown ticket is fine. */
void http_replay_put(struct http_replay *r, uint64_t ticket,
                     const struct http_replay_answer *answer);
/* It is not kept: the next with this key is done anew. */
void http_replay_drop(struct http_replay *r, uint64_t ticket);
