/*
 * Preloaded into a program under test: lets its n-th call of one class fail, once or from then on.
 *
 *   FAULT_CLASS  a name of the list below; without it nothing is changed
 *   FAULT_NTH    1 for the first call of the class; 0: count only
 *   FAULT_AFTER  1: that call and all later ones
 *   FAULT_TELL   1: say on stderr where that was
 *   FAULT_COUNT  a file of 8 bytes that holds the number of calls so far, also after a crash
 *
 * Calls count from the start of main on. An allocation counts as "alloc" when the program itself
 * asks for it, as "alloc-any" when anybody does. Files count when they are regular ones. A failed
 * fsync loses what was appended since the last good one, as a disk may: who goes on as if nothing
 * had happened has lost data.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS_MAX 1024

enum fault_class {
        NONE,
        ALLOC,     /* malloc, calloc, realloc of the program: ENOMEM */
        ALLOC_ANY, /* … of its libraries too */
        DISK_FULL, /* writing to a file: ENOSPC */
        SHORT,     /* writing to a file or a socket: half of it is taken */
        FSYNC,     /* fsync, fdatasync: EIO */
        READ,      /* reading a file: EIO */
        EMFILE_,   /* a new descriptor: EMFILE */
        EINTR_,    /* a call of the program that may wait: EINTR; one that never waits is never
                      interrupted */
        NAME,      /* rename, link, unlink, mkdir: EIO */
        CLASS_MAX
};

static const char *const names[CLASS_MAX] = {
        [NONE] = "none",    [ALLOC] = "alloc", [ALLOC_ANY] = "alloc-any", [DISK_FULL] = "disk-full",
        [SHORT] = "short",  [FSYNC] = "fsync", [READ] = "read",           [EMFILE_] = "emfile",
        [EINTR_] = "eintr", [NAME] = "name",
};

static enum fault_class class;
static uint64_t nth;
static bool after, tell;
static _Atomic uint64_t counted, *count = &counted;
static uintptr_t text_low, text_high; /* of the program itself */
static off_t synced[FDS_MAX];         /* bytes of the file that a crash would leave */

static int find_text(struct dl_phdr_info *info, size_t size, void *ctx)
{
        (void)size;
        (void)ctx;
        for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];

                if (p->p_type == PT_LOAD && (p->p_flags & PF_X)) {
                        text_low = info->dlpi_addr + p->p_vaddr;
                        text_high = text_low + p->p_memsz;
                }
        }
        return 1; /* the first object is the program */
}

__attribute__((constructor)) static void begin(void)
{
        const char *want = getenv("FAULT_CLASS");
        const char *file = getenv("FAULT_COUNT");
        int fd;

        if (!want)
                return;
        (void)dl_iterate_phdr(find_text, NULL);
        nth = strtoull(getenv("FAULT_NTH") ? getenv("FAULT_NTH") : "0", NULL, 10);
        after = getenv("FAULT_AFTER") != NULL;
        tell = getenv("FAULT_TELL") != NULL;
        fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
        if (fd >= 0) {
                void *shared =
                        mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

                if (shared != MAP_FAILED)
                        count = shared;
                close(fd);
        }
        for (int i = 1; i < CLASS_MAX; i++) {
                if (strcmp(want, names[i]) == 0)
                        class = (enum fault_class)i;
        }
}

/* One call of class `c`: shall it fail? */
static bool strikes(enum fault_class c)
{
        uint64_t n;

        if (c != class)
                return false;
        n = atomic_fetch_add(count, 1) + 1;
        if (nth == 0 || (after ? n < nth : n != nth))
                return false;
        if (tell) {
                void *frames[16];

                backtrace_symbols_fd(frames, backtrace(frames, 16), STDERR_FILENO);
        }
        return true;
}

static bool fails(enum fault_class c, int error)
{
        if (!strikes(c))
                return false;
        errno = error;
        return true;
}

static bool ours(const void *caller)
{
        uintptr_t at = (uintptr_t)caller;

        return at >= text_low && at < text_high;
}

/* Only the program's own calls: threads of libraries block all signals, and nng panics at it. */
#define INTERRUPTED (class == EINTR_ && ours(__builtin_return_address(0)) && fails(EINTR_, EINTR))

