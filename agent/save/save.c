/*
 * The save role: one save of the student's home, from request to result.
 *
 *   parent: the committed save of this life; before there is one, the save that was restored
 *   walk the home beside the parent's index; archives of what is new go up while the walk goes on
 *   nothing new against the committed save? unchanged
 *   PUT the manifest, last: only that makes it a save that anyone can find
 *   keep the new index: it is the next parent when the controller has committed this save
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "profile/profile.h"
#include "roles.h"
#include "save/increment.h"
#include "save/index.h"
#include "save/job.h"
#include "save/parts.h"
#include "wire/blob.h"

struct save {
        struct job job;
        struct blob_save_request request;
        struct blob_save_result result;
        struct profile *profile;
        struct parts *parts;
        struct increment *increment;
        struct increment_parts with;
        struct buf arrived;
        struct snapshot_save parent; /* 0, 0: none */
        int manifest_fd, index_fd;   /* the entries */
};

/* ---- results ---- */

static int refuse(struct save *s, const char *code, const char *message, bool retry)
{
        s->result.ok = false;
        s->result.retry = retry;
        STR_CUT(s->result.code, code);
        STR_CUT(s->result.message, message);
        return 1;
}

static int refuse_errno(struct save *s, const char *what, int r)
{
        char message[BLOB_MESSAGE_SIZE];

        if (r == -ENOSPC || r == -EDQUOT)
                return refuse(s, BLOB_CODE_DISK_FULL, "the disk of the task is full", true);
        (void)snprintf(message, sizeof(message), "%s: %s", what, strerror(-r));
        return refuse(s, r == -EIO ? BLOB_CODE_READ_ERROR : BLOB_CODE_INTERNAL, message, true);
}

static int refuse_transfer(struct save *s, int r, const char *message)
{
        if (r < 0)
                return refuse_errno(s, "upload", r);
        switch ((enum transfer_refusal)r) {
        case TRANSFER_NETWORK:
                return refuse(s, BLOB_CODE_NETWORK, message, true);
        case TRANSFER_EXISTS:
        case TRANSFER_MISMATCH:
                return refuse(s, BLOB_CODE_EXISTS, message, true);
        case TRANSFER_REFUSED:
        case TRANSFER_MISSING:
                return refuse(s, BLOB_CODE_REFUSED, message, true);
        case TRANSFER_TOO_BIG:
                return refuse(s, BLOB_CODE_TOO_BIG, message, false);
        case TRANSFER_DISK_FULL:
                return refuse(s, BLOB_CODE_DISK_FULL, message, true);
        }
        return refuse(s, BLOB_CODE_INTERNAL, message, true);
}

static int refuse_size(struct save *s)
{
        const struct pack_notes *notes = increment_pack_notes(s->increment);
        char message[BLOB_MESSAGE_SIZE];

        (void)snprintf(message, sizeof(message),
                       "more than the %" PRIu64 " MB that one save may have; the largest file is "
                       "%.100s (%" PRIu64 " MB); name in .workspaceignore what need not be saved",
                       s->request.max_bytes >> 20, notes->largest_path, notes->largest >> 20);
        return refuse(s, BLOB_CODE_TOO_BIG, message, false);
}

static int refuse_entries(struct save *s)
{
        const struct walk_notes *notes = increment_walk_notes(s->increment);
        char message[BLOB_MESSAGE_SIZE];

        (void)snprintf(message, sizeof(message),
                       "more than %d files and folders; the folder with most is %.100s (%" PRIu64
                       "); name in .workspaceignore what need not be saved",
                       SNAPSHOT_ENTRIES_MAX, notes->fullest_path, notes->fullest);
        return refuse(s, BLOB_CODE_TOO_BIG, message, false);
}

/* What increment_run and increment_close refuse. */
static int refuse_increment(struct save *s, int r)
{
        const char *why;
        int code;

        switch (r) {
        case INCREMENT_ENTRIES:
                return refuse_entries(s);
        case INCREMENT_PENDING:
                return refuse(s, BLOB_CODE_INTERNAL,
                              "files that a restore is bringing are in the way: later", true);
        case INCREMENT_PARENT:
                /* It must not stand in the way of all saves to come, unless it is needed. */
                if (s->with.whole)
                        index_drop(&s->job, s->parent);
                return refuse(s, BLOB_CODE_INTERNAL, "the index of the last save is damaged", true);
        case PARTS_TOO_BIG:
                return refuse_size(s);
        case PARTS_UPLOAD:
                code = parts_why(s->parts, &why);
                return refuse_transfer(s, code, why);
        case ARCHIVE_READ_ERROR:
                return refuse(s, BLOB_CODE_READ_ERROR, "the disk of the task gives errors", true);
        default:
                return refuse_errno(s, "making the save", r < 0 ? r : -EIO);
        }
}

