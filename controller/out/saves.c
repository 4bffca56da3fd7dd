#include "out/saves.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "out/objects.h"
#include "wire/save_head.h"

#define NAME_SIZE 48     /* "<generation>-<seq>" */
#define SAVES_MAX 100000 /* of one workspace; more is a fault of someone else */

static int no(char reason[static CORE_REASON_SIZE], const char *text)
{
        str_copy_cut(reason, CORE_REASON_SIZE, text);
        return 1;
}

static uint64_t length_brought(const struct save_head *h)
{
        uint64_t sum = 0;

        for (uint32_t i = 0; i < h->n_archives; i++) {
                if (h->archives[i].generation == h->generation && h->archives[i].seq == h->seq)
                        sum += h->archives[i].length;
        }
        return sum;
}

/* The header of a manifest and what identifies its object. 0; 1 with a reason; -errno. */
static int manifest_read(int root_fd, const struct blob_object_ref *ref, struct save_ref *ret_save,
                         struct save_head *ret_head, char reason[static CORE_REASON_SIZE])
{
        AUTO_CLOSE fd = objects_open(root_fd, ref);
        AUTO_BUF text = BUF_INIT(BLOB_MANIFEST_MAX + 1);
        struct save_head h = {0};
        uint8_t digest[SHA256_LEN];
        int r;

        if (fd == -ENOENT)
                return no(reason, "the manifest is not there");
        if (fd < 0)
                return fd;
        r = fd_read_all(fd, &text);
        if (r == -ENOBUFS)
                return no(reason, "the manifest is too long");
        if (r == 0)
                r = save_head_read(text.data, text.len, &h);
        if (r == -EBADMSG || r > 0)
                return no(reason, r > 0 ? "the manifest has a format that is not known"
                                        : "the manifest cannot be read");
        if (r < 0)
                return r;
        if (strcmp(h.workspace, ref->workspace) != 0 || h.generation != ref->generation ||
            h.seq != ref->seq) {
                save_head_deinit(&h);
                return no(reason, "the manifest names another save");
        }
        sha256_of(text.data, text.len, digest);
        *ret_save = (struct save_ref){
                .generation = h.generation,
                .seq = h.seq,
                .length = text.len,
                .data_length = length_brought(&h),
                .at = {(int64_t)h.at_ms * US_PER_MS},
        };
        hex_encode(digest, sizeof(digest), ret_save->sha256);
        *ret_head = h;
        return 0;
}

static int part_check(int root_fd, const struct blob_object_ref *ref, const struct save_part *part,
                      bool whole, char reason[static CORE_REASON_SIZE])
{
        AUTO_CLOSE fd = objects_open(root_fd, ref);
        uint8_t digest[SHA256_LEN];
        char hex[SHA256_HEX];
        uint64_t length = 0;
        struct stat st;
        int r;

        if (fd == -ENOENT)
                return no(reason, "a part is not there");
        if (fd < 0)
                return fd;
        if (!whole)
                return 0;
        if (fstat(fd, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_size != part->length)
                return no(reason, "a part has another length than the manifest says");
        r = sha256_fd(fd, digest, &length);
        if (r < 0)
                return r;
        hex_encode(digest, sizeof(digest), hex);
        return strcmp(hex, part->sha256) == 0
                       ? 0
                       : no(reason, "a part has another hash than the manifest says");
}

/* What this save brought is read; what older ones brought was, when they were committed. */
static int data_check(int root_fd, const struct save_head *h, char reason[static CORE_REASON_SIZE])
{
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++) {
                const struct save_archive *a = &h->archives[i];
                bool own = a->generation == h->generation && a->seq == h->seq;
                struct blob_object_ref ref = {.generation = a->generation,
                                              .seq = a->seq,
                                              .which = BLOB_OBJECT_PART,
                                              .archive = a->index};

                STR_CUT(ref.workspace, h->workspace);
                for (; r == 0 && ref.part < a->n_parts; ref.part++)
                        r = part_check(root_fd, &ref, &a->parts[ref.part], own, reason);
        }
        return r;
}