#define REAL(name)                                                                                 \
        static typeof(name) *real;                                                                 \
        if (!real)                                                                                 \
        *(void **)&real = dlsym(RTLD_NEXT, #name)

/* ---- memory ---- */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static bool no_memory(const void *caller)
{
        if (class == ALLOC && ours(caller))
                return fails(ALLOC, ENOMEM);
        return class == ALLOC_ANY && fails(ALLOC_ANY, ENOMEM);
}

void *malloc(size_t n)
{
        return no_memory(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
        return no_memory(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
        return no_memory(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

/* ---- files and sockets ---- */

static bool is_file(int fd)
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* What may be taken in part; a packet goes whole or not at all. */
static bool is_stream(int fd)
{
        int type = 0;
        socklen_t len = sizeof(type);

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
                return type == SOCK_STREAM;
        return is_file(fd);
}

static void note_synced(int fd)
{
        struct stat st;

        if (class == FSYNC && fd >= 0 && fd < FDS_MAX && fstat(fd, &st) == 0)
                synced[fd] = st.st_size;
}

/* 0 go on; < 0 fail with errno; > 0 write only so much. */
static ssize_t before_write(int fd, size_t n)
{
        if (class == DISK_FULL && fd != STDERR_FILENO && is_file(fd) && fails(DISK_FULL, ENOSPC))
                return -1;
        if (class == SHORT && n > 1 && fd != STDERR_FILENO && is_stream(fd) && strikes(SHORT))
                return (ssize_t)(n / 2);
        return 0;
}

ssize_t write(int fd, const void *p, size_t n)
{
        ssize_t part = before_write(fd, n);

        REAL(write);
        if (INTERRUPTED)
                return -1;
        return part < 0 ? -1 : real(fd, p, part ? (size_t)part : n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
        ssize_t part = before_write(fd, n);

        REAL(pwrite);
        if (INTERRUPTED)
                return -1;
        return part < 0 ? -1 : real(fd, p, part ? (size_t)part : n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
        return pwrite(fd, p, n, at);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
        ssize_t part = before_write(fd, n);

        REAL(send);
        if (!(flags & MSG_DONTWAIT) && INTERRUPTED)
                return -1;
        return part < 0 ? -1 : real(fd, p, part ? (size_t)part : n, flags);
}

ssize_t read(int fd, void *p, size_t n)
{
        REAL(read);
        if (INTERRUPTED)
                return -1;
        if (class == READ && is_file(fd) && fails(READ, EIO))
                return -1;
        return real(fd, p, n);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
        REAL(pread);
        return class == READ && is_file(fd) && fails(READ, EIO) ? -1 : real(fd, p, n, at);
}

ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{
        return pread(fd, p, n, at);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
        REAL(recv);
        return !(flags & MSG_DONTWAIT) && INTERRUPTED ? -1 : real(fd, p, n, flags);
}

static int lose_tail(int fd)
{
        if (fd >= 0 && fd < FDS_MAX && is_file(fd) && ftruncate(fd, synced[fd]) < 0)
                abort();
        errno = EIO;
        return -1;
}

int fsync(int fd)
{
        int r;

        REAL(fsync);
        if (strikes(FSYNC))
                return lose_tail(fd);
        r = real(fd);
        note_synced(fd);
        return r;
}

int fdatasync(int fd)
{
        int r;

        REAL(fdatasync);
        if (strikes(FSYNC))
                return lose_tail(fd);
        r = real(fd);
        note_synced(fd);
        return r;
}

/* ---- descriptors ---- */

static int mode_of(int flags, va_list ap)
{
        return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, int) : 0;
}

#define OPEN(name, params, args)                                                                   \
        int name params                                                                            \
        {                                                                                          \
                va_list ap;                                                                        \
                int mode, fd;                                                                      \
                                                                                                   \
                REAL(name);                                                                        \
                va_start(ap, flags);                                                               \
                mode = mode_of(flags, ap);                                                         \
                va_end(ap);                                                                        \
                if (fails(EMFILE_, EMFILE))                                                        \
                        return -1;                                                                 \
                fd = real args;                                                                    \
                note_synced(fd);                                                                   \
                return fd;                                                                         \
        }
OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))

#define DESCRIPTOR(name, params, args)                                                             \
        int name params                                                                            \
        {                                                                                          \
                REAL(name);                                                                        \
                return fails(EMFILE_, EMFILE) ? -1 : real args;                                    \
        }
DESCRIPTOR(socket, (int domain, int type, int protocol), (domain, type, protocol))
DESCRIPTOR(pipe2, (int fds[2], int flags), (fds, flags))
DESCRIPTOR(epoll_create1, (int flags), (flags))
DESCRIPTOR(memfd_create, (const char *name, unsigned flags), (name, flags))

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
        REAL(accept4);
        if (fails(EMFILE_, EMFILE) || INTERRUPTED)
                return -1;
        return real(fd, addr, len, flags);
}

int epoll_wait(int fd, struct epoll_event *ev, int n, int ms)
{
        REAL(epoll_wait);
        return INTERRUPTED ? -1 : real(fd, ev, n, ms);
}

int poll(struct pollfd *fds, nfds_t n, int ms)
{
        REAL(poll);
        return INTERRUPTED ? -1 : real(fds, n, ms);
}

/* ---- names ---- */

#define NAMES(name, params, args)                                                                  \
        int name params                                                                            \
        {                                                                                          \
                REAL(name);                                                                        \
                return fails(NAME, EIO) ? -1 : real args;                                          \
        }
NAMES(rename, (const char *from, const char *to), (from, to))
NAMES(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
NAMES(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
NAMES(unlink, (const char *path), (path))
NAMES(unlinkat, (int at, const char *path, int flags), (at, path, flags))
NAMES(mkdir, (const char *path, mode_t mode), (path, mode))
NAMES(mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))
