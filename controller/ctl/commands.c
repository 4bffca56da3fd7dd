#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "client.h"
#include "ctl.h"
#include "remote.h"

#define ANSWER_WAIT_MS 10000
#define ONE_WAIT_MS 60000
#define LAUNCH_WAIT_S 30
#define STOP_WAIT_S 600

static const char cure[] =
        "is the controller running? Start it (wscontroller, or images/local/run), "
        "or name its socket with --socket or --state-dir.";
static const char not_allowed[] =
        "only the user who runs the controller may open it. Ask as that user (sudo), or through "
        "the API with --address and --token-file.";

/* Is there a socket, or a folder, that this user is kept out of? */
static bool kept_out(const char *url)
{
        const char *path = str_starts(url, "ipc://") ? url + strlen("ipc://") : url;

        return access(path, W_OK) < 0 && errno == EACCES;
}

static void text_freep(char **p)
{
        free(*p);
}

static enum ctl_exit ask_socket(const struct ctl *c, const struct doc *request, int64_t wait_ms,
                                char ret_error[static REMOTE_ERROR_SIZE], struct doc **ret_answer)
{
        CLEANUP(text_freep) char *text = doc_print(request, false);
        AUTO_BUF out = BUF_INIT(CLIENT_ANSWER_MAX);
        struct doc *answer = NULL;
        int r = client_ask(c->url, text, wait_ms + (c->brief ? CTL_BRIEF_MS : ANSWER_WAIT_MS),
                           &out);

        if (r == -EINVAL) {
                (void)snprintf(ret_error, REMOTE_ERROR_SIZE, "%s is not an address of a socket",
                               c->url);
                return CTL_USAGE;
        }
        if (r == 0)
                answer = doc_parse((const char *)out.data, out.len);
        if (!answer) {
                (void)snprintf(ret_error, REMOTE_ERROR_SIZE, "no answer at %.300s: %s", c->url,
                               kept_out(c->url) ? not_allowed : cure);
                return CTL_UNREACHABLE;
        }
        *ret_answer = answer;
        return CTL_OK;
}

static enum ctl_exit ask(const struct ctl *c, const struct doc *request, int64_t wait_ms,
                         char ret_error[static REMOTE_ERROR_SIZE], struct doc **ret_answer)
{
        return c->remote[0] ? remote_ask(c, request, ret_error, ret_answer)
                            : ask_socket(c, request, wait_ms, ret_error, ret_answer);
}

enum ctl_exit ctl_ask_quietly(const struct ctl *c, const struct doc *request, int64_t wait_ms,
                              struct doc **ret_answer)
{
        char error[REMOTE_ERROR_SIZE];

        return ask(c, request, wait_ms, error, ret_answer);
}

/* The controller refused: scripts read the answer, people the sentence. */
static enum ctl_exit refused(const struct ctl *c, const struct doc *answer)
{
        const struct doc *error = doc_get(answer, "error");
        const char *code = doc_str(error, "code");

        (void)ctl_print_json(c, answer);
        fprintf(stderr, "wsctl: %s\n", doc_str(error, "message"));
        if (c->remote[0] && strcmp(code, "unauthorized") == 0) {
                fprintf(stderr, "wsctl: the token from %s is not one of %s\n",
                        remote_token_source(c), c->remote);
                return CTL_DENIED;
        }
        if (doc_str(error, "hint")[0])
                fprintf(stderr, "wsctl: %s\n", doc_str(error, "hint"));
        return strcmp(code, "forbidden") == 0 ? CTL_DENIED : CTL_FAILED;
}

enum ctl_exit ctl_ask(const struct ctl *c, const struct doc *request, int64_t wait_ms,
                      struct doc **ret_answer)
{
        char error[REMOTE_ERROR_SIZE];
        AUTO_DOC *answer = NULL;
        enum ctl_exit r = ask(c, request, wait_ms, error, &answer);

        if (r != CTL_OK) {
                fprintf(stderr, "wsctl: %s\n", error);
                return r;
        }
        if (doc_get(answer, "error"))
                return refused(c, answer);
        *ret_answer = STEAL(answer, NULL);
        return CTL_OK;
}

