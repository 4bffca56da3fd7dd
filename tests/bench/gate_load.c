/*
 * Load for the relay benchmark: an application on a Unix socket, and clients that talk to it
 * through a relay's TCP port. tests/bench/gate runs it; each client prints one JSON object.
 *
 *   gate_load app SOCKET
 *   gate_load download PORT BYTES
 *   gate_load upload PORT BYTES FILE live|ready    FILE's text in the editor's messages, compressed
 * as it is sent (as a browser does) or beforehand gate_load latency PORT ROUNDS gate_load idle PORT
 * COUNT FILE                 opens COUNT WebSockets, says so, waits for stdin's end
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK (256 * 1024)
#define WINDOW_BITS (-15)

__attribute__((format(printf, 1, 2))) static _Noreturn void die(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fprintf(stderr, errno ? ": %s\n" : "\n", strerror(errno));
        exit(1);
}

static double seconds(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool write_all(int fd, const void *data, size_t len)
{
        const char *p = data;

        while (len > 0) {
                ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                p += n;
                len -= (size_t)n;
        }
        return true;
}

static bool read_all(int fd, void *data, size_t len)
{
        char *p = data;

        while (len > 0) {
                ssize_t n = recv(fd, p, len, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                p += n;
                len -= (size_t)n;
        }
        return true;
}

/* A head, byte by byte: it is short, and nothing behind it may be swallowed. */
static bool read_head(int fd, char *head, size_t size)
{
        size_t n = 0;

        while (n + 1 < size) {
                if (!read_all(fd, head + n, 1))
                        return false;
                head[++n] = 0;
                if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
                        return true;
        }
        return false;
}

/* ---- the application ---- */

static void app_download(int fd, uint64_t left)
{
        static char block[CHUNK];
        char head[128];
        int n = snprintf(head, sizeof(head),
                         "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\nConnection: close\r\n\r\n",
                         (unsigned long long)left);

        if (!write_all(fd, head, (size_t)n))
                return;
        while (left > 0) {
                size_t take = left < sizeof(block) ? (size_t)left : sizeof(block);

                if (!write_all(fd, block, take))
                        return;
                left -= take;
        }
        shutdown(fd, SHUT_WR);
        (void)recv(fd, block, 1, 0);
}

static void app_sink(int fd, uint64_t left)
{
        static const uint8_t done[2] = {0x82, 0};
        char *block = malloc(CHUNK);

        while (block && left > 0) {
                ssize_t n = recv(fd, block, CHUNK, 0);

                if (n <= 0)
                        break;
                left -= (uint64_t)n < left ? (uint64_t)n : left;
        }
        (void)write_all(fd, done, sizeof(done));
        while (block && recv(fd, block, CHUNK, 0) > 0)
                ;
        free(block);
}

/* Small masked frames come back unmasked and otherwise the same. */
static void app_echo(int fd)
{
        uint8_t frame[2 + 4 + 125];

        while (read_all(fd, frame, 6)) {
                size_t len = frame[1] & 0x7f;
                uint8_t mask[4], answer[2 + 125];

                memcpy(mask, frame + 2, 4);
                if (len > 125 || !read_all(fd, frame + 6, len))
                        return;
                answer[0] = frame[0];
                answer[1] = (uint8_t)len;
                for (size_t i = 0; i < len; i++)
                        answer[2 + i] = frame[6 + i] ^ mask[i % 4];
                if (!write_all(fd, answer, 2 + len))
                        return;
        }
}

static void *app_connection(void *arg)
{
        static const char upgrade[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                      "Connection: Upgrade\r\n"
                                      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                      "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        int fd = (int)(intptr_t)arg;
        char head[8192];
        unsigned long long n = 0;

        if (!read_head(fd, head, sizeof(head)))
                goto out;
        if (sscanf(head, "GET /download/%llu", &n) == 1) {
                app_download(fd, n);
        } else if (write_all(fd, upgrade, sizeof(upgrade) - 1)) {
                if (sscanf(head, "GET /sink/%llu", &n) == 1)
                        app_sink(fd, n);
                else
                        app_echo(fd);
        }
out:
        close(fd);
        return NULL;
}

static int app(const char *path)
{
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
        unlink(path);
        if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
            listen(listener, 4096) < 0)
                die("%s", path);
        printf("listening\n");
        fflush(stdout);
        for (;;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                pthread_attr_t attr;
                pthread_t thread;

                if (fd < 0)
                        continue;
                pthread_attr_init(&attr);
                pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
                pthread_attr_setstacksize(&attr, 128 * 1024);
                if (pthread_create(&thread, &attr, app_connection, (void *)(intptr_t)fd) != 0)
                        close(fd);
                pthread_attr_destroy(&attr);
        }
}

