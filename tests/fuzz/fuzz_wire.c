/*
 * Whatever the decoder takes, the encoder can send, and it comes back the same: decode -> encode ->
 * decode -> encode gives the same bytes. What it refuses has a reason in printable ASCII.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wire_msg first, second;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char reason[WIRE_REASON_SIZE] = "";
        AUTO_BUF one = BUF_INIT(2 * WIRE_MESSAGE_MAX);
        AUTO_BUF two = BUF_INIT(2 * WIRE_MESSAGE_MAX);
        int r = wire_decode(data, size, &first, reason);

        if (r != 0) {
                assert(r == 1 && reason[0]);
                for (const char *p = reason; *p; p++)
                        assert(*p >= 0x20 && *p < 0x7f);
                return 0;
        }
        r = wire_encode(&first, &one);
        /* Short spellings ("1e15") grow, so a message near the limit may not fit any more. */
        if (r == -EMSGSIZE && size > WIRE_MESSAGE_MAX / 2)
                return 0;
        assert(r == 0);
        assert(wire_decode(one.data, one.len, &second, reason) == 0);
        assert(wire_encode(&second, &two) == 0);
        assert(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
        return 0;
}
