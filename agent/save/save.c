/*
 * The save role: one save of the student's home, from request to result.
 *
 *   fingerprint -> equal to that of the committed save? unchanged (background only)
 *   archive into a nameless file here (a part is granted by its length and hash)
 *   same bytes as the committed save? unchanged
 *   PUT the parts, then PUT the manifest: only the second makes it a save that anyone can find
 *
 * The last save never goes by times alone: a write through a shared mapping need not show in them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <inttypes.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "save/job.h"
#include "save/archive_pack.h"
#include "save/grant.h"
#include "profile/profile.h"
#include "roles.h"
#include "save/walk.h"
#include "snapshot/manifest.h"
#include "wire/blob.h"

#define ATTEMPTS 4 /* the first and three more */
#define BACKOFF_MS 250
#define BACKOFF_MS_MAX 2000
#define STATE_SIZE 160

struct save {
        struct job job;
        struct blob_save_request request;
        struct blob_save_result result;
        struct profile *profile;
        struct walk_fingerprint fingerprint;
        struct pack_info info;
        uint64_t at_ms;
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

        (void)snprintf(message, sizeof(message), "%s: %s", what, strerror(-r));
        if (r == -ENOSPC || r == -EDQUOT)
                return refuse(s, BLOB_CODE_DISK_FULL, message, true);
        return refuse(s, r == -EIO ? BLOB_CODE_READ_ERROR : BLOB_CODE_INTERNAL, message, true);
}

static int refuse_pack(struct save *s, int refusal)
{
        switch ((enum pack_refusal)refusal) {
        case PACK_TOO_BIG:
                return refuse(s, BLOB_CODE_TOO_BIG, "the save is larger than allowed", false);
        case PACK_DISK_FULL:
                return refuse(s, BLOB_CODE_DISK_FULL, "the disk of the task is full", true);
        case PACK_READ_ERROR:
                return refuse(s, BLOB_CODE_READ_ERROR, "the disk of the task gives errors", true);
        case PACK_DAMAGED:
                break;
        }
        return refuse(s, BLOB_CODE_INTERNAL, "the archive could not be made", true);
}