/* ---- clients ---- */

static int dial(const char *port)
{
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)atoi(port)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

        if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
                die("connect to port %s", port);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        return fd;
}

static void request(int fd, const char *path, bool upgrade)
{
        char text[1024], head[8192];
        int n = snprintf(
                text, sizeof(text),
                "GET %s HTTP/1.1\r\nHost: ws-a.localhost:8080\r\n"
                /* tests/gate/gate.py: KEY, and access("cookie") */
                "X-Workspace-Key: 0123456789abcdef\r\n"
                "Cookie: ws_access=1.4102444800.00000000000000000000000000000000."
                "9239a32e7dec8ba03d9e61a7881bcbe9758832fe135e6b7da701c6b6ddf8f1d8\r\n%s\r\n",
                path,
                upgrade ? "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                          "Sec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                        : "");

        if (!write_all(fd, text, (size_t)n) || !read_head(fd, head, sizeof(head)))
                die("no answer to %s", path);
        if (strncmp(head, upgrade ? "HTTP/1.1 101" : "HTTP/1.1 200", 12) != 0)
                die("%s: %.60s", path, head);
}

static int download(const char *port, const char *bytes)
{
        uint64_t want = strtoull(bytes, NULL, 10), left = want;
        char path[64], *block = malloc(CHUNK);
        double from;
        int fd = dial(port);

        snprintf(path, sizeof(path), "/download/%s", bytes);
        from = seconds();
        request(fd, path, false);
        while (left > 0) {
                ssize_t n = recv(fd, block, CHUNK, 0);

                if (n <= 0)
                        die("download cut off");
                left -= (uint64_t)n;
        }
        printf("{\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)want, seconds() - from);
        free(block);
        return 0;
}

struct source {
        char *text;
        size_t len, at;
};

static struct source load(const char *file)
{
        struct source s = {0};
        FILE *f = fopen(file, "rb");

        if (!f || fseek(f, 0, SEEK_END) < 0)
                die("%s", file);
        s.len = (size_t)ftell(f);
        rewind(f);
        s.text = malloc(s.len + 1);
        if (!s.text || s.len < 1024 || fread(s.text, 1, s.len, f) != s.len)
                die("%s: too short", file);
        fclose(f);
        return s;
}

static void put_u32(uint8_t *p, uint32_t v)
{
        p[0] = (uint8_t)(v >> 24);
        p[1] = (uint8_t)(v >> 16);
        p[2] = (uint8_t)(v >> 8);
        p[3] = (uint8_t)v;
}

struct editor {
        z_stream z;
        uint32_t id;
        uint8_t *plain, *frame;
};

static void editor_init(struct editor *e)
{
        *e = (struct editor){.plain = malloc(CHUNK + 256), .frame = malloc(2 * CHUNK)};
        if (!e->plain || !e->frame ||
            deflateInit2(&e->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, 8,
                         Z_DEFAULT_STRATEGY) != Z_OK)
                die("zlib");
}

static void editor_end(struct editor *e)
{
        deflateEnd(&e->z);
        free(e->plain);
        free(e->frame);
}

/* `n` plain bytes in e->plain -> one masked, compressed WebSocket message. Returns where it begins.
 */
static uint8_t *editor_frame(struct editor *e, size_t n, size_t *ret_len)
{
        static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
        uint8_t *body = e->frame + 14, *at = body;
        size_t len;

        e->z.next_in = e->plain;
        e->z.avail_in = (unsigned)n;
        e->z.next_out = body;
        e->z.avail_out = 2 * CHUNK - 14;
        if (deflate(&e->z, Z_SYNC_FLUSH) != Z_OK || e->z.avail_out == 0)
                die("deflate");
        len = (size_t)(e->z.next_out - body) - 4;
        for (size_t i = 0; i < len; i++)
                body[i] ^= mask[i % 4];
        at -= 4;
        memcpy(at, mask, 4);
        if (len < 126) {
                *--at = (uint8_t)(0x80 | len);
        } else if (len < 65536) {
                *--at = (uint8_t)len;
                *--at = (uint8_t)(len >> 8);
                *--at = 0x80 | 126;
        } else {
                at -= 8;
                put_u32(at, 0);
                put_u32(at + 4, (uint32_t)len);
                *--at = 0x80 | 127;
        }
        *--at = 0xc2;
        *ret_len = len + (size_t)(body - at);
        return at;
}

static size_t message(uint8_t *to, uint8_t type, uint32_t id, const void *body, size_t n)
{
        to[0] = type;
        put_u32(to + 1, id);
        put_u32(to + 5, 0);
        put_u32(to + 9, (uint32_t)n);
        memcpy(to + 13, body, n);
        return 13 + n;
}

static size_t editor_handshake(struct editor *e)
{
        static const char auth[] =
                "{\"type\":\"auth\",\"auth\":\"00000000000000000000\",\"data\":\"x\"}";
        static const char kind[] =
                "{\"type\":\"connectionType\",\"commit\":\"c\",\"signedData\":\"s\","
                "\"desiredConnectionType\":1}";
        static const char hello[] =
                "\005\x2f{\"remoteAuthority\":\"a:1\",\"clientId\":\"renderer\"}";
        size_t n = message(e->plain, 2, 0, auth, sizeof(auth) - 1);

        n += message(e->plain + n, 2, 0, kind, sizeof(kind) - 1);
        return n + message(e->plain + n, 1, ++e->id, hello, sizeof(hello) - 1);
}

/* remoteFilesystem.writeFile with `n` bytes of the file. */
static size_t editor_write(struct editor *e, struct source *s, size_t n)
{
        static const uint8_t header[] =
                "\004\004\006\144\006\005\001\020remoteFilesystem\001\011writeFile";
        uint8_t *body = e->plain + 13;
        size_t at = 0;

        memcpy(body, header, sizeof(header) - 1);
        at += sizeof(header) - 1;
        body[at++] = 3;
        for (size_t v = n;; v >>= 7) {
                body[at++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
                if (v <= 0x7f)
                        break;
        }
        for (size_t done = 0; done < n;) {
                size_t take = s->len - s->at < n - done ? s->len - s->at : n - done;

                memcpy(body + at + done, s->text + s->at, take);
                done += take;
                s->at = (s->at + take) % s->len;
        }
        at += n;
        e->plain[0] = 1;
        put_u32(e->plain + 1, ++e->id);
        put_u32(e->plain + 5, 0);
        put_u32(e->plain + 9, (uint32_t)at);
        return 13 + at;
}

/* All frames of about `bytes` compressed bytes; with `all` NULL they are only counted. */
static size_t build(struct source s, uint64_t bytes, uint8_t **all, uint64_t *ret_plain)
{
        struct editor e;
        size_t total = 0, len;
        const uint8_t *at;

        editor_init(&e);
        *all = malloc(bytes + 4 * CHUNK);
        if (!*all)
                die("memory");
        at = editor_frame(&e, editor_handshake(&e), &len);
        memcpy(*all, at, len);
        total = len;
        *ret_plain = 0;
        while (total < bytes) {
                size_t plain = editor_write(&e, &s, CHUNK - 512);

                *ret_plain += plain;
                at = editor_frame(&e, plain, &len);
                memcpy(*all + total, at, len);
                total += len;
        }
        editor_end(&e);
        return total;
}

static int upload(const char *port, const char *bytes, const char *file, bool live)
{
        struct source s = load(file);
        uint64_t plain = 0;
        uint8_t *all, done[2];
        size_t total = build(s, strtoull(bytes, NULL, 10), &all, &plain);
        char path[128];
        double from;
        int fd = dial(port);

        snprintf(path, sizeof(path), "/sink/%zu?reconnectionToken=t%d&reconnection=false", total,
                 getpid());
        request(fd, path, true);
        from = seconds();
        if (live) {
                struct editor e;
                uint64_t left = plain;
                size_t len;
                const uint8_t *at;

                editor_init(&e);
                at = editor_frame(&e, editor_handshake(&e), &len);
                for (;;) {
                        size_t n;

                        if (!write_all(fd, at, len))
                                die("upload cut off");
                        if (left == 0)
                                break;
                        n = editor_write(&e, &s, CHUNK - 512);
                        left -= n < left ? n : left;
                        at = editor_frame(&e, n, &len);
                }
                editor_end(&e);
        } else if (!write_all(fd, all, total)) {
                die("upload cut off");
        }
        if (!read_all(fd, done, sizeof(done)))
                die("the application did not say that it has all");
        printf("{\"bytes\":%zu,\"plain\":%llu,\"seconds\":%.6f}\n", total,
               (unsigned long long)plain, seconds() - from);
        free(all);
        free(s.text);
        return 0;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static int latency(const char *port, const char *rounds)
{
        /* Four bytes, not compressed, so that the frame is the same for every relay. */
        static const uint8_t frame[] = {0x82, 0x84, 1, 2, 3, 4, 9, 9, 9, 9};
        size_t n = strtoull(rounds, NULL, 10);
        double *took = calloc(n, sizeof(*took));
        uint8_t answer[6];
        int fd = dial(port);

        request(fd, "/echo", true);
        for (size_t i = 0; took && i < n; i++) {
                double from = seconds();

                if (!write_all(fd, frame, sizeof(frame)) || !read_all(fd, answer, sizeof(answer)))
                        die("echo cut off");
                took[i] = (seconds() - from) * 1e6;
        }
        qsort(took, n, sizeof(*took), compare);
        printf("{\"p50_us\":%.2f,\"p99_us\":%.2f}\n", took[n / 2], took[n * 99 / 100]);
        free(took);
        return 0;
}

static int idle(const char *port, const char *count, const char *file)
{
        size_t n = strtoull(count, NULL, 10);
        struct source s = load(file);

        for (size_t i = 0; i < n; i++) {
                struct editor e;
                size_t len;
                const uint8_t *at;
                char path[128];
                int fd = dial(port);

                snprintf(path, sizeof(path),
                         "/sink/999999999999?reconnectionToken=i%zu-%d&reconnection=false", i,
                         getpid());
                request(fd, path, true);
                editor_init(&e);
                at = editor_frame(&e, editor_handshake(&e), &len);
                if (!write_all(fd, at, len))
                        die("cut off");
                /* More than a window's worth, so that a decoder holds what it will ever hold. */
                at = editor_frame(&e, editor_write(&e, &s, 96 * 1024), &len);
                if (!write_all(fd, at, len))
                        die("cut off");
                editor_end(&e);
        }
        printf("{\"open\":%zu}\n", n);
        fflush(stdout);
        while (getchar() != EOF)
                ;
        free(s.text);
        return 0;
}

int main(int argc, char **argv)
{
        const char *mode = argc > 2 ? argv[1] : "";

        signal(SIGPIPE, SIG_IGN);
        if (strcmp(mode, "app") == 0)
                return app(argv[2]);
        if (strcmp(mode, "download") == 0 && argc == 4)
                return download(argv[2], argv[3]);
        if (strcmp(mode, "upload") == 0 && argc == 6)
                return upload(argv[2], argv[3], argv[4], strcmp(argv[5], "live") == 0);
        if (strcmp(mode, "latency") == 0 && argc == 4)
                return latency(argv[2], argv[3]);
        if (strcmp(mode, "idle") == 0 && argc == 5)
                return idle(argv[2], argv[3], argv[4]);
        fprintf(stderr,
                "usage: gate_load app SOCKET | download PORT BYTES | upload PORT BYTES FILE "
                "live|ready | latency PORT ROUNDS | idle PORT COUNT FILE\n");
        return 64;
}
