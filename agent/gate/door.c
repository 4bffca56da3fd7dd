#include "gate/door.h"

#include <string.h>

#include "crypto/digest.h"
#include "http/write.h"

#define KEY_HEADER "X-Workspace-Key"
#define OWN_PREFIX "/_workspace/"

static struct http_span path_of(struct http_span target)
{
        const char *q = memchr(target.at, '?', target.len);

        return (struct http_span){target.at, q ? (size_t)(q - target.at) : target.len};
}

static bool is_read(const struct http_head *h)
{
        return http_span_is(h->method, "GET") || http_span_is(h->method, "HEAD");
}

static bool is_key(struct http_span v, const char *key)
{
        return key[0] && v.len == strlen(key) && secret_equal(v.at, key, v.len);
}

static bool key_fits(const struct http_head *h, const struct door_rules *rules)
{
        struct http_span v;

        if (rules->key[0] == 0)
                return true;
        return http_head_count(h, KEY_HEADER) == 1 && http_head_find(h, KEY_HEADER, &v) &&
               (is_key(v, rules->key) || is_key(v, rules->key_old));
}

/* scheme://host[:port] with the workspace's own host and nothing behind it. */
static bool origin_fits(struct http_span origin, const char *host)
{
        size_t skip;

        if (http_span_starts(origin, "http://"))
                skip = 7;
        else if (http_span_starts(origin, "https://"))
                skip = 8;
        else
                return false;
        return host[0] != 0 &&
               http_span_is_nocase((struct http_span){origin.at + skip, origin.len - skip}, host);
}

/*
 * A page of another site may send requests here with the student's access. Reading is harmless
 * (the page cannot see the answer); a handshake or anything that may change something is not.
 */
static bool origin_allowed(const struct http_head *h, const char *host)
{
        struct http_span origin;
        size_t n = http_head_count(h, "Origin");

        if (n == 0 || (is_read(h) && !h->upgrade))
                return true;
        return n == 1 && http_head_find(h, "Origin", &origin) && origin_fits(origin, host);
}

/*
 * The open page of the editor re-connects with this in its query after a network fault. While the
 * app is ending, that is the way its last unsaved text takes (the app itself decides).
 */
static bool is_reconnection(struct http_span target)
{
        static const char mark[] = "reconnection=true";
        const char *q = memchr(target.at, '?', target.len);
        const char *end = target.at + target.len;

        for (; q && q + sizeof(mark) <= end; q = memchr(q + 1, '&', (size_t)(end - q - 1))) {
                const char *behind = q + sizeof(mark);

                if (memcmp(q + 1, mark, sizeof(mark) - 1) == 0 && (behind == end || *behind == '&'))
                        return true;
        }
        return false;
}

static bool wants_html(const struct http_head *h)
{
        struct http_span accept;

        if (!http_head_find(h, "Accept", &accept))
                return false;
        return memmem(accept.at, accept.len, "text/html", 9) != NULL;
}

static void refuse(struct door_verdict *v, uint16_t status, const char *reason)
{
        v->way = DOOR_REFUSE;
        v->status = status;
        v->reason = reason;
}

static void judge_keep(const struct http_head *h, const struct door_rules *rules,
                       struct door_verdict *v)
{
        if (!http_span_is(h->method, "POST"))
                refuse(v, 405, "only POST is served here");
        else
                v->way = rules->configured ? DOOR_KEEP : DOOR_WAIT;
}

static void judge_own(const struct http_head *h, const struct door_rules *rules,
                      struct http_span path, struct door_verdict *v)
{
        if (http_span_is(path, OWN_PREFIX "keep"))
                judge_keep(h, rules, v);
        else if (!is_read(h))
                refuse(v, 405, "only GET and HEAD are served here");
        else if (http_span_is(path, OWN_PREFIX "health"))
                v->way = DOOR_HEALTH;
        else if (http_span_is(path, OWN_PREFIX "status"))
                v->way = DOOR_STATUS;
        else
                refuse(v, 404, "the gate has no such page");
}

/* The button of the controller's pages (PROTOCOL.md): the workspace has started meanwhile. */
static bool is_resume(const struct http_head *h, struct http_span path)
{
        return http_span_is(path, OWN_PREFIX "resume") &&
               (is_read(h) || http_span_is(h->method, "POST"));
}

static struct door_verdict verdict_begin(const struct http_head *h)
{
        return (struct door_verdict){
                .way = DOOR_PASS,
                .to_head = http_span_is(h->method, "HEAD"),
                .html = wants_html(h),
        };
}

