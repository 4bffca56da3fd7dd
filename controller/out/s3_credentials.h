/*
 * Where AWS credentials come from, in this order: a file in the manner of ~/.aws/credentials (its
 * section [default], or no section), read again when it changes; AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; the container endpoint
 * (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI), asked again ahead of expiry. Thread-safe;
 * who comes during a refresh waits for it.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"

#define S3_KEY_SIZE 160
#define S3_TOKEN_SIZE 3072

struct s3_credentials {
        char access_key[S3_KEY_SIZE], secret_key[S3_KEY_SIZE];
        char token[S3_TOKEN_SIZE]; /* or "" */
        utc_t expires;             /* 0: never */
};

struct s3_credentials_source;

/* `file` may be "". 0, -ENOMEM. */
NODISCARD int s3_credentials_new(const char *file, struct s3_credentials_source **ret);
struct s3_credentials_source *s3_credentials_free(struct s3_credentials_source *s);
/* 0; -ENOKEY: nowhere are any (logged); -errno: they could not be had at the moment. */
NODISCARD int s3_credentials_get(struct s3_credentials_source *s, struct s3_credentials *ret);
/* The storage says that they have expired: ask again at the next call. */
void s3_credentials_stale(struct s3_credentials_source *s);
