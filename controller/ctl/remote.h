/*
 * The questions and orders of the ops socket (OPS.md) over the HTTP API (API.md), for wsctl from
 * afar: the answers are the same. libcurl is in remote_http.c alone. One thread.
 */
#pragma once

#include "ctl.h"

#define REMOTE_ERROR_SIZE 700

/*
 * Ask. CTL_OK with the answer, which may be {"error":…} of the controller; anything else with a
 * sentence in ret_error that says what failed and what to do.
 */
enum ctl_exit remote_ask(const struct ctl *c, const struct doc *request,
                         char ret_error[static REMOTE_ERROR_SIZE], struct doc **ret_answer);

/* ---- remote_http.c ---- */

struct remote_request {
        const char *method;   /* "GET" */
        char path[200];       /* "/v1/status", with the query */
        const char *body;     /* NULL: none */
        const char *if_match; /* NULL: not sent */
        int64_t wait_ms;      /* Prefer: wait; 0: not sent */
};

/* As remote_ask; an answer without a body is {}. */
enum ctl_exit remote_http(const struct ctl *c, const struct remote_request *request,
                          char ret_error[static REMOTE_ERROR_SIZE], struct doc **ret_answer);
/* Where the token is from, for people: "the file F", "WSCTL_TOKEN". */
const char *remote_token_source(const struct ctl *c);
/* Is this the address of an API? CTL_USAGE: it is not, or it would show the token; printed. */
enum ctl_exit remote_check_address(const char *address);
