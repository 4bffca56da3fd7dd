/* wsctl version, kpi, config and resume. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "config.h"
#include "ctl.h"
#include "table.h"

enum ctl_exit command_version(const struct ctl *c)
{
        AUTO_DOC *request = ctl_request_new("status", NULL);
        AUTO_DOC *answer = NULL;
        AUTO_DOC *both = doc_new();
        const char *theirs;
        enum ctl_exit r;

        if (!c->json) {
                puts("wsctl " WS_VERSION);
                (void)fflush(stdout);
        }
        r = ctl_ask(c, request, 0, &answer);
        if (r != CTL_OK)
                return r;
        theirs = doc_str(answer, "version");
        doc_set_str(both, "wsctl", WS_VERSION);
        doc_set_str(both, "controller", theirs);
        if (ctl_print_json(c, both))
                return CTL_OK;
        printf("wscontroller %s, %s\n", theirs[0] ? theirs : "(says none: an older one)",
               doc_str(answer, "role"));
        if (strcmp(theirs, WS_VERSION) != 0)
                puts("they differ: fields that one of them does not know are not shown");
        return CTL_OK;
}

/* ---- kpi ---- */

static void add_figure(struct table *t, const struct doc *kpi, const char *key)
{
        const char *unit = doc_str(kpi, "unit");
        double v = doc_num(kpi, key, 0);

        if (doc_kind(doc_get(kpi, key)) != DOC_NUMBER)
                table_add(t, "-", TABLE_DIM);
        else if (strcmp(unit, "ratio") == 0)
                table_printf(t, "%.1f %%", 100 * v);
        else if (strcmp(unit, "dollars") == 0)
                table_printf(t, "$%.2f", v);
        else
                table_printf(t, "%.3g%s%s", v, unit[0] ? " " : "", unit);
}

enum ctl_exit command_kpi(const struct ctl *c)
{
        static const char *const titles[] = {"KPI", "NOW", "TARGET", "STATE", "MEANING", NULL};
        AUTO_DOC *request = ctl_request_new("kpi", NULL);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r = ctl_ask(c, request, 0, &answer), code = CTL_OK;
        struct table *t;

        if (r != CTL_OK)
                return r;
        t = table_new(titles, c->color);
        for (const struct doc *k = NULL; (k = doc_next(doc_get(answer, "kpis"), k));) {
                const char *state = doc_str(k, "state");
                bool missed = strcmp(state, "missed") == 0, met = strcmp(state, "met") == 0;

                if (missed)
                        code = CTL_FAILED;
                table_add(t, doc_str(k, "name"), TABLE_PLAIN);
                add_figure(t, k, "value");
                add_figure(t, k, "target");
                table_add(t, missed || met ? state : "",
                          missed ? TABLE_BAD
                          : met  ? TABLE_GOOD
                                 : TABLE_DIM);
                table_add(t, doc_str(k, "meaning"), TABLE_DIM);
        }
        if (!ctl_print_json(c, answer))
                table_print(t);
        table_free(t);
        return code;
}

/* ---- config ---- */

static enum ctl_exit check_file(const char *file)
{
        char program[] = "wscontroller", flag[] = "--config", path[1024];
        char *argv[] = {program, flag, path, NULL}, *environment[] = {NULL};
        char error[CONFIG_ERROR_SIZE] = "out of memory";
        enum config_action action;
        struct config *config = NULL;

        STR_CUT(path, file);
        if (config_load(3, argv, environment, error, &action, &config) < 0) {
                fprintf(stderr, "wsctl config: %s\n", error);
                return CTL_FAILED;
        }
        printf("%s: good, %u types\n", file, config->n_types);
        config_free(config);
        return CTL_OK;
}

enum ctl_exit command_config(const struct ctl *c)
{
        static const char *const titles[] = {"OPTION", "VALUE", "SOURCE", NULL};
        AUTO_DOC *request = ctl_request_new("config", NULL);
        AUTO_DOC *answer = NULL;
        struct table *t;
        enum ctl_exit r;

        if (c->check_file)
                return check_file(c->check_file);
        r = ctl_ask(c, request, 0, &answer);
        if (r != CTL_OK || ctl_print_json(c, answer))
                return r;
        t = table_new(titles, c->color);
        for (const struct doc *o = NULL; (o = doc_next(doc_get(answer, "options"), o));) {
                bool is_default = strcmp(doc_str(o, "source"), "default") == 0;

                if (c->changed && is_default)
                        continue;
                table_printf(t, "%s%s%s", doc_str(o, "type"), doc_str(o, "type")[0] ? ": " : "",
                             doc_str(o, "name"));
                table_add(t, doc_str(o, "value"), TABLE_PLAIN);
                table_add(t, doc_str(o, "source"), is_default ? TABLE_DIM : TABLE_PLAIN);
        }
        table_print(t);
        table_free(t);
        return CTL_OK;
}

/* ---- resume ---- */

/* Ends one; the answer tells what is on still. */
static enum ctl_exit end_mode(const struct ctl *c, const struct doc *mode, struct doc **answer)
{
        AUTO_DOC *request = ctl_request_new("mode", NULL);
        const char *type = doc_str(mode, "workspace_type");

        doc_set_str(request, "mode", doc_str(mode, "mode"));
        doc_set_bool(request, "on", false);
        if (type[0])
                doc_set_str(request, "workspace_type", type);
        *answer = doc_free(*answer);
        return ctl_ask(c, request, 0, answer);
}

enum ctl_exit command_resume(const struct ctl *c)
{
        AUTO_DOC *request = ctl_request_new("status", NULL);
        AUTO_DOC *status = NULL;
        AUTO_DOC *answer = NULL;
        enum ctl_exit r;

        if (c->argument && strcmp(c->argument, "pause") != 0 &&
            strcmp(c->argument, "maintenance") != 0 && strcmp(c->argument, "drain") != 0) {
                fprintf(stderr,
                        "wsctl resume: %s is none of pause, maintenance, drain; a stopped "
                        "workspace is resumed with wsctl launch\n",
                        c->argument);
                return CTL_USAGE;
        }
        r = ctl_ask(c, request, 0, &status);
        for (const struct doc *m = NULL;
             r == CTL_OK && (m = doc_next(doc_get(status, "modes"), m));) {
                if (c->argument && strcmp(c->argument, doc_str(m, "mode")) != 0)
                        continue;
                if (c->type && strcmp(c->type, doc_str(m, "workspace_type")) != 0)
                        continue;
                r = end_mode(c, m, &answer);
        }
        if (r != CTL_OK || ctl_print_json(c, answer ? answer : status))
                return r;
        show_modes(c, answer ? answer : status);
        return CTL_OK;
}
