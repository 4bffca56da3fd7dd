#include "out/storage_grants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static int no(char reason[static STORAGE_REASON_SIZE], int status, const char *text,
              const char *name)
{
        (void)snprintf(reason, STORAGE_REASON_SIZE, "%s%s%s", text, name[0] ? ": " : "", name);
        return status;
}

/* Where in the archive a part begins, at least: older agents make parts of 32 MiB. */
static uint64_t place_of(const struct blob_object_ref *ref, uint64_t length)
{
        return ref->part * (length > BLOB_PART_BYTES ? BLOB_PART_MAX : BLOB_PART_BYTES);
}

/* A new object of the save that the grant names. */
static int check_put(const struct storage_grant *g, const struct blob_grant_object *o,
                     struct blob_object_ref *ref, char reason[static STORAGE_REASON_SIZE])
{
        ref->generation = g->generation;
        ref->seq = g->seq;
        if (STR_SET(ref->workspace, g->workspace) < 0 || blob_file_parse(o->name, ref) < 0)
                return no(reason, 400, "not the name of an object of a save", o->name);
        if (ref->which == BLOB_OBJECT_MANIFEST)
                return o->length <= BLOB_MANIFEST_MAX
                               ? 0
                               : no(reason, 413, "the manifest is too long", o->name);
        if (o->length > BLOB_PART_MAX)
                return no(reason, 413, "a part is at most 32 MiB long", o->name);
        if (place_of(ref, o->length) + o->length > g->max_bytes)
                return no(reason, 413, "the save is larger than allowed", o->name);
        return 0;
}

/* An object of the workspace, of this life or an earlier one. */
static int check_get(const struct storage_grant *g, const struct blob_grant_object *o,
                     struct blob_object_ref *ref, char reason[static STORAGE_REASON_SIZE])
{
        char name[2 * BLOB_OBJECT_SIZE];

        (void)snprintf(name, sizeof(name), "%s/%s", g->workspace, o->name);
        if (blob_object_parse(name, ref) < 0)
                return no(reason, 400, "not the name of an object of a workspace", o->name);
        if (ref->generation > g->generation)
                return no(reason, 403, "the object is of a later life than the grant", o->name);
        return 0;
}

int storage_grants_check(const struct storage_grant *g, const void *body, size_t len,
                         struct blob_grant_request *ret_request,
                         struct blob_object_ref refs[static BLOB_GRANT_OBJECTS_MAX],
                         char reason[static STORAGE_REASON_SIZE])
{
        int r = blob_grant_request_decode(body, len, g->op, ret_request);

        if (r == -EBADMSG)
                return no(reason, 400, "not a request for a grant", "");
        for (uint32_t i = 0; r == 0 && i < ret_request->n_objects; i++) {
                refs[i] = (struct blob_object_ref){0};
                r = g->op == BLOB_OP_PUT ? check_put(g, &ret_request->objects[i], &refs[i], reason)
                                         : check_get(g, &ret_request->objects[i], &refs[i], reason);
        }
        return r;
}

/* ---- a local storage server ---- */

struct local {
        struct blob_grant_request request;
        struct blob_object_ref refs[BLOB_GRANT_OBJECTS_MAX];
        struct blob_grant_answer answer;
        struct buf urls[BLOB_GRANT_OBJECTS_MAX];
};

static int local_address(const struct keys *k, const char *base, const struct storage_grant *g,
                         struct local *l, uint32_t i)
{
        struct storage_object o = {.op = g->op, .ref = l->refs[i], .expires = g->expires};
        struct blob_granted *granted = &l->answer.objects[i];
        struct buf *url = &l->urls[i];
        int r = 0;

        *url = BUF_INIT(BLOB_URL_SIZE);
        if (g->op == BLOB_OP_PUT) {
                o.length = l->request.objects[i].length;
                r = STR_SET(o.sha256, l->request.objects[i].sha256);
        }
        if (r == 0)
                r = buf_append_str(url, base);
        if (r == 0)
                r = storage_object_write(k, &o, url);
        if (r == 0)
                r = buf_terminate(url);
        granted->name = l->request.objects[i].name;
        granted->at = (struct blob_address){.url = (const char *)url->data};
        if (g->op == BLOB_OP_GET)
                return r;
        granted->check = granted->at;
        granted->at.headers[granted->at.n_headers++] = "If-None-Match: *";
        return r;
}

int storage_grants_local(const struct keys *k, const char *base, const struct storage_grant *g,
                         const void *body, size_t len, struct buf *ret_json,
                         char reason[static STORAGE_REASON_SIZE])
{
        struct local *l = calloc(1, sizeof(*l));
        int r = l ? storage_grants_check(g, body, len, &l->request, l->refs, reason) : -ENOMEM;

        for (uint32_t i = 0; r == 0 && i < l->request.n_objects; i++) {
                r = local_address(k, base, g, l, i);
                l->answer.n_objects++;
        }
        if (r == 0)
                r = blob_grant_answer_encode(&l->answer, ret_json);
        if (r == -EINVAL)
                r = no(reason, 400, "the address in Host is not one", "");
        for (uint32_t i = 0; l && i < l->answer.n_objects; i++)
                buf_deinit(&l->urls[i]);
        free(l);
        return r;
}
