/* init, as link sees it: the app, restores and saves in virtual time. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "link_world_internal.h"
#include "test.h"
#include "wire/blob.h"

void world_tell(struct world *w, uint32_t type, int32_t status, uint32_t flags, uint32_t count,
                const char *blob)
{
        struct control_msg m = {
                .type = type,
                .status = status,
                .flags = flags,
                .count = count,
                .app_state = w->app,
                .app_primed = w->app_primed,
                .busy = (uint32_t)(w->save_runs ? 1 : 0) | (uint32_t)(w->restore_runs ? 2 : 0) |
                        (uint32_t)(w->terminating ? 4 : 0) | (uint32_t)(w->student_ran ? 8 : 0) |
                        (uint32_t)(w->rest_runs ? 16 : 0),
                .len = (uint32_t)strlen(blob),
        };

        world_give(w, &(struct state_event){
                              .type = STATE_CONTROL, .control.msg = &m, .control.blob = blob});
}

static uint64_t seq_of(const char *request)
{
        const char *at = strstr(request, "\"seq\":");
        unsigned long long seq = 0;

        CHECK(at && sscanf(at, "\"seq\":%llu", &seq) == 1);
        return seq;
}

static void start_app(struct world *w, uint32_t flags)
{
        bool prime = (flags & CONTROL_PRIME) != 0;

        world_note(w, "app-start%s\n", prime ? " prime" : "");
        CHECK(w->app == CONTROL_APP_NONE);
        CHECK(!w->restore_runs && !(w->save_runs && w->save_is_final));
        /* The student's app never sees a home that is not complete. */
        CHECK(prime || w->home_complete);
        w->app = CONTROL_APP_RUNNING;
        w->app_primed = prime;
        w->student_ran = w->student_ran || !prime;
        w->starts++;
        world_later(w, 0, WORLD_APP_STARTED, 0);
}

static bool is_sync(const char *request)
{
        return strcmp(request, "{\"workspace\":\"ws-a\",\"generation\":3,\"sync\":true}") == 0;
}

static void start_sync(struct world *w, bool final)
{
        world_note(w, "sync\n");
        CHECK(final && w->home && !w->save_runs && !w->terminating && w->home_complete);
        CHECK(w->app == CONTROL_APP_NONE && !w->rest_runs);
        w->save_runs = w->save_is_final = w->syncs_now = true;
        w->save_seq = 1;
        w->syncs++;
        world_later(w, w->save_ms, WORLD_SAVED, 0);
}

static void start_save(struct world *w, uint32_t flags, const char *request)
{
        bool final = (flags & CONTROL_FINAL) != 0;
        uint64_t seq;

        if (is_sync(request)) {
                start_sync(w, final);
                return;
        }
        seq = seq_of(request);
        world_note(w, "save %llu%s\n", (unsigned long long)seq, final ? " final" : "");
        CHECK(!w->save_runs && !w->terminating);
        CHECK(w->home_complete);
        /* The last save sees a home that nobody writes to. */
        CHECK(!final || (w->app == CONTROL_APP_NONE && !w->rest_runs));
        /* One request, one save; and never the one that init may use by itself. */
        CHECK(seq > w->uploaded_seq);
        CHECK(seq != w->held_seq);
        w->save_runs = true;
        w->save_is_final = final;
        w->save_seq = seq;
        w->saves++;
        w->finals += final;
        world_later(w, w->save_ms, WORLD_SAVED, 0);
}

static uint64_t request_of(const char *request)
{
        unsigned long long n = 0;

        CHECK(sscanf(request, "{\"restore\":%llu}", &n) == 1);
        return n;
}

static void start_rest(struct world *w, const char *request)
{
        world_note(w, "rest %llu\n", (unsigned long long)request_of(request));
        CHECK(!w->rest_runs && !w->restore_runs && !w->terminating && w->home_complete);
        CHECK(w->app == CONTROL_APP_RUNNING || w->app == CONTROL_APP_BACKOFF);
        CHECK(!w->app_primed);
        w->rest_runs = true;
        w->rest_request = request_of(request);
        world_later(w, w->rest_ms, WORLD_REST_DONE, (int64_t)++w->rests);
}

