/*
 * The JSON documents of saving and restoring: what the controller asks for, where objects are
 * granted, what the save and restore roles answer; and the names of objects. The manifest of a save
 * is snapshot/manifest.h. init and link pass requests and results on unread; link
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

#define BLOB_GRANT_URL_SIZE 512      /* with NUL; address of a grant */
#define BLOB_GRANTS_MAX 4            /* addresses of the same service */
#define BLOB_GRANT_OBJECTS_MAX 64    /* objects in one grant request */
#define BLOB_GRANT_HEADERS_MAX 8     /* headers of one granted object */
#define BLOB_GRANT_REQUEST_MAX 16384 /* bytes */
#define BLOB_GRANT_ANSWER_MAX (1 << 20)
#define BLOB_URL_SIZE 4096     /* of a granted address; a presigned one with a session token fits */
#define BLOB_HEADER_SIZE 256   /* "Name: value" */
#define BLOB_WORKSPACE_SIZE 32 /* "ws-k3v9…" */
#define BLOB_SHA256_SIZE 65    /* lower-case hex and NUL */
#define BLOB_CODE_SIZE 24
#define BLOB_MESSAGE_SIZE 256
#define BLOB_OBJECT_SIZE 128                /* object name: workspace, generation, seq, file name */
#define BLOB_FILE_SIZE 24                   /* "0-00000.tar.zst", "manifest.mtree.zst" */
#define BLOB_SAVES_MAX 4                    /* restore candidates in one request */
#define BLOB_PART_BYTES (UINT64_C(8) << 20) /* of a part; all but the last have as many */
#define BLOB_PART_MAX (UINT64_C(32) << 20)  /* as older agents make them */
#define BLOB_MANIFEST_MAX (UINT64_C(128) << 20) /* bytes of a manifest object */
#define BLOB_REQUEST_MAX 32768     /* = ROLE_BLOB_MAX; bytes of any request or result */
#define BLOB_SAVE_REQUEST_MAX 6144 /* init keeps the grant for a last save */

/* ---- grants: where to ask for addresses of objects ---- */

/* Several addresses of the same service: any of them will do. */
struct blob_grants {
        uint32_t n;
        char url[BLOB_GRANTS_MAX][BLOB_GRANT_URL_SIZE];
};

/* ---- restore request: controller -> restore ---- */

struct blob_restore_save {
        uint64_t generation, seq;
        uint64_t length; /* of the manifest */
        char sha256[BLOB_SHA256_SIZE];
};

struct blob_restore_request {
        char workspace[BLOB_WORKSPACE_SIZE];
        uint64_t generation; /* of the life that begins now */
        struct blob_grants grants;
        uint32_t n_saves; /* newest first; 0: a fresh workspace */
        struct blob_restore_save saves[BLOB_SAVES_MAX];
};

NODISCARD int blob_restore_request_decode(const void *data, size_t len,
                                          struct blob_restore_request *ret_request);
NODISCARD int blob_restore_request_encode(const struct blob_restore_request *q, struct buf *b);

/* ---- save request: controller -> (link adds committed_seq) -> save ---- */

/* At most BLOB_SAVE_REQUEST_MAX bytes; longer ones are neither written nor taken. */
struct blob_save_request {
        char workspace[BLOB_WORKSPACE_SIZE];
        uint64_t generation, seq;
        struct blob_grants grants;
        uint64_t max_bytes; /* of all parts of an archive */
        /*
         * The newest seq of this generation that the controller has committed; 0 or absent: none.
         * Only upon that save may a save build, or call itself unchanged against it. The controller
         * need not fill it in: link does (blob_save_request_set_committed) just before it gives the
         * order.
         */
        uint64_t committed_seq;
        /* The committed save that it may build upon where this generation has none; 0: none. */
        uint64_t parent_generation, parent_seq;
        bool sync; /* mode `home`: nothing is uploaded, the home is made durable where it is */
};

NODISCARD int blob_save_request_decode(const void *data, size_t len,
                                       struct blob_save_request *ret_request);
