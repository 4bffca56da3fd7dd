/*
 * The roles of `wsagent-worker`, and the descriptors and environment that init gives each of them.
 * worker.c chooses the role by argv[1] and does nothing else.
 *
 * Descriptors are inherited at fixed numbers. The socket pairs are made once by init, which keeps
 * both ends open for its whole life: when a role dies and is started again, it finds the same
 * socket with whatever waited in it, and its peer never sees a hang-up.
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>

/* SOCK_SEQPACKET, init/control.h: init <-> link */
#define ROLE_FD_CONTROL 3
/* SOCK_SEQPACKET, channel.h: link <-> gate. In link and gate. */
#define ROLE_FD_GATE 4
/* SOCK_SEQPACKET, channel.h: link <-> sense. In link and sense. */
#define ROLE_FD_SENSE 5
/* The gate's listening TCP socket, bound by init so that no one can take the port between lives. */
#define ROLE_FD_LISTEN 6
/* save, restore: the request (JSON, a sealed memfd at offset 0) and where the result goes. */
#define ROLE_FD_REQUEST 7
#define ROLE_FD_RESULT 8
/* gate: a memfd of ROLE_USED_BYTES for the tickets that were used; init holds it over its lives. */
#define ROLE_FD_USED 9
#define ROLE_USED_BYTES 24576

/* Largest request or result blob that init passes on, in bytes. */
#define ROLE_BLOB_MAX 32768

/*
 * What may stand before the result on ROLE_FD_RESULT, as often as there is something to say: how
 * far the work is. Written whole; no result begins with the mark. It also says that the role lives.
 */
struct role_progress {
        uint8_t mark[8];
        uint64_t done, total; /* bytes; total 0: not known */
};
#define ROLE_PROGRESS_MARK                                                                         \
        {                                                                                          \
                1, 'p', 'r', 'o', 'g', 'r', 'e', 's'                                               \
        }

/* Exit code of a save that has failed and will fail again. */
#define ROLE_EXIT_FINAL 2
/* In the roles' environment: 1 in a rescue of a task whose app was never started for a person. */
#define ROLE_UNUSED_ENV "WS_UNUSED"

/*
 * Environment. Of the first group only link sees the secret, nobody else any of it.
 *   WS_TASK_ID         this task
 *   WS_TASK_SECRET     64 hex digits, enrolment
 *   WS_CONTROLLER      tcp://127.0.0.1:7700 (nng URL; several with commas between them)
 * All roles:
 *   WS_PROFILE         path of the profile (JSON)
 *   WS_RUN_DIR         private folder of this task, default /run/ws
 *   WS_HOME            the student's home, default /home/student
 *   WS_WORKSPACE       what the editor opens, default $WS_HOME/workspace
 *   WS_APP_SOCKET      the app's Unix socket, default $WS_RUN_DIR/app/app.sock
 *   WS_NOTICE_SOCKET   the gate's for the app, default $WS_RUN_DIR/notice/notice.sock
 *   WS_LOG_LEVEL       debug, info, warn, error; worker.c sets it for every role
 */
#define ROLE_RUN_DIR "/run/ws"
#define ROLE_HOME "/home/student"

/* The variable, or `otherwise` where it is absent or empty. */
static inline const char *role_env(const char *name, const char *otherwise)
{
        const char *value = getenv(name);

        return value && *value ? value : otherwise;
}

int role_link_main(int argc, char **argv);
int role_gate_main(int argc, char **argv);
int role_sense_main(int argc, char **argv);
int role_save_main(int argc, char **argv);
int role_restore_main(int argc, char **argv);
int role_profile_main(int argc, char **argv);
int role_rules_main(int argc, char **argv);
int role_probe_main(int argc, char **argv);
