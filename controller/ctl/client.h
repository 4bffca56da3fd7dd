/* One question to the controller's ops socket, one answer; nng is in client.c alone. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"

#define CLIENT_ANSWER_MAX (16u * 1024 * 1024 + 4096)

/*
 * Ask once. 0 with the answer in `out`; CLIENT_UNREACHABLE when nobody listens there or the
 * connection broke; CLIENT_SILENT when no answer came within `timeout_ms`; -errno.
 */
enum { CLIENT_UNREACHABLE = 1, CLIENT_SILENT = 2 };
NODISCARD int client_ask(const char *url, const char *request, int64_t timeout_ms, struct buf *out);
