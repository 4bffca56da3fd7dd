/*
 * Evidence in, verdict out: is a person there, is a job running, and how do we know?
 *
 * Pure: no clock, no I/O, no allocation. Embedded by value; one owner.
 *
 * Evidence has a source (source.def) and a kind. What each kind does to the person's age:
 *
 *   PERSON   makes it 0 at that moment.
 *   WEAK     one piece alone does nothing, so that a stray message does not flip the verdict; two
 *            from a source or from two, at least WEAK_APART and at most WEAK_WINDOW apart, count as
 *            a person at the later one. Scrolling, the window's focus. What happened before the
 *            restart makes no pair.
 *   HINT     counts like WEAK, but only while something can not be decoded (UNDECODED is held), and
 *            is shown otherwise: a changed file, a terminal that the decoded page owns.
 *   MACHINE  is shown and never counts.
 *
 * Three things are held rather than noted:
 *
 *   CONNECTION  WebSockets open now. No evidence of a person; tells connected from disconnected.
 *   UNDECODED   of them, those that can not be read. A person is presumed for at most
 *               UNDECODED_HOLD after the last evidence, or after the first opening since, and never
 *               for ever: a page that reconnects all night is no new opening.
 *   ACTIVE      pages whose activity tracker says "active" now. It says so at the first key after a
 *               pause and takes it back 40 to 70 s after the last, so it holds the person's age
 *               at 0, but at most ACTIVE_HOLD after the last noted evidence, because a machine can
 *               hold it too.
 *
 * What was presumed while something was held stays true when it ends, but it is no evidence that a
 * further presumption could start from: opening and closing by turns prolongs nothing.
 *
 * Jobs are kept apart from presence: `busy_ms` says for how long from now they want the workspace.
 * How long they get it is the controller's limit; JOB_MAX after the last person is only where even
 * an agent that nobody limits stops asking.
 *
 * Before presence_restart() nobody owns the workspace and the person's age is "never".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

enum presence_source {
#define PRESENCE_SOURCE(id, name, doc) PRESENCE_##id,
#include "presence/source.def"
#undef PRESENCE_SOURCE
        PRESENCE_SOURCE_MAX
};

enum presence_kind {
        PRESENCE_KIND_PERSON,
        PRESENCE_KIND_WEAK,
        PRESENCE_KIND_HINT,
        PRESENCE_KIND_MACHINE,
        PRESENCE_KIND_MAX
};

#define PRESENCE_NEVER INT64_C(-1)

#define PRESENCE_WEAK_APART_MS INT64_C(2000)
#define PRESENCE_WEAK_WINDOW_MS (15 * 60 * INT64_C(1000))
#define PRESENCE_ACTIVE_HOLD_MS (30 * 60 * INT64_C(1000))
#define PRESENCE_UNDECODED_HOLD_MS (2 * 60 * 60 * INT64_C(1000))
#define PRESENCE_JOB_MAX_MS (24 * 60 * 60 * INT64_C(1000))
/* A job that was busy is expected to be busy again: the gap between two samples, and a pause. */
#define PRESENCE_JOB_LINGER_MS (2 * 60 * INT64_C(1000))

enum presence_confidence {
        PRESENCE_CONFIDENCE_NONE, /* nobody owns it, nothing is known */
        PRESENCE_CONFIDENCE_LOW, /* something open can not be read, or no activity tracker speaks */
        PRESENCE_CONFIDENCE_HIGH,
};

struct presence {
        bool running;
        bool was_connected; /* since the restart */
        bool tracked;       /* every page's activity is known; see presence_tracked */
        mono_t began;       /* the restart */
        mono_t person;      /* newest evidence that counts, held things aside */
        enum presence_source person_by;
        mono_t settled; /* what was presumed by things held that have ended since */
        enum presence_source settled_by;
        mono_t undecoded_since; /* the opening that counts; MONO_NEVER none */
        mono_t closed;          /* when the last connection did */
        mono_t busy;            /* when a job was last busy; MONO_NEVER never */
        /*
         * The last two groups of pieces that may make a pair, the newer one first. A group is what
         * came less than WEAK_APART after its first, so the four times answer exactly whether a new
         * piece has a partner. MONO_NEVER: none.
         */
        struct {
                mono_t first, last;
        } weak[2];
        char job[16];
        struct {
                bool seen[PRESENCE_KIND_MAX];
                mono_t at[PRESENCE_KIND_MAX];
                uint64_t events; /* noted since the restart */
                uint32_t held;   /* things open now */
        } source[PRESENCE_SOURCE_MAX];
};

struct presence_signal {
        const char *source; /* name from source.def, static */
        const char *kind;   /* "person", "weak", "hint", "machine", "job": of the youngest evidence,
                               or of what is held; "" when there never was any */
        int64_t age_ms;     /* since its last evidence of any kind; PRESENCE_NEVER */
        int64_t count;      /* open now for what is held, else events since the restart */
};

struct presence_verdict {
        int64_t person_age_ms;          /* PRESENCE_NEVER before the restart */
        enum presence_source person_by; /* what made it so young; valid unless NEVER */
        int64_t busy_ms;                /* jobs want the workspace for so long from now; 0 none */
        char job[16];                   /* the busiest, when busy_ms > 0 */
        bool connected;                 /* a WebSocket is open */
        bool never_connected;           /* none was since the restart */
        int64_t disconnected_ms; /* since the last one closed, 1 at least; 0 connected or never */
        enum presence_confidence confidence;
        struct presence_signal signals[PRESENCE_SOURCE_MAX]; /* indexed by source */
};

const char *presence_source_name(enum presence_source s);
const char *presence_kind_name(enum presence_kind k);
const char *presence_confidence_name(enum presence_confidence c); /* "none", "low", "high" */

/*
 * A new owner, or a resume, at `now`: forget all evidence but for what is held, and begin with the
 * claim itself as evidence.
 */
void presence_restart(struct presence *p, mono_t now);
/* Nobody's any more. */
void presence_stop(struct presence *p);

/*
 * `events` pieces of evidence, the last of them at `at`, which is not ahead of the time. They may
 * come late: what is older than what is known is counted, and makes a pair if it can.
 */
void presence_note(struct presence *p, enum presence_source s, enum presence_kind kind, mono_t at,
                   uint64_t events);
/*
 * `count` things of this source (CONNECTION, UNDECODED, ACTIVE) are open from now on. `now` is the
 * time of the observation; the last one's closing is dated by it.
 */
void presence_hold(struct presence *p, enum presence_source s, uint32_t count, mono_t now);
/* Whether the activity of every open page is known: with false the confidence is LOW. */
void presence_tracked(struct presence *p, bool tracked);
/* A job of this name was busy at `at`. */
void presence_job(struct presence *p, const char *name, mono_t at);

void presence_judge(const struct presence *p, mono_t now, struct presence_verdict *ret_verdict);
