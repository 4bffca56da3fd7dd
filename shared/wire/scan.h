/*
 * One look at untrusted JSON before a parser that allocates and recurses sees it. Pure.
 */
#pragma once

#include <stddef.h>

/*
 * NULL when `data` may be parsed, else why not, as a constant: deeper than `depth_max`, not UTF-8,
 * a control byte (or an escaped NUL, which would cut a C string short) inside a text, a NUL byte,
 * an unfinished text. Whether it is JSON is the parser's to say.
 */
const char *scan_json(const void *data, size_t len, unsigned depth_max);

/* Length of the well-formed UTF-8 sequence at `s` (1 to 4, RFC 3629), or 0. */
size_t scan_utf8(const unsigned char *s, size_t len);
