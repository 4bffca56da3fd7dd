/* Runs golden traces: README.md says how they read. Exit code 0 when every line is as expected. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "core/trace.h"
#include "trace_script.h"

#define FILE_SIZE_MAX (1 << 20)
#define ROWS_MAX 64
#define SETTINGS_MAX 512

/* What a store would hold: enough to give a new core its rows. */
struct rows {
        struct workspace_row workspaces[ROWS_MAX];
        struct task_row tasks[ROWS_MAX];
        struct setting_row settings[SETTINGS_MAX];
        size_t n_workspaces, n_tasks, n_settings;
        uint64_t tasks_max, audit_max, commands_max, generation_max;
};

struct run {
        struct core_config config;
        struct core *core;
        struct rows rows;
        mono_t now;
        struct core_effects fx;
        struct buf out;
};

static const utc_t start_utc = {INT64_C(1000000) * US_PER_S};

static void emit(struct run *r, const char *prefix, const char *text)
{
        if (buf_printf(&r->out, "%s%s\n", prefix, text) < 0)
                abort();
}

static void rows_put_workspace(struct rows *rows, const struct workspace_row *row)
{
        size_t i = 0;

        while (i < rows->n_workspaces && strcmp(rows->workspaces[i].id, row->id) != 0)
                i++;
        if (i == ROWS_MAX)
                abort();
        rows->workspaces[i] = *row;
        rows->n_workspaces = MAX(rows->n_workspaces, i + 1);
}

static void rows_put_task(struct rows *rows, const struct task_row *row)
{
        size_t i = 0;

        while (i < rows->n_tasks && strcmp(rows->tasks[i].id, row->id) != 0)
                i++;
        if (i == ROWS_MAX)
                abort();
        rows->tasks[i] = *row;
        rows->n_tasks = MAX(rows->n_tasks, i + 1);
        rows->tasks_max = MAX(rows->tasks_max, core_task_number(row->id));
}

static void rows_del(struct rows *rows, const char *id)
{
        for (size_t i = 0; i < rows->n_workspaces; i++) {
                if (strcmp(rows->workspaces[i].id, id) != 0)
                        continue;
                rows->generation_max = MAX(rows->generation_max, rows->workspaces[i].generation);
                rows->workspaces[i] = rows->workspaces[--rows->n_workspaces];
        }
        for (size_t i = 0; i < rows->n_tasks; i++) {
                if (strcmp(rows->tasks[i].id, id) == 0)
                        rows->tasks[i] = rows->tasks[--rows->n_tasks];
        }
}

static void rows_put_setting(struct rows *rows, const struct setting_row *row)
{
        size_t i = 0;

        while (i < rows->n_settings && strcmp(rows->settings[i].name, row->name) != 0)
                i++;
        if (i == SETTINGS_MAX)
                abort();
        rows->settings[i] = *row;
        rows->n_settings = MAX(rows->n_settings, i + 1);
        if (!row->value[0])
                rows->settings[i] = rows->settings[--rows->n_settings];
}

static void apply(struct run *r, const struct core_effect *fx)
{
        if (fx->type == FX_PUT_WORKSPACE)
                rows_put_workspace(&r->rows, &fx->workspace_row);
        else if (fx->type == FX_PUT_TASK)
                rows_put_task(&r->rows, &fx->task_row);
        else if (fx->type == FX_DEL_WORKSPACE || fx->type == FX_DEL_TASK)
                rows_del(&r->rows, fx->id.id);
        else if (fx->type == FX_PUT_SETTING)
                rows_put_setting(&r->rows, &fx->setting_row);
        else if (fx->type == FX_AUDIT)
                r->rows.audit_max = fx->audit_row.seq;
        else if (fx->type == FX_COMMAND)
                r->rows.commands_max = MAX(r->rows.commands_max, fx->command.id);
}

/* Hundreds of rows of bytes, which nobody reads: stored, and not shown. */
static bool is_learned(const struct core_effect *fx)
{
        return fx->type == FX_PUT_SETTING && str_starts(fx->setting_row.name, "pool.");
}

static void step(struct run *r, struct core_event *ev)
{
        size_t learned = 0;
        char line[TRACE_LINE_SIZE];
        char due[64];

        ev->now = r->now;
        ev->utc = (utc_t){start_utc.us + r->now.us};
        r->fx.n = 0;
        core_step(r->core, ev, &r->fx);
        while (learned < r->fx.n && is_learned(&r->fx.v[learned]))
                learned++;
        if (ev->type == EV_DEADLINE && learned < r->fx.n) {
                (void)snprintf(due, sizeof(due), "@%lld DEADLINE",
                               (long long)(r->now.us / US_PER_MS));
                emit(r, "< ", due);
        }
        for (size_t i = 0; i < r->fx.n; i++) {
                apply(r, &r->fx.v[i]);
                if (is_learned(&r->fx.v[i]))
                        continue;
                trace_effect(&r->fx.v[i], line, sizeof(line));
                emit(r, "< ", line);
        }
}

