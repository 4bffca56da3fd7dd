/*
 * The controller's HTTP and ops edges on top of fake_core: what tests/api/run talks to.
 *   api_server PORT STATE_DIR HOST_SUFFIX [TOKEN_FILE [RATE BURST]]
 * Prints "port N" when it listens; takes commands (fake_core.h) on standard input and answers each
 * with "ok" or "no"; ends at end of file or shutdown.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "fake_core.h"
#include "in/http.h"
#include "in/ops.h"

struct server {
        struct loop *loop;
        struct shell *shell;
        struct http *http;
        struct ops *ops;
        struct loop_fd input;
        char line[512];
        size_t n;
};

static void on_input(void *ctx, uint32_t events)
{
        struct server *s = ctx;
        ssize_t n = read(0, s->line + s->n, sizeof(s->line) - 1 - s->n);
        char *end;

        (void)events;
        if (n <= 0) {
                loop_exit(s->loop, 0);
                return;
        }
        s->n += (size_t)n;
        s->line[s->n] = 0;
        while ((end = strchr(s->line, '\n'))) {
                size_t used = (size_t)(end - s->line) + 1;
                *end = 0;
                puts(fake_command(s->shell, s->line) ? "ok" : "no");
                memmove(s->line, s->line + used, s->n - used + 1);
                s->n -= used;
        }
        (void)fflush(stdout);
}

static int start(struct server *s, struct http_config *config, const char *url)
{
        struct ops_config ops_config = {.url = url};
        int r = http_new(s->loop, s->shell, config, &s->http);

        if (r < 0)
                return r;
        ops_config.http = s->http;
        r = ops_new(s->loop, s->shell, NULL, &ops_config, &s->ops);
        return r < 0 ? r : loop_fd_add(s->loop, &s->input, 0, EPOLLIN, on_input, s);
}

/* How long a stream took to begin, for tests/api/streams. */
static void on_observed(void *ctx, const char *path, int status, bool waited, int64_t us)
{
        (void)ctx;
        (void)waited;
        if (strncmp(path, "/v1/events/", 11) == 0)
                log_info("observed", LOG_STR("path", path), LOG_INT("status", status),
                         LOG_INT("us", us));
}

int main(int argc, char **argv)
{
        static struct keys keys;
        struct http_config config = {
                .address = "127.0.0.1",
                .api_token = "test-token-0123456789",
                .public_scheme = "http",
                .keys = &keys,
                .ticket_ms = 600000,
                .observed = on_observed,
        };
        struct server s = {.input = LOOP_FD_NULL};
        char url[300];
        uint64_t port, rate = 0, burst = 1;
        int r;

        log_init("api_server", LOG_INFO_LEVEL);
        if ((argc != 4 && argc != 5 && argc != 7) || num_parse_u64(argv[1], 0, 65535, &port) < 0 ||
            (argc == 7 && (num_parse_u64(argv[5], 0, 1000, &rate) < 0 ||
                           num_parse_u64(argv[6], 1, 1000, &burst) < 0)))
                return 2;
        config.token_file = argc > 4 ? argv[4] : NULL;
        config.rate = (double)rate;
        config.burst = (double)burst;
        for (size_t i = 0; i < sizeof(keys.master); i++)
                keys.master[i] = (uint8_t)i;
        if (loop_new(&s.loop) < 0)
                return 1;
        s.shell = fake_shell_new(s.loop);
        config.port = (uint16_t)port;
        config.host_suffix = argv[3];
        if (getenv("API_SERVER_SCHEME"))
                config.public_scheme = getenv("API_SERVER_SCHEME");
        config.paths = getenv("API_SERVER_PATHS") != NULL;
        (void)snprintf(url, sizeof(url), "ipc://%s/ops.sock", argv[2]);
        r = start(&s, &config, url);
        if (r == 0) {
                printf("port %u\n", http_port(s.http));
                (void)fflush(stdout);
                r = http_run(s.http);
        } else {
                r = r == -EADDRINUSE ? 98 : 1;
        }
        loop_fd_del(&s.input);
        ops_free(s.ops);
        http_free(s.http);
        fake_shell_free(s.shell);
        loop_free(s.loop);
        return r;
}
