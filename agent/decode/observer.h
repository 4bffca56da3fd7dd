/*
 * What the gate makes of the bytes it relays: evidence. An observer only: it is handed copies of
 * pointers, never changes a byte, never refuses one, and a stream that it does not understand is
 * counted as undecoded and left alone.
 *
 * Pure but for memory: no sockets, no clock, no log. One thread. One observer for a workspace, one
 * watch for each client connection's current request. Memory for a watch is bounded:
 * WATCH_MEMORY_MAX for an editor's WebSocket (zlib's window and state, and RULES_ARGS_MAX while a
 * message that a rule wants to see into is under way), next to nothing for a request.
 *
 * Messages that are sent again after a reconnect (same reconnection token and kind, same id) do not
 * count twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"
#include "http/head.h"
#include "presence/presence.h"
#include "presence/rules.h"

#define WATCH_MEMORY_MAX (60 * 1024)
/* No byte from a page for so long: it is frozen, asleep or gone, whatever it said last. */
#define OBSERVER_DEAD_MS 20000
/* An editor that has said nothing of its activity for so long has no tracker that we know. */
#define OBSERVER_TRACKER_MS (5 * 60 * 1000)
#define OBSERVER_UNKNOWN_MAX 32 /* names kept for show; further ones are only counted */

struct observer;
struct watch;

/*
 * For tests, recordings and `--trace`: each decoded message as it is judged. `name` is not
 * terminated. `known` is false for a name that no rule has.
 */
struct observer_sighting {
        mono_t at;
        uint32_t connection; /* number of the watch, from 1 */
        const char *from;    /* "method", "command", "request", "event", "upgrade" */
        const char *name;
        size_t name_len;
        bool known;
        enum rule_verdict verdict;
        enum presence_source source; /* what it was noted as */
        enum presence_kind kind;
};
typedef void (*observer_trace_fn)(void *ctx, const struct observer_sighting *s);

/* What is known in sum; everything counts from the observer's beginning. */
struct observer_tally {
        struct {
                uint64_t events;
                mono_t at; /* of the last; valid when events > 0 */
        } note[PRESENCE_SOURCE_MAX][PRESENCE_KIND_MAX];
        uint32_t websockets; /* open now, of any kind */
        uint32_t undecoded;  /* of them not decoded: unknown protocol, broken, too new */
        uint32_t active;     /* pages fed within OBSERVER_DEAD_MS whose tracker says active */
        bool tracked;        /* every live page has said something of its activity, or is young */
        uint32_t jobs;       /* cells running, on live pages */
        uint64_t bytes, bytes_undecoded; /* of client WebSocket streams */
        uint64_t broken; /* streams of the editor's that could not be read, or no further */
        const char *broken_reason; /* of the last, a constant; NULL none */
        uint64_t unknown;          /* names that no rule has, messages counted */
};

/* The rules are kept by pointer and outlive the observer. 0 or -ENOMEM. */
NODISCARD int observer_new(const struct rules *rules, struct observer **ret_observer);
/* All watches must have ended. */
struct observer *observer_free(struct observer *o);
void observer_set_trace(struct observer *o, observer_trace_fn fn, void *ctx);

/*
 * A request's head passed the door. NULL when nothing more of this request is of interest (its head
 * is judged already); else give its body, or the 101 and then the stream, and end it.
 */
struct watch *observer_request(struct observer *o, const struct http_head *request, mono_t now);
/* Bytes of the request's body as they are relayed (chunked coding included, if `chunked`). */
void watch_body(struct watch *w, const void *data, size_t len, mono_t now);
/* The app answered 101: what follows from the client is the stream. */
void watch_upgraded(struct watch *w, const struct http_head *response, mono_t now);
void watch_stream(struct watch *w, const void *data, size_t len, mono_t now);
/* The client has closed its side, or the exchange is over. Frees. NULL is fine. */
struct watch *watch_end(struct watch *w, mono_t now);

/* "Keep working" was pressed. */
void observer_keep(struct observer *o, mono_t now);

void observer_tally(struct observer *o, mono_t now, struct observer_tally *ret_tally);
/* The i-th unknown name with its count, or NULL. */
const char *observer_unknown(const struct observer *o, size_t i, uint64_t *ret_count);
