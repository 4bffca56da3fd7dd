/*
 * One HTTP request by libcurl, which appears in s3_http.c only. Blocking, 30 s without a byte end
 * it; each thread may call; connections are kept and shared.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"
#include "crypto/digest.h"

#define S3_HTTP_HEADERS_MAX 12

struct s3_http_request {
        const char *method; /* GET, HEAD, PUT, POST, DELETE */
        const char *url;
        uint32_t n_headers;
        const char *headers[S3_HTTP_HEADERS_MAX]; /* "Name: value" */
        const void *body;                         /* PUT, POST */
        size_t body_len;
        /* Where the body of a good answer goes: the first that is there; errors go to `text`. */
        struct sha256 *hash;
        int fd;        /* -1: none */
        uint64_t most; /* bytes to `fd`; more are dropped */
        struct buf *text;
};

struct s3_http_answer {
        long status; /* 0: none came, error says why */
        uint64_t length;
        char checksum[64]; /* x-amz-checksum-sha256, or "" */
        uint64_t received; /* bytes of the body that were taken */
        const char *error; /* a constant text when status is 0 or the body broke off */
        int fault;         /* -errno of the descriptor */
};

struct s3_http;

/* 0, -ENOMEM. */
NODISCARD int s3_http_new(struct s3_http **ret);
struct s3_http *s3_http_free(struct s3_http *h);
/* Requests end, without an answer. Any thread. */
void s3_http_stop(struct s3_http *h);
bool s3_http_stopped(struct s3_http *h);
/* 0: an answer came or not, see there; -ENOMEM. */
NODISCARD int s3_http_call(struct s3_http *h, const struct s3_http_request *q,
                           struct s3_http_answer *ret);
