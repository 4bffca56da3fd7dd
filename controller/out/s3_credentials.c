#include "out/s3_credentials.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "out/s3_http.h"

#define FILE_MAX 16384
#define ANSWER_MAX 16384
#define ECS_BASE "http://169.254.170.2"
#define AHEAD_US (300 * US_PER_S) /* asked again so long before they expire */
#define HOLD_US (10 * US_PER_S)   /* between attempts while the old ones still work */

struct s3_credentials_source {
        char file[1024];
        pthread_mutex_t lock; /* of all below */
        struct s3_credentials now;
        bool have, stale;
        struct timespec file_at;
        utc_t tried;
        struct s3_http *http;
};

int s3_credentials_new(const char *file, struct s3_credentials_source **ret)
{
        struct s3_credentials_source *s = calloc(1, sizeof(*s));
        int r = s ? s3_http_new(&s->http) : -ENOMEM;

        if (r == 0)
                r = STR_SET(s->file, file);
        if (r < 0) {
                if (s)
                        s3_http_free(s->http);
                free(s);
                return r;
        }
        pthread_mutex_init(&s->lock, NULL);
        *ret = s;
        return 0;
}

struct s3_credentials_source *s3_credentials_free(struct s3_credentials_source *s)
{
        if (!s)
                return NULL;
        s3_http_free(s->http);
        pthread_mutex_destroy(&s->lock);
        explicit_bzero(&s->now, sizeof(s->now));
        free(s);
        return NULL;
}

/* ---- a file ---- */

static char *trim(char *text)
{
        size_t n;

        text += strspn(text, " \t\r");
        for (n = strlen(text); n > 0 && strchr(" \t\r", text[n - 1]); n--)
                text[n - 1] = 0;
        return text;
}

/* One "key = value" of the section. 0 or -ENAMETOOLONG. */
static int take_line(char *line, struct s3_credentials *c)
{
        char *value = strchr(line, '=');
        const char *key;

        if (!value)
                return 0;
        *value++ = 0;
        key = trim(line);
        value = trim(value);
        if (strcmp(key, "aws_access_key_id") == 0)
                return STR_SET(c->access_key, value);
        if (strcmp(key, "aws_secret_access_key") == 0)
                return STR_SET(c->secret_key, value);
        return strcmp(key, "aws_session_token") == 0 ? STR_SET(c->token, value) : 0;
}

static int parse_file(char *text, struct s3_credentials *c)
{
        bool ours = true;
        char *save = NULL;
        int r = 0;

        for (char *line = strtok_r(text, "\n", &save); r == 0 && line;
             line = strtok_r(NULL, "\n", &save)) {
                line = trim(line);
                if (line[0] == '[')
                        ours = strcmp(line, "[default]") == 0;
                else if (ours && line[0] != '#' && line[0] != ';')
                        r = take_line(line, c);
        }
        if (r < 0)
                return r;
        return c->access_key[0] && c->secret_key[0] ? 0 : -EBADMSG;
}

static int from_file(struct s3_credentials_source *s)
{
        AUTO_BUF text = BUF_INIT(FILE_MAX);
        struct s3_credentials c = {0};
        struct stat st;
        int r = stat(s->file, &st) < 0 ? -errno : 0;

        if (r == 0 && s->have && !s->stale && st.st_mtim.tv_sec == s->file_at.tv_sec &&
            st.st_mtim.tv_nsec == s->file_at.tv_nsec)
                return 0;
        if (r == 0)
                r = file_read(s->file, &text);
        if (r == 0)
                r = parse_file((char *)text.data, &c);
        if (text.data)
                explicit_bzero(text.data, text.len);
        if (r < 0) {
                log_error("cannot read the storage's credentials", LOG_STR("path", s->file),
                          LOG_ERR(r));
                return r;
        }
        s->now = c;
        s->file_at = st.st_mtim;
        return 0;
}

/* ---- the environment ---- */

static const char *env(const char *name)
{
        const char *value = getenv(name);

        return value ? value : "";
}

static int from_env(struct s3_credentials *c)
{
        if (STR_SET(c->access_key, env("AWS_ACCESS_KEY_ID")) < 0 ||
            STR_SET(c->secret_key, env("AWS_SECRET_ACCESS_KEY")) < 0 ||
            STR_SET(c->token, env("AWS_SESSION_TOKEN")) < 0)
                return -ENAMETOOLONG;
        c->expires.us = 0;
        return 0;
}

