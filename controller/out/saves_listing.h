/*
 * The objects of a workspace, and manifests in a storage; for saves.c and saves_sweep.c.
 */
#pragma once

#include "out/saves.h"
#include "snapshot/manifest.h"

enum saves_kind {
        SAVES_MANIFEST,
        SAVES_PIN,
        SAVES_PART,
        SAVES_OLD,      /* manifest.json of a save of format 1, which was made before manifests */
        SAVES_OLD_DATA, /* ... and its data.tar.zst */
};

struct saves_object {
        uint64_t generation, seq;
        enum saves_kind kind;
        uint32_t archive, part;
        uint64_t length;
        utc_t at;
};

/* Sorted: saves newest first, within one the manifest, the pin, the parts. */
struct saves_listing {
        struct saves_object *objects;
        size_t n;
};

/* 0 or -errno; -E2BIG. */
NODISCARD int saves_listing_read(const struct objects *o, const char *workspace,
                                 struct saves_listing *ret);
void saves_listing_deinit(struct saves_listing *l);
/* NULL when it is not there. */
const struct saves_object *saves_listing_find(const struct saves_listing *l,
                                              const struct saves_object *what);
/* The full name. */
void saves_object_name(const char *workspace, const struct saves_object *object,
                       char dst[static BLOB_OBJECT_SIZE]);

struct saves_manifest {
        int fd;
        struct snapshot_reader *reader;
        const struct snapshot_header *header;
        struct save_ref ref; /* length and hash only when read as a whole */
};

/*
 * Read the manifest of a save; of its header alone when not `whole`. 0; 1 no, `reason` says why;
 * -errno. Free with saves_manifest_deinit.
 */
NODISCARD int saves_manifest_read(const struct objects *o, const char *workspace,
                                  uint64_t generation, uint64_t seq, bool whole,
                                  struct saves_manifest *ret, char reason[static CORE_REASON_SIZE]);
void saves_manifest_deinit(struct saves_manifest *m);
int saves_no(char reason[static CORE_REASON_SIZE], const char *text); /* 1 */
