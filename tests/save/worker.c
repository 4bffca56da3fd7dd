/* The two roles alone, so that this suite needs nothing of the other roles. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "roles.h"

int main(int argc, char **argv)
{
        log_init("worker", LOG_WARN_LEVEL);
        if (argc >= 2 && strcmp(argv[1], "save") == 0)
                return role_save_main(argc - 1, argv + 1);
        if (argc >= 2 && strcmp(argv[1], "restore") == 0)
                return role_restore_main(argc - 1, argv + 1);
        fprintf(stderr, "usage: save_worker save|restore\n");
        return 2;
}
