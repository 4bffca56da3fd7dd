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

#define KEYS_HEX 65 /* 64 hex digits and NUL */

/*
 * What is derived is derived from `master`. A changed key is in the file beside the one before:
 *   until turn_s      the older one signs, and what the new one has signed is good, too: every
 *                     controller and gate hears of it in this time;
 *   until retire_s    the new one signs, and the older one's is good, too;
 *   after that        the older one is good for two things only: a task that was launched before
 *                     turn_s may enrol, and a gateway may ask.
 */
struct keys {
        uint8_t master[SHA256_LEN];
        uint8_t other[SHA256_LEN];
        bool has_other, retired; /* retired: other is good for those two things only */

        /* as in the file: one key of 32 bytes, or two and two times (80 bytes) */
        uint8_t newest[SHA256_LEN], before[SHA256_LEN];
        bool two;
        uint64_t turn_s, retire_s; /* unix seconds */
};

/*
 * Read the master key, or make it. The older of two signs until keys_turn. 0 or -errno; -EBADMSG
 * when the file is not one of ours.
 */
NODISCARD int keys_load(const char *path, struct keys *ret_keys);
/* What is so at this time. True when something has changed. */
bool keys_turn(struct keys *k, uint64_t now_s);
/* The key beside master, as the master of `ret`. False when there is none, or it is retired. */
bool keys_other(const struct keys *k, struct keys *ret);
/* The same, retired or not. */
bool keys_before(const struct keys *k, struct keys *ret);
/*
 * Write a new key into the file: it signs from now_s + settle_s on, the present one is retired
 * grace_s after that. 0 or -errno; -EBUSY while an earlier change is not over.
 */
NODISCARD int keys_change(const char *path, uint64_t now_s, uint64_t settle_s, uint64_t grace_s);

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
