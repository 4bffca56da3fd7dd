#include "list.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

enum sort_kind { SORT_TEXT, SORT_NUMBER, SORT_TIME };

static const struct {
        const char *name, *title, *field;
        enum sort_kind kind;
} columns[] = {
#define LIST_COLUMN(id, name, title, field, kind) [LIST_##id] = {name, title, field, SORT_##kind},
#include "list_column.def"
#undef LIST_COLUMN
};

static_assert(sizeof(LIST_COLUMN_NAMES) - 1 ==
#define LIST_COLUMN(id, name, title, field, kind) sizeof(name) +
#include "list_column.def"
#undef LIST_COLUMN
                      0,
              "they are the table's");

const char *list_title(enum list_column column)
{
        return columns[column].title;
}

/* ---- texts ---- */

void text_age(double s, char *dst, size_t size)
{
        if (s < 0)
                dst[0] = 0;
        else if (s < 60)
                (void)snprintf(dst, size, "%.0f s", s);
        else if (s < 3600)
                (void)snprintf(dst, size, "%.0f min", s / 60);
        else if (s < 86400)
                (void)snprintf(dst, size, "%d h %02d", (int)(s / 3600), (int)(s / 60) % 60);
        else
                (void)snprintf(dst, size, "%.0f d", s / 86400);
}

enum table_color state_color(const char *state)
{
        static const struct {
                const char *state;
                enum table_color color;
        } colors[] = {
                {"running", TABLE_GOOD},     {"ready", TABLE_GOOD},    {"warm", TABLE_GOOD},
                {"attention", TABLE_BAD},    {"lost", TABLE_BAD},      {"failed", TABLE_BAD},
                {"recovering", TABLE_BAD},   {"stopped", TABLE_DIM},   {"deleted", TABLE_DIM},
                {"gone", TABLE_DIM},         {"starting", TABLE_BUSY}, {"saving", TABLE_BUSY},
                {"launching", TABLE_BUSY},   {"claimed", TABLE_BUSY},  {"stopping", TABLE_BUSY},
                {"terminating", TABLE_BUSY},
        };

        for (size_t i = 0; i < ARRAY_LEN(colors); i++) {
                if (strcmp(colors[i].state, state) == 0)
                        return colors[i].color;
        }
        return TABLE_PLAIN;
}

/* "2026-01-02 03:04:05" of "2026-01-02T03:04:05.678Z". */
static void time_text(const char *iso, char *dst, size_t size)
{
        if (strlen(iso) < 19)
                dst[0] = 0;
        else
                (void)snprintf(dst, size, "%.10s %.8s", iso, iso + 11);
}

/* Others than "default" are shown: tenant/user/name. */
static void user_text(const struct doc *w, char *dst, size_t size)
{
        const char *name = doc_str(w, "name"), *tenant = doc_str(w, "tenant");
        bool own_tenant = tenant[0] && strcmp(tenant, "default") != 0;
        bool own_name = name[0] && strcmp(name, "default") != 0;

        (void)snprintf(dst, size, "%s%s%s%s%s", own_tenant ? tenant : "", own_tenant ? "/" : "",
                       doc_str(w, "user_id"), own_name ? "/" : "", own_name ? name : "");
}

/* What is in no save for too long is marked, with colours and without. */
static enum table_color unsaved_text(const struct doc *w, char *dst, size_t size)
{
        bool alarm = doc_true(w, "unsaved_alarm");
        char age[32];

        text_age(doc_num(w, "unsaved_s", -1), age, sizeof(age));
        (void)snprintf(dst, size, "%s%s", age, alarm ? " !" : "");
        return alarm ? TABLE_BAD : TABLE_PLAIN;
}

static void labels_text(const struct doc *w, char *dst, size_t size)
{
        size_t len = 0;

        dst[0] = 0;
        for (const struct doc *l = NULL; len < size && (l = doc_next(doc_get(w, "labels"), l));) {
                int n = doc_kind(l) == DOC_NUMBER
                                ? snprintf(dst + len, size - len, "%s%s=%g", len ? " " : "",
                                           doc_key(l), doc_value(l))
                                : snprintf(dst + len, size - len, "%s%s=%s", len ? " " : "",
                                           doc_key(l), doc_text(l));
                len += n > 0 ? (size_t)n : 0;
        }
}

/* What it is busy with: a running one has no reason, so there is room. */
static enum table_color busy_text(const struct doc *w, char *dst, size_t size)
{
        const struct doc *job = doc_get(w, "job"), *restore = doc_get(w, "restore");
        const struct doc *fell_back = doc_get(w, "fell_back");
        char holds[32];

