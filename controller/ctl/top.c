/* wsctl top: the controller on one screen, refreshed; keys choose, sort, filter, explain and stop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mono.h"
#include "base/str.h"
#include "list.h"
#include "screen.h"

#define CELL_SIZE 200
#define POOLS_SHOWN 4

enum view { VIEW_LIST, VIEW_FILTER, VIEW_CONFIRM, VIEW_WHY, VIEW_HELP };

struct top {
        struct ctl c;
        struct list_rule rule;
        struct doc *status, *ps;
        struct list list;
        size_t selected, first; /* rows of the list: chosen, and at the top */
        char chosen[40];        /* its id, so that it stays chosen when rows move */
        size_t rows_shown;      /* as it was drawn last */
        enum view view;
        char filter[64], filter_before[64];
        char message[300];
        char trouble[120]; /* why the figures are old; "" they are not */
        char *text;        /* of a view, malloc'd */
        size_t text_line;
        uint64_t interval_s;
};

static const char keys_text[] =
        "keys\n\n"
        "up, down, k, j     choose a workspace; also page up and down, home, end\n"
        "enter, w           why is it alive, and when would it stop\n"
        "s                  save and stop it; asks first\n"
        "<, >               sort by the column before or behind\n"
        "r                  the other way round\n"
        "/                  show only what holds a text\n"
        "escape             all again; leave a view\n"
        "+, -               refresh more often, less often\n"
        "space              refresh now\n"
        "h, ?               these keys\n"
        "q, ctrl-c          end\n";

/* ---- asking ---- */

/* NULL: no answer, or a refusal; `say` has the reason. */
static struct doc *ask(struct top *t, const char *cmd, const char *workspace, char *say,
                       size_t size)
{
        AUTO_DOC *request = ctl_request_new(cmd, workspace);
        AUTO_DOC *answer = NULL;

        if (ctl_ask_quietly(&t->c, request, 0, &answer) != CTL_OK) {
                (void)snprintf(say, size, "no answer from the controller");
                return NULL;
        }
        if (doc_get(answer, "error")) {
                str_copy_cut(say, size, doc_str(doc_get(answer, "error"), "message"));
                return NULL;
        }
        return STEAL(answer, NULL);
}

static const struct doc *chosen(const struct top *t)
{
        return t->selected < t->list.n ? t->list.rows[t->selected] : NULL;
}

static void choose(struct top *t, size_t row)
{
        t->selected = t->list.n ? MIN(row, t->list.n - 1) : 0;
        STR_CUT(t->chosen, t->list.n ? doc_str(chosen(t), "id") : "");
}

/* Filter and sort anew; the chosen one stays chosen. */
static void arrange(struct top *t)
{
        free(t->list.rows);
        t->list = (struct list){0};
        if (!t->ps)
                return;
        t->rule.text = t->filter;
        list_take(&t->rule, t->ps, &t->list);
        for (size_t i = 0; i < t->list.n; i++) {
                if (strcmp(doc_str(t->list.rows[i], "id"), t->chosen) == 0) {
                        t->selected = i;
                        return;
                }
        }
        choose(t, t->selected);
}

static void refresh(struct top *t)
{
        struct doc *status, *ps;

        t->trouble[0] = 0;
        status = ask(t, "status", NULL, t->trouble, sizeof(t->trouble));
        ps = status ? ask(t, "ps", NULL, t->trouble, sizeof(t->trouble)) : NULL;
        if (!status || !ps) {
                doc_free(status);
                return;
        }
        free(t->list.rows);
        t->list = (struct list){0};
        doc_free(t->status);
        doc_free(t->ps);
        t->status = status;
        t->ps = ps;
        arrange(t);
}

/* ---- drawing ---- */

static void style(const struct top *t, enum table_color color)
{
        screen_style(t->c.color, color, 0);
}

