#include "out/storage_server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "out/objects.h"
#include "out/storage_http.h"
#include "out/storage_peers.h"

#define THREAD_STACK (512u << 10)

struct server {
        struct storage_site site;
        int listen_fd;
        sem_t slots;
        struct storage_peers peers;
};

struct visit {
        struct server *server;
        int fd;
        uid_t peer;
};

static int usage(void)
{
        fprintf(stderr,
                "usage: wscontroller storage --listen ADDR:PORT --key-file FILE --root DIR\n"
                "                            [--bandwidth BYTES]\n"
                "       wscontroller storage --listen ADDR:PORT --key-file FILE --s3 "
                "s3://BUCKET/PREFIX\n"
                "                            [--endpoint URL] [--region NAME] [--path-style on]\n"
                "                            [--credentials FILE]\n");
        return 2;
}

static int options_parse(int argc, char **argv, struct storage_server_options *o)
{
        const char *path_style = "off", *bandwidth = "0";
        const struct {
                const char *name, **where;
        } known[] = {{"--listen", &o->listen},           {"--root", &o->root},
                     {"--key-file", &o->key_file},       {"--s3", &o->s3},
                     {"--endpoint", &o->endpoint},       {"--region", &o->region},
                     {"--credentials", &o->credentials}, {"--path-style", &path_style},
                     {"--bandwidth", &bandwidth}};

        for (int i = 1; i < argc; i += 2) {
                size_t k = 0;

                while (k < ARRAY_LEN(known) && strcmp(argv[i], known[k].name) != 0)
                        k++;
                if (k == ARRAY_LEN(known) || i + 1 >= argc)
                        return -EINVAL;
                *known[k].where = argv[i + 1];
        }
        o->path_style = strcmp(path_style, "on") == 0;
        if (!o->path_style && strcmp(path_style, "off") != 0)
                return -EINVAL;
        if (num_parse_u64(bandwidth, 0, INT64_MAX, &o->bandwidth) < 0)
                return -EINVAL;
        return o->listen && o->key_file && !o->root != !o->s3 ? 0 : -EINVAL;
}

/* "127.0.0.1:7702" or "[::1]:7702" to a listening socket, or -errno. */
static int listen_on(const char *text)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                 .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
        struct addrinfo *ai = NULL;
        AUTO_CLOSE fd = -1;
        char host[128];
        char *colon, *name = host;
        int one = 1;
        int r = STR_SET(host, text);

        colon = r < 0 ? NULL : strrchr(host, ':');
        if (!colon)
                return -EINVAL;
        *colon = 0;
        if (name[0] == '[' && colon[-1] == ']') {
                colon[-1] = 0;
                name++;
        }
        if (getaddrinfo(name, colon + 1, &hints, &ai) != 0)
                return -EINVAL;
        fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, STORAGE_CONNECTIONS_MAX) < 0)
                r = -errno;
        freeaddrinfo(ai);
        return r < 0 ? r : STEAL(fd, -1);
}

static void *visit_main(void *arg)
{
        struct visit v = *(struct visit *)arg;

        free(arg);
        storage_http_serve(&v.server->site, v.fd);
        storage_peers_leave(&v.server->peers, v.peer);
        (void)sem_post(&v.server->slots);
        return NULL;
}

