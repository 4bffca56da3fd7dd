/*
 * AWS Signature Version 4 (docs.aws.amazon.com, "AWS Signature Version 4 for API requests"), as S3
 * wants it: paths are encoded once and never normalised. For headers and for presigned addresses.
 * Pure; everything is given raw and encoded here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/mono.h"

#define SIGV4_PAIRS_MAX 24
#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
#define SIGV4_TIME_SIZE 20 /* "20150830T123600Z" */
#define SIGV4_TEXT_MAX 16384

struct sigv4_pair {
        const char *name, *value;
};

struct sigv4_request {
        const char *method;
        const char *path; /* "/bucket/key", raw */
        uint32_t n_query, n_headers;
        struct sigv4_pair query[SIGV4_PAIRS_MAX];
        struct sigv4_pair headers[SIGV4_PAIRS_MAX]; /* all of these are signed; host among them */
        const char *payload;                        /* hex of the body's SHA-256, or UNSIGNED */
};

struct sigv4_scope {
        const char *access_key, *secret_key;
        const char *token; /* "" when there is none; only sigv4_presign uses it */
        const char *region, *service;
        utc_t now;
};

/* "20150830T123600Z", the value of x-amz-date. */
void sigv4_time(utc_t now, char dst[static SIGV4_TIME_SIZE]);
/* Append the canonical request. 0, -E2BIG (too many pairs), -ENOBUFS, -ENOMEM. */
NODISCARD int sigv4_canonical(const struct sigv4_request *q, struct buf *b);
/*
 * Append the value of the Authorization header. The caller has put x-amz-date, and for S3
 * x-amz-content-sha256 and x-amz-security-token, among the headers. Errors as above.
 */
NODISCARD int sigv4_sign(const struct sigv4_request *q, const struct sigv4_scope *s, struct buf *b);
/*
 * Append "/path?query" with the signature in it, good for `expires_s` seconds. The query gets
 * X-Amz-* by itself. Errors as above.
 */
NODISCARD int sigv4_presign(const struct sigv4_request *q, const struct sigv4_scope *s,
                            uint32_t expires_s, struct buf *b);
/* Append `text` as RFC 3986 has it; slashes stay when `path`. 0, -ENOBUFS, -ENOMEM. */
NODISCARD int sigv4_encode(const char *text, bool path, struct buf *b);
