/*
 * Bringing the student's files: the essentials before the app, the rest beside it. A new link does
 * not know whether anything was left, so it orders a run of the rest, which finds out.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "link/internal.h"
#include "wire/blob.h"

/* The app comes up first, on what there is of a processor; if it does not, the rest comes anyway.
 */
#define REST_WAIT_MS INT64_C(10000)
/* Between attempts at what is not in the storage, or damaged there. */
#define REST_HOPELESS_MS INT64_C(300000)
/* For the welcome that brings another request. */
#define ANEW_MS INT64_C(2000)
/* One failure passes by itself: it was ended with the app, or an address had expired. */
#define REST_QUIET 1
#define MB UINT64_C(1000000)

/* ---- requests ---- */

/* The welcome repeats the claim, with a restore request that is made anew. */
static void ask_anew(struct state *s)
{
        s->enrolled = false;
        s->hello_at = s->now;
}

/* Its address expires. Without a controller to ask, an old one may still work. */
static bool request_usable(struct state *s)
{
        bool old = mono_diff_ms(s->restore_request_at, s->now) >= SAVES_FRESH_MS;

#ifdef LINK_PLANTED_OLD_REQUEST
        old = false;
#endif
        if (!old || !s->enrolled)
                return true;
        ask_anew(s);
        return false;
}

void restore_request(struct state *s, const char *request)
{
        STR_CUT(s->claim.restore, request);
        s->restore_request_at = s->now;
}

/* ---- the essentials ---- */

void restore_begin(struct state *s, struct state_actions *fx)
{
        s->restore_at = s->now;
        if (!request_usable(s)) {
                s->restore_at = mono_add_ms(s->now, ANEW_MS);
                return;
        }
        s->restore_at = MONO_NEVER;
        s->restoring = true;
        s->restore_done = s->restore_total = 0;
        state_order(s, fx, CONTROL_RESTORE, 0)->control.blob = s->claim.restore;
}

static bool hopeless(const char *code)
{
        return strcmp(code, BLOB_CODE_CORRUPT) == 0 || strcmp(code, BLOB_CODE_MISSING) == 0;
}

static void failed(struct state *s, const char *code, const char *message, struct state_actions *fx)
{
        state_trouble(s, STATE_TROUBLE_RESTORE,
                      hopeless(code) ? "the files cannot be restored"
                                     : "restoring is being retried",
                      *message ? message : code);
        if (s->stop_wanted) {
                s->stop_wanted = false;
                backup_nothing(s, fx);
                return;
        }
        if (hopeless(code)) {
                life_enter(s, WIRE_PHASE_FAILED, fx);
                return;
        }
        /* Storage out of reach is waited for; an empty home in its place would fork history. */
        s->restore_at = mono_add_ms(s->now, state_backoff_ms(s, s->restore_failures++));
        if (strcmp(code, BLOB_CODE_REFUSED) == 0)
                ask_anew(s);
}

/* To the minute: a person compares it with what they remember. */
static void tell_fell_back(struct state *s, uint64_t at_ms)
{
        time_t seconds = (time_t)(at_ms / 1000);
        char when[32] = "", text[WIRE_TEXT_SIZE];
        struct tm tm;

        if (at_ms > 0 && gmtime_r(&seconds, &tm))
                (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &tm);
        (void)snprintf(text, sizeof(text), "Your newest save was damaged; files are as of %s.",
                       *when ? when : "an earlier save");
        state_notice(s, STATE_NOTICE_RESTORE, text);
}

static void succeeded(struct state *s, const struct blob_restore_result *result,
                      struct state_actions *fx)
{
        state_fine(s, STATE_TROUBLE_RESTORE);
        s->restored_generation = result->generation;
        s->restored_seq = result->seq;
        s->fell_back = result->fell_back;
        if (result->fell_back) {
                state_trouble(s, STATE_TROUBLE_RESTORE, "an older save was restored",
                              result->message);
                STR_CUT(s->restored_why, result->message);
                tell_fell_back(s, result->at_ms);
        }
        s->restore_failures = 0;
        s->restore_done = s->restore_total = 0;
        s->rest_wanted = result->left > 0;
        s->rest_left = result->left;
        life_files_in_place(s, fx);
}

static void essentials_done(struct state *s, const struct control_msg *msg, const void *blob,
                            struct state_actions *fx)
{
        struct blob_restore_result result;
        char text[64];

        s->restoring = false;
        if (s->phase != WIRE_PHASE_RESTORING)
                return;
        if (msg->len == 0 || blob_restore_result_decode(blob, msg->len, &result) < 0) {
                (void)snprintf(text, sizeof(text), "exit status %d without a result", msg->status);
                failed(s, BLOB_CODE_INTERNAL, text, fx);
        } else if (result.ok) {
                succeeded(s, &result, fx);
        } else {
                failed(s, result.code, result.message, fx);
        }
}

/* ---- the rest ---- */

static bool may_bring_rest(const struct state *s)
{
        return s->rest_wanted && !s->rest_runs && !s->terminating &&
               (s->phase == WIRE_PHASE_READY || s->phase == WIRE_PHASE_APP_STARTING);
}