/* ---- the task's endpoint ---- */

static int take_text(const cJSON *json, const char *key, char *dst, size_t size)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));

        return text && text[0] ? str_copy(dst, size, text) : -EBADMSG;
}

static int parse_answer(const struct buf *text, struct s3_credentials *c)
{
        cJSON *json = cJSON_ParseWithLength((const char *)text->data, text->len);
        char expires[40] = "";
        struct tm tm = {0};
        const char *end;
        int r = json ? 0 : -EBADMSG;

        if (r == 0)
                r = take_text(json, "AccessKeyId", c->access_key, sizeof(c->access_key));
        if (r == 0)
                r = take_text(json, "SecretAccessKey", c->secret_key, sizeof(c->secret_key));
        if (r == 0)
                r = take_text(json, "Token", c->token, sizeof(c->token));
        if (r == 0)
                r = take_text(json, "Expiration", expires, sizeof(expires));
        cJSON_Delete(json);
        if (r < 0)
                return r;
        end = strptime(expires, "%Y-%m-%dT%H:%M:%S", &tm);
        if (!end || (*end != 'Z' && *end != '.'))
                return -EBADMSG;
        c->expires.us = (int64_t)timegm(&tm) * US_PER_S;
        return 0;
}

static int ask_endpoint(struct s3_credentials_source *s)
{
        AUTO_BUF text = BUF_INIT(ANSWER_MAX);
        char url[1100], authorization[1100] = "Authorization: ";
        struct s3_http_request q = {.method = "GET", .url = url, .fd = -1, .text = &text};
        const char *relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        struct s3_credentials c = {0};
        struct s3_http_answer a;
        int r;

        (void)snprintf(url, sizeof(url), "%s%.1000s", relative[0] ? ECS_BASE : "",
                       relative[0] ? relative : env("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
        if (env("AWS_CONTAINER_AUTHORIZATION_TOKEN")[0]) {
                (void)snprintf(authorization, sizeof(authorization), "Authorization: %.1000s",
                               env("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
                q.headers[q.n_headers++] = authorization;
        }
        r = s3_http_call(s->http, &q, &a);
        if (r == 0 && a.status != 200)
                r = -EIO;
        if (r == 0)
                r = parse_answer(&text, &c);
        if (text.data)
                explicit_bzero(text.data, text.len);
        if (r == 0)
                s->now = c;
        return r;
}

/* Good ones are asked for again ahead of time; until they have expired, a failure is no harm. */
static int from_endpoint(struct s3_credentials_source *s)
{
        utc_t now = utc_read();
        bool usable = s->have && !s->stale && s->now.expires.us > now.us;
        int r;

        if (usable && (s->now.expires.us - now.us > AHEAD_US || now.us - s->tried.us < HOLD_US))
                return 0;
        s->tried = now;
        r = ask_endpoint(s);
        if (r < 0)
                log_warn("cannot refresh the storage's credentials", LOG_ERR(r));
        return usable ? 0 : r;
}

/* ---- all of them ---- */

static int refresh(struct s3_credentials_source *s)
{
        if (s->file[0])
                return from_file(s);
        if (env("AWS_ACCESS_KEY_ID")[0])
                return from_env(&s->now);
        if (env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")[0] ||
            env("AWS_CONTAINER_CREDENTIALS_FULL_URI")[0])
                return from_endpoint(s);
        log_error("no credentials for the storage: set storage_credentials, or AWS_ACCESS_KEY_ID "
                  "and AWS_SECRET_ACCESS_KEY, or run as an ECS task with a role");
        return -ENOKEY;
}

int s3_credentials_get(struct s3_credentials_source *s, struct s3_credentials *ret)
{
        int r;

        pthread_mutex_lock(&s->lock);
        r = refresh(s);
        if (r == 0) {
                s->have = true;
                s->stale = false;
                *ret = s->now;
        }
        pthread_mutex_unlock(&s->lock);
        return r;
}

void s3_credentials_stale(struct s3_credentials_source *s)
{
        pthread_mutex_lock(&s->lock);
        s->stale = true;
        pthread_mutex_unlock(&s->lock);
}
