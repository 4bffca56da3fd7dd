#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "list.h"
#include "table.h"

#define AUTO_TABLE CLEANUP(table_freep) struct table

static void table_freep(struct table **t)
{
        *t = table_free(*t);
}

static void add_age(struct table *t, double s)
{
        char text[32];

        text_age(s, text, sizeof(text));
        table_add(t, text, TABLE_PLAIN);
}

static void add_state(struct table *t, const char *state)
{
        table_add(t, state, state_color(state));
}

/* "2026-01-02 03:04:05" of "2026-01-02T03:04:05.678Z". */
static void add_time(struct table *t, const char *iso)
{
        if (strlen(iso) < 19)
                table_add(t, "", TABLE_PLAIN);
        else
                table_printf(t, "%.10s %.8s", iso, iso + 11);
}

void show_tasks(const struct ctl *c, const struct doc *answer)
{
        static const char *const titles[] = {"TASK",        "TYPE",   "STATE", "PHASE",
                                             "WORKSPACE",   "HEARD",  "GATE",  "GEN",
                                             "SINCE (UTC)", "REASON", NULL};
        AUTO_TABLE *t = table_new(titles, c->color);

        for (const struct doc *k = NULL; (k = doc_next(doc_get(answer, "tasks"), k));) {
                const char *error = doc_str(k, "agent_error");
                table_add(t, doc_str(k, "id"), TABLE_PLAIN);
                table_add(t, doc_str(k, "workspace_type"), TABLE_PLAIN);
                add_state(t, doc_str(k, "state"));
                table_add(t, doc_str(k, "phase"), TABLE_PLAIN);
                table_add(t, doc_str(k, "workspace"), TABLE_PLAIN);
                add_age(t, doc_num(k, "heard_s", -1));
                table_add(t, doc_str(k, "addr"), TABLE_PLAIN);
                table_printf(t, "%.0f", doc_num(k, "generation", 0));
                add_time(t, doc_str(k, "since"));
                table_add(t, error[0] ? error : doc_str(k, "reason"),
                          error[0] ? TABLE_BAD : TABLE_PLAIN);
        }
        table_print(t);
}

static void add_hit_rate(struct table *t, double hits, double misses)
{
        if (hits + misses > 0)
                table_printf(t, "%.1f %%", 100 * hits / (hits + misses));
        else
                table_add(t, "-", TABLE_PLAIN);
}

/* "2026-09-01T08:00:00Z", in which seconds say nothing. */
static void add_next_change(struct table *t, const char *iso)
{
        if (strlen(iso) >= 16)
                table_printf(t, "%.10s %.5s UTC", iso, iso + 11);
        else
                table_add(t, "-", TABLE_PLAIN);
}

/* "17 min (adaptive, …)" */
static void idle_limit_text(const struct doc *o, char *dst, size_t size)
{
        const char *why = doc_str(o, "idle_why");
        char text[32];

        text_age(doc_num(o, "idle_s", -1), text, sizeof(text));
        (void)snprintf(dst, size, "%s%s%s%s", text[0] ? text : "never", *why ? " (" : "", why,
                       *why ? ")" : "");
}

static void add_wide(struct table *t, const struct doc *pool)
{
        double spent = doc_num(pool, "spent_today", -1);
        char text[160];

        table_add(t, doc_str(pool, "policy"), TABLE_PLAIN);
        idle_limit_text(pool, text, sizeof(text));
        table_add(t, text, TABLE_PLAIN);
        text_age(doc_num(pool, "lead_s", -1), text, sizeof(text));
        table_add(t, text[0] ? text : "-", TABLE_PLAIN);
        if (spent >= 0)
                table_printf(t, "%.2f", spent);
        else
                table_add(t, "-", TABLE_PLAIN);
}

