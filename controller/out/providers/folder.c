#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "out/providers/folder.h"

#define ACCOUNTS_MAX (256U << 10)
#define BOOT_ID_SIZE 40

static int path_join(char *dst, size_t size, const char *dir, const char *name)
{
        int n = snprintf(dst, size, "%s/%s", dir, name);

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* ---- make ---- */

static int make_dir_at(int dir, const char *name, mode_t mode, bool chown_it, uid_t uid, gid_t gid)
{
        if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        if (chown_it && fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return fchmodat(dir, name, mode, 0) < 0 ? -errno : 0;
}

static int make_file_at(int dir, const char *name, const void *data, size_t len, mode_t mode)
{
        AUTO_CLOSE fd =
                openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);

        if (fd < 0)
                return -errno;
        if (fchmod(fd, mode) < 0)
                return -errno;
        return fd_write_all(fd, data, len);
}

/* `ours` in front of the host's file, so that our lines win. */
static int make_accounts_at(int dir, const char *name, const char *host, const char *ours)
{
        AUTO_BUF text = BUF_INIT(ACCOUNTS_MAX);
        int r = buf_append_str(&text, ours);

        if (r < 0)
                return r;
        r = file_read(host, &text);
        if (r < 0 && r != -ENOENT)
                return r;
        return make_file_at(dir, name, text.data, text.len, 0644);
}

static int make_accounts(int dir, const struct folder_owner *o)
{
        char passwd[512], group[256];
        int r;

        (void)snprintf(passwd, sizeof(passwd),
                       "student:x:%u:%u:Student:/home/student:/bin/bash\n"
                       "wslink:x:%u:%u::/nonexistent:/usr/sbin/nologin\n"
                       "wsgate:x:%u:%u::/nonexistent:/usr/sbin/nologin\n",
                       o->student, o->student, o->link, o->link, o->gate, o->gate);
        (void)snprintf(group, sizeof(group), "student:x:%u:\nwslink:x:%u:\nwsgate:x:%u:\n",
                       o->student, o->link, o->gate);
        r = make_accounts_at(dir, "passwd", "/etc/passwd", passwd);
        return r < 0 ? r : make_accounts_at(dir, "group", "/etc/group", group);
}

static int make_dirs(int dir, const struct folder_owner *o)
{
        static const struct {
                const char *name;
                mode_t mode;
                bool student;
        } dirs[] = {
                {"home", 0700, true},
                {"run", 0755, false},
                {"tmp", 01777, false},
                {"run/bin", 0755, false},
        };
        size_t i;
        int r;

        for (i = 0; i < ARRAY_LEN(dirs); i++) {
                r = make_dir_at(dir, dirs[i].name, dirs[i].mode, o->own && dirs[i].student,
                                o->student, o->student);
                if (r < 0)
                        return r;
        }
        return 0;
}

int folder_make(const char *path, uint32_t slot, const struct folder_owner *owner,
                const struct folder_file *files, size_t n_files, const char **ret_what)
{
        char number[16], name[64];
        AUTO_CLOSE dir = -1;
        size_t i;
        int r;

        *ret_what = "task folder";
        /* What runs inside must reach its own parts, and in plain mode by this very path. */
        if (mkdir(path, 0711) < 0 && errno != EEXIST)
                return -errno;
        dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        *ret_what = "slot file";
        (void)snprintf(number, sizeof(number), "%u", slot);
        r = make_file_at(dir, "slot", number, strlen(number), 0600);
        if (r < 0)
                return r;
        *ret_what = "folders of the task";
        r = make_dirs(dir, owner);
        if (r < 0)
                return r;
        *ret_what = "passwd and group of the task";
        r = make_accounts(dir, owner);
        if (r < 0)
                return r;
        *ret_what = "files of the task";
        r = make_file_at(dir, "run/bin/wsagent", "", 0, 0755);
        if (r == 0)
                r = make_file_at(dir, "run/bin/wsagent-worker", "", 0, 0755);
        for (i = 0; i < n_files && r == 0; i++) {
                (void)snprintf(name, sizeof(name), "run/%s", files[i].name);
                r = make_file_at(dir, name, files[i].data, files[i].len, 0644);
        }
        return r;
}

/* ---- who is it? ---- */

static int boot_id_read(char ret_id[static BOOT_ID_SIZE])
{
        AUTO_BUF text = BUF_INIT(256);
        int r = file_read("/proc/sys/kernel/random/boot_id", &text);

        if (r < 0)
                return r;
        if (text.len != 37) /* 36 characters and a newline */
                return -EBADMSG;
        memcpy(ret_id, text.data, 36);
        ret_id[36] = '\0';
        return 0;
}

/* Start time in clock ticks: field 22 of /proc/PID/stat (proc(5)). 1: a zombie. */
static int start_time_read(pid_t pid, uint64_t *ret_ticks)
{
        AUTO_BUF text = BUF_INIT(4096);
        char path[64], *p, *end;
        int r, field;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        r = file_read(path, &text);
        if (r < 0)
                return r;
        p = memrchr(text.data, ')', text.len); /* the name before it may hold anything */
        if (!p || p[1] != ' ')
                return -EBADMSG;
        p += 2;
        if (*p == 'Z' || *p == 'X')
                return 1;
        for (field = 3; field < 22; field++) {
                p = strchr(p, ' ');
                if (!p)
                        return -EBADMSG;
                p++;
        }
        end = strchr(p, ' ');
        if (!end)
                return -EBADMSG;
        *end = '\0';
        return num_parse_u64(p, 0, UINT64_MAX, ret_ticks);
}

int folder_write_pid(const char *path, pid_t pid)
{
        char line[128], boot[BOOT_ID_SIZE], name[4096], fresh[4096];
        uint64_t ticks = 0;
        AUTO_CLOSE fd = -1;
        int r;

        r = boot_id_read(boot);
        if (r < 0)
                return r;
        r = start_time_read(pid, &ticks);
        if (r != 0)
                return r < 0 ? r : -ESRCH;
        r = path_join(name, sizeof(name), path, "pid");
        if (r == 0)
                r = path_join(fresh, sizeof(fresh), path, "pid.new");
        if (r < 0)
                return r;
        (void)snprintf(line, sizeof(line), "%d %" PRIu64 " %s\n", (int)pid, ticks, boot);
        /* No fsync: after a crash of the machine the process is gone anyway (boot id). */
        fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, line, strlen(line));
        if (r < 0)
                return r;
        return rename(fresh, name) < 0 ? -errno : 0;
}

