/*
 * Before a workspace goes on from its newest save, what its ended task has left is saved: the
 * provider does the rescue, the storage waits with its look for finished saves (SALVAGE).
 */
#pragma once

#include "loop/loop.h"
#include "out/providers/docker.h"
#include "out/providers/process.h"
#include "out/storage.h"

struct rescues;

/* One of the providers is NULL. All are the caller's and outlive this but for storage_free. */
NODISCARD int rescues_new(struct loop *l, struct storage *storage, struct process *process,
                          struct docker *docker, struct rescues **ret_rescues);
/* After the providers are gone. Takes NULL. */
struct rescues *rescues_free(struct rescues *r);