void show_pools(const struct ctl *c, const struct doc *answer)
{
        static const char *const narrow[] = {"TYPE",     "WARM",        "TARGET", "LAUNCHING",
                                             "IN USE",   "WAITING",     "HITS",   "MISSES",
                                             "HIT RATE", "NEXT CHANGE", "WHY",    NULL};
        static const char *const wide[] = {"TYPE",     "WARM",        "TARGET",      "LAUNCHING",
                                           "IN USE",   "WAITING",     "HITS",        "MISSES",
                                           "POLICY",   "IDLE LIMIT",  "LAUNCH TIME", "SPENT TODAY",
                                           "HIT RATE", "NEXT CHANGE", "WHY",         NULL};
        static const char *const counts[] = {"warm",    "target", "launching", "claimed",
                                             "waiting", "hits",   "misses"};
        AUTO_TABLE *t = table_new(c->wide ? wide : narrow, c->color);

        for (const struct doc *p = NULL; (p = doc_next(doc_get(answer, "pools"), p));) {
                double paused = doc_num(p, "paused_s", -1);
                table_add(t, doc_str(p, "workspace_type"), TABLE_PLAIN);
                for (size_t i = 0; i < ARRAY_LEN(counts); i++)
                        table_printf(t, "%.0f", doc_num(p, counts[i], 0));
                if (c->wide)
                        add_wide(t, p);
                add_hit_rate(t, doc_num(p, "hits", 0), doc_num(p, "misses", 0));
                add_next_change(t, doc_str(p, "next_change"));
                if (paused >= 0)
                        table_printf(t, "%s; launches pause for %.0f s", doc_str(p, "reason"),
                                     paused);
                else
                        table_add(t, doc_str(p, "reason"), TABLE_PLAIN);
        }
        table_print(t);
}

/* "34 min"; "" for what is not known. */
static void print_age(const char *before, double s, const char *behind)
{
        char text[32];

        text_age(s, text, sizeof(text));
        if (text[0])
                printf("%s%s%s", before, text, behind);
}

static void show_browser(const struct doc *answer)
{
        const char *state = doc_str(answer, "browser");

        if (!state[0])
                return;
        printf("browser:    %s", strcmp(state, "never") == 0 ? "none came since the start" : state);
        print_age(" ", doc_num(answer, "browser_left_s", -1), " ago");
        putchar('\n');
}

static void show_job(const struct doc *job)
{
        if (!doc_str(job, "name")[0])
                return;
        printf("job:        %s", doc_str(job, "name"));
        print_age(" wants it for ", doc_num(job, "wants_s", -1), "");
        print_age(", may hold it for ", doc_num(job, "holds_s", -1), "");
        putchar('\n');
}

static void show_limits(const struct doc *limits)
{
        static const char *const names[][2] = {{"idle_s", "idle"},
                                               {"never_connected_s", "never connected"},
                                               {"disconnected_s", "disconnected"},
                                               {"job_s", "job"},
                                               {"lifetime_s", "lifetime"}};
        const char *before = "limits:     ";

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                double s = doc_num(limits, names[i][0], -1);
                if (s < 0)
                        continue;
                printf("%s%s", before, names[i][1]);
                print_age(" ", s, "");
                if (i == 0 && doc_str(limits, "idle_why")[0])
                        printf(" (%s)", doc_str(limits, "idle_why"));
                before = ", ";
        }
        if (before[0] == ',')
                putchar('\n');
}

static void show_plan(const struct doc *answer)
{
        const struct doc *w = doc_get(answer, "workspace");

        printf("rule:       %s\n", doc_str(answer, "rule"));
        if (doc_str(answer, "held_by")[0])
                printf("held by:    %s\n", doc_str(answer, "held_by"));
        if (doc_str(answer, "stops_at")[0])
                printf("stops:      %s by %s, if nobody comes\n", doc_str(answer, "stops_at"),
                       doc_str(answer, "stop_rule"));
        else if (doc_str(answer, "stop_rule")[0])
                printf("stopped by: %s\n", doc_str(answer, "stop_rule"));
        show_browser(answer);
        show_job(doc_get(w, "job"));
        if (doc_str(answer, "confidence")[0])
                printf("confidence: %s\n", doc_str(answer, "confidence"));
        show_limits(doc_get(answer, "limits"));
        for (const struct doc *h = NULL; (h = doc_next(doc_get(answer, "hints"), h));)
                printf("hint:       %s\n", doc_text(h));
        if (doc_str(w, "agent_error")[0])
                printf("error:      %s\n", doc_str(w, "agent_error"));
}

