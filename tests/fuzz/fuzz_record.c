/* Whatever bytes init reads as a record: refused, or all strings lie inside them. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const char *s, const char *bytes, size_t size)
{
        assert(s >= bytes && s + strlen(s) < bytes + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct record r;
        char *bytes = malloc(size ? size : 1);

        if (!bytes)
                return 0;
        memcpy(bytes, data, size);
        if (record_open(bytes, size, &r) == 0) {
                inside(r.path, bytes, size);
                for (char **s = r.argv; *s; s++)
                        inside(*s, bytes, size);
                for (char **s = r.ahead; *s; s++)
                        inside(*s, bytes, size);
                for (char **s = r.env; *s; s++)
                        inside(*s, bytes, size);
                for (uint32_t i = 0; i < r.head.n_files; i++) {
                        inside(r.files[i].path, bytes, size);
                        inside(r.files[i].content, bytes, size);
                }
                for (uint32_t i = 0; i < r.head.n_write; i++)
                        inside(r.write[i], bytes, size);
        }
        free(bytes);
        return 0;
}
