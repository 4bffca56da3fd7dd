/*
 * What we read of S3's XML: flat fields of known names. Text in, text out; what does not look as
 * documented is refused, nothing is guessed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/mono.h"

/* A piece of a document. */
struct s3_xml {
        const char *at;
        size_t len;
};

/*
 * The content of the next <name>…</name> of `*doc`, which is moved behind it. Elements of the same
 * name are never inside one another. False when there is none.
 */
bool s3_xml_next(struct s3_xml *doc, const char *name, struct s3_xml *ret_content);
/* The first <name> of `doc` as text, entities resolved. 0, -ENOENT, -EBADMSG, -ENAMETOOLONG. */
NODISCARD int s3_xml_text(struct s3_xml doc, const char *name, char *dst, size_t size);
NODISCARD int s3_xml_u64(struct s3_xml doc, const char *name, uint64_t *ret);
/* "2026-11-28T05:00:00.000Z" */
NODISCARD int s3_xml_time(struct s3_xml doc, const char *name, utc_t *ret);
