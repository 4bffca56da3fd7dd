#include "profile/strict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "profile/profile.h"

int strict_fail(struct strict *s, const char *fmt, ...)
{
        va_list ap;
        int n = s->where[0] ? snprintf(s->error, PROFILE_ERROR_MAX, "%s: ", s->where) : 0;

        va_start(ap, fmt);
        (void)vsnprintf(s->error + n, PROFILE_ERROR_MAX - (size_t)n, fmt, ap);
        va_end(ap);
        return -EINVAL;
}

size_t strict_enter(struct strict *s, const char *fmt, ...)
{
        size_t where = strlen(s->where);
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(s->where + where, sizeof(s->where) - where, fmt, ap);
        va_end(ap);
        return where;
}

void strict_leave(struct strict *s, size_t where)
{
        s->where[where] = 0;
}

/* The line of a syntax error, for people. */
static size_t line_of(const char *text, const char *at)
{
        size_t line = 1;

        for (; text < at; text++)
                line += *text == '\n';
        return line;
}

int strict_read(struct strict *s, const char *text, size_t len, struct cJSON **ret_json)
{
        const char *end = NULL;
        cJSON *json;

        if (len > PROFILE_SIZE_MAX || memchr(text, 0, len) || memmem(text, len, "\\u0000", 6))
                return strict_fail(s, "too large, or with a NUL byte in it");
        json = cJSON_ParseWithLengthOpts(text, len, &end, false);
        if (!json)
                return strict_fail(s, "not JSON: something is wrong in line %zu",
                                   end ? line_of(text, end) : (size_t)1);
        end += strspn(end, " \t\r\n"); /* the caller's text ends with NUL, or len does */
        if ((size_t)(end - text) < len) {
                cJSON_Delete(json);
                return strict_fail(s, "text behind the object");
        }
        *ret_json = json;
        return 0;
}
