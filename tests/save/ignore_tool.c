/*
 * ignore_tool DIR: the paths below DIR that rules in files named .gitignore leave out, each with a
 * NUL behind it. For tests/save/ignore, which asks git the same.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fd.h"
#include "save/ignore.h"

static void walk(struct ignore *ig, const char *root, const char *dir, bool ignored)
{
        AUTO_BUF text = BUF_INIT(1 << 20);
        char path[4096];
        struct dirent *d;
        int mark = (int)ig->n;
        DIR *list;

        (void)snprintf(path, sizeof(path), "%s/%s/.gitignore", root, dir);
        if (file_read(path, &text) == 0 &&
            ignore_push(ig, dir, (char *)text.data, text.len) != mark)
                exit(3);
        (void)snprintf(path, sizeof(path), "%s/%s", root, dir);
        list = opendir(path);
        while (list && (d = readdir(list)) != NULL) {
                bool is_dir = d->d_type == DT_DIR, out;

                if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
                        continue;
                (void)snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", d->d_name);
                out = ignored || ignore_matches(ig, path, is_dir);
                if (out)
                        fwrite(path, 1, strlen(path) + 1, stdout);
                if (is_dir && strcmp(path, ".git") != 0)
                        walk(ig, root, path, out);
        }
        if (list)
                closedir(list);
        ignore_pop(ig, mark);
}

int main(int argc, char **argv)
{
        struct ignore ig = {0};

        if (argc != 2)
                return 2;
        walk(&ig, argv[1], "", false);
        ignore_deinit(&ig);
        return 0;
}
