/* When to save, and what came of it. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "link/internal.h"
#include "wire/blob.h"

/* While the controller is away nothing can be committed: make the requests last longer. */
#define AWAY_MS INT64_C(40000)
/* Between the planned start of a save and the age it is planned for. */
#define MARGIN_MS INT64_C(5000)
/* What forces a save may come in bursts. */
#define FORCED_GAP_MS INT64_C(5000)
/* Attempts at once with a new request when the old one was used up or had expired. */
#define QUICK_MAX 8
/* So long a last save is tried again by itself while the storage is slow, or away. */
#define FINAL_PATIENCE_MS INT64_C(60000)

/* ---- requests ---- */

/* Mode `home`: nothing is uploaded when it ends, so nothing needs to be allowed. */
static bool sync_request(const struct state *s, char blob[static WIRE_SAVE_SIZE])
{
        struct blob_save_request q = {.generation = s->generation, .sync = true};
        AUTO_BUF json = BUF_INIT(WIRE_SAVE_SIZE);

        STR_CUT(q.workspace, s->claim.workspace);
        if (blob_save_request_encode(&q, &json) < 0 || buf_terminate(&json) < 0)
                return false;
        return str_copy(blob, WIRE_SAVE_SIZE, (const char *)json.data) == 0;
}

static void hold_sync(struct state *s, struct state_actions *fx)
{
        if (s->held_sync || !sync_request(s, s->hold_blob))
                return;
        s->held_sync = true;
        state_order(s, fx, CONTROL_HOLD, 0)->control.blob = s->hold_blob;
}

void backup_claim(struct state *s)
{
        s->backup_at =
                s->claim.backup_ms > 0 ? mono_add_ms(s->now, s->claim.backup_in_ms) : MONO_NEVER;
}

void backup_hold(struct state *s, struct state_actions *fx)
{
        const struct wire_save *top = saves_highest(&s->saves);
        struct state_action *a;

        /* An incomplete home must never become the newest save, not even by init. */
        if (!s->restored)
                return;
        if (s->claim.home) {
                hold_sync(s, fx);
                return;
        }
        if (!top && s->held_seq == 0)
                return;
        if (top && s->held_seq == top->seq && s->held_committed == s->saves.committed_seq)
                return;
        a = state_order(s, fx, CONTROL_HOLD, 0);
        s->held_seq = top ? top->seq : 0;
        s->held_committed = s->saves.committed_seq;
        if (!top)
                return;
        STR_CUT(s->hold_blob, top->request);
        a->control.blob = s->hold_blob;
}

void backup_grant(struct state *s, const struct wire_save *saves, size_t n,
                  struct state_actions *fx)
{
        saves_grant(&s->saves, saves, n, s->now);
        backup_hold(s, fx);
}

void backup_change(struct state *s)
{
        saves_change(&s->saves, s->now);
}

void backup_missed(struct state *s)
{
        saves_change(&s->saves, s->now);
        /* While the app comes up it needs the machine for itself; the usual wait is soon enough. */
        s->save_forced = s->save_forced || s->phase == WIRE_PHASE_READY;
}

/* ---- ordering ---- */

bool backup_running(struct state *s)
{
        return s->foreign_save || saves_running(&s->saves);
}

static bool order_save(struct state *s, bool final, struct state_actions *fx)
{
        const struct wire_save *grant = saves_pick(&s->saves, final);
        struct state_action *a;

        if (!grant || !saves_start(&s->saves, grant->seq, s->now))
                return false;
        STR_CUT(s->save_blob, grant->request);
        /* Out of init's hand before it is used here: two saves must not share a request. */
        if (grant->seq == s->held_seq) {
                state_order(s, fx, CONTROL_HOLD, 0);
                s->held_seq = 0;
        }
        a = state_order(s, fx, CONTROL_SAVE, final ? CONTROL_FINAL : 0);
        a->control.blob = s->save_blob;
        s->save_final = final;
        s->save_forced = false;
        s->save_started = s->now;
        return true;
}

static bool order_sync(struct state *s, struct state_actions *fx)
{
        if (!sync_request(s, s->save_blob) || !saves_start(&s->saves, 0, s->now))
                return false;
        state_order(s, fx, CONTROL_SAVE, CONTROL_FINAL)->control.blob = s->save_blob;
        s->save_final = true;
        s->save_started = s->now;
        return true;
}

