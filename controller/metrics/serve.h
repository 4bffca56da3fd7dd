/*
 * The listener of /metrics, for Prometheus: an HTTP/1.1 server of one page on an own port, so that
 * monitoring needs no token of the API and works on a follower too. Answers carry counts and the
 * names of workspace types, nothing about a person.
 *
 * Who may ask: with a token file, whoever sends its token as `Authorization: Bearer` (the file is
 * read for each request, so that it may be changed); without one, clients on this machine alone,
 * and those only with a numeric Host or `localhost`, because a page in a browser here may have a
 * name that leads here. Never blocks; SERVE_CONNECTIONS_MAX at a time. Loop thread only.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "loop/loop.h"
#include "metrics/watch.h"

#define SERVE_CONNECTIONS_MAX 16
#define SERVE_TIMEOUT_MS 10000

struct metrics_serve_config {
        const char *address; /* "127.0.0.1" */
        uint16_t port;
        const char *token_file; /* "": none. Kept by pointer */
};

struct metrics_serve;

/* 0; -EADDRINUSE and the like, -EINVAL (no numeric address), logged. */
NODISCARD int metrics_serve_new(struct loop *l, struct metrics_watch *w,
                                const struct metrics_serve_config *config,
                                struct metrics_serve **ret_serve);
struct metrics_serve *metrics_serve_free(struct metrics_serve *s);
/* Where it listens, for port 0. */
uint16_t metrics_serve_port(const struct metrics_serve *s);
