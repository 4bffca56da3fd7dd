/*
 * Objects to and from storage URLs, by libcurl, which appears in transfer.c only. One attempt per
 * call; who calls decides about repeating. Blocking; gives up after 30 s without a byte.
 * The environment's proxies are not used and redirects are not followed: a grant names its place.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "crypto/digest.h"

enum transfer_refusal {
        TRANSFER_NETWORK = 1, /* not reached, broke off, or the server failed: try again */
        TRANSFER_EXISTS,      /* put: the object is there already (409, 412) */
        TRANSFER_REFUSED,     /* signature wrong or expired (401, 403) */
        TRANSFER_MISSING,     /* get, head: 404 */
        TRANSFER_TOO_BIG,     /* put: more than was granted (413) */
        TRANSFER_DISK_FULL,   /* put: at the server (507); get: here */
        TRANSFER_MISMATCH,    /* get: not the length or the hash that was asked for */
};

#define TRANSFER_ERROR_SIZE 160

struct transfer {
        void *curl;
        char error[TRANSFER_ERROR_SIZE]; /* one sentence about the last call that did not return 0
                                          */
};

/* 0, -ENOMEM. */
NODISCARD int transfer_init(struct transfer *t);
void transfer_deinit(struct transfer *t);

/* All of these: 0, a transfer_refusal, -errno of a file here. */

/* `length` bytes of `fd` from offset 0; `sha256` is sent with them and checked by the server. */
NODISCARD int transfer_put(struct transfer *t, const char *url, int fd, uint64_t length,
                           const char *sha256);
/* Replaces the content of `fd`. Exactly this length and hash, else TRANSFER_MISMATCH. */
NODISCARD int transfer_get(struct transfer *t, const char *url, int fd, uint64_t length,
                           const char *sha256);
/* Is the object there and is it this one? 0 yes, TRANSFER_MISMATCH no, it is another. */
NODISCARD int transfer_same(struct transfer *t, const char *url, uint64_t length,
                            const char *sha256);
