/*
 * Tells the world outside: webhooks (the platform), PagerDuty (critical), mail (the rest). What is
 * announced is notify.def. Loop thread only; sending has a thread of its own (notify_send.h).
 *
 * Only the controller that leads announces. Delivery is at least once: each notice waits in a
 * bounded queue, is tried NOTIFY_ATTEMPTS times with growing, jittered pauses, and is then written
 * to notify-dead.jsonl in state_dir. What history has said and was not settled is announced again
 * by the next leader (up to NOTIFY_REPLAY_S old, NOTIFY_REPLAY_BLIND_S where the file
 * notify.cursor is not there, as on another machine) with the same id, so a receiver that keeps ids
 * sees each once. Conditions (pool-depleted, launch-failures, error-rate, service-down) that are
 * not over are in the store: the next leader announces each again with its id, judges it anew and
 * says when it is over. Only that the store is away cannot be stored: who announced that says its
 * end.
 */
#pragma once

#include "base/macro.h"
#include "core/core.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "out/notify_text.h"
#include "shell.h"

#define NOTIFY_QUEUE_MAX 1024
#define NOTIFY_ATTEMPTS 8
#define NOTIFY_PAUSE_MAX_MS (60 * 60 * 1000)
#define NOTIFY_REPLAY_S 3600
#define NOTIFY_REPLAY_BLIND_S 120
#define NOTIFY_DEAD_BYTES (1 << 20) /* then the file is renamed to .1 */
#define NOTIFY_AHEAD_S (48 * 3600)  /* a maintenance is announced so long before */

/* Strings are kept by pointer; "" where nothing is configured. */
struct notify_config {
        const char *source; /* which installation: public_host */
        const char *state_dir;
        const char *webhook, *webhook_secret_file;
        const char *smtp, *smtp_user, *smtp_password_file;
        const char *mail_from, *mail_to, *mail_students;
        const char *pager_url, *pager_key_file;
        const char *ca_file;
        const char *sns_topic, *sns_url;
        const char *templates;
        const char *maintenance;
        int64_t hold_ms, retry_ms, timeout_ms;
        const struct core_config *core;
        struct metrics *metrics;
};

struct notify;

/* Reads the secrets once, to say now what is wrong. 0; -EINVAL, -ENOENT and the like (logged). */
NODISCARD int notify_new(struct loop *l, struct shell *s, const struct notify_config *config,
                         struct notify **ret_notify);
struct notify *notify_free(struct notify *n);
/* This controller begins to lead; or no longer does. */
void notify_lead(struct notify *n);
void notify_follow(struct notify *n);
