#include "profile/record.h"

#include <errno.h>
#include <string.h>

/* The string at *pos, and *pos behind it; NULL when it does not end inside the bytes. */
static char *next_string(char **pos, char *end)
{
        char *s = *pos;
        char *nul = s < end ? memchr(s, 0, (size_t)(end - s)) : NULL;

        if (nul)
                *pos = nul + 1;
        return nul ? s : NULL;
}

static int strings_find(char *pos, char *end, struct record *r)
{
        r->path = next_string(&pos, end);
        if (!r->path)
                return -EBADMSG;
        for (uint32_t i = 0; i < r->head.n_argv; i++) {
                r->argv[i] = next_string(&pos, end);
                if (!r->argv[i])
                        return -EBADMSG;
        }
        for (uint32_t i = 0; i < r->head.n_ahead; i++) {
                r->ahead[i] = next_string(&pos, end);
                if (!r->ahead[i])
                        return -EBADMSG;
        }
        for (uint32_t i = 0; i < r->head.n_env; i++) {
                r->env[i] = next_string(&pos, end);
                if (!r->env[i] || !strchr(r->env[i], '='))
                        return -EBADMSG;
        }
        for (uint32_t i = 0; i < r->head.n_files; i++) {
                r->files[i].path = next_string(&pos, end);
                r->files[i].content = next_string(&pos, end);
                if (!r->files[i].path || !r->files[i].content)
                        return -EBADMSG;
        }
        for (uint32_t i = 0; i < r->head.n_write; i++) {
                r->write[i] = next_string(&pos, end);
                if (!r->write[i] || r->write[i][0] != '/')
                        return -EBADMSG;
        }
        return pos == end ? 0 : -EBADMSG;
}

int record_open(void *bytes, size_t size, struct record *ret_record)
{
        struct record r = {0};
        int err;

        if (size < sizeof(r.head) || size > RECORD_SIZE_MAX)
                return -EBADMSG;
        memcpy(&r.head, bytes, sizeof(r.head));
        if (r.head.magic != RECORD_MAGIC || r.head.size != size || r.head.n_argv < 1 ||
            r.head.n_argv > RECORD_ARGV_MAX || r.head.n_ahead > RECORD_ARGV_MAX ||
            r.head.n_env > RECORD_ENV_MAX || r.head.n_files > RECORD_FILES_MAX ||
            r.head.n_write > RECORD_WRITE_MAX || !memchr(r.head.name, 0, sizeof(r.head.name)))
                return -EBADMSG;
        err = strings_find((char *)bytes + sizeof(r.head), (char *)bytes + size, &r);
        if (err < 0)
                return err;
        *ret_record = r;
        return 0;
}
