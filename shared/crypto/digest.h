/*
 * SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), by OpenSSL, which appears in digest.c only.
 * The functions cannot fail with the arguments given; an OpenSSL failure is an assertion.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define SHA256_LEN 32
#define SHA256_HEX 65 /* with NUL */

struct sha256; /* a running hash */

/* NULL when memory is short. */
struct sha256 *sha256_new(void);
struct sha256 *sha256_free(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *data, size_t len);
/* Ends the hash; only sha256_free may follow. */
void sha256_final(struct sha256 *h, uint8_t ret_digest[static SHA256_LEN]);

void sha256_of(const void *data, size_t len, uint8_t ret_digest[static SHA256_LEN]);
/* Hash a file by descriptor from its current offset to its end. 0 or -errno. */
NODISCARD int sha256_fd(int fd, uint8_t ret_digest[static SHA256_LEN], uint64_t *ret_length);
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret_mac[static SHA256_LEN]);
/* Same bytes? In a time that does not depend on where they differ. */
bool secret_equal(const void *a, const void *b, size_t len);