bool ctl_print_json(const struct ctl *c, const struct doc *answer)
{
        CLEANUP(text_freep) char *text = NULL;

        if (!c->json)
                return false;
        text = doc_print(answer, false);
        puts(text);
        (void)fflush(stdout);
        return true;
}

struct doc *ctl_request_new(const char *cmd, const char *workspace)
{
        struct doc *d = doc_new();

        doc_set_str(d, "cmd", cmd);
        if (workspace)
                doc_set_str(d, "workspace", workspace);
        return d;
}

/* Ask without parameters and show. */
static enum ctl_exit show(const struct ctl *c, const char *cmd, const char *workspace,
                          void (*table)(const struct ctl *, const struct doc *))
{
        AUTO_DOC *request = ctl_request_new(cmd, workspace);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r = ctl_ask(c, request, 0, &answer);

        if (r == CTL_OK && !ctl_print_json(c, answer))
                table(c, answer);
        return r;
}

enum ctl_exit command_pool(const struct ctl *c)
{
        return show(c, "pool", NULL, show_pools);
}

enum ctl_exit command_saves(const struct ctl *c)
{
        return show(c, "saves", c->argument, show_saves);
}

enum ctl_exit command_restore(const struct ctl *c)
{
        AUTO_DOC *request = ctl_request_new("restore", c->argument);
        AUTO_DOC *answer = NULL;
        const struct doc *save;
        enum ctl_exit r;

        if (!c->at) {
                fputs("wsctl restore: say to which save or time with --at; wsctl saves lists "
                      "them\n",
                      stderr);
                return CTL_USAGE;
        }
        doc_set_str(request, "at", c->at);
        r = ctl_ask(c, request, 0, &answer);
        if (r != CTL_OK || ctl_print_json(c, answer))
                return r;
        save = doc_get(answer, "save");
        printf("%s begins from the save %.0f-%.0f of %s when it is launched\n",
               doc_str(answer, "id"), doc_num(save, "generation", 0), doc_num(save, "seq", 0),
               doc_str(save, "at"));
        return r;
}

static enum ctl_exit pin(const struct ctl *c, const char *cmd)
{
        AUTO_DOC *request = ctl_request_new(cmd, c->argument);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r;

        if (!c->at) {
                fprintf(stderr,
                        "wsctl %s: say which save or time with --at; wsctl saves lists them\n",
                        cmd);
                return CTL_USAGE;
        }
        doc_set_str(request, "at", c->at);
        r = ctl_ask(c, request, 0, &answer);
        if (r == CTL_OK && !ctl_print_json(c, answer))
                show_saves(c, answer);
        return r;
}

enum ctl_exit command_pin(const struct ctl *c)
{
        return pin(c, "pin");
}

enum ctl_exit command_unpin(const struct ctl *c)
{
        return pin(c, "unpin");
}

enum ctl_exit command_tasks(const struct ctl *c)
{
        return show(c, "tasks", NULL, show_tasks);
}

enum ctl_exit command_why(const struct ctl *c)
{
        return show(c, "why", c->argument, show_why);
}

enum ctl_exit command_status(const struct ctl *c)
{
        return show(c, "status", NULL, show_status);
}

/* Without --type: the only one there is. */
static enum ctl_exit only_type(const struct ctl *c, char *ret_type, size_t size)
{
        AUTO_DOC *request = ctl_request_new("pool", NULL);
        AUTO_DOC *answer = NULL;
        const struct doc *pools, *first;
        enum ctl_exit r = ctl_ask(c, request, 0, &answer);

        if (r != CTL_OK)
                return r;
        pools = doc_get(answer, "pools");
        first = doc_next(pools, NULL);
        if (first && !doc_next(pools, first)) {
                str_copy_cut(ret_type, size, doc_str(first, "workspace_type"));
                return CTL_OK;
        }
        fputs("wsctl launch: say which type with --type:", stderr);
        for (const struct doc *p = NULL; (p = doc_next(pools, p));)
                fprintf(stderr, " %s", doc_str(p, "workspace_type"));
        fputc('\n', stderr);
        return CTL_USAGE;
}

bool ctl_is_workspace_id(const char *s)
{
        return strlen(s) == 15 && str_starts(s, "ws-") &&
               strspn(s + 3, "abcdefghijklmnopqrstuvwxyz234567") == 12;
}

static bool has_status(const struct doc *w, const char *status)
{
        return strcmp(doc_str(w, "status"), status) == 0;
}

