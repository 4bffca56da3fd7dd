#include "rotate_key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mono.h"
#include "base/num.h"
#include "keys.h"
#include "state_dir.h"

#define EXIT_GOOD 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define SECONDS_A_DAY UINT64_C(86400)
#define SETTLE_MS (60 * 1000)
/* Addresses for saves are good for a day, and those that an agent holds are younger than that. */
#define GRACE_MS (48 * 3600 * 1000)

static const char usage[] =
        "usage: wscontroller rotate-key --state-dir DIR [--settle 60s] [--grace 48h] [--forget "
        "AGE]\n"
        "Makes a new master key. It signs after `settle`, in which all controllers must have the "
        "file\n"
        "(a copy of DIR/master.key is read within a second) and every agent hears of it; what the\n"
        "present key has signed is good for `grace` longer. Nobody who works notices. Earlier keys "
        "are\n"
        "kept for the tasks that were launched under them, but for those that were replaced "
        "`forget` "
        "ago.\n";

struct choice {
        const char *dir;
        int64_t settle_ms, grace_ms;
        int64_t forget_ms; /* < 0: none is forgotten */
};

static int take(const char *name, const char *value, struct choice *c)
{
        if (strcmp(name, "--state-dir") == 0) {
                c->dir = value;
                return 0;
        }
        if (strcmp(name, "--settle") == 0)
                return num_parse_duration_ms(value, &c->settle_ms);
        if (strcmp(name, "--grace") == 0)
                return num_parse_duration_ms(value, &c->grace_ms);
        if (strcmp(name, "--forget") == 0)
                return num_parse_duration_ms(value, &c->forget_ms);
        return -EINVAL;
}

static void say(int r, const struct choice *c, const char *path, uint64_t now_s, uint64_t oldest_s)
{
        if (r == -EBUSY)
                fprintf(stderr,
                        "wscontroller: %s: the last change is not over: the key before it "
                        "is still good; wait until its grace has passed\n",
                        path);
        else if (r == -ENOSPC)
                fprintf(stderr,
                        "wscontroller: %s: the keys of the last %d changes are kept for tasks that "
                        "were launched under them, and there is no room for one more. The oldest "
                        "was "
                        "replaced %llu days ago: a task that was launched before and still runs "
                        "would "
                        "be shut out without it. When `wsctl tasks --json` shows none so old, or "
                        "those "
                        "that are have been stopped, forget it with --forget %llud\n",
                        path, KEYS_OLDER_MAX + 1,
                        (unsigned long long)((now_s - oldest_s) / SECONDS_A_DAY),
                        (unsigned long long)((now_s - oldest_s) / SECONDS_A_DAY));
        else if (r < 0)
                fprintf(stderr, "wscontroller: %s: %s\n", path, strerror(-r));
        else
                printf("a new key signs in %lld s; the present one is good for %lld s after that\n"
                       "copy %s to every other controller now, and in that time write the "
                       "gateways' configurations anew (wsctl nginx-config)\n",
                       (long long)c->settle_ms / 1000, (long long)c->grace_ms / 1000, path);
}

int rotate_key_main(int argc, char **argv)
{
        struct choice c = {.settle_ms = SETTLE_MS, .grace_ms = GRACE_MS, .forget_ms = -1};
        uint64_t now_s = (uint64_t)(utc_read().us / US_PER_S), oldest_s = 0;
        char path[STATE_PATH_SIZE];
        int r = 0;

        for (int i = 1; i < argc && r == 0; i += 2)
                r = i + 1 < argc ? take(argv[i], argv[i + 1], &c) : -EINVAL;
        if (r < 0 || !c.dir) {
                fputs(usage, stderr);
                return EXIT_USAGE;
        }
        r = keys_change(state_dir_path(c.dir, "master.key", path), now_s,
                        (uint64_t)c.settle_ms / 1000, (uint64_t)c.grace_ms / 1000,
                        c.forget_ms < 0 ? KEYS_FORGET_NONE : (uint64_t)c.forget_ms / 1000,
                        &oldest_s);
        say(r, &c, path, now_s, oldest_s);
        return r < 0 ? EXIT_FAILED : EXIT_GOOD;
}
