/*
 * Every state of a task, with every state of its workspace, with every event: what the core
 * decides. Also pairs that no history leads to, because a store may have been repaired by hand.
 * What it does now is in core_matrix.txt, grouped: an event, an outcome, the pairs that have it. A
 * pair whose outcome is neither an effect nor "ignored" (counted) is "noted": it changes nothing
 * that is stored.
 *
 *   test_core_matrix [--update]
 *
 * Whatever the table says, in each cell: what may hold work is ended by nobody but an operator in
 * attention or a provider that is sure; the generation does not change, the head does not go back;
 * what is stored changes with an effect only; the deadlines that follow come to rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "core/internal.h"
#include "test.h"

#define WS "ws-a"
#define TASK "t-0000000001"
#define GOLDEN_MAX (1 << 20)
#define OUTCOMES_MAX 128

struct cell {
        struct core *core;
        struct core_effects fx;
        mono_t now;
        struct workspace_row ws;
        struct task_row task;
};

struct outcome {
        char text[512];
        uint32_t pairs[TASK_STATE_MAX]; /* bit per state of the workspace */
};

static struct cell cell;
static const char *event_name;

static void broken(const char *rule, enum task_state t, enum ws_state w)
{
        fprintf(stderr, "matrix: %s: %s, task %s, workspace %s\n", rule, event_name,
                task_state_name(t), ws_state_name(w));
        exit(1);
}

static void step(struct core_event *ev)
{
        ev->now = cell.now;
        ev->utc = (utc_t){INT64_C(1000) * US_PER_S + cell.now.us};
        cell.fx.n = 0;
        core_step(cell.core, ev, &cell.fx);
}

/* ---- a core in which the two are in these states ---- */

static const struct core_config config = {
        .workspaces_max = 4,
        .tasks_max = 4,
        .n_types = 1,
        .types = {{.name = "code",
                   .limits = {.idle_ms = 60000},
                   .launch_timeout_ms = 60000,
                   .claim_timeout_ms = 60000,
                   .stop_timeout_ms = 60000}},
        .heartbeat_ms = 5000,
        .agent_lost_ms = 30000,
        .retry_save_ms = 60000,
        .erase_delay_ms = 3600000,
        .stops_per_min = 10,
};

static bool given(enum task_state t)
{
        return t != TASK_LAUNCHING && t != TASK_WARM;
}

static void open_core(void)
{
        struct core_event ws = {.type = EV_BOOT_WORKSPACE,
                                .workspace_row = {.id = WS,
                                                  .key = {"default", "user", "default", "code"},
                                                  .state = WS_RUNNING,
                                                  .generation = 2,
                                                  .task = TASK,
                                                  .head = {.generation = 2, .seq = 3}}};
        struct core_event task = {.type = EV_BOOT_TASK,
                                  .task_row = {.id = TASK,
                                               .type = "code",
                                               .state = TASK_READY,
                                               .generation = 2,
                                               .workspace = WS,
                                               .nonce = "n",
                                               .addr = "127.0.0.1:4000"}};
        struct core_event done = {.type = EV_BOOT_DONE, .boot = {.epoch = 7}};
        struct core_event seen = {.type = EV_TASK_SEEN, .task_seen = {TASK}};
        struct core_event inventory = {.type = EV_INVENTORY_DONE, .inventory = {.certain = true}};
        struct core_event report = {
                .type = EV_AGENT_REPORT,
                .report = {.task = TASK, .nonce = "n", .generation = 2, .phase = AGENT_READY}};

        cell.core = NULL;
        cell.now = (mono_t){US_PER_S};
        CHECK(core_new(&config, &cell.core) == 0);
        step(&ws);
        step(&task);
        step(&done);
        step(&seen);
        step(&inventory);
        step(&report);
}

static void force_workspace(struct workspace *w, enum ws_state s)
{
        w->row.state = s;
        if (s == WS_STOPPED || s == WS_DELETED)
                w->row.task[0] = 0;
        if (s == WS_DELETED) {
                w->row.erase_at = (utc_t){1};
                w->erasing = true;
        }
        if (s == WS_ATTENTION || s == WS_RECOVERING || s == WS_DELETED)
                w->ask_at = mono_add_ms(cell.now, 10000);
}

