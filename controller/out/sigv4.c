#include "out/sigv4.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/str.h"
#include "crypto/digest.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DATE_SIZE 9

#define TRY(expr)                                                                                  \
        do {                                                                                       \
                int try_r_ = (expr);                                                               \
                if (try_r_ < 0)                                                                    \
                        return try_r_;                                                             \
        } while (0)

void sigv4_time(utc_t now, char dst[static SIGV4_TIME_SIZE])
{
        time_t t = (time_t)(now.us / US_PER_S);
        struct tm tm;

        (void)gmtime_r(&t, &tm);
        (void)strftime(dst, SIGV4_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

int sigv4_encode(const char *text, bool path, struct buf *b)
{
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;

                if ((c < 0x80 && isalnum(c)) || strchr("-._~", c) || (path && c == '/'))
                        TRY(buf_append(b, text, 1));
                else
                        TRY(buf_printf(b, "%%%02X", c));
        }
        return 0;
}

/* ---- the query, sorted by encoded names and values ---- */

struct encoded {
        struct buf text; /* "name=value" */
        size_t name;     /* bytes of it that are the name */
};

static int compare_query(const void *a, const void *b)
{
        const struct encoded *x = a, *y = b;
        size_t n = MIN(x->name, y->name);
        int r = memcmp(x->text.data, y->text.data, n);

        if (r == 0 && x->name != y->name)
                r = x->name < y->name ? -1 : 1;
        return r != 0 ? r : strcmp((const char *)x->text.data + n, (const char *)y->text.data + n);
}

static int encode_pair(const struct sigv4_pair *p, struct encoded *e)
{
        e->text = BUF_INIT(SIGV4_TEXT_MAX);
        TRY(sigv4_encode(p->name, false, &e->text));
        e->name = e->text.len;
        TRY(buf_append(&e->text, "=", 1));
        TRY(sigv4_encode(p->value, false, &e->text));
        return buf_terminate(&e->text);
}

static int write_query(const struct sigv4_request *q, struct buf *b)
{
        struct encoded e[SIGV4_PAIRS_MAX] = {0};
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < q->n_query; i++)
                r = encode_pair(&q->query[i], &e[i]);
        if (r == 0 && q->n_query > 0)
                qsort(e, q->n_query, sizeof(e[0]), compare_query);
        for (uint32_t i = 0; r == 0 && i < q->n_query; i++) {
                if (i > 0)
                        r = buf_append(b, "&", 1);
                if (r == 0)
                        r = buf_append(b, e[i].text.data, e[i].text.len);
        }
        for (uint32_t i = 0; i < q->n_query; i++)
                buf_deinit(&e[i].text);
        return r;
}

/* ---- the headers, sorted by lower-case names; those of one name keep their order ---- */

static void sort_headers(const struct sigv4_request *q, uint32_t order[static SIGV4_PAIRS_MAX])
{
        for (uint32_t i = 0; i < q->n_headers; i++) {
                uint32_t at = i;

                for (; at > 0; at--) {
                        if (strcasecmp(q->headers[order[at - 1]].name, q->headers[i].name) <= 0)
                                break;
                        order[at] = order[at - 1];
                }
                order[at] = i;
        }
}

static int write_lower(const char *name, struct buf *b)
{
        for (; *name; name++) {
                char c = (char)tolower((unsigned char)*name);

                TRY(buf_append(b, &c, 1));
        }
        return 0;
}

/* Without white space at both ends; runs of it inside become one space. */
static int write_value(const char *value, struct buf *b)
{
        bool gap = false, begun = false;

        for (; *value; value++) {
                if (*value == ' ' || *value == '\t') {
                        gap = begun;
                        continue;
                }
                if (gap)
                        TRY(buf_append(b, " ", 1));
                TRY(buf_append(b, value, 1));
                gap = false;
                begun = true;
        }
        return 0;
}

static int write_headers(const struct sigv4_request *q, const uint32_t *order, struct buf *b)
{
        for (uint32_t i = 0; i < q->n_headers; i++) {
                const struct sigv4_pair *h = &q->headers[order[i]];
                bool again = i > 0 && strcasecmp(q->headers[order[i - 1]].name, h->name) == 0;
                bool more = i + 1 < q->n_headers &&
                            strcasecmp(q->headers[order[i + 1]].name, h->name) == 0;

                if (!again)
                        TRY(write_lower(h->name, b));
                TRY(buf_append_str(b, again ? "," : ":"));
                TRY(write_value(h->value, b));
                if (!more)
                        TRY(buf_append_str(b, "\n"));
        }
        return 0;
}

static int write_signed(const struct sigv4_request *q, const uint32_t *order, struct buf *b)
{
        for (uint32_t i = 0; i < q->n_headers; i++) {
                const char *name = q->headers[order[i]].name;

                if (i > 0 && strcasecmp(q->headers[order[i - 1]].name, name) == 0)
                        continue;
                if (i > 0)
                        TRY(buf_append_str(b, ";"));
                TRY(write_lower(name, b));
        }
        return 0;
}

