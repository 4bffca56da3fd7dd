#include "presence/rules.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"

static const char *const verdict_words[] = {
#define RULE_VERDICT(id, word, doc) [RULE_##id] = (word),
#include "presence/verdict.def"
#undef RULE_VERDICT
};
static_assert(ARRAY_LEN(verdict_words) == RULE_VERDICT_MAX, "every verdict has a word");

const char *rules_verdict_word(enum rule_verdict v)
{
        assert(v < RULE_VERDICT_MAX);
        return verdict_words[v];
}

bool rules_verdict_parse(const char *word, size_t len, enum rule_verdict *ret_verdict)
{
        for (int v = 0; v < RULE_VERDICT_MAX; v++) {
                if (strlen(verdict_words[v]) == len && memcmp(verdict_words[v], word, len) == 0) {
                        *ret_verdict = (enum rule_verdict)v;
                        return true;
                }
        }
        return false;
}

/* As strcmp, for a name without NUL at its end. A NUL byte in it is greater than the item's end. */
static int compare(const char *item, const char *name, size_t len)
{
        size_t item_len = strlen(item);
        int r = memcmp(item, name, MIN(item_len, len));

        if (r != 0)
                return r;
        return item_len < len ? -1 : item_len > len;
}

/* The first rule of this name; n when there is none. */
static size_t first_of(const struct rule_names *l, const char *name, size_t len)
{
        size_t from = 0, to = l->n;

        while (from < to) {
                size_t mid = from + (to - from) / 2;

                if (compare(l->items[mid].name, name, len) < 0)
                        from = mid + 1;
                else
                        to = mid;
        }
        return from < l->n && compare(l->items[from].name, name, len) == 0 ? from : l->n;
}

/* As first_of, or the first of "channel.*"; *ret_end is behind the last rule of the same name. */
static size_t find(const struct rule_names *l, const char *name, size_t len, size_t *ret_end)
{
        char any[RULES_NAME_MAX + 2];
        const char *dot;
        size_t first, end;

        if (len > RULES_NAME_MAX)
                return l->n;
        first = first_of(l, name, len);
        dot = first == l->n ? memchr(name, '.', len) : NULL;
        if (dot) {
                size_t channel = (size_t)(dot - name) + 1;

                memcpy(any, name, channel);
                any[channel] = '*';
                first = first_of(l, any, channel + 1);
        }
        for (end = first; end < l->n; end++) {
                if (strcmp(l->items[end].name, l->items[first].name) != 0)
                        break;
        }
        *ret_end = end;
        return first;
}

bool rules_find(const struct rule_names *l, const char *name, size_t name_len, const char *args,
                size_t args_len, enum rule_verdict *ret_verdict)
{
        size_t end, i = find(l, name, name_len, &end);

        if (i == l->n)
                return false;
        args_len = MIN(args_len, (size_t)RULES_ARGS_MAX);
        for (; i < end; i++) {
                const char *has = l->items[i].has;

                if (has[0] == 0 || (args_len > 0 && memmem(args, args_len, has, strlen(has)))) {
                        *ret_verdict = l->items[i].verdict;
                        return true;
                }
        }
        *ret_verdict = RULE_MACHINE;
        return true;
}

bool rules_want_args(const struct rule_names *l, const char *name, size_t name_len)
{
        size_t end, i = find(l, name, name_len, &end);

        /* A rule without `has` fits whatever the arguments are; those behind it are never asked. */
        return i < l->n && l->items[i].has[0] != 0;
}

size_t rules_job_key(const struct rules *r, const char *args, size_t args_len, const char **ret_key)
{
        size_t name_len = strlen(r->job_key);
        const char *end = args + MIN(args_len, (size_t)RULES_ARGS_MAX), *at = args;

        if (name_len == 0 || args_len == 0)
                return 0;
        while ((at = memmem(at, (size_t)(end - at), r->job_key, name_len))) {
                const char *text = at + name_len + 3;
                const char *quote;

                if (at > args && at[-1] == '"' && end - at > (ptrdiff_t)name_len + 3 &&
                    memcmp(at + name_len, "\":\"", 3) == 0) {
                        quote = memchr(text, '"', MIN((size_t)(end - text), RULES_KEY_MAX + 1u));
                        if (!quote || quote == text)
                                return 0;
                        *ret_key = text;
                        return (size_t)(quote - text);
                }
                at += name_len;
        }
        return 0;
}

/* The whole text against a pattern with '*' for any text. */
static bool glob(const char *pattern, const char *text, size_t len)
{
        const char *end = text + len, *star = NULL, *again = NULL;

        while (text < end) {
                if (*pattern == '*') {
                        star = ++pattern;
                        again = text;
                } else if (*pattern && *pattern == *text) {
                        pattern++;
                        text++;
                } else if (star) {
                        pattern = star;
                        text = ++again;
                } else {
                        return false;
                }
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == 0;
}

static bool has(const char *text, size_t len, const char *part)
{
        return len > 0 && memmem(text, len, part, strlen(part)) != NULL;
}

static bool request_fits(const struct rule_request *r, const char *method, size_t method_len,
                         const char *target, size_t target_len, enum rule_fetch fetch)
{
        const char *mark = memchr(target, '?', target_len);
        size_t path_len = mark ? (size_t)(mark - target) : target_len;
        const char *query = mark ? mark + 1 : target + target_len;
        size_t query_len = (size_t)(target + target_len - query);

        return (!r->method[0] || compare(r->method, method, method_len) == 0) &&
               (!r->path[0] || glob(r->path, target, path_len)) &&
               (!r->query[0] || has(query, query_len, r->query)) &&
               (!r->without[0] || !has(query, query_len, r->without)) &&
               (!r->navigation || fetch == RULE_FETCH_NAVIGATION) &&
               (!r->plain || fetch == RULE_FETCH_PLAIN);
}

bool rules_find_request(const struct rule_requests *l, const char *method, size_t method_len,
                        const char *target, size_t target_len, enum rule_fetch fetch,
                        enum rule_verdict *ret_verdict)
{
        for (size_t i = 0; i < l->n; i++) {
                if (request_fits(&l->items[i], method, method_len, target, target_len, fetch)) {
                        *ret_verdict = l->items[i].verdict;
                        return true;
                }
        }
        return false;
}

bool rules_request_covers(const struct rule_request *a, const struct rule_request *b)
{
        /* A '*' of b's path is matched by a '*' of a's only, which matches whatever it stands for.
         */
        return (!a->method[0] || strcmp(a->method, b->method) == 0) &&
               (!a->path[0] || glob(a->path, b->path, strlen(b->path))) &&
               strstr(b->query, a->query) != NULL &&
               (!a->without[0] || (b->without[0] && strstr(a->without, b->without))) &&
               (!a->navigation || b->navigation) && (!a->plain || b->plain);
}
