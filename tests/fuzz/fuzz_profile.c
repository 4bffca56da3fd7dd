/* Any bytes are a profile or an error with a message; what is accepted keeps its promises. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char error[PROFILE_ERROR_MAX] = "";
        AUTO_PROFILE p = NULL;
        char *text = malloc(size + 1);

        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = 0;
        if (profile_parse(text, size, error, &p) < 0) {
                assert(!p && error[0]);
        } else {
                assert(p->name[0] && p->argv.n > 0 && p->health_path[0] == '/');
                assert(profile_enters(p, ""));
                for (size_t i = 0; i < p->save_exclude.n; i++)
                        (void)profile_saves(p, p->save_exclude.items[i]);
        }
        free(text);
        return 0;
}
