/*
 * An S3-compatible storage: the controller's backend (objects_backend.h), and presigned addresses
 * for grants. Credentials come from a file, the environment or the ECS task's endpoint
 * (s3_credentials.h). Requests are repeated with back-off when the storage is busy or not reached.
 * Blocking; several threads may use one at the same time.
 */
#pragma once

#include <stdbool.h>

#include "base/macro.h"
#include "out/objects_backend.h"
#include "out/storage_grants.h"

struct s3_config {
        const char *url;              /* "s3://bucket/prefix" */
        const char *endpoint;         /* "https://minio.example:9000"; "" for AWS */
        const char *region;           /* "eu-central-1" */
        bool path_style;              /* host/bucket/key in place of bucket.host/key */
        const char *credentials_file; /* "" for the environment or the task's */
};

#define S3_PRESIGN_S 3600 /* how long a presigned address works at most */

struct s3;

/* Is this an address of a bucket? */
bool s3_url_valid(const char *url);
/* 0, -EINVAL (address or endpoint), -ENOMEM. Strings are copied; nothing is asked of the storage.
 */
NODISCARD int s3_new(const struct s3_config *config, struct s3 **ret);
struct s3 *s3_free(struct s3 *s);
/* From now on requests end at once with -ECANCELED, those under way within a second or so. */
void s3_stop(struct s3 *s);
/* The backend; lives as long as `s`. */
struct objects s3_objects(struct s3 *s);
/* As storage_grants_local, with addresses of the bucket; also 503: no credentials at the moment. */
NODISCARD int s3_grants(struct s3 *s, const struct storage_grant *g, const void *body, size_t len,
                        struct buf *ret_json, char reason[static STORAGE_REASON_SIZE]);
