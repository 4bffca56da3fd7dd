/*
 * The smallest app that a workspace can have: trivial_app SOCKET. Says 200 to everything on a Unix
 * socket, one connection after the other; a WebSocket stays open and silent until the app ends.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
                             "Connection: close\r\n\r\nhi\n";

static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\n\r\n";

/* False: the connection stays open. */
static bool serve(int fd)
{
        char head[4096];
        size_t n = 0;
        ssize_t r;

        while (n < sizeof(head) - 1 && (r = read(fd, head + n, sizeof(head) - 1 - n)) > 0) {
                n += (size_t)r;
                head[n] = 0;
                if (!strstr(head, "\r\n\r\n"))
                        continue;
                if (strcasestr(head, "\r\nupgrade: websocket\r\n")) {
                        (void)!write(fd, upgraded, sizeof(upgraded) - 1);
                        return false;
                }
                (void)!write(fd, answer, sizeof(answer) - 1);
                return true;
        }
        return true;
}

int main(int argc, char **argv)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0), client;

        if (argc != 2 || fd < 0 || strlen(argv[1]) >= sizeof(addr.sun_path))
                return 2;
        (void)signal(SIGPIPE, SIG_IGN);
        strcpy(addr.sun_path, argv[1]);
        umask(0117); /* the gate's group may connect, nobody else */
        if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 64) < 0)
                return 1;
        while ((client = accept(fd, NULL, NULL)) >= 0) {
                if (serve(client))
                        close(client);
        }
        return 1;
}