void backup_begin_final(struct state *s, struct state_actions *fx)
{
        if (s->phase != WIRE_PHASE_SAVING || !s->final_wanted || backup_running(s))
                return;
        /* What background saves wait for is nothing to it, its own failures are. */
        if (!mono_is_never(s->final_failed_at) && !mono_due(s->save_at, s->now))
                return;
        if (s->claim.home ? order_sync(s, fx) : order_save(s, true, fx))
                s->final_wanted = false;
        else
                state_trouble(s, STATE_TROUBLE_SAVE,
                              "waiting for the controller to allow the last save", "");
}

void backup_nothing(struct state *s, struct state_actions *fx)
{
        struct saves_out *out;

        s->restore_at = MONO_NEVER;
        life_enter(s, WIRE_PHASE_SAVING, fx);
        if (backup_running(s) || !saves_start(&s->saves, 0, s->now))
                return;
        out = saves_running(&s->saves);
        out->uploaded = true;
        out->tell_at = s->now;
        out->msg = (struct wire_saved){.final = true, .unchanged = true};
}

void backup_unfinal(struct state *s)
{
        s->final_wanted = false;
        s->save_final = false;
        for (size_t i = 0; i < s->saves.n_out; i++)
                s->saves.out[i].msg.final = false;
}

/* As background_due: of a home, which is safe where it is. */
static mono_t home_backup_due(const struct state *s)
{
        mono_t due = s->backup_asked ? s->now : s->backup_at;

        if (s->phase != WIRE_PHASE_READY || mono_is_never(saves_uncovered(&s->saves)))
                return MONO_NEVER;
        return mono_max(due, s->save_at);
}

/* When the next background save should begin; NEVER while it should not. */
static mono_t background_due(const struct state *s)
{
        mono_t changed = saves_uncovered(&s->saves);
        int64_t wait = MIN(s->config.save_after_ms,
                           MAX(STATE_UNSAVED_MS - MARGIN_MS - s->save_took_ms, 1000));
        mono_t due = mono_add_ms(s->save_started, STATE_CHECK_MS);

        if (s->claim.home)
                return home_backup_due(s);
        if (!s->enrolled)
                wait = MAX(wait, AWAY_MS);
        if (!mono_is_never(changed))
                due = mono_min(due, mono_add_ms(changed, wait));
        if (s->save_forced)
                due = mono_min(due, mono_add_ms(s->save_started, MIN(wait, FORCED_GAP_MS)));
        return mono_before(due, s->save_at) ? s->save_at : due;
}

static bool may_background(const struct state *s)
{
        return s->restored && !s->terminating && !s->foreign_save &&
               (s->phase == WIRE_PHASE_READY || s->phase == WIRE_PHASE_APP_STARTING);
}

void backup_deadline(struct state *s, struct state_actions *fx)
{
        if (s->terminating)
                return;
        if (s->phase == WIRE_PHASE_SAVING && s->final_wanted && mono_due(s->save_at, s->now)) {
                backup_begin_final(s, fx);
                return;
        }
        if (may_background(s) && !saves_running(&s->saves) && saves_pick(&s->saves, false) &&
            s->saves.n_out < SAVES_OUT_MAX && mono_due(background_due(s), s->now))
                (void)order_save(s, false, fx);
}

mono_t backup_due(const struct state *s)
{
        for (size_t i = 0; i < s->saves.n_out; i++) {
                if (!s->saves.out[i].uploaded)
                        return MONO_NEVER;
        }
        if (s->terminating || s->foreign_save)
                return MONO_NEVER;
        if (s->saves.n_out == SAVES_OUT_MAX)
                return MONO_NEVER;
        if (s->phase == WIRE_PHASE_SAVING && s->final_wanted &&
            (s->claim.home || saves_pick(&s->saves, true)))
                return s->save_at;
        if (may_background(s) && saves_pick(&s->saves, false))
                return background_due(s);
        return MONO_NEVER;
}

/* ---- results ---- */

void backup_new_final(struct state *s)
{
        s->final_wanted = true;
        s->final_failed_at = MONO_NEVER;
}

/* Whether it is tried again without a new order. What is uploaded already is not sent again. */
static bool final_again(struct state *s, const char *code)
{
        if (s->phase != WIRE_PHASE_SAVING || strcmp(code, BLOB_CODE_NETWORK) != 0)
                return false;
        if (mono_is_never(s->final_failed_at))
                s->final_failed_at = s->now;
        return mono_diff_ms(s->final_failed_at, s->now) < FINAL_PATIENCE_MS;
}

