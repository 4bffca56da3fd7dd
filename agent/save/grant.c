#include "save/grant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is this the answer to our question? */
static bool answers(const struct blob_grant_answer *a, const struct blob_grant_object *objects,
                    uint32_t n, enum blob_op op)
{
        if (a->n_objects != n)
                return false;
        for (uint32_t i = 0; i < n; i++) {
                if (strcmp(a->objects[i].name, objects[i].name) != 0 ||
                    (op == BLOB_OP_PUT && !a->objects[i].check.url))
                        return false;
        }
        return true;
}

static int ask(struct transfer *t, const char *url, enum blob_op op, const struct buf *body,
               const struct blob_grant_object *objects, uint32_t n,
               struct blob_grant_answer *ret_answer)
{
        AUTO_BUF json = BUF_INIT(BLOB_GRANT_ANSWER_MAX);
        struct blob_grant_answer a = {0};
        int r = transfer_post(t, url, body, &json);

        if (r == 0)
                r = blob_grant_answer_decode(json.data, json.len, &a);
        if (r == -EBADMSG || r == TRANSFER_MISMATCH || (r == 0 && !answers(&a, objects, n, op))) {
                blob_grant_answer_deinit(&a);
                (void)snprintf(t->error, sizeof(t->error), "grant: the answer is not a grant");
                return TRANSFER_NETWORK;
        }
        /* An address that does not know grants is the wrong one; another may be right. */
        if (r == TRANSFER_MISSING)
                return TRANSFER_NETWORK;
        if (r == 0)
                *ret_answer = a;
        return r;
}

static int grant(struct transfer *t, const struct blob_grants *grants, enum blob_op op,
                 const struct blob_grant_object *objects, uint32_t n,
                 struct blob_grant_answer *ret_answer)
{
        AUTO_BUF body = BUF_INIT(BLOB_GRANT_REQUEST_MAX);
        struct blob_grant_request *q;
        int r;

        if (n < 1 || n > BLOB_GRANT_OBJECTS_MAX || grants->n < 1 || grants->n > BLOB_GRANTS_MAX)
                return -EINVAL;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->n_objects = n;
        memcpy(q->objects, objects, n * sizeof(*objects));
        r = blob_grant_request_encode(q, op, &body);
        free(q);
        for (uint32_t i = 0; r == 0 && i < grants->n; i++) {
                uint32_t which = (t->grant + i) % grants->n;

                r = ask(t, grants->url[which], op, &body, objects, n, ret_answer);
                if (r == TRANSFER_NETWORK && i + 1 < grants->n) {
                        r = 0;
                        continue;
                }
                t->grant = which;
                return r;
        }
        return r;
}

int grant_put(struct transfer *t, const struct blob_grants *grants,
              const struct blob_grant_object *objects, uint32_t n,
              struct blob_grant_answer *ret_answer)
{
        return grant(t, grants, BLOB_OP_PUT, objects, n, ret_answer);
}

int grant_get(struct transfer *t, const struct blob_grants *grants,
              const struct blob_grant_object *objects, uint32_t n,
              struct blob_grant_answer *ret_answer)
{
        return grant(t, grants, BLOB_OP_GET, objects, n, ret_answer);
}
