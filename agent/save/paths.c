#include "save/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot/manifest.h"

#define ROOM_FIRST 64 /* doubled when it is full */

int paths_add(struct paths *p, const char *path)
{
        char *copy;

        if (p->n == p->room) {
                size_t room = MAX(2 * p->room, (size_t)ROOM_FIRST);
                char **grown = reallocarray(p->all, room, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                p->all = grown;
                p->room = room;
        }
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        p->all[p->n++] = copy;
        return 0;
}

static int compare(const void *path, const void *at)
{
        return snapshot_path_compare(path, *(char *const *)at);
}

bool paths_have(const struct paths *p, const char *path)
{
        return p->n > 0 && bsearch(path, p->all, p->n, sizeof(*p->all), compare);
}

void paths_deinit(struct paths *p)
{
        for (size_t i = 0; i < p->n; i++)
                free(p->all[i]);
        free(p->all);
}