int sigv4_canonical(const struct sigv4_request *q, struct buf *b)
{
        uint32_t order[SIGV4_PAIRS_MAX];

        if (q->n_headers > SIGV4_PAIRS_MAX || q->n_query > SIGV4_PAIRS_MAX)
                return -E2BIG;
        sort_headers(q, order);
        TRY(buf_printf(b, "%s\n", q->method));
        TRY(sigv4_encode(q->path, true, b));
        TRY(buf_append_str(b, "\n"));
        TRY(write_query(q, b));
        TRY(buf_append_str(b, "\n"));
        TRY(write_headers(q, order, b));
        TRY(buf_append_str(b, "\n"));
        TRY(write_signed(q, order, b));
        return buf_printf(b, "\n%s", q->payload);
}

/* ---- the signature ---- */

static void signing_key(const struct sigv4_scope *s, const char *date,
                        uint8_t key[static SHA256_LEN])
{
        char first[256];
        int n = snprintf(first, sizeof(first), "AWS4%.200s", s->secret_key);

        hmac_sha256(first, (size_t)n, date, strlen(date), key);
        hmac_sha256(key, SHA256_LEN, s->region, strlen(s->region), key);
        hmac_sha256(key, SHA256_LEN, s->service, strlen(s->service), key);
        hmac_sha256(key, SHA256_LEN, "aws4_request", 12, key);
        explicit_bzero(first, sizeof(first));
}

static void date_of(const char *time, char date[static DATE_SIZE])
{
        memcpy(date, time, DATE_SIZE - 1);
        date[DATE_SIZE - 1] = 0;
}

static int signature(const struct sigv4_request *q, const struct sigv4_scope *s, const char *time,
                     char ret_hex[static SHA256_HEX])
{
        AUTO_BUF canonical = BUF_INIT(SIGV4_TEXT_MAX);
        AUTO_BUF text = BUF_INIT(SIGV4_TEXT_MAX);
        uint8_t digest[SHA256_LEN], key[SHA256_LEN];
        char hex[SHA256_HEX], date[DATE_SIZE];

        date_of(time, date);
        TRY(sigv4_canonical(q, &canonical));
        sha256_of(canonical.data, canonical.len, digest);
        hex_encode(digest, sizeof(digest), hex);
        TRY(buf_printf(&text, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", time, date, s->region,
                       s->service, hex));
        signing_key(s, date, key);
        hmac_sha256(key, sizeof(key), text.data, text.len, digest);
        hex_encode(digest, sizeof(digest), ret_hex);
        explicit_bzero(key, sizeof(key));
        return 0;
}

int sigv4_sign(const struct sigv4_request *q, const struct sigv4_scope *s, struct buf *b)
{
        char time[SIGV4_TIME_SIZE], date[DATE_SIZE], hex[SHA256_HEX];
        uint32_t order[SIGV4_PAIRS_MAX];

        sigv4_time(s->now, time);
        date_of(time, date);
        TRY(signature(q, s, time, hex));
        sort_headers(q, order);
        TRY(buf_printf(b, ALGORITHM " Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=",
                       s->access_key, date, s->region, s->service));
        TRY(write_signed(q, order, b));
        return buf_printf(b, ", Signature=%s", hex);
}

static void add(struct sigv4_request *q, const char *name, const char *value)
{
        q->query[q->n_query++] = (struct sigv4_pair){name, value};
}

int sigv4_presign(const struct sigv4_request *q, const struct sigv4_scope *s, uint32_t expires_s,
                  struct buf *b)
{
        struct sigv4_request with = *q;
        char time[SIGV4_TIME_SIZE], date[DATE_SIZE], hex[SHA256_HEX], expires[16];
        AUTO_BUF credential = BUF_INIT(1024);
        AUTO_BUF names = BUF_INIT(1024);
        uint32_t order[SIGV4_PAIRS_MAX];

        if (q->n_headers > SIGV4_PAIRS_MAX || q->n_query > SIGV4_PAIRS_MAX - 7)
                return -E2BIG;
        sigv4_time(s->now, time);
        date_of(time, date);
        sort_headers(q, order);
        TRY(buf_printf(&credential, "%s/%s/%s/%s/aws4_request", s->access_key, date, s->region,
                       s->service));
        TRY(buf_terminate(&credential));
        TRY(write_signed(q, order, &names));
        TRY(buf_terminate(&names));
        (void)snprintf(expires, sizeof(expires), "%" PRIu32, expires_s);
        add(&with, "X-Amz-Algorithm", ALGORITHM);
        add(&with, "X-Amz-Credential", (const char *)credential.data);
        add(&with, "X-Amz-Date", time);
        add(&with, "X-Amz-Expires", expires);
        add(&with, "X-Amz-SignedHeaders", (const char *)names.data);
        if (s->token[0])
                add(&with, "X-Amz-Security-Token", s->token);
        TRY(signature(&with, s, time, hex));
        TRY(sigv4_encode(q->path, true, b));
        TRY(buf_append_str(b, "?"));
        TRY(write_query(&with, b));
        return buf_printf(b, "&X-Amz-Signature=%s", hex);
}
