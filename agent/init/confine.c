#include "init/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* What newer kernels than the headers know (linux/landlock.h). */
#define ACCESS_REFER (UINT64_C(1) << 13)     /* version 2: rename and link across folders */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)  /* 3 */
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15) /* 5 */
#define SCOPE_ABSTRACT (UINT64_C(1) << 0)    /* 6: abstract Unix sockets */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)      /* 6 */

#define ACCESS_FILE LANDLOCK_ACCESS_FS_WRITE_FILE
#define ACCESS_FOLDER                                                                              \
        (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
         LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                              \
         LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                              \
         LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                            \
         LANDLOCK_ACCESS_FS_MAKE_SYM)

/* As of version 6. The kernel takes a longer structure than its own while the rest is zero. */
struct ruleset {
        uint64_t fs, net, scoped;
};

/* Files and folders that any program expects to be able to write. */
static const char *const everyones[] = {
        "/tmp",      "/var/tmp", "/dev/shm",    "/dev/mqueue", "/dev/pts",     "/dev/ptmx",
        "/dev/null", "/dev/tty", "/dev/random", "/dev/full",   "/dev/urandom", "/dev/zero",
};

int confine_landlock(void)
{
        long version =
                syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

        return version < 0 ? 0 : (int)version;
}

static struct ruleset handled_by(int version)
{
        struct ruleset r = {.fs = ACCESS_FILE | ACCESS_FOLDER};

        if (version >= 2)
                r.fs |= ACCESS_REFER;
        if (version >= 3)
                r.fs |= ACCESS_TRUNCATE;
        if (version >= 5)
                r.fs |= ACCESS_IOCTL_DEV;
        if (version >= 6)
                r.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
        return r;
}

/* What is not there cannot be written either. */
static int allow(int ruleset, const char *path, uint64_t handled)
{
        const uint64_t of_file = ACCESS_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV;
        struct landlock_path_beneath_attr rule = {.allowed_access = handled};
        struct stat st;
        AUTO_CLOSE fd = open(path, O_PATH | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                rule.allowed_access &= of_file;
        rule.parent_fd = fd;
        return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
                       ? -errno
                       : 0;
}

static int landlock_self(const struct confine *c, int version)
{
        const struct ruleset handled = handled_by(version);
        int r = 0;
        AUTO_CLOSE ruleset =
                (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);

        if (ruleset < 0)
                return -errno;
        for (size_t i = 0; i < ARRAY_LEN(everyones) && r == 0; i++)
                r = allow(ruleset, everyones[i], handled.fs);
        for (size_t i = 0; i < c->n_folders && r == 0; i++)
                r = allow(ruleset, c->folders[i], handled.fs);
        if (r < 0)
                return r;
        return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

/* Lower, never higher: it cannot be raised again without root. */
static int limit(int what, uint32_t most)
{
        struct rlimit now;

        if (getrlimit(what, &now) < 0)
                return -errno;
        if (most >= now.rlim_max)
                return 0;
        now.rlim_max = most;
        now.rlim_cur = now.rlim_cur < most ? now.rlim_cur : most;
        return setrlimit(what, &now) < 0 ? -errno : 0;
}

int confine_self(const struct confine *c)
{
        const int version = confine_landlock();
        int r = limit(RLIMIT_CORE, 0); /* a dump would fill the home, and hold what was typed */

        if (r == 0 && c->limits.processes)
                r = limit(RLIMIT_NPROC, c->limits.processes);
        if (r == 0 && c->limits.files)
                r = limit(RLIMIT_NOFILE, c->limits.files);
        if (r == 0 && version > 0)
                r = landlock_self(c, version);
        return r;
}
