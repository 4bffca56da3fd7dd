#include "in/http_tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "crypto/digest.h"

#define LOOK_MS 1000
#define TOKEN_MIN 20
#define TOKEN_MAX 200

/* What a changed file differs in; mtime alone has a grain. */
struct stamp {
        struct timespec changed, inode_changed;
        off_t size;
        ino_t inode;
};

struct http_tokens {
        struct loop *loop;
        const char *path; /* or NULL */
        struct loop_timer timer;
        double per_s, burst;
        struct stamp stamp;
        int failed; /* the -errno that was logged last */
        uint64_t version;
        size_t n; /* tokens[0] is the API's own */
        struct http_token tokens[HTTP_TOKENS_MAX + 1];
};

static const struct {
        const char *name;
        unsigned bit;
} roles[] = {
#define HTTP_ROLE(id, bit, name, doc) {name, HTTP_ROLE_##id},
#include "in/http_role.def"
#undef HTTP_ROLE
};

void http_roles_text(unsigned mask, char *dst, size_t size)
{
        size_t n = 0;

        dst[0] = 0;
        for (size_t i = 0; i < ARRAY_LEN(roles) && n < size; i++) {
                if (mask & roles[i].bit)
                        n += (size_t)snprintf(dst + n, size - n, "%s%s", n ? ", " : "",
                                              roles[i].name);
        }
}

/* ---- parsing ---- */

static int wrong(char *dst, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int wrong(char *dst, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(dst, HTTP_TOKENS_ERROR_SIZE, fmt, ap);
        va_end(ap);
        return 1;
}

static int parse_name(const char *word, struct http_token *t, char *error)
{
        static const char *const taken[] = {HTTP_ACTOR_API, "core", "operator", "agent", "gateway"};

        if (!name_valid(word, sizeof(t->name) - 1))
                return wrong(error, "the name must be 1 to %zu of A-Z a-z 0-9 . _ @ + : -",
                             sizeof(t->name) - 1);
        for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
                if (strcmp(word, taken[i]) == 0)
                        return wrong(error, "the name \"%s\" is the controller's own", word);
        }
        return STR_SET(t->name, word);
}

static int parse_roles(char *words, struct http_token *t, char *error)
{
        const char *word;

        while ((word = strsep(&words, ","))) {
                size_t i = 0;

                while (i < ARRAY_LEN(roles) && strcmp(roles[i].name, word) != 0)
                        i++;
                if (i == ARRAY_LEN(roles))
                        return wrong(error, "\"%.32s\" is none of read, launch, operate", word);
                t->roles |= roles[i].bit;
        }
        return 0;
}