/* Not let in, or a link that needs more than a look. False: the other rules decide. */
static bool judge_access(const struct http_head *h, const struct door_rules *rules, bool own,
                         struct door_verdict *v)
{
        bool away = rules->stopping || !rules->app_up;

        admit_judge(h, &rules->admit, &v->admit);
        if (v->admit.denial != ADMIT_OK) {
                v->way = DOOR_DENY;
                return true;
        }
        if (!v->admit.link)
                return false;
        if (!http_span_is(h->method, "GET") || h->upgrade) {
                refuse(v, 405, "a link is opened with GET");
                return true;
        }
        /* The page that waits asks for the status with its link. */
        if (own)
                return false;
        v->way = away && !v->admit.cookie ? DOOR_WAIT : DOOR_ADMIT;
        return true;
}

struct door_verdict door_judge(const struct http_head *h, const struct door_rules *rules)
{
        struct http_span path = path_of(h->target);
        struct http_span protocol;
        struct door_verdict v = verdict_begin(h);

        v.websocket = h->upgrade && http_span_is(h->method, "GET") &&
                      http_head_find(h, "Upgrade", &protocol) &&
                      http_span_is_nocase(protocol, "websocket");
        if (http_span_is(path, OWN_PREFIX "health"))
                judge_own(h, rules, path, &v);
        else if (rules->configured && !key_fits(h, rules))
                refuse(&v, 403, "the workspace's key is missing or wrong");
        else if (rules->configured && is_resume(h, path))
                v.way = DOOR_LEAD;
        else if (rules->configured &&
                 judge_access(h, rules, http_span_starts(path, OWN_PREFIX), &v))
                return v;
        else if (http_span_starts(path, OWN_PREFIX))
                judge_own(h, rules, path, &v);
        else if (!rules->configured)
                v.way = DOOR_WAIT;
        if ((v.way == DOOR_PASS || v.way == DOOR_KEEP) && !origin_allowed(h, rules->host))
                refuse(&v, 403, "the request comes from a page of another site");
        if (v.way != DOOR_PASS)
                return v;
        if (rules->stopping ? !(v.websocket && is_reconnection(h->target)) : !rules->app_up)
                v.way = DOOR_WAIT;
        return v;
}

struct door_verdict door_judge_notice(const struct http_head *h, const struct door_rules *rules)
{
        struct http_span path = path_of(h->target);
        struct door_verdict v = verdict_begin(h);

        if (http_span_is(path, OWN_PREFIX "status") || http_span_is(path, OWN_PREFIX "keep"))
                judge_own(h, rules, path, &v);
        else
                refuse(&v, 404, "only status and keep are served here");
        return v;
}

/* What belongs to one connection alone (RFC 9110, 7.6.1), and what must not come from outside. */
#define DROP_HOP "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "HTTP2-Settings"
#define DROP_OUTSIDE KEY_HEADER, "X-Forwarded-Host", "Forwarded"

int door_write_request(const struct http_head *h, bool websocket, struct buf *out)
{
        static const char *const drop_plain[] = {DROP_HOP, DROP_OUTSIDE, "Upgrade", NULL};
        static const char *const drop_upgrade[] = {DROP_HOP, DROP_OUTSIDE, NULL};
        static const char *const add_plain[] = {"Connection", "close", NULL};
        static const char *const add_upgrade[] = {"Connection", "Upgrade", NULL};
        struct http_edit edit = {
                .drop = websocket ? drop_upgrade : drop_plain,
                .drop_cookie = ADMIT_NAME,
                .add = websocket ? add_upgrade : add_plain,
        };

        return http_head_write(h, &edit, out);
}

int door_write_response(const struct http_head *h, bool keep_alive, const char *cookie,
                        struct buf *out)
{
        static const char *const drop_plain[] = {DROP_HOP, "Upgrade", NULL};
        static const char *const drop_upgrade[] = {DROP_HOP, NULL};
        const char *connection = h->status == 101 ? "Upgrade" : keep_alive ? "keep-alive" : "close";
        const char *const add[] = {"Connection", connection, cookie ? "Set-Cookie" : NULL, cookie,
                                   NULL};
        struct http_edit edit = {.drop = h->status == 101 ? drop_upgrade : drop_plain};

        if (h->status == 101 || h->status >= 200)
                edit.add = add;
        return http_head_write(h, &edit, out);
}
