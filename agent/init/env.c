#include "init/env.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static size_t name_length(const char *assignment)
{
        return strcspn(assignment, "=");
}

static char **env_find(struct env *e, const char *name, size_t len)
{
        for (size_t i = 0; i < e->n; i++) {
                if (name_length(e->vars[i]) == len && strncmp(e->vars[i], name, len) == 0)
                        return &e->vars[i];
        }
        return NULL;
}

/* The place in vars for this name and the memory for `size` bytes, or NULL. */
static char *env_room(struct env *e, const char *name, size_t name_len, size_t size)
{
        char **var = env_find(e, name, name_len);

        if (e->used + size > sizeof(e->bytes) || (!var && e->n == ENV_VARS_MAX))
                return NULL;
        if (!var)
                var = &e->vars[e->n++];
        *var = e->bytes + e->used;
        e->used += size;
        return *var;
}

int env_put(struct env *e, const char *assignment)
{
        size_t size = strlen(assignment) + 1;
        char *at = env_room(e, assignment, name_length(assignment), size);

        if (!at)
                return -ENOBUFS;
        memcpy(at, assignment, size);
        return 0;
}

int env_set(struct env *e, const char *name, const char *value)
{
        size_t size = strlen(name) + 1 + strlen(value) + 1;
        char *at = env_room(e, name, strlen(name), size);

        if (!at)
                return -ENOBUFS;
        (void)snprintf(at, size, "%s=%s", name, value);
        return 0;
}

int env_copy(struct env *e, const char *prefix)
{
        for (char **var = environ; *var; var++) {
                if (str_starts(*var, prefix) && strchr(*var, '=')) {
                        int r = env_put(e, *var);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}
