/*
 * The signer for tests: reads lines "key<TAB>value" and at the end prints the canonical request,
 * the value of Authorization and the presigned address, each behind a line "== name".
 *
 *   method path payload access secret token region service time(unix s) expires
 *   header name<TAB>value   query name<TAB>value
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "out/sigv4.h"

static struct sigv4_request q;
static struct sigv4_scope s = {.token = ""};
static uint64_t expires = 60;

static void put(char *key, char *value)
{
        char *rest = strchr(value, '\t');
        uint64_t at = 0;

        if (rest)
                *rest++ = 0;
        if (strcmp(key, "header") == 0 && q.n_headers < SIGV4_PAIRS_MAX)
                q.headers[q.n_headers++] = (struct sigv4_pair){value, rest ? rest : ""};
        else if (strcmp(key, "query") == 0 && q.n_query < SIGV4_PAIRS_MAX)
                q.query[q.n_query++] = (struct sigv4_pair){value, rest ? rest : ""};
        else if (strcmp(key, "time") == 0 && num_parse_u64(value, 0, INT64_MAX, &at) == 0)
                s.now.us = (int64_t)at * US_PER_S;
        else if (strcmp(key, "expires") == 0 && num_parse_u64(value, 0, UINT32_MAX, &at) == 0)
                expires = at;
}

static const char **field(const char *key)
{
        return strcmp(key, "method") == 0    ? &q.method
               : strcmp(key, "path") == 0    ? &q.path
               : strcmp(key, "payload") == 0 ? &q.payload
               : strcmp(key, "access") == 0  ? &s.access_key
               : strcmp(key, "secret") == 0  ? &s.secret_key
               : strcmp(key, "token") == 0   ? &s.token
               : strcmp(key, "region") == 0  ? &s.region
               : strcmp(key, "service") == 0 ? &s.service
                                             : NULL;
}

static void show(const char *name, int r, struct buf *b)
{
        printf("== %s\n%.*s\n", name, r < 0 ? 0 : (int)b->len, (const char *)b->data);
        buf_clear(b);
}

int main(void)
{
        AUTO_BUF b = BUF_INIT(SIGV4_TEXT_MAX);
        static char *texts[100]; /* the request points into them */
        size_t n_texts = 0;
        char *line = NULL;
        size_t room = 0;
        ssize_t n;

        while ((n = getline(&line, &room, stdin)) > 0) {
                char *text = strndup(line, (size_t)(line[n - 1] == '\n' ? n - 1 : n));
                char *value = text ? strchr(text, '\t') : NULL;

                if (!value || n_texts == ARRAY_LEN(texts))
                        return 2;
                texts[n_texts++] = text;
                *value++ = 0;
                if (field(text))
                        *field(text) = value;
                else
                        put(text, value);
        }
        free(line);
        show("canonical", sigv4_canonical(&q, &b), &b);
        show("authorization", sigv4_sign(&q, &s, &b), &b);
        show("presigned", sigv4_presign(&q, &s, (uint32_t)expires, &b), &b);
        return 0;
}
