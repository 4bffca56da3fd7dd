/* What libwebsockets has parsed of a head, into an exchange. */
#include "in/http_lws.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define WS_BEARER "bearer."

static void copy_header(struct lws *wsi, enum lws_token_indexes h, char *dst, size_t size,
                        bool *ret_bad)
{
        int len = lws_hdr_total_length(wsi, h);

        if (len <= 0)
                return;
        if ((size_t)len >= size || lws_hdr_fragment_length(wsi, h, 1) > 0 ||
            lws_hdr_copy(wsi, dst, (int)size, h) < 0) {
                dst[0] = 0;
                *ret_bad = true;
        }
}

static void copy_custom(struct lws *wsi, const char *name, char *dst, size_t size, bool *ret_bad)
{
        int n_name = (int)strlen(name);
        int len = lws_hdr_custom_length(wsi, name, n_name);

        if (len <= 0)
                return;
        if ((size_t)len >= size || lws_hdr_custom_copy(wsi, dst, (int)size, name, n_name) < 0) {
                dst[0] = 0;
                *ret_bad = true;
        }
}

static void read_params(struct lws *wsi, struct http_request *q)
{
        char text[sizeof(struct http_param)];
        char *equals;
        int n;

        for (int i = 0; (n = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i)) > 0; i++) {
                struct http_param *p = &q->params[q->n_params];
                if (q->n_params == HTTP_PARAMS_MAX || (size_t)n >= sizeof(text) ||
                    lws_hdr_copy_fragment(wsi, text, (int)sizeof(text), WSI_TOKEN_HTTP_URI_ARGS,
                                          i) < 0) {
                        q->too_long = true;
                        return;
                }
                equals = strchr(text, '=');
                if (equals)
                        *equals++ = 0;
                if (STR_SET(p->name, text) < 0 || STR_SET(p->value, equals ? equals : "") < 0)
                        q->too_long = true;
                else
                        q->n_params++;
        }
}

static void read_line(struct lws *wsi, struct http_request *q)
{
        static const struct {
                enum lws_token_indexes token;
                enum http_method method;
        } methods[] = {
                {WSI_TOKEN_GET_URI, HTTP_GET},         {WSI_TOKEN_HEAD_URI, HTTP_HEAD},
                {WSI_TOKEN_POST_URI, HTTP_POST},       {WSI_TOKEN_PUT_URI, HTTP_PUT},
                {WSI_TOKEN_PATCH_URI, HTTP_PATCH},     {WSI_TOKEN_DELETE_URI, HTTP_DELETE},
                {WSI_TOKEN_OPTIONS_URI, HTTP_OPTIONS},
        };

        q->method = HTTP_OTHER;
        for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
                if (lws_hdr_total_length(wsi, methods[i].token) <= 0)
                        continue;
                q->method = methods[i].method;
                copy_header(wsi, methods[i].token, q->path, sizeof(q->path), &q->too_long);
                break;
        }
}

static void read_head(struct lws *wsi, struct http_request *q)
{
        bool *bad = &q->too_long;

        read_line(wsi, q);
        read_params(wsi, q);
        q->transfer = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
        q->has_length = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
        copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, q->length, sizeof(q->length), bad);
        copy_header(wsi, WSI_TOKEN_HOST, q->host, sizeof(q->host), bad);
        copy_header(wsi, WSI_TOKEN_ORIGIN, q->origin, sizeof(q->origin), bad);
        copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, q->authorization, sizeof(q->authorization),
                    bad);
        copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, q->content_type, sizeof(q->content_type),
                    bad);
        copy_header(wsi, WSI_TOKEN_HTTP_ACCEPT, q->accept, sizeof(q->accept), bad);
        copy_header(wsi, WSI_TOKEN_HTTP_IF_MATCH, q->if_match, sizeof(q->if_match), bad);
        copy_custom(wsi, "prefer:", q->prefer, sizeof(q->prefer), bad);
        copy_custom(wsi, "x-try-next:", q->try_next, sizeof(q->try_next), bad);
        if (!str_starts(q->path, "/internal/"))
                return;
        copy_header(wsi, WSI_TOKEN_HTTP_COOKIE, q->cookie, sizeof(q->cookie), bad);
        copy_custom(wsi, "sec-fetch-site:", q->site, sizeof(q->site), bad);
        copy_custom(wsi, "sec-fetch-mode:", q->mode, sizeof(q->mode), bad);
        copy_custom(wsi, "sec-fetch-user:", q->user, sizeof(q->user), bad);
        copy_custom(wsi, "x-gateway-key:", q->gateway_key, sizeof(q->gateway_key), bad);
        copy_custom(wsi, "x-workspace:", q->workspace, sizeof(q->workspace), bad);
        copy_custom(wsi, "x-original-method:", q->original_method, sizeof(q->original_method), bad);
        copy_custom(wsi, "x-original-host:", q->original_host, sizeof(q->original_host), bad);
        copy_custom(wsi, "x-original-uri:", q->original_uri, sizeof(q->original_uri), bad);
}

/* A request id that does not fit is not taken: the request gets one of ours. */
void http_lws_head(struct lws *wsi, struct http_exchange *x)
{
        bool bad = false;

        read_head(wsi, &x->req);
        copy_custom(wsi, "last-event-id:", x->last_event_id, sizeof(x->last_event_id), &bad);
        copy_custom(wsi, "x-request-id:", x->request_id, sizeof(x->request_id), &bad);
        x->bad_key = lws_hdr_custom_length(wsi, "idempotency-key:", 16) == 0;
        copy_custom(wsi, "idempotency-key:", x->idempotency_key, sizeof(x->idempotency_key),
                    &x->bad_key);
}

/*
 * "workspaces.v1, bearer.TOKEN". The library takes the first name that it knows, and its own table
 * has names that are none of the client's business.
 */
bool http_lws_protocols(struct lws *wsi, struct http_request *q)
{
        char text[400] = "";
        char *at = text, *word;
        bool bad = false, first = true;

        copy_header(wsi, WSI_TOKEN_PROTOCOL, text, sizeof(text), &bad);
        while (!bad && (word = strsep(&at, ", \t"))) {
                if (!*word)
                        continue;
                if (str_starts(word, WS_BEARER)) {
                        if (!q->authorization[0])
                                (void)snprintf(q->authorization, sizeof(q->authorization),
                                               "Bearer %.200s", word + strlen(WS_BEARER));
                        continue;
                }
                if (first && strcmp(word, WS_PROTOCOL) != 0)
                        return false;
                first = false;
        }
        explicit_bzero(text, sizeof(text));
        return !bad;
}