/* Its work is in it, or would be, unless nobody was ever given the task. */
static void force(enum task_state t, enum ws_state s, bool saving)
{
        struct task *task;
        struct workspace *w;

        open_core();
        task = task_find(cell.core, TASK);
        w = workspace_find(cell.core, WS);
        /* No more warm ones than wanted, and none is missing. */
        cell.core->config.types[0].pool_size = given(t) ? 0 : 1;
        if (!given(t)) {
                task->row.generation = 0;
                task->row.workspace[0] = 0;
                w->row.task[0] = 0;
                task->empty = true;
        }
        cell.fx.n = 0;
        cell.core->fx = &cell.fx;
        task_enter(cell.core, task, t, "forced");
        if (t == TASK_STOPPING)
                task_command(cell.core, task, COMMAND_PREPARE_STOP, true, "forced");
        task->acted = t == TASK_STOPPING;
        force_workspace(w, s);
        if (saving) {
                w->save.active = true;
                w->save.final = t == TASK_STOPPING;
                w->save.ref = (struct save_ref){.generation = 2, .seq = 4};
                w->save.ask_at = mono_add_ms(cell.now, 10000);
        }
        if (s == WS_STARTING && !w->row.task[0] && t != TASK_WARM)
                pools_wait(cell.core, w);
        task_arm(cell.core, task);
        workspace_arm(cell.core, w);
        cell.core->pool_dirty = false;
        cell.core->fx = NULL;
        cell.ws = w->row;
        cell.task = task->row;
}

/* ---- the events ---- */

#define REPORT_OF(who, gen, p, ...)                                                                \
        {                                                                                          \
                .type = EV_AGENT_REPORT, .report = {                                               \
                        .task = TASK,                                                              \
                        .nonce = who,                                                              \
                        .conn = 1,                                                                 \
                        .phase = AGENT_##p,                                                        \
                        .generation = gen,                                                         \
                        .acted_id = 1,                                                             \
                        .person_age_ms = -1,                                                       \
                        .unsaved_age_ms = -1,                                                      \
                        __VA_ARGS__                                                                \
                }                                                                                  \
        }
#define REPORT(...) REPORT_OF("n", 2, __VA_ARGS__)
#define SAVED(gen, hash, ...)                                                                      \
        {                                                                                          \
                .type = EV_AGENT_SAVED, .saved = {                                                 \
                        .task = TASK,                                                              \
                        .conn = 1,                                                                 \
                        .generation = gen,                                                         \
                        .sha256 = hash,                                                            \
                        __VA_ARGS__                                                                \
                }                                                                                  \
        }
#define LAUNCHED(...)                                                                              \
        {                                                                                          \
                .type = EV_TASK_LAUNCHED, .task_result = {.task = TASK, __VA_ARGS__ }              \
        }
#define REQUEST(t)                                                                                 \
        {                                                                                          \
                .type = EV_REQ_##t, .req_workspace = {.id = WS, .token = 1, .actor = "api" }       \
        }
#define MODE(m, ...)                                                                               \
        {                                                                                          \
                .type = EV_REQ_MODE, .req_mode = {                                                 \
                        .mode = MODE_##m,                                                          \
                        .token = 1,                                                                \
                        .actor = "operator",                                                       \
                        .on = true,                                                                \
                        __VA_ARGS__                                                                \
                }                                                                                  \
        }