static int refuse_transfer(struct save *s, int r)
{
        const char *message = s->job.transfer.error;

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

/* ---- what is known of earlier saves: "<fingerprint or -> <hash of the data>" per seq ---- */

static void state_path(const struct save *s, uint64_t seq, char *dst, size_t size)
{
        (void)snprintf(dst, size, "%s/%" PRIu64 "-%" PRIu64 ".state", s->job.scratch,
                       s->request.generation, seq);
}

/* Of the save that the controller has committed. False when there is none or it is not known. */
static bool state_read(const struct save *s, char fingerprint[static SHA256_HEX],
                       char sha256[static SHA256_HEX])
{
        AUTO_BUF text = BUF_INIT(STATE_SIZE);
        char path[1200];
        const char *sep;

        if (s->request.committed_seq == 0)
                return false;
        state_path(s, s->request.committed_seq, path, sizeof(path));
        if (file_read(path, &text) < 0)
                return false;
        sep = strchr((const char *)text.data, ' ');
        if (!sep || strlen(sep + 1) != SHA256_HEX - 1 ||
            sep - (const char *)text.data >= SHA256_HEX)
                return false;
        memcpy(fingerprint, text.data, (size_t)(sep - (const char *)text.data));
        fingerprint[sep - (const char *)text.data] = 0;
        str_copy_cut(sha256, SHA256_HEX, sep + 1);
        return true;
}

/* Without it the next save is made in full; that is all. */
static void state_write(const struct save *s)
{
        bool settled = !s->fingerprint.racy && s->info.changed == 0;
        char path[1200];
        char text[STATE_SIZE];
        int n = snprintf(text, sizeof(text), "%s %s", settled ? s->fingerprint.hex : "-",
                         s->info.sha256);
        int r;

        state_path(s, s->request.seq, path, sizeof(path));
        r = file_write_atomic(path, text, (size_t)n, 0600);
        if (r < 0)
                log_warn("cannot note the state of the save", LOG_ERR(r));
}

/* Notes older than the committed save, or of another generation, have no use any more. */
static void state_sweep(const struct save *s)
{
        DIR *dir = opendir(s->job.scratch);
        struct dirent *d;

        while (dir && (d = readdir(dir)) != NULL) {
                uint64_t generation = 0, seq = 0;
                char name[48];
                char *dot;

                if (STR_SET(name, d->d_name) < 0 || !(dot = strchr(name, '.')))
                        continue;
                *dot = 0;
                if (blob_save_parse(name, &generation, &seq) < 0)
                        continue;
                if (generation != s->request.generation || seq < s->request.committed_seq)
                        (void)unlinkat(dirfd(dir), d->d_name, 0);
        }
        if (dir)
                (void)closedir(dir);
}

/* ---- upload ---- */

static int put_once(struct save *s, const char *name, int fd, uint64_t at, uint64_t length,
                    const char *sha256)
{
        struct blob_grant_object o = {.length = length};
        struct blob_grant_answer a = {0};
        int r;

        STR_CUT(o.name, name);
        STR_CUT(o.sha256, sha256);
        r = grant_put(&s->job.transfer, &s->request.grants, &o, 1, &a);
        if (r == 0)
                r = transfer_put(&s->job.transfer, &a.objects[0], fd, at, length, sha256);
        blob_grant_answer_deinit(&a);
        return r;
}

static int put(struct save *s, const char *name, int fd, uint64_t at, uint64_t length,
               const char *sha256)
{
        struct job_backoff backoff = {.ms = BACKOFF_MS, .max_ms = BACKOFF_MS_MAX};
        int r = 0;

        for (int i = 0; i < ATTEMPTS; i++) {
                if (i > 0)
                        job_backoff_wait(&backoff);
                r = put_once(s, name, fd, at, length, sha256);
                if (r != TRANSFER_NETWORK)
                        break;
                log_warn("upload failed", LOG_STR("reason", s->job.transfer.error),
                         LOG_INT("attempt", i + 1));
        }
        return r == 0 ? 0 : refuse_transfer(s, r);
}

static int part_hash(int fd, uint64_t at, uint64_t length, char hex[static SHA256_HEX])
{
        struct sha256 *hash = sha256_new();
        uint8_t digest[SHA256_LEN];
        uint8_t chunk[65536];
        int r = hash ? 0 : -ENOMEM;

        while (r == 0 && length > 0) {
                ssize_t n = pread(fd, chunk, (size_t)MIN(length, sizeof(chunk)), (off_t)at);

                if (n <= 0) {
                        r = n < 0 ? -errno : -EIO;
                        break;
                }
                sha256_update(hash, chunk, (size_t)n);
                at += (uint64_t)n;
                length -= (uint64_t)n;
        }
        if (r == 0) {
                sha256_final(hash, digest);
                hex_encode(digest, sizeof(digest), hex);
        }
        sha256_free(hash);
        return r;
}

static int put_parts(struct save *s, int fd, struct snapshot_archive *a)
{
        int r = 0;

        a->parts = calloc((size_t)(a->length / BLOB_PART_MAX) + 1, sizeof(*a->parts));
        if (!a->parts)
                return refuse_errno(s, "upload", -ENOMEM);
        for (uint64_t at = 0; r == 0 && at < a->length; at += BLOB_PART_MAX) {
                struct snapshot_part *p = &a->parts[a->n_parts];
                char name[BLOB_FILE_SIZE], hex[SHA256_HEX];

                (void)snprintf(name, sizeof(name), "0-%05u.tar.zst", a->n_parts++ % 100000);
                p->length = MIN(a->length - at, BLOB_PART_MAX);
                r = part_hash(fd, at, p->length, hex);
                if (r == 0)
                        r = hex_decode(hex, p->sha256, sizeof(p->sha256));
                if (r < 0)
                        return refuse_errno(s, "upload", r);
                r = put(s, name, fd, at, p->length, hex);
        }
        return r;
}

/* Of the one archive, without entries. */
static int manifest_write(struct save *s, struct snapshot_archive *a, int entries_fd, int fd)
{
        struct snapshot_header h = {
                .save = {s->request.generation, s->request.seq},
                .at_ms = s->at_ms,
                .bytes = s->info.bytes,
        };
        struct snapshot_writer *w = NULL;
        int r = snapshot_header_add(&h, a);

        a->parts = r == 0 ? NULL : a->parts;
        STR_CUT(h.workspace, s->request.workspace);
        if (r == 0)
                r = snapshot_writer_open(entries_fd, false, &w);
        if (r == 0)
                r = snapshot_writer_finish(w, &h, fd);
        snapshot_writer_free(w);
        snapshot_header_deinit(&h);
        return r;
}

static int put_manifest(struct save *s, struct snapshot_archive *a)
{
        AUTO_CLOSE entries = job_temp_file(&s->job);
        AUTO_CLOSE fd = job_temp_file(&s->job);
        uint8_t digest[SHA256_LEN];
        int r = fd < 0 ? fd : entries < 0 ? entries : manifest_write(s, a, entries, fd);

        if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        if (r == 0)
                r = sha256_fd(fd, digest, &s->result.length);
        if (r < 0)
                return refuse_errno(s, "manifest", r);
        hex_encode(digest, sizeof(digest), s->result.sha256);
        return put(s, "manifest.mtree.zst", fd, 0, s->result.length, s->result.sha256);
}

/* ---- the save ---- */

static void describe(struct save *s)
{
        s->result.files = s->info.files;
        s->result.data_length = s->info.length;
        s->result.racy = s->info.changed > 0 || s->fingerprint.racy;
        s->result.unreadable = s->info.notes.unreadable;
        if (s->info.notes.unreadable == 0)
                return;
        (void)snprintf(s->result.message, sizeof(s->result.message),
                       "%" PRIu64 " could not be read, first: %s", s->info.notes.unreadable,
                       s->info.notes.first);
        log_warn("the save lacks files that could not be read",
                 LOG_INT("files", s->info.notes.unreadable), LOG_STR("first", s->info.notes.first));
}

static int upload_new(struct save *s, const char *committed_sha256)
{
        AUTO_CLOSE fd = job_temp_file(&s->job);
        struct snapshot_archive archive;
        int r;

        if (fd < 0)
                return refuse_errno(s, "temporary file", fd);
        r = archive_pack(s->job.home_fd, s->profile, s->result.final, fd, s->request.max_bytes,
                         &s->info);
        if (r < 0)
                return refuse_errno(s, "archive", r);
        if (r > 0)
                return refuse_pack(s, r);
        describe(s);
        if (strcmp(s->info.sha256, committed_sha256) == 0) {
                s->result.unchanged = true;
                return 0;
        }
        archive = (struct snapshot_archive){.save = {s->request.generation, s->request.seq},
                                            .length = s->info.length,
                                            .bytes = s->info.bytes,
                                            .live = s->info.bytes};
        r = put_parts(s, fd, &archive);
        if (r == 0)
                r = put_manifest(s, &archive);
        free(archive.parts);
        if (r == 0)
                state_write(s);
        return r;
}

static int save_make(struct save *s)
{
        char fingerprint[SHA256_HEX] = "", sha256[SHA256_HEX] = "";
        bool known = state_read(s, fingerprint, sha256);
        int r = walk_fingerprint(s->job.home_fd, s->profile, &s->fingerprint);

        if (r == -E2BIG)
                return refuse_pack(s, PACK_TOO_BIG);
        if (r < 0)
                return refuse_errno(s, "looking through the home folder", r);
        state_sweep(s);
        if (known && !s->result.final && strcmp(fingerprint, s->fingerprint.hex) == 0) {
                s->result.unchanged = true;
                return 0;
        }
        return upload_new(s, sha256);
}

static int save_run(struct save *s)
{
        char error[JOB_ERROR_SIZE] = "";
        const char *path = getenv("WS_PROFILE");
        int r = job_init(&s->job, error);

        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, error, true);
        s->at_ms = (uint64_t)(utc_read().us / US_PER_MS);
        r = blob_save_request_decode(s->job.request.data, s->job.request.len, &s->request);
        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, "the request is not a save request", false);
        s->result.seq = s->request.seq;
        r = profile_load(path ? path : "", &s->profile);
        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, "the profile cannot be used", true);
        return save_make(s);
}

int role_save_main(int argc, char **argv)
{
        static struct save s;
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
        s.profile = profile_free(s.profile);
        job_deinit(&s.job);
        return failed || r < 0 ? 1 : 0;
}
