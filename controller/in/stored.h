/*
 * What the storage has of a workspace, asked for by requests of the HTTP API and the ops socket.
 * The storage is handed in as functions (out/storage.h; the two layers do not see each other). Its
 * answers come from the loop and may come when whoever asked has gone: a question is embedded in
 * the request and must be cancelled before its memory goes. Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "core/types.h"

#define STORED_URL_SIZE 512

struct stored_save {
        struct save_ref save; /* data_length: what it brought. Listed: without length and hash */
        uint64_t entries;
        uint64_t bytes;                         /* of all content that a restore brings */
        uint64_t parent_generation, parent_seq; /* 0: builds upon none */
        bool pinned;
        bool old; /* of format 1: it is listed, and cannot be restored */
};

#define STORED_OLD_WORDS                                                                           \
        "the save %llu-%llu of %s is of format 1, made before manifests: it is not restored any "  \
        "more; by hand: zstd -dc data.tar.zst | tar x, in its folder"

/* `result`: 0 or -errno. `saves` newest first, gone after the call. */
typedef void (*stored_list_fn)(void *ctx, int result, const struct stored_save *saves, uint32_t n);

/* The storage. */
struct stored_edge {
        void *ctx;
        /* fn is called exactly once, from the loop, unless the storage ends before. 0, -errno. */
        int (*list)(void *ctx, const char *workspace, stored_list_fn fn, void *fn_ctx);
        /* As list, of one save, with length and hash of its manifest. -EBADMSG: it is not whole. */
        int (*inspect)(void *ctx, const char *workspace, uint64_t generation, uint64_t seq,
                       stored_list_fn fn, void *fn_ctx);
        /* As inspect, without length and hash: keep it whatever its age, or no longer. */
        int (*pin)(void *ctx, const char *workspace, uint64_t generation, uint64_t seq, bool pinned,
                   stored_list_fn fn, void *fn_ctx);
        /* Where objects up to this generation may be read from, for a day. 0, -errno. */
        int (*grant)(void *ctx, const char *workspace, uint64_t generation,
                     char ret_url[static STORED_URL_SIZE]);
};

struct stored_question {
        stored_list_fn fn;
        void *ctx;
        struct stored_slot *slot; /* its own */
};

struct stored;

/* `edge` is copied. 0 or -ENOMEM. */
NODISCARD int stored_new(const struct stored_edge *edge, struct stored **ret_stored);
/* After the storage has ended, or without any more turns of the loop. */
struct stored *stored_free(struct stored *s);

/* 0: q->fn is called once. -EAGAIN: too many ask already; -ENOMEM, -EINVAL. */
NODISCARD int stored_ask(struct stored *s, const char *workspace, struct stored_question *q);
/*
 * As stored_ask, of one save that was picked: `saves` has one, with length and hash of its
 * manifest. Every object that it needs is looked at. result -EBADMSG: it is not whole.
 */
NODISCARD int stored_ask_whole(struct stored *s, const char *workspace, uint64_t generation,
                               uint64_t seq, struct stored_question *q);
/* Keep this save whatever its age, or no longer. result -EBADMSG: there is no such save. */
NODISCARD int stored_pin(struct stored *s, const char *workspace, uint64_t generation, uint64_t seq,
                         bool pinned, struct stored_question *q);
/* One that was not asked, or was answered, is fine. */
void stored_cancel(struct stored_question *q);
NODISCARD int stored_grant(struct stored *s, const char *workspace, uint64_t generation,
                           char ret_url[static STORED_URL_SIZE]);

/* Which save is meant. */
struct stored_at {
        enum { STORED_AT_HEAD, STORED_AT_SAVE, STORED_AT_TIME } kind;
        uint64_t generation, seq; /* SAVE */
        utc_t time;               /* TIME: the newest at or before it */
};

/*
 * "" is the head; "3-7" a save; "2026-01-31", "2026-01-31 14:00", "2026-01-31T14:00:05Z" a time, in
 * UTC. False for anything else.
 */
bool stored_at_parse(const char *text, struct stored_at *ret_at);
/* NULL: there is none. */
const struct stored_save *stored_pick(const struct stored_save *saves, uint32_t n,
                                      const struct stored_at *at, const struct save_ref *head);
