/* Aligned columns for people: cells are collected, then printed with the widths they need. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

#define TABLE_COLUMNS_MAX 16

enum table_color { TABLE_PLAIN, TABLE_GOOD, TABLE_BUSY, TABLE_BAD, TABLE_DIM };

struct table;

/* `titles` ends with NULL and is kept by pointer. Out of memory ends the program. */
struct table *table_new(const char *const *titles, bool color);
struct table *table_free(struct table *t);
/* Cells go row by row, from the left. Text is copied; control characters become '?'; "" is "-". */
void table_add(struct table *t, const char *text, enum table_color color);
void table_printf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void table_print(const struct table *t);
