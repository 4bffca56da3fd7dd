/* Loading and freeing; the form of the JSON is in parse.c, the patterns are in match.c. */
#include "profile/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "profile/rules_parse.h"

/* The rules that the profile at `path` names. */
static int presence_load(const char *path, struct profile *p)
{
        const char *slash = strrchr(path, '/');
        char error[PROFILE_ERROR_MAX], *file = NULL;
        int r;

        if (!p->presence_name[0])
                return 0;
        if (asprintf(&file, "%.*s%s", slash ? (int)(slash - path) + 1 : 0, path, p->presence_name) <
            0)
                return -ENOMEM;
        r = rules_load(file, error, &p->presence_file);
        if (r < 0)
                log_error("presence rules are wrong; wsagent-worker rules checks them",
                          LOG_STR("rules", file), LOG_STR("reason", error));
        else
                p->presence = rules_of(p->presence_file);
        free(file);
        return r;
}

int profile_load(const char *path, struct profile **ret_profile)
{
        AUTO_BUF text = BUF_INIT(PROFILE_SIZE_MAX);
        AUTO_PROFILE p = NULL;
        char error[PROFILE_ERROR_MAX];
        int r = file_read(path, &text);

        if (r < 0) {
                r = r == -ENOBUFS ? -EFBIG : r;
                log_error("profile cannot be read", LOG_STR("profile", path), LOG_ERR(r));
                return r;
        }
        r = profile_parse((const char *)text.data, text.len, error, &p);
        if (r == -EINVAL)
                log_error("profile is wrong", LOG_STR("profile", path), LOG_STR("reason", error));
        else if (r < 0)
                log_error("profile not loaded", LOG_STR("profile", path), LOG_ERR(r));
        if (r == 0)
                r = presence_load(path, p);
        if (r < 0)
                return r;
        *ret_profile = STEAL(p, NULL);
        return 0;
}

static void list_free(struct profile_list *l)
{
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i]);
        free(l->items);
}

static void pairs_free(struct profile_pairs *p)
{
        for (size_t i = 0; i < p->n; i++) {
                free(p->items[i].key);
                free(p->items[i].value);
        }
        free(p->items);
}

struct profile *profile_free(struct profile *p)
{
        if (!p)
                return NULL;
        list_free(&p->argv);
        list_free(&p->ahead);
        pairs_free(&p->env);
        pairs_free(&p->defaults);
        list_free(&p->write);
        list_free(&p->save_include);
        list_free(&p->save_exclude);
        list_free(&p->save_later);
        list_free(&p->watch_exclude);
        rules_free(p->presence_file);
        free(p->path);
        free(p);
        return NULL;
}
