/* Configuration: order of the sources, and what each mistake is called. */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "config.h"
#include "test.h"

static char dir[] = "/tmp/test_config.XXXXXX";
static char file[64], profile[64];
static char error[CONFIG_ERROR_SIZE];
static enum config_action action;

static void write_file(const char *path, const char *text)
{
        CHECK(file_write_atomic(path, text, strlen(text), 0644) == 0);
}

#define MAX_ARGS 8

static int load(struct config **c, char **env, const char *const *args)
{
        static char words[MAX_ARGS][256];
        char *argv[MAX_ARGS + 1] = {words[0]};
        int n = 1;

        (void)snprintf(words[0], sizeof(words[0]), "wscontroller");
        for (; args && args[n - 1]; n++) {
                (void)snprintf(words[n], sizeof(words[n]), "%s", args[n - 1]);
                argv[n] = words[n];
        }
        argv[n] = NULL;
        error[0] = 0;
        return config_load(n, argv, env, error, &action, c);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static char *no_env[] = {NULL};

static void expect_error(const char *content, const char *says)
{
        struct config *c = NULL;

        write_file(file, content);
        CHECK_INT(load(&c, no_env, ARGS("--config", file)), -EINVAL);
        CHECK(!c);
        if (!strstr(error, says)) {
                fprintf(stderr, "expected \"%s\" in \"%s\"\n", says, error);
                exit(1);
        }
}

static void test_sources(void)
{
        char text[512];
        char *env[] = {(char[]){"WS_POOL=5"}, (char[]){"WS_QUIET=3s"}, (char[]){"OTHER=1"}, NULL};
        struct config *c = NULL;
        struct core_config core;

        (void)snprintf(text, sizeof(text),
                       "# a comment\n\n heartbeat = 2s \r\nquiet=1s\ntasks_max = 40 # the machine\n"
                       "[type vscode]\nprofile = %s\npool = 3\nidle = 10m\n"
                       "[type other]\nprofile = %s\nbind = /opt/app:/run/ws/app/dist\n",
                       profile, profile);
        write_file(file, text);
        CHECK_INT(load(&c, env, ARGS("--config", file, "--idle=7m", "--log-level", "debug")), 0);
        CHECK_INT(action, CONFIG_RUN);
        config_core(c, &core);
        CHECK_INT(core.n_types, 2);
        CHECK_STR(core.types[0].name, "vscode");
        CHECK_INT(core.types[0].pool_size, 5); /* the environment is stronger than the file */
        CHECK_INT(core.types[1].pool_size, 5);
        CHECK_INT(core.types[1].limits.idle_ms, 7 * 60000); /* a flag is for every type */
        CHECK_INT(core.heartbeat_ms, 2000);
        CHECK_INT(core.quiet_ms, 3000);
        CHECK_INT(core.tasks_max, 40);
        CHECK_INT(core.agent_lost_ms, 30000);
        CHECK_STR(config_text(c, CONFIG_LOG_LEVEL), "debug");
        CHECK_STR(c->v[CONFIG_LOG_LEVEL].source, "--log-level");
        CHECK_STR(c->v[CONFIG_QUIET].source, "WS_QUIET");
        CHECK_STR(c->v[CONFIG_SAVE_RETRY].source, "default");
        CHECK(strstr(c->v[CONFIG_HEARTBEAT].source, "/c.conf:3"));
        CHECK_STR(config_type_text(c, 1, CONFIG_TYPE_BIND), "/opt/app:/run/ws/app/dist");
        c = config_free(c);
}

/* What a type's section says of the limits: 0, or an error that says `says`. */
static void expect_limits(const char *lines, const char *says)
{
        char text[512];
        struct config *c = NULL;
        int r;

        (void)snprintf(text, sizeof(text), "[type a]\nprofile=%s\n%s", profile, lines);
        write_file(file, text);
        r = load(&c, no_env, ARGS("--config", file));
        CHECK_INT(r, says ? -EINVAL : 0);
        if (says && !strstr(error, says)) {
                fprintf(stderr, "expected \"%s\" in \"%s\"\n", says, error);
                exit(1);
        }
        c = config_free(c);
}

static void test_limits(void)
{
        char text[512];
        struct config *c = NULL;
        struct core_config core;

        (void)snprintf(text, sizeof(text),
                       "[type a]\nprofile=%s\n[type b]\nprofile=%s\nidle=20m\nnever_connected=10m\n"
                       "disconnected=20m\njob=3h\nlifetime=12h\n",
                       profile, profile);
        write_file(file, text);
        CHECK_INT(load(&c, no_env, ARGS("--config", file)), 0);
        config_core(c, &core);
        CHECK_INT(core.types[0].limits.idle_ms, 30 * 60000);
        CHECK_INT(core.types[0].limits.never_connected_ms, 0);
        CHECK_INT(core.types[0].limits.disconnected_ms, 0);
        CHECK_INT(core.types[0].limits.job_ms, 120 * 60000);
        CHECK_INT(core.types[0].limits.lifetime_ms, 0);
        CHECK_INT(core.types[1].limits.idle_ms, 20 * 60000);
        CHECK_INT(core.types[1].limits.never_connected_ms, 10 * 60000);
        CHECK_INT(core.types[1].limits.disconnected_ms, 20 * 60000);
        CHECK_INT(core.types[1].limits.job_ms, 180 * 60000);
        CHECK_INT(core.types[1].limits.lifetime_ms, 720 * 60000);
        c = config_free(c);

        expect_limits("disconnected=31m\n",
                      "c.conf:3: disconnected: \"31m\" is longer than idle of "
                      "[type a], \"30m\"");
        expect_limits("idle=5m\nnever_connected=6m\n", "c.conf:4: never_connected: \"6m\"");
        expect_limits("idle=0\nnever_connected=6m\ndisconnected=2h\n", NULL);
        expect_limits("job=30m\n", "c.conf:3: job: \"30m\" is not longer than idle");
        expect_limits("job=31m\n", NULL);
        expect_limits("job=0\n", NULL);
        expect_limits("idle=3h\n", NULL);         /* the default of job was overtaken: no mistake */
        expect_limits("idle=3h\njob=2h\n", NULL); /* and so --print-config can be read again */
        expect_limits("lifetime=1m\n", NULL);
        expect_limits("idle_policy=sometimes\n",
                      "idle_policy: \"sometimes\" is not valid; give fixed "
                      "or adaptive");
        expect_limits("idle_policy=adaptive\n", "task_price is 0");
        expect_limits("idle_policy=adaptive\ntask_price=0.02\nidle_min=61m\n",
                      "c.conf:5: idle_min of [type a] is \"61m\", but idle_max is \"1h\"");
        expect_limits("idle_policy=adaptive\ntask_price=0.02\njob=50m\n",
                      "job: \"50m\" is not longer than idle_max");
        expect_limits("idle_policy=adaptive\ntask_price=0.02\n", NULL);
}

static void test_adaptive(void)
{
        char text[256];
        struct config *c = NULL;
        struct core_config core;

        (void)snprintf(text, sizeof(text),
                       "[type a]\nprofile=%s\nidle_policy=adaptive\ntask_price=0.02\nidle_min=5m\n"
                       "value_of_time=3.5\n[type b]\nprofile=%s\n",
                       profile, profile);
        write_file(file, text);
        CHECK_INT(load(&c, no_env, ARGS("--config", file)), 0);
        config_core(c, &core);
        CHECK(core.types[0].adaptive.on && !core.types[1].adaptive.on);
        CHECK_INT(core.types[0].adaptive.idle_ms_min, 5 * 60000);
        CHECK_INT(core.types[0].adaptive.idle_ms_max, 60 * 60000);
        CHECK_INT(core.types[0].adaptive.value_of_time, 3500000);
        CHECK_INT(core.types[0].limits.idle_ms, 60 * 60000);
        CHECK_INT(core.types[1].limits.idle_ms, 30 * 60000);
        c = config_free(c);
        (void)snprintf(text, sizeof(text),
                       "[type a]\nprofile=%s\nversion=2026-11\npool_refill_rate=30\n", profile);
        write_file(file, text);
        CHECK_INT(load(&c, no_env, ARGS("--config", file)), 0);
        config_core(c, &core);
        CHECK_STR(core.types[0].version, "2026-11");
        CHECK(core.types[0].refill_per_min > 29.9 && core.types[0].refill_per_min < 30.1);
        c = config_free(c);
}

static void test_addr(void)
{
        char text[256];
        char host[32];
        uint16_t port = 0;
        struct config *c = NULL;

        (void)snprintf(text, sizeof(text), "[type a]\nprofile=%s\n", profile);
        write_file(file, text);
        CHECK_INT(load(&c, no_env, ARGS("--config", file, "--listen-http", "0.0.0.0:80")), 0);
        config_addr(c, CONFIG_LISTEN_HTTP, host, sizeof(host), &port);
        CHECK_STR(host, "0.0.0.0");
        CHECK_INT(port, 80);
        c = config_free(c);
}

static void test_actions(void)
{
        struct config *c = NULL;

        CHECK_INT(load(&c, no_env, ARGS("--help")), 0); /* needs no file */
        CHECK_INT(action, CONFIG_HELP);
        c = config_free(c);
        CHECK_INT(load(&c, no_env, ARGS("--config", file, "--check")), 0);
        CHECK_INT(action, CONFIG_CHECK);
        c = config_free(c);
        CHECK_INT(load(&c, no_env, ARGS("--config", file, "--print-config")), 0);
        CHECK_INT(action, CONFIG_PRINT);
        c = config_free(c);
}

static void test_errors(void)
{
        struct config *c = NULL;

        expect_error("", "no workspace type is configured");
        expect_error("nonsense\n", "c.conf:1: \"nonsense\": write NAME = VALUE");
        expect_error("\nwrong = 1\n", "c.conf:2: no such option \"wrong\"");
        expect_error("heartbeat = soon\n", "give a duration such as");
        expect_error("heartbeat = 1ms\n", "is out of range; give 100 to 600000 ms");
        expect_error("tasks_max = -1\n", "c.conf:1: tasks_max");
        expect_error("listen_http = 7701\n", "ADDRESS:PORT");
        expect_error("listen_http = 127.0.0.1:70000\n", "ADDRESS:PORT");
        expect_error("listen_agents = 127.0.0.1\n", "tcp://");
        expect_error("public_scheme = ftp\n", "http or https");
        expect_error("workspace_paths = yes\n", "on or off");
        expect_error("log_level = loud\n", "debug, info, warn or error");
        expect_error("storage_max_bytes = 1T\n", "a size such as");
        expect_error("pool = 3\n", "belongs to a type; move it below [type NAME]");
        expect_error("[type a]\nquiet = 1s\n", "belongs to no type; move it above");
        expect_error("[type a\n", "a section ends with ]");
        expect_error("[class a]\n", "no such section \"class a\"");
        expect_error("[type a/b]\n", "is no name for a type");
        expect_error("[type a]\n[type a]\n", "is there twice");
        expect_error("[type a]\njob = 25h\n", "is out of range; give 0 to 86400000 ms");
        expect_error("[type a]\npool = 1\n", "[type a]: profile is not set");
        expect_error("provider = podman\n", "process or docker");
        expect_error("provider = docker\n[type a]\npool = 1\n", "[type a]: image is not set");
        expect_error("[type a]\nimage = x\n", "[type a]: profile is not set");
        expect_error("[type a]\ncpu = 2000\n", "is out of range; give 0 to 1024");
        expect_error("[type a]\nread_only = yes\n", "on or off");
        expect_error("[type a]\nprofile = /nonexistent\n",
                     "c.conf:2: profile: /nonexistent: No such");
        expect_error("[type a]\nbind = app:/run/ws/x\n", "SRC:DST");
        expect_error("[type a]\nbind = /app:/etc\n", "SRC:DST");
        CHECK_INT(load(&c, no_env, ARGS("--pool")), -EINVAL);
        CHECK(strstr(error, "--pool: a value is missing"));
        CHECK_INT(load(&c, no_env, ARGS("--bogus")), -EINVAL);
        CHECK(strstr(error, "--bogus: no such option"));
        CHECK_INT(load(&c, no_env, ARGS("stray")), -EINVAL);
        CHECK(strstr(error, "\"stray\": not an option"));
        CHECK_INT(load(&c, no_env, ARGS("--config", "/nonexistent")), -EINVAL);
        CHECK(strstr(error, "/nonexistent: cannot be read"));
}

/* A container brings its own profile; limits come from the file. */
static void test_docker(void)
{
        struct config *c = NULL;

        write_file(file, "provider = docker\ndocker_stop_grace = 90s\n[type a]\nimage = vscode:7\n"
                         "cpu = 0.5\nmemory = 1G\npids = 0\n");
        CHECK_INT(load(&c, no_env, ARGS("--config", file)), 0);
        CHECK_INT(config_num(c, CONFIG_DOCKER_STOP_GRACE), 90000);
        CHECK_STR(config_text(c, CONFIG_DOCKER_SOCKET), "/var/run/docker.sock");
        CHECK_STR(config_type_text(c, 0, CONFIG_TYPE_IMAGE), "vscode:7");
        CHECK_INT(config_type_num(c, 0, CONFIG_TYPE_CPU), 500000);
        CHECK_INT(config_type_num(c, 0, CONFIG_TYPE_MEMORY), INT64_C(1) << 30);
        CHECK_INT(config_type_num(c, 0, CONFIG_TYPE_PIDS), 0);
        CHECK_STR(config_type_text(c, 0, CONFIG_TYPE_READ_ONLY), "on");
        config_free(c);
}

static void test_pools_and_tasks(void)
{
        char text[256];

        (void)snprintf(text, sizeof(text), "tasks_max = 3\n[type a]\nprofile = %s\npool = 4\n",
                       profile);
        expect_error(text, "tasks_max is 3, but the pools keep 4 tasks warm");
}

static int policy_config(const char *lines, struct core_config *ret_core)
{
        char text[1024];
        struct config *c = NULL;
        int r;

        (void)snprintf(text, sizeof(text), "[type a]\nprofile=%s\npool_policy=forecast\n%s",
                       profile, lines);
        write_file(file, text);
        r = load(&c, no_env, ARGS("--config", file));
        if (r == 0)
                config_core(c, ret_core);
        c = config_free(c);
        return r;
}

/* Berlin's 2026-03-29 01:00 UTC and 2026-10-25 01:00 UTC, when the clocks change. */
static void test_zone(void)
{
        static const utc_t before = {INT64_C(1774745999) * US_PER_S};
        static const utc_t summer = {INT64_C(1774746000) * US_PER_S};
        static const utc_t winter = {INT64_C(1792890000) * US_PER_S};
        struct core_config core;
        const struct zone *z = &core.types[0].sizing.schedule.zone;

        CHECK_INT(policy_config("time_zone=Europe/Berlin\n", &core), 0);
        CHECK_INT(zone_offset(z, before), 3600);
        CHECK_INT(zone_offset(z, summer), 7200);
        CHECK_INT(zone_offset(z, winter), 3600);
        CHECK(!getenv("TZ"));
        CHECK_INT(policy_config("time_zone=-03:30\n", &core), 0);
        CHECK_INT(zone_offset(z, summer), -12600);
        CHECK_INT(policy_config("time_zone=UTC\n", &core), 0);
        CHECK_INT(zone_offset(z, summer), 0);
}

static void test_sizing(void)
{
        static const struct {
                const char *lines, *says;
        } wrong[] = {
                {"pool_policy=often\n", "give fixed or forecast"},
                {"pool_hit_rate=1\n", "\"1\" is out of range; give 0.5 to 0.9999"},
                {"pool_hit_rate=all\n", "a number such as 0.99"},
                {"peak_hours=21:00-09:00\n", "FROM-TO"},
                {"peak_hours=9:00-21:00\n", "FROM-TO"},
                {"peak_hours=09:00-24:01\n", "FROM-TO"},
                {"peak_days=mon-\n", "days such as"},
                {"peak_days=mon,\n", "days such as"},
                {"peak_days=\n", "days such as"},
                {"holidays=2026-02-29\n", "days such as"},
                {"holidays=2026-12-24..2026-12-23\n", "days such as"},
                {"holidays=2026-01-01..2026-12-31\n", "64 at most"},
                {"holidays=2026-01-01,\n", "days such as"},
                {"time_zone=Europe/Nowhere\n", "package tzdata"},
                {"time_zone=../../etc/passwd\n", "package tzdata"},
                {"time_zone=+1\n", "package tzdata"},
                {"pool_min=5\npool_max=4\n", "pool_max of [type a] is 4"},
                {"budget_day=5\n", "give task_price"},
                {"pool_min=300\npool_max=300\n", "but the pools keep 300"},
        };
        struct core_config core;
        const struct core_sizing *s = &core.types[0].sizing;

        CHECK_INT(policy_config("", &core), 0);
        CHECK(s->forecast && s->floor == 1 && s->floor_quiet == 0 && s->ceiling == 20);
        CHECK(s->schedule.from_min == 540 && s->schedule.to_min == 1260);
        CHECK_INT(s->schedule.weekdays, SCHEDULE_EVERY_DAY);
        CHECK(core.launch_rate > 19.9 && core.launch_burst > 99.9);
        CHECK_INT(policy_config("peak_hours=08:30-18:00\npeak_days=mon-wed,fri\ntask_price=0.04\n"
                                "holidays=1970-01-02..1970-01-03,2026-12-24\nbudget_day=9.5\n"
                                "warm_age_max=2h\n",
                                &core),
                  0);
        CHECK(s->schedule.from_min == 510 && s->schedule.to_min == 1080);
        CHECK_INT(s->schedule.weekdays, 0x17);
        CHECK_INT(s->schedule.n_holidays, 3);
        CHECK(s->schedule.holidays[0] == 1 && s->schedule.holidays[1] == 2);
        CHECK_INT(s->schedule.holidays[2], 20811);
        CHECK_INT(s->task_hour, 40000);
        CHECK_INT(s->day_max, 9500000);
        CHECK_INT(core.types[0].warm_age_ms, 7200000);
        CHECK_INT(policy_config("peak_hours=never\npeak_days=sat-mon\n", &core), 0);
        CHECK(s->schedule.from_min == 0 && s->schedule.to_min == 0);
        CHECK_INT(s->schedule.weekdays, 0x61);
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
                CHECK_INT(policy_config(wrong[i].lines, &core), -EINVAL);
                if (!strstr(error, wrong[i].says)) {
                        fprintf(stderr, "expected \"%s\" in \"%s\"\n", wrong[i].says, error);
                        exit(1);
                }
        }
}

int main(void)
{
        CHECK(mkdtemp(dir));
        (void)snprintf(file, sizeof(file), "%s/c.conf", dir);
        (void)snprintf(profile, sizeof(profile), "%s/profile.json", dir);
        write_file(profile, "{}");
        RUN(test_sources);
        RUN(test_limits);
        RUN(test_adaptive);
        RUN(test_addr);
        RUN(test_actions);
        RUN(test_errors);
        RUN(test_docker);
        RUN(test_pools_and_tasks);
        (void)unsetenv("TZ");
        RUN(test_zone);
        RUN(test_sizing);
        CHECK(unlink(file) == 0 && unlink(profile) == 0 && rmdir(dir) == 0);
        return 0;
}
