#include "gate/redirect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct http_span behind(struct http_span s, size_t n)
{
        return (struct http_span){s.at + n, s.len - n};
}

/* "https:..." and the like: a colon before the first '/', '?'. */
static bool has_scheme(struct http_span s)
{
        for (size_t i = 0; i < s.len && s.at[i] != '/' && s.at[i] != '?'; i++) {
                if (s.at[i] == ':')
                        return true;
        }
        return false;
}

/* How much of `from` stays in front of a relative location: its folder, or its path for "?query".
 */
static size_t kept_of(const char *from, struct http_span location)
{
        size_t path = strcspn(from, "?");

        if (location.len == 0 || location.at[0] == '?')
                return path;
        while (path > 0 && from[path - 1] != '/')
                path--;
        return path;
}

int redirect_resolve(const char *from, struct http_span location, const char *host,
                     char ret_target[static REDIRECT_PATH_MAX])
{
        const char *hash = memchr(location.at, '#', location.len);
        char target[REDIRECT_PATH_MAX];
        size_t keep = 0;
        int n;

        if (hash)
                location.len = (size_t)(hash - location.at);
        for (size_t i = 0; i < location.len; i++) {
                if (location.at[i] <= ' ' || location.at[i] > '~')
                        return -EINVAL;
        }
        if (http_span_starts(location, "http://") || http_span_starts(location, "//")) {
                location = behind(location, location.at[0] == '/' ? 2 : 7);
                if (!http_span_starts(location, host))
                        return -EINVAL;
                location = behind(location, strlen(host));
                if (location.len == 0 || location.at[0] != '/')
                        return -EINVAL;
        } else if (location.len == 0 || location.at[0] != '/') {
                while (http_span_starts(location, "./"))
                        location = behind(location, 2);
                if (has_scheme(location) || http_span_starts(location, "../"))
                        return -EINVAL;
                keep = kept_of(from, location);
        }
        n = snprintf(target, sizeof(target), "%.*s%.*s", (int)keep, from, (int)location.len,
                     location.at);
        if (n < 0 || (size_t)n >= sizeof(target))
                return -ENAMETOOLONG;
        memcpy(ret_target, target, (size_t)n + 1);
        return 0;
}
