/* wsctl timetable: which classes are known, whether the pools will do, and another timetable. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "ctl.h"
#include "table.h"
#include "timetable/text.h"

#define SET_WAIT_MS 10000
#define TEXT_MAX (4u << 20)

#define AUTO_TABLE CLEANUP(table_freep) struct table

static void table_freep(struct table **t)
{
        table_free(*t);
}

/* ---- showing ---- */

/* "2026-09-01T08:00:00Z" -> "Tue 2026-09-01 10:00" here. */
static void add_local(struct table *t, const char *iso)
{
        struct tm tm = {0};
        char text[40] = "";
        time_t at;

        if (strptime(iso, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
                at = timegm(&tm);
                if (localtime_r(&at, &tm))
                        (void)strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M", &tm);
        }
        table_add(t, text, TABLE_PLAIN);
}

static void add_expected(struct table *t, const struct doc *k)
{
        double seen = doc_num(k, "classes_seen", -1);

        if (seen < 0)
                table_add(t, "", TABLE_PLAIN);
        else if (seen < 1)
                table_printf(t, "%.0f ±%.0f, assumed", doc_num(k, "expected", 0),
                             doc_num(k, "deviation", 0));
        else
                table_printf(t, "%.0f ±%.0f, from %.0f", doc_num(k, "expected", 0),
                             doc_num(k, "deviation", 0), seen);
}

static enum table_color color_of(const char *state)
{
        return strcmp(state, "short") == 0      ? TABLE_BAD
               : strcmp(state, "replaced") == 0 ? TABLE_DIM
               : strcmp(state, "running") == 0  ? TABLE_BUSY
                                                : TABLE_GOOD;
}

static void show_sources(const struct doc *answer)
{
        const struct doc *file = doc_get(answer, "file");
        char revision[32];

        (void)snprintf(revision, sizeof(revision), "%.0f", doc_num(answer, "revision", 0));
        if (doc_kind(doc_get(answer, "document")) != DOC_NOTHING)
                printf("set by %s at %s, etag %s\n",
                       doc_str(answer, "updated_by")[0] ? doc_str(answer, "updated_by") : "?",
                       doc_str(answer, "updated_at"), doc_str(answer, "etag"));
        else
                puts("set by API: nothing");
        if (doc_str(answer, "document_error")[0])
                printf("  is not taken: %s\n", doc_str(answer, "document_error"));
        printf("file: %s\n", doc_str(file, "path")[0] ? doc_str(file, "path") : "none");
        if (doc_str(file, "error")[0])
                printf("  is not taken: %s\n", doc_str(file, "error"));
}

static void show_timetable(const struct ctl *c, const struct doc *answer)
{
        static const char *const titles[] = {"START",     "COURSE", "TYPE",   "ROSTER", "EXPECTED",
                                             "WARM FROM", "STATE",  "SOURCE", "WHY",    NULL};
        AUTO_TABLE *t = table_new(titles, c->color);
        double shown = 0;

        show_sources(answer);
        for (const struct doc *k = NULL; (k = doc_next(doc_get(answer, "classes"), k)); shown++) {
                const char *state = doc_str(k, "state");

                add_local(t, doc_str(k, "start"));
                table_add(t, doc_str(k, "course"), TABLE_PLAIN);
                table_add(t, doc_str(k, "workspace_type"), TABLE_PLAIN);
                table_printf(t, "%.0f", doc_num(k, "students", 0));
                add_expected(t, k);
                add_local(t, doc_str(k, "warm_from"));
                table_add(t, state, color_of(state));
                table_add(t, doc_str(k, "source"), TABLE_PLAIN);
                table_add(t, doc_str(k, "reason"), TABLE_PLAIN);
        }
        if (shown < 1) {
                puts("no classes are known");
                return;
        }
        table_print(t);
        if (doc_num(answer, "total", shown) > shown)
                printf("the next %.0f of %.0f\n", shown, doc_num(answer, "total", shown));
}

/* ---- changing ---- */

static enum ctl_exit read_text(const char *path, struct buf *text)
{
        int r = file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, text);

        if (r == 0)
                r = buf_append(text, "", 1);
        if (r == 0)
                return CTL_OK;
        fprintf(stderr, "wsctl timetable: %s: %s\n", path,
                r == -ENOBUFS ? "it is too large" : strerror(-r));
        return CTL_FAILED;
}

