#include "save/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "roles.h"

#define PROGRESS_MS 250

/* Deep trees take a descriptor per level; no core file may hold a storage URL. */
static void limits_set(void)
{
        struct rlimit files;
        struct rlimit core = {0};

        (void)prctl(PR_SET_DUMPABLE, 0);
        (void)setrlimit(RLIMIT_CORE, &core);
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = MIN(files.rlim_max, 4096);
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
        /* A result pipe or a socket that is gone is an error to handle, not a death. */
        (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

static int env_path(const char *name, const char *otherwise, char *dst, size_t size)
{
        return str_copy(dst, size, role_env(name, otherwise));
}

static int paths_set(struct job *j)
{
        char part[1024];
        int r = env_path("WS_HOME", ROLE_HOME, j->home, sizeof(j->home));

        if (r == 0 && (size_t)snprintf(part, sizeof(part), "%s/workspace", j->home) >= sizeof(part))
                r = -ENAMETOOLONG;
        if (r == 0)
                r = env_path("WS_WORKSPACE", part, j->workspace, sizeof(j->workspace));
        if (r == 0)
                r = env_path("WS_RUN_DIR", ROLE_RUN_DIR, part, sizeof(part));
        if (r == 0 &&
            (size_t)snprintf(j->scratch, sizeof(j->scratch), "%s/save", part) >= sizeof(j->scratch))
                r = -ENAMETOOLONG;
        return r;
}

static int fail(char error[static JOB_ERROR_SIZE], int r, const char *what, const char *path)
{
        (void)snprintf(error, JOB_ERROR_SIZE, "%s %.100s: %s", what, path, strerror(-r));
        return r;
}

int job_init(struct job *j, char error[static JOB_ERROR_SIZE])
{
        int r;

        *j = (struct job){.home_fd = -1, .request = BUF_INIT(ROLE_BLOB_MAX)};
        limits_set();
        (void)umask(0077);
        r = transfer_init(&j->transfer);
        if (r < 0)
                return fail(error, r, "cannot start", "libcurl");
        /* One that was started ahead waits here, and has nothing left to prepare but the folder. */
        r = fd_read_all(ROLE_FD_REQUEST, &j->request);
        j->began = mono_read();
        if (r < 0)
                return fail(error, r, "cannot read", "the request");
        r = paths_set(j);
        if (r < 0)
                return fail(error, r, "too long:", "a path in the environment");
        j->home_fd = open(j->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (j->home_fd < 0 || fchdir(j->home_fd) < 0)
                return fail(error, -errno, "cannot enter the home folder", j->home);
        if (mkdir(j->scratch, 0700) < 0 && errno != EEXIST)
                return fail(error, -errno, "cannot make", j->scratch);
        return 0;
}

void job_deinit(struct job *j)
{
        transfer_deinit(&j->transfer);
        j->home_fd = fd_close(j->home_fd);
        buf_deinit(&j->request);
}

int64_t job_ms(const struct job *j)
{
        return mono_diff_ms(j->began, mono_read());
}

int job_temp_file(const struct job *j)
{
        char path[sizeof(j->scratch) + 16];
        int fd = open(j->scratch, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

        if (fd >= 0)
                return fd;
        if (errno != EOPNOTSUPP && errno != EISDIR)
                return -errno;
        (void)snprintf(path, sizeof(path), "%s/.XXXXXX", j->scratch);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        (void)unlink(path);
        return fd;
}

void job_progress(struct job *j, uint64_t done, uint64_t total)
{
        const struct role_progress p = {.mark = ROLE_PROGRESS_MARK, .done = done, .total = total};
        mono_t now = mono_read();

        bool last = total > 0 && done >= total;

        if (!last && j->told.us > 0 && mono_diff_ms(j->told, now) < PROGRESS_MS)
                return;
        j->told = now;
        /* init is there and reads, else there is nobody for the result either. */
        if (fd_write_all(ROLE_FD_RESULT, &p, sizeof(p)) < 0)
                log_debug("progress not told");
}

void job_answer(const struct buf *result)
{
        int r = fd_write_all(ROLE_FD_RESULT, result->data, result->len);

        if (r < 0)
                log_error("cannot give the result", LOG_ERR(r));
}

void job_backoff_wait(struct job_backoff *b)
{
        struct timespec left;
        uint32_t dice;
        int64_t ms;

        random_bytes(&dice, sizeof(dice));
        ms = b->ms * 3 / 4 + (int64_t)(dice % (uint64_t)(b->ms / 2 + 1));
        left = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
        b->ms = MIN(b->ms * 2, b->max_ms);
}
