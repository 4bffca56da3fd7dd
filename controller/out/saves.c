#include "out/saves.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "out/saves_listing.h"

/* ---- verify ---- */

/* A part that this save brought: by who stores it. 0; 1 with a reason; -errno. */
static int check_own(const struct objects *o, const char *workspace,
                     const struct saves_object *object, const struct snapshot_part *part,
                     char reason[static CORE_REASON_SIZE])
{
        char name[BLOB_OBJECT_SIZE], hex[SHA256_HEX];
        struct objects_stat st;
        int r;

        saves_object_name(workspace, object, name);
        r = o->ops->stat(o->impl, name, &st);
        if (r == -ENOENT)
                return saves_no(reason, "a part is not there");
        if (r < 0)
                return r;
        if (st.length != part->length)
                return saves_no(reason, "a part has another length than the manifest says");
        hex_encode(part->sha256, sizeof(part->sha256), hex);
        if (strcmp(st.sha256, hex) != 0)
                return saves_no(reason, "a part has another hash than the manifest says");
        return 0;
}

/* One of an older save, which was read when that was verified. */
static int check_older(const struct saves_listing *l, const struct saves_object *object,
                       const struct snapshot_part *part, char reason[static CORE_REASON_SIZE])
{
        const struct saves_object *there = saves_listing_find(l, object);

        if (!there)
                return saves_no(reason, "a part of an earlier save is not there");
        if (there->length != part->length)
                return saves_no(reason, "a part of an earlier save has another length");
        return 0;
}

static int check_archive(const struct objects *o, const char *workspace,
                         const struct saves_manifest *m, const struct saves_listing *l,
                         const struct snapshot_archive *a, char reason[static CORE_REASON_SIZE])
{
        bool own = a->save.generation == m->ref.generation && a->save.seq == m->ref.seq;
        struct saves_object object = {.generation = a->save.generation,
                                      .seq = a->save.seq,
                                      .kind = SAVES_PART,
                                      .archive = a->number};
        int r = 0;

        for (; r == 0 && object.part < a->n_parts; object.part++) {
                const struct snapshot_part *part = &a->parts[object.part];

                r = own ? check_own(o, workspace, &object, part, reason)
                        : check_older(l, &object, part, reason);
        }
        return r;
}

static int check_parts(const struct objects *o, const char *workspace,
                       const struct saves_manifest *m, const struct saves_listing *l,
                       char reason[static CORE_REASON_SIZE])
{
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < m->header->n_archives; i++)
                r = check_archive(o, workspace, m, l, &m->header->archives[i], reason);
        return r;
}

static bool pinned(const struct saves_listing *l, uint64_t generation, uint64_t seq)
{
        struct saves_object pin = {.generation = generation, .seq = seq, .kind = SAVES_PIN};

        return saves_listing_find(l, &pin) != NULL;
}

static struct storage_save describe(const struct saves_manifest *m, const struct saves_listing *l)
{
        return (struct storage_save){
                .save = m->ref,
                .entries = m->header->entries,
                .bytes = m->header->bytes,
                .parent_generation = m->header->parent.generation,
                .parent_seq = m->header->parent.seq,
                .pinned = pinned(l, m->ref.generation, m->ref.seq),
        };
}

/* That every entry can be read: what the agent wrote is what a restore will need. */
static int check_entries(struct saves_manifest *m, char reason[static CORE_REASON_SIZE])
{
        struct snapshot_entry e;
        int r;

        do
                r = snapshot_reader_next(m->reader, &e);
        while (r > 0);
        if (r != -EBADMSG)
                return r;
        (void)snprintf(reason, CORE_REASON_SIZE, "the manifest's entries: %.80s",
                       snapshot_reader_error(m->reader));
        return 1;
}

static int inspect(const struct objects *o, const char *workspace, const struct save_ref *save,
                   const struct saves_listing *l, char reason[static CORE_REASON_SIZE],
                   struct storage_save *ret_found)
{
        struct saves_manifest m;
        int r = saves_manifest_read(o, workspace, save->generation, save->seq, true, &m, reason);

        if (r != 0)
                return r;
        if (save->sha256[0] &&
            (m.ref.length != save->length || strcmp(m.ref.sha256, save->sha256) != 0))
                r = saves_no(reason, "the manifest is not the one that the agent reported");
        else if (save->data_length != 0 && save->data_length != m.ref.data_length)
                r = saves_no(reason, "the agent reported another data length");
        if (r == 0)
                r = check_entries(&m, reason);
        if (r == 0)
                r = check_parts(o, workspace, &m, l, reason);
        if (r == 0 && ret_found)
                *ret_found = describe(&m, l);
        saves_manifest_deinit(&m);
        return r;
}

