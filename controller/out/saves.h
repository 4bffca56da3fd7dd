/*
 * What the controller does with the saves in the storage folder: check one, look for a finished
 * one, remove old ones. Blocking file work without any other state; the storage edge does it in its
 * worker thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "core/types.h"

/*
 * Is this save there as it is said to be? Manifest: length and hash as in `save`, of this
 * workspace, generation and seq. Data: length and hash as in the manifest. 0 yes; 1 no, `reason`
 * says why; -errno it could not be found out.
 */
NODISCARD int saves_inspect(int root_fd, const char *workspace, const struct save_ref *save,
                            char reason[static CORE_REASON_SIZE]);
/*
 * The newest save of that generation with a seq above `after_seq` that verifies; unfinished ones
 * are passed over. 0 (ret_found->seq 0: there is none) or -errno; -ENXIO: the workspace has saves,
 * and there is nothing of it here (a disk that is not mounted).
 */
NODISCARD int saves_salvage(int root_fd, const char *workspace, uint64_t generation,
                            uint64_t after_seq, bool has_saves, struct save_ref *ret_found);
/*
 * Remove every save older than (before_generation, before_seq) but for those in `keep`. What was
 * removed partly is no save any more (the manifest goes first). 0 or the last -errno.
 */
NODISCARD int saves_discard(int root_fd, const char *workspace, const struct save_ref *keep,
                            uint32_t n_keep, uint64_t before_generation, uint64_t before_seq);
/*
 * Remove every save of a workspace up to that generation; none there is fine. An erasure that is
 * asked for twice may be done when the key has a new workspace, with higher generations. 0 or
 * -errno.
 */
NODISCARD int saves_erase(int root_fd, const char *workspace, uint64_t generation);
