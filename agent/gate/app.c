#include "gate/app.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/str.h"

int app_connect(const char *path, int *ret_fd)
{
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        AUTO_CLOSE fd = -1;
        int r = STR_SET(to.sun_path, path);

        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
                return -errno;
        *ret_fd = STEAL(fd, -1);
        return 0;
}
