/* What is sent to a container engine, and what it may answer, cut anywhere. */
#include <errno.h>

#include "base/buf.h"
#include "out/providers/docker_json.h"
#include "test.h"

static const struct docker_spec plain = {.controller = "c0",
                                         .task = "t-1",
                                         .type = "vscode",
                                         .version = "sha256:1",
                                         .image = "img:1",
                                         .network = "bridge",
                                         .controller_url = "tcp://172.17.0.1:7700",
                                         .profile = "",
                                         .bind = "",
                                         .grace_ms = 120000,
                                         .tmp_bytes = 1 << 20};

static const char *create(const struct docker_spec *spec)
{
        static struct buf b = {.max = 65536};

        buf_clear(&b);
        CHECK_INT(docker_json_create(spec, &b), 0);
        return (const char *)b.data;
}

static void test_create(void)
{
        struct docker_spec s = plain;
        AUTO_BUF b = BUF_INIT(65536);
        AUTO_BUF small = BUF_INIT(100);
        const char *text = create(&s);

        CHECK(strstr(text, "\"WS_TERM_GRACE=110000ms\"") && strstr(text, "\"StopTimeout\":120"));
        CHECK(strstr(text, "\"WS_SECRET_FROM=stdin\"") && strstr(text, "\"OpenStdin\":true"));
        CHECK(!strstr(text, "\"Memory\"") && !strstr(text, "PidsLimit") && !strstr(text, "Nano"));
        CHECK(strstr(text, "\"ReadonlyRootfs\":false") && !strstr(text, "/home/student"));
        CHECK(!strstr(text, "WS_PROFILE") && !strstr(text, "PortBindings"));
        s.memory = INT64_C(3) << 30;
        s.cpu = 250000;
        s.pids = 77;
        s.read_only = true;
        s.profile = "/etc/a \"b\".json";
        s.bind = "/srv/x:y:/run/ws/dist";
        text = create(&s);
        CHECK(strstr(text, "\"Memory\":3221225472,\"MemorySwap\":3221225472"));
        CHECK(strstr(text, "\"NanoCpus\":250000000,\"PidsLimit\":77"));
        CHECK(strstr(text, "\"Target\":\"/home/student\""));
        CHECK(strstr(text, "WS_PROFILE=/etc/a \\\"b\\\".json"));
        CHECK(strstr(text,
                     "\"Source\":\"/srv/x:y\",\"Target\":\"/run/ws/dist\",\"ReadOnly\":true"));
        s.bind = "nothing";
        CHECK_INT(docker_json_create(&s, &b), -EINVAL);
        CHECK_INT(docker_json_create(&plain, &small), -ENOBUFS);
}

static int listed;

static void on_listed(void *ctx, const struct docker_listed *l)
{
        (void)ctx;
        listed++;
        CHECK(l->id[0] && l->task[0]);
}

static void take(const char *text)
{
        struct docker_inspected i;
        struct docker_event e;
        char id[DOCKER_ID_SIZE], message[DOCKER_TEXT_SIZE], gateway[64];

        (void)!docker_json_list(text, on_listed, NULL);
        (void)!docker_json_inspect(text, &i);
        (void)!docker_json_event(text, &e);
        (void)!docker_json_id(text, id);
        (void)!docker_json_gateway(text, gateway);
        docker_json_message(text, message);
}

static const char *const answers[] = {
        "[{\"Id\":\"ab\",\"State\":\"running\",\"Labels\":{\"workspaces.task\":\"t-1\"}},"
        "{\"Id\":\"cd\",\"State\":\"exited\",\"Labels\":{}},{\"Id\":7,\"Labels\":[]},3,null]",
        "{\"Id\":\"ab\",\"State\":{\"Status\":\"exited\",\"ExitCode\":137,\"OOMKilled\":true,"
        "\"Error\":\"\"},\"HostConfig\":{\"Memory\":33554432}}",
        "{\"Action\":\"die\",\"time\":1700000000,\"Actor\":{\"ID\":\"ab\",\"Attributes\":"
        "{\"workspaces.task\":\"t-1\",\"exitCode\":\"137\"}}}",
        "{\"IPAM\":{\"Config\":[{\"Subnet\":\"fd00::/64\",\"Gateway\":\"fd00::1\"},"
        "{\"Gateway\":\"172.17.0.1\"}]}}",
        "{\"message\":\"No such image: x\"}",
};

static void test_answers(void)
{
        struct docker_inspected i;
        struct docker_event e;
        char gateway[64], message[DOCKER_TEXT_SIZE];

        CHECK_INT(docker_json_list(answers[0], on_listed, NULL), 0);
        CHECK_INT(listed, 1);
        CHECK_INT(docker_json_inspect(answers[1], &i), 0);
        CHECK(i.oom_killed && i.exit_code == 137 && i.memory == 32 << 20);
        CHECK_INT(docker_json_event(answers[2], &e), 0);
        CHECK_STR(e.action, "die");
        CHECK_STR(e.task, "t-1");
        CHECK_INT(e.time, 1700000000);
        CHECK_INT(docker_json_gateway(answers[3], gateway), 0);
        CHECK_STR(gateway, "172.17.0.1");
        docker_json_message(answers[4], message);
        CHECK_STR(message, "No such image: x");
        docker_json_message("plain words\nand more", message);
        CHECK_STR(message, "plain words");
        CHECK_INT(docker_json_list("{}", on_listed, NULL), -EBADMSG);
        CHECK_INT(docker_json_inspect("{\"State\":3}", &i), -EBADMSG);
        CHECK_INT(docker_json_event("{\"Action\":[]}", &e), -EBADMSG);
}

/* Cut anywhere, and with a byte changed anywhere. */
static void test_damaged(void)
{
        for (size_t a = 0; a < ARRAY_LEN(answers); a++) {
                size_t n = strlen(answers[a]);

                for (size_t i = 0; i < n; i++) {
                        char *text = strdup(answers[a]);

                        CHECK(text);
                        text[i] = i % 3 == 0 ? '[' : i % 3 == 1 ? '"' : '9';
                        take(text);
                        text[i] = 0;
                        take(text);
                        free(text);
                }
        }
}

int main(void)
{
        RUN(test_create);
        RUN(test_answers);
        RUN(test_damaged);
        return 0;
}
