/* The role `link` alone, without the other roles of wsagent-worker. */
#include "base/log.h"
#include "roles.h"

int main(int argc, char **argv)
{
        log_init("link", LOG_INFO_LEVEL);
        return role_link_main(argc, argv);
}