static void note(char *text, size_t size, uint64_t n, const char *what, const char *first)
{
        size_t at = strlen(text);

        if (n > 0)
                (void)snprintf(text + at, size - at, "%s%" PRIu64 " %s, first: %.60s",
                               at ? "; " : "", n, what, first);
}

/* What the save lacks or has in another form, as a sentence for the student; "" is nothing. */
static void describe(struct save *s)
{
        const struct walk_notes *walk = increment_walk_notes(s->increment);
        const struct pack_notes *pack = increment_pack_notes(s->increment);
        char *text = s->result.message;
        size_t size = sizeof(s->result.message);

        s->result.files = increment_entries(s->increment);
        s->result.racy = increment_racy(s->increment);
        s->result.unreadable = walk->unreadable;
        note(text, size, walk->unreadable, "could not be read", walk->first);
        note(text, size, walk->special, "sockets, pipes or devices are left out",
             walk->first_special);
        note(text, size, pack->plain_databases, "databases were copied as files",
             pack->first_database);
        if (walk->unreadable > 0)
                log_warn("the save lacks files that could not be read",
                         LOG_INT("files", walk->unreadable), LOG_STR("first", walk->first));
}

/* ---- the parent ---- */

/* Mode `home`: of an earlier life, whose index is still here. */
static struct snapshot_save given_parent(const struct save *s)
{
        return (struct snapshot_save){s->request.parent_generation, s->request.parent_seq};
}

/*
 * The descriptor of its index; -1: there is none and all is saved anew. A save must not be made
 * when that would forget what a restore has yet to bring: then refused.
 */
static int find_parent(struct save *s, int *ret_fd)
{
        struct blob_restore_save note = {0};
        enum index_restored state = index_restored(&s->job, &note);
        struct snapshot_save restored = {note.generation, note.seq};
        int fd = -ENOENT;

        if (state == INDEX_BEGUN)
                return refuse(s, BLOB_CODE_INTERNAL, "a restore has begun and not ended", false);
        if (s->request.committed_seq > 0)
                s->parent = (struct snapshot_save){s->request.generation, s->request.committed_seq};
        else if (s->request.parent_seq > 0)
                s->parent = given_parent(s);
        else if (state != INDEX_NONE)
                s->parent = restored;
        s->with.whole = state != INDEX_REST;
        if (s->parent.seq > 0)
                fd = index_open(&s->job, s->parent);
        /* An older one will do: what was saved since is then saved again. */
        if (fd < 0 && state != INDEX_NONE) {
                s->parent = restored;
                fd = index_open(&s->job, restored);
        }
        if (fd < 0 && state == INDEX_REST)
                return refuse(s, BLOB_CODE_INTERNAL,
                              "the index is missing while a restore is under way", true);
        if (fd < 0)
                s->parent = (struct snapshot_save){0};
        *ret_fd = fd < 0 ? -1 : fd;
        return 0;
}

static bool parent_is_committed(const struct save *s)
{
        if (s->parent.seq == 0)
                return false;
        if (s->request.committed_seq > 0)
                return s->parent.seq == s->request.committed_seq &&
                       s->parent.generation == s->request.generation;
        return s->parent.seq == s->request.parent_seq &&
               s->parent.generation == s->request.parent_generation;
}

/* ---- the save ---- */

/* What was learned while comparing, for the next save. Without it that one compares again. */
static void refresh_index(struct save *s)
{
        char path[INDEX_TEMP_SIZE];
        AUTO_CLOSE fd = index_temp(&s->job, path);
        int r = fd < 0 ? fd : increment_write(s->increment, s->parent, "", -1, fd);

        if (r == 0)
                r = index_put(&s->job, path, s->parent);
        if (r < 0) {
                if (fd >= 0)
                        (void)unlink(path);
                log_warn("the index is not renewed", LOG_ERR(r));
        }
}

static int put_manifest(struct save *s, int fd)
{
        uint8_t digest[SHA256_LEN];
        int r;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return refuse_errno(s, "manifest", -errno);
        r = sha256_fd(fd, digest, &s->result.length);
        if (r < 0)
                return refuse_errno(s, "manifest", r);
        hex_encode(digest, sizeof(digest), s->result.sha256);
        r = parts_put(&s->job.transfer, &s->request, "manifest.mtree.zst", fd, s->result.length,
                      s->result.sha256);
        return r == 0 ? 0 : refuse_transfer(s, r, s->job.transfer.error);
}

