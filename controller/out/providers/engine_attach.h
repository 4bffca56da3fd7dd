/*
 * Give a container that does not run what its first process shall read on its standard
 * input: a secret that stands in no file, no environment and no `docker inspect`. The Engine API
 * turns the request's connection into the container's input (POST /containers/ID/attach), so this
 * is a plain socket. Loop thread only.
 */
#pragma once

#include "loop/loop.h"
#include "out/providers/engine.h"
#include "out/providers/rescue.h"

#define ATTACH_TEXT_SIZE RESCUE_TEXT_SIZE

struct attach;

/*
 * `error` is "" when the engine has taken the text; else cause and cure. `refusal` is what the
 * engine answered when it refused (JSON, perhaps cut), else NULL.
 */
typedef void (*attach_fn)(void *ctx, const char *error, const char *refusal);

/*
 * Connect, ask, send `text`. `done` is called once, unless attach_free comes first; the connection
 * stays, because its end is the end of the input: free the object when the container runs.
 * 0 or -errno (see engine_explain).
 */
NODISCARD int attach_new(struct loop *l, const char *socket, const char *container,
                         const char *text, attach_fn done, void *ctx, struct attach **ret_attach);
/* Close it. Takes NULL. */
struct attach *attach_free(struct attach *a);