static int ref_set(struct blob_object_ref *ref, const char *workspace, uint64_t generation,
                   uint64_t seq)
{
        *ref = (struct blob_object_ref){
                .generation = generation, .seq = seq, .which = BLOB_OBJECT_MANIFEST};
        return blob_workspace_valid(workspace) ? STR_SET(ref->workspace, workspace) : -EINVAL;
}

int saves_inspect(int root_fd, const char *workspace, const struct save_ref *save,
                  char reason[static CORE_REASON_SIZE])
{
        struct save_head m = {0};
        struct blob_object_ref ref;
        struct save_ref there;
        int r = ref_set(&ref, workspace, save->generation, save->seq);

        if (r < 0)
                return no(reason, "not a workspace id");
        r = manifest_read(root_fd, &ref, &there, &m, reason);
        if (r != 0)
                return r;
        if (there.length != save->length || strcmp(there.sha256, save->sha256) != 0)
                r = no(reason, "the manifest is not the one that the agent reported");
        else if (save->data_length != 0 && save->data_length != there.data_length)
                r = no(reason, "the agent reported another data length");
        else
                r = data_check(root_fd, &m, reason);
        save_head_deinit(&m);
        return r;
}

/* ---- the saves of a workspace ---- */

struct listed {
        uint64_t generation, seq;
};

static int compare_newest_first(const void *a, const void *b)
{
        const struct listed *x = a, *y = b;

        if (x->generation != y->generation)
                return x->generation < y->generation ? 1 : -1;
        return x->seq < y->seq ? 1 : x->seq > y->seq ? -1 : 0;
}

