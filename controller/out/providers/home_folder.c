#include "out/providers/home_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "core/types.h"
#include "out/providers/folder.h"

static bool is_dir(const char *path)
{
        struct stat st;

        return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int make_dir(const char *path)
{
        return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int join(char dst[static HOME_PATH], const char *dir, const char *name)
{
        int n = snprintf(dst, HOME_PATH, "%s/%s", dir, name);

        return n < 0 || n >= HOME_PATH ? -ENAMETOOLONG : 0;
}

#define NOTE_SIZE (CORE_ID_SIZE + 24)

/* 0; -ENOENT; -errno. */
static int note_read(const char *path, char ret_task[static CORE_ID_SIZE], uint64_t *ret_generation)
{
        AUTO_BUF text = BUF_INIT(NOTE_SIZE);
        int r = file_read(path, &text);
        char *space;

        if (r == 0)
                r = buf_terminate(&text);
        if (r < 0)
                return r;
        *ret_generation = 0;
        space = strchr((char *)text.data, ' ');
        if (space) {
                *space = '\0';
                if (num_parse_u64(space + 1, 0, UINT64_MAX, ret_generation) < 0)
                        return -EBADMSG;
        }
        return name_valid((const char *)text.data, CORE_ID_SIZE - 1)
                       ? str_copy(ret_task, CORE_ID_SIZE, (const char *)text.data)
                       : -EBADMSG;
}

static int note_write(const struct home_request *q, const char *path)
{
        char text[NOTE_SIZE];

        (void)snprintf(text, sizeof(text), "%.*s %" PRIu64, CORE_ID_SIZE - 1, q->task,
                       q->generation);
        return file_write_atomic(path, text, strlen(text), 0600);
}

/* 0: no task that lives has it but this one; -EBUSY; -errno. */
static int check_free(const struct home_request *q, const char *note)
{
        char path[HOME_PATH], task[CORE_ID_SIZE];
        AUTO_CLOSE pidfd = -1;
        uint64_t generation;
        pid_t pid;
        int r = note_read(note, task, &generation);

        if (r == -ENOENT || (r == 0 && strcmp(task, q->task) == 0))
                return 0;
        if (r == 0)
                r = join(path, q->tasks, task);
        if (r == 0)
                r = folder_open_alive(path, &pid, &pidfd);
#ifdef HOME_PLANTED_GIVEN_TWICE
        return 0;
#endif
        return r == 0 ? -EBUSY : MIN(r, 0);
}

bool home_removable(const char *homes, const char *workspace, uint64_t generation)
{
        char dir[HOME_PATH], note[HOME_PATH], task[CORE_ID_SIZE];
        uint64_t noted = 0;
        int r = join(dir, homes, workspace);

        if (r == 0)
                r = join(note, dir, "task");
        if (r == 0)
                r = note_read(note, task, &noted);
        return r == -ENOENT || (r == 0 && noted <= generation);
}

/* Once: when the folder is there already, this generation has begun anew. */
static int set_aside(const char *dir, uint64_t generation)
{
        static const char *const names[] = {"save", "home"}; /* what says "done" goes last */
        char aside[HOME_PATH], from[HOME_PATH], to[HOME_PATH], name[48];
        int r;

        (void)snprintf(name, sizeof(name), "aside-%" PRIu64, generation);
        r = join(aside, dir, name);
        if (r == 0)
                r = make_dir(aside);
        if (r == 0)
                r = join(to, aside, "home");
        if (r < 0 || is_dir(to))
                return r;
        for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++) {
                r = join(from, dir, names[i]);
                if (r == 0)
                        r = join(to, aside, names[i]);
                if (r == 0 && rename(from, to) < 0 && errno != ENOENT)
                        r = -errno;
        }
        return r;
}

static int say(char reason[static HOME_REASON], int r, const char *what)
{
        (void)snprintf(reason, HOME_REASON, "%s: %s", what, strerror(-r));
        return r;
}

static int make(const struct home_request *q, const char *dir, char reason[static HOME_REASON])
{
        char home[HOME_PATH], save[HOME_PATH], note[HOME_PATH];
        int r = join(home, dir, "home");

        if (r == 0)
                r = join(save, dir, "save");
        if (r == 0)
                r = join(note, dir, "task");
        if (r < 0)
                return say(reason, r, "home folder");
#ifndef HOME_PLANTED_MAKES_ANEW
        if (q->must_exist && !is_dir(home)) {
                (void)snprintf(reason, HOME_REASON,
                               "its home folder is not there: mount the disk that holds %.60s, or "
                               "go back to a save (wsctl restore)",
                               home);
                return 1;
        }
#endif
        r = make_dir(dir);
        if (r < 0)
                return say(reason, r, "making the home folder");
        r = check_free(q, note);
        if (r == -EBUSY)
                (void)snprintf(reason, HOME_REASON, "another task that lives has its home folder");
        if (r < 0)
                return r == -EBUSY ? r : say(reason, r, "who has the home folder");
        if (q->replace)
                r = set_aside(dir, q->generation);
        if (r < 0)
                return say(reason, r, "setting the old home folder aside");
        /* First: from here on nobody else is given it while this task lives. */
        r = note_write(q, note);
        if (r == 0)
                r = make_dir(home);
        if (r == 0)
                r = make_dir(save);
        return r < 0 ? say(reason, r, "making the home folder") : 0;
}

int home_prepare(const struct home_request *q, char ret_reason[static HOME_REASON])
{
        char dir[HOME_PATH];
        int r = join(dir, q->homes, q->workspace);

        if (r == 0 && !q->must_exist)
                r = dir_make(q->homes, 0700);
        return r < 0 ? say(ret_reason, r, "folder of all homes") : make(q, dir, ret_reason);
}
