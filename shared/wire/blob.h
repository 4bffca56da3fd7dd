/*
 * The JSON documents of saving and restoring: what the controller grants, what the save and restore
 * roles answer, and the manifest of a save. init and link pass requests and results on unread; link
 * decodes results. Bytes <-> structs: no sockets, no files, no clock.
 *
 * Decoding is strict and bounded: the whole input must be one JSON object, integers are whole and
 * at most 2^53, text fits its field, URLs are http or https without control bytes, names keep to
 * the alphabet of object names. Unknown fields are ignored. Outputs are untouched on failure. Every
 * decoder: 0, -EBADMSG (not such a document), -ENOMEM. Every encoder appends to a buffer: 0,
 * -ENOBUFS, -ENOMEM, -EINVAL (a struct no decoder would take).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"

#define BLOB_URL_SIZE 2048     /* with NUL; a presigned S3 URL with a session token fits */
#define BLOB_WORKSPACE_SIZE 32 /* "ws-k3v9…" */
#define BLOB_SHA256_SIZE 65    /* lower-case hex and NUL */
#define BLOB_CODE_SIZE 24
#define BLOB_MESSAGE_SIZE 256
#define BLOB_OBJECT_SIZE 128   /* object name: workspace, generation, seq, file name */
#define BLOB_SAVES_MAX 4       /* restore candidates in one request */
#define BLOB_MANIFEST_MAX 4096 /* bytes of a manifest object */
#define BLOB_REQUEST_MAX 32768 /* = ROLE_BLOB_MAX; bytes of any request or result */
#define BLOB_FORMAT 1          /* of the manifest; older formats stay readable */

/* ---- restore request: controller -> restore ---- */

struct blob_restore_save {
        uint64_t generation, seq;
        char manifest_url[BLOB_URL_SIZE];
        uint64_t manifest_length;
        char manifest_sha256[BLOB_SHA256_SIZE];
        char data_url[BLOB_URL_SIZE]; /* its length and hash stand in the manifest */
};

struct blob_restore_request {
        char workspace[BLOB_WORKSPACE_SIZE];
        uint64_t generation; /* of the life that begins now */
        uint32_t n_saves;    /* newest first; 0: a fresh workspace */
        struct blob_restore_save saves[BLOB_SAVES_MAX];
};

NODISCARD int blob_restore_request_decode(const void *data, size_t len,
                                          struct blob_restore_request *ret_request);
NODISCARD int blob_restore_request_encode(const struct blob_restore_request *q, struct buf *b);

/* ---- save request: controller -> (link adds committed_seq) -> save ---- */

struct blob_save_request {
        char workspace[BLOB_WORKSPACE_SIZE];
        uint64_t generation, seq;
        char manifest_url[BLOB_URL_SIZE];
        char data_url[BLOB_URL_SIZE];
        uint64_t max_bytes; /* of the data object */
        /*
         * The newest seq of this generation that the controller has committed; 0 or absent: none.
         * Only against that save may a save call itself unchanged. The controller need not fill it
         * in: link does (blob_save_request_set_committed) just before it gives the order.
         */
        uint64_t committed_seq;
};

NODISCARD int blob_save_request_decode(const void *data, size_t len,
                                       struct blob_save_request *ret_request);
NODISCARD int blob_save_request_encode(const struct blob_save_request *q, struct buf *b);
/* Decode `data`, set committed_seq, append the result to `ret`. Errors of both directions. */
NODISCARD int blob_save_request_set_committed(const void *data, size_t len, uint64_t committed_seq,
                                              struct buf *ret);

/* ---- save result: save -> link ---- */

/* Why a save failed. `retry`: the same save with a new request may succeed later. */
#define BLOB_CODE_EXISTS "exists"         /* another save has this seq: take the next; retry */
#define BLOB_CODE_NETWORK "network"       /* storage not reached, or it failed; retry */
#define BLOB_CODE_REFUSED "refused"       /* signature wrong or expired: ask for new URLs; retry */
#define BLOB_CODE_DISK_FULL "disk-full"   /* here or at the storage (message says); retry */
#define BLOB_CODE_TOO_BIG "too-big"       /* more than max_bytes; no retry helps by itself */
#define BLOB_CODE_READ_ERROR "read-error" /* the student's disk gives errors; retry */
#define BLOB_CODE_INTERNAL "internal"     /* anything else */
/* Of restore only: */
#define BLOB_CODE_CORRUPT "corrupt" /* no save named in the request could be verified */
#define BLOB_CODE_MISSING "missing" /* the storage says that an object is not there */

