/*
 * One message of the editor's extension-host connection (VS Code's RPCProtocol,
 * workbench/services/extensions/common/rpcProtocol.ts). Pure; spans point into the bytes given or
 * into the message struct.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "presence/rules.h"

enum rpc_what {
        RPC_REQUEST,
        RPC_TERMINATE, /* the page is being closed or left */
        RPC_OTHER,     /* start-up data, answers, cancellations: a machine's */
};

struct rpc_message {
        enum rpc_what what;
        const char *name; /* "$acceptModelChanged"; for RPC_REQUEST */
        size_t name_len;
        const char *args; /* a JSON array, perhaps cut off */
        size_t args_len;
        /*
         * Arguments of which some are no JSON come one by one; the array is put together here,
         * with null for what is no JSON, so that rules see one form.
         */
        char mixed_[RULES_ARGS_MAX];
};

/* `len` bytes of a message that has `total`. False: it is none. */
NODISCARD bool rpc_parse(const uint8_t *body, size_t len, size_t total,
                         struct rpc_message *ret_message);

/*
 * The text of arguments [number, "text"], unescaped into `dst` as UTF-8. *ret_cut: there is more of
 * it than was given or fits. False: the arguments look different.
 */
NODISCARD bool rpc_typed(const char *args, size_t len, uint8_t *dst, size_t size, size_t *ret_len,
                         bool *ret_cut);
