/*
 * The codec of agent <-> controller: golden bytes of every message, limits of every field, hostile
 * input. `test_wire --write FOLDER` writes the golden files of the current version anew; a released
 * version's files are never changed.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "test.h"
#include "wire/wire.h"

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define NONCE "0123456789abcdef0123456789abcdef"

static struct wire_msg msg, got;
static char why[WIRE_REASON_SIZE];

static void fill_claim(struct wire_claim *c)
{
        *c = (struct wire_claim){.workspace = "ws-k3v9aaaabbbb",
                                 .generation = 7,
                                 .host = "ws-k3v9aaaabbbb.localhost:8080",
                                 .gate_key = HEX64,
                                 .idle_ms = 1800000,
                                 .restore = "{\"workspace\":\"ws-k3v9aaaabbbb\",\"saves\":[]}",
                                 .n_saves = 2,
                                 .saves = {{1, "{\"seq\":1}"}, {2, "{\"seq\":2}"}}};
}

/* One well-filled message of each type. */
static void fill_from_agent(enum wire_type type)
{
        if (type == WIRE_HELLO) {
                msg.hello = (struct wire_hello){.v_min = 1,
                                                .v_max = 1,
                                                .task = "t-0000000012",
                                                .nonce = NONCE,
                                                .seq = 1,
                                                .secret = HEX64,
                                                .addr = "127.0.0.1:41234",
                                                .generation = 7,
                                                .phase = WIRE_PHASE_STARTING,
                                                .grant_seq = 11,
                                                .agent = "wsagent 0.1.0"};
        } else if (type == WIRE_REPORT) {
                msg.report =
                        (struct wire_report){.task = "t-0000000012",
                                             .nonce = NONCE,
                                             .seq = WIRE_NUMBER_MAX,
                                             .generation = 7,
                                             .acted_id = 42,
                                             .phase = WIRE_PHASE_READY,
                                             .declined = true,
                                             .person_age_ms = -1,
                                             .unsaved_age_ms = 12000,
                                             .saved_seq = 3,
                                             .grant_seq = 11,
                                             .grants_left = 8,
                                             .n_signals = 2,
                                             .signals = {{"connection", 0, 2}, {"file", -1, 0}},
                                             .error = "save: network: \"reset\"\\\xc3\xa9"};
        } else if (type == WIRE_AWAIT) {
                msg.await = (struct wire_await){
                        .task = "t-0000000012", .nonce = NONCE, .seq = 10, .acted_id = 42};
        } else if (type == WIRE_SAVED) {
                msg.saved = (struct wire_saved){.task = "t-0000000012",
                                                .nonce = NONCE,
                                                .seq = 11,
                                                .generation = 7,
                                                .save_seq = 3,
                                                .final = true,
                                                .length = 412,
                                                .data_length = 104857600,
                                                .sha256 = HEX64,
                                                .grant_seq = 11,
                                                .grants_left = 7};
        }
}

static void fill_from_controller(enum wire_type type)
{
        if (type == WIRE_WELCOME) {
                msg.welcome = (struct wire_welcome){.re = 1, .v = 1, .heartbeat_ms = 5000};
                fill_claim(&msg.welcome.claim);
        } else if (type == WIRE_REFUSED) {
                msg.refused = (struct wire_refused){.re = 1,
                                                    .code = "version",
                                                    .reason = "only version 1 is spoken here",
                                                    .v_min = 1,
                                                    .v_max = 1,
                                                    .retry_ms = 60000};
        } else if (type == WIRE_OK) {
                msg.ok = (struct wire_ok){.re = 9,
                                          .heartbeat_ms = 5000,
                                          .notice = "draining",
                                          .n_saves = 1,
                                          .saves = {{12, "{\"seq\":12}"}}};
        } else if (type == WIRE_COMMAND) {
                msg.command = (struct wire_command){.re = 10,
                                                    .id = 43,
                                                    .generation = 7,
                                                    .verb = WIRE_VERB_PREPARE_STOP,
                                                    .reason = "nobody for 30 minutes",
                                                    .recheck = true,
                                                    .idle_ms = 1800000};
        } else if (type == WIRE_NONE) {
                msg.none = (struct wire_none){.re = 10};
        } else if (type == WIRE_SAVED_ACK) {
                msg.saved_ack = (struct wire_saved_ack){.re = 11,
                                                        .generation = 7,
                                                        .save_seq = 3,
                                                        .commit = WIRE_COMMIT_REFUSED,
                                                        .reason = "hash differs",
                                                        .n_saves = 1,
                                                        .saves = {{12, "{\"seq\":12}"}}};
        }
}

