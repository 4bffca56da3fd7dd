/*
 * Evidence in, verdict out: is a person there, and how do we know?
 *
 * Pure: no clock, no I/O, no allocation. Embedded by value; one owner.
 *
 * Evidence has a source (source.def) and a kind. Only the kind PERSON makes the person's age young;
 * WEAK and MACHINE evidence is kept and shown beside it ("why is it alive"), so that a rule which
 * moves a source from one kind to another changes the verdict and nothing else.
 *
 * Before presence_restart() nobody owns the workspace and the person's age is "never".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

enum presence_source {
#define PRESENCE_SOURCE(id, name, kind, doc) PRESENCE_##id,
#include "presence/source.def"
#undef PRESENCE_SOURCE
        PRESENCE_SOURCE_MAX
};

enum presence_kind {
        PRESENCE_KIND_PERSON,  /* only a person does this */
        PRESENCE_KIND_WEAK,    /* a person may have done this */
        PRESENCE_KIND_MACHINE, /* happens by itself */
        PRESENCE_KIND_MAX
};

#define PRESENCE_NEVER INT64_C(-1)

struct presence {
        bool running;
        struct {
                bool seen[PRESENCE_KIND_MAX];
                mono_t at[PRESENCE_KIND_MAX];
                uint64_t events; /* noted since the restart */
                uint32_t held;   /* things open now; evidence of kind PERSON as long as any is */
        } source[PRESENCE_SOURCE_MAX];
};

struct presence_signal {
        const char *source; /* name from source.def, static */
        int64_t age_ms;     /* since its last evidence of any kind; PRESENCE_NEVER */
        int64_t count;      /* open now for what is held, else events since the restart */
};

struct presence_verdict {
        int64_t person_age_ms;                               /* PRESENCE_NEVER before the restart */
        struct presence_signal signals[PRESENCE_SOURCE_MAX]; /* indexed by source */
};

const char *presence_source_name(enum presence_source s);
/* The kind that a plain note of this source has. */
enum presence_kind presence_source_kind(enum presence_source s);

/*
 * A new owner at `now`: forget all evidence but for what is held, and begin with the claim itself
 * as evidence.
 */
void presence_restart(struct presence *p, mono_t now);
/* Nobody's any more. */
void presence_stop(struct presence *p);

/* `events` pieces of evidence, the last of them at `at`. Older than what is known: only counted. */
void presence_note(struct presence *p, enum presence_source s, enum presence_kind kind, mono_t at,
                   uint64_t events);
/*
 * `count` things of this source are open from now on. While any is, the age is 0; the moment when
 * the last one closed is remembered. `now` is the time of the observation.
 */
void presence_hold(struct presence *p, enum presence_source s, uint32_t count, mono_t now);

void presence_judge(const struct presence *p, mono_t now, struct presence_verdict *ret_verdict);
