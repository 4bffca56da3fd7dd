/*
 * Removing saves. What must hold whatever happens in between: a manifest that is there refers to
 * parts that are there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "out/saves_listing.h"

/* Names that are to go, removed a few hundred at a time. */
struct doomed {
        const struct objects *o;
        size_t n;
        char names[256][BLOB_OBJECT_SIZE];
};

static int doomed_flush(struct doomed *d)
{
        const char *names[ARRAY_LEN(d->names)];
        size_t n = d->n;

        for (size_t i = 0; i < n; i++)
                names[i] = d->names[i];
        d->n = 0;
        return n > 0 ? d->o->ops->remove(d->o->impl, names, n) : 0;
}

static int doomed_add(struct doomed *d, const char *workspace, const struct saves_object *object)
{
        saves_object_name(workspace, object, d->names[d->n++]);
        return d->n == ARRAY_LEN(d->names) ? doomed_flush(d) : 0;
}

/* ---- which saves stay ---- */

struct plan {
        const struct saves_sweep *how;
        const char *workspace;
        struct saves_listing listing;
        struct retention_save *saves; /* newest first */
        size_t n_saves, n_going;
        struct saves_object *used; /* archives that manifests which stay refer to, sorted; part 0 */
        size_t n_used;
        struct doomed doomed;
};

static bool named(const struct saves_sweep *how, const struct saves_object *o)
{
        for (uint32_t i = 0; i < how->n_keep; i++) {
                if (how->keep[i].generation == o->generation && how->keep[i].seq == o->seq)
                        return true;
        }
        return false;
}

static int plan_saves(struct plan *p)
{
        const struct saves_listing *l = &p->listing;

        p->saves = calloc(l->n + 1, sizeof(*p->saves));
        if (!p->saves)
                return -ENOMEM;
        for (size_t i = 0; i < l->n; i++) {
                const struct saves_object *o = &l->objects[i];
                bool pinned = i + 1 < l->n && o[1].kind == SAVES_PIN &&
                              o[1].generation == o->generation && o[1].seq == o->seq;

                if (o->kind == SAVES_MANIFEST)
                        p->saves[p->n_saves++] =
                                (struct retention_save){.generation = o->generation,
                                                        .seq = o->seq,
                                                        .at = o->at,
                                                        .pinned = pinned || named(p->how, o)};
        }
        retention_apply(&p->how->rule, p->how->before_generation, p->how->before_seq, p->how->now,
                        p->saves, p->n_saves);
        for (size_t i = 0; i < p->n_saves; i++)
                p->n_going += !p->saves[i].keep;
        return 0;
}

/* ---- what they refer to ---- */

static int compare_archives(const void *a, const void *b)
{
        const struct saves_object *x = a, *y = b;

        if (x->generation != y->generation)
                return x->generation < y->generation ? -1 : 1;
        if (x->seq != y->seq)
                return x->seq < y->seq ? -1 : 1;
        return x->archive < y->archive ? -1 : x->archive > y->archive;
}