static void fill(enum wire_type type)
{
        memset(&msg, 0, sizeof(msg));
        msg.type = type;
        fill_from_agent(type);
        fill_from_controller(type);
}

/* Fields that came after the first golden files, which stay as they are. */
static void fill_report_presence(void)
{
        fill(WIRE_REPORT);
        msg.report.person_age_ms = 65000;
        msg.report.n_signals = 3;
        msg.report.signals[0] = (struct wire_signal){"typed", 65000, 40, "person"};
        msg.report.signals[1] = (struct wire_signal){"connection", 30000, 2, "machine"};
        msg.report.signals[2] = (struct wire_signal){"job", 900, 7, "job"};
        msg.report.busy_ms = 119100;
        msg.report.disconnected_ms = 30000;
        msg.report.unknown = 12;
        STR_CUT(msg.report.job, "make \"-j\"");
        STR_CUT(msg.report.person_by, "typed");
        STR_CUT(msg.report.confidence, "high");
}

static void fill_report_unseen(void)
{
        fill(WIRE_REPORT);
        msg.report.person_age_ms = 5000;
        msg.report.n_signals = 0;
        msg.report.never_connected = true;
        STR_CUT(msg.report.person_by, "claim");
        STR_CUT(msg.report.confidence, "low");
}

static void fill_report_restore(void)
{
        fill(WIRE_REPORT);
        msg.report.phase = WIRE_PHASE_RESTORING;
        msg.report.n_signals = 0;
        msg.report.restore_done = 120000000;
        msg.report.restore_total = 300000000;
        msg.report.restored_generation = 6;
        msg.report.restored_seq = 9;
        msg.report.fell_back = true;
        STR_CUT(msg.report.restored_why, "6-11 is damaged");
}

static void fill_ok_stop(void)
{
        fill(WIRE_OK);
        msg.ok.stop_known = true;
        msg.ok.stop_in_ms = 299000;
        STR_CUT(msg.ok.stop_rule, "never-connected");
}

static void fill_ok_due(void)
{
        fill(WIRE_OK);
        msg.ok.stop_known = true;
        STR_CUT(msg.ok.stop_rule, "lifetime");
}

static void fill_welcome_epoch(void)
{
        fill(WIRE_WELCOME);
        msg.welcome.claim.workspace[0] = 0;
        msg.welcome.epoch = 17;
        msg.welcome.reconnect_ms = 4000;
}

static void fill_welcome_clock(void)
{
        fill_welcome_epoch();
        msg.welcome.utc_ms = 1795868424123;
}

static void fill_ok_clock(void)
{
        fill(WIRE_OK);
        msg.ok.n_saves = 0;
        msg.ok.utc_ms = 1795868424123;
}

static void fill_ok_window(void)
{
        fill(WIRE_OK);
        msg.ok.n_saves = 0;
        msg.ok.reconnect_ms = 30000;
}

static void fill_command_epoch(void)
{
        fill(WIRE_COMMAND);
        msg.command.epoch = WIRE_NUMBER_MAX;
}

static void fill_await_wait(void)
{
        fill(WIRE_AWAIT);
        msg.await.wait_ms = 120000;
}

static void fill_refused_leader(void)
{
        fill(WIRE_REFUSED);
        msg.refused = (struct wire_refused){.re = 4,
                                            .code = "not-leader",
                                            .reason = "another controller leads",
                                            .retry_ms = 1000,
                                            .leader = "tcp://10.0.1.7:7700"};
}

static const struct {
        const char *name;
        void (*fill)(void);
} later[] = {
        {"report-presence", fill_report_presence},
        {"report-unseen", fill_report_unseen},
        {"report-restore", fill_report_restore},
        {"ok-stop", fill_ok_stop},
        {"ok-due", fill_ok_due},
        {"welcome-epoch", fill_welcome_epoch},
        {"ok-window", fill_ok_window},
        {"welcome-clock", fill_welcome_clock},
        {"ok-clock", fill_ok_clock},
        {"command-epoch", fill_command_epoch},
        {"refused-leader", fill_refused_leader},
        {"await-wait", fill_await_wait},
};

