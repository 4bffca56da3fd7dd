/* wsctl ps: the workspaces that are meant, as a table or JSON, once or again and again. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "list.h"

static void print_table(const struct ctl *c, const struct list_rule *rule, const struct list *list)
{
        const char *titles[LIST_COLUMN_MAX + 1] = {NULL};
        struct table *t;
        char cell[200];

        for (size_t k = 0; k < rule->n_columns; k++)
                titles[k] = list_title(rule->columns[k]);
        t = table_new(titles, c->color);
        for (size_t i = 0; i < list->n; i++) {
                for (size_t k = 0; k < rule->n_columns; k++) {
                        enum table_color color =
                                list_cell(rule->columns[k], list->rows[i], cell, sizeof(cell));

                        table_add(t, cell, color);
                }
        }
        table_print(t);
        table_free(t);
}

static enum ctl_exit once(const struct ctl *c, const struct list_rule *rule)
{
        AUTO_DOC *request = ctl_request_new("ps", NULL);
        AUTO_DOC *answer = NULL;
        struct list list;
        enum ctl_exit r;

        r = ctl_ask(c, request, 0, &answer);
        if (r != CTL_OK)
                return r;
        list_take(rule, answer, &list);
        if (c->watch && isatty(STDOUT_FILENO) && !c->json)
                fputs("\033[H\033[2J", stdout);
        if (c->json) {
                doc_keep(answer, "workspaces", list.rows, list.n);
                (void)ctl_print_json(c, answer);
        } else {
                print_table(c, rule, &list);
        }
        free(list.rows);
        (void)fflush(stdout);
        return CTL_OK;
}

enum ctl_exit command_ps(const struct ctl *c)
{
        struct timespec pause = {.tv_sec =
                                         (time_t)(c->interval_s ? c->interval_s : CTL_INTERVAL_S)};
        struct list_rule rule;
        enum ctl_exit r = list_rule(c, &rule);

        if (r == CTL_OK)
                r = once(c, &rule);
        /* A controller that is away for a while is said and waited for; a pipe that closed ends it.
         */
        while (c->watch && (r == CTL_OK || r == CTL_UNREACHABLE) && !ferror(stdout)) {
                (void)nanosleep(&pause, NULL);
                if (!c->json && !isatty(STDOUT_FILENO))
                        putchar('\n');
                r = once(c, &rule);
        }
        return r;
}