static void draw_title(const struct top *t)
{
        time_t now = (time_t)(utc_read().us / US_PER_S);
        struct tm tm = {0};

        (void)gmtime_r(&now, &tm);
        screen_style(t->c.color, TABLE_PLAIN, SCREEN_BOLD);
        screen_put("wsctl top");
        style(t, TABLE_PLAIN);
        screen_printf("  %02d:%02d:%02d UTC", tm.tm_hour, tm.tm_min, tm.tm_sec);
        if (t->trouble[0]) {
                style(t, TABLE_BAD);
                screen_printf("  %s; the figures are old", t->trouble);
        } else if (t->status) {
                bool writable = doc_true(t->status, "store_writable");

                screen_printf("  %s, epoch %.0f", doc_str(t->status, "role"),
                              doc_num(t->status, "epoch", 0));
                style(t, writable ? TABLE_PLAIN : TABLE_BAD);
                screen_printf("  store %s", writable ? "writable" : "NOT WRITABLE");
                style(t, TABLE_BAD);
                screen_put(doc_true(t->status, "draining") ? "  shutting down" : "");
                style(t, TABLE_DIM);
                screen_printf("  every %llu s, h: keys", (unsigned long long)t->interval_s);
        }
        screen_next();
}

static void draw_counts(const struct top *t)
{
        style(t, TABLE_PLAIN);
        screen_put("workspaces");
        for (const struct doc *n = NULL; (n = doc_next(doc_get(t->status, "workspaces"), n));) {
                if (doc_value(n) <= 0)
                        continue;
                style(t, state_color(doc_key(n)));
                screen_printf("  %.0f %s", doc_value(n), doc_key(n));
        }
        style(t, TABLE_PLAIN);
        screen_next();
}

static void draw_pool(const struct top *t, const struct doc *p)
{
        double warm = doc_num(p, "warm", 0), target = doc_num(p, "target", 0);
        double hits = doc_num(p, "hits", 0), misses = doc_num(p, "misses", 0);
        double waiting = doc_num(p, "waiting", 0);

        style(t, TABLE_PLAIN);
        screen_printf("pool %-12s", doc_str(p, "workspace_type"));
        style(t, warm >= target ? TABLE_GOOD : TABLE_BUSY);
        screen_printf("  %.0f of %.0f warm", warm, target);
        style(t, TABLE_PLAIN);
        screen_printf(", %.0f launching, %.0f in use", doc_num(p, "launching", 0),
                      doc_num(p, "claimed", 0));
        if (waiting > 0) {
                style(t, TABLE_BAD);
                screen_printf(", %.0f wait", waiting);
        }
        style(t, TABLE_DIM);
        if (hits + misses > 0)
                screen_printf(", %.1f %% hits", 100 * hits / (hits + misses));
        screen_printf("  %s", doc_str(p, "reason"));
        screen_next();
}

/* At least half of the screen is for the rows. */
static void draw_head(const struct top *t)
{
        int left = screen_rows() / 2 - 3;
        const struct doc *stops = doc_get(t->status, "stops");
        double waiting = doc_num(stops, "waiting", 0), under_way = doc_num(stops, "under_way", 0);
        int pools = 0;

        draw_title(t);
        draw_counts(t);
        for (const struct doc *m = NULL; left > 0 && (m = doc_next(doc_get(t->status, "modes"), m));
             left--) {
                style(t, TABLE_BUSY);
                screen_printf("%s  %s%s, %s", doc_str(m, "mode"),
                              doc_str(m, "workspace_type")[0] ? doc_str(m, "workspace_type")
                                                              : "every type",
                              doc_true(m, "hard") ? ", hard" : "", doc_str(m, "why"));
                screen_next();
        }
        if (left > 0 && waiting + under_way > 0) {
                style(t, TABLE_BUSY);
                screen_printf("stops  %.0f saved now, %.0f wait", under_way, waiting);
                screen_next();
                left--;
        }
        for (const struct doc *p = NULL;
             left > 0 && pools < POOLS_SHOWN && (p = doc_next(doc_get(t->status, "pools"), p));
             left--, pools++)
                draw_pool(t, p);
}

