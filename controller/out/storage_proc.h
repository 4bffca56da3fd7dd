/*
 * Keeps a storage server running beside the controller: started at once, started again with
 * back-off when it ends (100 ms doubling to 10 s, back to 100 ms after 30 s up), ended with the
 * controller whatever way that ends. The loop's thread.
 */
#pragma once

#include "base/macro.h"
#include "loop/loop.h"
#include "out/storage_server.h"

struct storage_proc;

/* `self_exe` is executed as `self_exe storage --listen …`. Strings are copied. 0 or -errno. */
NODISCARD int storage_spawn(struct loop *l, const char *self_exe,
                            const struct storage_server_options *o, struct storage_proc **ret_proc);
/* Kills the server (it holds nothing but unfinished uploads) and waits for it. */
struct storage_proc *storage_proc_free(struct storage_proc *p);
