/*
 * Every secret of the controller, derived from one master key (32 random bytes in
 * <state-dir>/master.key, mode 0600, made at first start). Nothing derived is stored, so a restart
 * or a second controller with the same key agrees. HMAC-SHA-256 over a label and the arguments.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "crypto/digest.h"

#define KEYS_HEX 65      /* 64 hex digits and NUL */
#define KEYS_OLDER_MAX 8 /* earlier keys than the one before */

/*
 * What is derived is derived from `master`. A changed key is in the file beside the one before:
 *   until turn_s      the older one signs, and what the new one has signed is good, too: every
 *                     controller and gate hears of it in this time;
 *   until retire_s    the new one signs, and the older one's is good, too;
 *   after that        the older one is good for two things only: a task that was launched before
 *                     turn_s may enrol, and a gateway may ask.
 * Those of earlier changes are good for the first of these, each for tasks of its own time.
 */
struct keys_older {
        uint8_t key[SHA256_LEN];
        uint64_t turn_s; /* when the next one began to sign */
};

struct keys {
        uint8_t master[SHA256_LEN];
        uint8_t other[SHA256_LEN];
        bool has_other, retired; /* retired: other is good for those two things only */

        /* as in the file: one key of 32 bytes, or two and two times (80 bytes), and 40 bytes for
         * each older one, the latest first */
        uint8_t newest[SHA256_LEN], before[SHA256_LEN];
        bool two;
        uint64_t turn_s, retire_s; /* unix seconds */
        unsigned n_older;
        struct keys_older older[KEYS_OLDER_MAX];
};

/*
 * Read the master key, or make it. The older of two signs until keys_turn. 0 or -errno; -EBADMSG
 * when the file is not one of ours.
 */
NODISCARD int keys_load(const char *path, struct keys *ret_keys);
/* Take what another keys_load has read: what signs changes with keys_turn. */
void keys_reread(struct keys *k, const struct keys *fresh);
/* What is so at this time. True when something has changed. */
bool keys_turn(struct keys *k, uint64_t now_s);
/* The key beside master, as the master of `ret`. False when there is none, or it is retired. */
bool keys_other(const struct keys *k, struct keys *ret);
/* The same, retired or not. */
bool keys_before(const struct keys *k, struct keys *ret);
/*
 * The i-th key beside those two that a task which was launched at this time may enrol with, as the
 * master of `ret`. False: there are no more.
 */
bool keys_of_task(const struct keys *k, uint64_t launched_s, unsigned i, struct keys *ret);
/* The oldest that is kept, as the master of `ret`. */
void keys_oldest(const struct keys *k, struct keys *ret);

#define KEYS_FORGET_NONE UINT64_MAX
/*
 * Write a new key into the file: it signs from now_s + settle_s on, the present one is retired
 * grace_s after that. Earlier ones are kept, but for those that were replaced forget_s ago or
 * longer. 0 or -errno; -EBUSY while an earlier change is not over; -ENOSPC when there are too many
 * to keep: *ret_oldest_s is when the oldest was replaced.
 */
NODISCARD int keys_change(const char *path, uint64_t now_s, uint64_t settle_s, uint64_t grace_s,
                          uint64_t forget_s, uint64_t *ret_oldest_s);

/* The enrolment secret of a task. */
void keys_task_secret(const struct keys *k, const char *task, char ret_hex[static KEYS_HEX]);
/* What a request must carry (X-Workspace-Key) for the gate of this generation to serve it. */
void keys_gate(const struct keys *k, const char *workspace, uint64_t generation,
               char ret_hex[static KEYS_HEX]);
/* Of the tickets and cookies (crypto/access.h) by which a browser may open this generation. */
void keys_access(const struct keys *k, const char *workspace, uint64_t generation,
                 char ret_hex[static KEYS_HEX]);
/* Signature of a storage URL: `op` get or put, the object's name, expiry, largest length (put). */
void keys_storage(const struct keys *k, const char *op, const char *object, uint64_t expires,
                  uint64_t max_bytes, char ret_hex[static KEYS_HEX]);
/* What nginx must carry (X-Gateway-Key) to ask /internal/. */
void keys_gateway(const struct keys *k, char ret_hex[static KEYS_HEX]);
/* A name of this installation for others, such as a container engine: no secret. */
void keys_installation(const struct keys *k, char ret_hex[static KEYS_HEX]);
/* Constant-time compare of two hex texts. */
bool keys_equal(const char *a, const char *b);
