/*
 * The page's own event log on its way to the app: names out of the list of entries in a request's
 * body. Superset's page sends it with navigator.sendBeacon as a form (multipart, or urlencoded
 * where it has no such thing) with one field that holds a JSON list, or posts the list as JSON.
 *
 * Streaming, in pieces of any size; BEACON_BYTES_MAX are looked at and the rest is left aside. What
 * is not understood ends the reading and nothing else: the body is student-controlled and only
 * decides idleness.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"
#include "presence/rules.h"

#define BEACON_BYTES_MAX ((size_t)256 * 1024)

struct beacon;
/* An entry's name; not terminated, valid during the call. Never longer than RULES_NAME_MAX. */
typedef void (*beacon_entry_fn)(void *ctx, const char *name, size_t len);

/*
 * `content_type` is the header's value; `chunked`: the bytes come with their chunked coding.
 * 0, -ENOMEM, or -ENOTSUP for a type that none of this is for (ret untouched). The rules are kept
 * by pointer.
 */
NODISCARD int beacon_new(const struct rules *rules, const char *content_type, size_t len,
                         bool chunked, beacon_entry_fn entry, void *ctx,
                         struct beacon **ret_beacon);
void beacon_feed(struct beacon *b, const void *data, size_t len);
struct beacon *beacon_free(struct beacon *b);
