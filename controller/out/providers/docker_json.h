/*
 * The bodies of the Engine API, as structs. cJSON is in docker_json.c only. Pure. What an engine
 * sends is taken with care: a field that is missing or of another type is "" or 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"
#include "core/types.h"

#define DOCKER_ID_SIZE 129
#define DOCKER_TEXT_SIZE 160

#define DOCKER_LABEL_CONTROLLER "workspaces.controller"
#define DOCKER_LABEL_TASK "workspaces.task"
#define DOCKER_LABEL_TYPE "workspaces.type"
#define DOCKER_LABEL_VERSION "workspaces.version"

/* What a container is made from. Texts may be "" where nothing is to be said. */
struct docker_spec {
        const char *controller, *task, *type, *version; /* labels */
        const char *image, *network, *controller_url;
        const char *profile;   /* path inside; "": the image's own */
        const char *bind;      /* SRC:DST, shown read-only */
        const char *log_level; /* or NULL */
        int64_t memory;        /* bytes; 0 no limit */
        int64_t cpu;           /* millionths of a processor; 0 no limit */
        int64_t pids;          /* 0 no limit */
        int64_t grace_ms;      /* between SIGTERM and SIGKILL */
        int64_t tmp_bytes;     /* size of the tmpfs on /tmp */
        bool read_only;        /* root file system; home and run folder are volumes then */
};

/* JSON for POST /containers/create. 0, -ENOMEM, -ENOBUFS, -EINVAL (a malformed bind). */
NODISCARD int docker_json_create(const struct docker_spec *spec, struct buf *ret_body);
/* The filters of GET /containers/json and /events, escaped for a query. */
void docker_json_filters(const char *controller, bool events, char *dst, size_t size);

/* {"message": "..."} of an answer that is an error. */
void docker_json_message(const char *body, char dst[static DOCKER_TEXT_SIZE]);

struct docker_listed {
        char id[DOCKER_ID_SIZE];
        char task[CORE_ID_SIZE], type[CORE_TYPE_SIZE];
        char state[16]; /* "created", "running", "exited", "dead", ... */
        char name[160];
};

/* Each container of a list. 0, or -EBADMSG when it is none. */
NODISCARD int docker_json_list(const char *body,
                               void (*fn)(void *ctx, const struct docker_listed *l), void *ctx);

struct docker_inspected {
        char id[DOCKER_ID_SIZE];
        char status[16];
        int exit_code;
        bool oom_killed;
        int64_t memory; /* its limit */
        char error[DOCKER_TEXT_SIZE];
};
NODISCARD int docker_json_inspect(const char *body, struct docker_inspected *ret);

struct docker_event {
        char action[32];
        char task[CORE_ID_SIZE];
        int64_t time; /* seconds */
};
NODISCARD int docker_json_event(const char *line, struct docker_event *ret);

/* "Id" of an answer that has one: a container that was made, an image ("sha256:..."). */
NODISCARD int docker_json_id(const char *body, char ret_id[static DOCKER_ID_SIZE]);
/* The first IPv4 gateway of GET /networks/NAME, "" when it has none. */
NODISCARD int docker_json_gateway(const char *body, char ret_gateway[static 64]);
