/*
 * The Engine API of Docker (Podman speaks it too) over its Unix socket: requests and a stream of
 * events that do not block the loop. libcurl is in engine.c only, driven by the loop. Loop thread
 * only; callbacks come from the loop, never from inside the call that asked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "loop/loop.h"

#define ENGINE_ERROR_SIZE 160
#define ENGINE_TAG_SIZE 64
#define ENGINE_CALLS_MAX 16384

struct engine;

struct engine_answer {
        long status;                   /* of HTTP; 0: no answer, `error` says why */
        bool reached;                  /* status 0: the request may have reached the engine */
        char error[ENGINE_ERROR_SIZE]; /* cause and cure, for people */
        const char *body;              /* NUL-terminated, "" for none; valid in the callback */
        char tag[ENGINE_TAG_SIZE];     /* as given to the call */
};

typedef void (*engine_fn)(void *ctx, const struct engine_answer *a);
/* One line of a stream, without its end. */
typedef void (*engine_line_fn)(void *ctx, const char *line);

/* `socket` is a path; connections are made by the calls. 0, -ENOMEM, -ENAMETOOLONG. */
NODISCARD int engine_new(struct loop *l, const char *socket, struct engine **ret_engine);
/* Calls that are under way end without their callback. Takes NULL. */
struct engine *engine_free(struct engine *e);

/*
 * `method` and `path` ("/containers/json?all=1", already escaped), `body` JSON or NULL. The tag
 * comes back, so that what asked may be gone by then. 0, -ENOBUFS (too many), -ENOMEM.
 */
NODISCARD int engine_call(struct engine *e, const char *method, const char *path, const char *body,
                          const char *tag, engine_fn fn, void *ctx);
/* GET that goes on until the engine ends it; `end` is then called with status and error. */
NODISCARD int engine_stream(struct engine *e, const char *path, engine_line_fn line, engine_fn end,
                            void *ctx);
/*
 * The loop has ended: give the calls that are under way `ms` more, streams excepted. Blocks;
 * callbacks are made.
 */
void engine_finish(struct engine *e, int64_t ms);
/* Escape for a path or a query. Cuts what does not fit. */
void engine_escape(const char *text, char *dst, size_t size);
/* Why connect(2) to the socket failed, and what to do about it. */
void engine_explain(const char *socket, int error, char dst[static ENGINE_ERROR_SIZE]);
const char *engine_socket(const struct engine *e);