/* The manifest goes up; then this save is what the next may build upon. */
static int finish(struct save *s)
{
        AUTO_CLOSE manifest = job_temp_file(&s->job);
        char path[INDEX_TEMP_SIZE];
        AUTO_CLOSE index = index_temp(&s->job, path);
        const struct snapshot_save save = {s->request.generation, s->request.seq};
        int r = manifest < 0 ? manifest : MIN(index, 0);

        if (r == 0)
                r = increment_write(s->increment, save, s->result.message, manifest, index);
        if (r < 0) {
                if (index >= 0)
                        (void)unlink(path);
                return refuse_errno(s, "manifest", r);
        }
        s->result.data_length = increment_data_length(s->increment);
        r = put_manifest(s, manifest);
        if (r == 0)
                r = index_put(&s->job, path, save);
        if (r != 0)
                (void)unlink(path);
        return r < 0 ? refuse_errno(s, "keeping the index", r) : r;
}

static int save_make(struct save *s)
{
        int r = parts_open(&s->job, &s->request, &s->parts);

        s->with.parts = s->parts;
        s->manifest_fd = s->with.manifest_fd = job_temp_file(&s->job);
        s->index_fd = s->with.index_fd = job_temp_file(&s->job);
        if (r == 0)
                r = MIN(MIN(s->manifest_fd, s->index_fd), 0);
        if (r < 0)
                return refuse_errno(s, "temporary file", r);
        r = increment_open(&s->with, &s->increment);
        if (r != 0)
                return refuse_increment(s, r);
        r = increment_run(s->increment);
        if (r != 0)
                return refuse_increment(s, r);
        describe(s);
        if (!increment_changed(s->increment) && parent_is_committed(s)) {
                s->result.unchanged = true;
                if (increment_refreshed(s->increment))
                        refresh_index(s);
                return 0;
        }
        r = increment_close(s->increment);
        return r != 0 ? refuse_increment(s, r) : finish(s);
}

/* No app was ever started for a person in the home of this ended task: a save of it would be one of
 * nothing, newer than all others. */
static bool is_nobodys(const struct save *s)
{
        return strcmp(role_env(ROLE_UNUSED_ENV, ""), "1") == 0 && s->request.committed_seq == 0;
}

static int save_with_parent(struct save *s)
{
        int r;

        if (is_nobodys(s)) {
                s->result.unchanged = true;
                return 0;
        }
        r = find_parent(s, &s->with.parent_fd);
        if (r != 0)
                return r;
        r = index_arrived(&s->job, &s->arrived);
        if (r < 0)
                return refuse_errno(s, "reading what has arrived", r);
        index_sweep(&s->job, parent_is_committed(s) ? s->parent : (struct snapshot_save){0});
        s->with.arrived = &s->arrived;
        r = save_make(s);
        s->with.parent_fd = fd_close(s->with.parent_fd);
        return r;
}

/* Mode `home`: the files are where they stay; they have to survive the machine, no more. */
static int make_durable(struct save *s)
{
        s->result.seq = 1; /* of no upload */
        s->result.unchanged = true;
        return syncfs(s->job.home_fd) < 0 ? refuse_errno(s, "syncing the home folder", -errno) : 0;
}

static int save_run(struct save *s)
{
        char error[JOB_ERROR_SIZE] = "";
        const char *path = getenv("WS_PROFILE");
        int r = job_init(&s->job, error);

        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, error, true);
        s->with.at_ms = (uint64_t)(utc_read().us / US_PER_MS);
        r = blob_save_request_decode(s->job.request.data, s->job.request.len, &s->request);
        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, "the request is not a save request", false);
        if (s->request.sync)
                return make_durable(s);
        s->result.seq = s->request.seq;
        r = profile_load(path ? path : "", &s->profile);
        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, "the profile cannot be used", true);
        s->with.job = &s->job;
        s->with.request = &s->request;
        s->with.profile = s->profile;
        s->with.last = s->result.final;
        return save_with_parent(s);
}

static void save_deinit(struct save *s)
{
        s->increment = increment_free(s->increment);
        s->parts = parts_free(s->parts);
        s->profile = profile_free(s->profile);
        s->manifest_fd = fd_close(s->manifest_fd);
        s->index_fd = fd_close(s->index_fd);
        buf_deinit(&s->arrived);
        job_deinit(&s->job);
}

int role_save_main(int argc, char **argv)
{
        static struct save s = {.manifest_fd = -1, .index_fd = -1, .with = {.parent_fd = -1}};
        AUTO_BUF answer = BUF_INIT(ROLE_BLOB_MAX);
        bool failed;
        int r;

        s.result.final = argc > 1 && strcmp(argv[1], "--final") == 0;
        failed = save_run(&s) != 0;
        s.result.ok = !failed;
        s.result.ms = (uint64_t)MAX(job_ms(&s.job), 0);
        r = blob_save_result_encode(&s.result, &answer);
        if (r < 0)
                log_error("cannot encode the result", LOG_ERR(r));
        job_answer(&answer);
        save_deinit(&s);
        if (failed && !s.result.retry)
                return ROLE_EXIT_FINAL;
        return failed || r < 0 ? 1 : 0;
}