static void encode(struct buf *b)
{
        buf_clear(b);
        CHECK_INT(wire_encode(&msg, b), 0);
}

static int decode(const char *text)
{
        why[0] = 0;
        return wire_decode(text, strlen(text), &got, why);
}

static void test_later_roundtrip(struct buf *a)
{
        fill_report_presence();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK_INT(got.report.n_signals, 3);
        CHECK_STR(got.report.signals[2].kind, "job");
        CHECK_INT(got.report.busy_ms, 119100);
        CHECK_INT(got.report.disconnected_ms, 30000);
        CHECK_INT(got.report.unknown, 12);
        CHECK(!got.report.never_connected);
        CHECK_STR(got.report.job, "make \"-j\"");
        CHECK_STR(got.report.person_by, "typed");
        CHECK_STR(got.report.confidence, "high");
        fill_report_unseen();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK(got.report.never_connected);
        fill_report_restore();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK_INT(got.report.restore_done, 120000000);
        CHECK_INT(got.report.restore_total, 300000000);
        CHECK_INT(got.report.restored_generation, 6);
        CHECK_INT(got.report.restored_seq, 9);
        CHECK(got.report.fell_back);
        CHECK_STR(got.report.restored_why, "6-11 is damaged");
        fill_ok_stop();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK(got.ok.stop_known);
        CHECK_INT(got.ok.stop_in_ms, 299000);
        CHECK_STR(got.ok.stop_rule, "never-connected");
        fill_ok_due();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK(got.ok.stop_known);
        CHECK_INT(got.ok.stop_in_ms, 0);
}

static void test_lead_roundtrip(struct buf *a)
{
        fill_welcome_epoch();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK_INT(got.welcome.epoch, 17);
        CHECK_INT(got.welcome.reconnect_ms, 4000);
        CHECK(!got.welcome.claim.workspace[0]);
        fill_ok_window();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK_INT(got.ok.reconnect_ms, 30000);
        CHECK_INT(got.ok.utc_ms, 0);
        fill_ok_clock();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK_INT(got.ok.utc_ms, 1795868424123);
        fill_welcome_clock();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK_INT(got.welcome.utc_ms, 1795868424123);
        fill_command_epoch();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK_INT(got.command.epoch, WIRE_NUMBER_MAX);
        fill_refused_leader();
        encode(a);
        CHECK_INT(wire_decode(a->data, a->len, &got, why), 0);
        CHECK_STR(got.refused.leader, "tcp://10.0.1.7:7700");
        /* What a release before these fields sends means "not told". */
        CHECK_INT(decode("{\"type\":\"welcome\",\"re\":1,\"v\":1,\"heartbeat_ms\":5000}"), 0);
        CHECK_INT(got.welcome.epoch, 0);
        CHECK_INT(got.welcome.reconnect_ms, 0);
}

