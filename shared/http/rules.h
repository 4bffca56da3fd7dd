/*
 * Inside of the head parser: which bytes may stand where, and what the fields that frame a message
 * mean. For head.c and field.c only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "http/head.h"

enum {
        HTTP_SEEN_HOST = 1,
        HTTP_SEEN_CLOSE = 2,
        HTTP_SEEN_KEEP_ALIVE = 4,
        HTTP_SEEN_UPGRADE_TOKEN = 8,
        HTTP_SEEN_UPGRADE = 16,
};

static inline bool http_byte_is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static inline bool http_byte_is_alpha(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* tchar of RFC 9110, 5.6.2 */
bool http_byte_is_token(char c);

/* Record the refusal; a response's is always 502. Returns HTTP_REFUSED. */
int http_refuse(struct http_head *h, uint16_t status, const char *reason);

/* One line of the head behind the first, without its CRLF. 0 or HTTP_REFUSED. */
int http_field_line(struct http_head *h, uint16_t at, uint16_t len);
/* All fields are there: does the whole make sense? 0 or HTTP_REFUSED. */
int http_fields_finish(struct http_head *h);
