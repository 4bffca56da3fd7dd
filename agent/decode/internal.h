/*
 * Inside of the observer: what a watch is, and judging. For observer.c and judge.c only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decode/beacon.h"
#include "decode/observer.h"
#include "decode/page.h"
#include "decode/stream.h"

enum watch_state {
        WATCH_BODY,    /* of a request to the page's event log */
        WATCH_UPGRADE, /* the app has not answered yet */
        WATCH_STREAM,  /* it has: a WebSocket */
};

struct watch {
        struct observer *observer;
        struct watch *prev, *next;
        uint32_t number;
        enum watch_state state;
        mono_t now;     /* of the bytes that are being looked at */
        bool editor;    /* the editor's protocol is to be expected */
        bool raw;       /* without WebSocket frames */
        bool undecoded; /* not read, or not any more */
        char token[PAGE_TOKEN_MAX];
        struct stream stream; /* while editor and not undecoded */
        struct page *page;    /* once the handshake has said what it is for */
        struct page spare;
        struct beacon *beacon;
};

struct observer {
        const struct rules *rules;
        observer_trace_fn trace;
        void *trace_ctx;
        struct watch *watches;
        uint32_t numbers;
        struct observer_tally tally; /* what accumulates; the rest is filled in when asked */
        struct pages pages;
        /* Weak requests that an automatic refresh may explain, whose log entry comes behind them.
         */
        struct {
                uint32_t events;
                mono_t first, last; /* valid when events > 0 */
        } weak;
        mono_t refreshed; /* the last automatic refresh; MONO_NEVER */
        size_t n_unknown;
        struct {
                char name[RULES_NAME_MAX + 1];
                uint64_t count;
        } unknown[OBSERVER_UNKNOWN_MAX];
};

/* A request that is no upgrade. */
void judge_request(struct observer *o, uint32_t number, const struct http_head *request,
                   mono_t now);
/* An upgrade that is not the editor's. False: it is not to be read. */
bool judge_upgrade(struct observer *o, uint32_t number, const struct http_head *request,
                   mono_t now);
/* Known from the head alone, without a rule: the editor's upgrade, the event log's request. */
void judge_machine(struct observer *o, uint32_t number, const char *from,
                   const struct http_head *request, mono_t now);
void judge_call(struct watch *w, const struct stream_call *call);
void judge_event(struct watch *w, const char *name, size_t len);
/* The page says that it is being closed: someone did that. A crash or a cut says nothing. */
void judge_left(struct watch *w);
/* The stream can not be read any more. */
void judge_broken(struct watch *w, const char *reason);
void judge_keep(struct observer *o, mono_t now);
/* Weak requests that no refresh has explained by now are evidence. */
void judge_settle(struct observer *o, mono_t now);
