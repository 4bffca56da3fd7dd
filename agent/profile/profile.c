/* Loading and freeing; the form of the JSON is in parse.c, the patterns are in match.c. */
#include "profile/profile.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"

int profile_load(const char *path, struct profile **ret_profile)
{
        AUTO_BUF text = BUF_INIT(PROFILE_SIZE_MAX);
        char error[PROFILE_ERROR_MAX];
        int r = file_read(path, &text);

        if (r < 0) {
                r = r == -ENOBUFS ? -EFBIG : r;
                log_error("profile cannot be read", LOG_STR("profile", path), LOG_ERR(r));
                return r;
        }
        r = profile_parse((const char *)text.data, text.len, error, ret_profile);
        if (r == -EINVAL)
                log_error("profile is wrong", LOG_STR("profile", path), LOG_STR("reason", error));
        else if (r < 0)
                log_error("profile not loaded", LOG_STR("profile", path), LOG_ERR(r));
        return r;
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
        pairs_free(&p->env);
        pairs_free(&p->defaults);
        list_free(&p->save_include);
        list_free(&p->save_exclude);
        list_free(&p->watch_exclude);
        free(p->path);
        free(p);
        return NULL;
}
