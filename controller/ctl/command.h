/*
 * The commands and options of wsctl: one table (command.def), from which parsing, --help, the
 * manual pages and completion follow, so that they cannot differ.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ctl.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_HELP, OPTION_VERSION };

struct option_entry {
        const char *name; /* with '_' where '-' is typed */
        enum option_kind kind;
        size_t offset;     /* in struct ctl */
        uint64_t max;      /* of a number */
        const char *value; /* its name in the help; completion goes by it too. "": takes none */
        const char *help;
};

struct command {
        const char *name;
        const char *argument; /* NULL: takes none; "[…]": not needed */
        const char *summary;
        const struct option_entry *options; /* ends with a name of NULL */
        enum ctl_exit (*run)(const struct ctl *c);
        /* Paragraphs, with an empty line between; lines of four blanks and more stay as they are.
         */
        const char *details;
};

extern const struct option_entry general_options[];
/* By index; NULL behind the last. */
const struct command *command_at(size_t i);
/* NULL: there is none. */
const struct command *command_find(const char *name);
/* `name` as typed, of `len` bytes; NULL: there is none. */
const struct option_entry *option_find(const struct option_entry *options, const char *name,
                                       size_t len);
/* "from-hour" of "from_hour". */
void option_name(const struct option_entry *o, char *dst, size_t size);

/* The help of a command, or of wsctl (NULL). */
void help_print(FILE *to, const struct command *cmd);
/* What a plain text says of the environment, the exit codes and the files: for help and pages. */
struct help_item {
        const char *name, *text;
};
extern const struct help_item help_exits[], help_environment[], help_files[]; /* end with NULL */
