/* What is refused, as JSON; and the answers of POST /v1/actions, the first design's shape. */
#include "in/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "in/view_print.h"

static void add_str(cJSON *obj, const char *key, const char *value)
{
        cJSON_AddStringToObject(obj, key, value);
}

static void add_count(cJSON *obj, const char *key, uint64_t n)
{
        cJSON_AddNumberToObject(obj, key, (double)n);
}

/* ---- errors ---- */

static void add_error_rest(cJSON *o, const struct view_error *e)
{
        add_str(o, "hint", view_error_hint(e->id));
        if (e->place)
                add_count(o, "place", e->place);
        if (e->retry_s)
                add_count(o, "retry_s", e->retry_s);
        if (e->leader[0])
                add_str(o, "leader", e->leader);
}

static void add_error(cJSON *o, const struct view_error *e)
{
        cJSON *err = cJSON_AddObjectToObject(o, "error");

        add_str(err, "code", view_error_code(e->id));
        add_str(err, "message", e->message);
        add_error_rest(err, e);
}

int view_error_json(const struct view_error *e, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        add_error(o, e);
        return view_print(o, out);
}

/* "bad-field" -> "Bad field" */
static void title_of(const char *code, char *dst, size_t size)
{
        str_copy_cut(dst, size, code);
        for (char *p = dst; *p; p++)
                *p = *p == '-' ? ' ' : *p;
        dst[0] = (char)(dst[0] >= 'a' && dst[0] <= 'z' ? dst[0] - 'a' + 'A' : dst[0]);
}

int view_problem_json(const struct view_error *e, int status, const char *instance, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        const char *code = view_error_code(e->id);
        char text[64];

        (void)snprintf(text, sizeof(text), "urn:workspaces:problem:%s", code);
        add_str(o, "type", text);
        title_of(code, text, sizeof(text));
        add_str(o, "title", text);
        cJSON_AddNumberToObject(o, "status", status);
        add_str(o, "detail", e->message);
        add_str(o, "instance", instance);
        add_str(o, "code", code);
        add_error_rest(o, e);
        add_error(o, e);
        return view_print(o, out);
}

/* ---- POST /v1/actions ---- */

int view_action_status(const char *status, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        add_str(o, "status", status);
        return view_print(o, out);
}

int view_action_launched(const struct view *v, const struct workspace_row *w, int64_t waited_ms,
                         struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        AUTO_BUF url = BUF_INIT(1024);
        bool ready = view_ready(v, w);
        bool stuck = w->state == WS_ATTENTION || w->state == WS_STOPPED || w->state == WS_DELETED;

        add_str(o, "status", ready ? "ready" : stuck ? ws_state_name(w->state) : "starting");
        if (v->links && view_access_url(v, w, &url) == 0 && buf_terminate(&url) == 0)
                add_str(o, "url", (const char *)url.data);
        if (ready)
                cJSON_AddNumberToObject(o, "startup_time",
                                        (double)(waited_ms > 0 ? waited_ms : 0) / 1000);
        if (w->task[0])
                add_str(o, "task_arn", w->task);
        add_str(o, "workspace", w->id);
        if (stuck && w->reason[0])
                add_str(o, "reason", w->reason);
        return view_print(o, out);
}

int view_action_monitored(const struct view *v, uint64_t terminated, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();
        const struct workspace_row *w;
        uint64_t active = 0;
        size_t pos = 0;

        while ((w = core_next_workspace(v->core, &pos)))
                active += w->state == WS_STARTING || w->state == WS_RUNNING;
        add_count(o, "terminated", terminated);
        add_count(o, "active", active);
        return view_print(o, out);
}

int view_action_error(const struct view_error *e, const char *instance, struct buf *out)
{
        AUTO_JSON *o = cJSON_CreateObject();

        add_str(o, "status", "error");
        add_str(o, "error", e->message);
        add_str(o, "code", view_error_code(e->id));
        add_str(o, "instance", instance);
        add_error_rest(o, e);
        return view_print(o, out);
}