void restore_rest_begin(struct state *s)
{
        s->rest_at = mono_add_ms(s->now, REST_WAIT_MS);
        s->rest_failures = 0;
}

void restore_rest_ready(struct state *s)
{
        if (s->rest_failures == 0)
                s->rest_at = mono_min(s->rest_at, s->now);
}

static void order_rest(struct state *s, struct state_actions *fx)
{
        if (!request_usable(s)) {
                s->rest_at = mono_add_ms(s->now, ANEW_MS);
                return;
        }
        s->rest_runs = true;
        state_order(s, fx, CONTROL_RESTORE, CONTROL_REST)->control.blob = s->claim.restore;
}

static void rest_failed(struct state *s, const char *code, const char *message)
{
        bool quiet = s->rest_failures < REST_QUIET;

        s->rest_at = mono_add_ms(s->now, state_backoff_ms(s, s->rest_failures++));
        if (!quiet)
                state_trouble(s, STATE_TROUBLE_REST, "some files are still to be brought",
                              *message ? message : code);
        if (strcmp(code, BLOB_CODE_REFUSED) == 0)
                ask_anew(s);
        if (quiet || !hopeless(code))
                return;
        /* An operator may bring it back. Saves go on referring to it. */
        s->rest_at = mono_add_ms(s->now, REST_HOPELESS_MS);
        state_notice(s, STATE_NOTICE_RESTORE, "Some of your files could not be brought back yet.");
}

static void rest_succeeded(struct state *s, uint64_t left)
{
        bool further = left < s->rest_left || s->rest_left == 0;

        s->rest_left = left;
        if (left == 0) {
                s->rest_wanted = false;
                s->restore_done = s->restore_total = 0;
                s->report_at = s->now;
                state_fine(s, STATE_TROUBLE_REST);
                return;
        }
        s->rest_failures = further ? 0 : s->rest_failures + 1;
        s->rest_at = mono_add_ms(s->now, state_backoff_ms(s, s->rest_failures));
}

static void rest_done(struct state *s, const struct control_msg *msg, const void *blob)
{
        struct blob_restore_result result;
        char text[64];

        s->rest_runs = false;
        /* Ended with the app. Where that starts again, so does this. */
        if (s->phase != WIRE_PHASE_READY && s->phase != WIRE_PHASE_APP_STARTING)
                return;
        if (msg->len == 0 || blob_restore_result_decode(blob, msg->len, &result) < 0) {
                (void)snprintf(text, sizeof(text), "exit status %d without a result", msg->status);
                rest_failed(s, BLOB_CODE_INTERNAL, text);
        } else if (result.ok) {
                rest_succeeded(s, result.left);
        } else {
                rest_failed(s, result.code, result.message);
        }
}

/* ---- from init ---- */

void restore_done(struct state *s, const struct control_msg *msg, const void *blob,
                  struct state_actions *fx)
{
        if (msg->flags & CONTROL_REST)
                rest_done(s, msg, blob);
        else
                essentials_done(s, msg, blob, fx);
}

void restore_refused(struct state *s, const struct control_msg *msg, struct state_actions *fx)
{
        if (msg->flags & CONTROL_REST) {
                s->rest_runs = false;
                rest_failed(s, BLOB_CODE_INTERNAL, "init refused the order");
                return;
        }
        s->restoring = false;
        failed(s, BLOB_CODE_INTERNAL, "init refused the order", fx);
}

void restore_progress(struct state *s, const struct control_msg *msg, const void *blob,
                      struct state_actions *fx)
{
        bool rest = (msg->flags & CONTROL_REST) != 0;
        struct control_progress p;

        if (msg->len != sizeof(p) || (rest ? !s->rest_runs : s->phase != WIRE_PHASE_RESTORING))
                return;
        memcpy(&p, blob, sizeof(p));
        s->restore_total = MIN(p.total, (uint64_t)WIRE_NUMBER_MAX);
        s->restore_done = MIN(p.done, s->restore_total);
        s->report_at = mono_min(s->report_at, mono_add_ms(s->reported_at, STATE_PROGRESS_MS));
        if (!rest)
                life_tell(s, fx);
}

void restore_describe(const struct state *s, char *dst, size_t size)
{
        *dst = '\0';
        if (s->phase == WIRE_PHASE_RESTORING && s->restore_total >= MB)
                (void)snprintf(dst, size, "Restoring %llu of %llu MB",
                               (unsigned long long)(s->restore_done / MB),
                               (unsigned long long)(s->restore_total / MB));
}

/* ---- time ---- */

void restore_deadline(struct state *s, struct state_actions *fx)
{
        if (s->phase == WIRE_PHASE_RESTORING && !s->restoring && mono_due(s->restore_at, s->now))
                restore_begin(s, fx);
        if (may_bring_rest(s) && mono_due(s->rest_at, s->now))
                order_rest(s, fx);
}

mono_t restore_due(const struct state *s)
{
        if (s->phase == WIRE_PHASE_RESTORING && !s->restoring)
                return s->restore_at;
        return may_bring_rest(s) ? s->rest_at : MONO_NEVER;
}