static const struct {
        const char *name;
        struct core_event ev;
        bool saving;   /* an upload is being checked */
        bool sure;     /* the provider knows that it is gone */
        int64_t later; /* the clock moves on before it, in ms */
} events[] = {
        {"BOOT_WORKSPACE late", {.type = EV_BOOT_WORKSPACE, .workspace_row = {.id = "ws-b"}}},
        {"BOOT_TASK late", {.type = EV_BOOT_TASK, .task_row = {.id = "t-0000000009"}}},
        {"BOOT_SETTING late", {.type = EV_BOOT_SETTING, .setting_row = {"pause", "soft x: y"}}},
        {"BOOT_DONE twice", {.type = EV_BOOT_DONE}},
        {"TASK_SEEN", {.type = EV_TASK_SEEN, .task_seen = {TASK}}},
        {"INVENTORY_DONE without it, sure",
         {.type = EV_INVENTORY_DONE, .inventory = {.certain = true}},
         .sure = true},
        {"INVENTORY_DONE without it, late", {.type = EV_INVENTORY_DONE}},
        {"REQ_LAUNCH", {.type = EV_REQ_LAUNCH, .launch = {.id = WS, .token = 1, .actor = "api"}}},
        {"REQ_STOP", REQUEST(STOP)},
        {"REQ_DELETE", REQUEST(DELETE)},
        {"REQ_ABANDON", REQUEST(ABANDON)},
        {"REQ_RESTORE",
         {.type = EV_REQ_RESTORE,
          .req_restore =
                  {.token = 1, .id = WS, .actor = "op", .save = {.generation = 2, .seq = 4}}}},
        {"REQ_STOP again",
         {.type = EV_REQ_STOP,
          .req_workspace = {.id = WS, .token = 1, .actor = "api", .again = true}}},
        {"REQ_KEEP", REQUEST(KEEP)},
        {"REQ_POOL",
         {.type = EV_REQ_POOL,
          .req_pool = {.token = 1, .type = "code", .set = true, .size = 1, .reason = "x"}}},
        {"REQ_MODE pause", MODE(PAUSE)},
        {"REQ_MODE maintenance", MODE(MAINTENANCE)},
        {"REQ_MODE drain", MODE(DRAIN)},
        {"REQ_MODE drain hard", MODE(DRAIN, .hard = true)},
        {"POOL_TARGET", {.type = EV_POOL_TARGET, .pool_target = {"code", 1, "a class"}}},
        {"CLASS_SET",
         {.type = EV_CLASS_SET, .class_set = {.id = "m", .type = "code", .roster = 9}}},
        {"TIMETABLE_PIECE",
         {.type = EV_TIMETABLE_PIECE, .timetable_piece = {.i = 0, .text = "{}"}}},
        {"TIMETABLE_SET", {.type = EV_TIMETABLE_SET, .timetable_set = {.token = 1, .n = 1}}},
        {"ALARM on", {.type = EV_ALARM, .alarm = {.name = "pool-depleted.code", .on = true}}},
        {"ALARM over", {.type = EV_ALARM, .alarm = {.name = "pool-depleted.code"}}},
        {"VERSION_SET", {.type = EV_VERSION_SET, .version_set = {"code", "2"}}},
        {"REQ_SHUTDOWN", {.type = EV_REQ_SHUTDOWN, .req_plain = {.token = 1}}},
        {"TASK_LAUNCHED ok", LAUNCHED(.ok = true)},
        {"TASK_LAUNCHED broken", LAUNCHED(.failure = LAUNCH_BROKEN), .sure = true},
        {"TASK_LAUNCHED capacity", LAUNCHED(.failure = LAUNCH_CAPACITY), .sure = true},
        {"TASK_LAUNCHED throttled", LAUNCHED(.failure = LAUNCH_THROTTLED), .sure = true},
        {"TASK_LAUNCHED unknown", LAUNCHED(.failure = LAUNCH_UNKNOWN)},
        {"TASK_ENDED sure",
         {.type = EV_TASK_ENDED, .task_ended = {.task = TASK, .certain = true}},
         .sure = true},
        {"TASK_ENDED by a list", {.type = EV_TASK_ENDED, .task_ended = {.task = TASK}}},
        {"TASK_KEPT", {.type = EV_TASK_KEPT, .task_kept = {TASK, WS, "in kept/"}}},
        {"TASK_NOTICE near", {.type = EV_TASK_NOTICE, .task_notice = {TASK, 120000, "spot"}}},
        {"TASK_NOTICE far", {.type = EV_TASK_NOTICE, .task_notice = {TASK, 3600000, "retired"}}},
        {"AGENT_HELLO", {.type = EV_AGENT_HELLO, .hello = {1, TASK, "n", "127.0.0.1:4000", 0}}},
        {"AGENT_HELLO of a stranger",
         {.type = EV_AGENT_HELLO, .hello = {1, TASK, "m", "127.0.0.1:4000", 0}}},
        {"AGENT_HELLO of an earlier generation",
         {.type = EV_AGENT_HELLO, .hello = {1, TASK, "n", "127.0.0.1:4000", 1}}},
        {"AGENT_REPORT starting", REPORT(STARTING)},
        {"AGENT_REPORT priming", REPORT(PRIMING)},
        {"AGENT_REPORT warm", REPORT_OF("n", 0, WARM)},
        {"AGENT_REPORT restoring", REPORT(RESTORING)},
        {"AGENT_REPORT app-starting", REPORT(APP_STARTING)},
        {"AGENT_REPORT ready", REPORT(READY)},
        {"AGENT_REPORT stopping", REPORT(STOPPING)},
        {"AGENT_REPORT saving", REPORT(SAVING)},
        {"AGENT_REPORT saved", REPORT(SAVED)},
        {"AGENT_REPORT save-failed", REPORT(SAVE_FAILED)},
        {"AGENT_REPORT failed", REPORT(FAILED)},
        {"AGENT_REPORT declined", REPORT(READY, .declined = true)},
        {"AGENT_REPORT of a stranger", REPORT_OF("m", 2, READY)},
        {"AGENT_REPORT of an earlier generation", REPORT_OF("n", 1, READY)},
        {"AGENT_SAVED", SAVED(2, "h", .seq = 4)},
        {"AGENT_SAVED final", SAVED(2, "h", .seq = 4, .final = true)},
        {"AGENT_SAVED final unchanged", SAVED(2, "h", .unchanged = true, .final = true)},
        {"AGENT_SAVED the head again", SAVED(2, "", .seq = 3)},
        {"AGENT_SAVED of an earlier generation", SAVED(1, "h", .seq = 9)},
        {"SAVE_VERIFIED good",
         {.type = EV_SAVE_VERIFIED, .verified = {WS, 2, 4, 0, ""}},
         .saving = true},
        {"SAVE_VERIFIED refused",
         {.type = EV_SAVE_VERIFIED, .verified = {WS, 2, 4, 1, ""}},
         .saving = true},
        {"SAVE_VERIFIED try again",
         {.type = EV_SAVE_VERIFIED, .verified = {WS, 2, 4, -5, ""}},
         .saving = true},
        {"SAVE_VERIFIED not asked for", {.type = EV_SAVE_VERIFIED, .verified = {WS, 2, 4, 0, ""}}},
        {"SALVAGED one",
         {.type = EV_SALVAGED, .salvaged = {WS, 2, 0, {.generation = 2, .seq = 5}}}},
        {"SALVAGED none", {.type = EV_SALVAGED, .salvaged = {WS, 2, 0, {0}}}},
        {"SALVAGED try again", {.type = EV_SALVAGED, .salvaged = {WS, 2, -5, {0}}}},
        {"HOME_ATTACHED", {.type = EV_HOME_ATTACHED, .home = {TASK, WS, 2, 0, ""}}},
        {"HOME_ATTACHED refused", {.type = EV_HOME_ATTACHED, .home = {TASK, WS, 2, 1, "no"}}},
        {"HOME_ATTACHED try again", {.type = EV_HOME_ATTACHED, .home = {TASK, WS, 2, -16, ""}}},
        {"HOME_REMOVED", {.type = EV_HOME_REMOVED, .home = {.workspace = WS}}},
        {"ERASED", {.type = EV_ERASED, .req_workspace = {.id = WS}}},
        {"DEADLINE at once", {.type = EV_DEADLINE}},
        {"DEADLINE in 15 s", {.type = EV_DEADLINE}, .later = 15000},
        {"DEADLINE in an hour", {.type = EV_DEADLINE}, .later = 3600000},
};

