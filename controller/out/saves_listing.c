#include "out/saves_listing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "out/objects.h"

#define HEADER_BYTES (UINT64_C(256) << 10) /* holds most headers; else the whole is read */

int saves_no(char reason[static CORE_REASON_SIZE], const char *text)
{
        str_copy_cut(reason, CORE_REASON_SIZE, text);
        return 1;
}

/* ---- objects ---- */

void saves_object_name(const char *workspace, const struct saves_object *object,
                       char dst[static BLOB_OBJECT_SIZE])
{
        static const char *const fixed[] = {[SAVES_MANIFEST] = "manifest.mtree.zst",
                                            [SAVES_PIN] = BLOB_PIN_FILE,
                                            [SAVES_OLD] = OBJECTS_OLD_MANIFEST,
                                            [SAVES_OLD_DATA] = "data.tar.zst"};
        int n = snprintf(dst, BLOB_OBJECT_SIZE, "%.31s/%" PRIu64 "-%" PRIu64 "/", workspace,
                         object->generation, object->seq);
        size_t left = BLOB_OBJECT_SIZE - (size_t)n;

        if (object->kind == SAVES_PART)
                (void)snprintf(dst + n, left, "%u-%05u.tar.zst", object->archive, object->part);
        else
                (void)snprintf(dst + n, left, "%s", fixed[object->kind]);
}

static int compare(const void *a, const void *b)
{
        const struct saves_object *x = a, *y = b;

        if (x->generation != y->generation)
                return x->generation < y->generation ? 1 : -1;
        if (x->seq != y->seq)
                return x->seq < y->seq ? 1 : -1;
        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        if (x->archive != y->archive)
                return x->archive < y->archive ? -1 : 1;
        return x->part < y->part ? -1 : x->part > y->part;
}

static bool object_parse(const struct objects_info *info, struct saves_object *ret)
{
        struct blob_object_ref ref;
        char copy[BLOB_OBJECT_SIZE];
        char *save, *file;

        *ret = (struct saves_object){.length = info->length, .at = info->at};
        if (blob_object_parse(info->name, &ref) == 0) {
                ret->generation = ref.generation;
                ret->seq = ref.seq;
                ret->kind = ref.which == BLOB_OBJECT_MANIFEST ? SAVES_MANIFEST : SAVES_PART;
                ret->archive = ref.archive;
                ret->part = ref.part;
                return true;
        }
        if (STR_SET(copy, info->name) < 0 || !(save = strchr(copy, '/')) ||
            !(file = strchr(save + 1, '/')))
                return false;
        *file++ = 0;
        if (strcmp(file, BLOB_PIN_FILE) == 0)
                ret->kind = SAVES_PIN;
        else if (strcmp(file, OBJECTS_OLD_MANIFEST) == 0)
                ret->kind = SAVES_OLD;
        else if (strcmp(file, "data.tar.zst") == 0)
                ret->kind = SAVES_OLD_DATA;
        else
                return false;
        return blob_save_parse(save + 1, &ret->generation, &ret->seq) == 0;
}

