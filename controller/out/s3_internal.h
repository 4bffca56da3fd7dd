/* What s3.c and s3_grants.c share. */
#pragma once

#include "out/s3.h"
#include "out/s3_credentials.h"
#include "out/s3_http.h"
#include "out/sigv4.h"

#define S3_HOST_SIZE 320
#define S3_PREFIX_SIZE 128
#define S3_KEY_MAX (S3_PREFIX_SIZE + BLOB_OBJECT_SIZE + 80)
#define S3_BASE64_SIZE 45 /* of a SHA-256 */

struct s3 {
        char scheme[9];              /* "https://" */
        char host[S3_HOST_SIZE];     /* as it stands in Host: without the scheme's own port */
        char bucket_path[72];        /* "" or "/bucket" */
        char prefix[S3_PREFIX_SIZE]; /* "" or "a/b/" */
        char region[64];
        struct s3_credentials_source *credentials;
        struct s3_http *http;
};

/* "/bucket/prefix/name" */
void s3_path(const struct s3 *s, const char *name, char dst[static S3_KEY_MAX]);
void s3_base64(const uint8_t digest[static SHA256_LEN], char dst[static S3_BASE64_SIZE]);
struct sigv4_scope s3_scope(const struct s3 *s, const struct s3_credentials *c, utc_t now);
