/* Gives every file of a corpus folder to the harness once, so that old findings stay fixed. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
        unsigned n = 0;
        DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
        struct dirent *e;

        if (!dir) {
                fprintf(stderr, "usage: replay CORPUS_FOLDER\n");
                return 2;
        }
        while ((e = readdir(dir))) {
                char path[PATH_MAX];
                AUTO_BUF b = BUF_INIT(1 << 20);

                if (e->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
                if (file_read(path, &b) < 0)
                        return 1;
                (void)LLVMFuzzerTestOneInput(b.data, b.len);
                n++;
        }
        closedir(dir);
        printf("%u inputs\n", n);
        return n > 0 ? 0 : 1;
}
