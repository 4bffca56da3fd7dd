/*
 * The shell around the decision core: the only caller of core_step.
 *
 *   shell_post(event) -> core_step at once -> at the end of the loop's turn: one transaction with
 *   all PUT/DEL/AUDIT effects -> the other effects, in order, to their handlers -> watchers.
 *
 * While a commit fails, effects wait (bounded), shell_writable() is false, and the commit is
 * retried every second; edges then answer requests with "store unavailable" and do not post new
 * ones. A handler may call shell_post; the event is stepped at once and its effects go out in the
 * next turn. One thread: the loop's.
 */
#pragma once

#include "core/core.h"
#include "loop/loop.h"

struct shell;
struct store;

typedef void (*effect_fn)(void *ctx, const struct core_effect *fx);
/* Some workspace or task row was stored, removed or reported on; `workspace` may be "". */
typedef void (*change_fn)(void *ctx, const char *workspace, const char *task);

NODISCARD int shell_new(struct loop *l, struct core *core, struct store *store,
                        struct shell **ret_shell);
struct shell *shell_free(struct shell *s);

/* Load the rows, give the BOOT events. 0 or -errno. */
NODISCARD int shell_boot(struct shell *s);

/* type, data; now and utc are filled in here. */
void shell_post(struct shell *s, struct core_event *ev);
bool shell_writable(const struct shell *s);
const struct core *shell_core(const struct shell *s);

/* Several handlers per effect are called in order of registration. */
void shell_handle(struct shell *s, enum core_effect_type type, effect_fn fn, void *ctx);
void shell_watch(struct shell *s, change_fn fn, void *ctx);

/*
 * The newest SHELL_EVENTS_MAX audit rows. Returns the first row with seq > after_seq, or NULL.
 * Older rows are in the store.
 */
#define SHELL_EVENTS_MAX 1024
const struct audit_row *shell_audit_after(const struct shell *s, uint64_t after_seq);
