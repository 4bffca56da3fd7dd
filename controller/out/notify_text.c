#include "out/notify_text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/str.h"
#include "crypto/digest.h"

static const struct {
        const char *name;
        enum notice_severity severity;
        const char *subject, *text;
} kinds[] = {
#define NOTICE(id, name, severity, subject, text)                                                  \
        [NOTICE_##id] = {name, NOTICE_##severity, subject, text},
#include "out/notify.def"
#undef NOTICE
};
static_assert(ARRAY_LEN(kinds) == NOTICE_MAX, "one entry per kind");

static const char *const severities[] = {"info", "warning", "critical"};

const char *notice_kind_name(enum notice_kind k)
{
        return kinds[k].name;
}

enum notice_severity notice_severity(enum notice_kind k)
{
        return kinds[k].severity;
}

/* ---- filling in ---- */

/* RFC 3339, or as in a mail's Date. */
static void utc_text(utc_t at, bool mail, char *dst, size_t size)
{
        time_t s = (time_t)(at.us / US_PER_S);
        struct tm tm;

        dst[0] = 0;
        if (!gmtime_r(&s, &tm))
                return;
        if ((mail ? strftime(dst, size, "%a, %d %b %Y %H:%M:%S +0000", &tm)
                  : strftime(dst, size, "%Y-%m-%dT%H:%M:%SZ", &tm)) == 0)
                dst[0] = 0;
}

static const char *field(const struct notice *n, const char *name, size_t len, char room[32])
{
        const struct {
                const char *name, *value;
        } fields[] = {
                {"id", n->id},
                {"kind", kinds[n->kind].name},
                {"at", room},
                {"workspace", n->workspace},
                {"task", n->task},
                {"tenant", n->key.tenant},
                {"user_id", n->key.user_id},
                {"name", n->key.name},
                {"type", n->key.type},
                {"detail", n->detail},
                {"start", n->start},
                {"end", n->end},
        };

        utc_text(n->at, false, room, 32);
        for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
                if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
                        return fields[i].value;
        }
        return NULL;
}

/* What came from outside stays on its line. */
static int put_plain(struct buf *out, const char *text)
{
        int r = 0;

        for (; r == 0 && *text; text++) {
                char c = (unsigned char)*text < ' ' || *text == 127 ? ' ' : *text;

                r = buf_append(out, &c, 1);
        }
        return r;
}

int notify_fill(struct buf *out, const char *pattern, const struct notice *n)
{
        char room[32];
        int r = 0;

        while (r == 0 && *pattern) {
                const char *end = *pattern == '{' ? strchr(pattern, '}') : NULL;
                const char *value =
                        end ? field(n, pattern + 1, (size_t)(end - pattern - 1), room) : NULL;

                if (value) {
                        r = put_plain(out, value);
                        pattern = end + 1;
                } else {
                        r = buf_append(out, pattern++, 1);
                }
        }
        return r;
}

/* ---- JSON ---- */

