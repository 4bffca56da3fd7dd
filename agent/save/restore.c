/*
 * The restore role: the newest save that can be verified, into a fresh home; and, as `restore
 * --rest`, what of it may come after the app has started.
 *
 *   for each save of the request, newest first:
 *     fetch the manifest, check all of it; fetch the parts of the essentials, each verified, some
 *     ahead; extract into a folder inside the home. Wrong twice: the next older save (fell_back).
 *     Storage that cannot be reached is waited for: an old save, or an empty home, would fork the
 *     student's history.
 *   move everything into place; keep the index for the saves to come
 *
 * Nothing is extracted that was not verified, and until all is there nothing stands in the home.
 */
#include <errno.h>
#include <fcntl.h>
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
#include "roles.h"
#include "save/extract.h"
#include "save/fetch.h"
#include "save/index.h"
#include "save/job.h"
#include "save/merge.h"
#include "save/archive_write.h"
#include "save/walk.h"
#include "wire/blob.h"

#define PATIENCE_MS (10 * INT64_C(60000))
#define RACY_MS 100

struct restore {
        struct job job;
        struct blob_restore_request request;
        struct blob_restore_result result;
        int64_t patience_ms;
        bool rest;
        uint64_t bytes_done, bytes_total; /* of parts; done: of whole archives */
        struct fetch *fetch;
        uint64_t given_before; /* by fetch, of archives that are done */
};

