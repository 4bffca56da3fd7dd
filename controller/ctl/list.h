/* Workspaces as rows: which are meant, in which order, and what stands in each column. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ctl.h"
#include "table.h"

enum list_column {
#define LIST_COLUMN(id, name, title, field, kind) LIST_##id,
#include "list_column.def"
#undef LIST_COLUMN
        LIST_COLUMN_MAX
};

/* For sentences; list.c holds it against the table. */
#define LIST_COLUMN_NAMES                                                                          \
        " id user type state task idle unsaved since phase generation save created labels reason"

struct list_rule {
        const char *states, *type, *user, *label; /* NULL: any */
        double idle_over_s;                       /* below 0: any */
        const char *text; /* held by id, user, type, state or reason; "" or NULL: any */
        bool sorted, descending;
        enum list_column by;
        enum list_column columns[LIST_COLUMN_MAX];
        size_t n_columns;
};

struct list {
        const struct doc **rows; /* nodes of the answer; free() */
        size_t n, total;
};

/* What the options say; CTL_USAGE: they say what can not be, and it was printed. */
enum ctl_exit list_rule(const struct ctl *c, struct list_rule *ret_rule);
/* The workspaces of an answer to "ps" that are meant, in order. Out of memory ends the program. */
void list_take(const struct list_rule *rule, const struct doc *answer, struct list *ret_list);
const char *list_title(enum list_column column);
/* What stands there, cut at `size`, and its colour. */
enum table_color list_cell(enum list_column column, const struct doc *w, char *dst, size_t size);

/* "4 s", "12 min", "3 h 05"; "" for what is below 0. */
void text_age(double s, char *dst, size_t size);
/* The colour of a state of workspaces or tasks. */
enum table_color state_color(const char *state);
