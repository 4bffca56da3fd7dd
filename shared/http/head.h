/*
 * HTTP/1.x request and response heads: a strict, bounded, one-pass parser. Bytes in, a struct of
 * offsets out; no sockets, no allocation, no log.
 *
 * The caller collects bytes in one place and gives all of them so far at each call; what was
 * looked at is not looked at again. The verdict depends on the bytes alone, never on how they were
 * split. Nothing is repaired: what two readers could understand differently is refused, because
 * the difference is what request smuggling lives from (RFC 9112, 11.2). Refused are, among others:
 * bare LF or CR, NUL and other control bytes, folded lines, a space before the colon, Host missing
 * or twice, Content-Length twice or beside Transfer-Encoding, transfer codings other than one
 * "chunked", a tab around a framing value, targets that do not start with '/', bytes outside
 * visible ASCII in a target, empty lines before the request line, lower-case methods, CONNECT,
 * an Upgrade with a body, versions other than 1.0 and 1.1.
 *
 * Spans point into the caller's bytes and live as long as those stay where they are; after moving
 * them, call http_head_parse or http_head_rebase again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define HTTP_HEAD_MAX 16384  /* bytes of a head, with the empty line behind it */
#define HTTP_HEADERS_MAX 100 /* header lines */
#define HTTP_LENGTH_MAX (INT64_MAX)

enum http_kind {
        HTTP_REQUEST,
        HTTP_RESPONSE,
};

/* How far the message behind a head reaches. */
enum http_body {
        HTTP_BODY_NONE,
        HTTP_BODY_LENGTH,  /* content_length bytes, at least one */
        HTTP_BODY_CHUNKED, /* see chunk.h */
        HTTP_BODY_CLOSE,   /* responses only: until the connection is closed */
        HTTP_BODY_TUNNEL,  /* responses only: 101; both directions are opaque from here on */
};

/* What http_head_parse returns beside 0 (complete). */
#define HTTP_MORE 1    /* the head is not complete yet */
#define HTTP_REFUSED 2 /* refuse_status and refuse_reason say why */

struct http_span {
        const char *at;
        size_t len;
};

struct http_field {
        uint16_t name_at, name_len;   /* offsets from the first byte of the head */
        uint16_t value_at, value_len; /* without the white space around it */
};

struct http_head {
        enum http_kind kind;
        const char *base; /* where the bytes were at the last call */
        size_t length;    /* bytes of the complete head; the body starts here */

        struct http_span method, target; /* request; method is upper case, target starts with '/' */
        uint16_t status;                 /* response: 100..599 */
        struct http_span reason;         /* response; may be empty */
        uint8_t minor;                   /* the version: HTTP/1.minor, 0 or 1 */

        uint16_t n_fields;
        struct http_field fields[HTTP_HEADERS_MAX];
        struct http_span host;   /* request: exactly one, never empty */
        bool has_content_length; /* a Content-Length was there, perhaps 0 */
        uint64_t content_length; /* 0 when there was none */
        bool chunked;            /* Transfer-Encoding: chunked */
        bool keep_alive;         /* by version and Connection */
        bool upgrade;            /* "Connection: upgrade" and one Upgrade header, HTTP/1.1 */
        bool expect_continue;    /* "Expect: 100-continue" */
        enum http_body body;     /* request: NONE, LENGTH or CHUNKED.
                                    response: as for a GET; see http_response_body */

        uint16_t refuse_status;    /* 400, 431, 501 or 505; for a response always 502 */
        const char *refuse_reason; /* a constant sentence for people */

        /* private: offsets, so that spans can be made again when the bytes have moved */
        uint16_t at_, line_;
        uint16_t method_len_, target_at_, target_len_, reason_at_, reason_len_;
        uint8_t host_, seen_;
        bool done_;
};

void http_head_init(struct http_head *h, enum http_kind kind);

/*
 * Give all bytes collected so far, from the first byte of the head on; bytes behind the head may
 * be among them. 0, HTTP_MORE or HTTP_REFUSED; after 0 and HTTP_REFUSED a new call changes nothing
 * but the base.
 */
NODISCARD int http_head_parse(struct http_head *h, const void *data, size_t len);

/* The bytes of a complete head are now at `data`. */
void http_head_rebase(struct http_head *h, const void *data);

/* The first header of this name (letter case does not matter). False when there is none. */
bool http_head_find(const struct http_head *h, const char *name, struct http_span *ret_value);
/* How many headers have this name. */
size_t http_head_count(const struct http_head *h, const char *name);

struct http_span http_field_name(const struct http_head *h, size_t i);
struct http_span http_field_value(const struct http_head *h, size_t i);

/* Comparison with a constant text: exact, or without letter case. */
bool http_span_is(struct http_span s, const char *text);
bool http_span_is_nocase(struct http_span s, const char *text);
bool http_span_starts(struct http_span s, const char *prefix);
/* Is `token` in the comma-separated list? Without letter case. */
bool http_list_has(struct http_span list, const char *token);
/* A decimal number: digits only, at most HTTP_LENGTH_MAX. 0 or -EINVAL. */
NODISCARD int http_span_u64(struct http_span s, uint64_t *ret_value);

/* The body of a response, given whether the request was a HEAD (RFC 9112, 6.3). */
enum http_body http_response_body(const struct http_head *h, bool to_head);
