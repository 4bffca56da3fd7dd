/*
 * The profile of an image: what to run, how to tell that it is up, what to save. JSON for people
 * (images/<name>/profile.json); checked here once, with messages that name the key. init never
 * reads JSON: it gets the flat record that `wsagent-worker profile --compile` makes (record.h).
 *
 * Ownership: profile_load and profile_parse give one allocated object, profile_free ends it.
 * Immutable after loading, so it may be read from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define PROFILE_SIZE_MAX (256 * 1024)
#define PROFILE_ERROR_MAX 512
#define PROFILE_PATH_MAX 256

/*
 * Patterns relative to the home folder. '*', '?' and '[]' do not cross a '/'; a leading "**" "/"
 * matches at any depth; a pattern that names a folder covers everything below it; "." is the whole
 * home. See profile_match.
 */
struct profile_list {
        size_t n;
        char **items; /* no leading or trailing slash, no "..", not empty */
};

/* A pair of strings: an environment variable, or a file's path and its content. */
struct profile_pair {
        char *key;
        char *value;
};

struct profile_pairs {
        size_t n;
        struct profile_pair *items;
};

struct rules;
struct rules_file;

struct profile {
        char name[65];
        struct profile_list argv; /* of the app; at least one; ${...} not yet expanded */
        /*
         * app.ahead: a program that becomes the app (wsagent(8), STARTED AHEAD); its ${...} stand
         * for a scratch home; empty: none
         */
        struct profile_list ahead;
        struct profile_pairs env; /* of the app; ${...} not yet expanded */
        char *path;               /* PATH of the app */
        struct profile_pairs
                defaults;          /* files under home written before the app starts, if absent */
        struct profile_list write; /* absolute, ${...} not yet expanded: besides the home */
        uint32_t processes;        /* of the student, threads included; default 4096; 0: any */
        uint32_t files;            /* open at a time in one process; default 0: any */

        char health_path[PROFILE_PATH_MAX]; /* "/healthz": 200 means it is up */
        char prime_path[PROFILE_PATH_MAX];  /* fetched once when priming, "/"; "" when not wanted */

        struct profile_list save_include;  /* default: "." */
        struct profile_list save_exclude;  /* wins over include */
        struct profile_list save_later;    /* a restore brings it after the app has started */
        struct profile_list watch_exclude; /* besides save_exclude: folders sense need not watch */

        char presence_name[65]; /* file with the presence rules, beside the profile; "" none */
        const struct rules *presence;     /* never NULL; without a file nothing is known */
        struct rules_file *presence_file; /* private; owns them */

        int64_t save_after_ms; /* a change waits at most this long for a save; default 20 s */
        int64_t stop_grace_ms; /* SIGTERM to the app until the rest is told to end; default 20 s */
        int64_t kill_grace_ms; /* from then until SIGKILL; default 5 s */
};

/*
 * Read and check the file, and the presence rules beside it. 0; -errno when it cannot be read
 * (-ENOENT, -EFBIG ...); -EINVAL when it is not a valid profile. Failures are logged here, with the
 * reason.
 */
NODISCARD int profile_load(const char *path, struct profile **ret_profile);
/*
 * As above from memory, without logging and without the rules of `presence_name`. On -EINVAL
 * `error` says what is wrong, where, and what is allowed: `save.exclude[2]: must not start with
 * "/"`.
 */
NODISCARD int profile_parse(const char *text, size_t len, char error[PROFILE_ERROR_MAX],
                            struct profile **ret_profile);
struct profile *profile_free(struct profile *p);
static inline void profile_freep(struct profile **p)
{
        *p = profile_free(*p);
}
#define AUTO_PROFILE CLEANUP(profile_freep) struct profile *

/*
 * Whether `path` (relative to home, no leading slash; "" and "." are home itself) or one of the
 * folders above it matches one of the patterns.
 */
bool profile_match(const struct profile_list *patterns, const char *path);
/* To be saved: matched by save_include and not by save_exclude. */
bool profile_saves(const struct profile *p, const char *path);
/* Whether a folder may hold anything to be saved: it is saved itself or leads to an include. */
bool profile_enters(const struct profile *p, const char *dir);
