#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/mono.h"

static struct {
        const char *prog;
        enum log_level lowest;
} log_state = {.prog = "ws", .lowest = LOG_INFO_LEVEL};

static const char *const level_names[] = {
        [LOG_DEBUG_LEVEL] = "debug",
        [LOG_INFO_LEVEL] = "info",
        [LOG_WARN_LEVEL] = "warn",
        [LOG_ERROR_LEVEL] = "error",
};

struct line {
        char text[LOG_LINE_MAX];
        size_t len;
};

void log_init(const char *prog, enum log_level lowest)
{
        log_state.prog = prog;
        log_state.lowest = lowest;
}

bool log_enabled(enum log_level level)
{
        return level >= log_state.lowest;
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
        for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
                if (strcmp(text, level_names[i]) == 0) {
                        *ret_level = (enum log_level)i;
                        return true;
                }
        }
        return false;
}

static void line_char(struct line *l, char c)
{
        /* One byte stays free for the newline. */
        if (l->len + 1 < sizeof(l->text))
                l->text[l->len++] = c;
}

static void line_raw(struct line *l, const char *s)
{
        while (*s)
                line_char(l, *s++);
}

static bool needs_quotes(const char *s)
{
        if (!*s)
                return true;
        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;
                if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
                        return true;
        }
        return false;
}

static void line_quoted(struct line *l, const char *s)
{
        static const char hex[] = "0123456789abcdef";

        line_char(l, '"');
        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;
                if (c == '"' || c == '\\') {
                        line_char(l, '\\');
                        line_char(l, (char)c);
                } else if (c < ' ' || c >= 0x7f) {
                        line_raw(l, "\\x");
                        line_char(l, hex[c >> 4]);
                        line_char(l, hex[c & 15]);
                } else {
                        line_char(l, (char)c);
                }
        }
        line_char(l, '"');
}

static void line_value(struct line *l, const char *s)
{
        if (needs_quotes(s))
                line_quoted(l, s);
        else
                line_raw(l, s);
}

static void line_time(struct line *l)
{
        int64_t us = utc_read().us;
        time_t sec = (time_t)(us / US_PER_S);
        struct tm tm;
        char text[64];

        gmtime_r(&sec, &tm);
        (void)snprintf(text, sizeof(text), "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                       tm.tm_sec, (int)(us / 1000 % 1000));
        line_raw(l, text);
}

/* strerror(3) of glibc takes memory and the locale's words; musl's reads a table. */
static const char *error_text(int err)
{
#ifdef __GLIBC__
        const char *text = strerrordesc_np(err);

        return text ? text : "unknown error";
#else
        return strerror(err);
#endif
}

static void line_field(struct line *l, const struct log_field *f)
{
        char text[32];
        int err = 0;

        line_char(l, ' ');
        line_raw(l, f->key);
        line_char(l, '=');
        switch (f->kind) {
        case LOG_KIND_END:
                break;
        case LOG_KIND_STR:
                line_value(l, f->str ? f->str : "-");
                break;
        case LOG_KIND_INT:
                (void)snprintf(text, sizeof(text), "%lld", (long long)f->num);
                line_raw(l, text);
                break;
        case LOG_KIND_ERR:
                err = (int)(f->num < 0 ? -f->num : f->num);
                line_value(l, error_text(err));
                break;
        }
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
        int saved_errno = errno;
        struct line l = {.len = 0};

        if (level < log_state.lowest)
                return;
        line_time(&l);
        line_raw(&l, " level=");
        line_raw(&l, level_names[level]);
        line_raw(&l, " prog=");
        line_raw(&l, log_state.prog);
        line_raw(&l, " msg=");
        line_quoted(&l, msg);
        for (const struct log_field *f = fields + 1; f->kind != LOG_KIND_END; f++)
                line_field(&l, f);
        l.text[l.len++] = '\n';
        /* A log that cannot be written is not worth failing for. */
        while (write(STDERR_FILENO, l.text, l.len) < 0 && errno == EINTR)
                ;
        errno = saved_errno;
}
