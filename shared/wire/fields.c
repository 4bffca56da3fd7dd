#include "wire/fields.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

enum {
        NEED = 1,
        MAY = 0,
};

/* What messages.def calls the parts. */
#define OBJECT_CLAIM OWNER_OBJECT_CLAIM
#define OBJECT_SAVE OWNER_OBJECT_SAVE
#define OBJECT_SIGNAL OWNER_OBJECT_SIGNAL

/* Only a LIST has a counter and elements, only PART and LIST name another owner. */
#define NO_LIST(m, f)
#define IS_LIST(m, f)                                                                              \
        .count_offset = offsetof(struct wire_##m, n_##f),                                          \
        .element_size = sizeof(((struct wire_##m *)0)->f[0]),
#define EXTRA_U32 NO_LIST
#define EXTRA_U64 NO_LIST
#define EXTRA_I64 NO_LIST
#define EXTRA_BOOL NO_LIST
#define EXTRA_ID NO_LIST
#define EXTRA_ADDR NO_LIST
#define EXTRA_HEX NO_LIST
#define EXTRA_STR NO_LIST
#define EXTRA_DOC NO_LIST
#define EXTRA_TEXT NO_LIST
#define EXTRA_PHASE NO_LIST
#define EXTRA_VERB NO_LIST
#define EXTRA_COMMIT NO_LIST
#define EXTRA_PART NO_LIST
#define EXTRA_LIST IS_LIST

static const struct field fields[] = {
#define MESSAGE(id, member, sender, doc)
#define OBJECT(id, member, doc)
#define FIELD(id, member, field_, kind_, low_, high_, need_, doc)                                  \
        {.owner = OWNER_##id,                                                                      \
         .kind = FIELD_##kind_,                                                                    \
         .name = #field_,                                                                          \
         .offset = offsetof(struct wire_##member, field_),                                         \
         .size = sizeof(((struct wire_##member *)0)->field_),                                      \
         .low = (low_),                                                                            \
         .high = (high_),                                                                          \
         .of = (enum field_owner)((FIELD_##kind_ >= FIELD_PART) ? (low_) : 0),                     \
         EXTRA_##kind_(member, field_).need = (need_)},
#include "wire/messages.def"
#undef MESSAGE
#undef OBJECT
#undef FIELD
};

static const char *const owner_names[] = {
#define MESSAGE(id, member, sender, doc) [OWNER_##id] = #member,
#define OBJECT(id, member, doc) [OWNER_OBJECT_##id] = #member,
#define FIELD(id, member, field, kind, low, high, need, doc)
#include "wire/messages.def"
#undef MESSAGE
#undef OBJECT
#undef FIELD
};
static_assert(ARRAY_LEN(owner_names) == OWNER_MAX, "a name per owner");

static const char *const phase_names[] = {
#define AGENT_PHASE(id, name, doc) [WIRE_PHASE_##id] = name,
#include "wire/agent_phase.def"
#undef AGENT_PHASE
};
static_assert(ARRAY_LEN(phase_names) == WIRE_PHASE_MAX, "a name per phase");

static const char *const verb_names[] = {
#define COMMAND_VERB(id, name, doc) [WIRE_VERB_##id] = name,
#include "wire/command_verb.def"
#undef COMMAND_VERB
};
static_assert(ARRAY_LEN(verb_names) == WIRE_VERB_MAX, "a name per verb");

static const char *const commit_names[] = {
        [WIRE_COMMIT_PENDING] = "pending",
        [WIRE_COMMIT_COMMITTED] = "committed",
        [WIRE_COMMIT_REFUSED] = "refused",
};
static_assert(ARRAY_LEN(commit_names) == WIRE_COMMIT_MAX, "a name per commit state");

struct field_span field_span_of(enum field_owner owner)
{
        struct field_span span = {0};

        for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
                if (fields[i].owner != owner)
                        continue;
                if (!span.first)
                        span.first = &fields[i];
                assert(&span.first[span.n] == &fields[i]); /* messages.def keeps them together */
                span.n++;
        }
        assert(span.n <= FIELDS_MAX);
        return span;
}

const char *field_owner_name(enum field_owner owner)
{
        assert(owner >= 0 && owner < OWNER_MAX);
        return owner_names[owner];
}

const char *const *field_names_of(enum field_kind kind, size_t *ret_n)
{
        if (kind == FIELD_PHASE) {
                *ret_n = ARRAY_LEN(phase_names);
                return phase_names;
        }
        if (kind == FIELD_VERB) {
                *ret_n = ARRAY_LEN(verb_names);
                return verb_names;
        }
        assert(kind == FIELD_COMMIT);
        *ret_n = ARRAY_LEN(commit_names);
        return commit_names;
}

/* No names: an agent must not be able to make the controller ask a resolver. */
static bool addr_valid(const char *text)
{
        uint8_t binary[sizeof(struct in6_addr)];
        const char *colon = strrchr(text, ':');
        char host[WIRE_ADDR_SIZE];
        size_t n = colon ? (size_t)(colon - text) : 0;
        uint64_t port;

        if (!colon || n >= sizeof(host) || num_parse_u64(colon + 1, 1, 65535, &port) < 0)
                return false;
        if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
                memcpy(host, text + 1, n - 2);
                host[n - 2] = 0;
                return inet_pton(AF_INET6, host, binary) == 1;
        }
        memcpy(host, text, n);
        host[n] = 0;
        return inet_pton(AF_INET, host, binary) == 1;
}

static bool hex_valid(const char *text, size_t digits)
{
        return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

static bool no_controls(const char *text, const char *but)
{
        for (const char *p = text; *p; p++) {
                if (((unsigned char)*p < 0x20 || *p == 0x7f) && !strchr(but, *p))
                        return false;
        }
        return true;
}

bool field_text_valid(enum field_kind kind, size_t size, const char *text)
{
        if (strlen(text) >= size)
                return false;
        switch (kind) {
        case FIELD_ID:
                return name_valid(text, size - 1);
        case FIELD_ADDR:
                return addr_valid(text);
        case FIELD_HEX:
                return hex_valid(text, size - 1);
        case FIELD_STR:
                return no_controls(text, "");
        case FIELD_DOC:
                return no_controls(text, "\t\r\n");
        case FIELD_TEXT:
        case FIELD_U32:
        case FIELD_U64:
        case FIELD_I64:
        case FIELD_BOOL:
        case FIELD_PHASE:
        case FIELD_VERB:
        case FIELD_COMMIT:
        case FIELD_PART:
        case FIELD_LIST:
                break;
        }
        return true;
}

const char *wire_type_name(enum wire_type t)
{
        assert(t >= 0 && t < WIRE_TYPE_MAX);
        return owner_names[t];
}

const char *wire_phase_name(enum wire_phase p)
{
        assert(p >= 0 && p < WIRE_PHASE_MAX);
        return phase_names[p];
}

const char *wire_verb_name(enum wire_verb v)
{
        assert(v >= 0 && v < WIRE_VERB_MAX);
        return verb_names[v];
}

const char *wire_commit_name(enum wire_commit c)
{
        assert(c >= 0 && c < WIRE_COMMIT_MAX);
        return commit_names[c];
}

uint32_t wire_version_pick(uint32_t v_min, uint32_t v_max)
{
        uint32_t highest = MIN(v_max, WIRE_V_MAX);

        return highest >= v_min && highest >= WIRE_V_MIN ? highest : 0;
}
