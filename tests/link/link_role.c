/*
 * The role `link` alone, without the other roles of wsagent-worker. LINK_PLANT=stuck: nng does not
 * let go of its connections.
 */
#include <nng/nng.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "roles.h"

int __real_nng_dialer_close(nng_dialer d);
int __wrap_nng_dialer_close(nng_dialer d);

int __wrap_nng_dialer_close(nng_dialer d)
{
        const char *plant = getenv("LINK_PLANT");

        return plant && strcmp(plant, "stuck") == 0 ? 0 : __real_nng_dialer_close(d);
}

int main(int argc, char **argv)
{
        log_init("link", LOG_INFO_LEVEL);
        return role_link_main(argc, argv);
}
