#include "save/index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "wire/blob.h"

#define PATH_SIZE INDEX_TEMP_SIZE
#define TEMP_PREFIX ".index-"
#define NOTE_MAX 160
#define ARRIVED_MAX (SNAPSHOT_ARCHIVES_MAX * SNAPSHOT_ID_SIZE)

static void index_path(const struct job *j, struct snapshot_save save, char dst[static PATH_SIZE])
{
        (void)snprintf(dst, PATH_SIZE, "%s/%" PRIu64 "-%" PRIu64 ".index", j->scratch,
                       save.generation, save.seq);
}

int index_open(const struct job *j, struct snapshot_save save)
{
        char path[PATH_SIZE];
        int fd;

        index_path(j, save, path);
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int index_temp(const struct job *j, char ret_path[static INDEX_TEMP_SIZE])
{
        int fd;

        (void)snprintf(ret_path, INDEX_TEMP_SIZE, "%s/" TEMP_PREFIX "XXXXXX", j->scratch);
        fd = mkostemp(ret_path, O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int index_put(const struct job *j, const char *path, struct snapshot_save save)
{
        char final[PATH_SIZE];

        index_path(j, save, final);
        return rename(path, final) < 0 ? -errno : 0;
}

void index_drop(const struct job *j, struct snapshot_save save)
{
        char path[PATH_SIZE];

        index_path(j, save, path);
        (void)unlink(path);
}

static bool left_over(const char *name)
{
        return str_starts(name, TEMP_PREFIX) || str_starts(name, ".sqlite-");
}

void index_sweep(const struct job *j, struct snapshot_save committed)
{
        DIR *dir = opendir(j->scratch);
        struct dirent *d;

        while (dir && (d = readdir(dir)) != NULL) {
                uint64_t generation, seq;
                char name[48];
                char *dot;

                if (left_over(d->d_name))
                        (void)unlinkat(dirfd(dir), d->d_name, 0);
                if (committed.seq == 0 || STR_SET(name, d->d_name) < 0 ||
                    !(dot = strchr(name, '.')))
                        continue;
                *dot = 0;
                if (blob_save_parse(name, &generation, &seq) < 0)
                        continue;
                if (generation != committed.generation || seq < committed.seq)
                        (void)unlinkat(dirfd(dir), d->d_name, 0);
        }
        if (dir)
                (void)closedir(dir);
}

static void note_path(const struct job *j, const char *name, char dst[static PATH_SIZE])
{
        (void)snprintf(dst, PATH_SIZE, "%s/%s", j->scratch, name);
}

int index_note_restored(const struct job *j, enum index_restored state,
                        const struct blob_restore_save *save)
{
        char path[PATH_SIZE], temp[INDEX_TEMP_SIZE], text[NOTE_MAX] = "begun";
        AUTO_CLOSE fd = index_temp(j, temp);
        int n = 5, r;

        if (fd < 0)
                return fd;
        note_path(j, "restored", path);
        if (state == INDEX_REST || state == INDEX_WHOLE)
                n = snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64 " %s %" PRIu64 " %s",
                             save->generation, save->seq, state == INDEX_REST ? "rest" : "whole",
                             save->length, save->sha256);
        r = fd_write_all(fd, text, (size_t)n);
        return r == 0 && rename(temp, path) < 0 ? -errno : r;
}

enum index_restored index_restored(const struct job *j, struct blob_restore_save *ret_save)
{
        AUTO_BUF text = BUF_INIT(NOTE_MAX);
        struct blob_restore_save save;
        char path[PATH_SIZE];
        char *word[4] = {NULL};
        char *rest;
        int r;

        note_path(j, "restored", path);
        r = file_read(path, &text);
        if (r == -ENOENT)
                return INDEX_NONE;
        rest = r == 0 ? (char *)text.data : NULL;
        for (size_t i = 0; i < ARRAY_LEN(word); i++)
                word[i] = strsep(&rest, " ");
        if (!word[3] || blob_save_parse(word[0], &save.generation, &save.seq) < 0 ||
            num_parse_u64(word[2], 1, INT64_MAX, &save.length) < 0 ||
            STR_SET(save.sha256, word[3]) < 0)
                return INDEX_BEGUN;
        *ret_save = save;
        return strcmp(word[1], "whole") == 0 ? INDEX_WHOLE : INDEX_REST;
}

int index_note_arrived(const struct job *j, const char *id)
{
        AUTO_CLOSE fd = -1;
        char path[PATH_SIZE], line[SNAPSHOT_ID_SIZE + 1];
        int n = snprintf(line, sizeof(line), "%s\n", id);

        note_path(j, "arrived", path);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        return fd_write_all(fd, line, (size_t)n);
}

void index_forget_arrived(const struct job *j)
{
        char path[PATH_SIZE];

        note_path(j, "arrived", path);
        (void)unlink(path);
}

int index_arrived(const struct job *j, struct buf *ret)
{
        char path[PATH_SIZE];
        int r;

        ret->max = ARRIVED_MAX;
        note_path(j, "arrived", path);
        r = file_read(path, ret);
        return r == -ENOENT ? buf_terminate(ret) : r;
}

bool index_has_arrived(const struct buf *arrived, const char *id)
{
        size_t n = strlen(id);

        for (const char *line = (const char *)arrived->data; line && *line;) {
                if (strncmp(line, id, n) == 0 && line[n] == '\n')
                        return true;
                line = strchr(line, '\n');
                line = line ? line + 1 : NULL;
        }
        return false;
}