/* With the app: what it has brought so far stays. */
void world_kill_rest(struct world *w)
{
        if (w->rest_runs)
                world_later(w, 0, WORLD_REST_DONE, -(int64_t)w->rests);
}

void world_take_order(struct world *w, const struct state_action *a)
{
        switch ((enum control_type)a->control.type) {
        case CONTROL_APP_START:
                start_app(w, a->control.flags);
                return;
        case CONTROL_APP_STOP:
                world_note(w, "app-stop\n");
                w->stops++;
                if (w->app != CONTROL_APP_STOPPING)
                        world_later(w, w->stop_ms, WORLD_APP_STOPPED, 0);
                w->app = CONTROL_APP_STOPPING;
                world_kill_rest(w);
                return;
        case CONTROL_RESTORE:
                if (a->control.flags & CONTROL_REST) {
                        start_rest(w, a->control.blob);
                        return;
                }
                if (a->control.flags & CONTROL_AHEAD) {
                        CHECK(!a->control.blob && !w->restore_runs && !w->student_ran);
                        world_note(w, "restore ahead\n");
                        return;
                }
                world_note(w, "restore\n");
                CHECK(a->control.blob && !w->restore_runs);
                /* Never over files that the student has worked on. */
                CHECK(!w->student_ran);
                w->restore_runs = true;
                w->home_complete = false;
                world_later(w, w->restore_ms, WORLD_RESTORED, 0);
                return;
        case CONTROL_SAVE:
                start_save(w, a->control.flags, a->control.blob);
                return;
        case CONTROL_HOLD:
                CHECK(w->home_complete);
                w->held_sync = a->control.blob && is_sync(a->control.blob);
                if (w->held_sync)
                        return;
                w->held_seq = a->control.blob ? seq_of(a->control.blob) : 0;
                CHECK(w->held_seq == 0 || w->held_seq > w->uploaded_seq);
                CHECK(!w->save_runs || w->held_seq != w->save_seq);
                if (w->held_seq > 0 && w->held_failed)
                        world_later(w, 0, WORLD_HELD, 0);
                return;
        case CONTROL_SAVED:
                world_note(w, "saved\n");
                w->saved_told++;
                return;
        case CONTROL_STATE:
        case CONTROL_APP_EXITED:
        case CONTROL_APP_STOPPED:
        case CONTROL_RESTORE_DONE:
        case CONTROL_SAVE_DONE:
        case CONTROL_TERMINATING:
        case CONTROL_REFUSED:
        case CONTROL_PROGRESS:
                break;
        }
        CHECK(!"an order");
}

void world_end_restore(struct world *w)
{
        char blob[512];

        w->restore_runs = false;
        if (w->restore_error)
                snprintf(blob, sizeof(blob),
                         "{\"ok\":false,\"code\":\"%s\",\"message\":\"planned\"}",
                         w->restore_error);
        else
                snprintf(blob, sizeof(blob),
                         "{\"ok\":true,\"seq\":4,\"generation\":2,\"files\":0,\"bytes\":0,"
                         "\"ms\":1,\"left\":%llu,\"fell_back\":%s,\"at_ms\":1795754096000,"
                         "\"message\":\"%s\"}",
                         (unsigned long long)w->later_bytes, w->fell_back ? "true" : "false",
                         w->fell_back ? w->fell_back : "");
        w->home_complete = !w->restore_error;
        w->rest_left = w->later_bytes;
        world_tell(w, CONTROL_RESTORE_DONE, w->restore_error ? 1 : 0, 0, 0, blob);
}

/* run < 0: it was killed. */
void world_end_rest(struct world *w, int64_t run)
{
        bool expired = w->restore_ttl_ms > 0 &&
                       mono_diff_ms(w->restore_given_at, w->now) >= w->restore_ttl_ms;
        const char *error = expired ? BLOB_CODE_REFUSED : w->rest_error;
        uint64_t step = w->rest_step ? MIN(w->rest_step, w->rest_left) : w->rest_left;
        char blob[512];

        if (!w->rest_runs || (uint64_t)(run < 0 ? -run : run) != w->rests)
                return;
        w->rest_runs = false;
        w->rests_expired += expired;
        if (run < 0) {
                world_tell(w, CONTROL_RESTORE_DONE, 143, CONTROL_REST, 0, "");
                return;
        }
        if (!error)
                w->rest_left -= step;
        if (error)
                snprintf(blob, sizeof(blob),
                         "{\"ok\":false,\"code\":\"%s\",\"message\":\"planned\"}", error);
        else
                snprintf(blob, sizeof(blob),
                         "{\"ok\":true,\"seq\":4,\"generation\":2,\"files\":0,\"bytes\":0,"
                         "\"ms\":1,\"left\":%llu,\"fell_back\":false}",
                         (unsigned long long)w->rest_left);
        world_tell(w, CONTROL_RESTORE_DONE, error ? 1 : 0, CONTROL_REST, 0, blob);
}