static void final_failed(struct state *s, struct state_actions *fx)
{
        s->final_wanted = false;
        if (s->phase == WIRE_PHASE_SAVING || s->terminating)
                life_enter(s, WIRE_PHASE_SAVE_FAILED, fx);
}

/* Does a new request help where this one failed? */
static bool request_is_to_blame(const char *code)
{
        return strcmp(code, BLOB_CODE_EXISTS) == 0 || strcmp(code, BLOB_CODE_REFUSED) == 0;
}

/* The same request can be used again: nothing was stored, or `exists` will say so. */
static bool request_is_good(const char *code)
{
        return strcmp(code, BLOB_CODE_NETWORK) == 0 || strcmp(code, BLOB_CODE_DISK_FULL) == 0;
}

static void tell_unsaved(struct state *s, const char *message)
{
        char text[WIRE_TEXT_SIZE];

        (void)snprintf(text, sizeof(text), "Your work cannot be saved: %.*s", WIRE_TEXT_SIZE - 28,
                       message);
        state_notice(s, STATE_NOTICE_SAVE, text);
}

/*
 * What the newest save lacks, said by it; one that found nothing new says nothing new. That sockets
 * are left out is in the manifest, and nobody's trouble.
 */
static void save_remark(struct state *s, const struct blob_save_result *result)
{
        bool lacks = result->unreadable > 0 && *result->message;
        char text[WIRE_TEXT_SIZE] = "";

        if (result->unchanged && !lacks)
                return;
        if (lacks)
                (void)snprintf(text, sizeof(text), "Not saved: %.*s", WIRE_TEXT_SIZE - 12,
                               result->message);
        state_notice(s, STATE_NOTICE_SAVE, text);
        if (lacks)
                state_trouble(s, STATE_TROUBLE_LEFT_OUT, "saved, but", result->message);
        else
                state_fine(s, STATE_TROUBLE_LEFT_OUT);
}

static void save_failed(struct state *s, struct saves_out *out, const char *code,
                        const char *message, struct state_actions *fx)
{
        bool final = s->save_final, quick = request_is_to_blame(code);
        uint64_t seq = out->seq;

        saves_fail(&s->saves, out);
        if (seq > 0 && !request_is_good(code))
                saves_use(&s->saves, seq);
        /* The answer to a report brings more. init waits 2 s for one to make its last save with. */
        if (!saves_highest(&s->saves))
                s->report_at = s->now;
        backup_hold(s, fx);
        quick = quick && s->save_failures < QUICK_MAX;
        s->save_at = quick ? s->now : mono_add_ms(s->now, state_backoff_ms(s, s->save_failures));
        s->save_failures++;
        s->save_forced = true;
        /* Nobody but the student can do something about it. */
        if (strcmp(code, BLOB_CODE_TOO_BIG) == 0)
                tell_unsaved(s, *message ? message : "the workspace is too big");
        /* A used-up request is no trouble of anybody's unless it stays that way. */
        if (!quick)
                state_trouble(s, STATE_TROUBLE_SAVE,
                              final ? "the last save failed" : "saving failed, it is retried",
                              *message ? message : code);
        if (final && quick && s->phase == WIRE_PHASE_SAVING) {
                s->final_wanted = true;
                backup_begin_final(s, fx);
        } else if (final && final_again(s, code)) {
                s->final_wanted = true; /* at save_at */
        } else if (final) {
                final_failed(s, fx);
        }
}

static void save_succeeded(struct state *s, struct saves_out *out)
{
        s->save_failures = 0;
        s->save_took_ms = MAX(mono_diff_ms(out->started, s->now), 0);
        s->backup_asked = false;
        if (s->claim.backup_ms > 0)
                s->backup_at = mono_add_ms(out->started, s->claim.backup_ms);
}

static void final_committed(struct state *s, struct state_actions *fx)
{
        state_fine(s, STATE_TROUBLE_SAVE);
        state_order(s, fx, CONTROL_SAVED, 0);
        life_enter(s, WIRE_PHASE_SAVED, fx);
}

