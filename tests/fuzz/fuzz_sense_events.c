/* Whatever bytes stand where inotify's should: refused, or each event lies inside them. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sense/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        /* A copy of its own, so that a read behind the end is noticed. */
        uint8_t *bytes = malloc(size ? size : 1);
        struct sense_event ev;
        size_t offset = 0, before = 0;
        int r;

        if (!bytes)
                return 0;
        memcpy(bytes, data, size);
        while ((r = events_next(bytes, size, &offset, &ev)) > 0) {
                assert(offset > before && offset <= size);
                assert(!strchr(ev.name, '/'));
                assert(!*ev.name || (const uint8_t *)ev.name + strlen(ev.name) < bytes + size);
                before = offset;
        }
        assert(r == 0 ? offset == size : offset == before);
        free(bytes);
        return 0;
}
