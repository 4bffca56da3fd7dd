/* Two defects that tests/fault/run must find: nobody looks at what fsync and malloc return. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        int fd = argc == 2 ? open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

        if (fd < 0)
                return 2;
        for (int i = 0; i < 20; i++) {
                char *line = malloc(16);
                int n = snprintf(line, 16, "line-%d\n", i);

                if (write(fd, line, (size_t)n) != n)
                        return 1;
                (void)fsync(fd);
                fputs(line, stdout);
                free(line);
        }
        return 0;
}
