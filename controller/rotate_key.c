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
#define SETTLE_MS (60 * 1000)
/* Addresses for saves are good for a day, and those that an agent holds are younger than that. */
#define GRACE_MS (48 * 3600 * 1000)

static const char usage[] =
        "usage: wscontroller rotate-key --state-dir DIR [--settle 60s] [--grace 48h]\n"
        "Makes a new master key. It signs after `settle`, in which all controllers must have the "
        "file\n"
        "(a copy of DIR/master.key is read within a second) and every agent hears of it; what the\n"
        "present key has signed is good for `grace` longer. Nobody who works notices.\n";

static int take(const char *name, const char *value, const char **ret_dir, int64_t *ret_settle_ms,
                int64_t *ret_grace_ms)
{
        if (strcmp(name, "--state-dir") == 0) {
                *ret_dir = value;
                return 0;
        }
        if (strcmp(name, "--settle") == 0)
                return num_parse_duration_ms(value, ret_settle_ms);
        if (strcmp(name, "--grace") == 0)
                return num_parse_duration_ms(value, ret_grace_ms);
        return -EINVAL;
}

int rotate_key_main(int argc, char **argv)
{
        int64_t settle_ms = SETTLE_MS, grace_ms = GRACE_MS;
        char path[STATE_PATH_SIZE];
        const char *dir = NULL;
        int r = 0;

        for (int i = 1; i < argc && r == 0; i += 2)
                r = i + 1 < argc ? take(argv[i], argv[i + 1], &dir, &settle_ms, &grace_ms)
                                 : -EINVAL;
        if (r < 0 || !dir) {
                fputs(usage, stderr);
                return EXIT_USAGE;
        }
        r = keys_change(state_dir_path(dir, "master.key", path),
                        (uint64_t)(utc_read().us / US_PER_S), (uint64_t)settle_ms / 1000,
                        (uint64_t)grace_ms / 1000);
        if (r == -EBUSY)
                fprintf(stderr,
                        "wscontroller: %s: the last change is not over: the key before it "
                        "is still good; wait until its grace has passed\n",
                        path);
        else if (r < 0)
                fprintf(stderr, "wscontroller: %s: %s\n", path, strerror(-r));
        else
                printf("a new key signs in %lld s; the present one is good for %lld s after that\n"
                       "copy %s to every other controller now, and in that time write the "
                       "gateways' configurations anew (wsctl nginx-config)\n",
                       (long long)settle_ms / 1000, (long long)grace_ms / 1000, path);
        return r < 0 ? EXIT_FAILED : EXIT_GOOD;
}
