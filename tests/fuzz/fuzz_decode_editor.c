/*
 * Any bytes as the editor's messages and as a handshake; the first byte splits. The messages must
 * not depend on the split, and no more of them is shown than there is.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "decode/editor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
        uint64_t hash, messages;
};

static void mix(struct sum *s, uint64_t v)
{
        s->hash = (s->hash ^ v) * 1099511628211u;
}

static bool on_message(void *ctx, const struct editor_message *m)
{
        struct sum *s = ctx;

        assert(m->body_len <= m->length && m->body_len <= EDITOR_PREFIX_MAX);
        mix(s, (uint64_t)m->type);
        mix(s, m->id);
        mix(s, m->length);
        for (size_t i = 0; i < m->body_len; i++)
                mix(s, m->body[i]);
        s->messages++;
        return true;
}

static bool run(const uint8_t *data, size_t size, size_t step, struct sum *s)
{
        struct editor e;
        bool good = true;

        editor_init(&e);
        for (size_t at = 0; at < size; at += step) {
                size_t len = size - at < step ? size - at : step;
                uint8_t *exact = malloc(len);
                bool was = good;

                assert(exact);
                memcpy(exact, data + at, len);
                good = editor_feed(&e, exact, len, on_message, s);
                assert(was || !good);
                free(exact);
        }
        assert(good == !e.reason);
        editor_deinit(&e);
        return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct sum whole = {0}, split = {0};
        enum editor_kind kind;
        bool good;

        if (size < 2)
                return 0;
        good = run(data + 1, size - 1, size, &whole);
        assert(good == run(data + 1, size - 1, data[0] + 1u, &split));
        assert(whole.hash == split.hash && whole.messages == split.messages);
        if (editor_handshake(data, size, &kind))
                assert(kind >= EDITOR_KIND_NONE && kind <= EDITOR_TUNNEL);
        return 0;
}