int folder_write_unsaved(const char *path, const char *workspace, uint64_t generation)
{
        char name[4096], line[128];
        int r = path_join(name, sizeof(name), path, "unsaved");
        int n = snprintf(line, sizeof(line), "%s %" PRIu64 "\n", workspace, generation);

        if (r == 0 && (n < 0 || (size_t)n >= sizeof(line)))
                r = -EINVAL;
        return r < 0 ? r : file_write_atomic(name, line, (size_t)n, 0600);
}

int folder_read_unsaved(const char *path, char ret_workspace[static FOLDER_WORKSPACE_SIZE],
                        uint64_t *ret_generation)
{
        AUTO_BUF text = BUF_INIT(128);
        char name[4096], *space;
        int r = path_join(name, sizeof(name), path, "unsaved");

        if (r == 0)
                r = file_read(name, &text);
        if (r == 0)
                r = buf_terminate(&text);
        if (r < 0)
                return r;
        space = strchr((char *)text.data, ' ');
        if (!space)
                return -EBADMSG;
        *space++ = '\0';
        space[strcspn(space, "\n")] = '\0';
        r = num_parse_u64(space, 0, UINT64_MAX, ret_generation);
        return r < 0 ? r : str_copy(ret_workspace, FOLDER_WORKSPACE_SIZE, (const char *)text.data);
}

int folder_read_slot(const char *path, uint32_t *ret_slot)
{
        AUTO_BUF text = BUF_INIT(64);
        char name[4096];
        uint64_t slot;
        int r;

        r = path_join(name, sizeof(name), path, "slot");
        if (r == 0)
                r = file_read(name, &text);
        if (r == 0)
                r = text.data ? num_parse_u64((const char *)text.data, 0, UINT32_MAX - 1, &slot)
                              : -EBADMSG;
        if (r == 0)
                *ret_slot = (uint32_t)slot;
        return r;
}

/* "PID TICKS BOOTID\n" */
static int pid_file_parse(char *text, pid_t *ret_pid, uint64_t *ret_ticks, char **ret_boot)
{
        char *ticks = strchr(text, ' '), *boot = ticks ? strchr(ticks + 1, ' ') : NULL;
        char *end = boot ? strchr(boot, '\n') : NULL;
        uint64_t pid;
        int r;

        if (!end)
                return -EBADMSG;
        *ticks++ = '\0';
        *boot++ = '\0';
        *end = '\0';
        r = num_parse_u64(text, 1, INT32_MAX, &pid);
        if (r == 0)
                r = num_parse_u64(ticks, 0, UINT64_MAX, ret_ticks);
        if (r < 0)
                return r;
        *ret_pid = (pid_t)pid;
        *ret_boot = boot;
        return 0;
}

int folder_open_alive(const char *path, pid_t *ret_pid, int *ret_pidfd)
{
        AUTO_BUF text = BUF_INIT(256);
        char name[4096], now_boot[BOOT_ID_SIZE], *boot = NULL;
        uint64_t ticks = 0, now_ticks = 0;
        AUTO_CLOSE pidfd = -1;
        pid_t pid = 0;
        int r;

        r = path_join(name, sizeof(name), path, "pid");
        if (r == 0)
                r = file_read(name, &text);
        if (r == -ENOENT)
                return 1;
        if (r < 0)
                return r;
        if (!text.data || pid_file_parse((char *)text.data, &pid, &ticks, &boot) < 0)
                return 1; /* not ours: we write it whole or not at all */
        r = boot_id_read(now_boot);
        if (r < 0)
                return r;
        if (strcmp(boot, now_boot) != 0)
                return 1;
        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0)
                return errno == ESRCH || errno == EINVAL ? 1 : -errno;
        /* After the open: a pid that was given to another process since shows another start. */
        r = start_time_read(pid, &now_ticks);
        if (r != 0 || now_ticks != ticks)
                return 1;
        *ret_pid = pid;
        *ret_pidfd = STEAL(pidfd, -1);
        return 0;
}
