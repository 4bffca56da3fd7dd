/*
 * What people read of the options: the values with their sources, and the help of the flags.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

struct line {
        const char *name, *def, *help;
};

static const struct line options[] = {
#define OPTION(id, name, kind, def, min, max, help) {name, def, help},
#include "config_option.def"
};

static const struct line type_options[] = {
#define TYPE_OPTION(id, name, kind, def, min, max, help) {name, def, help},
#include "config_option.def"
};

void config_print(const struct config *c)
{
        struct config_entry e;
        const char *type = "";

        for (size_t i = 0; config_at(c, i, &e); i++) {
                if (strcmp(type, e.type) != 0)
                        printf("\n[type %s]\n", e.type);
                type = e.type;
                printf("%s = %s  # %s\n", e.name, e.value, e.source);
        }
}

static void help_table(const struct line *table, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                char flag[64];
                int len = snprintf(flag, sizeof(flag), "--%s", table[i].name);

                for (int k = 2; k < len && flag[k]; k++)
                        flag[k] = flag[k] == '_' ? '-' : flag[k];
                printf("  %-22s %s", flag, table[i].help);
                if (table[i].def && table[i].def[0])
                        printf(" (%s)", table[i].def);
                printf("\n");
        }
}

void config_help(void)
{
        printf("usage: wscontroller [--config FILE] [options]\n"
               "       wscontroller storage …    the storage server, started by the controller\n"
               "       wscontroller rotate-key … a new master key, see wscontroller(8)\n\n"
               "Sources, later ones win: defaults, the file, the environment (WS_STATE_DIR for\n"
               "--state-dir), flags.\n\n"
               "  --config FILE          \"name = value\" lines and [type NAME] sections "
               "(WS_CONFIG)\n"
               "  --check                say whether the configuration is good, and end\n"
               "  --print-config         print every value and where it comes from, and end\n"
               "  --help, --version\n\n");
        help_table(options, ARRAY_LEN(options));
        printf("\nOf each type; as a flag, for every type:\n");
        help_table(type_options, ARRAY_LEN(type_options));
}