struct blob_save_result {
        bool ok;
        uint64_t seq;
        /* when ok */
        bool final;
        bool unchanged;  /* nothing new since committed_seq: nothing was uploaded, length 0, sha256
                            "" */
        bool racy;       /* files changed while they were read; the next save has them whole */
        uint64_t length; /* of the manifest */
        char sha256[BLOB_SHA256_SIZE]; /* of the manifest */
        uint64_t data_length;
        uint64_t files;
        uint64_t unreadable; /* own files that could not be opened and are not in the save */
        uint64_t ms;
        /* when not ok */
        char code[BLOB_CODE_SIZE];
        char message[BLOB_MESSAGE_SIZE]; /* also when ok: a warning, or "" */
        bool retry;
};

NODISCARD int blob_save_result_decode(const void *data, size_t len,
                                      struct blob_save_result *ret_result);
NODISCARD int blob_save_result_encode(const struct blob_save_result *s, struct buf *b);

/* ---- restore result: restore -> link ---- */

struct blob_restore_result {
        bool ok;
        /* when ok; seq 0: there was nothing to restore */
        uint64_t generation, seq;
        uint64_t files, bytes, ms;
        uint64_t left;  /* bytes of parts that `restore --rest` has to bring; 0: all is there */
        uint64_t at_ms; /* of the save, ms since 1970 UTC; 0 not told */
        bool fell_back; /* an older save than the newest was restored; message says why */
        /* when not ok */
        char code[BLOB_CODE_SIZE];
        char message[BLOB_MESSAGE_SIZE];
};

NODISCARD int blob_restore_result_decode(const void *data, size_t len,
                                         struct blob_restore_result *ret_result);
NODISCARD int blob_restore_result_encode(const struct blob_restore_result *s, struct buf *b);

/* ---- manifest: save -> storage -> controller and restore; readable for ever ---- */

struct blob_manifest {
        uint32_t format;
        char workspace[BLOB_WORKSPACE_SIZE];
        uint64_t generation, seq;
        uint64_t at_ms; /* when the save began, by the agent's clock, ms since 1970 UTC */
        uint64_t data_length;
        char data_sha256[BLOB_SHA256_SIZE];
        uint64_t files;                     /* entries in the archive */
        uint64_t bytes;                     /* of file content before compression */
        char fingerprint[BLOB_SHA256_SIZE]; /* of names, sizes and times when the save began */
};

NODISCARD int blob_manifest_decode(const void *data, size_t len,
                                   struct blob_manifest *ret_manifest);
NODISCARD int blob_manifest_encode(const struct blob_manifest *m, struct buf *b);

/* ---- object names ---- */

enum blob_object {
        BLOB_OBJECT_DATA,     /* data.tar.zst */
        BLOB_OBJECT_MANIFEST, /* manifest.json */
};

/* "<workspace>/<generation>-<seq>/<file>". 0, -EINVAL for a workspace outside [a-z0-9-]. */
NODISCARD int blob_object_name(const char *workspace, uint64_t generation, uint64_t seq,
                               enum blob_object which, char ret_name[static BLOB_OBJECT_SIZE]);
struct blob_object_ref {
        char workspace[BLOB_WORKSPACE_SIZE];
        uint64_t generation, seq;
        enum blob_object which;
};
/* The reverse; only the canonical form is taken. 0 or -EINVAL. */
NODISCARD int blob_object_parse(const char *name, struct blob_object_ref *ret_ref);
/* "<generation>-<seq>", canonical decimal, each at least 1. 0 or -EINVAL. */
NODISCARD int blob_save_parse(const char *text, uint64_t *ret_generation, uint64_t *ret_seq);
/* 1 to 31 of a-z 0-9 and -, not starting with -. */
bool blob_workspace_valid(const char *s);