static int list_append(struct listed **list, size_t *n, const char *name)
{
        struct listed one, *grown;

        if (blob_save_parse(name, &one.generation, &one.seq) < 0)
                return 0; /* not ours */
        if (*n >= SAVES_MAX)
                return -E2BIG;
        if ((*n & (*n - 1)) == 0) { /* grow at powers of two */
                grown = reallocarray(*list, *n ? 2 * *n : 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                *list = grown;
        }
        (*list)[(*n)++] = one;
        return 0;
}

/* Newest first. The caller frees *ret_list. A workspace without a folder has none. */
static int list_saves(int root_fd, const char *workspace, struct listed **ret_list, size_t *ret_n)
{
        int fd = objects_open_workspace(root_fd, workspace);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct listed *list = NULL;
        struct dirent *d;
        size_t n = 0;
        int r = 0;

        if (!dir && fd >= 0) {
                r = -errno;
                fd_close(fd);
                return r;
        }
        if (fd < 0 && fd != -ENOENT)
                return fd;
        while (dir && r == 0 && (errno = 0, d = readdir(dir)) != NULL)
                r = list_append(&list, &n, d->d_name);
        if (dir && r == 0 && errno)
                r = -errno;
        if (dir)
                (void)closedir(dir);
        if (r < 0) {
                free(list);
                return r;
        }
        if (n > 0)
                qsort(list, n, sizeof(*list), compare_newest_first);
        *ret_list = list;
        *ret_n = n;
        return 0;
}

static int salvage_one(int root_fd, const char *workspace, const struct listed *one,
                       struct save_ref *ret_found)
{
        char reason[CORE_REASON_SIZE];
        struct save_head m = {0};
        struct blob_object_ref ref;
        struct save_ref there;
        int r = ref_set(&ref, workspace, one->generation, one->seq);

        if (r == 0)
                r = manifest_read(root_fd, &ref, &there, &m, reason);
        if (r == 0)
                r = data_check(root_fd, &m, reason);
        save_head_deinit(&m);
        if (r == 0)
                *ret_found = there;
        return r;
}

int saves_salvage(int root_fd, const char *workspace, uint64_t generation, uint64_t after_seq,
                  bool has_saves, struct save_ref *ret_found)
{
        struct save_ref found = {0};
        struct listed *list = NULL;
        size_t n = 0;
        int r = list_saves(root_fd, workspace, &list, &n);

        if (r == 0 && n == 0 && has_saves)
                r = -ENXIO;
        for (size_t i = 0; r == 0 && found.seq == 0 && i < n; i++) {
                if (list[i].generation != generation || list[i].seq <= after_seq)
                        continue;
                r = salvage_one(root_fd, workspace, &list[i], &found);
                r = MIN(r, 0); /* an unfinished or wrong one is passed over */
        }
        free(list);
        if (r == 0)
                *ret_found = found;
        return r;
}

static int remove_file(int dir_fd, const char *name)
{
        return unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_parts(int dir_fd)
{
        DIR *dir = fdopendir(fcntl(dir_fd, F_DUPFD_CLOEXEC, 0));
        struct blob_object_ref ref;
        struct dirent *d;
        int r = dir ? 0 : -errno;

        while (r == 0 && (d = readdir(dir)) != NULL) {
                if (blob_file_parse(d->d_name, &ref) == 0)
                        r = remove_file(dir_fd, d->d_name);
        }
        if (dir)
                (void)closedir(dir);
        return r;
}

static int remove_save(int workspace_fd, const struct listed *one)
{
        char name[NAME_SIZE];
        AUTO_CLOSE dir = -1;
        int r;

        (void)snprintf(name, sizeof(name), "%" PRIu64 "-%" PRIu64, one->generation, one->seq);
        dir = openat(workspace_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
                return errno == ENOENT ? 0 : -errno;
        r = remove_file(dir, "manifest.mtree.zst");
        if (r == 0 && fsync(dir) < 0)
                r = -errno;
        if (r == 0)
                r = remove_parts(dir);
        if (r == 0 && unlinkat(workspace_fd, name, AT_REMOVEDIR) < 0)
                r = -errno;
        return r;
}

static bool save_kept(const struct listed *one, const struct save_ref *keep, uint32_t n_keep)
{
        for (uint32_t i = 0; i < n_keep; i++) {
                if (keep[i].generation == one->generation && keep[i].seq == one->seq)
                        return true;
        }
        return false;
}

int saves_discard(int root_fd, const char *workspace, const struct save_ref *keep, uint32_t n_keep,
                  uint64_t before_generation, uint64_t before_seq)
{
        const struct listed before = {.generation = before_generation, .seq = before_seq};
        AUTO_CLOSE dir = objects_open_workspace(root_fd, workspace);
        struct listed *list = NULL;
        size_t n = 0;
        int r;

        if (dir < 0)
                return dir == -ENOENT ? 0 : dir;
        r = list_saves(root_fd, workspace, &list, &n);
        for (size_t i = 0; i < n; i++) {
                int one;

                if (compare_newest_first(&before, &list[i]) >= 0 ||
                    save_kept(&list[i], keep, n_keep))
                        continue;
                one = remove_save(dir, &list[i]);
                r = one < 0 ? one : r;
        }
        free(list);
        return r;
}

int saves_erase(int root_fd, const char *workspace, uint64_t generation)
{
        AUTO_CLOSE dir = objects_open_workspace(root_fd, workspace);
        struct listed *list = NULL;
        bool newer = false;
        size_t n = 0;
        int r;

        if (dir < 0)
                return dir == -ENOENT ? 0 : dir;
        r = list_saves(root_fd, workspace, &list, &n);
        for (size_t i = 0; r == 0 && i < n; i++) {
                if (list[i].generation > generation)
                        newer = true;
                else
                        r = remove_save(dir, &list[i]);
        }
        free(list);
        if (r == 0 && !newer && unlinkat(root_fd, workspace, AT_REMOVEDIR) < 0)
                r = -errno;
        if (r == 0 && fsync(root_fd) < 0)
                r = -errno;
        return r;
}