NODISCARD int blob_save_request_encode(const struct blob_save_request *q, struct buf *b);
/* Decode `data`, set committed_seq, append the result to `ret`. Errors of both directions. */
NODISCARD int blob_save_request_set_committed(const void *data, size_t len, uint64_t committed_seq,
                                              struct buf *ret);

/* ---- grant request: save and restore -> storage server; its answer ---- */

enum blob_op {
        BLOB_OP_PUT, /* new objects of one save: name within the save, length, hash */
        BLOB_OP_GET, /* objects of the workspace: name within the workspace */
};

struct blob_grant_object {
        char name[BLOB_OBJECT_SIZE];
        uint64_t length;               /* put */
        char sha256[BLOB_SHA256_SIZE]; /* put */
};

struct blob_grant_request {
        uint32_t n_objects;
        struct blob_grant_object objects[BLOB_GRANT_OBJECTS_MAX];
};

/* Which fields an object must have depends on `op`, which stands in the address. */
NODISCARD int blob_grant_request_decode(const void *data, size_t len, enum blob_op op,
                                        struct blob_grant_request *ret_request);
NODISCARD int blob_grant_request_encode(const struct blob_grant_request *q, enum blob_op op,
                                        struct buf *b);

/* One request at a storage: send the headers as they are. */
struct blob_address {
        const char *url; /* NULL: none */
        uint32_t n_headers;
        const char *headers[BLOB_GRANT_HEADERS_MAX];
};

struct blob_granted {
        const char *name;
        struct blob_address at;    /* PUT or GET */
        struct blob_address check; /* put: HEAD; says length and hash of what is there */
};

/* Objects in the order of the request. Decoded text lives as long as the answer. */
struct blob_grant_answer {
        uint32_t n_objects;
        struct blob_granted objects[BLOB_GRANT_OBJECTS_MAX];
        void *tree_;
};

NODISCARD int blob_grant_answer_decode(const void *data, size_t len,
                                       struct blob_grant_answer *ret_answer);
NODISCARD int blob_grant_answer_encode(const struct blob_grant_answer *a, struct buf *b);
/* Of a decoded one; a zeroed one is fine. */
void blob_grant_answer_deinit(struct blob_grant_answer *a);

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
        uint64_t data_length;          /* sum of the parts that this save brought; may be 0 */
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

/* ---- object names ---- */

enum blob_object {
        BLOB_OBJECT_PART,     /* <archive>-<part, 5 digits>.tar.zst */
        BLOB_OBJECT_MANIFEST, /* manifest.mtree.zst */
};

#define BLOB_ARCHIVES_MAX 2  /* that one save brings: 0 essentials, 1 what may come later */
#define BLOB_PARTS_MAX 65536 /* of one archive */

/* Beside the objects of a save: retention keeps it. Nobody is granted it. */
#define BLOB_PIN_FILE "pinned"

struct blob_object_ref {
        char workspace[BLOB_WORKSPACE_SIZE];
        uint64_t generation, seq;
        enum blob_object which;
        uint32_t archive, part; /* of a part */
};

/* "<workspace>/<generation>-<seq>/<file>". 0, -EINVAL for a workspace outside [a-z0-9-] or 0. */
NODISCARD int blob_object_name(const struct blob_object_ref *ref,
                               char ret_name[static BLOB_OBJECT_SIZE]);
/* The reverse; only the canonical form is taken. 0 or -EINVAL. */
NODISCARD int blob_object_parse(const char *name, struct blob_object_ref *ret_ref);
/* "<file>" alone: sets which, archive, part of *ref. 0 or -EINVAL. */
NODISCARD int blob_file_parse(const char *file, struct blob_object_ref *ref);
/* "<generation>-<seq>", canonical decimal, each at least 1. 0 or -EINVAL. */
NODISCARD int blob_save_parse(const char *text, uint64_t *ret_generation, uint64_t *ret_seq);
/* 1 to 31 of a-z 0-9 and -, not starting with -. */
bool blob_workspace_valid(const char *s);
