/*
 * Text to numbers and back, strictly: the whole text must be the number. No leading or trailing
 * space, no sign for unsigned, no octal or hex, no overflow. Outputs are untouched on failure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

/* 0, -EINVAL (not a number), -ERANGE (outside [min, max]). */
NODISCARD int num_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);
NODISCARD int num_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value);
/* A duration in milliseconds: digits and one of ms, s, m, h, d ("30m", "250ms"). 0 as "0" is fine.
 */
NODISCARD int num_parse_duration_ms(const char *text, int64_t *ret_ms);
/* A size in bytes: digits and nothing, K, M, G (powers of 1024). */
NODISCARD int num_parse_size(const char *text, uint64_t *ret_bytes);

/* Lower-case hex of `len` bytes plus NUL; `dst` holds 2 * len + 1 bytes. */
void hex_encode(const void *src, size_t len, char *dst);
/* Exactly 2 * len lower-case hex digits into `dst`. 0 or -EINVAL. */
NODISCARD int hex_decode(const char *text, void *dst, size_t len);
/* "12", "0.99": at most six decimals, no sign; in millionths. */
NODISCARD int num_parse_millionths(const char *text, int64_t *ret_value);
