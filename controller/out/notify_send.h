/*
 * Sends requests from a thread of its own (libcurl's multi interface), so that neither a slow
 * receiver nor a name server nor a TLS handshake ever holds the loop. The thread touches nothing
 * but the requests it was given; answers come back in the loop's thread.
 *
 * At most NOTIFY_SEND_MAX at a time, each bounded by its timeout. No redirects; of an answer only
 * the status is looked at.
 */
#pragma once

#include "base/buf.h"
#include "base/macro.h"
#include "loop/loop.h"

#define NOTIFY_SEND_MAX 8
#define NOTIFY_ERROR_SIZE 256

struct notify_request {
        /* of the caller; text is owned by the request */
        void *ctx;
        char *url; /* http://, https://: POST of `body`; smtp://, smtps://: a mail */
        char *headers[6];
        char *from, *rcpt; /* of a mail; rcpt: with commas between them */
        char *user, *password;
        const char *ca_file; /* PEM, in place of the machine's certificates; NULL or "": those */
        struct buf body;
        int64_t timeout_ms;
        /* In the sending thread, before the request goes: 0, or < 0 with `error` filled in. Or NULL
         */
        int (*prepare)(void *ctx, struct notify_request *q);
        void *prepare_ctx;
        /* the outcome */
        bool ok;
        bool permanent; /* trying again is of no use: the receiver refuses it */
        char error[NOTIFY_ERROR_SIZE];
        /* private */
        void *easy_, *list_;
        size_t sent_;
        struct notify_request *next_;
};

struct notify_send;
/* In the loop's thread; the request is the callee's again. */
typedef void (*notify_sent_fn)(void *ctx, struct notify_request *q);

NODISCARD int notify_send_new(struct loop *l, notify_sent_fn done, void *ctx,
                              struct notify_send **ret_send);
/* Ends what is under way without telling. Does not wait for a receiver. */
struct notify_send *notify_send_free(struct notify_send *s);
/* Takes the request. Not more than NOTIFY_SEND_MAX may be under way. */
void notify_send_start(struct notify_send *s, struct notify_request *q);
size_t notify_send_active(const struct notify_send *s);

struct notify_request *notify_request_new(void);
struct notify_request *notify_request_free(struct notify_request *q);
