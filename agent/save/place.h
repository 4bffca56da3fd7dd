/*
 * Writes into a folder and nowhere else, by paths that come in the order of the walk: every folder
 * on the way is opened by itself and never through a symbolic link. Folders that are missing are
 * made with mode 0700; their own modes and times are set when all is in them. Single-threaded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "snapshot/manifest.h"

#define PLACE_DEPTH_MAX 600

struct place {
        int root_fd;    /* the caller's */
        unsigned depth; /* folders that are open */
        struct {
                int fd;
                size_t len; /* of its path */
                bool set;   /* mode and time are to be set when it is left */
                uint32_t mode;
                int64_t mtime_s;
                uint32_t mtime_ns;
        } open[PLACE_DEPTH_MAX];
        char path[SNAPSHOT_PATH_MAX]; /* of the last folder that is open */
};

void place_init(struct place *p, int root_fd);
void place_deinit(struct place *p);

/*
 * The open folder in which `path` stands, and its last name. Missing folders are made when `make`.
 * -errno: -ENOENT without `make`, -ELOOP or -ENOTDIR when a link or a file is in the way, -EMFILE
 * when too deep.
 */
NODISCARD int place_folder(struct place *p, const char *path, bool make, const char **ret_name);
/* A new file, for writing. -errno. */
NODISCARD int place_file(struct place *p, const char *path);
/* A folder; one that is there is fine. 0 or -errno. */
NODISCARD int place_dir(struct place *p, const char *path);
NODISCARD int place_symlink(struct place *p, const struct snapshot_entry *e);
/* Another name for the file `e->hardlink`, which must be in the folder. -ENOENT: it is not. */
NODISCARD int place_link(struct place *p, const struct snapshot_entry *e);
/* Mode (without set-id) and time of a file that is open. 0 or -errno. */
NODISCARD int place_finish(int fd, const struct snapshot_entry *e);
/*
 * Give a folder that is there its mode and time, as soon as the paths that come lead out of it.
 * place_close gives the last ones theirs. 0 (also when it is not there) or -errno.
 */
NODISCARD int place_dir_later(struct place *p, const struct snapshot_entry *e);
NODISCARD int place_close(struct place *p);