static enum table_color color_of_signal(const struct doc *signal, const char *held_by)
{
        if (strcmp(doc_str(signal, "source"), held_by) == 0)
                return TABLE_GOOD;
        return doc_num(signal, "age_s", -1) < 0 ? TABLE_DIM : TABLE_PLAIN;
}

/* The kind is of the newest: an end of activity comes behind what was a person's. */
static const char *kind_of_signal(const struct doc *signal, const char *person_by)
{
        bool by = strcmp(doc_str(signal, "source"), person_by) == 0;

        return by && strcmp(doc_str(signal, "kind"), "machine") == 0 ? "person, then machine"
                                                                     : doc_str(signal, "kind");
}

void show_why(const struct ctl *c, const struct doc *answer)
{
        static const char *const titles[] = {"SIGNAL", "KIND", "LAST SEEN", "COUNT", NULL};
        const struct doc *w = doc_get(answer, "workspace"), *signals = doc_get(answer, "signals");
        AUTO_TABLE *t = table_new(titles, c->color);

        printf("%s of %s (%s) is %s%s\n", doc_str(w, "id"), doc_str(w, "user_id"),
               doc_str(w, "workspace_type"),
               strcmp(doc_str(w, "state"), "attention") == 0 ? "in " : "", doc_str(w, "state"));
        show_plan(answer);
        if (!doc_next(signals, NULL))
                return;
        putchar('\n');
        for (const struct doc *s = NULL; (s = doc_next(signals, s));) {
                double age = doc_num(s, "age_s", -1);
                enum table_color color = color_of_signal(s, doc_str(answer, "held_by"));
                table_add(t, doc_str(s, "source"), color);
                table_add(t, kind_of_signal(s, doc_str(answer, "person_by")),
                          color == TABLE_DIM ? color : TABLE_PLAIN);
                if (age < 0)
                        table_add(t, "never", TABLE_DIM);
                else
                        add_age(t, age);
                table_printf(t, "%.0f", doc_num(s, "count", 0));
        }
        table_print(t);
}

static void show_counts(const char *title, const struct doc *counts)
{
        printf("%-12s", title);
        for (const struct doc *n = NULL; (n = doc_next(counts, n));) {
                if (doc_value(n) > 0)
                        printf(" %.0f %s", doc_value(n), doc_key(n));
        }
        putchar('\n');
}

/* "pause        vscode, hard: ann: the image is broken"; one line for none. */
static size_t print_modes(const struct doc *answer)
{
        size_t n = 0;

        for (const struct doc *m = NULL; (m = doc_next(doc_get(answer, "modes"), m)); n++) {
                const char *type = doc_str(m, "workspace_type");

                printf("%-12s %s%s, %s\n", doc_str(m, "mode"), type[0] ? type : "every type",
                       doc_true(m, "hard") ? ", hard" : "", doc_str(m, "why"));
        }
        return n;
}

/* "stops        32 of at most 32 are saved, 968 wait, about 4 min, 19.8 MB/s"; none: nothing. */
static void print_stops(const struct doc *answer)
{
        const struct doc *s = doc_get(answer, "stops");
        double under_way = doc_num(s, "under_way", 0), waiting = doc_num(s, "waiting", 0);
        double parallel = doc_num(s, "parallel", 0), bytes_s = doc_num(s, "bytes_s", -1);
        char most[40] = "", eta[32];

        if (under_way + waiting == 0)
                return;
        if (parallel > 0)
                (void)snprintf(most, sizeof(most), " of at most %.0f", parallel);
        text_age(doc_num(s, "eta_s", -1), eta, sizeof(eta));
        printf("%-12s %.0f%s %s saved, %.0f wait%s%s", "stops", under_way, most,
               under_way == 1 ? "is" : "are", waiting, eta[0] ? ", about " : "", eta);
        if (bytes_s >= 0)
                printf(", %.1f MB/s", bytes_s / 1e6);
        putchar('\n');
}