static int refuse(struct restore *s, const char *code, const char *message)
{
        char copy[BLOB_MESSAGE_SIZE];

        STR_CUT(copy, message);
        s->result.ok = false;
        STR_CUT(s->result.code, code);
        STR_CUT(s->result.message, copy);
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
static int judge(struct restore *s, int r, const char *error)
{
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

/* ---- the manifest ---- */

/* Into `fd`, and opened. As judge. */
static int fetch_manifest(struct restore *s, const struct blob_restore_save *save, int fd,
                          struct snapshot_reader **ret)
{
        char name[BLOB_OBJECT_SIZE], error[SNAPSHOT_ERROR_SIZE] = "";
        const struct snapshot_header *h;
        int r;

        (void)snprintf(name, sizeof(name), "%" PRIu64 "-%" PRIu64 "/manifest.mtree.zst",
                       save->generation, save->seq);
        r = fetch_object(&s->job.transfer, &s->job, &s->request.grants, s->patience_ms, name, fd,
                         save->length, save->sha256);
        if (r != 0)
                return judge(s, r, s->job.transfer.error);
        r = snapshot_reader_open(fd, error, ret);
        if (r == -EBADMSG) {
                (void)snprintf(s->result.message, sizeof(s->result.message), "manifest: %s", error);
                return 1;
        }
        if (r < 0)
                return refuse_errno(s, "manifest", r);
        h = snapshot_reader_header(*ret);
        if (strcmp(h->workspace, s->request.workspace) != 0 ||
            h->save.generation != save->generation || h->save.seq != save->seq) {
                STR_CUT(s->result.message, "the manifest is not the one of this save");
                return 1;
        }
        return 0;
}

/* ---- extracting ---- */

/* A hash was right, so every copy is like this: an operator must look at it. */
static int refuse_extract(struct restore *s, int r, struct fetch *fetch, const char *error)
{
        const char *why;
        int code = fetch ? fetch_why(fetch, &why) : 0;

        if (code != 0)
                return judge(s, code, why);
        if (r == ARCHIVE_DAMAGED || r == -EBADMSG)
                return refuse(s, BLOB_CODE_CORRUPT, error);
        if (r == ARCHIVE_DISK_FULL || r == -ENOSPC || r == -EDQUOT)
                return refuse(s, BLOB_CODE_DISK_FULL, "the disk of the task is full");
        return refuse(s, BLOB_CODE_INTERNAL, error);
}

/* An empty folder for what is extracted. Its descriptor or -errno. */
static int staging_make(const struct restore *s)
{
        int r = merge_remove(s->job.home_fd, WALK_STAGING);
        int fd;

        if (r == 0 && mkdirat(s->job.home_fd, WALK_STAGING, 0700) < 0)
                r = -errno;
        if (r < 0)
                return r;
        fd = openat(s->job.home_fd, WALK_STAGING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static void staging_drop(const struct restore *s)
{
        int r = merge_remove(s->job.home_fd, WALK_STAGING);

        if (r < 0)
                log_warn("cannot remove what was extracted", LOG_ERR(r));
}

/* An archive is done, whether or not all of it had to be fetched. */
static void progress(struct restore *s, const struct snapshot_archive *a)
{
        s->bytes_done += a->length;
        job_progress(&s->job, s->bytes_done, s->bytes_total);
}

static void on_given(void *ctx)
{
        struct restore *s = ctx;
        uint64_t given = fetch_given(s->fetch) - s->given_before;

        job_progress(&s->job, MIN(s->bytes_done + given, s->bytes_total), s->bytes_total);
}

/* The archives of `wanted`, into staging. As judge. */
static int extract(struct restore *s, struct snapshot_reader *m, const struct extract_plan *plan,
                   const bool *wanted, int staging)
{
        const struct snapshot_header *h = snapshot_reader_header(m);
        char error[EXTRACT_ERROR_SIZE] = "";
        struct extract_counts counts = {0};
        struct fetch *fetch = NULL;
        bool *fetched = calloc(h->n_archives + 1, sizeof(bool));
        int r = fetched ? 0 : -ENOMEM;

        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++)
                fetched[i] = wanted[i] && plan->needed[i];
        if (r == 0)
                r = fetch_open(&s->job, &s->request.grants, s->patience_ms, h, fetched, &fetch);
        if (r == 0) {
                s->fetch = fetch;
                fetch_on_given(fetch, on_given, s);
        }
        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++) {
                if (!wanted[i])
                        continue;
                if (fetched[i])
                        fetch_archive(fetch);
                s->given_before = fetch_given(fetch);
                r = extract_archive(m, i, staging, fetched[i] ? fetch : NULL, &counts, error);
                progress(s, &h->archives[i]);
        }
        if (r == 0)
                r = extract_folders(m, staging);
        if (r < 0 && !*error)
                (void)snprintf(error, sizeof(error), "extracting: %s", strerror(-r));
        if (r != 0)
                r = refuse_extract(s, r, fetch, error);
        fetch_free(fetch);
        free(fetched);
        s->result.files += counts.entries;
        s->result.bytes += counts.bytes;
        return r;
}

/* ---- the index ---- */

/* What the next save may trust: a file that is as the manifest says, since long enough. */
static void look_at(const struct restore *s, struct snapshot_entry *e, int64_t now_ms)
{
        struct stat st;
        mode_t type = e->type == SNAPSHOT_DIR    ? S_IFDIR
                      : e->type == SNAPSHOT_LINK ? S_IFLNK
                                                 : S_IFREG;

        e->has_ctime = false;
        if (fstatat(s->job.home_fd, e->path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            (st.st_mode & S_IFMT) != type || st.st_mtim.tv_sec != e->mtime_s ||
            st.st_mtim.tv_nsec != (long)e->mtime_ns ||
            (type == S_IFREG && (uint64_t)st.st_size != e->size) ||
            (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000 > now_ms - RACY_MS)
                return;
        e->has_ctime = true;
        e->ino = st.st_ino;
        e->ctime_s = st.st_ctim.tv_sec;
        e->ctime_ns = (uint32_t)st.st_ctim.tv_nsec;
}

static int write_entries(struct restore *s, struct snapshot_reader *m, struct snapshot_writer *w)
{
        const struct snapshot_header *h = snapshot_reader_header(m);
        int64_t now_ms = utc_read().us / US_PER_MS;
        struct snapshot_entry e;
        int r = snapshot_reader_rewind(m);

        while (r == 0 && (r = snapshot_reader_next(m, &e)) > 0) {
                e.pending = h->archives[e.archive].later;
                if (!e.pending)
                        look_at(s, &e, now_ms);
                r = snapshot_writer_add(w, &e, h->archives[e.archive].id);
        }
        return r;
}

static int write_index(struct restore *s, struct snapshot_reader *m)
{
        AUTO_CLOSE body = job_temp_file(&s->job);
        char path[INDEX_TEMP_SIZE];
        AUTO_CLOSE fd = index_temp(&s->job, path);
        struct snapshot_writer *w = NULL;
        int r = body < 0 ? body : MIN(fd, 0);

        if (r == 0)
                r = snapshot_writer_open(body, true, &w);
        if (r == 0)
                r = write_entries(s, m, w);
        if (r == 0)
                r = snapshot_writer_finish(w, snapshot_reader_header(m), fd);
        if (r == 0)
                r = index_put(&s->job, path, snapshot_reader_header(m)->save);
        else if (fd >= 0)
                (void)unlink(path);
        snapshot_writer_free(w);
        return r;
}

/* ---- the essentials ---- */

static uint64_t bytes_left(const struct snapshot_header *h, const struct extract_plan *plan)
{
        uint64_t left = 0;

        for (uint32_t i = 0; i < h->n_archives; i++)
                left += h->archives[i].later ? h->archives[i].length : 0;
        return plan->entries[true] > 0 ? left : 0;
}

static int put_in_place(struct restore *s, struct snapshot_reader *m,
                        const struct blob_restore_save *save)
{
        enum index_restored state = s->result.left > 0 ? INDEX_REST : INDEX_WHOLE;
        int r = merge_into_parent(s->job.home_fd, WALK_STAGING, MERGE_NEWER);

        if (r < 0)
                return refuse_errno(s, "moving files into place", r);
        r = write_index(s, m);
        if (r == 0)
                r = index_note_restored(&s->job, state, save);
        return r < 0 ? refuse_errno(s, "keeping the index", r) : 0;
}

/* All archives but those that come later. As judge. */
static int restore_essentials(struct restore *s, struct snapshot_reader *m,
                              const struct blob_restore_save *save)
{
        const struct snapshot_header *h = snapshot_reader_header(m);
        bool *wanted = calloc(h->n_archives + 1, sizeof(bool));
        char error[EXTRACT_ERROR_SIZE] = "";
        struct extract_plan plan = {0};
        AUTO_CLOSE staging = -1;
        int r = wanted ? extract_check(m, &plan, error) : -ENOMEM;

        if (r == -EBADMSG) {
                STR_CUT(s->result.message, error);
                free(wanted);
                return 1;
        }
        s->result.files = s->result.bytes = s->bytes_done = s->bytes_total = 0;
        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++) {
                wanted[i] = !h->archives[i].later;
                s->bytes_total += wanted[i] ? h->archives[i].length : 0;
        }
        if (r == 0)
                r = staging = staging_make(s);
        if (r >= 0) {
                s->result.left = bytes_left(h, &plan);
                r = extract(s, m, &plan, wanted, staging);
                if (r == 0)
                        r = put_in_place(s, m, save);
                if (r != 0)
                        staging_drop(s);
        } else {
                r = refuse_errno(s, "a folder to extract into", r);
        }
        free(plan.needed);
        free(wanted);
        return r;
}

/* As judge. */
static int restore_save(struct restore *s, const struct blob_restore_save *save)
{
        AUTO_CLOSE fd = job_temp_file(&s->job);
        struct snapshot_reader *m = NULL;
        int r;

        if (fd < 0)
                return refuse_errno(s, "temporary file", fd);
        r = fetch_manifest(s, save, fd, &m);
        if (r == 0)
                r = restore_essentials(s, m, save);
        if (r == 0)
                s->result.at_ms = snapshot_reader_header(m)->at_ms;
        snapshot_reader_free(m);
        return r;
}

static int restore_newest(struct restore *s)
{
        int r = index_note_restored(&s->job, INDEX_BEGUN, NULL);

        index_forget_arrived(&s->job);
        if (r < 0)
                return refuse_errno(s, "scratch folder", r);
        for (uint32_t i = 0; i < s->request.n_saves; i++) {
                const struct blob_restore_save *save = &s->request.saves[i];

                r = restore_save(s, save);
                if (r < 0)
                        return -1;
                if (r == 0) {
                        s->result.generation = save->generation;
                        s->result.seq = save->seq;
                        s->result.fell_back = i > 0;
                        if (i == 0)
                                s->result.message[0] = 0;
                        return 0;
                }
                log_error("a save cannot be verified", LOG_INT("generation", save->generation),
                          LOG_INT("seq", save->seq), LOG_STR("reason", s->result.message));
        }
        return refuse(s, BLOB_CODE_CORRUPT, "no save could be verified");
}

/* ---- the rest ---- */

/* One archive: extracted, moved to where nothing is, noted. As judge. */
static int rest_archive(struct restore *s, struct snapshot_reader *m,
                        const struct extract_plan *plan, bool *wanted, uint32_t i)
{
        AUTO_CLOSE staging = staging_make(s);
        int r;

        if (staging < 0)
                return refuse_errno(s, "a folder to extract into", staging);
        wanted[i] = true;
        r = extract(s, m, plan, wanted, staging);
        wanted[i] = false;
        if (r != 0) {
                staging_drop(s);
                return r;
        }
        r = merge_into_parent(s->job.home_fd, WALK_STAGING, MERGE_KEEP);
        if (r == 0)
                r = index_note_arrived(&s->job, snapshot_reader_header(m)->archives[i].id);
        return r < 0 ? refuse_errno(s, "moving files into place", r) : 0;
}

static int rest_archives(struct restore *s, struct snapshot_reader *m)
{
        const struct snapshot_header *h = snapshot_reader_header(m);
        bool *wanted = calloc(h->n_archives + 1, sizeof(bool));
        char error[EXTRACT_ERROR_SIZE] = "";
        struct extract_plan plan = {0};
        AUTO_BUF arrived = BUF_INIT(0);
        int r = wanted ? extract_check(m, &plan, error) : -ENOMEM;

        if (r == 0)
                r = index_arrived(&s->job, &arrived);
        if (r < 0)
                r = r == -EBADMSG ? refuse(s, BLOB_CODE_CORRUPT, error)
                                  : refuse_errno(s, "the rest", r);
        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++)
                s->bytes_total += h->archives[i].later ? h->archives[i].length : 0;
        for (uint32_t i = 0; r == 0 && i < h->n_archives; i++) {
                if (!h->archives[i].later)
                        continue;
                if (index_has_arrived(&arrived, h->archives[i].id))
                        progress(s, &h->archives[i]);
                else
                        r = rest_archive(s, m, &plan, wanted, i);
        }
        free(plan.needed);
        free(wanted);
        return r;
}

static int restore_rest(struct restore *s)
{
        struct blob_restore_save which = {0};
        enum index_restored state = index_restored(&s->job, &which);
        AUTO_CLOSE fd = job_temp_file(&s->job);
        struct snapshot_reader *m = NULL;
        int r;

        s->result.generation = which.generation;
        s->result.seq = which.seq;
        /* A workspace that began empty has nothing to wait for, whatever was saved since. */
        if (state == INDEX_WHOLE || state == INDEX_NONE)
                return 0;
        if (state != INDEX_REST)
                return refuse(s, BLOB_CODE_INTERNAL, "there is no restore whose rest this is");
        if (fd < 0)
                return refuse_errno(s, "temporary file", fd);
        r = fetch_manifest(s, &which, fd, &m);
        if (r == 0)
                r = rest_archives(s, m);
        snapshot_reader_free(m);
        if (r == 1)
                return refuse(s, BLOB_CODE_CORRUPT, s->result.message);
        if (r == 0)
                r = index_note_restored(&s->job, INDEX_WHOLE, &which);
        return r < -1 ? refuse_errno(s, "noting that all is there", r) : r;
}

static int restore_run(struct restore *s)
{
        char error[JOB_ERROR_SIZE] = "";
        struct blob_restore_save begun = {0};
        int r = job_init(&s->job, error);

        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, error);
        r = blob_restore_request_decode(s->job.request.data, s->job.request.len, &s->request);
        if (r < 0)
                return refuse(s, BLOB_CODE_INTERNAL, "the request is not a restore request");
        if (s->rest)
                return restore_rest(s);
        if (s->request.n_saves > 0 && restore_newest(s) < 0)
                return -1;
        /* Mode `home`: an earlier task has not brought everything of what it began with. */
        if (s->request.n_saves == 0 && index_restored(&s->job, &begun) == INDEX_REST)
                s->result.left = 1; /* how much is not known */
        r = dir_make(s->job.workspace, 0755);
        return r < 0 ? refuse_errno(s, "making the workspace folder", r) : 0;
}

int role_restore_main(int argc, char **argv)
{
        static struct restore s = {.patience_ms = PATIENCE_MS};
        AUTO_BUF answer = BUF_INIT(ROLE_BLOB_MAX);
        bool failed;
        int r;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--rest") == 0)
                        s.rest = true;
                else if (strcmp(argv[i], "--patience-ms") == 0 && i + 1 < argc &&
                         num_parse_i64(argv[++i], 0, PATIENCE_MS, &s.patience_ms) < 0)
                        log_warn("--patience-ms is not understood");
        }
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
