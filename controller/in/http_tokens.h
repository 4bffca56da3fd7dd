/*
 * Who may ask the API: the token made at the first start ("api", every role) and those of a file,
 * which is read again when it changes. Each line of the file is
 *
 *   NAME ROLE[,ROLE…] TOKEN
 *
 * "#" begins a comment. NAME is written into the history as who did it. TOKEN is the token itself
 * (20 to 200 of A-Z a-z 0-9 . _ ~ + / = -) or "sha256:" and the 64 hex digits of its SHA-256
 * (`printf %s TOKEN | sha256sum`). The file must be a plain file of this user or root that nobody
 * else can read or write. A file that is not right as a whole is not taken: what was read before
 * stays, and the log names the line. Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "core/types.h"
#include "loop/loop.h"

#define HTTP_TOKENS_MAX 256
#define HTTP_TOKENS_FILE_MAX (128u * 1024)
#define HTTP_TOKENS_ERROR_SIZE 160
#define HTTP_ACTOR_API "api" /* of the token made at the first start */

/* Bits; names and meanings in http_role.def. */
enum http_role {
#define HTTP_ROLE(id, bit, name, doc) HTTP_ROLE_##id = 1 << (bit),
#include "in/http_role.def"
#undef HTTP_ROLE
};
#define HTTP_ROLES_ALL (HTTP_ROLE_READ | HTTP_ROLE_LAUNCH | HTTP_ROLE_OPERATE)

struct http_token {
        char name[CORE_NAME_SIZE];
        unsigned roles;
        uint8_t digest[32];
        double left; /* requests that it may make at once, as of `left_at` */
        mono_t left_at;
        uint64_t stopped_told; /* http_site_stopped() as it was told last (POST /v1/actions) */
};

struct http_tokens;

/* `path` NULL or "": no file. `api_token` is not kept. 0 or -ENOMEM; a bad file is only logged. */
NODISCARD int http_tokens_new(struct loop *l, const char *api_token, const char *path, double per_s,
                              double burst, struct http_tokens **ret_tokens);
struct http_tokens *http_tokens_free(struct http_tokens *t);

/*
 * Whose token this is; NULL for nobody's. Compares with every one, in a time that does not depend
 * on which one it is or where they differ. Valid until the next turn of the loop.
 */
struct http_token *http_tokens_find(struct http_tokens *t, const char *token);
/* NULL when it is not there any more. */
struct http_token *http_tokens_named(struct http_tokens *t, const char *name);
/* Count a request. 0, or > 0: it is one too many; *ret_s seconds later there is room for one. */
NODISCARD int http_tokens_take(const struct http_tokens *t, struct http_token *token,
                               uint32_t *ret_s);
/* Grows with each change that was taken. */
uint64_t http_tokens_version(const struct http_tokens *t);

/* Pure: the file's text into at most `max` tokens. 0, or > 0 with the line and a sentence. */
NODISCARD int http_tokens_parse(const char *text, size_t len, struct http_token *dst, size_t max,
                                size_t *ret_n, size_t *ret_line,
                                char ret_error[static HTTP_TOKENS_ERROR_SIZE]);
/* "launch, operate" into `dst`. */
void http_roles_text(unsigned roles, char *dst, size_t size);
