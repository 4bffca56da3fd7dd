/* The role `sense` alone, without the other roles of wsagent-worker. */
#include "base/log.h"
#include "roles.h"

int main(int argc, char **argv)
{
        log_init("sense", LOG_INFO_LEVEL);
        return role_sense_main(argc, argv);
}
