/* Patterns of a profile against paths. */
#include <fnmatch.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"
#include "profile/profile.h"

#define ANY_DEPTH "**/"

static bool is_home(const char *path)
{
        return path[0] == 0 || strcmp(path, ".") == 0;
}

/* One pattern against exactly this path. */
static bool pattern_matches(const char *pattern, const char *path)
{
        if (strcmp(pattern, ".") == 0)
                return true;
        if (!str_starts(pattern, ANY_DEPTH))
                return fnmatch(pattern, path, FNM_PATHNAME) == 0;
        pattern += strlen(ANY_DEPTH);
        for (const char *p = path; p; p = strchr(p, '/')) {
                p += *p == '/';
                if (fnmatch(pattern, p, FNM_PATHNAME) == 0)
                        return true;
        }
        return false;
}

static bool any_matches(const struct profile_list *patterns, const char *path)
{
        for (size_t i = 0; i < patterns->n; i++) {
                if (pattern_matches(patterns->items[i], path))
                        return true;
        }
        return false;
}

bool profile_match(const struct profile_list *patterns, const char *path)
{
        char part[PATH_MAX];

        if (is_home(path) || str_copy(part, sizeof(part), path) < 0)
                return any_matches(patterns, is_home(path) ? "." : path);
        for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
                bool matches;

                *slash = 0;
                matches = any_matches(patterns, part);
                *slash = '/';
                if (matches)
                        return true;
        }
        return any_matches(patterns, part);
}

bool profile_saves(const struct profile *p, const char *path)
{
        return profile_match(&p->save_include, path) && !profile_match(&p->save_exclude, path);
}

/* Whether the first folders of `pattern`, as many as `dir` has, match it. */
static bool pattern_leads_from(const char *pattern, const char *dir)
{
        char head[PATH_MAX];
        size_t depth = 1, len = 0;

        if (str_starts(pattern, ANY_DEPTH))
                return true;
        for (const char *p = dir; *p; p++)
                depth += *p == '/';
        for (; pattern[len]; len++) {
                if (pattern[len] == '/' && --depth == 0)
                        break;
        }
        if (pattern[len] == 0 || len >= sizeof(head))
                return false; /* the pattern is no deeper than the folder */
        memcpy(head, pattern, len);
        head[len] = 0;
        return fnmatch(head, dir, FNM_PATHNAME) == 0;
}

bool profile_enters(const struct profile *p, const char *dir)
{
        if (is_home(dir))
                return true;
        if (profile_match(&p->save_exclude, dir))
                return false;
        if (profile_match(&p->save_include, dir))
                return true;
        for (size_t i = 0; i < p->save_include.n; i++) {
                if (pattern_leads_from(p->save_include.items[i], dir))
                        return true;
        }
        return false;
}
