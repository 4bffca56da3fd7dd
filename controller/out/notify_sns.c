#include "out/notify_sns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "out/s3_credentials.h"
#include "out/sigv4.h"

/* SNS: a subject has at most 100 ASCII characters; a message 256 KiB. */
#define SUBJECT_MAX 99
#define FORM_TYPE "application/x-www-form-urlencoded"

struct notify_sns {
        char topic[256], region[64], url[512], host[300];
        struct s3_credentials_source *credentials;
};

/* The fourth part of the ARN. */
static int take_region(struct notify_sns *s)
{
        static const char head[] = "arn:aws";
        const char *at = s->topic;
        size_t len;

        if (!str_starts(at, head))
                return -EINVAL;
        for (int i = 0; i < 3; i++) {
                at = strchr(at, ':');
                if (!at++)
                        return -EINVAL;
        }
        len = strcspn(at, ":");
        if (len == 0 || len >= sizeof(s->region) || at[len] != ':')
                return -EINVAL;
        memcpy(s->region, at, len);
        s->region[len] = 0;
        return 0;
}

int notify_sns_new(const char *topic, const char *url, struct notify_sns **ret_sns)
{
        struct notify_sns *s = calloc(1, sizeof(*s));
        const char *host;
        int r;

        if (!s)
                return -ENOMEM;
        r = STR_SET(s->topic, topic) < 0 ? -EINVAL : take_region(s);
        if (r == 0 && url[0])
                r = STR_SET(s->url, url) < 0 ? -EINVAL : 0;
        else if (r == 0)
                (void)snprintf(s->url, sizeof(s->url), "https://sns.%s.amazonaws.com/", s->region);
        host = strstr(s->url, "://");
        if (r == 0 && !host)
                r = -EINVAL;
        if (r == 0)
                (void)snprintf(s->host, sizeof(s->host), "%.*s", (int)strcspn(host + 3, "/"),
                               host + 3);
        if (r == 0)
                r = s3_credentials_new("", &s->credentials);
        if (r < 0) {
                free(s);
                return r;
        }
        *ret_sns = s;
        return 0;
}

struct notify_sns *notify_sns_free(struct notify_sns *s)
{
        if (!s)
                return NULL;
        s3_credentials_free(s->credentials);
        free(s);
        return NULL;
}

/* In the sending thread. */
static int sign(struct notify_sns *s, struct notify_request *q, const struct s3_credentials *c)
{
        AUTO_BUF value = BUF_INIT(SIGV4_TEXT_MAX);
        char date[SIGV4_TIME_SIZE], hex[SHA256_HEX];
        uint8_t digest[SHA256_LEN];
        utc_t now = utc_read(); /* of the signature, in a thread without a loop */
        struct sigv4_request request = {
                .method = "POST",
                .path = "/",
                .n_headers = c->token[0] ? 4 : 3,
                .headers = {{"content-type", FORM_TYPE},
                            {"host", s->host},
                            {"x-amz-date", date},
                            {"x-amz-security-token", c->token}},
                .payload = hex,
        };
        struct sigv4_scope scope = {.access_key = c->access_key,
                                    .secret_key = c->secret_key,
                                    .token = c->token,
                                    .region = s->region,
                                    .service = "sns",
                                    .now = now};
        int r;

        sigv4_time(now, date);
        sha256_of(q->body.data, q->body.len, digest);
        hex_encode(digest, sizeof(digest), hex);
        r = sigv4_sign(&request, &scope, &value);
        if (r == 0)
                r = buf_terminate(&value);
        if (r < 0)
                return r;
        if (asprintf(&q->headers[1], "X-Amz-Date: %s", date) < 0 ||
            asprintf(&q->headers[2], "Authorization: %s", (char *)value.data) < 0 ||
            (c->token[0] && asprintf(&q->headers[3], "X-Amz-Security-Token: %s", c->token) < 0))
                return -ENOMEM;
        return 0;
}

static int prepare(void *ctx, struct notify_request *q)
{
        struct notify_sns *s = ctx;
        struct s3_credentials c;
        int r = s3_credentials_get(s->credentials, &c);

        if (r < 0) {
                STR_CUT(q->error, "there are no AWS credentials; see sns_topic in the manual");
                return r;
        }
        r = sign(s, q, &c);
        explicit_bzero(&c, sizeof(c));
        if (r < 0)
                STR_CUT(q->error, "the request cannot be signed");
        return r;
}

static int put_field(struct buf *out, const char *name, const char *value)
{
        int r = buf_printf(out, "&%s=", name);

        return r == 0 ? sigv4_encode(value, false, out) : r;
}

int notify_sns_fill(struct notify_sns *s, const struct notice *n, struct notify_request *q)
{
        AUTO_BUF json = BUF_INIT(NOTIFY_TEMPLATE_MAX);
        AUTO_BUF subject = BUF_INIT(NOTIFY_TEMPLATE_MAX);
        int r = notify_json(n, &json);

        if (r == 0)
                r = buf_terminate(&json);
        if (r == 0)
                r = notify_subject(n, &subject);
        if (r == 0)
                r = buf_terminate(&subject);
        if (r < 0)
                return r;
        for (size_t i = 0; i < subject.len; i++)
                subject.data[i] = subject.data[i] < 127 ? subject.data[i] : '?';
        if (subject.len > SUBJECT_MAX)
                subject.data[SUBJECT_MAX] = 0;
        r = buf_append_str(&q->body, "Action=Publish&Version=2010-03-31");
        if (r == 0)
                r = put_field(&q->body, "TopicArn", s->topic);
        if (r == 0)
                r = put_field(&q->body, "Subject", (const char *)subject.data);
        if (r == 0)
                r = put_field(&q->body, "Message", (const char *)json.data);
        q->url = strdup(s->url);
        q->headers[0] = strdup("Content-Type: " FORM_TYPE);
        q->prepare = prepare;
        q->prepare_ctx = s;
        return r == 0 && (!q->url || !q->headers[0]) ? -ENOMEM : r;
}