/* The length of a whole UTF-8 character at `s`, 0 for what is none (RFC 3629). */
static size_t utf8_len(const char *s)
{
        const unsigned char *u = (const void *)s;
        size_t n = u[0] < 0x80   ? 1
                   : u[0] < 0xc2 ? 0
                   : u[0] < 0xe0 ? 2
                   : u[0] < 0xf0 ? 3
                   : u[0] < 0xf5 ? 4
                                 : 0;

        for (size_t i = 1; i < n; i++) {
                if ((u[i] & 0xc0) != 0x80)
                        return 0;
        }
        if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
            (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
                return 0;
        return n;
}

int notify_json_text(struct buf *out, const char *text)
{
        int r = buf_append_str(out, "\"");

        while (r == 0 && *text) {
                size_t n = utf8_len(text);

                if (n == 0)
                        r = buf_append_str(out, "\\ufffd");
                else if (*text == '"' || *text == '\\')
                        r = buf_printf(out, "\\%c", *text);
                else if ((unsigned char)*text < ' ' || *text == 127)
                        r = buf_printf(out, "\\u%04x", (unsigned)(unsigned char)*text);
                else
                        r = buf_append(out, text, n);
                text += n ? n : 1;
        }
        return r == 0 ? buf_append_str(out, "\"") : r;
}

/* ,"key":"value"; nothing for an empty value. */
static int put_member(struct buf *out, const char *key, const char *value)
{
        int r;

        if (!value[0])
                return 0;
        r = buf_printf(out, ",\"%s\":", key);
        return r == 0 ? notify_json_text(out, value) : r;
}

static int put_filled(struct buf *out, const char *key, const char *pattern, const struct notice *n)
{
        AUTO_BUF text = BUF_INIT(NOTIFY_TEMPLATE_MAX);
        int r = notify_fill(&text, pattern, n);

        if (r == 0)
                r = buf_terminate(&text);
        return r == 0 ? put_member(out, key, (const char *)text.data) : r;
}

static int put_workspace(struct buf *out, const struct notice *n)
{
        int r = buf_append_str(out, ",\"workspace\":{\"id\":");

        if (r == 0)
                r = notify_json_text(out, n->workspace);
        if (r == 0)
                r = put_member(out, "tenant", n->key.tenant);
        if (r == 0)
                r = put_member(out, "user_id", n->key.user_id);
        if (r == 0)
                r = put_member(out, "name", n->key.name);
        return r == 0 ? buf_append_str(out, "}") : r;
}

int notify_json(const struct notice *n, struct buf *out)
{
        char at[32];
        int r = buf_append_str(out, "{\"id\":");

        utc_text(n->at, false, at, sizeof(at));
        if (r == 0)
                r = notify_json_text(out, n->id);
        if (r == 0)
                r = put_member(out, "kind", kinds[n->kind].name);
        if (r == 0)
                r = put_member(out, "severity", severities[kinds[n->kind].severity]);
        if (r == 0)
                r = put_member(out, "state", n->resolved ? "resolved" : "");
        if (r == 0)
                r = put_member(out, "at", at);
        if (r == 0)
                r = put_member(out, "dedup_key", n->dedup);
        if (r == 0 && n->workspace[0])
                r = put_workspace(out, n);
        if (r == 0)
                r = put_member(out, "workspace_type", n->key.type);
        if (r == 0)
                r = put_member(out, "task", n->task);
        if (r == 0)
                r = put_member(out, "start", n->start);
        if (r == 0)
                r = put_member(out, "end", n->end);
        if (r == 0)
                r = put_member(out, "detail", n->detail);
        if (r == 0)
                r = put_filled(out, "subject", kinds[n->kind].subject, n);
        if (r == 0)
                r = put_filled(out, "message", kinds[n->kind].text, n);
        return r == 0 ? buf_append_str(out, "}") : r;
}

/* https://developer.pagerduty.com/docs/events-api-v2/trigger-events: summary at most 1024. */
int notify_pager_json(const struct notice *n, const char *routing_key, const char *source,
                      struct buf *out)
{
        char at[32];
        int r = buf_append_str(out, "{\"routing_key\":");

        utc_text(n->at, false, at, sizeof(at));
        if (r == 0)
                r = notify_json_text(out, routing_key);
        if (r == 0)
                r = put_member(out, "event_action", n->resolved ? "resolve" : "trigger");
        if (r == 0)
                r = put_member(out, "dedup_key", n->dedup);
        if (r < 0 || n->resolved)
                return r == 0 ? buf_append_str(out, "}") : r;
        r = buf_printf(out, ",\"payload\":{\"severity\":\"%s\"",
                       severities[kinds[n->kind].severity]);
        if (r == 0)
                r = put_filled(out, "summary", kinds[n->kind].subject, n);
        if (r == 0)
                r = put_member(out, "source", source);
        if (r == 0)
                r = put_member(out, "timestamp", at);
        if (r == 0)
                r = put_member(out, "class", kinds[n->kind].name);
        if (r == 0)
                r = buf_append_str(out, ",\"custom_details\":");
        if (r == 0)
                r = notify_json(n, out);
        return r == 0 ? buf_append_str(out, "}}") : r;
}

/* ---- mail ---- */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* In lines of 76, each ended by CRLF; `line` 0: one line without an end. */
static int put_base64(struct buf *out, const void *data, size_t len, size_t line)
{
        const uint8_t *in = data;
        int r = 0;

        for (size_t i = 0; r == 0 && i < len; i += 3) {
                uint32_t v = (uint32_t)in[i] << 16;
                char four[4];

                v |= i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0;
                v |= i + 2 < len ? in[i + 2] : 0;
                four[0] = base64[v >> 18];
                four[1] = base64[v >> 12 & 63];
                four[2] = i + 1 < len ? base64[v >> 6 & 63] : '=';
                four[3] = i + 2 < len ? base64[v & 63] : '=';
                r = buf_append(out, four, 4);
                if (r == 0 && line && (i + 3 >= len || (i / 3 + 1) % (line / 4) == 0))
                        r = buf_append_str(out, "\r\n");
        }
        return r;
}

/* RFC 2047: words of at most 45 bytes, cut between characters. */
static int put_subject(struct buf *out, const char *text)
{
        int r = buf_append_str(out, "Subject:");

        while (r == 0 && *text) {
                size_t n = 0, step;

                while (text[n] && n + (step = MAX(utf8_len(text + n), 1)) <= 45)
                        n += step;
                r = buf_append_str(out, " =?UTF-8?B?");
                if (r == 0)
                        r = put_base64(out, text, n, 0);
                if (r == 0)
                        r = buf_append_str(out, "?=\r\n");
                text += n;
        }
        return r;
}

/* "Subject: …" and the text behind the empty line; false: the template has no such form. */
static bool split(const char *template, char *subject, size_t size, const char **ret_text)
{
        static const char head[] = "Subject: ";
        size_t len;

        if (!template || !str_starts(template, head))
                return false;
        template += sizeof(head) - 1;
        len = strcspn(template, "\n");
        if (len >= size || strncmp(template + len, "\n\n", 2) != 0)
                return false;
        memcpy(subject, template, len);
        subject[len] = 0;
        *ret_text = template + len + 2;
        return true;
}

static int put_id(struct buf *out, const struct notice *n)
{
        uint8_t digest[SHA256_LEN];
        char hex[SHA256_HEX];

        sha256_of(n->id, strlen(n->id), digest);
        hex_encode(digest, sizeof(digest), hex);
        return buf_printf(out, "Message-ID: <%.32s%s@workspaces>\r\n", hex, n->resolved ? "r" : "");
}

int notify_mail(const struct notice *n, const char *from, const char *to, const char *template,
                struct buf *out)
{
        AUTO_BUF subject = BUF_INIT(NOTIFY_TEMPLATE_MAX);
        AUTO_BUF text = BUF_INIT(4 * NOTIFY_TEMPLATE_MAX);
        char pattern[512], date[64];
        const char *body;
        int r = n->resolved ? buf_append_str(&subject, "over: ") : 0;

        if (!split(template, pattern, sizeof(pattern), &body)) {
                STR_CUT(pattern, kinds[n->kind].subject);
                body = kinds[n->kind].text;
        }
        utc_text(n->at, true, date, sizeof(date));
        if (r == 0)
                r = notify_fill(&subject, pattern, n);
        if (r == 0)
                r = buf_terminate(&subject);
        if (r == 0)
                r = notify_fill(&text, body, n);
        if (r == 0)
                r = buf_append_str(&text, "\n");
        if (r == 0)
                r = buf_printf(out, "From: %s\r\nTo: %s\r\nDate: %s\r\n", from, to, date);
        if (r == 0)
                r = put_id(out, n);
        if (r == 0)
                r = put_subject(out, (const char *)subject.data);
        if (r == 0)
                r = buf_printf(out,
                               "Auto-Submitted: auto-generated\r\nX-Workspaces-Kind: %s\r\n"
                               "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                               "Content-Transfer-Encoding: base64\r\n\r\n",
                               kinds[n->kind].name);
        return r == 0 ? put_base64(out, text.data, text.len, 76) : r;
}

/* ---- signature ---- */

int notify_signature(const void *secret, size_t secret_len, int64_t unix_s, const struct buf *body,
                     struct buf *out)
{
        AUTO_BUF text = BUF_INIT(body->max + 32);
        uint8_t mac[SHA256_LEN];
        char hex[SHA256_HEX];
        int r = buf_printf(&text, "%lld.", (long long)unix_s);

        if (r == 0)
                r = buf_append(&text, body->data, body->len);
        if (r < 0)
                return r;
        hmac_sha256(secret, secret_len, text.data, text.len, mac);
        hex_encode(mac, sizeof(mac), hex);
        return buf_printf(out, "t=%lld,v1=%s", (long long)unix_s, hex);
}