int saves_inspect(const struct objects *o, const char *workspace, const struct save_ref *save,
                  char reason[static CORE_REASON_SIZE], struct storage_save *ret_found)
{
        struct saves_listing l = {0};
        int r;

        if (!blob_workspace_valid(workspace))
                return saves_no(reason, "not a workspace id");
        r = saves_listing_read(o, workspace, &l);
        if (r == 0)
                r = inspect(o, workspace, save, &l, reason, ret_found);
        saves_listing_deinit(&l);
        return r;
}

/* ---- salvage ---- */

int saves_salvage(const struct objects *o, const char *workspace, uint64_t generation,
                  uint64_t after_seq, bool has_saves, struct save_ref *ret_found,
                  char ret_refused[static CORE_REASON_SIZE])
{
        struct storage_save found = {0};
        struct saves_listing l = {0};
        int r = saves_listing_read(o, workspace, &l);

        if (r == 0 && l.n == 0 && has_saves)
                r = -ENXIO;
        ret_refused[0] = 0;
        for (size_t i = 0; r == 0 && found.save.seq == 0 && i < l.n; i++) {
                const struct saves_object *one = &l.objects[i];
                struct save_ref save = {.generation = one->generation, .seq = one->seq};

                if (one->kind != SAVES_MANIFEST || one->generation != generation ||
                    one->seq <= after_seq)
                        continue;
                r = inspect(o, workspace, &save, &l, ret_refused, &found);
                r = MIN(r, 0); /* a wrong one is passed over */
        }
        saves_listing_deinit(&l);
        if (r < 0 || found.save.seq != 0)
                ret_refused[0] = 0;
        if (r == 0)
                *ret_found = found.save;
        return r;
}

/* ---- list, pin ---- */

static int list_one(const struct objects *o, const char *workspace, const struct saves_listing *l,
                    const struct saves_object *object, struct storage_save *saves, uint32_t *n)
{
        char reason[CORE_REASON_SIZE];
        struct saves_manifest m;
        int r = saves_manifest_read(o, workspace, object->generation, object->seq, false, &m,
                                    reason);

        if (r != 0)
                return MIN(r, 0);
        saves[*n] = describe(&m, l);
        saves[(*n)++].save.length = object->length;
        saves_manifest_deinit(&m);
        return 0;
}

static struct storage_save old_save(const struct saves_listing *l, const struct saves_object *old)
{
        struct saves_object what = *old;
        const struct saves_object *data;

        what.kind = SAVES_OLD_DATA;
        data = saves_listing_find(l, &what);
        return (struct storage_save){.save = {.generation = old->generation,
                                              .seq = old->seq,
                                              .length = old->length,
                                              .data_length = data ? data->length : 0,
                                              .at = old->at},
                                     .pinned = true, /* no sweep takes it */
                                     .old = true};
}

int saves_list(const struct objects *o, const char *workspace, struct storage_save **ret,
               uint32_t *ret_n)
{
        struct storage_save *saves = NULL;
        struct saves_listing l = {0};
        uint32_t n = 0, room = 0;
        int r = saves_listing_read(o, workspace, &l);

        for (size_t i = 0; i < l.n; i++)
                room += l.objects[i].kind == SAVES_MANIFEST || l.objects[i].kind == SAVES_OLD;
        if (r == 0 && room > 0) {
                saves = calloc(room, sizeof(*saves));
                r = saves ? 0 : -ENOMEM;
        }
        for (size_t i = 0; r == 0 && i < l.n; i++) {
                const struct saves_object *one = &l.objects[i];

                if (one->kind == SAVES_MANIFEST)
                        r = list_one(o, workspace, &l, one, saves, &n);
                else if (one->kind == SAVES_OLD)
                        saves[n++] = old_save(&l, one);
        }
        saves_listing_deinit(&l);
        if (r < 0) {
                free(saves);
                return r;
        }
        *ret = saves;
        *ret_n = n;
        return 0;
}

int saves_pin(const struct objects *o, const char *workspace, uint64_t generation, uint64_t seq,
              bool pin, char reason[static CORE_REASON_SIZE])
{
        struct saves_object object = {.generation = generation, .seq = seq, .kind = SAVES_MANIFEST};
        static const char text[] = "kept by an operator\n";
        struct saves_listing l = {0};
        char name[BLOB_OBJECT_SIZE];
        const char *names[] = {name};
        int r = saves_listing_read(o, workspace, &l);

        if (r == 0 && !saves_listing_find(&l, &object))
                r = saves_no(reason, "there is no such save");
        saves_listing_deinit(&l);
        if (r != 0)
                return r;
        object.kind = SAVES_PIN;
        saves_object_name(workspace, &object, name);
        return pin ? o->ops->put(o->impl, name, text, sizeof(text) - 1)
                   : o->ops->remove(o->impl, names, 1);
}
