/*
 * The controller's HTTP side: the API of API.md, the dashboard at /, and what the gateway asks
 * (/internal/). libwebsockets parses and hosts the loop (http_lws.c); everything else is plain
 * requests and answers (http_exchange.h). Runs in the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "keys.h"
#include "loop/loop.h"
#include "shell.h"
#include "store/store.h"

struct day;
struct about;
struct stored;
struct timetables;

struct http_config {
        const char *address;    /* "127.0.0.1"; "0.0.0.0" or "" for every address */
        uint16_t port;          /* 0: the kernel chooses, see http_port */
        const char *api_token;  /* of the token made at the first start: every role */
        const char *token_file; /* further tokens (http_tokens.h), or NULL */
        double rate, burst;     /* requests of /v1/ that a token may make a second, and at once */
        const char *public_scheme; /* "http" or "https": how browsers reach the gateway */
        const char *host_suffix;   /* "localhost:8080": what follows "<workspace>." in a browser */
        bool paths;                /* workspaces are at host_suffix/w/<workspace>/ instead */
        const struct keys *keys;
        int64_t ticket_ms;             /* how long a link to a workspace is good */
        struct timetables *timetables; /* NULL: it has none */
        /* Told of each answer: for metrics. `waited`: for a workspace or the core's reply. Or NULL
         */
        void (*observed)(void *ctx, const char *path, int status, bool waited, int64_t us);
        void *observed_ctx;
        /* The history of a workspace, as store_audit_newest, of `store`; NULL: what is in memory */
        int (*history)(struct store *store, const char *workspace, uint32_t limit,
                       store_audit_fn fn, store_done_fn done, void *ctx);
        struct store *store;
        const struct day *day;     /* the last 24 hours; NULL: not told of */
        const struct about *about; /* of the program; kept by pointer. NULL: nothing */
        struct stored *stored;     /* the saves; NULL: not told of */
        const char *web_dir; /* the page's files from here instead of the built-in ones, or NULL */
};

struct http;

/*
 * Listen. Strings of `config` are kept by pointer. 0, -EADDRINUSE and the like (logged), -EINVAL
 * (a field that can not be), -ENOMEM.
 */
NODISCARD int http_new(struct loop *l, struct shell *sh, const struct http_config *config,
                       struct http **ret_http);
/* Host the loop until loop_exit: returns the code given there, or -errno. */
int http_run(struct http *h);
struct http *http_free(struct http *h);
/* The keys have changed (they are kept by pointer). */
void http_rekey(struct http *h);
/* The port that is listened on. */
uint16_t http_port(const struct http *h);
/* The configuration it was made with. */
const struct http_config *http_config_of(const struct http *h);
