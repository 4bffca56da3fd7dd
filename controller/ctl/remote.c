#include "remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define PAGE 1000

/* "*" is the workspace; `field` of the request is the body, NULL: there is none. */
static const struct {
        const char *cmd, *method, *path, *field;
} routes[] = {
        {"status", "GET", "/v1/status", NULL},
        {"pool", "GET", "/v1/pools", NULL},
        {"tasks", "GET", "/v1/tasks", NULL},
        {"config", "GET", "/v1/config", NULL},
        {"kpi", "GET", "/v1/kpi", NULL},
        {"why", "GET", "/v1/workspaces/*/why", NULL},
        {"saves", "GET", "/v1/workspaces/*/saves", NULL},
        {"stop", "POST", "/v1/workspaces/*/stop", NULL},
        {"delete", "DELETE", "/v1/workspaces/*", NULL},
        {"abandon", "POST", "/v1/workspaces/*/abandon", "reason"},
        {"restore", "POST", "/v1/workspaces/*/restore", "at"},
        {"pin", "POST", "/v1/workspaces/*/pin", "at"},
        {"unpin", "POST", "/v1/workspaces/*/unpin", "at"},
        {"export", "POST", "/v1/workspaces/*/export", "at"},
};

struct remote {
        const struct ctl *c;
        const struct doc *request;
        int64_t wait_ms;
        char *error;
        struct doc *answer;
};

static void text_freep(char **p)
{
        free(*p);
}

static enum ctl_exit fetch(struct remote *r, const struct remote_request *q)
{
        r->answer = doc_free(r->answer);
        return remote_http(r->c, q, r->error, &r->answer);
}

static enum ctl_exit send_doc(struct remote *r, struct remote_request *q, const struct doc *body)
{
        CLEANUP(text_freep) char *text = doc_print(body, false);

        q->body = text;
        return fetch(r, q);
}

/* An error as the ops socket has it. */
static void answer_error(struct remote *r, const char *code, const char *message)
{
        struct doc *error;

        r->answer = doc_free(r->answer);
        r->answer = doc_new();
        error = doc_add_object(r->answer, "error");
        doc_set_str(error, "code", code);
        doc_set_str(error, "message", message);
        doc_set_str(error, "hint", "");
}

/* The API gives a thousand at once. */
static enum ctl_exit all_workspaces(struct remote *r)
{
        AUTO_DOC *first = NULL;
        struct doc *list = NULL;
        size_t n = 0;

        for (;;) {
                struct remote_request q = {.method = "GET"};
                AUTO_DOC *page = NULL;
                enum ctl_exit code;

                (void)snprintf(q.path, sizeof(q.path), "/v1/workspaces?limit=%d&offset=%zu", PAGE,
                               n);
                code = fetch(r, &q);
                if (code != CTL_OK || doc_get(r->answer, "error"))
                        return code;
                page = doc_take(r->answer, "workspaces");
                if (!first) {
                        first = STEAL(r->answer, NULL);
                        list = doc_add_list(first, "workspaces");
                }
                n += PAGE;
                doc_move_all(list, page);
                if ((double)n >= doc_num(first, "total", 0))
                        break;
        }
        r->answer = doc_free(r->answer);
        r->answer = STEAL(first, NULL);
        return CTL_OK;
}

/* As the ops socket takes it: the id or its beginning, or the person (ops.c). */
static bool is_named(const struct doc *w, const char *name)
{
        const char *id = doc_str(w, "id");

        return str_starts(id, name) || (str_starts(id, "ws-") && str_starts(id + 3, name)) ||
               (strcmp(doc_str(w, "state"), "deleted") != 0 &&
                strcmp(doc_str(w, "user_id"), name) == 0);
}

/* The id that a name stands for; with an answer of {"error"} it stays "". */
static enum ctl_exit find_workspace(struct remote *r, char *ret_id, size_t size)
{
        const char *name = doc_str(r->request, "workspace");
        char message[200];
        size_t n = 0;
        enum ctl_exit code;

        ret_id[0] = 0;
        if (ctl_is_workspace_id(name)) {
                str_copy_cut(ret_id, size, name);
                return CTL_OK;
        }
        code = all_workspaces(r);
        if (code != CTL_OK || doc_get(r->answer, "error"))
                return code;
        for (const struct doc *w = NULL; (w = doc_next(doc_get(r->answer, "workspaces"), w));) {
                if (!is_named(w, name))
                        continue;
                str_copy_cut(ret_id, size, doc_str(w, "id"));
                n++;
        }
        if (n == 1)
                return CTL_OK;
        ret_id[0] = 0;
        if (n == 0)
                (void)snprintf(message, sizeof(message), "there is no workspace %.60s", name);
        else
                (void)snprintf(message, sizeof(message),
                               "%zu workspaces begin with %.60s or are of that user", n, name);
        answer_error(r, n ? "ambiguous" : "unknown-workspace", message);
        return CTL_OK;
}