static int take_object(void *ctx, const struct objects_info *info)
{
        struct saves_listing *l = ctx;
        struct saves_object object, *grown;

        if (!object_parse(info, &object))
                return 0; /* not ours */
        if (l->n >= SAVES_OBJECTS_MAX)
                return -E2BIG;
        if ((l->n & (l->n - 1)) == 0) { /* grow at powers of two */
                grown = reallocarray(l->objects, l->n ? 2 * l->n : 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                l->objects = grown;
        }
        l->objects[l->n++] = object;
        return 0;
}

int saves_listing_read(const struct objects *o, const char *workspace, struct saves_listing *ret)
{
        struct saves_listing l = {0};
        int r;

        if (!blob_workspace_valid(workspace))
                return -EINVAL;
        r = o->ops->list(o->impl, workspace, take_object, &l);
        if (r < 0) {
                saves_listing_deinit(&l);
                return r;
        }
        if (l.n > 0)
                qsort(l.objects, l.n, sizeof(*l.objects), compare);
        *ret = l;
        return 0;
}

void saves_listing_deinit(struct saves_listing *l)
{
        free(l->objects);
        *l = (struct saves_listing){0};
}

const struct saves_object *saves_listing_find(const struct saves_listing *l,
                                              const struct saves_object *what)
{
        return l->n > 0 ? bsearch(what, l->objects, l->n, sizeof(*l->objects), compare) : NULL;
}

/* ---- manifests ---- */

static uint64_t length_brought(const struct snapshot_header *h)
{
        uint64_t sum = 0;

        for (uint32_t i = 0; i < h->n_archives; i++) {
                const struct snapshot_save *s = &h->archives[i].save;

                if (s->generation == h->save.generation && s->seq == h->save.seq)
                        sum += h->archives[i].length;
        }
        return sum;
}

/* The first `max` bytes of the object, in a file of their own. 1: longer than a manifest can be. */
static int fetch(const struct objects *o, const char *name, uint64_t max, int fd, uint64_t *ret_n)
{
        struct stat st;
        int r;

        if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        r = o->ops->read(o->impl, name, max, fd);
        if (r == 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r == 0)
                *ret_n = (uint64_t)st.st_size;
        return r;
}

/* Where the manifest should be there is one of format 1. */
static bool is_old(const struct objects *o, const char *name)
{
        char old[BLOB_OBJECT_SIZE];
        const char *slash = strrchr(name, '/');
        struct objects_stat st;

        (void)snprintf(old, sizeof(old), "%.*s/" OBJECTS_OLD_MANIFEST, (int)(slash - name), name);
        return o->ops->stat(o->impl, old, &st) == 0;
}

static int open_header(const struct objects *o, const char *name, bool whole, int fd,
                       struct snapshot_reader **ret_reader, uint64_t *ret_length,
                       char reason[static CORE_REASON_SIZE])
{
        uint64_t max = whole ? BLOB_MANIFEST_MAX + 1 : HEADER_BYTES;
        char error[SNAPSHOT_ERROR_SIZE];
        int r = fetch(o, name, max, fd, ret_length);

        if (r == -ENOENT)
                return saves_no(reason,
                                is_old(o, name) ? SAVES_OLD_WORDS : "the manifest is not there");
        if (r < 0)
                return r;
        if (*ret_length > BLOB_MANIFEST_MAX)
                return saves_no(reason, "the manifest is too long");
        r = snapshot_reader_open(fd, error, ret_reader);
        if (r == -EBADMSG && !whole && *ret_length == HEADER_BYTES)
                return open_header(o, name, true, fd, ret_reader, ret_length, reason);
        if (r == -EBADMSG) {
                (void)snprintf(reason, CORE_REASON_SIZE, "the manifest cannot be read: %.80s",
                               error);
                return 1;
        }
        return r;
}

static int identify(struct saves_manifest *m, uint64_t length)
{
        const struct snapshot_header *h = m->header;
        uint8_t digest[SHA256_LEN];
        uint64_t n;
        int r;

        m->ref = (struct save_ref){
                .generation = h->save.generation,
                .seq = h->save.seq,
                .length = length,
                .data_length = length_brought(h),
                .at = {(int64_t)h->at_ms * US_PER_MS},
        };
        if (lseek(m->fd, 0, SEEK_SET) < 0)
                return -errno;
        r = sha256_fd(m->fd, digest, &n);
        if (r == 0)
                hex_encode(digest, sizeof(digest), m->ref.sha256);
        return r;
}

int saves_manifest_read(const struct objects *o, const char *workspace, uint64_t generation,
                        uint64_t seq, bool whole, struct saves_manifest *ret,
                        char reason[static CORE_REASON_SIZE])
{
        struct saves_object object = {.generation = generation, .seq = seq, .kind = SAVES_MANIFEST};
        struct saves_manifest m = {.fd = memfd_create("manifest", MFD_CLOEXEC)};
        char name[BLOB_OBJECT_SIZE];
        uint64_t length = 0;
        int r = m.fd < 0 ? -errno : 0;

        saves_object_name(workspace, &object, name);
        if (r == 0)
                r = open_header(o, name, whole, m.fd, &m.reader, &length, reason);
        if (r == 0) {
                m.header = snapshot_reader_header(m.reader);
                if (strcmp(m.header->workspace, workspace) != 0 ||
                    m.header->save.generation != generation || m.header->save.seq != seq)
                        r = saves_no(reason, "the manifest names another save");
        }
        if (r == 0)
                r = identify(&m, length);
        if (r != 0) {
                saves_manifest_deinit(&m);
                return r;
        }
        if (!whole)
                m.ref.sha256[0] = 0;
        *ret = m;
        return 0;
}

void saves_manifest_deinit(struct saves_manifest *m)
{
        m->reader = snapshot_reader_free(m->reader);
        m->fd = fd_close(m->fd);
        m->header = NULL;
}
