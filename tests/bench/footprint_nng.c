/*
 * The smallest client of nng there is, for tests/bench/footprint: a request every 10 s over one
 * connection.
 *   footprint_nng serve URL | footprint_nng ask URL
 */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define HEARTBEAT_MS 10000

static int fail(const char *what, int r)
{
        fprintf(stderr, "footprint_nng: %s: %s\n", what, nng_strerror(r));
        return 1;
}

static int serve(const char *url)
{
        nng_socket s;
        nng_msg *m;
        int r;

        if ((r = nng_rep0_open(&s)) != 0 || (r = nng_listen(s, url, NULL, 0)) != 0)
                return fail(url, r);
        while ((r = nng_recvmsg(s, &m, 0)) == 0 && (r = nng_sendmsg(s, m, 0)) == 0)
                ;
        return fail("serve", r);
}

static int ask(const char *url)
{
        nng_socket s;
        nng_msg *m;
        int r;

        if ((r = nng_req0_open(&s)) != 0 || (r = nng_dial(s, url, NULL, 0)) != 0)
                return fail(url, r);
        for (;;) {
                if ((r = nng_msg_alloc(&m, 200)) != 0 || (r = nng_sendmsg(s, m, 0)) != 0 ||
                    (r = nng_recvmsg(s, &m, 0)) != 0)
                        return fail("ask", r);
                nng_msg_free(m);
                (void)poll(NULL, 0, HEARTBEAT_MS);
        }
}

int main(int argc, char **argv)
{
        if (argc == 3 && strcmp(argv[1], "serve") == 0)
                return serve(argv[2]);
        if (argc == 3 && strcmp(argv[1], "ask") == 0)
                return ask(argv[2]);
        fprintf(stderr, "usage: footprint_nng serve|ask URL\n");
        return 2;
}