static int parse_token(const char *word, struct http_token *t, char *error)
{
        static const char hashed[] = "sha256:";
        size_t len = strlen(word);

        if (str_starts(word, hashed)) {
                if (hex_decode(word + sizeof(hashed) - 1, t->digest, sizeof(t->digest)) < 0)
                        return wrong(error, "sha256: needs 64 digits of 0-9 a-f behind it");
                return 0;
        }
        if (len < TOKEN_MIN || len > TOKEN_MAX)
                return wrong(error, "the token must have %d to %d characters", TOKEN_MIN,
                             TOKEN_MAX);
        for (const char *p = word; *p; p++) {
                if (!((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
                      (*p >= 'a' && *p <= 'z') || strchr("._~+/=-", *p)))
                        return wrong(error, "the token may have A-Z a-z 0-9 . _ ~ + / = - only");
        }
        sha256_of(word, len, t->digest);
        return 0;
}

static char *next_word(char **at)
{
        char *word;

        do {
                word = strsep(at, " \t\r");
        } while (word && !*word);
        return word;
}

/* > 0 wrong; *ret_some false: nothing on this line. */
static int parse_line(char *line, struct http_token *t, bool *ret_some, char *error)
{
        char *name, *words, *token;
        int r;

        *ret_some = false;
        line[strcspn(line, "#")] = 0;
        name = next_word(&line);
        if (!name)
                return 0;
        words = next_word(&line);
        token = next_word(&line);
        if (!words || !token)
                return wrong(error, "a line is NAME ROLE[,ROLE] TOKEN");
        if (next_word(&line))
                return wrong(error, "something is behind the token");
        *t = (struct http_token){0};
        r = parse_name(name, t, error);
        if (r == 0)
                r = parse_roles(words, t, error);
        if (r == 0)
                r = parse_token(token, t, error);
        *ret_some = r == 0;
        return r;
}

static int check_unique(const struct http_token *all, size_t n, char *error)
{
        for (size_t i = 0; i < n; i++) {
                if (strcmp(all[i].name, all[n].name) == 0)
                        return wrong(error, "the name \"%s\" is there already", all[n].name);
                if (secret_equal(all[i].digest, all[n].digest, sizeof(all[n].digest)))
                        return wrong(error, "\"%s\" has the same token", all[i].name);
        }
        return 0;
}

int http_tokens_parse(const char *text, size_t len, struct http_token *dst, size_t max,
                      size_t *ret_n, size_t *ret_line,
                      char ret_error[static HTTP_TOKENS_ERROR_SIZE])
{
        char line[512];
        size_t n = 0, at = 0;
        bool some;
        int r = 0;

        *ret_line = 0;
        while (at < len && r == 0) {
                const char *end = memchr(text + at, '\n', len - at);
                size_t line_len = end ? (size_t)(end - text) - at : len - at;

                ++*ret_line;
                if (line_len >= sizeof(line) || memchr(text + at, 0, line_len))
                        return wrong(ret_error, "the line is too long or has a NUL in it");
                memcpy(line, text + at, line_len);
                line[line_len] = 0;
                at += line_len + 1;
                if (n == max) {
                        line[strcspn(line, "#")] = 0;
                        if (line[strspn(line, " \t\r")])
                                r = wrong(ret_error, "at most %zu tokens are taken", max);
                        continue;
                }
                r = parse_line(line, &dst[n], &some, ret_error);
                if (r == 0 && some)
                        r = check_unique(dst, n++, ret_error);
        }
        explicit_bzero(line, sizeof(line));
        *ret_n = n;
        return r;
}

/* ---- the file ---- */

static int check_file(const struct stat *st, char *error)
{
        if (!S_ISREG(st->st_mode))
                return wrong(error, "it is no plain file");
        if (st->st_mode & 077)
                return wrong(error, "others can read or write it; chmod 600");
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return wrong(error, "it belongs to another user; chown it to this one or root");
        return 0;
}

/* A token that stays keeps what it has asked already. */
static void replace(struct http_tokens *t, struct http_token *fresh, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                fresh[i].left = t->burst;
                fresh[i].left_at = loop_now(t->loop);
                for (size_t k = 1; k < t->n; k++) {
                        if (strcmp(t->tokens[k].name, fresh[i].name) != 0)
                                continue;
                        fresh[i].left = t->tokens[k].left;
                        fresh[i].left_at = t->tokens[k].left_at;
                        fresh[i].stopped_told = t->tokens[k].stopped_told;
                }
        }
        memcpy(&t->tokens[1], fresh, n * sizeof(*fresh));
        t->n = n + 1;
        t->version++;
}

static struct stamp stamp_of(const struct stat *st)
{
        return (struct stamp){st->st_mtim, st->st_ctim, st->st_size, st->st_ino};
}

static bool stamp_same(const struct stamp *a, const struct stamp *b)
{
        return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
               a->inode_changed.tv_sec == b->inode_changed.tv_sec &&
               a->inode_changed.tv_nsec == b->inode_changed.tv_nsec && a->size == b->size &&
               a->inode == b->inode;
}

static void refuse(const struct http_tokens *t, size_t line, const char *detail)
{
        log_error("the token file is not taken; what was read before stays",
                  LOG_STR("file", t->path), LOG_INT("line", (int64_t)line),
                  LOG_STR("detail", detail));
}