/*
 * Ask again until the workspace has this status, needs an operator, or the time is over: one answer
 * of the controller waits a minute at most. `request` names the workspace and is idempotent.
 */
static enum ctl_exit ask_until(const struct ctl *c, const char *cmd, const struct doc *first,
                               const char *status, uint64_t wait_s, struct doc **ret_answer)
{
        AUTO_DOC *answer = NULL;
        int64_t left = (int64_t)wait_s * 1000;
        enum ctl_exit r = ctl_ask(c, first, MIN(left, ONE_WAIT_MS), &answer);

        left -= ONE_WAIT_MS;
        while (r == CTL_OK && left > 0 && !has_status(answer, status) &&
               !has_status(answer, "attention") && !has_status(answer, "stopped") &&
               !has_status(answer, "gone")) {
                AUTO_DOC *request = ctl_request_new(cmd, doc_str(answer, "id"));
                doc_set_num(request, "wait_ms", (double)MIN(left, ONE_WAIT_MS));
                answer = doc_free(answer);
                r = ctl_ask(c, request, MIN(left, ONE_WAIT_MS), &answer);
                left -= ONE_WAIT_MS;
        }
        if (r == CTL_OK)
                *ret_answer = STEAL(answer, NULL);
        return r;
}

enum ctl_exit command_launch(const struct ctl *c)
{
        AUTO_DOC *request =
                ctl_request_new("launch", ctl_is_workspace_id(c->argument) ? c->argument : NULL);
        AUTO_DOC *answer = NULL;
        uint64_t wait_s = c->has_wait ? c->wait_s : LAUNCH_WAIT_S;
        enum ctl_exit r = CTL_OK;
        char type[64] = "";
        bool ready;

        if (!ctl_is_workspace_id(c->argument)) {
                if (c->type)
                        STR_CUT(type, c->type);
                else
                        r = only_type(c, type, sizeof(type));
                if (r != CTL_OK)
                        return r;
                doc_set_str(request, "user_id", c->argument);
                doc_set_str(request, "workspace_type", c->type ? c->type : type);
                if (c->name)
                        doc_set_str(request, "name", c->name);
                if (c->tenant)
                        doc_set_str(request, "tenant", c->tenant);
        }
        doc_set_num(request, "wait_ms", (double)MIN(wait_s * 1000, ONE_WAIT_MS));
        r = ask_until(c, "launch", request, "ready", wait_s, &answer);
        if (r != CTL_OK)
                return r;
        ready = has_status(answer, "ready");
        if (!ctl_print_json(c, answer)) {
                if (ready)
                        printf("%s ready after %.1f s\n", doc_str(answer, "id"),
                               doc_num(answer, "startup_time", 0));
                else
                        printf("%s %s%s%s\n", doc_str(answer, "id"), doc_str(answer, "status"),
                               doc_str(answer, "reason")[0] ? ": " : "", doc_str(answer, "reason"));
                if (doc_str(answer, "url")[0])
                        printf("%s\n", doc_str(answer, "url"));
        }
        if (ready || wait_s == 0)
                return CTL_OK;
        fputs("wsctl: it is not ready yet; wsctl pool and wsctl why say what it waits for\n",
              stderr);
        return CTL_FAILED;
}

static void print_state(const struct doc *w)
{
        printf("%s %s%s%s\n", doc_str(w, "id"), doc_str(w, "status"),
               doc_str(w, "reason")[0] ? ": " : "", doc_str(w, "reason"));
}

enum ctl_exit command_stop(const struct ctl *c)
{
        AUTO_DOC *request = ctl_request_new("stop", c->argument);
        AUTO_DOC *answer = NULL;
        uint64_t wait_s = c->wait ? STOP_WAIT_S : 0;
        enum ctl_exit r;

        doc_set_num(request, "wait_ms", (double)MIN(wait_s * 1000, ONE_WAIT_MS));
        r = ask_until(c, "stop", request, "stopped", wait_s, &answer);
        if (r != CTL_OK)
                return r;
        if (!ctl_print_json(c, answer))
                print_state(answer);
        return !c->wait || has_status(answer, "stopped") || has_status(answer, "gone") ? CTL_OK
                                                                                       : CTL_FAILED;
}

