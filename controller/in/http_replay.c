#include "in/http_replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define BUCKETS 8192

struct entry {
        struct entry *chain;         /* of its bucket */
        struct entry *older, *newer; /* by the time of `begin` */
        uint64_t ticket;
        mono_t at;
        uint32_t bucket;
        bool answered;
        char actor[CORE_NAME_SIZE];
        char key[HTTP_REPLAY_KEY_SIZE];
        uint8_t request[32];
        struct http_replay_answer answer;
        uint8_t *body;
};

struct http_replay {
        struct entry *buckets[BUCKETS];
        struct entry *oldest, *newest;
        size_t n, bytes;
        uint64_t tickets;
};

bool http_replay_key(const char *header, char dst[static HTTP_REPLAY_KEY_SIZE])
{
        size_t len = strlen(header);

        if (len >= 2 && header[0] == '"' && header[len - 1] == '"') {
                header++;
                len -= 2;
        }
        if (len == 0 || len >= HTTP_REPLAY_KEY_SIZE)
                return false;
        for (size_t i = 0; i < len; i++) {
                char c = header[i];

                if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                      (c && strchr("._:-", c))))
                        return false;
        }
        memcpy(dst, header, len);
        dst[len] = 0;
        return true;
}

int http_replay_new(struct http_replay **ret_replay)
{
        *ret_replay = calloc(1, sizeof(**ret_replay));
        return *ret_replay ? 0 : -ENOMEM;
}

static void entry_remove(struct http_replay *r, struct entry *e)
{
        struct entry **p = &r->buckets[e->bucket];

        while (*p != e)
                p = &(*p)->chain;
        *p = e->chain;
        *(e->older ? &e->older->newer : &r->oldest) = e->newer;
        *(e->newer ? &e->newer->older : &r->newest) = e->older;
        r->n--;
        r->bytes -= e->answer.body_len;
        if (e->body)
                explicit_bzero(e->body, e->answer.body_len);
        free(e->body);
        free(e);
}

struct http_replay *http_replay_free(struct http_replay *r)
{
        if (!r)
                return NULL;
        while (r->oldest)
                entry_remove(r, r->oldest);
        free(r);
        return NULL;
}

/* Who chooses keys to collide slows down a walk along one chain of at most HTTP_REPLAY_MAX. */
static uint32_t bucket_of(const char *actor, const char *key)
{
        return (str_hash(actor) * 31 + str_hash(key)) % BUCKETS;
}

/* The oldest answers go; what is not answered yet stays. */
static bool make_room(struct http_replay *r, mono_t now, size_t bytes)
{
        for (struct entry *e = r->oldest, *next; e; e = next) {
                bool old = mono_diff_ms(e->at, now) >= HTTP_REPLAY_KEEP_MS;
                bool full = r->n >= HTTP_REPLAY_MAX || r->bytes + bytes > HTTP_REPLAY_BYTES_MAX;

                next = e->newer;
                if (!old && !full)
                        break;
                if (e->answered)
                        entry_remove(r, e);
        }
        return r->n < HTTP_REPLAY_MAX;
}

enum http_replay_result http_replay_begin(struct http_replay *r, mono_t now, const char *actor,
                                          const char *key, const uint8_t request[static 32],
                                          uint64_t *ret_ticket,
                                          struct http_replay_answer *ret_answer)
{
        uint32_t bucket = bucket_of(actor, key);
        bool room = make_room(r, now, 0);
        struct entry *e = r->buckets[bucket];

        while (e && (strcmp(e->key, key) != 0 || strcmp(e->actor, actor) != 0))
                e = e->chain;
        if (e && memcmp(e->request, request, sizeof(e->request)) != 0)
                return HTTP_REPLAY_DIFFERENT;
        if (e && !e->answered)
                return HTTP_REPLAY_RUNNING;
        if (e) {
                *ret_answer = e->answer;
                return HTTP_REPLAY_KNOWN;
        }
        e = room ? calloc(1, sizeof(*e)) : NULL;
        if (!e)
                return HTTP_REPLAY_FULL;
        e->ticket = *ret_ticket = ++r->tickets;
        e->at = now;
        e->bucket = bucket;
        STR_CUT(e->actor, actor);
        STR_CUT(e->key, key);
        memcpy(e->request, request, sizeof(e->request));
        e->chain = r->buckets[bucket];
        r->buckets[bucket] = e;
        e->older = r->newest;
        *(r->newest ? &r->newest->newer : &r->oldest) = e;
        r->newest = e;
        r->n++;
        return HTTP_REPLAY_NEW;
}

/* From the newest: what is answered now was begun lately. */
static struct entry *entry_of(struct http_replay *r, uint64_t ticket)
{
        struct entry *e = ticket ? r->newest : NULL;

        while (e && e->ticket != ticket)
                e = e->older;
        return e;
}

void http_replay_put(struct http_replay *r, uint64_t ticket,
                     const struct http_replay_answer *answer)
{
        struct entry *e = entry_of(r, ticket);

        if (!e || e->answered)
                return;
        if (answer->body_len > HTTP_REPLAY_ANSWER_MAX) {
                entry_remove(r, e);
                return;
        }
        if (answer->body_len) {
                (void)make_room(r, e->at, answer->body_len);
                e->body = malloc(answer->body_len);
                if (!e->body) {
                        entry_remove(r, e);
                        return;
                }
                memcpy(e->body, answer->body, answer->body_len);
        }
        e->answer = *answer;
        e->answer.body = e->body;
        r->bytes += answer->body_len;
        e->answered = true;
}

void http_replay_drop(struct http_replay *r, uint64_t ticket)
{
        struct entry *e = entry_of(r, ticket);

        if (e && !e->answered)
                entry_remove(r, e);
}
