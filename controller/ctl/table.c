#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define CELL_SIZE 200

struct cell {
        char text[CELL_SIZE];
        enum table_color color;
};

struct table {
        const char *const *titles;
        size_t n_columns, n_cells, max_cells;
        struct cell *cells;
        bool color;
};

static void *checked(void *p)
{
        if (!p) {
                fputs("wsctl: out of memory\n", stderr);
                exit(1);
        }
        return p;
}

struct table *table_new(const char *const *titles, bool color)
{
        struct table *t = checked(calloc(1, sizeof(*t)));

        t->titles = titles;
        t->color = color;
        while (titles[t->n_columns])
                t->n_columns++;
        return t;
}

struct table *table_free(struct table *t)
{
        if (!t)
                return NULL;
        free(t->cells);
        free(t);
        return NULL;
}

void table_add(struct table *t, const char *text, enum table_color color)
{
        struct cell *c;

        if (t->n_cells == t->max_cells) {
                t->max_cells = t->max_cells ? 2 * t->max_cells : 64;
                t->cells = checked(realloc(t->cells, t->max_cells * sizeof(*t->cells)));
        }
        c = &t->cells[t->n_cells++];
        STR_CUT(c->text, text[0] ? text : "-");
        for (char *p = c->text; *p; p++) {
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                        *p = '?';
        }
        c->color = color;
}

void table_printf(struct table *t, const char *fmt, ...)
{
        char text[CELL_SIZE];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        table_add(t, text, TABLE_PLAIN);
}

/* Characters, not bytes: continuation bytes of UTF-8 take no column. */
static size_t width(const char *s)
{
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        return n;
}

static void print_cell(const struct table *t, const char *text, enum table_color color, size_t w,
                       bool last)
{
        static const char *const codes[] = {
                [TABLE_PLAIN] = "",       [TABLE_GOOD] = "\033[32m", [TABLE_BUSY] = "\033[33m",
                [TABLE_BAD] = "\033[31m", [TABLE_DIM] = "\033[2m",
        };
        bool on = t->color && color != TABLE_PLAIN;

        printf("%s%s%s", on ? codes[color] : "", text, on ? "\033[0m" : "");
        if (last)
                putchar('\n');
        else
                printf("%*s", (int)(w - width(text) + 2), "");
}

void table_print(const struct table *t)
{
        size_t w[TABLE_COLUMNS_MAX] = {0};

        for (size_t i = 0; i < t->n_columns; i++)
                w[i] = width(t->titles[i]);
        for (size_t i = 0; i < t->n_cells; i++)
                w[i % t->n_columns] = MAX(w[i % t->n_columns], width(t->cells[i].text));
        for (size_t i = 0; i < t->n_columns; i++)
                print_cell(t, t->titles[i], TABLE_DIM, w[i], i + 1 == t->n_columns);
        for (size_t i = 0; i < t->n_cells; i++)
                print_cell(t, t->cells[i].text, t->cells[i].color, w[i % t->n_columns],
                           (i + 1) % t->n_columns == 0);
}