enum ctl_exit command_delete(const struct ctl *c)
{
        AUTO_DOC *request = ctl_request_new("delete", c->argument);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r = ctl_ask(c, request, 0, &answer);

        if (r == CTL_OK && !ctl_print_json(c, answer)) {
                printf("%s %s", doc_str(answer, "id"), doc_str(answer, "status"));
                if (doc_str(answer, "erase_at")[0])
                        printf(", its files are erased at %s", doc_str(answer, "erase_at"));
                putchar('\n');
        }
        return r;
}

enum ctl_exit command_abandon(const struct ctl *c)
{
        AUTO_DOC *request = ctl_request_new("abandon", c->argument);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r;

        if (!c->reason) {
                fputs("wsctl abandon: say why with --reason; what is not saved is lost\n", stderr);
                return CTL_USAGE;
        }
        doc_set_str(request, "reason", c->reason);
        r = ctl_ask(c, request, 0, &answer);
        if (r == CTL_OK && !ctl_print_json(c, answer))
                print_state(answer);
        return r;
}

static enum ctl_exit set_mode(const struct ctl *c, const char *mode)
{
        AUTO_DOC *request = ctl_request_new("mode", NULL);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r;

        if (!c->reason && !c->off) {
                fprintf(stderr, "wsctl %s: say why with --reason, or end it with --off\n", mode);
                return CTL_USAGE;
        }
        doc_set_str(request, "mode", mode);
        doc_set_bool(request, "on", !c->off);
        doc_set_bool(request, "hard", c->hard);
        if (c->type)
                doc_set_str(request, "workspace_type", c->type);
        if (c->reason)
                doc_set_str(request, "reason", c->reason);
        r = ctl_ask(c, request, 0, &answer);
        if (r == CTL_OK && !ctl_print_json(c, answer))
                show_modes(c, answer);
        return r;
}

enum ctl_exit command_pause(const struct ctl *c)
{
        return set_mode(c, "pause");
}

enum ctl_exit command_maintenance(const struct ctl *c)
{
        return set_mode(c, "maintenance");
}

enum ctl_exit command_drain(const struct ctl *c)
{
        return set_mode(c, "drain");
}

enum ctl_exit command_events(const struct ctl *c)
{
        uint64_t after = c->after;
        enum ctl_exit r;
        bool more;

        do {
                AUTO_DOC *request = ctl_request_new("events", NULL);
                AUTO_DOC *answer = NULL;
                int64_t wait_ms = c->follow ? 20000 : 0;
                double last;
                doc_set_num(request, "after", (double)after);
                doc_set_num(request, "wait_ms", (double)wait_ms);
                r = ctl_ask(c, request, wait_ms, &answer);
                if (r != CTL_OK)
                        return r;
                last = doc_num(answer, "last", (double)after);
                more = (uint64_t)last > after;
                after = (uint64_t)last;
                /* Nothing new is no line of output while following. */
                if ((more || !c->follow) && !ctl_print_json(c, answer))
                        show_events(c, answer);
                /* Not to wait: go on only while an answer was full. */
                more = more && !c->json;
        } while (c->follow || more);
        return r;
}

/* The controller ends when everything is saved: then nobody answers any more. */
static enum ctl_exit wait_for_end(const struct ctl *c)
{
        for (;;) {
                const struct timespec pause = {.tv_nsec = 300 * 1000 * 1000};
                AUTO_DOC *request = ctl_request_new("status", NULL);
                AUTO_DOC *answer = NULL;
                if (ctl_ask_quietly(c, request, 0, &answer) != CTL_OK)
                        return CTL_OK;
                (void)nanosleep(&pause, NULL);
        }
}

enum ctl_exit command_shutdown(const struct ctl *c)
{
        AUTO_DOC *request = ctl_request_new("shutdown", NULL);
        AUTO_DOC *answer = NULL;
        enum ctl_exit r = ctl_ask(c, request, 0, &answer);

        if (r != CTL_OK)
                return r;
        if (!ctl_print_json(c, answer))
                puts("the controller saves and stops every workspace, then ends");
        (void)fflush(stdout);
        if (!c->wait)
                return CTL_OK;
        r = wait_for_end(c);
        if (r == CTL_OK && !c->json)
                puts("the controller has ended");
        return r;
}