/* ---- one cell ---- */

static void add(char *text, size_t size, const char *a, const char *b)
{
        size_t len = strlen(text);

        (void)snprintf(text + len, size - len, "%s%s%s%s", len ? ", " : "", a, *b ? " " : "", b);
}

/* The effects in a few words each, in order. */
static void summarize(char *text, size_t size, bool ignored)
{
        text[0] = 0;
        for (size_t i = 0; i < cell.fx.n; i++) {
                const struct core_effect *fx = &cell.fx.v[i];
                const char *what = "";

                if (fx->type == FX_PUT_TASK)
                        what = task_state_name(fx->task_row.state);
                else if (fx->type == FX_PUT_WORKSPACE)
                        what = ws_state_name(fx->workspace_row.state);
                else if (fx->type == FX_AUDIT)
                        what = fx->audit_row.what;
                else if (fx->type == FX_COMMAND)
                        what = command_verb_name(fx->command.verb);
                else if (fx->type == FX_REFUSE)
                        what = fx->refuse.code;
                else if (fx->type == FX_SAVE_ACK)
                        what = fx->save_ack.committed ? "committed" : "no";
                else if (fx->type == FX_REPLY)
                        what = fx->reply.status == REPLY_OK ? "ok" : "no";
                add(text, size, core_effect_name(fx->type), what);
        }
        if (!text[0])
                (void)snprintf(text, size, ignored ? "ignored" : "noted");
        else if (ignored)
                add(text, size, "counted", "");
}

