/* Between http_lws.c and http_lws_head.c, the two files that know libwebsockets. */
#pragma once

#include <stdbool.h>

#include "in/http_exchange.h"

/* The subprotocol of the events; a browser can send its token beside it only. */
#define WS_PROTOCOL "workspaces.v1"

struct lws;

/* The head of a request into the exchange; what does not fit is marked there. */
void http_lws_head(struct lws *wsi, struct http_exchange *x);
/*
 * The subprotocols that are asked for, and the token among them into q->authorization. False: the
 * library would take one that is none of the client's business.
 */
bool http_lws_protocols(struct lws *wsi, struct http_request *q);
