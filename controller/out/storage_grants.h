/*
 * What a grant allows, and the addresses that are handed out for it. No sockets.
 */
#pragma once

#include "base/buf.h"
#include "base/macro.h"
#include "keys.h"
#include "out/storage_url.h"

#define STORAGE_REASON_SIZE 160

/*
 * The answer to one grant request (blob.h), appended to `ret_json`: addresses of a local storage
 * server that is reached at `base` ("http://10.0.0.5:7702"). 0; an HTTP status of 400 and above
 * with `reason` as a sentence; -errno.
 */
NODISCARD int storage_grants_local(const struct keys *k, const char *base,
                                   const struct storage_grant *g, const void *body, size_t len,
                                   struct buf *ret_json, char reason[static STORAGE_REASON_SIZE]);

/*
 * Decode and judge a request: each object's full name in `refs`. Results as above. For every kind
 * of storage.
 */
NODISCARD int storage_grants_check(const struct storage_grant *g, const void *body, size_t len,
                                   struct blob_grant_request *ret_request,
                                   struct blob_object_ref refs[static BLOB_GRANT_OBJECTS_MAX],
                                   char reason[static STORAGE_REASON_SIZE]);
