#include "init/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

int job_request(const void *blob, size_t len)
{
        AUTO_CLOSE fd = memfd_create("request", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, blob, len);
        if (r < 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        return STEAL(fd, -1);
}

int job_start(struct job *j, const struct spawn *spawn, int request, mono_t now)
{
        struct spawn s = *spawn;
        int pipe[2];
        int r;

        if (pipe2(pipe, O_CLOEXEC) < 0)
                return -errno;
        j->request = -1;
        s.fds = (const struct spawn_fd[]){{request, ROLE_FD_REQUEST}, {pipe[1], ROLE_FD_RESULT}};
        s.n_fds = 2;
        r = fd_nonblock(pipe[0]);
        if (r == 0)
                r = spawn_start(&s, &j->pid);
        (void)fd_close(pipe[1]);
        if (r < 0) {
                (void)fd_close(pipe[0]);
                return r;
        }
        j->result = pipe[0];
        j->len = 0;
        j->overflow = j->moved = false;
        j->started = now;
        j->limit = mono_add_ms(now, JOB_LIMIT_MS);
        return 0;
}

int job_start_ahead(struct job *j, const struct spawn *spawn, mono_t now)
{
        int pipe[2];
        int r;

        if (pipe2(pipe, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        /* The child's end blocks: each end of a pipe has flags of its own. */
        r = fcntl(pipe[0], F_SETFL, 0) < 0 ? -errno : job_start(j, spawn, pipe[0], now);
        (void)fd_close(pipe[0]);
        if (r < 0) {
                (void)fd_close(pipe[1]);
                return r;
        }
        j->request = pipe[1];
        j->limit = MONO_NEVER;
        return 0;
}

bool job_waits(const struct job *j)
{
        return j->pid && j->request >= 0;
}

void job_dismiss(struct job *j, mono_t now)
{
        if (job_waits(j))
                j->limit = mono_add_ms(now, JOB_DISMISS_MS);
}

int job_give(struct job *j, const void *blob, size_t len, mono_t now)
{
        /* A pipe takes this much at once, or the machine has run out of what pipes are made of. */
        ssize_t n = write(j->request, blob, len);

        if (n != (ssize_t)len) {
                (void)kill(j->pid, SIGKILL);
                return n < 0 ? -errno : -ENOBUFS;
        }
        j->request = fd_close(j->request);
        j->started = now;
        j->limit = mono_add_ms(now, JOB_LIMIT_MS);
        return 0;
}

/* Takes the words about progress off the front of what was read; only the newest is kept. */
static void take_progress(struct job *j, mono_t now)
{
        static const uint8_t mark[] = ROLE_PROGRESS_MARK;
        size_t at = 0;

        while (j->len - at >= sizeof(j->progress) &&
               memcmp(j->blob + at, mark, sizeof(mark)) == 0) {
                memcpy(&j->progress, j->blob + at, sizeof(j->progress));
                at += sizeof(j->progress);
        }
        if (at == 0)
                return;
        j->moved = true;
        j->limit = mono_add_ms(now, JOB_LIMIT_MS);
        j->len -= at;
        memmove(j->blob, j->blob + at, j->len);
}

void job_read(struct job *j, mono_t now)
{
        while (j->result >= 0) {
                uint8_t surplus[512];
                bool full = j->len == sizeof(j->blob);
                ssize_t n = full ? read(j->result, surplus, sizeof(surplus))
                                 : read(j->result, j->blob + j->len, sizeof(j->blob) - j->len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return;
                if (n <= 0)
                        j->result = fd_close(j->result);
                else if (full)
                        j->overflow = true;
                else
                        j->len += (size_t)n;
                take_progress(j, now);
        }
}

mono_t job_deadline(const struct job *j)
{
        return j->pid ? j->limit : MONO_NEVER;
}

void job_tick(struct job *j, mono_t now)
{
        if (!j->pid || !mono_due(j->limit, now))
                return;
        if (!job_waits(j))
                log_error("hung; killed", LOG_INT("pid", j->pid));
        (void)kill(j->pid, SIGKILL);
        j->limit = MONO_NEVER;
}

void job_end(struct job *j)
{
        job_read(j, j->started);
        j->result = fd_close(j->result);
        j->request = fd_close(j->request);
        j->pid = 0;
        if (j->overflow)
                j->len = 0;
}
