/* What comes in over HTTP and the ops socket, as bytes. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "in/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct view_launch l;
        struct view_command c;
        struct view_error e;

        if (view_launch_parse((const char *)data, size, &l, &e) == 0) {
                assert(workspace_id_valid(l.id));
                assert(name_valid(l.key.user_id, sizeof(l.key.user_id) - 1));
        } else {
                assert(e.id < VIEW_ERROR_MAX && e.message[0]);
        }
        if (view_command_parse((const char *)data, size, &c, &e) != 0)
                assert(e.id < VIEW_ERROR_MAX && e.message[0]);
        return 0;
}