static enum ctl_exit do_route(struct remote *r, size_t i)
{
        struct remote_request q = {.method = routes[i].method, .wait_ms = r->wait_ms};
        const char *star = strchr(routes[i].path, '*');
        AUTO_DOC *body = doc_new();
        char id[40] = "";
        enum ctl_exit code = star ? find_workspace(r, id, sizeof(id)) : CTL_OK;

        if (code != CTL_OK || (star && !id[0]))
                return code;
        if (star)
                (void)snprintf(q.path, sizeof(q.path), "%.*s%s%s", (int)(star - routes[i].path),
                               routes[i].path, id, star + 1);
        else
                STR_CUT(q.path, routes[i].path);
        if (!routes[i].field)
                return fetch(r, &q);
        if (doc_get(r->request, routes[i].field))
                doc_set_str(body, routes[i].field, doc_str(r->request, routes[i].field));
        return send_doc(r, &q, body);
}

static void copy_text(struct doc *to, const struct doc *from, const char *key)
{
        if (doc_get(from, key))
                doc_set_str(to, key, doc_str(from, key));
}

static enum ctl_exit do_launch(struct remote *r)
{
        static const char *const fields[] = {"user_id", "workspace_type", "name", "tenant"};
        struct remote_request q = {.method = "POST", .wait_ms = r->wait_ms};
        AUTO_DOC *body = doc_new();
        char id[40];
        enum ctl_exit code;

        if (doc_get(r->request, "workspace")) {
                code = find_workspace(r, id, sizeof(id));
                (void)snprintf(q.path, sizeof(q.path), "/v1/workspaces/%s/launch", id);
                return code == CTL_OK && id[0] ? fetch(r, &q) : code;
        }
        STR_CUT(q.path, "/v1/workspaces");
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
                copy_text(body, r->request, fields[i]);
        return send_doc(r, &q, body);
}

static enum ctl_exit do_mode(struct remote *r)
{
        struct remote_request q = {.method = "PUT"};
        AUTO_DOC *body = doc_new();

        (void)snprintf(q.path, sizeof(q.path), "/v1/modes/%s", doc_str(r->request, "mode"));
        doc_set_bool(body, "on", doc_true(r->request, "on"));
        doc_set_bool(body, "hard", doc_true(r->request, "hard"));
        copy_text(body, r->request, "workspace_type");
        copy_text(body, r->request, "reason");
        return send_doc(r, &q, body);
}

static enum ctl_exit do_timetable(struct remote *r)
{
        const char *etag = doc_str(r->request, "if_match");
        struct remote_request q = {.method = "GET", .path = "/v1/timetable"};

        if (doc_true(r->request, "check")) {
                (void)snprintf(r->error, REMOTE_ERROR_SIZE, "a timetable is not checked from afar");
                return CTL_UNREACHABLE;
        }
        if (doc_get(r->request, "text")) {
                q.method = "PUT";
                q.body = doc_str(r->request, "text");
                q.if_match = etag[0] ? etag : "*";
        }
        return fetch(r, &q);
}

static enum ctl_exit do_events(struct remote *r)
{
        struct remote_request q = {.method = "GET"};

        (void)snprintf(q.path, sizeof(q.path), "/v1/events?after=%.0f&wait=%.0f",
                       doc_num(r->request, "after", 0), doc_num(r->request, "wait_ms", 0) / 1000);
        return fetch(r, &q);
}

static enum ctl_exit dispatch(struct remote *r)
{
        static const struct {
                const char *cmd;
                enum ctl_exit (*fn)(struct remote *r);
        } specials[] = {{"ps", all_workspaces},
                        {"launch", do_launch},
                        {"mode", do_mode},
                        {"timetable", do_timetable},
                        {"events", do_events}};
        const char *cmd = doc_str(r->request, "cmd");

        for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
                if (strcmp(specials[i].cmd, cmd) == 0)
                        return specials[i].fn(r);
        }
        for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
                if (strcmp(routes[i].cmd, cmd) == 0)
                        return do_route(r, i);
        }
        (void)snprintf(r->error, REMOTE_ERROR_SIZE,
                       "this is done on the machine of the controller only, over its socket: leave "
                       "--address and WSCTL_ADDRESS away there");
        return CTL_USAGE;
}

enum ctl_exit remote_ask(const struct ctl *c, const struct doc *request,
                         char ret_error[static REMOTE_ERROR_SIZE], struct doc **ret_answer)
{
        struct remote r = {.c = c, .request = request, .error = ret_error};
        enum ctl_exit code;

        r.wait_ms = (int64_t)doc_num(request, "wait_ms", 0);
        ret_error[0] = 0;
        code = dispatch(&r);
        if (code == CTL_OK)
                *ret_answer = STEAL(r.answer, NULL);
        doc_free(r.answer);
        return code;
}