        dst[0] = 0;
        if (doc_str(fell_back, "restored")[0]) {
                (void)snprintf(dst, size, "the newest save is damaged, %s was restored: %s",
                               doc_str(fell_back, "restored"), doc_str(fell_back, "why"));
                return TABLE_BAD;
        }
        if (doc_str(job, "name")[0]) {
                text_age(doc_num(job, "holds_s", 0), holds, sizeof(holds));
                (void)snprintf(dst, size, "busy: %s, %s more at most", doc_str(job, "name"), holds);
        } else if (doc_num(restore, "total_bytes", 0) > 0) {
                (void)snprintf(dst, size, "restoring: %.0f of %.0f MB",
                               doc_num(restore, "done_bytes", 0) / 1e6,
                               doc_num(restore, "total_bytes", 0) / 1e6);
        }
        return TABLE_PLAIN;
}

static enum table_color reason_text(const struct doc *w, char *dst, size_t size)
{
        const struct doc *stop = doc_get(w, "stop");
        const char *state = doc_str(w, "state");
        double place = doc_num(stop, "place", 0);
        char eta[32];

        if (place > 0) {
                text_age(doc_num(stop, "eta_s", -1), eta, sizeof(eta));
                (void)snprintf(dst, size, "waits to be stopped: number %.0f%s%s: %s", place,
                               eta[0] ? ", about " : "", eta, doc_str(stop, "why"));
                return TABLE_PLAIN;
        }
        if (strcmp(state, "running") == 0)
                return busy_text(w, dst, size);
        str_copy_cut(dst, size, doc_str(w, "reason"));
        return strcmp(state, "attention") == 0 ? TABLE_BAD : TABLE_PLAIN;
}

enum table_color list_cell(enum list_column column, const struct doc *w, char *dst, size_t size)
{
        const char *field = columns[column].field;

        switch (column) {
        case LIST_ID:
        case LIST_TYPE:
        case LIST_TASK:
        case LIST_PHASE:
                str_copy_cut(dst, size, doc_str(w, field));
                return TABLE_PLAIN;
        case LIST_USER:
                user_text(w, dst, size);
                return TABLE_PLAIN;
        case LIST_STATE:
                str_copy_cut(dst, size, doc_str(w, field));
                return state_color(dst);
        case LIST_IDLE:
                text_age(doc_num(w, field, -1), dst, size);
                return TABLE_PLAIN;
        case LIST_UNSAVED:
                return unsaved_text(w, dst, size);
        case LIST_SINCE:
        case LIST_CREATED:
                time_text(doc_str(w, field), dst, size);
                return TABLE_PLAIN;
        case LIST_GENERATION:
                (void)snprintf(dst, size, "%.0f", doc_num(w, field, 0));
                return TABLE_PLAIN;
        case LIST_SAVE:
                time_text(doc_str(doc_get(w, field), "at"), dst, size);
                return TABLE_PLAIN;
        case LIST_LABELS:
                labels_text(w, dst, size);
                return TABLE_PLAIN;
        case LIST_REASON:
                return reason_text(w, dst, size);
        case LIST_COLUMN_MAX:
                break;
        }
        dst[0] = 0;
        return TABLE_PLAIN;
}

/* ---- which are meant ---- */

static bool in_list(const char *list, const char *word)
{
        size_t len = strlen(word);

        for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
                if (strcspn(at, ",") == len && strncmp(at, word, len) == 0)
                        return true;
        }
        return false;
}

static bool has_label(const struct doc *w, const char *want)
{
        size_t len = strcspn(want, "=");
        char text[200];

        for (const struct doc *l = NULL; (l = doc_next(doc_get(w, "labels"), l));) {
                if (strlen(doc_key(l)) != len || strncmp(doc_key(l), want, len) != 0)
                        continue;
                if (!want[len])
                        return true;
                if (doc_kind(l) == DOC_NUMBER)
                        (void)snprintf(text, sizeof(text), "%g", doc_value(l));
                else
                        STR_CUT(text, doc_text(l));
                return strcmp(text, want + len + 1) == 0;
        }
        return false;
}

static bool holds_text(const struct doc *w, const char *text)
{
        static const enum list_column looked_at[] = {LIST_ID, LIST_USER, LIST_TYPE, LIST_STATE,
                                                     LIST_REASON};
        char cell[200];

        for (size_t i = 0; i < ARRAY_LEN(looked_at); i++) {
                (void)list_cell(looked_at[i], w, cell, sizeof(cell));
                if (strcasestr(cell, text))
                        return true;
        }
        return false;
}

static bool is_meant(const struct list_rule *rule, const struct doc *w)
{
        if (rule->states && !in_list(rule->states, doc_str(w, "state")))
                return false;
        if (rule->type && strcmp(rule->type, doc_str(w, "workspace_type")) != 0)
                return false;
        if (rule->user && strcmp(rule->user, doc_str(w, "user_id")) != 0)
                return false;
        if (rule->label && !has_label(w, rule->label))
                return false;
        if (rule->idle_over_s >= 0 && doc_num(w, "idle_s", -1) <= rule->idle_over_s)
                return false;
        return !rule->text || !rule->text[0] || holds_text(w, rule->text);
}