/* ---- the rows ---- */

static int width_of(const char *s)
{
        int n = 0;

        for (; *s; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        return n;
}

struct layout {
        enum list_column columns[LIST_COLUMN_MAX];
        int widths[LIST_COLUMN_MAX];
        size_t n;
};

static int column_width(const struct top *t, enum list_column column, size_t first, size_t n)
{
        int w = width_of(list_title(column)) + (t->rule.sorted && t->rule.by == column);
        char cell[CELL_SIZE];

        for (size_t i = first; i < first + n && i < t->list.n; i++) {
                (void)list_cell(column, t->list.rows[i], cell, sizeof(cell));
                w = MAX(w, width_of(cell));
        }
        return column == LIST_REASON ? w : MIN(w, 26);
}

/* The columns that fit, the most telling first; shown in the usual order. */
static void lay_out(const struct top *t, size_t n, struct layout *l)
{
        static const enum list_column by_worth[] = {LIST_ID,     LIST_USER,  LIST_STATE,
                                                    LIST_IDLE,   LIST_TYPE,  LIST_UNSAVED,
                                                    LIST_REASON, LIST_SINCE, LIST_TASK};
        static const enum list_column in_order[] = {LIST_ID,    LIST_USER, LIST_TYPE,
                                                    LIST_STATE, LIST_IDLE, LIST_UNSAVED,
                                                    LIST_SINCE, LIST_TASK, LIST_REASON};
        bool fits[LIST_COLUMN_MAX] = {false};
        int widths[LIST_COLUMN_MAX] = {0};
        int left = screen_columns();

        for (size_t i = 0; i < ARRAY_LEN(by_worth); i++) {
                enum list_column k = by_worth[i];
                int need;

                widths[k] = column_width(t, k, t->first, n);
                /* A reason is cut where it does not fit; a part of it says much. */
                need = k == LIST_REASON ? MIN(widths[k], 24) : widths[k];
                if (i > 0 && need + 2 > left)
                        continue;
                fits[k] = true;
                left -= need + 2;
        }
        l->n = 0;
        for (size_t i = 0; i < ARRAY_LEN(in_order); i++) {
                if (!fits[in_order[i]])
                        continue;
                l->columns[l->n] = in_order[i];
                l->widths[l->n++] = widths[in_order[i]];
        }
}

static void draw_titles(const struct top *t, const struct layout *l)
{
        int column = 0;

        screen_style(t->c.color, TABLE_PLAIN, SCREEN_REVERSE);
        for (size_t k = 0; k < l->n; k++) {
                bool by = t->rule.sorted && t->rule.by == l->columns[k];

                screen_pad(column);
                screen_printf("%s%s", list_title(l->columns[k]),
                              !by                  ? ""
                              : t->rule.descending ? "-"
                                                   : "+");
                column += l->widths[k] + 2;
        }
        screen_pad(screen_columns());
        screen_next();
}

static void draw_row(const struct top *t, const struct layout *l, size_t row)
{
        int flags = row == t->selected ? SCREEN_REVERSE : 0, column = 0;
        char cell[CELL_SIZE], shown[CELL_SIZE];

        for (size_t k = 0; k < l->n; k++) {
                enum table_color color =
                        list_cell(l->columns[k], t->list.rows[row], cell, sizeof(cell));
                size_t cut = 0;

                /* So many characters, not bytes. */
                for (int n = 0; cell[cut]; cut++) {
                        n += ((unsigned char)cell[cut] & 0xc0) != 0x80;
                        if (n > l->widths[k])
                                break;
                }
                (void)snprintf(shown, sizeof(shown), "%.*s", (int)cut, cell);
                screen_style(t->c.color, TABLE_PLAIN, flags);
                screen_pad(column);
                screen_style(t->c.color, color, flags);
                screen_put(shown[0] ? shown : "-");
                column += l->widths[k] + 2;
        }
        screen_style(t->c.color, TABLE_PLAIN, flags);
        if (flags)
                screen_pad(screen_columns());
        screen_next();
}

static int lines_of_head(const struct top *t)
{
        const struct doc *stops = doc_get(t->status, "stops");
        int n = 0, pools = 0, most = MAX(screen_rows() / 2 - 3, 0);

        for (const struct doc *m = NULL; (m = doc_next(doc_get(t->status, "modes"), m));)
                n++;
        n += doc_num(stops, "waiting", 0) + doc_num(stops, "under_way", 0) > 0;
        for (const struct doc *p = NULL;
             pools < POOLS_SHOWN && (p = doc_next(doc_get(t->status, "pools"), p));)
                pools++;
        return 2 + MIN(n + pools, most);
}

static void draw_rows(struct top *t)
{
        int room = screen_rows() - lines_of_head(t) - 2; /* titles, and the line below */
        struct layout l;

        t->rows_shown = room > 1 ? (size_t)room : 1;
        if (t->selected < t->first)
                t->first = t->selected;
        if (t->selected >= t->first + t->rows_shown)
                t->first = t->selected + 1 - t->rows_shown;
        if (t->first + t->rows_shown > t->list.n)
                t->first = t->list.n > t->rows_shown ? t->list.n - t->rows_shown : 0;
        lay_out(t, t->rows_shown, &l);
        draw_titles(t, &l);
        for (size_t i = t->first; i < t->list.n && i < t->first + t->rows_shown; i++)
                draw_row(t, &l, i);
}

static void draw_bottom(const struct top *t)
{
        const struct doc *w = chosen(t);

        screen_line(screen_rows() - 1);
        style(t, TABLE_PLAIN);
        if (t->view == VIEW_FILTER) {
                screen_printf("/%s", t->filter);
                screen_style(t->c.color, TABLE_PLAIN, SCREEN_REVERSE);
                screen_put(" ");
        } else if (t->view == VIEW_CONFIRM && w) {
                screen_style(t->c.color, TABLE_PLAIN, SCREEN_REVERSE);
                screen_printf("stop %s? y/n  It is saved first. User %s.", doc_str(w, "id"),
                              doc_str(w, "user_id"));
        } else if (t->message[0]) {
                screen_put(t->message);
        } else {
                style(t, TABLE_DIM);
                screen_printf("%zu of %zu", t->list.n, t->list.total);
                if (t->filter[0])
                        screen_printf(" with \"%s\"", t->filter);
                if (t->list.n)
                        screen_printf("  row %zu", t->selected + 1);
        }
        screen_end();
}

/* Bytes of the next line: all of it, or up to the last blank that fits the screen. */
static size_t line_length(const char *at)
{
        size_t len = strcspn(at, "\n"), fits = (size_t)screen_columns();

        if (len <= fits)
                return len;
        for (size_t i = fits; i > 0; i--) {
                if (at[i] == ' ')
                        return i;
        }
        return fits;
}

static void draw_text(const struct top *t)
{
        const char *at = t->text ? t->text : "";
        size_t skip = t->text_line;

        screen_begin();
        for (int line = 0; *at && line < screen_rows() - 1;) {
                size_t len = line_length(at);

                if (skip > 0) {
                        skip--;
                } else {
                        style(t, TABLE_PLAIN);
                        screen_printf("%.*s", (int)len, at);
                        screen_next();
                        line++;
                }
                at += len + (at[len] == '\n' || at[len] == ' ');
        }
        screen_next();
        screen_line(screen_rows() - 1);
        style(t, TABLE_DIM);
        screen_put("escape: back, up and down: move");
        screen_end();
}

static void draw(struct top *t)
{
        if (t->view == VIEW_WHY || t->view == VIEW_HELP) {
                draw_text(t);
                return;
        }
        screen_begin();
        draw_head(t);
        draw_rows(t);
        /* Lines between the last row and the one below are emptied. */
        for (size_t i = t->list.n - MIN(t->first, t->list.n); i < t->rows_shown; i++)
                screen_next();
        draw_bottom(t);
}

/* ---- keys ---- */

/* show_why prints for people; the library lets stdout stand for a piece of memory meanwhile. */
static char *why_text(struct top *t, const struct doc *answer)
{
        struct ctl plain = t->c;
        FILE *before = stdout;
        char *text = NULL;
        size_t size = 0;
        FILE *memory = open_memstream(&text, &size);

        if (!memory)
                return NULL;
        plain.color = false;
        stdout = memory;
        show_why(&plain, answer);
        stdout = before;
        (void)fclose(memory);
        return text;
}

static void show_text(struct top *t, enum view view, char *text)
{
        free(t->text);
        t->text = text;
        t->view = view;
}

static void open_why(struct top *t)
{
        const struct doc *w = chosen(t);
        AUTO_DOC *answer =
                w ? ask(t, "why", doc_str(w, "id"), t->message, sizeof(t->message)) : NULL;

        if (!answer)
                return;
        t->text_line = t->view == VIEW_WHY ? t->text_line : 0;
        show_text(t, VIEW_WHY, why_text(t, answer));
}

static void stop_chosen(struct top *t)
{
        const struct doc *w = chosen(t);
        AUTO_DOC *answer =
                w ? ask(t, "stop", doc_str(w, "id"), t->message, sizeof(t->message)) : NULL;

        if (answer)
                (void)snprintf(t->message, sizeof(t->message), "%s is %s", doc_str(answer, "id"),
                               doc_str(answer, "state"));
        refresh(t);
}

static void sort_beside(struct top *t, int step)
{
        size_t n = t->rule.n_columns, i = 0;

        while (t->rule.sorted && i < n && t->rule.columns[i] != t->rule.by)
                i++;
        if (t->rule.sorted)
                i = (i + n + (size_t)(step + (int)n)) % n;
        t->rule.by = t->rule.columns[i % n];
        t->rule.sorted = true;
        arrange(t);
}

static void filter_key(struct top *t, int key)
{
        size_t len = strlen(t->filter);

        if (key == KEY_ENTER) {
                t->view = VIEW_LIST;
        } else if (key == KEY_ESCAPE) {
                STR_CUT(t->filter, t->filter_before);
                t->view = VIEW_LIST;
        } else if (key == KEY_BACKSPACE && len > 0) {
                t->filter[len - 1] = 0;
        } else if (key >= ' ' && key < 127 && len + 1 < sizeof(t->filter)) {
                t->filter[len] = (char)key;
                t->filter[len + 1] = 0;
        }
        arrange(t);
}

static void move_text(struct top *t, int key)
{
        size_t lines = 0, page = (size_t)MAX(screen_rows() - 2, 1);

        for (const char *p = t->text ? t->text : ""; *p; p++)
                lines += *p == '\n';
        if (key == KEY_DOWN || key == 'j')
                t->text_line++;
        else if (key == KEY_PAGE_DOWN)
                t->text_line += page;
        else if (key == KEY_UP || key == 'k')
                t->text_line -= t->text_line > 0;
        else if (key == KEY_PAGE_UP)
                t->text_line -= MIN(t->text_line, page);
        else if (key == KEY_ESCAPE || key == 'q' || key == KEY_ENTER || key == 'h' || key == 'w')
                t->view = VIEW_LIST;
        t->text_line = MIN(t->text_line, lines ? lines - 1 : 0);
}

static bool move_key(struct top *t, int key)
{
        size_t page = MAX(t->rows_shown, 2) - 1, row = t->selected;

        switch (key) {
        case KEY_UP:
        case 'k':
                choose(t, row - (row > 0));
                return true;
        case KEY_DOWN:
        case 'j':
                choose(t, row + 1);
                return true;
        case KEY_PAGE_UP:
                choose(t, row - MIN(row, page));
                return true;
        case KEY_PAGE_DOWN:
                choose(t, row + page);
                return true;
        case KEY_HOME:
                choose(t, 0);
                return true;
        case KEY_END:
                choose(t, t->list.n);
                return true;
        default:
                return false;
        }
}

/* False: end. */
static bool list_key(struct top *t, int key)
{
        t->message[0] = 0;
        if (move_key(t, key))
                return true;
        switch (key) {
        case 'q':
                return false;
        case KEY_ENTER:
        case 'w':
                open_why(t);
                break;
        case 's':
                t->view = chosen(t) ? VIEW_CONFIRM : VIEW_LIST;
                break;
        case '<':
        case '>':
                sort_beside(t, key == '<' ? -1 : 1);
                break;
        case 'r':
                t->rule.descending = !t->rule.descending;
                t->rule.sorted = true;
                arrange(t);
                break;
        case '/':
                STR_CUT(t->filter_before, t->filter);
                t->view = VIEW_FILTER;
                break;
        case KEY_ESCAPE:
                t->filter[0] = 0;
                arrange(t);
                break;
        case '+':
                t->interval_s = MAX(t->interval_s / 2, 1);
                break;
        case '-':
                t->interval_s = MIN(t->interval_s * 2, 3600);
                break;
        case ' ':
                refresh(t);
                break;
        case 'h':
        case '?':
                t->text_line = 0;
                show_text(t, VIEW_HELP, strdup(keys_text));
                break;
        default:
                break;
        }
        return true;
}

static bool take_key(struct top *t, int key)
{
        switch (t->view) {
        case VIEW_LIST:
                return list_key(t, key);
        case VIEW_FILTER:
                filter_key(t, key);
                return true;
        case VIEW_CONFIRM:
                t->view = VIEW_LIST;
                if (key == 'y' || key == 'Y')
                        stop_chosen(t);
                else
                        STR_CUT(t->message, "not stopped");
                return true;
        case VIEW_WHY:
        case VIEW_HELP:
                move_text(t, key);
                return true;
        }
        return true;
}

static void run(struct top *t)
{
        mono_t due = mono_read();

        for (;;) {
                mono_t now = mono_read();
                int key;

                if (mono_due(due, now)) {
                        refresh(t);
                        if (t->view == VIEW_WHY)
                                open_why(t);
                        due = mono_add_ms(mono_read(), (int64_t)t->interval_s * 1000);
                }
                draw(t);
                key = screen_key(MAX(mono_diff_ms(mono_read(), due) + 1, 1));
                if (key == KEY_QUIT || (key > KEY_NONE && key != KEY_REDRAW && !take_key(t, key)))
                        return;
                due = mono_min(due, mono_add_ms(mono_read(), (int64_t)t->interval_s * 1000));
        }
}

enum ctl_exit command_top(const struct ctl *c)
{
        AUTO_DOC *request = ctl_request_new("status", NULL);
        AUTO_DOC *first = NULL;
        struct top t = {.c = *c, .interval_s = c->interval_s ? c->interval_s : CTL_INTERVAL_S};
        const char *why_not = screen_check();
        enum ctl_exit r;

        if (c->json || why_not) {
                fprintf(stderr, "wsctl top: %s; use wsctl ps --watch%s\n",
                        why_not ? why_not : "a screen is no JSON", c->json ? " --json" : "");
                return CTL_USAGE;
        }
        r = list_rule(c, &t.rule);
        if (r == CTL_OK) /* says what is wrong while there is a place to say it */
                r = ctl_ask(c, request, 0, &first);
        if (r != CTL_OK)
                return r;
        t.c.brief = true;
        if (screen_open() < 0) {
                fputs("wsctl top: the terminal can not be set up\n", stderr);
                return CTL_FAILED;
        }
        run(&t);
        screen_close();
        free(t.list.rows);
        free(t.text);
        doc_free(t.status);
        doc_free(t.ps);
        screen_die_if_told();
        return CTL_OK;
}
