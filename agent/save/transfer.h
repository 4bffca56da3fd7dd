/*
 * Objects to and from storage, by libcurl, which appears in transfer.c only. One attempt per call;
 * who calls decides about repeating. Blocking; gives up after 30 s without a byte. Several threads
 * may transfer at the same time, each with a handle of its own.
 * The environment's proxies are not used and redirects are not followed: a grant names its place.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"
#include "crypto/digest.h"
#include "wire/blob.h"

enum transfer_refusal {
        TRANSFER_NETWORK = 1, /* not reached, broke off, or the server failed: try again */
        TRANSFER_EXISTS,      /* put: another object has this name */
        TRANSFER_REFUSED,     /* signature wrong or expired (401, 403): ask for a new address */
        TRANSFER_MISSING,     /* get, check: 404 */
        TRANSFER_TOO_BIG,     /* put, post: more than was granted (413) */
        TRANSFER_DISK_FULL,   /* put: at the storage (507, or over its quota); get: here */
        TRANSFER_MISMATCH,    /* get: not the length or the hash that was asked for */
};

#define TRANSFER_ERROR_SIZE 240

struct transfer {
        void *curl;
        uint32_t grant;                  /* which address of several answered last */
        char error[TRANSFER_ERROR_SIZE]; /* one sentence about the last call that did not return 0
                                          */
};

/* 0, -ENOMEM. */
NODISCARD int transfer_init(struct transfer *t);
void transfer_deinit(struct transfer *t);

/* All of these: 0, a transfer_refusal, -errno of a file here. */

/*
 * `length` bytes of `fd` from offset `at` become the object `to` (of a put grant), which has this
 * hash. When the answer is lost, or says that the name is taken, `to->check` decides: 0 when the
 * object is there with this length and hash, TRANSFER_EXISTS when it is another.
 */
NODISCARD int transfer_put(struct transfer *t, const struct blob_granted *to, int fd, uint64_t at,
                           uint64_t length, const char *sha256);
/* Over the first bytes of `fd`. Exactly this length and hash, else TRANSFER_MISMATCH. */
NODISCARD int transfer_get(struct transfer *t, const struct blob_address *from, int fd,
                           uint64_t length, const char *sha256);
/* A small document to a service; its answer is appended to `ret`. TRANSFER_MISMATCH: too long. */
NODISCARD int transfer_post(struct transfer *t, const char *url, const struct buf *body,
                            struct buf *ret);
