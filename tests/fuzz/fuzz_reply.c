/* The filter never counts more than there is, and what it leaves of ASCII text is all of it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "decode/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t *copy = malloc(size + 1); /* exact, so that one byte too far is seen */
        size_t focus, left, again;

        if (!copy)
                return 0;
        memcpy(copy, data, size);
        left = reply_strip(copy, size, &focus);
        assert(left <= size && focus * 3 <= size - left);
        assert(left == size || memchr(copy, 0x1b, size));
        /* a key in front changes nothing about the rest */
        memmove(copy + 1, copy, size);
        copy[0] = 'x';
        again = reply_strip(copy, size + 1, &focus);
        assert(again == left + 1);
        free(copy);
        return 0;
}
