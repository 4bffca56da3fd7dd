/*
 * The bookkeeping of saves: which requests may still be used, which saves are under way, and how
 * old the oldest change is that no committed save holds. Pure; embedded by value.
 *
 * Changes are kept as intervals. One begins with the start of each save; each remembers its first
 * change. A commit of a save ends all intervals before its start; a failure joins its interval with
 * the one before. So the age is exact however slow saves are and in whatever order answers come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"
#include "wire/wire.h"

#define SAVES_GRANTS_MAX 16
#define SAVES_OUT_MAX 10
/*
 * A request holds the address of a grant, which expires. Nobody tells us when, so what is older is
 * asked for anew: the one that init holds must work when there is nobody left to ask.
 */
#define SAVES_FRESH_MS INT64_C(3600000)

struct saves_grant {
        struct wire_save save;
        mono_t at; /* when it came */
};

struct saves_out {
        uint64_t seq;
        mono_t started;
        mono_t since;  /* first change after its start and before the next one's; NEVER */
        bool uploaded; /* `msg` waits for the controller's answer; else the save runs */
        mono_t tell_at;
        struct wire_saved msg; /* task, nonce, seq and grants are filled in when it is sent */
};

struct saves {
        size_t n_grants;
        struct saves_grant grants[SAVES_GRANTS_MAX]; /* seq ascending */
        uint64_t grant_seq;                          /* highest ever received */
        uint64_t used_seq;                           /* highest ever used up */
        uint64_t committed_seq;
        mono_t since; /* first change before the start of out[0]; NEVER */
        size_t n_out;
        struct saves_out out[SAVES_OUT_MAX]; /* by start */
};

void saves_init(struct saves *s);

/* Requests from the controller; known ones are refreshed, used ones ignored, too many oust the
 * lowest, and old ones make way for fresh ones. */
void saves_grant(struct saves *s, const struct wire_save *saves, size_t n, mono_t now);
/* How many are held that are not too old. */
size_t saves_fresh(const struct saves *s, mono_t now);
/* The request to use next, or NULL. The highest is kept for init's own last save, unless `last`. */
const struct wire_save *saves_pick(const struct saves *s, bool last);
/* The highest unused one, or NULL. */
const struct wire_save *saves_highest(const struct saves *s);
/* This one and all below it are used up. */
void saves_use(struct saves *s, uint64_t seq);

void saves_change(struct saves *s, mono_t at);
/* false: too many are under way. */
bool saves_start(struct saves *s, uint64_t seq, mono_t now);
/* A save that we did not start: it may have begun before any change that we know of. */
bool saves_start_unknown(struct saves *s, uint64_t seq, mono_t now);
/* The running save, or NULL. */
struct saves_out *saves_running(struct saves *s);
struct saves_out *saves_find(struct saves *s, uint64_t seq);
/* It failed, or its commit was refused: what it would have held is still unsaved. */
void saves_fail(struct saves *s, struct saves_out *out);
/* Everything before its start is in a committed save. `seq` 0: nothing new was committed. */
void saves_commit(struct saves *s, struct saves_out *out, uint64_t seq);
/* The oldest upload that should be told to the controller now, or NULL. */
struct saves_out *saves_to_tell(struct saves *s, mono_t now);
mono_t saves_tell_due(const struct saves *s);

/* First change that no save under way covers; NEVER for none. */
mono_t saves_uncovered(const struct saves *s);
/* Age of the oldest change that no committed save holds; 0 for none. */
int64_t saves_unsaved_ms(const struct saves *s, mono_t now);