static bool emitted(enum core_effect_type type, const char *id)
{
        for (size_t i = 0; i < cell.fx.n; i++) {
                const struct core_effect *fx = &cell.fx.v[i];

                if (fx->type == type && type == FX_PUT_TASK && strcmp(fx->task_row.id, id) == 0)
                        return true;
                if (fx->type == type && type == FX_PUT_WORKSPACE)
                        return true;
                if (fx->type == type && strcmp(fx->id.id, id) == 0)
                        return true;
        }
        return false;
}

static void check_rows(enum task_state ts, enum ws_state s)
{
        const struct workspace_row *w = core_workspace(cell.core, WS);
        const struct task_row *t = core_task(cell.core, TASK);
        struct workspace_row before = cell.ws;

        if (w) {
                before.active_at = w->active_at; /* stored now and then only */
                before.human_at = w->human_at;
                if (memcmp(&before, w, sizeof(before)) != 0 && !emitted(FX_PUT_WORKSPACE, WS))
                        broken("a workspace changed and was not stored", ts, s);
                if (w->generation != cell.ws.generation && !emitted(FX_COMMAND, TASK) && given(ts))
                        broken("the generation changed", ts, s);
                if (w->head.generation < cell.ws.head.generation ||
                    (w->head.generation == cell.ws.head.generation &&
                     w->head.seq < cell.ws.head.seq))
                        broken("the head went back", ts, s);
        } else if (!emitted(FX_DEL_WORKSPACE, WS)) {
                broken("a workspace went and was not removed", ts, s);
        }
        if (t && memcmp(&cell.task, t, sizeof(*t)) != 0 && !emitted(FX_PUT_TASK, TASK))
                broken("a task changed and was not stored", ts, s);
        if (!t && !emitted(FX_DEL_TASK, TASK))
                broken("a task went and was not removed", ts, s);
}

static bool holds_work(enum task_state t)
{
        return t == TASK_CLAIMED || t == TASK_READY || t == TASK_STOPPING;
}

static void check_work(size_t e, enum task_state ts, enum ws_state s)
{
        bool abandoned = events[e].ev.type == EV_REQ_ABANDON && s == WS_ATTENTION;

        if (!holds_work(ts) || abandoned)
                return;
        if (emitted(FX_STOP_TASK, TASK))
                broken("work was ended unsaved", ts, s);
        /* Without a workspace that knows it there is nobody whose work it could be. */
        if (emitted(FX_DEL_TASK, TASK) && !(events[e].sure && !cell.ws.task[0]))
                broken("work was forgotten", ts, s);
}

static void comes_to_rest(enum task_state ts, enum ws_state s)
{
        struct core_event ev = {.type = EV_DEADLINE};
        mono_t until = mono_add_ms(cell.now, 600000);
        int rounds = 0;

        while (mono_due(core_next_deadline(cell.core), until)) {
                cell.now = mono_max(cell.now, core_next_deadline(cell.core));
                step(&ev);
                if (++rounds > 2000)
                        broken("its deadlines do not come to rest", ts, s);
        }
}