static void test_roundtrip(void)
{
        AUTO_BUF a = BUF_INIT(WIRE_FRAME_MAX);
        AUTO_BUF b = BUF_INIT(WIRE_FRAME_MAX);

        for (unsigned t = 0; t < WIRE_TYPE_MAX; t++) {
                fill(t);
                encode(&a);
                CHECK_INT(wire_decode(a.data, a.len, &got, why), 0);
                CHECK_INT(got.type, t);
                buf_clear(&b);
                CHECK_INT(wire_encode(&got, &b), 0);
                CHECK(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
        }
        fill(WIRE_REPORT);
        encode(&a);
        CHECK_INT(wire_decode(a.data, a.len, &got, why), 0);
        CHECK(memcmp(&got.report, &msg.report, offsetof(struct wire_report, signals)) == 0);
        CHECK_INT(got.report.person_age_ms, -1);
        CHECK_INT(got.report.signals[1].age_ms, -1);
        CHECK_STR(got.report.error, msg.report.error);
        test_later_roundtrip(&a);
        test_lead_roundtrip(&a);
        fill(WIRE_WELCOME);
        encode(&a);
        CHECK_INT(wire_decode(a.data, a.len, &got, why), 0);
        CHECK_INT(got.welcome.claim.n_saves, 2);
        CHECK_STR(got.welcome.claim.saves[1].request, "{\"seq\":2}");
        CHECK_STR(got.welcome.claim.restore, msg.welcome.claim.restore);
}

/* Every golden file of a version: decodes, and encodes to the same bytes. */
static void check_golden(const char *folder)
{
        unsigned seen[WIRE_TYPE_MAX] = {0};
        DIR *dir = opendir(folder);
        struct dirent *e;

        CHECK(dir);
        while ((e = readdir(dir))) {
                char path[PATH_MAX];
                AUTO_BUF file = BUF_INIT(WIRE_FRAME_MAX * 2);
                AUTO_BUF again = BUF_INIT(WIRE_FRAME_MAX);

                if (e->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
                CHECK_INT(file_read(path, &file), 0);
                if (wire_decode(file.data, file.len, &got, why) != 0) {
                        fprintf(stderr, "%s: %s\n", path, why);
                        exit(1);
                }
                CHECK_INT(wire_encode(&got, &again), 0);
                if (again.len != file.len || memcmp(again.data, file.data, file.len) != 0) {
                        fprintf(stderr, "%s: other bytes: %.*s\n", path, (int)again.len,
                                again.data);
                        exit(1);
                }
                seen[got.type]++;
        }
        closedir(dir);
        for (unsigned t = 0; t < WIRE_TYPE_MAX; t++)
                CHECK(seen[t] > 0);
}

static void test_golden(void)
{
        check_golden(WIRE_GOLDEN "/v1");
}

static void same_as_golden(const char *name)
{
        char path[PATH_MAX];
        AUTO_BUF file = BUF_INIT(WIRE_FRAME_MAX * 2);
        AUTO_BUF now = BUF_INIT(WIRE_FRAME_MAX);

        (void)snprintf(path, sizeof(path), WIRE_GOLDEN "/v1/%s.json", name);
        CHECK_INT(file_read(path, &file), 0);
        encode(&now);
        if (now.len != file.len || memcmp(now.data, file.data, now.len) != 0)
                fprintf(stderr, "%s: %.*s\n", path, (int)now.len, now.data);
        CHECK(now.len == file.len && memcmp(now.data, file.data, now.len) == 0);
}

static void test_golden_is_what_is_sent(void)
{
        for (unsigned t = 0; t < WIRE_TYPE_MAX; t++) {
                fill(t);
                same_as_golden(wire_type_name(t));
        }
        for (size_t i = 0; i < ARRAY_LEN(later); i++) {
                later[i].fill();
                same_as_golden(later[i].name);
        }
}

static void write_one(const char *folder, const char *name)
{
        char path[PATH_MAX];
        AUTO_BUF b = BUF_INIT(WIRE_FRAME_MAX);

        encode(&b);
        (void)snprintf(path, sizeof(path), "%s/%s.json", folder, name);
        CHECK_INT(file_write_atomic(path, b.data, b.len, 0644), 0);
}

static int write_golden(const char *folder)
{
        for (unsigned t = 0; t < WIRE_TYPE_MAX; t++) {
                fill(t);
                write_one(folder, wire_type_name(t));
        }
        for (size_t i = 0; i < ARRAY_LEN(later); i++) {
                later[i].fill();
                write_one(folder, later[i].name);
        }
        return 0;
}

/* PROTOCOL.md speaks of every message and every field. */
static void test_documented(void)
{
        static const char *const names[] = {
#define MESSAGE(id, member, sender, doc) "`" #member "`",
#define OBJECT(id, member, doc) "`" #member "`",
#define FIELD(id, member, field, kind, low, high, need, doc) "`" #field "`",
#include "wire/messages.def"
#undef MESSAGE
#undef OBJECT
#undef FIELD
        };
        static const char *const words[] = {
#define AGENT_PHASE(id, name, doc) "`" name "`",
#include "wire/agent_phase.def"
#undef AGENT_PHASE
#define COMMAND_VERB(id, name, doc) "`" name "`",
#include "wire/command_verb.def"
#undef COMMAND_VERB
        };
        AUTO_BUF doc = BUF_INIT(1 << 20);

        CHECK_INT(file_read(WIRE_PROTOCOL, &doc), 0);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                if (!strstr((char *)doc.data, names[i])) {
                        fprintf(stderr, "PROTOCOL.md lacks %s\n", names[i]);
                        exit(1);
                }
        }
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                CHECK(strstr((char *)doc.data, words[i]));
        CHECK(!strstr((char *)doc.data, "`no_such_field`"));
}

#define AWAIT_WITH(fields)                                                                         \
        "{\"type\":\"await\",\"task\":\"t-1\",\"nonce\":\"" NONCE "\",\"seq\":1" fields "}"
#define AWAIT_GOOD AWAIT_WITH(",\"acted_id\":0")

static void refused(const char *text, const char *expect)
{
        struct wire_msg *before = malloc(sizeof(*before));

        CHECK(before);
        memset(&got, 0x5a, sizeof(got));
        memcpy(before, &got, sizeof(got));
        CHECK_INT(decode(text), 1);
        CHECK(memcmp(before, &got, sizeof(got)) == 0);
        free(before);
        if (!strstr(why, expect)) {
                fprintf(stderr, "%s\nreason is \"%s\", expected \"%s\"\n", text, why, expect);
                exit(1);
        }
}

static void test_refused(void)
{
        CHECK_INT(decode(AWAIT_GOOD), 0);
        refused("", "empty message");
        refused("{", "not JSON");
        refused("[]", "not an object");
        refused("{}", "type: missing");
        refused("{\"type\":7}", "type: missing or not a text");
        refused("{\"type\":\"launch\"}", "type: unknown");
        refused("{\"type\":\"Await\"}", "type: unknown");
        refused("{\"type\":\"none\",\"type\":\"ok\"}", "type: twice");
        refused(AWAIT_GOOD "x", "bytes behind");
        refused(AWAIT_GOOD AWAIT_GOOD, "bytes behind");
        refused(AWAIT_WITH(""), "await.acted_id: missing");
        refused(AWAIT_WITH(",\"acted_id\":\"0\""), "await.acted_id: not a number");
        refused(AWAIT_WITH(",\"acted_id\":-1"), "await.acted_id: out of range");
        refused(AWAIT_WITH(",\"acted_id\":1.5"), "await.acted_id: not a whole number");
        refused(AWAIT_WITH(",\"acted_id\":9007199254740992"), "await.acted_id: out of range");
        refused(AWAIT_WITH(",\"acted_id\":1e999"), "await.acted_id: out of range");
        refused(AWAIT_WITH(",\"acted_id\":0,\"wait_ms\":300001"), "await.wait_ms: out of range");
        refused(AWAIT_WITH(",\"acted_id\":null"), "await.acted_id: not a number");
        refused(AWAIT_WITH(",\"acted_id\":1,\"acted_id\":2"), "await.acted_id: twice");
        refused(AWAIT_WITH(",\"acted_id\":1,\"task\":\"t-2\""), "await.task: twice");
        refused("{\"type\":\"await\",\"task\":\"../t\"}", "await.task: not such a text");
        refused("{\"type\":\"await\",\"task\":\"\"}", "await.task: empty");
        refused("{\"type\":\"await\",\"task\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
                "await.task: too long");
        refused("{\"type\":\"await\",\"task\":\"t\\u0000x\"}", "NUL");
        refused("{\"type\":\"await\",\"task\":\"t\nx\"}", "control byte");
        refused("{\"type\":\"await\",\"task\":\"\xff\"}", "not UTF-8");
        refused("{\"type\":\"await\",\"task\":\"\xed\xa0\x80\"}", "not UTF-8");
        refused("{\"type\":\"await\",\"nonce\":\"0123456789ABCDEF0123456789ABCDEF\"}",
                "await.nonce: not such a text");
        refused("{\"type\":\"await\",\"nonce\":\"01\"}", "await.nonce: not such a text");
        refused("{\"type\":\"hello\",\"phase\":\"asleep\"}", "hello.phase: unknown name");
        refused("{\"type\":\"hello\",\"addr\":\"localhost:1\"}", "hello.addr");
        refused("{\"type\":\"hello\",\"addr\":\"127.0.0.1:0\"}", "hello.addr");
        refused("{\"type\":\"hello\",\"addr\":\"127.0.0.1\"}", "hello.addr");
        refused("{\"type\":\"hello\",\"addr\":\"::1:80\"}", "hello.addr");
        refused("{\"type\":\"report\",\"signals\":{}}", "report.signals: not an array");
        refused("{\"type\":\"report\",\"signals\":[1]}", "signal.*: not an object");
        refused("{\"type\":\"report\",\"signals\":[{}]}", "signal.source: missing");
        refused("{\"type\":\"report\",\"declined\":1}", "report.declined: not true or false");
        refused("{\"type\":\"report\",\"busy_ms\":-1}", "report.busy_ms: out of range");
        refused("{\"type\":\"report\",\"disconnected_ms\":-1}",
                "report.disconnected_ms: out of range");
        refused("{\"type\":\"report\",\"never_connected\":\"\"}",
                "report.never_connected: not true or false");
        refused("{\"type\":\"report\",\"person_by\":\"aaaaaaaaaaaaaaaaaaaaaaaa\"}",
                "report.person_by: too long");
        refused("{\"type\":\"report\",\"confidence\":\"a\\u0001\"}",
                "report.confidence: not such a text");
        refused("{\"type\":\"report\",\"unknown\":1.5}", "report.unknown: not a whole number");
        refused("{\"type\":\"report\",\"signals\":[{\"source\":\"s\",\"age_ms\":1,\"kind\":7}]}",
                "signal.kind: not a text");
        refused("{\"type\":\"ok\",\"stop_in_ms\":-1}", "ok.stop_in_ms: out of range");
        refused("{\"type\":\"ok\",\"stop_rule\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
                "ok.stop_rule: too long");
        refused("{\"type\":\"none\",\"x\":[[[[[[[[1]]]]]]]]}", "nested too deeply");
        refused("{\"type\":\"none\",\"re\":1}}", "not JSON");
}

static void test_unknown_fields_are_ignored(void)
{
        CHECK_INT(decode("{\"x\":{\"y\":[1,2,{\"z\":null}]}, \"type\" : \"none\" ,\"re\":3 } \n"),
                  0);
        CHECK_INT(got.none.re, 3);
        /* Names are compared as they are: RE is not re. */
        CHECK_INT(decode("{\"type\":\"none\",\"RE\":4}"), 1);
}

static void test_signals_bounded(void)
{
        AUTO_BUF b = BUF_INIT(WIRE_FRAME_MAX);

        CHECK_INT(buf_append_str(&b, "{\"type\":\"report\",\"signals\":["), 0);
        for (int i = 0; i <= WIRE_SIGNALS_MAX; i++)
                CHECK_INT(buf_printf(&b, "%s{\"source\":\"s\",\"age_ms\":1}", i ? "," : ""), 0);
        CHECK_INT(buf_append_str(&b, "]}"), 0);
        CHECK_INT(wire_decode(b.data, b.len, &got, why), 1);
        CHECK_STR(why, "report.signals: too many");

        /* The longest report that can be sent is far below the longest message. */
        buf_clear(&b);
        fill_report_presence();
        msg.report.n_signals = WIRE_SIGNALS_MAX;
        for (int i = 0; i < WIRE_SIGNALS_MAX; i++) {
                struct wire_signal *s = &msg.report.signals[i];

                memset(s->source, '"', sizeof(s->source) - 1);
                memset(s->kind, '"', sizeof(s->kind) - 1);
                s->age_ms = s->count = WIRE_NUMBER_MAX;
        }
        memset(msg.report.error, 1, sizeof(msg.report.error) - 1);
        memset(msg.report.job, 1, sizeof(msg.report.job) - 1);
        memset(msg.report.person_by, '"', sizeof(msg.report.person_by) - 1);
        memset(msg.report.confidence, '"', sizeof(msg.report.confidence) - 1);
        encode(&b);
        CHECK(b.len < WIRE_MESSAGE_MAX / 8);
        CHECK_INT(wire_decode(b.data, b.len, &got, why), 0);
        CHECK_INT(got.report.n_signals, WIRE_SIGNALS_MAX);
        CHECK_INT(strlen(got.report.signals[WIRE_SIGNALS_MAX - 1].kind), WIRE_SOURCE_SIZE - 1);
}

/* What is only shown is cut between letters and never makes a heartbeat fail. */
static void test_shown_text(void)
{
        AUTO_BUF b = BUF_INIT(WIRE_FRAME_MAX);
        size_t n = 0;

        fill(WIRE_REPORT);
        memset(msg.report.error, 0, sizeof(msg.report.error));
        while (n + 3 < sizeof(msg.report.error)) {
                msg.report.error[n++] = (char)0xc3;
                msg.report.error[n++] = (char)0xa9;
        }
        msg.report.error[n++] = (char)0xc3; /* half a letter, as a cut leaves it */
        encode(&b);
        CHECK_INT(wire_decode(b.data, b.len, &got, why), 0);
        CHECK(got.report.error[n - 1] == '?' && got.report.error[n] == 0);

        buf_clear(&b);
        CHECK_INT(buf_append_str(
                          &b,
                          "{\"type\":\"refused\",\"re\":1,\"code\":\"x\",\"reason\":\"a\\n\\u0001"),
                  0);
        for (int i = 0; i < 500; i++)
                CHECK_INT(buf_append_str(&b, "\xc3\xa9"), 0);
        CHECK_INT(buf_append_str(&b, "\"}"), 0);
        CHECK_INT(wire_decode(b.data, b.len, &got, why), 0);
        CHECK_INT(memcmp(got.refused.reason, "a  \xc3\xa9", 5), 0);
        CHECK_INT(strlen(got.refused.reason), WIRE_TEXT_SIZE - 1);
}

static void test_encode_refuses(void)
{
        AUTO_BUF b = BUF_INIT(4 * WIRE_FRAME_MAX);

        CHECK_INT(buf_append_str(&b, "kept"), 0);
        fill(WIRE_REPORT);
        msg.report.person_age_ms = -2;
        CHECK_INT(wire_encode(&msg, &b), -EINVAL);
        fill(WIRE_REPORT);
        msg.report.seq = UINT64_MAX;
        CHECK_INT(wire_encode(&msg, &b), -EINVAL);
        fill(WIRE_REPORT);
        msg.report.n_signals = WIRE_SIGNALS_MAX + 1;
        CHECK_INT(wire_encode(&msg, &b), -EINVAL);
        fill(WIRE_REPORT);
        msg.report.phase = WIRE_PHASE_MAX;
        CHECK_INT(wire_encode(&msg, &b), -EINVAL);
        fill(WIRE_HELLO);
        msg.hello.task[0] = 0;
        CHECK_INT(wire_encode(&msg, &b), -EINVAL);
        fill(WIRE_HELLO);
        memset(msg.hello.task, 'a', sizeof(msg.hello.task)); /* no NUL */
        CHECK_INT(wire_encode(&msg, &b), -EINVAL);
        fill(WIRE_WELCOME);
        msg.welcome.claim.gate_key[0] = 0;
        CHECK_INT(wire_encode(&msg, &b), -EINVAL);
        fill(WIRE_WELCOME);
        msg.welcome.claim.n_saves = WIRE_SAVES_MAX;
        for (int i = 0; i < WIRE_SAVES_MAX; i++) {
                struct wire_save *s = &msg.welcome.claim.saves[i];

                s->seq = (uint64_t)i + 1;
                memset(s->request, '"', sizeof(s->request) - 1);
        }
        CHECK_INT(wire_encode(&msg, &b), -EMSGSIZE);
        CHECK(b.len == 4 && memcmp(b.data, "kept", 4) == 0);
        for (int i = 0; i < WIRE_SAVES_MAX; i++)
                memset(msg.welcome.claim.saves[i].request, 'u', WIRE_SAVE_SIZE - 1);
        CHECK_INT(wire_encode(&msg, &b), 0);
}

static void test_longest(void)
{
        static char long_text[WIRE_FRAME_MAX];

        memset(long_text, ' ', sizeof(long_text));
        memcpy(long_text, AWAIT_GOOD, strlen(AWAIT_GOOD));
        CHECK_INT(wire_decode(long_text, WIRE_MESSAGE_MAX, &got, why), 0);
        CHECK_INT(wire_decode(long_text, WIRE_MESSAGE_MAX + 1, &got, why), 1);
        CHECK_STR(why, "message too long");
}

static void test_versions(void)
{
        CHECK_INT(wire_version_pick(1, 1), 1);
        CHECK_INT(wire_version_pick(1, 9), WIRE_V_MAX);
        CHECK_INT(wire_version_pick(WIRE_V_MAX + 1, WIRE_V_MAX + 3), 0);
        CHECK_INT(wire_version_pick(0, 0), 0);
        CHECK_INT(wire_version_pick(5, 1), 0);
}

int main(int argc, char **argv)
{
        if (argc == 3 && strcmp(argv[1], "--write") == 0)
                return write_golden(argv[2]);
        RUN(test_roundtrip);
        RUN(test_golden);
        RUN(test_golden_is_what_is_sent);
        RUN(test_documented);
        RUN(test_refused);
        RUN(test_unknown_fields_are_ignored);
        RUN(test_signals_bounded);
        RUN(test_shown_text);
        RUN(test_encode_refuses);
        RUN(test_longest);
        RUN(test_versions);
        return 0;
}
