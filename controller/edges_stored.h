/* The storage edge as the faces see it: its saves, in their words. Loop thread only. */
#pragma once

#include "base/macro.h"

struct storage;
struct stored;

/* `storage` is kept by pointer. 0 or -ENOMEM. */
NODISCARD int edges_stored_new(struct storage *storage, struct stored **ret_stored);
