/* Any bytes are rules or an error with a message; rules that are accepted keep their promises. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile/rules_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(const struct rule_names *l)
{
        for (size_t i = 0; i < l->n; i++) {
                const struct rule_name *r = &l->items[i];
                enum rule_verdict v = RULE_VERDICT_MAX;

                assert(r->verdict < RULE_VERDICT_MAX && r->name[0]);
                assert(i == 0 || strcmp(l->items[i - 1].name, r->name) <= 0);
                /* every rule is reached by its own name and text, or one before it is */
                assert(rules_find(l, r->name, strlen(r->name), r->has, strlen(r->has), &v));
                assert(v == r->verdict || i > 0);
                assert(!r->has[0] || i == 0 || strcmp(l->items[i - 1].name, r->name) == 0 ||
                       rules_want_args(l, r->name, strlen(r->name)));
        }
}

static void check_requests(const struct rule_requests *l)
{
        for (size_t i = 0; i < l->n; i++) {
                assert(l->items[i].verdict < RULE_VERDICT_MAX);
                for (size_t k = 0; k < i; k++)
                        assert(!rules_request_covers(&l->items[k], &l->items[i]));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char error[PROFILE_ERROR_MAX];
        struct rules_file *f = NULL;
        const struct rules *r;
        const char *key;
        char *text = malloc(size + 1);
        enum rule_verdict v;

        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = 0;
        if (rules_parse(text, size, error, &f) < 0) {
                assert(!f && error[0]);
        } else {
                r = rules_of(f);
                check_names(&r->methods);
                check_names(&r->commands);
                check_names(&r->log_events);
                check_requests(&r->upgrades);
                check_requests(&r->requests);
                (void)rules_find_request(&r->requests, "GET", 3, text, size, RULE_FETCH_OTHER, &v);
                (void)rules_find(&r->commands, text, size, text, size, &v);
                assert(rules_job_key(r, text, size, &key) <= RULES_KEY_MAX);
                rules_free(f);
        }
        free(text);
        return 0;
}
