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

struct keys {
        uint8_t master[SHA256_LEN];
};

/* Read the master key, or make it. 0 or -errno; -EBADMSG when the file is not 32 bytes. */
NODISCARD int keys_load(const char *path, struct keys *ret_keys);

/* The enrolment secret of a task. */
void keys_task_secret(const struct keys *k, const char *task, char ret_hex[static KEYS_HEX]);
/* What a request must carry (X-Workspace-Key) for the gate of this generation to serve it. */
void keys_gate(const struct keys *k, const char *workspace, uint64_t generation,
               char ret_hex[static KEYS_HEX]);
/* The cookie and link by which a browser may open a workspace until `expires` (unix seconds). */
void keys_access(const struct keys *k, const char *workspace, uint64_t expires,
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
