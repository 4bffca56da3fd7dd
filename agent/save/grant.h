/*
 * Asks where objects may be put or got (STORAGE.md, "Grants"). Blocking; one attempt at each of the
 * addresses that were given, the one that answered last comes first. Who calls repeats, with
 * patience, what the network refused.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "save/transfer.h"
#include "wire/blob.h"

/*
 * `grants` as they stand in a save or restore request; 1 to BLOB_GRANT_OBJECTS_MAX objects: for put
 * with the file name within the save, length and hash; for get with the name within the workspace
 * ("3-2/0-00000.tar.zst"). The answer has as many, in the same order; free it with
 * blob_grant_answer_deinit.
 *
 * 0; TRANSFER_NETWORK: no address answered as it should; TRANSFER_REFUSED: the grant has expired or
 * is not for this; TRANSFER_TOO_BIG: over the quota; TRANSFER_DISK_FULL; -EINVAL, -ENOMEM. Then
 * t->error is a sentence, in the server's words where it gave some.
 */
NODISCARD int grant_put(struct transfer *t, const struct blob_grants *grants,
                        const struct blob_grant_object *objects, uint32_t n,
                        struct blob_grant_answer *ret_answer);
NODISCARD int grant_get(struct transfer *t, const struct blob_grants *grants,
                        const struct blob_grant_object *objects, uint32_t n,
                        struct blob_grant_answer *ret_answer);
