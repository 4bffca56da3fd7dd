/*
 * The shell around the decision core: the only caller of core_step.
 *
 *   shell_post(event) -> core_step at once -> at the end of the loop's turn: one transaction with
 *   all PUT/DEL/AUDIT effects -> the other effects, in order, to their handlers -> watchers.
 *
 * The store may take its time. While a batch is on its way, events go on being stepped and their
 * effects wait (bounded) for the next one; nothing is carried out before its own batch is durable.
 * While commits fail or the store is away, shell_writable() is false and the same batch is tried
 * again every second; edges then answer requests with "store unavailable" and do not post new
 * ones. A batch that finds the lease lost ends everything: nothing more is carried out. A handler
 * may call shell_post; the event is stepped at once and its effects go out in the next turn. One
 * thread: the loop's.
 */
#pragma once

#include "core/core.h"
#include "loop/loop.h"

struct shell;
struct store;

typedef void (*effect_fn)(void *ctx, const struct core_effect *fx);
/* Some workspace or task row was stored, removed or reported on; `workspace` may be "". */
typedef void (*change_fn)(void *ctx, const char *workspace, const char *task);
/* See shell_tell_early. */
typedef bool (*early_fn)(void *ctx);

NODISCARD int shell_new(struct loop *l, struct core *core, struct store *store,
                        struct shell **ret_shell);
struct shell *shell_free(struct shell *s);

typedef void (*shell_fn)(void *ctx);
typedef void (*shell_boot_fn)(void *ctx, int result);

/*
 * Load the rows, give the BOOT events; `done` is told once, before the return where the store is a
 * file, with 0, -ENOSPC (more rows than the core takes) or -errno (both logged). After a failure
 * the core is worthless. 0 or -errno; then done is not called.
 */
NODISCARD int shell_boot(struct shell *s, shell_boot_fn done, void *ctx);
#define SHELL_ADDRESS_SIZE 128

/*
 * Who leads. Without the lead, or past `until` by the clock as it is then, nothing is committed or
 * carried out and shell_writable() is false; what was committed before is carried out when `until`
 * moves on. A new shell leads for ever: a store that is a file has one controller.
 */
struct shell_lead {
        bool leads;
        uint64_t epoch;
        mono_t until;
        /* Where who leads is reached; "" not known. */
        char http[SHELL_ADDRESS_SIZE], agents[SHELL_ADDRESS_SIZE];
        char holder[SHELL_ADDRESS_SIZE];
};
void shell_set_lead(struct shell *s, const struct shell_lead *lead);
const struct shell_lead *shell_lead(const struct shell *s);
/* Another core in the place of this one, which is returned. Nothing may wait to be committed. */
struct core *shell_swap_core(struct shell *s, struct core *core);
/* Show this row of the history; for a follower, whose own core has none. */
void shell_show_audit(struct shell *s, const struct audit_row *row);
/* Days that history is kept; 90 unless told. */
void shell_keep_history(struct shell *s, int64_t days);
/* The store says that another controller leads. The shell has stopped; end the process. */
void shell_on_fenced(struct shell *s, shell_fn fn, void *ctx);

/* type, data; now and utc are filled in here. */
void shell_post(struct shell *s, struct core_event *ev);
bool shell_writable(const struct shell *s);
const struct core *shell_core(const struct shell *s);

/* Several handlers per effect are called in order of registration. */
void shell_handle(struct shell *s, enum core_effect_type type, effect_fn fn, void *ctx);
void shell_watch(struct shell *s, change_fn fn, void *ctx);
/*
 * At the end of a turn that changed rows, before they are committed: `fn` may tell who waits what
 * the core holds now, as any reader sees it, if a restart finds it again by itself. That is so of
 * "ready": which task a workspace was given was committed before its agent heard of it, and the
 * agent of a task that is not known to be ready says so again. Everything else waits for its
 * commit. True: an answer is on its way; the commit waits SHELL_ANSWER_MS, so that it is written
 * first.
 */
#define SHELL_ANSWER_MS 1
void shell_tell_early(struct shell *s, early_fn fn, void *ctx);

/*
 * Sees everything and changes nothing; for metrics. One at a time; `o` is copied. `stepped` runs
 * before the commit, `committed` after each transaction with its time and 0, STORE_FENCED or
 * -errno, `dropped` for each heartbeat that was not looked at.
 */
struct shell_observer {
        void *ctx;
        void (*stepped)(void *ctx, const struct core_event *ev, const struct core_effects *fx);
        void (*committed)(void *ctx, int64_t us, int result);
        void (*dropped)(void *ctx);
};
void shell_observe(struct shell *s, const struct shell_observer *o);

/*
 * The newest SHELL_EVENTS_MAX audit rows. Returns the first row with seq > after_seq, or NULL.
 * Older rows are in the store.
 */
#define SHELL_EVENTS_MAX 1024
const struct audit_row *shell_audit_after(const struct shell *s, uint64_t after_seq);
