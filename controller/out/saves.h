/*
 * What the controller does with the saves in a storage: check one, look for a finished one, list
 * and pin them, remove old ones. Blocking, without any other state; the storage edge does it in its
 * worker threads. One workspace is never worked upon by two calls at the same time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "core/types.h"
#include "out/objects_backend.h"
#include "out/saves_retention.h"

#define SAVES_OBJECTS_MAX 1000000 /* of one workspace; more is a fault of someone else */

struct storage_save {
        struct save_ref save; /* data_length: the parts that this save brought; in a list without
                                 its hash */
        uint64_t entries;
        uint64_t bytes;                         /* of all content that a restore brings */
        uint64_t parent_generation, parent_seq; /* 0: builds upon none */
        bool pinned;
        bool old; /* of format 1: only when it was made is known, and it cannot be restored */
};

/*
 * Is this save there as it is said to be? Manifest: length and hash as in `save`, of this
 * workspace, generation and seq. Every part that this save brought: length and hash as in the
 * manifest. Every part of older saves that it refers to: there, with its length. 0 yes; 1 no,
 * `reason` says why; -errno it could not be found out. An empty hash in `save` takes any manifest.
 * `ret_found` may be NULL.
 */
NODISCARD int saves_inspect(const struct objects *o, const char *workspace,
                            const struct save_ref *save, char reason[static CORE_REASON_SIZE],
                            struct storage_save *ret_found);
/*
 * The newest save of that generation with a seq above `after_seq` that verifies; unfinished ones
 * are passed over. 0 (ret_found->seq 0: there is none) or -errno; -ENXIO: the workspace has saves,
 * and there is nothing of it here (a disk that is not mounted). `ret_refused`: there is none, but a
 * manifest of one that does not verify, and why; else "".
 */
NODISCARD int saves_salvage(const struct objects *o, const char *workspace, uint64_t generation,
                            uint64_t after_seq, bool has_saves, struct save_ref *ret_found,
                            char ret_refused[static CORE_REASON_SIZE]);
/* Every save whose manifest can be read, newest first; the caller frees *ret. 0 or -errno. */
NODISCARD int saves_list(const struct objects *o, const char *workspace, struct storage_save **ret,
                         uint32_t *ret_n);
/* 0; 1 there is no such save, `reason` says so; -errno. */
NODISCARD int saves_pin(const struct objects *o, const char *workspace, uint64_t generation,
                        uint64_t seq, bool pinned, char reason[static CORE_REASON_SIZE]);

struct saves_sweep {
        struct retention_rule rule;
        uint32_t batch; /* nothing is done before so many saves may go: it costs a look at all */
        const struct save_ref *keep;
        uint32_t n_keep;
        uint64_t before_generation, before_seq;
        utc_t now;
};

#define SAVES_ORPHAN_AGE_S 3600

/*
 * Remove what retention does not keep: manifests first, then parts that no manifest which stays
 * refers to and that are older than SAVES_ORPHAN_AGE_S; what is not older than (before_generation,
 * before_seq) is not touched. When a manifest that stays cannot be read, nothing is removed. 0 or
 * -errno; -EBADMSG: such a manifest.
 */
NODISCARD int saves_discard(const struct objects *o, const char *workspace,
                            const struct saves_sweep *how);
/*
 * Remove every save of a workspace up to that generation; none there is fine. An erasure that is
 * asked for twice may be done when the key has a new workspace, with higher generations. 0 or
 * -errno.
 */
NODISCARD int saves_erase(const struct objects *o, const char *workspace, uint64_t generation);
