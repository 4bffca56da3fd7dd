/*
 * How the app is started: by its argv, or, where the profile names a program for it (app.ahead), by
 * handing over to one that was started before the claim, has loaded what belongs to nobody, and
 * waits. wsagent(8), STARTED AHEAD, has the contract. Embedded by value; the caller reaps.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/macro.h"
#include "base/mono.h"
#include "init/start.h"

/* The app ahead of its claim. All zero: there is none. */
struct app_ahead {
        pid_t pid; /* until it is reaped or handed over to */
        int fd;    /* our end while it waits, else -1 */
        bool loaded;
        mono_t started;
        dev_t home_dev;
        ino_t home_ino; /* the folder that it was confined to */
};

/*
 * Start what is named by app.ahead: as the app's user, in the app's confinement, with the
 * environment and the home of priming. 0 when it runs, runs already or is not wanted, or -errno.
 */
NODISCARD int app_ahead_start(struct app_ahead *a, const struct start *s, mono_t now);
/* What is readable when it says that it has loaded, or -1; and the reading. */
int app_ahead_fd(const struct app_ahead *a);
void app_ahead_read(struct app_ahead *a, mono_t now);
/* End one that waits; nothing otherwise. */
void app_ahead_dismiss(struct app_ahead *a);
/* It has been reaped before anybody came. */
void app_ahead_end(struct app_ahead *a, int code);
/*
 * Start the app, or its priming run. 1: what waited in `a` is the app now; 0: its argv was started,
 * because nothing waits, it has not loaded yet, or the home is another folder than it was confined
 * to (such a one is ended); or -errno. A priming run leaves `a` alone.
 */
NODISCARD int app_start(struct app_ahead *a, const struct start *s, bool prime, pid_t *ret_pid);