static void advance(struct run *r, mono_t until)
{
        struct core_event ev = {.type = EV_DEADLINE};
        int rounds = 0;

        for (;;) {
                mono_t due = core_next_deadline(r->core);

                if (!mono_due(due, until))
                        break;
                if (mono_before(r->now, due)) {
                        r->now = due;
                        rounds = 0;
                }
                if (++rounds > 100) {
                        fprintf(stderr, "a deadline stays due at %lld ms\n",
                                (long long)(due.us / US_PER_MS));
                        exit(1);
                }
                step(r, &ev);
        }
        r->now = until;
}

static void boot(struct run *r)
{
        struct core_event ev;

        for (size_t i = 0; i < r->rows.n_workspaces; i++) {
                ev = (struct core_event){.type = EV_BOOT_WORKSPACE,
                                         .workspace_row = r->rows.workspaces[i]};
                step(r, &ev);
        }
        for (size_t i = 0; i < r->rows.n_tasks; i++) {
                ev = (struct core_event){.type = EV_BOOT_TASK, .task_row = r->rows.tasks[i]};
                step(r, &ev);
        }
        for (size_t i = 0; i < r->rows.n_settings; i++) {
                ev = (struct core_event){.type = EV_BOOT_SETTING,
                                         .setting_row = r->rows.settings[i]};
                step(r, &ev);
        }
        ev = (struct core_event){.type = EV_BOOT_DONE,
                                 .boot = {.task_number_max = r->rows.tasks_max,
                                          .audit_seq_max = r->rows.audit_max,
                                          .command_id_max = r->rows.commands_max,
                                          .generation_max = r->rows.generation_max}};
        step(r, &ev);
}

static bool ensure_core(struct run *r)
{
        if (r->core)
                return true;
        if (core_new(&r->config, &r->core) < 0) {
                fprintf(stderr, "this configuration cannot work\n");
                return false;
        }
        boot(r);
        return true;
}

static bool run_line(struct run *r, const char *line)
{
        struct core_event ev;
        int64_t ms = 0;

        if (str_starts(line, "< "))
                return true;
        emit(r, "", line);
        if (str_starts(line, "! "))
                return script_setting(line + 2, &r->config);
        if (!str_starts(line, "> ") && !str_starts(line, "+ "))
                return true;
        if (!ensure_core(r))
                return false;
        if (line[0] == '+') {
                if (num_parse_duration_ms(line + 2, &ms) < 0)
                        return false;
                advance(r, mono_add_ms(r->now, ms));
                return true;
        }
        if (strcmp(line + 2, "restart") == 0) {
                r->core = core_free(r->core);
                return ensure_core(r);
        }
        if (!script_event(line + 2, &ev))
                return false;
        step(r, &ev);
        return true;
}

static int compare(const char *path, char *want, char *have)
{
        char *want_next = want;
        char *have_next = have;
        int number = 0;

        while (want_next || have_next) {
                const char *w = strsep(&want_next, "\n");
                const char *h = strsep(&have_next, "\n");

                number++;
                if (w && h && strcmp(w, h) == 0)
                        continue;
                fprintf(stderr, "%s:%d: differs\n  expected: %s\n  is:       %s\n", path, number,
                        w ? w : "(end)", h ? h : "(end)");
                return 1;
        }
        return 0;
}

static int run_file(const char *path, bool update)
{
        static struct run r;
        AUTO_BUF text = BUF_INIT(FILE_SIZE_MAX);
        char *copy;
        char *next;
        int result = 1;

        memset(&r, 0, sizeof(r));
        r.now = (mono_t){0};
        r.out = BUF_INIT(FILE_SIZE_MAX);
        script_defaults(&r.config);
        if (file_read(path, &text) < 0) {
                fprintf(stderr, "%s: cannot be read\n", path);
                return 1;
        }
        copy = strdup((const char *)text.data);
        if (!copy)
                return 1;
        next = copy;
        result = 0;
        while (next && *next && result == 0) {
                const char *line = strsep(&next, "\n");

                if (!run_line(&r, line)) {
                        fprintf(stderr, "%s: in \"%s\"\n", path, line);
                        result = 1;
                }
        }
        if (result == 0 && update)
                result = file_write_atomic(path, r.out.data, r.out.len, 0644) < 0;
        else if (result == 0 && buf_terminate(&r.out) == 0)
                result = compare(path, (char *)text.data, (char *)r.out.data);
        free(copy);
        core_free(r.core);
        buf_deinit(&r.out);
        return result;
}

int main(int argc, char **argv)
{
        bool update = argc > 1 && strcmp(argv[1], "--update") == 0;
        int result = 0;

        for (int i = update ? 2 : 1; i < argc; i++)
                result |= run_file(argv[i], update);
        return result;
}
