/*
 * One message of the editor's management connection (VS Code's IPC channels,
 * base/parts/ipc/common/ipc.ts): two values one after the other, a header and a body. Pure; spans
 * point into the bytes given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "presence/rules.h"

enum ipc_what {
        IPC_REQUEST, /* [100, id, channel, command], arguments */
        IPC_LISTEN,  /* [102, id, channel, event], arguments */
        IPC_OTHER,   /* the client's greeting, answers, cancellations: a machine's */
};

struct ipc_message {
        enum ipc_what what;
        /* "channel.command", cut at RULES_NAME_MAX; empty for IPC_OTHER */
        char name[RULES_NAME_MAX];
        size_t name_len;
        const uint8_t *args; /* as serialized; at most RULES_ARGS_MAX bytes */
        size_t args_len;
};

/*
 * `len` bytes of a message that has `total`. False: it is none, or its header is not complete in
 * what is given.
 */
NODISCARD bool ipc_parse(const uint8_t *body, size_t len, size_t total,
                         struct ipc_message *ret_message);

/*
 * The text of arguments [number, text]. *ret_cut: its end is not among the `len` bytes given.
 * False: the arguments look different.
 */
NODISCARD bool ipc_typed(const uint8_t *args, size_t len, const uint8_t **ret_text,
                         size_t *ret_text_len, bool *ret_cut);
