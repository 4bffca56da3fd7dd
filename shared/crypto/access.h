/*
 * What opens a workspace: the ticket in a launch link, which is good once, and the cookie that the
 * gate gives for it. Both are "GENERATION.EXPIRES.ID.MAC": two decimal numbers, 16 random bytes and
 * an HMAC-SHA-256 in lower-case hex. The key is of one workspace and one generation of it, and the
 * MAC names the kind, so neither is good for a neighbour, for a later life, or as the other one.
 * Pure: the caller has the time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "crypto/digest.h"

#define ACCESS_ID_SIZE 33 /* 32 hex digits and NUL */
#define ACCESS_SIZE 144   /* the longest text, with NUL */

enum access_kind {
        ACCESS_TICKET,
        ACCESS_COOKIE,
};

struct access {
        uint64_t generation;
        uint64_t expires; /* unix seconds; not good from then on */
        char id[ACCESS_ID_SIZE];
};

/* What access_check returns beside 0 (good). */
#define ACCESS_FORGED 1
#define ACCESS_EXPIRED 2

/* A fresh id. */
void access_new_id(char ret_id[static ACCESS_ID_SIZE]);
/* `key`: 64 hex digits, of the workspace and of a->generation. */
void access_write(const struct access *a, enum access_kind kind, const char *key,
                  char ret_text[static ACCESS_SIZE]);
/* Read the text without believing it: 0 or -EINVAL when it is not formed like one. */
NODISCARD int access_read(const char *text, size_t len, struct access *ret_access);
/* Is a text that access_read took made with this key, and still good? 0, ACCESS_FORGED,
 * ACCESS_EXPIRED (not forged). */
NODISCARD int access_check(const char *text, size_t len, enum access_kind kind, const char *key,
                           uint64_t now_s);
