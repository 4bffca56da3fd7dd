#include "in/http_visitor.h"

#include <string.h>

static const char name[] = "ws_access";

/* More cookies of our name than this can only be somebody's attempt to hide the good one. */
#define COOKIES_MAX 32
/*
 * Of a renewed ticket, at most. A gate remembers a used one for an hour beyond its time: whichever
 * text of a link it has seen, no other one lasts longer than that.
 */
#define RENEWED_MS_MAX (INT64_C(30) * 60 * 1000)

/* The value of the next cookie of our name from *at on; *at behind it. False: there is none. */
static bool next_cookie(const char **at, char *ret_value, size_t size)
{
        const size_t n = sizeof(name) - 1;

        for (const char *p = *at; *p;) {
                size_t len;

                p += strspn(p, "; ");
                len = strcspn(p, ";");
                if (len > n && strncmp(p, name, n) == 0 && p[n] == '=' && len - n - 1 < size) {
                        memcpy(ret_value, p + n + 1, len - n - 1);
                        ret_value[len - n - 1] = 0;
                        *at = p + len;
                        return true;
                }
                p += len;
        }
        return false;
}

/* The first ws_access of an address's query. True when it is there and fits. */
static bool link_value(const char *uri, char *ret_value, size_t size)
{
        const size_t n = sizeof(name) - 1;

        for (const char *p = strchr(uri, '?'); p; p = strchr(p, '&')) {
                size_t len;

                p++;
                len = strcspn(p, "&");
                if (len > n && strncmp(p, name, n) == 0 && p[n] == '=' && len - n - 1 < size) {
                        memcpy(ret_value, p + n + 1, len - n - 1);
                        ret_value[len - n - 1] = 0;
                        return true;
                }
        }
        return false;
}

void visitor_ticket(const struct http_exchange *x, char ret_ticket[static ACCESS_SIZE])
{
        struct access a;

        if (!link_value(x->req.original_uri, ret_ticket, ACCESS_SIZE) ||
            access_read(ret_ticket, strlen(ret_ticket), &a) < 0)
                ret_ticket[0] = 0;
}

/* Made by us (or by a gate for us) for one of the generations from `first` to `last`, and good? */
static bool access_good(const struct http_exchange *x, const char *text, enum access_kind kind,
                        uint64_t first, uint64_t last)
{
        uint64_t now = (uint64_t)(loop_utc(x->site->loop).us / US_PER_S);
        struct access a;
        char key[KEYS_HEX];
        struct keys other;
        bool good;

        if (access_read(text, strlen(text), &a) < 0 || a.generation < first || a.generation > last)
                return false;
        keys_access(x->site->config.keys, x->req.workspace, a.generation, key);
        good = access_check(text, strlen(text), kind, key, now) == 0;
        if (!good && keys_other(x->site->config.keys, &other)) {
                keys_access(&other, x->req.workspace, a.generation, key);
                good = access_check(text, strlen(text), kind, key, now) == 0;
                explicit_bzero(&other, sizeof(other));
        }
        explicit_bzero(key, sizeof(key));
        return good;
}

/* All of the name are tried: a neighbour's page can put one of its own before the good one. */
static bool cookie_good(const struct http_exchange *x, const struct workspace_row *w)
{
        uint64_t first = w->generation > 0 ? w->generation - 1 : 0;
        const char *at = x->req.cookie;
        char text[ACCESS_SIZE];

        for (int i = 0; i < COOKIES_MAX && next_cookie(&at, text, sizeof(text)); i++) {
                if (access_good(x, text, ACCESS_COOKIE, first, view_access_generation(w)))
                        return true;
        }
        return false;
}

enum visitor visitor_of(const struct http_exchange *x, const struct workspace_row *w)
{
        char text[ACCESS_SIZE];

        if (!w)
                return VISITOR_NONE;
        if (cookie_good(x, w))
                return VISITOR_COOKIE;
        if (!link_value(x->req.original_uri, text, sizeof(text)) ||
            !access_good(x, text, ACCESS_TICKET, w->generation, view_access_generation(w)))
                return VISITOR_NONE;
        return visitor_later(x, w) ? VISITOR_LINK : VISITOR_LOOKS;
}

bool visitor_brought(const struct http_exchange *x)
{
        const char *at = x->req.cookie;
        char value[ACCESS_SIZE];

        while (next_cookie(&at, value, sizeof(value))) {
                if (value[0])
                        return true;
        }
        return strstr(x->req.original_uri, VISITOR_QUERY) != NULL;
}

bool visitor_later(const struct http_exchange *x, const struct workspace_row *w)
{
        char ticket[ACCESS_SIZE];
        struct access a;

        visitor_ticket(x, ticket);
        return ticket[0] && access_read(ticket, strlen(ticket), &a) == 0 &&
               a.generation > w->generation;
}

void visitor_renew(const struct http_exchange *x, const struct workspace_row *w,
                   char ret_ticket[static ACCESS_SIZE])
{
        struct view_links links = x->site->links;
        utc_t now = loop_utc(x->site->loop);
        uint64_t generation = w ? view_access_generation(w) : 0;
        char text[ACCESS_SIZE];
        struct access a;

        ret_ticket[0] = 0;
        visitor_ticket(x, text);
        if (!w || !text[0] || access_read(text, strlen(text), &a) < 0 ||
            !access_good(x, text, ACCESS_TICKET, generation, generation))
                return;
        links.ticket_ms = MIN(links.ticket_ms, RENEWED_MS_MAX);
        if (((int64_t)a.expires * US_PER_S - now.us) / US_PER_MS <= links.ticket_ms / 2)
                view_ticket_of(&links, now, w, a.id, ret_ticket);
}