void show_modes(const struct ctl *c, const struct doc *answer)
{
        (void)c;
        if (print_modes(answer) == 0)
                puts("no mode is on");
        print_stops(answer);
}

void show_status(const struct ctl *c, const struct doc *answer)
{
        const struct doc *leader = doc_get(answer, "leader");

        printf("%-12s %s, epoch %.0f\n", "role", doc_str(answer, "role"),
               doc_num(answer, "epoch", 0));
        if (strcmp(doc_str(answer, "role"), "leader") != 0)
                printf("%-12s %s\n", "leader",
                       doc_str(leader, "http")[0] ? doc_str(leader, "http") : "none is known");
        printf("%-12s %s\n", "store",
               doc_true(answer, "store_writable") ? "writable" : "NOT WRITABLE");
        if (doc_true(answer, "draining"))
                printf("%-12s %s\n", "shutdown", "under way");
        (void)print_modes(answer);
        print_stops(answer);
        show_counts("workspaces", doc_get(answer, "workspaces"));
        show_counts("tasks", doc_get(answer, "tasks"));
        show_counts("agents", doc_get(answer, "agents"));
        putchar('\n');
        show_pools(c, answer);
}

void show_size(double bytes, char *dst, size_t size)
{
        static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
        size_t i = 0;

        for (; bytes >= 1000 && i + 1 < ARRAY_LEN(units); i++)
                bytes /= 1000;
        (void)snprintf(dst, size, bytes < 10 && i > 0 ? "%.1f %s" : "%.0f %s", bytes, units[i]);
}

static void add_size(struct table *t, double bytes)
{
        char text[40];

        show_size(bytes, text, sizeof(text));
        table_add(t, text, TABLE_PLAIN);
}

static void add_marks(struct table *t, const struct doc *s)
{
        static const char *const names[] = {"head", "previous", "pinned", "aside"};
        char text[64] = "";
        size_t len = 0;

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                if (doc_true(s, names[i]))
                        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
                                                len ? ", " : "", names[i]);
        }
        static_assert(sizeof(text) > sizeof("head, previous, pinned, aside, format 1"),
                      "all of them fit");
        if (doc_num(s, "format", 2) < 2)
                (void)snprintf(text, sizeof(text), "format 1");
        table_add(t, text, doc_true(s, "head") ? TABLE_GOOD : TABLE_PLAIN);
}

void show_saves(const struct ctl *c, const struct doc *answer)
{
        static const char *const titles[] = {"SAVE", "TIME (UTC)", "AGE",   "ENTRIES",
                                             "SIZE", "NEW",        "MARKS", NULL};
        AUTO_TABLE *t = table_new(titles, c->color);
        bool old = false;

        for (const struct doc *s = NULL; (s = doc_next(doc_get(answer, "saves"), s));) {
                table_add(t, doc_str(s, "save"), TABLE_PLAIN);
                add_time(t, doc_str(s, "at"));
                add_age(t, doc_num(s, "age_s", -1));
                table_printf(t, "%.0f", doc_num(s, "entries", 0));
                add_size(t, doc_num(s, "bytes", 0));
                add_size(t, doc_num(s, "new_bytes", 0));
                add_marks(t, s);
                old |= doc_num(s, "format", 2) < 2;
        }
        table_print(t);
        if (old)
                puts("format 1: made before manifests, not restored any more; by hand, in its "
                     "folder of the storage: zstd -dc data.tar.zst | tar x");
}

void show_events(const struct ctl *c, const struct doc *answer)
{
        (void)c;
        for (const struct doc *e = NULL; (e = doc_next(doc_get(answer, "events"), e));) {
                const char *at = doc_str(e, "at");
                const char *workspace = doc_str(e, "workspace"), *task = doc_str(e, "task");
                printf("%6.0f  %.10s %.8s  %-16s %-15s %-12s %-9s %s\n", doc_num(e, "seq", 0), at,
                       strlen(at) > 11 ? at + 11 : "", doc_str(e, "what"),
                       workspace[0] ? workspace : "-", task[0] ? task : "-", doc_str(e, "actor"),
                       doc_str(e, "detail"));
        }
        (void)fflush(stdout);
}
