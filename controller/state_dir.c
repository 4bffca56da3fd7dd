#include "state_dir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"

#define TOKEN_BYTES 24

static_assert(STATE_TOKEN_SIZE == 2 * TOKEN_BYTES + 2, "hex digits, a newline, NUL");

const char *state_dir_path(const char *dir, const char *name, char dst[static STATE_PATH_SIZE])
{
        (void)snprintf(dst, STATE_PATH_SIZE, "%s/%s", dir, name);
        return dst;
}

static int open_lock(const char *dir, const char *name, char path[static STATE_PATH_SIZE])
{
        int fd = open(state_dir_path(dir, name, path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0)
                log_error(
                        "the state folder cannot be written; make it writable or give --state-dir",
                        LOG_STR("path", path), LOG_ERR(errno));
        return fd < 0 ? -EACCES : fd;
}

/*
 * Two controllers on one file of state would give a workspace two tasks. A record lock belongs to
 * the process alone: a task that is just being launched, still a copy of us, does not hold it when
 * we are gone (fcntl(2); flock(2) would be held until the copy executes something).
 */
static int lock(const char *dir, bool shared, int *ret_fd)
{
        char path[STATE_PATH_SIZE];
        char pid[16] = "";
        AUTO_CLOSE fd = open_lock(dir, "lock", path);
        struct flock whole = {.l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
        int len;
        ssize_t n;

        if (fd < 0)
                return fd;
        if (fcntl(fd, F_SETLK, &whole) < 0) {
                n = read(fd, pid, sizeof(pid) - 1);
                pid[n > 0 ? strcspn(pid, "\n") : 0] = 0;
                log_error("another controller is running on this state folder",
                          LOG_STR("pid", pid[0] ? pid : "unknown"), LOG_STR("lock", path));
                return -EBUSY;
        }
        len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) != len)
                log_warn("the lock file could not be written", LOG_ERR(errno));
        *ret_fd = STEAL(fd, -1);
        return 0;
}

static int load_token(const char *dir, char token[static STATE_TOKEN_SIZE])
{
        char path[STATE_PATH_SIZE];
        uint8_t fresh[TOKEN_BYTES];
        AUTO_BUF content = BUF_INIT(STATE_TOKEN_SIZE);
        int r = file_read(state_dir_path(dir, "api.token", path), &content);

        if (r == -ENOENT) {
                random_bytes(fresh, sizeof(fresh));
                hex_encode(fresh, sizeof(fresh), token);
                explicit_bzero(fresh, sizeof(fresh));
                r = buf_printf(&content, "%s\n", token);
                if (r == 0)
                        r = file_write_atomic(path, content.data, content.len, 0600);
                if (r == 0)
                        log_info("an API token was made", LOG_STR("path", path));
        }
        if (r == 0) {
                memcpy(token, content.data, content.len);
                token[MIN(content.len, STATE_TOKEN_SIZE - 1)] = 0;
                token[strcspn(token, "\r\n")] = 0;
                explicit_bzero(content.data, content.len);
        }
        if (r == 0 && strlen(token) < 2 * 16)
                r = -EBADMSG;
        if (r < 0)
                log_error("the API token cannot be read; remove the file to have a new one made",
                          LOG_STR("path", path), LOG_ERR(r));
        return r;
}

/* With a new key no running task could enrol or save: a database without its key is a mistake. */
static int load_keys(const char *dir, struct keys *keys)
{
        char key[STATE_PATH_SIZE];
        char db[STATE_PATH_SIZE];
        int r;

        (void)state_dir_path(dir, "master.key", key);
        (void)state_dir_path(dir, "state.db", db);
        if (access(key, F_OK) < 0 && errno == ENOENT && access(db, F_OK) == 0) {
                log_error("the master key is missing beside the database; put it back, or move the "
                          "database away to begin anew",
                          LOG_STR("path", key));
                return -ENOKEY;
        }
        r = keys_load(key, keys);
        if (r < 0)
                log_error("the master key cannot be read or made; without it running tasks cannot "
                          "be trusted",
                          LOG_STR("path", key), LOG_ERR(r));
        return r;
}

/* Two first starts at one moment must come to the same key and token. */
static int load_secrets(const char *dir, struct state_dir *s)
{
        char path[STATE_PATH_SIZE];
        AUTO_CLOSE fd = open_lock(dir, "lock.secrets", path);
        int r;

        if (fd < 0)
                return fd;
        while (flock(fd, LOCK_EX) < 0) {
                if (errno != EINTR)
                        return -errno;
        }
        r = load_keys(dir, &s->keys);
        return r < 0 ? r : load_token(dir, s->token);
}

int state_dir_open(const char *dir, bool shared, struct state_dir *ret)
{
        int r = dir_make(dir, 0700);

        *ret = STATE_DIR_NULL;
        if (r < 0) {
                log_error("the state folder cannot be made; give --state-dir", LOG_STR("path", dir),
                          LOG_ERR(r));
                return r;
        }
        r = lock(dir, shared, &ret->lock_fd);
        return r < 0 ? r : load_secrets(dir, ret);
}

void state_dir_close(struct state_dir *s)
{
        s->lock_fd = fd_close(s->lock_fd);
        explicit_bzero(&s->keys, sizeof(s->keys));
        explicit_bzero(s->token, sizeof(s->token));
}
