/*
 * The storage folder on a local disk: objects are files
 * <root>/<workspace>/<generation>-<seq>/<file>. Written once, never replaced; an object is there
 * with its whole content or not at all, also after a crash. Used by the storage server (its own
 * process) and by the storage edge; several threads and both processes may work in one folder at
 * the same time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "wire/blob.h"

#define OBJECTS_TMP ".tmp" /* unfinished uploads; no workspace can have this name */

#define OBJECTS_OLD_MANIFEST "manifest.json" /* of a save of format 1 */

/* The same for a restore (storage_http.c) and for people who list or ask. */
#define SAVES_OLD_WORDS                                                                            \
        "a save of format 1, made before manifests: it is not restored any more; by hand: "        \
        "zstd -dc data.tar.zst | tar x, in its folder"

/* Is there a save of format 1 in the place of this one? */
bool objects_old_save(int root_fd, const struct blob_object_ref *ref);

/* Make the folders (mode 0700) if needed and open the root: a descriptor, or -errno. */
int objects_root_open(const char *root);
/* Remove what a killed server left unfinished. 0 or -errno. */
NODISCARD int objects_tmp_clear(int root_fd);

/* Open for reading: a descriptor; -ENOENT; -errno. Never follows a symbolic link. */
int objects_open(int root_fd, const struct blob_object_ref *ref);
/* The folder of one workspace, or of one of its saves: as objects_open. */
int objects_open_workspace(int root_fd, const char *workspace);

struct objects_upload {
        int fd; /* write the content here */
        char tmp[BLOB_OBJECT_SIZE + 8];
};

/*
 * Room for `length` bytes is taken at once where the file system can: once for an object, whoever
 * uploads it. 0; -EBUSY: an upload of it is under way; -ENOSPC, -errno.
 */
NODISCARD int objects_begin(int root_fd, const struct blob_object_ref *ref, uint64_t length,
                            struct objects_upload *ret_upload);
/* Make what was written durable under its name. 0; -EEXIST: the name is taken; -ENOSPC; -errno. */
NODISCARD int objects_commit(int root_fd, struct objects_upload *u,
                             const struct blob_object_ref *ref);
/* Ends an upload, committed or not. */
void objects_end(int root_fd, struct objects_upload *u);
