/*
 * What init is told by its options and environment, checked once at start. Fixed memory.
 */
#pragma once

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "base/macro.h"
#include "init/spawn.h"

struct config {
        char worker[PATH_MAX];        /* --worker; default: wsagent-worker beside our own file */
        char profile[PATH_MAX];       /* --profile, WS_PROFILE */
        char run_dir[PATH_MAX];       /* WS_RUN_DIR */
        char home[PATH_MAX];          /* WS_HOME */
        char workspace[PATH_MAX];     /* WS_WORKSPACE */
        char app_socket[PATH_MAX];    /* WS_APP_SOCKET */
        char notice_socket[PATH_MAX]; /* WS_NOTICE_SOCKET; has a folder of its own */
        char prime_home[PATH_MAX];    /* $WS_RUN_DIR/prime */
        char save_dir[PATH_MAX];      /* $WS_RUN_DIR/save: scratch of save and restore */
        struct sockaddr_in listen;    /* --listen ADDR:PORT, WS_LISTEN; default 127.0.0.1:0 */
        char user_name[33];           /* of the student, for $USER */
        struct spawn_user student, link, gate; /* drop: all or none */
        int64_t term_grace_ms;    /* WS_TERM_GRACE: what we have between SIGTERM and SIGKILL */
        enum log_level log_level; /* WS_LOG_LEVEL */
        bool pid1;
};

/* Where wsagent-worker should stand. 0 or -errno; it need not exist. */
NODISCARD int config_worker_beside_us(char dst[PATH_MAX]);
/*
 * Fill `c`, which is zeroed. 0, or an exit code (64 usage, 78 configuration) after saying what is
 * wrong; `c` is then half filled.
 */
NODISCARD int config_read(int argc, char **argv, struct config *c);