static void save_uploaded(struct state *s, struct saves_out *out,
                          const struct blob_save_result *result, struct state_actions *fx)
{
        bool final = s->save_final;
        uint64_t seq = result->seq;

        save_succeeded(s, out);
        if (result->racy)
                out->since = mono_min(out->since, out->started);
        if (result->unchanged && !final) {
                /* The newest committed save holds all of this. The request is still good. */
                saves_commit(&s->saves, out, 0);
                state_fine(s, STATE_TROUBLE_SAVE);
                save_remark(s, result);
                return;
        }
        save_remark(s, result);
        if (!result->unchanged)
                saves_use(&s->saves, seq);
        out->uploaded = true;
        out->tell_at = s->now;
        out->msg = (struct wire_saved){
                .save_seq = seq,
                .final = final,
                .unchanged = result->unchanged,
                .length = result->length,
                .data_length = result->data_length,
        };
        STR_CUT(out->msg.sha256, result->sha256);
        backup_hold(s, fx);
}

/* Which entry a result belongs to; one is made for a save that init or an earlier link began. */
static struct saves_out *entry_of(struct state *s, const struct control_msg *msg)
{
        struct saves_out *out = saves_running(&s->saves);

        /* init's own comes after ours has ended, with or without a word about that. */
        if (out && (msg->flags & CONTROL_HELD)) {
                saves_fail(&s->saves, out);
                out = NULL;
        }
        if (out)
                return out;
        /* After the end of all processes nothing changes: this save holds everything. */
        if (msg->flags & CONTROL_FINAL ? !saves_start(&s->saves, 0, s->now)
                                       : !saves_start_unknown(&s->saves, 0, s->now))
                return NULL;
        return saves_running(&s->saves);
}

void backup_done(struct state *s, const struct control_msg *msg, const void *blob,
                 struct state_actions *fx)
{
        struct saves_out *out = entry_of(s, msg);
        struct blob_save_result result;
        uint64_t held_seq = msg->flags & CONTROL_HELD ? s->held_seq : 0;
        char text[64];

        s->foreign_save = false;
        if (!out)
                return;
        /* After a resume a save that was ordered as the last one is no longer that. */
        if (out->seq == 0)
                s->save_final = (msg->flags & CONTROL_FINAL) != 0 &&
                                (s->terminating || s->phase == WIRE_PHASE_SAVING);
        if (msg->flags & CONTROL_HELD) {
                s->held_seq = 0;
                s->held_sync = false;
        }
        if (msg->len == 0 || blob_save_result_decode(blob, msg->len, &result) < 0) {
                (void)snprintf(text, sizeof(text), "exit status %d without a result", msg->status);
                if (out->seq == 0)
                        out->seq = held_seq;
                save_failed(s, out, BLOB_CODE_INTERNAL, text, fx);
                return;
        }
        /* Else init would be given the same request again. */
        if (out->seq == 0)
                out->seq = result.seq;
        if (s->save_final)
                s->final_wanted = false;
        if (result.ok)
                save_uploaded(s, out, &result, fx);
        else
                save_failed(s, out, result.code, result.message, fx);
        /* A resume or the last save was waiting for this one. */
        life_saved(s, fx);
        backup_begin_final(s, fx);
}

void backup_refused(struct state *s, struct state_actions *fx)
{
        struct saves_out *out = saves_running(&s->saves);

        /* Its request was not used. */
        if (out)
                save_failed(s, out, BLOB_CODE_DISK_FULL, "init refused the order", fx);
}

void backup_ack(struct state *s, const struct wire_saved_ack *ack, struct state_actions *fx)
{
        struct saves_out *out = NULL;
        bool final;

        if (ack->generation == s->generation) {
                backup_grant(s, ack->saves, ack->n_saves, fx);
                out = saves_find(&s->saves, ack->save_seq);
        }
        if (!out)
                return;
        final = out->msg.final;
        switch (ack->commit) {
        case WIRE_COMMIT_PENDING:
                return;
        case WIRE_COMMIT_COMMITTED:
                s->save_took_ms = MAX(mono_diff_ms(out->started, s->now), s->save_took_ms);
                saves_commit(&s->saves, out, out->msg.unchanged ? 0 : ack->save_seq);
                state_fine(s, STATE_TROUBLE_SAVE);
                backup_hold(s, fx);
                if (final && (s->phase == WIRE_PHASE_SAVING || s->terminating))
                        final_committed(s, fx);
                return;
        case WIRE_COMMIT_REFUSED:
                saves_fail(&s->saves, out);
                state_trouble(s, STATE_TROUBLE_SAVE, "the controller refused a save", ack->reason);
                s->save_at = mono_add_ms(s->now, state_backoff_ms(s, s->save_failures++));
                if (final)
                        final_failed(s, fx);
                return;
        case WIRE_COMMIT_MAX:
                return;
        }
}