static int compare(const void *a, const void *b, void *ctx)
{
        const struct list_rule *rule = ctx;
        const struct doc *x = *(const struct doc *const *)a, *y = *(const struct doc *const *)b;
        const char *field = columns[rule->by].field;
        double dx, dy;
        int r = 0;

        switch (columns[rule->by].kind) {
        case SORT_TEXT:
                r = strcmp(doc_str(x, field), doc_str(y, field));
                break;
        case SORT_NUMBER:
                dx = doc_num(x, field, -1);
                dy = doc_num(y, field, -1);
                r = (dx > dy) - (dx < dy);
                break;
        case SORT_TIME:
                r = strcmp(doc_str(doc_get(x, field), "at"), doc_str(doc_get(y, field), "at"));
                break;
        }
        if (r == 0) /* so that rows do not jump */
                return strcmp(doc_str(x, "id"), doc_str(y, "id"));
        return rule->descending ? -r : r;
}

void list_take(const struct list_rule *rule, const struct doc *answer, struct list *ret_list)
{
        const struct doc *all = doc_get(answer, "workspaces");
        struct list_rule order = *rule;
        struct list list = {0};

        for (const struct doc *w = NULL; (w = doc_next(all, w));)
                list.total++;
        list.rows = calloc(list.total + 1, sizeof(struct doc *));
        if (!list.rows) {
                fputs("wsctl: out of memory\n", stderr);
                exit(CTL_FAILED);
        }
        for (const struct doc *w = NULL; (w = doc_next(all, w));) {
                if (is_meant(rule, w))
                        list.rows[list.n++] = w;
        }
        if (rule->sorted)
                qsort_r(list.rows, list.n, sizeof(list.rows[0]), compare, &order);
        *ret_list = list;
}

/* ---- what the options say ---- */

static bool column_parse(const char *name, size_t len, enum list_column *ret_column)
{
        for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
                if (strlen(columns[i].name) == len && strncmp(columns[i].name, name, len) == 0) {
                        *ret_column = (enum list_column)i;
                        return true;
                }
        }
        fprintf(stderr, "wsctl: there is no column \"%.*s\"; these are:%s\n", (int)len, name,
                LIST_COLUMN_NAMES);
        return false;
}

static enum ctl_exit columns_parse(const char *list, struct list_rule *rule)
{
        rule->n_columns = 0;
        for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
                if (rule->n_columns == LIST_COLUMN_MAX) {
                        fprintf(stderr, "wsctl: --columns: %d at most\n", LIST_COLUMN_MAX);
                        return CTL_USAGE;
                }
                if (!column_parse(at, strcspn(at, ","), &rule->columns[rule->n_columns++]))
                        return CTL_USAGE;
        }
        return CTL_OK;
}

static enum ctl_exit states_check(const char *list)
{
        static const char known[] = "stopped,starting,running,saving,attention,recovering,deleted";
        char word[40];

        for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
                (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, ","), at);
                if (!in_list(known, word)) {
                        fprintf(stderr, "wsctl: --state: \"%s\" is none of %s\n", word, known);
                        return CTL_USAGE;
                }
        }
        return CTL_OK;
}

static void default_columns(bool wide, struct list_rule *rule)
{
        static const enum list_column narrow[] = {LIST_ID,      LIST_USER,  LIST_TYPE,
                                                  LIST_STATE,   LIST_TASK,  LIST_IDLE,
                                                  LIST_UNSAVED, LIST_SINCE, LIST_REASON};
        static const enum list_column all[] = {
                LIST_ID,   LIST_USER,    LIST_TYPE,  LIST_STATE, LIST_TASK,
                LIST_IDLE, LIST_UNSAVED, LIST_SINCE, LIST_PHASE, LIST_GENERATION,
                LIST_SAVE, LIST_LABELS,  LIST_REASON};

        rule->n_columns = wide ? ARRAY_LEN(all) : ARRAY_LEN(narrow);
        memcpy(rule->columns, wide ? all : narrow, rule->n_columns * sizeof(all[0]));
}

enum ctl_exit list_rule(const struct ctl *c, struct list_rule *ret_rule)
{
        struct list_rule rule = {.states = c->state_is,
                                 .type = c->type,
                                 .user = c->user_is,
                                 .label = c->label,
                                 .idle_over_s = -1};
        const char *by = c->sort;
        int64_t ms;

        if (c->idle_over) {
                if (num_parse_duration_ms(c->idle_over, &ms) < 0) {
                        fprintf(stderr,
                                "wsctl: --idle-over: \"%s\" is no duration such as 90s, 20m or "
                                "2h\n",
                                c->idle_over);
                        return CTL_USAGE;
                }
                rule.idle_over_s = (double)ms / 1000;
        }
        if (c->state_is && states_check(c->state_is) != CTL_OK)
                return CTL_USAGE;
        if (by) {
                rule.descending = *by == '-';
                by += rule.descending;
                rule.sorted = true;
                if (!column_parse(by, strlen(by), &rule.by))
                        return CTL_USAGE;
        }
        default_columns(c->wide, &rule);
        if (c->columns && columns_parse(c->columns, &rule) != CTL_OK)
                return CTL_USAGE;
        *ret_rule = rule;
        return CTL_OK;
}