static void take_text(struct http_tokens *t, const struct buf *text)
{
        struct http_token *fresh = calloc(HTTP_TOKENS_MAX, sizeof(*fresh));
        char error[HTTP_TOKENS_ERROR_SIZE] = "out of memory";
        size_t n = 0, line = 0;
        int r = fresh ? http_tokens_parse((const char *)text->data, text->len, fresh,
                                          HTTP_TOKENS_MAX, &n, &line, error)
                      : 1;

        if (r == 0) {
                replace(t, fresh, n);
                log_info("token file read", LOG_STR("file", t->path),
                         LOG_INT("tokens", (int64_t)n));
        } else {
                refuse(t, line, error);
        }
        if (fresh)
                explicit_bzero(fresh, HTTP_TOKENS_MAX * sizeof(*fresh));
        free(fresh);
}

static int read_file(struct http_tokens *t)
{
        AUTO_CLOSE fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        AUTO_BUF text = BUF_INIT(HTTP_TOKENS_FILE_MAX);
        char error[HTTP_TOKENS_ERROR_SIZE];
        struct stat st;
        struct stamp stamp;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        stamp = stamp_of(&st);
        if (stamp_same(&stamp, &t->stamp))
                return 0;
        t->stamp = stamp;
        if (check_file(&st, error) > 0) {
                refuse(t, 0, error);
                return 0;
        }
        r = fd_read_all(fd, &text);
        if (r == 0)
                take_text(t, &text);
        if (text.data)
                explicit_bzero(text.data, text.len);
        return r;
}

static void look(void *ctx)
{
        struct http_tokens *t = ctx;
        int r = read_file(t);

        if (r < 0 && r != t->failed)
                log_error("the token file cannot be read; what was read before stays",
                          LOG_STR("file", t->path), LOG_ERR(r));
        if (r < 0)
                t->stamp = (struct stamp){.size = -1};
        t->failed = r;
        loop_timer_set_in(&t->timer, LOOK_MS);
}

int http_tokens_new(struct loop *l, const char *api_token, const char *path, double per_s,
                    double burst, struct http_tokens **ret_tokens)
{
        struct http_tokens *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        *t = (struct http_tokens){.loop = l,
                                  .path = path && path[0] ? path : NULL,
                                  .per_s = per_s,
                                  .burst = burst,
                                  .stamp = {.size = -1},
                                  .n = 1};
        loop_timer_init(l, &t->timer, look, t);
        STR_CUT(t->tokens[0].name, HTTP_ACTOR_API);
        t->tokens[0].roles = HTTP_ROLES_ALL;
        sha256_of(api_token, strlen(api_token), t->tokens[0].digest);
        t->tokens[0].left = burst;
        t->tokens[0].left_at = loop_now(l);
        if (t->path)
                look(t);
        *ret_tokens = t;
        return 0;
}

struct http_tokens *http_tokens_free(struct http_tokens *t)
{
        if (!t)
                return NULL;
        loop_timer_cancel(&t->timer);
        explicit_bzero(t, sizeof(*t));
        free(t);
        return NULL;
}

struct http_token *http_tokens_find(struct http_tokens *t, const char *token)
{
        struct http_token *found = NULL;
        uint8_t digest[SHA256_LEN];

        sha256_of(token, strlen(token), digest);
        for (size_t i = 0; i < t->n; i++) {
                if (secret_equal(digest, t->tokens[i].digest, sizeof(digest)))
                        found = &t->tokens[i];
        }
        return found;
}

int http_tokens_take(const struct http_tokens *t, struct http_token *token, uint32_t *ret_s)
{
        mono_t now = loop_now(t->loop);
        double s = (double)(now.us - token->left_at.us) / US_PER_S;

        if (t->per_s <= 0)
                return 0;
        token->left = MIN(t->burst, token->left + s * t->per_s);
        token->left_at = now;
        if (token->left < 1) {
                *ret_s = (uint32_t)((1 - token->left) / t->per_s) + 1;
                return 1;
        }
        token->left -= 1;
        return 0;
}

struct http_token *http_tokens_named(struct http_tokens *t, const char *name)
{
        for (size_t i = 0; i < t->n; i++) {
                if (strcmp(t->tokens[i].name, name) == 0)
                        return &t->tokens[i];
        }
        return NULL;
}

uint64_t http_tokens_version(const struct http_tokens *t)
{
        return t->version;
}
