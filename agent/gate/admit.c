#include "gate/admit.h"

#include <stdio.h>
#include <string.h>

/* More cookies of our name than this can only be somebody's attempt to hide the good one. */
#define COOKIES_MAX 32

/* --- the query --- */

/* "ws_access=…", and its value. */
static bool is_ours(struct http_span pair, struct http_span *ret_value)
{
        const size_t n = sizeof(ADMIT_NAME "=") - 1;

        if (!http_span_starts(pair, ADMIT_NAME "="))
                return false;
        *ret_value = (struct http_span){pair.at + n, pair.len - n};
        return true;
}

/* The piece of the query that begins at *at; *at behind its '&' afterwards. False at the end. */
static bool next_piece(struct http_span target, size_t *at, struct http_span *ret_piece)
{
        const char *from = target.at + *at;
        const char *amp;

        if (*at >= target.len)
                return false;
        amp = memchr(from, '&', target.len - *at);
        ret_piece->at = from;
        ret_piece->len = amp ? (size_t)(amp - from) : target.len - *at;
        *at += ret_piece->len + 1;
        return true;
}

static size_t path_len(struct http_span target)
{
        const char *q = memchr(target.at, '?', target.len);

        return q ? (size_t)(q - target.at) : target.len;
}

static bool find_ticket(struct http_span target, struct http_span *ret_value)
{
        struct http_span piece;

        for (size_t at = path_len(target) + 1; next_piece(target, &at, &piece);) {
                if (is_ours(piece, ret_value))
                        return true;
        }
        return false;
}

int admit_clean(struct http_span target, struct buf *out)
{
        size_t path = path_len(target), from = 0, before = out->len;
        struct http_span piece, value;
        char mark = '?';
        int r;

        /* "//host" and "/\host" lead elsewhere. */
        while (from < path && (target.at[from] == '/' || target.at[from] == '\\'))
                from++;
        r = buf_append(out, "/", 1);
        if (r == 0)
                r = buf_append(out, target.at + from, path - from);
        for (size_t at = path + 1; r == 0 && next_piece(target, &at, &piece);) {
                if (piece.len == 0 || is_ours(piece, &value))
                        continue;
                r = buf_append(out, &mark, 1);
                if (r == 0)
                        r = buf_append(out, piece.at, piece.len);
                mark = '&';
        }
        if (r < 0)
                out->len = before;
        return r;
}

int admit_lead(struct http_span target, struct buf *out)
{
        struct http_span ticket;
        struct access a;

        if (!find_ticket(target, &ticket) || access_read(ticket.at, ticket.len, &a) < 0)
                return buf_append_str(out, "/");
        return buf_printf(out, "/?" ADMIT_NAME "=%.*s", (int)ticket.len, ticket.at);
}

/* --- tickets and cookies --- */

/* 0 with the number of the key that fits, ACCESS_FORGED, ACCESS_EXPIRED. */
static int check(struct http_span text, enum access_kind kind, const struct admit_rules *rules,
                 int *ret_key)
{
        int r = ACCESS_FORGED;

        for (int i = 0; i < ADMIT_KEYS && r == ACCESS_FORGED; i++) {
                r = access_check(text.at, text.len, kind, rules->key[i], rules->now_s);
                *ret_key = i;
        }
        return r;
}

static enum admit_denial judge_ticket(struct http_span text, const struct admit_rules *rules,
                                      struct access *ret_access)
{
        int key;

        if (access_read(text.at, text.len, ret_access) < 0)
                return ADMIT_FORGED;
#ifndef GATE_PLANTED_ANY_GENERATION
        if (ret_access->generation != rules->generation)
                return ADMIT_EARLIER;
#endif
        switch (check(text, ACCESS_TICKET, rules, &key)) {
        case 0:
                return used_has(rules->used, ret_access->id) ? ADMIT_USED : ADMIT_OK;
        case ACCESS_EXPIRED:
                return ADMIT_EXPIRED;
        default:
                return ADMIT_FORGED;
        }
}

static void judge_cookie(struct http_span text, const struct admit_rules *rules,
                         struct admit_verdict *v)
{
        struct access a;
        int key;

#ifndef GATE_PLANTED_ANY_GENERATION
        if (access_read(text.at, text.len, &a) == 0 && a.generation != rules->generation)
                return;
#endif
        if (access_read(text.at, text.len, &a) < 0 || check(text, ACCESS_COOKIE, rules, &key) != 0)
                return;
        v->cookie = true;
        v->renew = key > 0 || a.expires < rules->now_s + rules->cookie_s / 2;
}

/* All of the name are tried: a neighbour's page can put one of its own before the good one. */
static bool judge_cookies(const struct http_head *h, const struct admit_rules *rules,
                          struct admit_verdict *v)
{
        int seen = 0;

        for (size_t i = 0; i < h->n_fields && !v->cookie; i++) {
                struct http_span all = http_field_value(h, i), value;
                const char *end = all.at + all.len, *p = all.at;

                if (!http_span_is_nocase(http_field_name(h, i), "Cookie"))
                        continue;
                while (p < end && !v->cookie && seen < COOKIES_MAX) {
                        const char *semi = memchr(p, ';', (size_t)(end - p));
                        const char *to = semi ? semi : end;

                        while (p < to && (*p == ' ' || *p == '\t'))
                                p++;
                        if (is_ours((struct http_span){p, (size_t)(to - p)}, &value)) {
                                judge_cookie(value, rules, v);
                                seen++;
                        }
                        p = to + 1;
                }
        }
        return seen > 0;
}

void admit_judge(const struct http_head *h, const struct admit_rules *rules,
                 struct admit_verdict *ret_verdict)
{
        struct admit_verdict *v = ret_verdict;
        struct http_span ticket;
        bool came;

        *v = (struct admit_verdict){.denial = ADMIT_NO_KEY};
        if (!rules->key[0][0])
                return;
        came = judge_cookies(h, rules, v);
        v->denial = came ? ADMIT_ENDED : ADMIT_NO_ACCESS;
        v->link = find_ticket(h->target, &ticket);
        if (v->link)
                v->denial = judge_ticket(ticket, rules, &v->access);
        v->ticket = v->link && v->denial == ADMIT_OK;
        if (v->cookie)
                v->denial = ADMIT_OK;
}

void admit_cookie(const struct admit_rules *rules, char ret_value[static ADMIT_COOKIE_SIZE])
{
        struct access a = {.generation = rules->generation,
                           .expires = rules->now_s + rules->cookie_s};
        char text[ACCESS_SIZE];

        access_new_id(a.id);
        access_write(&a, ACCESS_COOKIE, rules->key[0], text);
        (void)snprintf(ret_value, ADMIT_COOKIE_SIZE,
                       ADMIT_NAME "=%s; Path=/; Max-Age=%u; HttpOnly%s", text, rules->cookie_s,
                       rules->cookie);
}
