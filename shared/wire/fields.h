/*
 * messages.def as a table, for the encoder and the decoder alone. Read-only.
 */
#pragma once

#include "wire/wire.h"

/* Messages first, in the order of enum wire_type, then the parts of messages. */
enum field_owner {
#define MESSAGE(id, member, sender, doc) OWNER_##id,
#define OBJECT(id, member, doc)
#define FIELD(id, member, field, kind, low, high, need, doc)
#include "wire/messages.def"
#undef MESSAGE
#undef OBJECT
#define MESSAGE(id, member, sender, doc)
#define OBJECT(id, member, doc) OWNER_OBJECT_##id,
#include "wire/messages.def"
#undef MESSAGE
#undef OBJECT
#undef FIELD
        OWNER_MAX
};

enum field_kind {
        FIELD_U32,
        FIELD_U64,
        FIELD_I64,
        FIELD_BOOL,
        FIELD_ID,
        FIELD_ADDR,
        FIELD_HEX,
        FIELD_STR,
        FIELD_DOC,
        FIELD_TEXT,
        FIELD_PHASE,
        FIELD_VERB,
        FIELD_COMMIT,
        FIELD_PART,
        FIELD_LIST,
};

struct field {
        enum field_owner owner;
        enum field_kind kind;
        const char *name;
        size_t offset;
        size_t size;         /* of the member, NUL included for texts */
        int64_t low, high;   /* numbers; LIST: high is the most elements */
        enum field_owner of; /* PART, LIST */
        size_t count_offset; /* LIST: the uint32_t that counts */
        size_t element_size; /* LIST */
        bool need;
};

struct field_span {
        const struct field *first;
        size_t n;
};

/* The fields of an owner in the order in which they are sent; at most FIELDS_MAX. */
#define FIELDS_MAX 32
struct field_span field_span_of(enum field_owner owner);
const char *field_owner_name(enum field_owner owner);
/* The names of a PHASE, VERB or COMMIT, indexed by value. */
const char *const *field_names_of(enum field_kind kind, size_t *ret_n);
/* May a text stand in this field of `size` bytes? For all kinds of text but TEXT, which takes all.
 */
bool field_text_valid(enum field_kind kind, size_t size, const char *text);