void world_tell_progress(struct world *w, int64_t done)
{
        const struct control_progress p = {.done = (uint64_t)done, .total = 300000000};
        struct control_msg m = {.type = CONTROL_PROGRESS,
                                .flags = w->rest_runs ? CONTROL_REST : 0,
                                .app_state = w->app,
                                .app_primed = w->app_primed,
                                .len = sizeof(p)};

        world_give(w, &(struct state_event){
                              .type = STATE_CONTROL, .control.msg = &m, .control.blob = &p});
}

/* The code that a save ends with, or NULL. */
static const char *save_fault(const struct world *w)
{
        mono_t granted = w->granted_at[w->save_seq % WORLD_GRANTS_MAX];

        if (w->save_error || w->syncs_now)
                return w->save_error;
        if (w->save_unchanged && w->committed_seq > 0)
                return NULL;
        if (w->save_seq <= w->taken_seq)
                return BLOB_CODE_EXISTS;
        if (w->url_ttl_ms > 0 && mono_diff_ms(granted, w->now) >= w->url_ttl_ms)
                return BLOB_CODE_REFUSED;
        return NULL;
}

void world_end_save(struct world *w, uint32_t flags)
{
        char blob[768];
        const char *error = save_fault(w);

        w->save_runs = false;
        if (w->save_is_final)
                flags |= CONTROL_FINAL;
        if (error && w->save_errors_left > 0 && --w->save_errors_left == 0)
                w->save_error = NULL;
        w->syncs_now &= !error;
        if (error) {
                snprintf(blob, sizeof(blob),
                         "{\"ok\":false,\"seq\":%llu,\"code\":\"%s\",\"message\":\"%s\","
                         "\"retry\":true}",
                         (unsigned long long)w->save_seq, error,
                         w->save_message ? w->save_message : "planned");
        } else if (STEAL(w->syncs_now, false) || (w->save_unchanged && w->committed_seq > 0)) {
                snprintf(blob, sizeof(blob),
                         "{\"ok\":true,\"seq\":%llu,\"final\":%s,\"unchanged\":true,"
                         "\"length\":0,\"sha256\":\"\",\"data_length\":0,\"files\":1,\"ms\":1}",
                         (unsigned long long)w->save_seq, flags & CONTROL_FINAL ? "true" : "false");
        } else {
                w->uploaded_seq = w->save_seq;
                snprintf(blob, sizeof(blob),
                         "{\"ok\":true,\"seq\":%llu,\"final\":%s,\"unchanged\":false,"
                         "\"length\":100,\"sha256\":\"%064d\",\"data_length\":5000,\"files\":3,"
                         "\"ms\":1,\"unreadable\":%llu,\"message\":\"%s\"}",
                         (unsigned long long)w->save_seq, flags & CONTROL_FINAL ? "true" : "false",
                         7, (unsigned long long)w->save_unreadable,
                         w->save_message ? w->save_message : "");
        }
        world_tell(w, CONTROL_SAVE_DONE, error ? 1 : 0, flags, 0, blob);
}

void world_save_held(struct world *w)
{
        if (w->held_seq == 0)
                return;
        CHECK(!w->rest_runs && w->home_complete);
        w->save_runs = w->save_is_final = true;
        w->save_seq = w->held_seq;
        w->held_seq = 0;
        w->held_failed = save_fault(w) != NULL;
        w->held_saves++;
        world_later(w, w->save_ms, WORLD_SAVED, 1);
}

void world_end_stop(struct world *w)
{
        w->app = CONTROL_APP_NONE;
        if (!w->terminating) {
                world_tell(w, CONTROL_APP_STOPPED, 0, 0, 0, "");
                return;
        }
        world_save_held(w);
}
