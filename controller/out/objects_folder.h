/* The storage folder (objects.h) as a backend. */
#pragma once

#include "out/objects_backend.h"

/* `root_fd` stays the caller's and must live as long. 0, -ENOMEM. */
NODISCARD int objects_folder_new(int root_fd, struct objects *ret);
void objects_folder_free(struct objects *o);
