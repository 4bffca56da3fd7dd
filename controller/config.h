/*
 * The configuration of wscontroller. One table (config_option.def) gives parsing, defaults, limits,
 * help and --print-config. Later sources win: default, file, environment, flags.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "core/types.h"

#define CONFIG_TEXT_SIZE 1024
#define CONFIG_SOURCE_SIZE 160
#define CONFIG_ERROR_SIZE 1024
#define PLATFORM_URL_SIZE 192 /* what an agent takes */

enum config_option {
#define OPTION(id, ...) CONFIG_##id,
#include "config_option.def"
        CONFIG_OPTION_MAX
};

enum config_type_option {
#define TYPE_OPTION(id, ...) CONFIG_TYPE_##id,
#include "config_option.def"
        CONFIG_TYPE_OPTION_MAX
};

struct config_value {
        char text[CONFIG_TEXT_SIZE];
        int64_t num;                     /* of counts, durations (ms) and sizes (bytes) */
        char source[CONFIG_SOURCE_SIZE]; /* "default", "FILE:LINE", "WS_POOL", "--pool" */
};

struct config_type {
        char name[CORE_TYPE_SIZE];
        struct config_value v[CONFIG_TYPE_OPTION_MAX];
};

struct config {
        struct config_value v[CONFIG_OPTION_MAX];
        uint32_t n_types;
        struct config_type types[CORE_TYPES_MAX];
};

enum config_action {
        CONFIG_RUN,
        CONFIG_CHECK,   /* --check: say whether it is good, and end */
        CONFIG_PRINT,   /* --print-config */
        CONFIG_HELP,    /* --help */
        CONFIG_VERSION, /* --version */
};

/*
 * Everything from argv and environ. 0; -EINVAL with a text that names the place, the option, the
 * cause and the cure in `ret_error`; -ENOMEM. The result is large: free it with config_free.
 */
NODISCARD int config_load(int argc, char **argv, char **environ_list,
                          char ret_error[static CONFIG_ERROR_SIZE], enum config_action *ret_action,
                          struct config **ret_config);
struct config *config_free(struct config *c);

const char *config_text(const struct config *c, enum config_option o);
int64_t config_num(const struct config *c, enum config_option o);
const char *config_type_text(const struct config *c, uint32_t type, enum config_type_option o);
int64_t config_type_num(const struct config *c, uint32_t type, enum config_type_option o);
/* "127.0.0.1:7701" -> address and port; the value was checked at load. */
void config_addr(const struct config *c, enum config_option o, char *dst, size_t size,
                 uint16_t *ret_port);

/* One option as it is in force; by pointer. */
struct config_entry {
        const char *type; /* "": it is set once */
        const char *name, *value, *source;
};
/* The i-th from 0, those of the types last; false behind the last. */
bool config_at(const struct config *c, size_t i, struct config_entry *ret_entry);

/* What the core needs of it. */
void config_core(const struct config *c, struct core_config *ret_core);
/* To standard output. */
void config_print(const struct config *c);
void config_help(void);
