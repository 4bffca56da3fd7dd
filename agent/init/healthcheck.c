/*
 * wsagent healthcheck: ask the gate for /_workspace/health. For a container's health check, so it
 * needs no other program in the image. Exit 0 healthy, 1 not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "init/init.h"
#include "roles.h"

#define TIMEOUT_S 3

static int address_text(char *dst, size_t size)
{
        const char *env = role_env("WS_GATE_ADDR", "");
        const char *run_dir = role_env("WS_RUN_DIR", ROLE_RUN_DIR);
        char path[PATH_MAX];
        AUTO_CLOSE fd = -1;
        ssize_t n;

        if (*env)
                return str_copy(dst, size, env);
        if ((size_t)snprintf(path, sizeof(path), "%s/gate.addr", run_dir) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, dst, size - 1);
        if (n < 0)
                return -errno;
        dst[n] = 0;
        dst[strcspn(dst, "\n")] = 0;
        return 0;
}

static int address_parse(char *text, struct sockaddr_in *ret_addr)
{
        struct sockaddr_in a = {.sin_family = AF_INET};
        char *colon = strrchr(text, ':');
        uint64_t port;

        if (!colon || num_parse_u64(colon + 1, 1, UINT16_MAX, &port) < 0)
                return -EINVAL;
        *colon = 0;
        if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
                return -EINVAL;
        a.sin_port = htons((uint16_t)port);
        *ret_addr = a;
        return 0;
}

/* The status code of the answer, or -errno. */
static int ask(const struct sockaddr_in *addr)
{
        static const char request[] = "GET /_workspace/health HTTP/1.1\r\nHost: localhost\r\n"
                                      "Connection: close\r\n\r\n";
        const struct timeval timeout = {.tv_sec = TIMEOUT_S};
        char answer[16];
        size_t len = 0;
        uint64_t status;
        int r;
        AUTO_CLOSE fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
            connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
                return -errno;
        r = fd_write_all(fd, request, sizeof(request) - 1);
        if (r < 0)
                return r;
        while (len < strlen("HTTP/1.1 200")) {
                ssize_t n = read(fd, answer + len, sizeof(answer) - 1 - len);
                if (n <= 0)
                        return n < 0 ? -errno : -EPROTO;
                len += (size_t)n;
        }
        answer[strlen("HTTP/1.1 200")] = 0;
        if (!str_starts(answer, "HTTP/1.") ||
            num_parse_u64(answer + strlen("HTTP/1.1 "), 100, 599, &status) < 0)
                return -EPROTO;
        return (int)status;
}

int healthcheck_main(int argc, char **argv)
{
        struct sockaddr_in addr;
        char text[64];
        int r;

        (void)argc;
        (void)argv;
        r = address_text(text, sizeof(text));
        if (r == 0)
                r = address_parse(text, &addr);
        if (r == 0)
                r = ask(&addr);
        if (r == 200)
                return 0;
        if (r < 0)
                log_error("gate does not answer", LOG_ERR(r));
        else
                log_error("gate is not healthy", LOG_INT("status", r));
        return 1;
}