static int use_archives(struct plan *p, const struct snapshot_header *h)
{
        struct saves_object *grown;

        if (h->n_archives == 0)
                return 0;
        grown = reallocarray(p->used, p->n_used + h->n_archives, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        p->used = grown;
        for (uint32_t i = 0; i < h->n_archives; i++)
                p->used[p->n_used++] =
                        (struct saves_object){.generation = h->archives[i].save.generation,
                                              .seq = h->archives[i].save.seq,
                                              .archive = h->archives[i].number};
        return 0;
}

static int pass_over(struct plan *p, const struct retention_save *s, const char *reason)
{
        struct snapshot_archive own[BLOB_ARCHIVES_MAX] = {0};
        const struct snapshot_header h = {.n_archives = BLOB_ARCHIVES_MAX, .archives = own};

        for (uint32_t i = 0; i < BLOB_ARCHIVES_MAX; i++) {
                own[i].save = (struct snapshot_save){s->generation, s->seq};
                own[i].number = i;
        }
        log_warn("a manifest that cannot be read is passed over",
                 LOG_STR("workspace", p->workspace), LOG_INT("generation", s->generation),
                 LOG_INT("seq", s->seq), LOG_STR("reason", reason));
        return use_archives(p, &h);
}

static int plan_archives(struct plan *p, const struct objects *o)
{
        char reason[CORE_REASON_SIZE];
        int r = 0;

        for (size_t i = 0; r == 0 && i < p->n_saves; i++) {
                const struct retention_save *s = &p->saves[i];
                struct saves_manifest m;

                if (!s->keep)
                        continue;
                r = saves_manifest_read(o, p->workspace, s->generation, s->seq, false, &m, reason);
                /* Nobody can restore it; its own parts stay with it. */
                if (r > 0 && !s->pinned) {
                        r = pass_over(p, s, reason);
                        continue;
                }
                if (r > 0) {
                        log_error("nothing is swept: a manifest that stays cannot be read",
                                  LOG_STR("workspace", p->workspace),
                                  LOG_INT("generation", s->generation), LOG_INT("seq", s->seq),
                                  LOG_STR("reason", reason));
                        return -EBADMSG;
                }
                if (r == 0) {
                        r = use_archives(p, m.header);
                        saves_manifest_deinit(&m);
                }
        }
        if (r == 0 && p->n_used > 0)
                qsort(p->used, p->n_used, sizeof(*p->used), compare_archives);
        return r;
}

static bool in_use(const struct plan *p, const struct saves_object *part)
{
#ifdef SAVES_PLANTED_NO_REFERENCES /* the defect that the sweep's test must catch */
        return false;
#endif
        return p->n_used > 0 &&
               bsearch(part, p->used, p->n_used, sizeof(*p->used), compare_archives);
}

/* ---- removing ---- */

static bool save_stays(const struct plan *p, const struct saves_object *o)
{
        for (size_t i = 0; i < p->n_saves; i++) {
                if (p->saves[i].generation == o->generation && p->saves[i].seq == o->seq)
                        return p->saves[i].keep;
        }
        return false;
}

static bool newer(const struct plan *p, const struct saves_object *o)
{
        if (o->generation != p->how->before_generation)
                return o->generation > p->how->before_generation;
        return o->seq >= p->how->before_seq;
}

static int remove_manifests(struct plan *p)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < p->listing.n; i++) {
                const struct saves_object *o = &p->listing.objects[i];

                if (o->kind == SAVES_MANIFEST && !save_stays(p, o))
                        r = doomed_add(&p->doomed, p->workspace, o);
        }
        return r == 0 ? doomed_flush(&p->doomed) : r;
}

/* Also of saves that never got a manifest; young ones may belong to one that is being made. */
static int remove_parts(struct plan *p)
{
        int64_t young_us = p->how->now.us - SAVES_ORPHAN_AGE_S * US_PER_S;
        int r = 0;

        for (size_t i = 0; r == 0 && i < p->listing.n; i++) {
                const struct saves_object *o = &p->listing.objects[i];

                if (o->kind == SAVES_MANIFEST || o->kind >= SAVES_OLD || newer(p, o) ||
                    o->at.us > young_us)
                        continue;
                if (o->kind == SAVES_PIN ? save_stays(p, o) : in_use(p, o))
                        continue;
                r = doomed_add(&p->doomed, p->workspace, o);
        }
        return r == 0 ? doomed_flush(&p->doomed) : r;
}

int saves_discard(const struct objects *o, const char *workspace, const struct saves_sweep *how)
{
        struct plan *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->how = how;
        p->workspace = workspace;
        p->doomed.o = o;
        r = saves_listing_read(o, workspace, &p->listing);
        if (r == 0)
                r = plan_saves(p);
        if (r == 0 && p->n_going >= how->batch) {
                r = plan_archives(p, o);
                if (r == 0)
                        r = remove_manifests(p);
                if (r == 0)
                        r = remove_parts(p);
        }
        saves_listing_deinit(&p->listing);
        free(p->saves);
        free(p->used);
        free(p);
        return r;
}

/* Manifests first: what is removed in part is no save any more. */
int saves_erase(const struct objects *o, const char *workspace, uint64_t generation)
{
        struct doomed *d = calloc(1, sizeof(*d));
        struct saves_listing l = {0};
        int r = d ? saves_listing_read(o, workspace, &l) : -ENOMEM;

        if (d)
                d->o = o;
        for (int manifests = 1; r == 0 && manifests >= 0; manifests--) {
                for (size_t i = 0; r == 0 && i < l.n; i++) {
                        const struct saves_object *one = &l.objects[i];

                        if (one->generation <= generation &&
                            (one->kind == SAVES_MANIFEST) == manifests)
                                r = doomed_add(d, workspace, one);
                }
                if (r == 0)
                        r = doomed_flush(d);
        }
        saves_listing_deinit(&l);
        free(d);
        return r;
}