static void run_cell(size_t e, enum task_state ts, enum ws_state s, struct outcome *ret)
{
        struct core_event ev = events[e].ev;
        uint64_t ignored;

        event_name = events[e].name;
        force(ts, s, events[e].saving);
        cell.now = mono_add_ms(cell.now, events[e].later);
        if (ev.type == EV_AGENT_REPORT || ev.type == EV_AGENT_SAVED) {
                /* Whoever is nobody's yet speaks of no generation. */
                if (!given(ts) && ev.report.generation == 2 && ev.type == EV_AGENT_REPORT)
                        ev.report.generation = 0;
        }
        ignored = core_ignored(cell.core);
        step(&ev);
        if (cell.fx.n > CORE_STEP_ROOM)
                broken("more effects than a step may have", ts, s);
        summarize(ret->text, sizeof(ret->text), core_ignored(cell.core) > ignored);
        check_rows(ts, s);
        check_work(e, ts, s);
        comes_to_rest(ts, s);
        cell.core = core_free(cell.core);
}

/* ---- the table ---- */

static void print_pairs(struct buf *out, const struct outcome *o)
{
        uint32_t all = (1u << WS_STATE_MAX) - 1;

        for (unsigned t = 0; t < TASK_STATE_MAX; t++) {
                if (!o->pairs[t])
                        continue;
                CHECK(buf_printf(out, "    %s:", task_state_name((enum task_state)t)) == 0);
                if (o->pairs[t] == all)
                        CHECK(buf_printf(out, " all") == 0);
                for (unsigned s = 0; s < WS_STATE_MAX && o->pairs[t] != all; s++) {
                        if (o->pairs[t] & 1u << s)
                                CHECK(buf_printf(out, " %s", ws_state_name((enum ws_state)s)) == 0);
                }
                CHECK(buf_printf(out, "\n") == 0);
        }
}

static void run_event(size_t e, struct buf *out)
{
        static struct outcome list[OUTCOMES_MAX];
        struct outcome one;
        size_t n = 0, i;

        memset(list, 0, sizeof(list));
        for (unsigned t = 0; t < TASK_STATE_MAX; t++) {
                if (t == TASK_GONE)
                        continue; /* it is never in a table */
                for (unsigned s = 0; s < WS_STATE_MAX; s++) {
                        run_cell(e, (enum task_state)t, (enum ws_state)s, &one);
                        for (i = 0; i < n && strcmp(list[i].text, one.text) != 0; i++)
                                ;
                        CHECK(i < OUTCOMES_MAX);
                        if (i == n)
                                STR_CUT(list[n++].text, one.text);
                        list[i].pairs[t] |= 1u << s;
                }
        }
        CHECK(buf_printf(out, "%s\n", events[e].name) == 0);
        for (i = 0; i < n; i++) {
                CHECK(buf_printf(out, "  %s\n", list[i].text) == 0);
                print_pairs(out, &list[i]);
        }
}

/* Every event of the core must be in the list above. */
static void check_complete(void)
{
        bool there[EV_MAX] = {0};

        for (size_t e = 0; e < ARRAY_LEN(events); e++)
                there[events[e].ev.type] = true;
        for (unsigned i = 0; i < EV_MAX; i++) {
                if (!there[i])
                        fprintf(stderr, "no %s in the matrix\n",
                                core_event_name((enum core_event_type)i));
                CHECK(there[i]);
        }
}

static int compare(const char *want, const char *have)
{
        int line = 1;

        for (; *want && *want == *have; want++, have++)
                line += *want == '\n';
        if (*want == *have)
                return 0;
        fprintf(stderr, "matrix: line %d differs, at\n  expected: %.*s\n  is:       %.*s\n", line,
                (int)strcspn(want, "\n"), want, (int)strcspn(have, "\n"), have);
        return 1;
}

int main(int argc, char **argv)
{
        bool update = argc > 1 && strcmp(argv[1], "--update") == 0;
        const char *path = CORE_MATRIX_FILE;
        AUTO_BUF out = BUF_INIT(GOLDEN_MAX);
        AUTO_BUF want = BUF_INIT(GOLDEN_MAX);

        check_complete();
        for (size_t e = 0; e < ARRAY_LEN(events); e++)
                run_event(e, &out);
        if (update)
                return file_write_atomic(path, out.data, out.len, 0644) < 0;
        CHECK(file_read(path, &want) == 0);
        CHECK(buf_terminate(&want) == 0 && buf_terminate(&out) == 0);
        return compare((const char *)want.data, (const char *)out.data);
}
