/*
 * The restore role: the newest save that can be verified, into a fresh home.
 *
 *   for each save of the request, newest first:
 *     fetch the manifest, check it against the request; fetch the data into a nameless file, check
 *     it against the manifest. Wrong twice: the next older save (fell_back). Storage that cannot be
 *     reached is waited for: an old save, or an empty home, would fork the student's history.
 *   unpack into a folder inside the home, then move everything into place
 *
 * Nothing is unpacked that was not verified, and until all is unpacked nothing stands in the home.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "save/job.h"
#include "save/merge.h"
#include "save/archive_pack.h"
#include "save/grant.h"
#include "roles.h"
#include "save/walk.h"
#include "snapshot/manifest.h"
#include "wire/blob.h"

#define PATIENCE_MS (10 * INT64_C(60000))
#define BACKOFF_MS 200
#define BACKOFF_MS_MAX 10000
#define MISSING_TRIES 3

struct restore {
        struct job job;
        struct blob_restore_request request;
        struct blob_restore_result result;
        int64_t patience_ms;
};

static int refuse(struct restore *s, const char *code, const char *message)
{
        s->result.ok = false;
        STR_CUT(s->result.code, code);
        STR_CUT(s->result.message, message);
        return -1;
}

static int refuse_errno(struct restore *s, const char *what, int r)
{
        char message[BLOB_MESSAGE_SIZE];

        (void)snprintf(message, sizeof(message), "%s: %s", what, strerror(-r));
        return refuse(s, r == -ENOSPC || r == -EDQUOT ? BLOB_CODE_DISK_FULL : BLOB_CODE_INTERNAL,
                      message);
}

/* 0; 1: this save cannot be verified (message says why); -1: refused for good. */
static int judge(struct restore *s, int r)
{
        const char *error = s->job.transfer.error;

        if (r <= 0)
                return r == 0 ? 0 : refuse_errno(s, "download", r);
        switch ((enum transfer_refusal)r) {
        case TRANSFER_MISMATCH:
                STR_CUT(s->result.message, error);
                return 1;
        case TRANSFER_NETWORK:
                return refuse(s, BLOB_CODE_NETWORK, error);
        case TRANSFER_REFUSED:
                return refuse(s, BLOB_CODE_REFUSED, error);
        case TRANSFER_MISSING:
                return refuse(s, BLOB_CODE_MISSING, error);
        case TRANSFER_DISK_FULL:
                return refuse(s, BLOB_CODE_DISK_FULL, error);
        case TRANSFER_EXISTS:
        case TRANSFER_TOO_BIG:
                break;
        }
        return refuse(s, BLOB_CODE_INTERNAL, error);
}

/* Whether another attempt is due; waits for it. */
static bool again(struct restore *s, int r, unsigned *mismatches, unsigned *missing,
                  struct job_backoff *backoff)
{
        if (r == TRANSFER_MISMATCH)
                return ++*mismatches < 2;
        if (r == TRANSFER_MISSING && ++*missing >= MISSING_TRIES)
                return false;
        if ((r != TRANSFER_NETWORK && r != TRANSFER_MISSING) || job_ms(&s->job) > s->patience_ms)
                return false;
        log_warn("download failed", LOG_STR("reason", s->job.transfer.error));
        job_backoff_wait(backoff);
        return true;
}

static int get_once(struct restore *s, const char *name, int fd, uint64_t length,
                    const char *sha256)
{
        struct blob_grant_answer a = {0};
        struct blob_grant_object o = {0};
        int r;

        STR_CUT(o.name, name);
        r = grant_get(&s->job.transfer, &s->request.grants, &o, 1, &a);
        if (r == 0)
                r = transfer_get(&s->job.transfer, &a.objects[0].at, fd, length, sha256);
        blob_grant_answer_deinit(&a);
        return r;
}

/* As judge. */
static int fetch(struct restore *s, const char *name, int fd, uint64_t length, const char *sha256)
{
        struct job_backoff backoff = {.ms = BACKOFF_MS, .max_ms = BACKOFF_MS_MAX};
        unsigned mismatches = 0, missing = 0;
        int r;

        do
                r = get_once(s, name, fd, length, sha256);
        while (again(s, r, &mismatches, &missing, &backoff));
#ifdef SAVE_PLANTED_NO_VERIFY /* the defect that the corrupt-archive test must catch */
        if (r == TRANSFER_MISMATCH)
                r = 0;
#endif
        return judge(s, r);
}

/* As judge. */
static int fetch_manifest(struct restore *s, const struct blob_restore_save *save, int fd,
                          struct snapshot_reader **ret)
{
        char error[SNAPSHOT_ERROR_SIZE];
        const struct snapshot_header *h;
        char name[64];
        int r;

        (void)snprintf(name, sizeof(name), "%" PRIu64 "-%" PRIu64 "/manifest.mtree.zst",
                       save->generation, save->seq);
        r = fetch(s, name, fd, save->length, save->sha256);
        if (r != 0)
                return r;
        r = snapshot_reader_open(fd, error, ret);
        h = r == 0 ? snapshot_reader_header(*ret) : NULL;
        if (!h || strcmp(h->workspace, s->request.workspace) != 0 ||
            h->save.generation != save->generation || h->save.seq != save->seq || !h->n_archives) {
                STR_CUT(s->result.message, "the manifest is not the one of this save");
                return 1;
        }
        return 0;
}

static int append(int from, int to)
{
        uint8_t chunk[65536];
        ssize_t n;
        int r = 0;

        for (off_t at = 0; r == 0 && (n = pread(from, chunk, sizeof(chunk), at)) > 0; at += n)
                r = fd_write_all(to, chunk, (size_t)n);
        return r;
}

