#include "init/job.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

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

int job_start(struct job *j, const struct spawn *spawn, int request)
{
        struct spawn s = *spawn;
        int pipe[2];
        int r;

        if (pipe2(pipe, O_CLOEXEC) < 0)
                return -errno;
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
        j->overflow = false;
        return 0;
}

void job_read(struct job *j)
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
        }
}

void job_end(struct job *j)
{
        job_read(j);
        j->result = fd_close(j->result);
        j->pid = 0;
        if (j->overflow)
                j->len = 0;
}