/* Without a controller: all but the types. */
static enum ctl_exit check_here(const struct ctl *c, const struct buf *text)
{
        char error[TIMETABLE_ERROR_SIZE] = "out of memory";
        struct timetable_text read;

        if (timetable_parse((const char *)text->data, text->len - 1, NULL, utc_read(), error,
                            &read) < 0) {
                fprintf(stderr, "wsctl timetable: %s: %s\n", c->file, error);
                return CTL_FAILED;
        }
        free(read.classes);
        printf("%s: good, %zu classes%s; no controller answers, so types were not checked\n",
               c->file, read.n, read.calendar ? " in the next 60 days" : "");
        return CTL_OK;
}

static enum ctl_exit check(const struct ctl *c)
{
        AUTO_BUF text = BUF_INIT(TEXT_MAX);
        AUTO_DOC *request = ctl_request_new("timetable", NULL);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r = read_text(c->file, &text);

        if (r != CTL_OK)
                return r;
        doc_set_str(request, "text", (const char *)text.data);
        doc_set_bool(request, "check", true);
        if (ctl_ask_quietly(c, request, 0, &answer) != CTL_OK)
                return check_here(c, &text);
        if (doc_get(answer, "error")) {
                (void)ctl_print_json(c, answer);
                fprintf(stderr, "wsctl timetable: %s: %s\n", c->file,
                        doc_str(doc_get(answer, "error"), "message"));
                return CTL_FAILED;
        }
        if (ctl_print_json(c, answer))
                return CTL_OK;
        printf("%s: good, %.0f classes", c->file, doc_num(answer, "classes", 0));
        if (doc_num(answer, "skipped", 0) > 0)
                printf(", %.0f events without a roster are none", doc_num(answer, "skipped", 0));
        putchar('\n');
        return CTL_OK;
}

static enum ctl_exit replace(const struct ctl *c, const char *text)
{
        AUTO_DOC *request = ctl_request_new("timetable", NULL);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r;

        doc_set_str(request, "text", text);
        if (c->if_match)
                doc_set_str(request, "if_match", c->if_match);
        r = ctl_ask(c, request, SET_WAIT_MS, &answer);
        if (r == CTL_OK && !ctl_print_json(c, answer))
                show_timetable(c, answer);
        return r;
}

static enum ctl_exit set(const struct ctl *c)
{
        AUTO_BUF text = BUF_INIT(TEXT_MAX);
        enum ctl_exit r = read_text(c->file, &text);

        if (r == CTL_OK && text.len <= 1) {
                fprintf(stderr,
                        "wsctl timetable: %s is empty; \"wsctl timetable clear\" clears it\n",
                        c->file);
                r = CTL_FAILED;
        }
        return r == CTL_OK ? replace(c, (const char *)text.data) : r;
}

static enum ctl_exit show(const struct ctl *c)
{
        AUTO_DOC *request = ctl_request_new("timetable", NULL);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r = ctl_ask(c, request, 0, &answer);

        if (r == CTL_OK && !ctl_print_json(c, answer))
                show_timetable(c, answer);
        return r;
}

enum ctl_exit command_timetable(const struct ctl *c)
{
        const char *action = c->argument ? c->argument : "show";
        bool takes_file = strcmp(action, "check") == 0 || strcmp(action, "set") == 0;

        if (takes_file != (c->file != NULL)) {
                fprintf(stderr, "wsctl timetable: %s %s; see wsctl timetable --help\n", action,
                        takes_file ? "needs a FILE, - for standard input" : "takes no FILE");
                return CTL_USAGE;
        }
        if (strcmp(action, "show") == 0)
                return show(c);
        if (strcmp(action, "check") == 0)
                return check(c);
        if (strcmp(action, "set") == 0)
                return set(c);
        if (strcmp(action, "clear") == 0)
                return replace(c, "");
        fprintf(stderr, "wsctl timetable: %s is none of show, check, set, clear\n", action);
        return CTL_USAGE;
}