/* The parts of the one archive, behind each other in `fd`. As judge. */
static int fetch_parts(struct restore *s, const struct snapshot_archive *a, int fd)
{
        AUTO_CLOSE part = job_temp_file(&s->job);
        int r = part < 0 ? part : 0;

        if (r == 0 && (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0))
                r = -errno;
        for (uint32_t i = 0; r == 0 && i < a->n_parts; i++) {
                char name[80], hex[SHA256_HEX];

                (void)snprintf(name, sizeof(name), "%" PRIu64 "-%" PRIu64 "/%u-%05u.tar.zst",
                               a->save.generation, a->save.seq, a->number, i);
                hex_encode(a->parts[i].sha256, SHA256_LEN, hex);
                r = fetch(s, name, part, a->parts[i].length, hex);
                if (r != 0)
                        return r;
                r = append(part, fd);
        }
        return r < 0 ? refuse_errno(s, "download", r) : 0;
}

/* Find the newest save that verifies; its data is then in `fd`. Index, or -1 refused. */
static int fetch_newest(struct restore *s, int fd)
{
        AUTO_CLOSE manifest = job_temp_file(&s->job);

        if (manifest < 0)
                return refuse_errno(s, "temporary file", manifest);
        for (uint32_t i = 0; i < s->request.n_saves; i++) {
                const struct blob_restore_save *save = &s->request.saves[i];
                struct snapshot_reader *reader = NULL;
                int r = fetch_manifest(s, save, manifest, &reader);

                if (r == 0)
                        r = fetch_parts(s, &snapshot_reader_header(reader)->archives[0], fd);
                snapshot_reader_free(reader);
                if (r <= 0)
                        return r < 0 ? -1 : (int)i;
                log_error("a save cannot be verified", LOG_INT("generation", save->generation),
                          LOG_INT("seq", save->seq), LOG_STR("reason", s->result.message));
        }
        return refuse(s, BLOB_CODE_CORRUPT, "no save could be verified");
}

static int refuse_pack(struct restore *s, int r, const char *error)
{
        if (r < 0 && r != -ENOSPC)
                return refuse(s, BLOB_CODE_INTERNAL, error);
        if (r == PACK_DISK_FULL || r == -ENOSPC)
                return refuse(s, BLOB_CODE_DISK_FULL, "the disk of the task is full");
        /* The hash was right, so every copy is like this: an operator must look at it. */
        return refuse(s, BLOB_CODE_CORRUPT, error);
}

static int unpack_staged(struct restore *s, int fd, struct pack_info *info)
{
        char error[PACK_ERROR_SIZE] = "";
        int r;

        if (lseek(fd, 0, SEEK_SET) < 0 || mkdir(WALK_STAGING, 0700) < 0 || chdir(WALK_STAGING) < 0)
                return refuse_errno(s, "unpacking", -errno);
        r = archive_unpack(fd, info, error);
        if (fchdir(s->job.home_fd) < 0)
                return refuse_errno(s, "unpacking", -errno);
        return r == 0 ? 0 : refuse_pack(s, r, error);
}

static int unpack(struct restore *s, int fd, struct pack_info *info)
{
        int r = merge_remove(s->job.home_fd, WALK_STAGING);

        if (r < 0)
                return refuse_errno(s, "removing what an earlier restore left", r);
        if (unpack_staged(s, fd, info) < 0) {
                r = merge_remove(s->job.home_fd, WALK_STAGING);
                if (r < 0)
                        log_warn("cannot remove what was unpacked", LOG_ERR(r));
                return -1;
        }
        r = merge_into_parent(s->job.home_fd, WALK_STAGING);
        return r < 0 ? refuse_errno(s, "moving files into place", r) : 0;
}

static int restore_newest(struct restore *s)
{
        AUTO_CLOSE fd = job_temp_file(&s->job);
        struct pack_info info = {0};
        int which;

        if (fd < 0)
                return refuse_errno(s, "temporary file", fd);
        which = fetch_newest(s, fd);
        if (which < 0 || unpack(s, fd, &info) < 0)
                return -1;
        s->result.generation = s->request.saves[which].generation;
        s->result.seq = s->request.saves[which].seq;
        s->result.files = info.files;
        s->result.bytes = info.bytes;
        s->result.fell_back = which > 0;
        if (which == 0)
                s->result.message[0] = 0;
        return 0;
}

static int restore_run(struct restore *s)
{
        char error[JOB_ERROR_SIZE] = "";
        int r = job_init(&s->job, error);

        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, error);
        r = blob_restore_request_decode(s->job.request.data, s->job.request.len, &s->request);
        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, "the request is not a restore request");
        if (s->request.n_saves > 0 && restore_newest(s) < 0)
                return -1;
        r = dir_make(s->job.workspace, 0755);
        return r < 0 ? refuse_errno(s, "making the workspace folder", r) : 0;
}

int role_restore_main(int argc, char **argv)
{
        static struct restore s = {.patience_ms = PATIENCE_MS};
        AUTO_BUF answer = BUF_INIT(ROLE_BLOB_MAX);
        bool failed;
        int r;

        if (argc > 2 && strcmp(argv[1], "--patience-ms") == 0 &&
            num_parse_i64(argv[2], 0, PATIENCE_MS, &s.patience_ms) < 0)
                log_warn("--patience-ms is not understood");
        failed = restore_run(&s) != 0;
        s.result.ok = !failed;
        s.result.ms = (uint64_t)MAX(job_ms(&s.job), 0);
        r = blob_restore_result_encode(&s.result, &answer);
        if (r < 0)
                log_error("cannot encode the result", LOG_ERR(r));
        job_answer(&answer);
        job_deinit(&s.job);
        return failed || r < 0 ? 1 : 0;
}
