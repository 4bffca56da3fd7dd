/*
 * After git's dir.c and wildmatch.c, whose decisions it has to give; the forms here are our own.
 */
#include "save/ignore.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 20000 /* of one match; an ordinary one takes some dozens */

struct ignore_rule {
        char *pattern;  /* owned; without "!" and the trailing "/" */
        char *base;     /* owned; the folder of its file, "" the root */
        size_t literal; /* bytes at its start without wildcards */
        bool negated, only_dirs;
        bool basename; /* no "/" in it: any depth, only the last name counts */
};

/* ---- matching ---- */

enum verdict { MATCH, NO_MATCH, ABORT_ALL, ABORT_TO_STARSTAR };

struct match {
        bool pathname; /* '/' is only matched by '/' and by "**" */
        unsigned steps;
        const char *start; /* of the pattern that this call began with */
};

static enum verdict wild(struct match *m, const char *start, const char *p, const char *text);

static bool is_special(char c)
{
        return c == '*' || c == '?' || c == '[' || c == '\\';
}

/* One of [:alpha:] and so on; -1 for a name that is not one. */
static int in_named_class(const char *name, size_t len, int c)
{
        static const struct {
                const char *name;
                int (*is)(int);
        } classes[] = {
                {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
                {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
                {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
        };

        for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
                if (strlen(classes[i].name) == len && memcmp(classes[i].name, name, len) == 0)
                        return c < 0x80 && classes[i].is(c) != 0;
        }
        return -1;
}

/*
 * "[:name:]" at *p (on its '['): 1 in, 0 not in, -1 malformed for good, -2 not such a form after
 * all. On 0 and 1 *p is at its last ']'.
 */
static int named_class(const char **p, int c)
{
        const char *name = *p + 2;
        const char *end = strchr(name, ']');
        int in;

        if (!end)
                return -1;
        if (end == name || end[-1] != ':' || end - 1 < name)
                return -2;
        in = in_named_class(name, (size_t)(end - 1 - name), c);
        *p = end;
        return in;
}

/* The set at *p (on its '['); afterwards *p is at its ']'. 1 in, 0 not in, -1 has no end. */
static int in_set(const char **at, unsigned char c)
{
        const char *p = *at + 1;
        bool negated = *p == '!' || *p == '^';
        unsigned char before = 0;
        bool in = false;

        p += negated;
        do {
                unsigned char set = (unsigned char)*p;

                if (set == 0)
                        return -1;
                if (set == '-' && before && p[1] && p[1] != ']') {
                        set = (unsigned char)*++p;
                        if (set == '\\')
                                set = (unsigned char)*++p;
                        if (set == 0)
                                return -1;
                        in = in || (c <= set && c >= before);
                        before = 0;
                        continue;
                }
                if (set == '[' && p[1] == ':') {
                        int named = named_class(&p, c);

                        if (named == -1)
                                return -1;
                        if (named >= 0) {
                                in = in || named;
                                before = 0;
                                continue;
                        }
                }
                if (set == '\\') {
                        set = (unsigned char)*++p;
                        if (set == 0)
                                return -1;
                }
                in = in || c == set;
                before = set;
        } while (*++p != ']');
        *at = p;
        return in != negated;
}

/* What is left after stars: `p` behind them, `text` where they begin. `slash`: they match '/'. */
static enum verdict wild_rest(struct match *m, const char *start, const char *p, const char *text,
                              bool slash)
{
        for (; *text; text++) {
                enum verdict v;

                /* Before a literal, only places where it stands need be tried. */
                if (!is_special(*p)) {
                        while (*text && (slash || *text != '/') && *text != *p)
                                text++;
                        if (*text != *p)
                                return slash ? ABORT_ALL : ABORT_TO_STARSTAR;
                }
                v = wild(m, start, p, text);
                if (v != NO_MATCH) {
                        if (!slash || v != ABORT_TO_STARSTAR)
                                return v;
                } else if (!slash && *text == '/') {
                        return ABORT_TO_STARSTAR;
                }
        }
        return ABORT_ALL;
}

/* *p is at the first star. MATCH, a failure, or -1: go on with *p and *text behind a '/'. */
static int wild_stars(struct match *m, const char *start, const char **at, const char **text)
{
        const char *first = *at, *p = first + 1;
        bool slash = !m->pathname;

        if (*p == '*') {
                while (*p == '*')
                        p++;
                if (m->pathname && (first == start || first[-1] == '/') &&
                    (*p == 0 || *p == '/' || (p[0] == '\\' && p[1] == '/'))) {
                        /* "**" and the '/' after it may stand for nothing. */
                        if (*p == '/' && wild(m, p + 1, p + 1, *text) == MATCH)
                                return MATCH;
                        slash = true;
                }
        }
        if (*p == 0)
                return slash || !strchr(*text, '/') ? MATCH : NO_MATCH;
        if (!slash && *p == '/') {
                *text = strchr(*text, '/');
                *at = p;
                return *text ? -1 : NO_MATCH;
        }
        return (int)wild_rest(m, p, p, *text, slash);
}

/* `start`: where this piece of the pattern begins; "**" at its beginning is as behind a '/'. */
static enum verdict wild(struct match *m, const char *start, const char *p, const char *text)
{
        for (; *p; p++, text++) {
                int r;

                if (++m->steps > STEPS_MAX || (!*text && *p != '*'))
                        return ABORT_ALL;
                switch (*p) {
                case '?':
                        if (m->pathname && *text == '/')
                                return NO_MATCH;
                        break;
                case '*':
                        r = wild_stars(m, start, &p, &text);
                        if (r >= 0)
                                return (enum verdict)r;
                        break;
                case '[':
                        r = in_set(&p, (unsigned char)*text);
                        if (r < 0)
                                return ABORT_ALL;
                        if (r == 0 || (m->pathname && *text == '/'))
                                return NO_MATCH;
                        break;
                case '\\':
                        p++;
                        if (*text != *p)
                                return NO_MATCH;
                        if (!*p)
                                return NO_MATCH;
                        break;
                default:
                        if (*text != *p)
                                return NO_MATCH;
                }
        }
        return *text ? NO_MATCH : MATCH;
}

static bool wild_matches(const char *pattern, const char *text, bool pathname)
{
        struct match m = {.pathname = pathname};

        return wild(&m, pattern, pattern, text) == MATCH;
}

static bool rule_matches_name(const struct ignore_rule *rule, const char *name)
{
        if (rule->pattern[rule->literal] == 0)
                return strcmp(rule->pattern, name) == 0;
        return wild_matches(rule->pattern, name, false);
}

static bool rule_matches(const struct ignore_rule *rule, const char *path, bool is_dir)
{
        size_t base = strlen(rule->base), literal = rule->literal;
        const char *pattern = rule->pattern;
        const char *slash = strrchr(path, '/');

        if (rule->only_dirs && !is_dir)
                return false;
        if (base > 0 && (strncmp(path, rule->base, base) != 0 || path[base] != '/'))
                return false;
        if (rule->basename)
                return rule_matches_name(rule, slash ? slash + 1 : path);
        path += base > 0 ? base + 1 : 0;
        if (*pattern == '/') {
                pattern++;
                literal -= literal > 0;
        }
        if (strncmp(pattern, path, literal) != 0)
                return false;
        return wild_matches(pattern + literal, path + literal, true);
}

bool ignore_matches(const struct ignore *ig, const char *path, bool is_dir)
{
        for (size_t i = ig->n; i-- > 0;) {
                if (rule_matches(&ig->rules[i], path, is_dir))
                        return !ig->rules[i].negated;
        }
        return false;
}

/* ---- reading a file ---- */

static void rule_deinit(struct ignore_rule *rule)
{
        free(rule->pattern);
        free(rule->base);
}

void ignore_pop(struct ignore *ig, int mark)
{
        assert(mark >= 0 && (size_t)mark <= ig->n);
        while (ig->n > (size_t)mark)
                rule_deinit(&ig->rules[--ig->n]);
}

void ignore_deinit(struct ignore *ig)
{
        ignore_pop(ig, 0);
        free(ig->rules);
        *ig = (struct ignore){0};
}

/* Spaces at the end do not count, unless a backslash is before them. */
static size_t trimmed(const char *s, size_t len)
{
        size_t end = 0;

        for (size_t i = 0; i < len; i++) {
                if (s[i] == '\\') {
                        if (++i == len)
                                return len;
                        end = i + 1;
                } else if (s[i] != ' ') {
                        end = i + 1;
                }
        }
        return end;
}

static int room(struct ignore *ig)
{
        size_t cap = ig->cap ? ig->cap * 2 : 16;
        struct ignore_rule *grown;

        if (ig->n >= IGNORE_RULES_MAX)
                return -E2BIG;
        if (ig->n < ig->cap)
                return 0;
        grown = realloc(ig->rules, cap * sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        ig->rules = grown;
        ig->cap = cap;
        return 0;
}

static int add_line(struct ignore *ig, const char *base, const char *line, size_t len)
{
        struct ignore_rule rule = {0};
        int r = room(ig);

        len = trimmed(line, len);
        if (r < 0 || len == 0)
                return r;
        if (*line == '!') {
                rule.negated = true;
                line++;
                len--;
        }
        if (len > 0 && line[len - 1] == '/') {
                rule.only_dirs = true;
                len--;
        }
        rule.basename = memchr(line, '/', len) == NULL;
        rule.pattern = strndup(line, len);
        rule.base = strdup(base);
        if (!rule.pattern || !rule.base) {
                rule_deinit(&rule);
                return -ENOMEM;
        }
        while (rule.pattern[rule.literal] && !is_special(rule.pattern[rule.literal]))
                rule.literal++;
        ig->rules[ig->n++] = rule;
        return 0;
}

int ignore_push(struct ignore *ig, const char *base, const char *text, size_t len)
{
        int mark = (int)ig->n, r = len > IGNORE_FILE_MAX ? -E2BIG : 0;
        size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

        while (r == 0 && at < len) {
                const char *line = text + at;
                const char *end = memchr(line, '\n', len - at);
                size_t n = end ? (size_t)(end - line) : len - at;

                at += n + 1;
                n = strnlen(line, n);
                if (n > 0 && line[n - 1] == '\r')
                        n--;
                if (n > 0 && *line != '#')
                        r = add_line(ig, base, line, n);
        }
        if (r < 0)
                ignore_pop(ig, mark);
        return r < 0 ? r : mark;
}
