/* Chooses the role of this process by its first argument; nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "roles.h"

static const struct {
        const char *name;
        int (*main)(int argc, char **argv);
        const char *help;
} roles[] = {
        {"link", role_link_main, "the session with the controller (started by wsagent)"},
        {"gate", role_gate_main, "the relay in front of the app (started by wsagent)"},
        {"sense", role_sense_main, "watches terminals and files (started by wsagent)"},
        {"save", role_save_main, "make one save (started by wsagent)"},
        {"restore", role_restore_main, "put one save in place (started by wsagent)"},
        {"profile", role_profile_main,
         "check a profile: profile --check FILE (or --compile it for init)"},
        {"rules", role_rules_main, "check presence rules: rules --check FILE"},
        {"probe", role_probe_main, "print what the kernel and runtime allow here; --json"},
};

static int usage(FILE *to)
{
        fprintf(to, "usage: wsagent-worker ROLE [option...]\n\nroles:\n");
        for (size_t i = 0; i < ARRAY_LEN(roles); i++)
                fprintf(to, "  %-10s %s\n", roles[i].name, roles[i].help);
        return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
        const char *level_name = getenv("WS_LOG_LEVEL");
        enum log_level level = LOG_INFO_LEVEL;

        if (level_name && !log_level_parse(level_name, &level))
                level = LOG_INFO_LEVEL; /* init has refused it already; others may go on */
        if (argc >= 2 && strcmp(argv[1], "--help") == 0)
                return usage(stdout);
        for (size_t i = 0; argc >= 2 && i < ARRAY_LEN(roles); i++) {
                if (strcmp(argv[1], roles[i].name) == 0) {
                        log_init(roles[i].name, level);
                        return roles[i].main(argc - 1, argv + 1);
                }
        }
        return usage(stderr);
}
