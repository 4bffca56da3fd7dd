/*
 * Asks the app on its Unix socket until it answers, then, if wanted, fetches one page of it so that
 * it has loaded what it loads lazily. One probe at a time, in the loop, bounded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "channel.h"
#include "loop/loop.h"

struct probe;

/* The app answered the probe `id` after `waited_ms`. `primed`: it was a priming probe. */
typedef void (*probe_up_fn)(void *ctx, uint32_t id, uint32_t waited_ms, bool primed);

/* 0 or -ENOMEM. `app_socket` is kept by pointer. */
NODISCARD int probe_new(struct loop *loop, const char *app_socket, probe_up_fn fn, void *ctx,
                        struct probe **ret_probe);
struct probe *probe_free(struct probe *p);

/* Begin, in place of the one that runs. 0, or -EINVAL when a path is none; then nothing changes. */
NODISCARD int probe_start(struct probe *p, uint32_t id, bool prime, const char *health_path,
                          const char *prime_path);
void probe_cancel(struct probe *p);