/* Takes the descriptor and the slot. */
static int visit_start(struct server *s, int fd, uid_t peer)
{
        struct visit *v = malloc(sizeof(*v));
        pthread_attr_t attr;
        pthread_t thread;
        int r = v ? 0 : ENOMEM;

        if (r == 0) {
                *v = (struct visit){.server = s, .fd = fd, .peer = peer};
                (void)pthread_attr_init(&attr);
                (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
                (void)pthread_attr_setstacksize(&attr, THREAD_STACK);
                r = pthread_create(&thread, &attr, visit_main, v);
                (void)pthread_attr_destroy(&attr);
        }
        if (r != 0) {
                free(v);
                fd_close(fd);
                storage_peers_leave(&s->peers, peer);
                (void)sem_post(&s->slots);
        }
        return -r;
}

static void slot_wait(struct server *s)
{
        while (sem_wait(&s->slots) < 0 && errno == EINTR)
                ;
}

/* Without a thread, and without waiting. */
static void refuse(struct server *s, int fd)
{
        static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                                   "Content-Type: text/plain\r\nConnection: close\r\n"
                                   "Content-Length: 43\r\n\r\n"
                                   "too many connections of one user; try later";

        (void)send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
        fd_close(fd);
        (void)sem_post(&s->slots);
}

static void accept_one(struct server *s)
{
        const struct timespec pause = {.tv_nsec = 50 * 1000000};
        int one = 1;
        uid_t peer;
        int fd, r;

        slot_wait(s);
        fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
                r = -errno;
                (void)sem_post(&s->slots);
                if (r == -EINTR || r == -ECONNABORTED)
                        return;
                /* Out of descriptors or memory: who is connected must end first. */
                log_error("cannot accept", LOG_ERR(r));
                (void)nanosleep(&pause, NULL);
                return;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (!storage_peers_enter(&s->peers, fd, &peer)) {
                refuse(s, fd);
                return;
        }
        r = visit_start(s, fd, peer);
        if (r < 0)
                log_error("cannot serve a connection", LOG_ERR(r));
}

static int folder_open(struct server *s, const struct storage_server_options *o)
{
        int r;

        s->site.root_fd = objects_root_open(o->root);
        r = s->site.root_fd < 0 ? s->site.root_fd : objects_tmp_clear(s->site.root_fd);
        if (r < 0)
                log_error("cannot use the storage folder", LOG_STR("path", o->root), LOG_ERR(r));
        return r;
}

static int bucket_open(struct server *s, const struct storage_server_options *o)
{
        const struct s3_config config = {.url = o->s3,
                                         .endpoint = o->endpoint ? o->endpoint : "",
                                         .region = o->region ? o->region : "us-east-1",
                                         .path_style = o->path_style,
                                         .credentials_file = o->credentials ? o->credentials : ""};
        int r = s3_new(&config, &s->site.s3);

        if (r < 0)
                log_error("cannot use the bucket: wants s3://BUCKET/PREFIX and an endpoint such as "
                          "https://HOST:PORT",
                          LOG_STR("url", o->s3), LOG_STR("endpoint", config.endpoint), LOG_ERR(r));
        return r;
}

/* A connection and its file for each who may come. */
static void limit_set(void)
{
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) < 0)
                return;
        files.rlim_cur = MIN(files.rlim_max, (rlim_t)3 * STORAGE_CONNECTIONS_MAX);
        (void)setrlimit(RLIMIT_NOFILE, &files);
}

static int server_open(struct server *s, const struct storage_server_options *o)
{
        struct keys keys;
        int r = keys_load(o->key_file, &keys);

        explicit_bzero(&keys, sizeof(keys));
        s->site.key_file = o->key_file;
        if (r < 0) {
                log_error("cannot read the key", LOG_STR("path", o->key_file), LOG_ERR(r));
                return r;
        }
        /* First of all the port: who has it owns the unfinished uploads too. */
        s->listen_fd = listen_on(o->listen);
        if (s->listen_fd < 0) {
                log_error("cannot listen", LOG_STR("address", o->listen), LOG_ERR(s->listen_fd));
                return s->listen_fd;
        }
        r = o->s3 ? bucket_open(s, o) : folder_open(s, o);
        if (r < 0)
                return r;
        storage_peers_init(&s->peers);
        storage_pace_init(&s->site.pace, o->bandwidth);
        return sem_init(&s->slots, 0, STORAGE_CONNECTIONS_MAX) < 0 ? -errno : 0;
}

int storage_server_main(int argc, char **argv)
{
        static struct server server = {.listen_fd = -1, .site.root_fd = -1};
        struct storage_server_options o = {0};

        if (options_parse(argc, argv, &o) < 0)
                return usage();
        (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
        limit_set();
        if (server_open(&server, &o) < 0)
                return 1;
        log_info("storage serves", LOG_STR("address", o.listen),
                 LOG_STR("root", o.root ? o.root : o.s3));
        for (;;)
                accept_one(&server);
}
